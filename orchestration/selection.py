"""Running any selection of assets in this process.

What belongs here: from a selection text to a finished run. Not: planning a whole domain (main_job.py).
"""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, unknown_name
from lakehouse.loading import load_domains
from lakehouse.tables.days import spans
from lakehouse.transforms.project import load_project
from orchestration.checks import asset_key
from orchestration.definitions import build_defs
from orchestration.instance import open_instance
from orchestration.main_job import QUIET, JobReport, failure_of, steps_of
from orchestration.memory import MemoryWatch
from orchestration.partitions import days_of, range_tags
from orchestration.progress import Progress

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph  # Dagster does not export the type

_JOB = "slipway_materialize"


def run_selection(
    lake: Lakehouse,
    selection: str,
    days: tuple[date, date] | None,
    *,
    rebuild: bool,
    watch: MemoryWatch,
    progress: Progress | None = None,
    report: JobReport | None = None,
) -> JobReport:
    """Materialize what `selection` names: a table by its name, or any Dagster selection of assets.

    Sources are asked for `days`, or for all days that they were delivered for. Raises SlipwayError with the failed
    step's own words, UnknownNameError for a name that there is not; a `report` that is given holds what was done then.
    """
    defs = build_defs(lake, progress=progress)
    graph = defs.resolve_asset_graph()
    chosen = _resolve(lake, graph, selection)
    instance = open_instance(lake)
    # A job has one kind of partitions, and each domain has days of its own.
    names = sorted({key.path[0] for key in chosen})
    domains = {name: [key for key in chosen if key.path[0] == name] for name in names}
    jobs = [dg.define_asset_job(f"{_JOB}_{name}", dg.AssetSelection.assets(*keys)) for name, keys in domains.items()]
    merged = dg.Definitions.merge(defs, dg.Definitions(jobs=jobs))
    report = JobReport() if report is None else report
    known = {asset_key(source.name): source.name for domain in load_domains() for source in domain.sources}
    report.sources += [known[key] for key in chosen if key in known]
    for name, keys in domains.items():
        config = _config(defs, keys, days, rebuild=rebuild)
        for tags in _ranges(graph, keys, days, _delivered(lake, keys)):
            # A job's own config is not used when it has partitions: it is given with each run.
            result = merged.resolve_job_def(f"{_JOB}_{name}").execute_in_process(
                instance=instance, tags=tags, run_config=config, raise_on_error=False
            )
            report.runs.append(result.run_id)
            report.steps += steps_of(instance, result.run_id, watch)
            if not result.success:
                raise failure_of(result)
    return report


def _resolve(lake: Lakehouse, graph: "AssetGraph", selection: str) -> list[dg.AssetKey]:
    if selection.startswith("dbt:"):
        from orchestration.dbt_translator import dbt_selection

        return sorted(dbt_selection(load_project(lake.settings, lake.home), selection.removeprefix("dbt:")))
    known = {key.to_user_string().replace("/", "."): key for key in graph.materializable_asset_keys}
    if selection in known:
        return [known[selection]]
    words = selection
    for name, key in sorted(known.items(), key=lambda pair: -len(pair[0])):
        words = words.replace(name, f'key:"{key.to_user_string()}"') if f'"{name}' not in words else words
    try:
        found = dg.AssetSelection.from_string(words).resolve(graph)
    except Exception as error:  # Dagster raises several kinds for a text that it cannot read
        raise _unknown(graph, selection, known) from error
    if not found:
        raise _unknown(graph, selection, known)
    return sorted(found)


def _unknown(graph: "AssetGraph", selection: str, known: dict[str, dg.AssetKey]) -> SlipwayError:
    groups = {f"group:{graph.get(key).group_name}" for key in known.values()}
    kind, options = ("group", groups) if selection.startswith("group:") else ("asset or selection", {*known})
    return unknown_name(kind, selection, options, where="slipway materialize")


def _config(defs: dg.Definitions, chosen: list[dg.AssetKey], days: tuple[date, date] | None, *, rebuild: bool) -> dict:
    """The settings for every chosen step that takes some."""
    asked = f"{days[0]}:{days[1]}" if days else ""
    steps: dict[str, dict] = {}
    for assets in defs.resolve_asset_graph().assets_defs:
        takes_config = assets.keys & set(chosen) and assets.is_executable and assets.partitions_def is None
        if takes_config:
            steps[assets.op.name] = {"config": {"rebuild": rebuild, "days": asked}}
    return {"ops": steps, **QUIET}


def _delivered(lake: Lakehouse, chosen: list[dg.AssetKey]) -> set[date]:
    """The days that the chosen sources were delivered for: a live source's partitions go on to yesterday."""
    sources = [source for domain in load_domains() for source in domain.sources if asset_key(source.name) in chosen]
    return {day for source in sources for day in days_of(lake, source)}


def _ranges(
    graph: "AssetGraph", chosen: list[dg.AssetKey], days: tuple[date, date] | None, delivered: set[date]
) -> list[dict[str, str]]:
    """The partition ranges to run; one empty one when nothing chosen has partitions."""
    definitions = [graph.get(key).partitions_def for key in chosen]
    partitioned = [definition for definition in definitions if definition is not None]
    if not partitioned:
        return [{}]
    keys = [date.fromisoformat(key) for key in partitioned[0].get_partition_keys()]
    # Without any delivery the step is run all the same, and says where it looked.
    known = [key for key in keys if key in delivered] or keys
    if days is None:
        return [range_tags(first, last) for first, last in spans(known)]
    for day in days:
        if day not in known:
            raise SlipwayError(
                f"{day} is not a day that was delivered.",
                where="--days",
                nearest=str(min(known, key=lambda one: abs((one - day).days))),
                fix="Deliver it first, or choose other days.",
            )
    return [range_tags(*days)]

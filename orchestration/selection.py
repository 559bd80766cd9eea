"""Running any selection of assets in this process.

What belongs here: from a selection text to finished runs. Not: planning a whole domain (main_job.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, unknown_name
from lakehouse.loading import load_domains
from lakehouse.sources.source import Source
from lakehouse.tables.days import between, describe_days
from lakehouse.transforms.project import load_project
from orchestration.checks import asset_key
from orchestration.definitions import build_defs
from orchestration.instance import open_instance
from orchestration.lineage.metadata import days_tag
from orchestration.main_job import QUIET, JobReport, failure_of, steps_of
from orchestration.memory import MemoryWatch
from orchestration.progress import Progress
from orchestration.source_days import delivered_days, nearest_day

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

    Sources land their pending deliveries, with `days` (first, last) those of these days. Raises the failed step's
    SlipwayError, and UnknownNameError for an unknown name; a `report` that is passed in holds what was done until then.
    """
    defs = build_defs(lake, progress=progress)
    graph = defs.resolve_asset_graph()
    chosen = _resolve(lake, graph, selection)
    instance = open_instance(lake)
    declared = {asset_key(source.name): source for domain in load_domains() for source in domain.sources}
    chosen = _with_deliveries(lake, chosen, declared, days)
    report = JobReport() if report is None else report
    report.sources += [declared[key].name for key in chosen if key in declared]
    # Each domain has a run of its own, so that a failure in one leaves the others alone; what is read comes first.
    jobs = {name: dg.AssetSelection.assets(*keys) for name, keys in _by_domain(graph, chosen).items()}
    merged = dg.Definitions.merge(
        defs, dg.Definitions(jobs=[dg.define_asset_job(f"{_JOB}_{name}", one) for name, one in jobs.items()])
    )
    config = _config(defs, chosen, declared, days, rebuild=rebuild)
    for name, keys in _by_domain(graph, chosen).items():
        result = merged.resolve_job_def(f"{_JOB}_{name}").execute_in_process(
            instance=instance,
            tags=days_tag(days) if days and any(key in declared for key in keys) else {},
            run_config={"ops": {step: one for step, (own, one) in config.items() if own & {*keys}}, **QUIET},
            raise_on_error=False,
        )
        report.runs.append(result.run_id)
        report.steps += steps_of(instance, result.run_id, watch)
        if not result.success:
            raise failure_of(result)
    return report


def _by_domain(graph: "AssetGraph", chosen: Sequence[dg.AssetKey]) -> dict[str, list[dg.AssetKey]]:
    """The chosen keys by domain, each domain after those that it reads, as far as they do not read each other."""
    found: dict[str, list[dg.AssetKey]] = {}
    place = {key: number for number, key in enumerate(graph.toposorted_asset_keys)}
    for key in sorted(chosen, key=lambda one: place[one]):
        found.setdefault(key.path[0], []).append(key)
    return found


def _with_deliveries(
    lake: Lakehouse,
    chosen: list[dg.AssetKey],
    declared: Mapping[dg.AssetKey, Source],
    days: tuple[date, date] | None,
) -> list[dg.AssetKey]:
    """The chosen keys without those sources that were not delivered on any of `days`.

    Raises SlipwayError when that is so of all chosen sources.
    """
    sources = [key for key in chosen if key in declared]
    if days is None or not sources:
        return chosen
    asked = between(*days)
    delivered = {key: delivered_days(lake, declared[key]) for key in sources}
    empty = [key for key in sources if not {*asked} & {*delivered[key]}]
    every = sorted({day for found in delivered.values() for day in found})
    if len(empty) == len(sources) and every:
        names = ", ".join(declared[key].name for key in sources)
        raise SlipwayError(
            f"{names} was not delivered for {describe_days(asked)}.",
            where="--days",
            nearest=str(nearest_day(asked, every)),
            fix="Deliver these days, or choose days that were delivered.",
        )
    return [key for key in chosen if key not in empty] if every else chosen


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


def _config(
    defs: dg.Definitions,
    chosen: Sequence[dg.AssetKey],
    declared: Mapping[dg.AssetKey, Source],
    days: tuple[date, date] | None,
    *,
    rebuild: bool,
) -> dict[str, tuple[set[dg.AssetKey], dict]]:
    """The config of every chosen step, by the step's name, with the keys that it makes."""
    asked = f"{days[0]}:{days[1]}" if days else ""
    steps: dict[str, tuple[set[dg.AssetKey], dict]] = {}
    for assets in defs.resolve_asset_graph().assets_defs:
        if assets.keys & {*chosen} and assets.is_executable:
            own = {"days": asked} if assets.keys & {*declared} else {"days": asked, "rebuild": rebuild}
            steps[assets.op.name] = ({*assets.keys}, {"config": own})
    return steps

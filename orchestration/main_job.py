"""Runs a domain's main job in this process: lands pending deliveries, and rebuilds what is stale.

What belongs here: planning the run, running it through Dagster, and its report. Not: printing (cli/).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg

from lakehouse import errors
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from orchestration.checks import asset_key
from orchestration.definitions import build_defs
from orchestration.instance import open_instance
from orchestration.lineage.metadata import days_tag
from orchestration.memory import MemoryWatch
from orchestration.planning import PlannedRun, plan_builds, plan_predictions, plan_run
from orchestration.progress import Progress

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Step:
    """One step of a run: seconds it took, rows it wrote, megabytes it needed at most, assets it recomputed."""

    name: str
    seconds: float
    rows: int
    peak_memory_mb: float
    recomputed: Sequence[str]


@dataclass
class JobReport:
    """What the runs of a job did. `runs` are Dagster's run ids; empty when nothing had to be done.

    `sources` are those among what was asked for.
    """

    runs: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    because: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def recomputed(self) -> list[str]:
        """The assets that were rebuilt, in order."""
        return [name for step in self.steps for name in step.recomputed]


def run_main_job(
    lake: Lakehouse,
    domain: Domain,
    progress: Progress,
    watch: MemoryWatch,
    *,
    models: bool = True,
    only_made: bool = False,
) -> JobReport:
    """Bring the domain up to date with its deliveries, leaving out its models without `models`.

    With `only_made`, tables that were never built are left out. Raises the failed step's SlipwayError.
    """
    report = JobReport(sources=[source.name for source in domain.sources])
    planned = plan_run(lake, domain, models=models, only_made=only_made)
    if planned is None:
        return report
    instance = open_instance(lake)
    job = build_defs(lake, domains=[domain], progress=progress).resolve_job_def(
        f"{domain.name}_{'main' if models else 'daily'}"
    )

    def run(one: PlannedRun) -> dg.ExecuteInProcessResult:
        result = job.execute_in_process(
            instance=instance,
            tags=days_tag(one.days),
            run_config=QUIET,
            asset_selection=one.only,
            raise_on_error=False,
        )
        report.runs.append(result.run_id)
        report.steps += steps_of(instance, result.run_id, watch)
        report.because += one.because
        return result

    result = run(planned)
    if not result.success:
        # A challenger that stays one must not keep the champion from scoring the new day, nor a rejected delivery of
        # one source what is built from the others.
        rejected = _failed(result) <= {asset_key(source.name).to_python_identifier() for source in domain.sources}
        rest = plan_builds(lake, domain, models=models) if rejected else plan_predictions(lake, domain)
        if rest is not None and not only_made:
            run(rest)
        raise failure_of(result)
    return report


def _failed(result: dg.ExecuteInProcessResult) -> set[str]:
    """The names of the steps that failed."""
    return {event.step_key or "" for event in result.all_events if event.is_step_failure}


def steps_of(instance: dg.DagsterInstance, run_id: str, watch: MemoryWatch) -> list[Step]:
    """Seconds, rows and recomputed assets of a run's steps, in the order in which they ended."""
    began: dict[str, float] = {}
    made: dict[str, dict[str, int]] = {}
    steps = []
    for entry in instance.all_logs(run_id):
        event, key = entry.dagster_event, entry.step_key
        if event is None or key is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_START:
            began[key] = entry.timestamp
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            done = materialization.metadata.get("recomputed")
            if done is not None and not str(done.value).startswith("nothing"):
                written = materialization.metadata.get("rows_written")
                rows = int(written.value) if written else 0  # type: ignore[arg-type]  # an integer
                made.setdefault(key, {})[to_name(materialization.asset_key)] = rows
        elif event.event_type in {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}:
            start = began.get(key, entry.timestamp)
            peak = watch.peak_mb(start, entry.timestamp)
            own = made.get(key, {})
            seconds = round(entry.timestamp - start, 3)
            steps.append(Step(key.replace("__", "."), seconds, sum(own.values()), peak, list(own)))
    return steps


def to_name(key: dg.AssetKey) -> str:
    """The table name of an asset key."""
    return ".".join(key.path)


def failure_of(result: dg.ExecuteInProcessResult) -> SlipwayError:
    """The error of the first failed step; for an unexpected exception, its class and message."""
    for event in result.all_events:
        if event.event_type is not dg.DagsterEventType.STEP_FAILURE:
            continue
        data = event.step_failure_data
        failure = data.user_failure_data
        if failure is not None and "error" in failure.metadata:
            parts: dict = failure.metadata["error"].value  # type: ignore[assignment]  # a SlipwayError's parts
            kind = getattr(errors, parts["error"], SlipwayError)
            return kind(parts["what"], where=parts["where"], nearest=parts["nearest"], fix=parts["fix"])
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        message = failure.description if failure is not None else error.message.strip() if error else None
        return SlipwayError(
            message or f"{event.step_key} failed.",
            where=f"step {event.step_key}, run {result.run_id}",
            fix="`slipway up` shows the run with its log.",
        )
    return SlipwayError("The run failed.", where=f"run {result.run_id}", fix="`slipway up` shows its log.")

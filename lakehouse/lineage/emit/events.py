"""Runs as events of the standard: START and COMPLETE, FAIL or ABORT, with the facets of the run and of its job.

What belongs here: events of Dagster's runs and steps, of dbt's nodes and tests. Not: inputs and outputs
(conversion.py), MLflow's runs (training_runs.py). Every event has a key, made of its run and of what it says: the
same thing told twice is known by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    OutputDataset,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.event_v2 import Run as OpenLineageRun
from openlineage.client.facet_v2 import (
    documentation_job,
    error_message_run,
    job_type_job,
    nominal_time_run,
    ownership_job,
    parent_run,
    processing_engine_run,
    source_code_location_job,
    sql_job,
    tags_job,
    test_run,
)
from openlineage.client.serde import Serde

from lakehouse.kinds.asset import Asset
from lakehouse.kinds.graph import AssetGraph
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.custom_facets import CodeFacet, DagsterFacet, EnginesFacet, WorkFacet
from lakehouse.lineage.emit.facets import describe_check, instant
from lakehouse.lineage.emit.masking import Masking
from lakehouse.lineage.emit.outbox import Event
from lakehouse.lineage.emit.run_events import Checked, End, Fault, OutputVersion, Run, Step

_LONGEST_SQL = 100_000
_PACKAGES = ("slipway", "dagster", "duckdb", "dbt-core", "pyiceberg", "pyspark", "mlflow", "openlineage-python")
_ENGINES = {"embedded": ("slipway", "slipway"), "dbt-duckdb": ("dbt", "dbt-core"), "dbt-spark": ("dbt", "dbt-core")}
_ENGINES |= {"spark": ("spark", "pyspark"), "sklearn": ("scikit-learn", "scikit-learn")}


class Datasets(NamedTuple):
    """What a run reads and writes."""

    inputs: Sequence[InputDataset] = ()
    outputs: Sequence[OutputDataset] = ()


@dataclass(frozen=True)
class Moment:
    """A moment of an asset's making: `part` numbers those between its start and its end."""

    state: RunState
    at: datetime
    datasets: Datasets = Datasets()  # noqa: RUF009  # a tuple
    made: OutputVersion | None = None
    fault: Fault | None = None
    definition: str = ""
    part: int = 0


@dataclass(frozen=True)
class EventBuilder:
    """Tells of runs and steps in events."""

    graph: AssetGraph
    masking: Masking
    _located: dict[str, Any] = field(default_factory=dict)

    def run(self, run: Run, state: RunState, at: datetime, fault: Fault | None = None) -> Event:
        """An event of Dagster's run as a whole, which is the root of its steps."""
        facets = self._run_facets(run, None, fault)
        job = Job(names.NAMESPACE, run.job, {"jobType": _job_type("DAGSTER", "JOB")})
        return self.event(names.as_run(run.run_id), job, facets, state, at)

    def step(self, run: Run, step: Step, state: RunState, at: datetime, fault: Fault | None = None) -> Event:
        """An event of a step that makes several assets, or none."""
        facets = self._run_facets(run, step, fault)
        job = Job(names.NAMESPACE, _step_job(run, step), {"jobType": _job_type("DAGSTER", "STEP")})
        return self.event(names.step_run(run.run_id, step.key), job, facets, state, at)

    def asset(self, run: Run, step: Step, table: str, moment: Moment) -> Event:
        """An event of the making of one asset in a step."""
        declared = self.graph.get(table)
        facets = self._run_facets(run, step, moment.fault, table)
        made = moment.made
        if made is not None:
            facets["slipway_work"] = WorkFacet(
                made.recomputed, made.extent, self.masking.text(made.because), made.rows_written, made.seconds
            )
        facets["slipway_code"] = CodeFacet(run.code_version or None, moment.definition or declared.fingerprint or None)
        facets["processing_engine"] = self._engine(declared)
        run_id = names.step_run(run.run_id, step.key, table)
        job = self._asset_job(declared, run)
        return self.event(run_id, job, facets, moment.state, moment.at, moment.datasets, moment.part)

    def test(self, run: Run, step: Step, one: Checked, tested: Sequence[InputDataset]) -> Iterator[Event]:
        """A dbt test as a run of its own, below the node that it tested."""
        declared = self.graph.get(one.table)
        run_id = names.step_run(run.run_id, step.key, one.table, one.name)
        facets = self._run_facets(run, step, None, one.table)
        facets["parent"] = self._parent(run, names.step_run(run.run_id, step.key, one.table), one.table)
        facets["test"] = test_run.TestRunFacet(
            [
                test_run.TestExecution(
                    one.name,
                    "pass" if one.passed else "fail",
                    "error" if one.blocking else "warn",
                    description=self.masking.plain(describe_check(declared, one.name)) or None,
                )
            ]
        )
        job = Job(names.NAMESPACE, f"{one.table}.{one.name}", {"jobType": _job_type("DBT", "TEST")})
        yield self.event(run_id, job, facets, RunState.START, one.at)
        # A test that found something did its work: what it found is told by the assertion.
        yield self.event(run_id, job, facets, RunState.COMPLETE, one.at, Datasets(tested))

    def stale(self, dataset: StaticDataset, at: datetime) -> Event:
        """That a table became stale, or no longer is: nothing ran to make it so."""
        event = DatasetEvent(eventTime=instant(at), producer=names.PRODUCER, dataset=dataset)
        key = f"stale/{dataset.name}/{instant(at)}"
        return Event(key, key, _as_dict(event))

    def event(
        self,
        run_id: str,
        job: Job,
        facets: Mapping[str, Any],
        state: RunState,
        at: datetime,
        datasets: Datasets = Datasets(),  # noqa: B008  # a tuple
        part: int = 0,
    ) -> Event:
        """An event of any run. A run has one START and one end, whichever it is; `part` numbers what lies between."""
        event = RunEvent(
            eventTime=instant(at),
            producer=names.PRODUCER,
            eventType=state,
            run=OpenLineageRun(run_id, dict(facets)),
            job=job,
            inputs=list(datasets.inputs),
            outputs=list(datasets.outputs),
        )
        kind = {RunState.START: "START", RunState.RUNNING: f"RUNNING/{part}"}.get(state, "END")
        return Event(f"{run_id}/{kind}", run_id, _as_dict(event))

    def parent_of_step(self, run: Run, step: Step, table: str = "") -> parent_run.ParentRunFacet:
        """The facet for what runs below a step, or below the making of one of its assets."""
        job = table or _step_job(run, step)
        return self._parent(run, names.step_run(run.run_id, step.key, table), job)

    def _run_facets(self, run: Run, step: Step | None, fault: Fault | None, table: str = "") -> dict[str, Any]:
        facets: dict[str, Any] = {
            "slipway_dagster": DagsterFacet(
                run.run_id, step.key if step else None, run.job, table.replace(".", "/") or None
            ),
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                self._versions.get("dagster", "unknown"), "dagster", self._versions.get("openlineage-python")
            ),
            "slipway_engines": EnginesFacet(self._versions),
        }
        if run.code_version:
            facets["slipway_code"] = CodeFacet(run.code_version)
        if run.nominal_start is not None:
            end = instant(run.nominal_end) if run.nominal_end else None
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(instant(run.nominal_start), end)
        if step is not None and (not table or step.own):
            facets["parent"] = self._parent(run, names.as_run(run.run_id), run.job)
        elif step is not None:
            facets["parent"] = self.parent_of_step(run, step)
        if fault is not None:
            facets["errorMessage"] = self._error(fault)
        return facets

    def _parent(self, run: Run, run_id: str, job: str) -> parent_run.ParentRunFacet:
        return parent_run.ParentRunFacet(
            parent_run.Run(run_id),
            parent_run.Job(names.NAMESPACE, job),
            parent_run.Root(parent_run.RootRun(names.as_run(run.run_id)), parent_run.RootJob(names.NAMESPACE, run.job)),
        )

    def _error(self, fault: Fault) -> error_message_run.ErrorMessageRunFacet:
        # A foreign error's own words may quote a row; its kind and its place say enough to find it in Dagster's log.
        message = fault.kind
        if fault.message:
            message += f": {self.masking.text(fault.message)}"
        if fault.where:
            message += f" (where: {self.masking.text(fault.where)})"
        trace = self.masking.plain("\n".join(fault.frames)) or None
        return error_message_run.ErrorMessageRunFacet(message, "PYTHON", trace)

    def _engine(self, declared: Asset) -> processing_engine_run.ProcessingEngineRunFacet:
        name, package = _ENGINES.get(declared.engine or self.graph.engine, _ENGINES["embedded"])
        return processing_engine_run.ProcessingEngineRunFacet(
            _version(package), name, self._versions.get("openlineage-python")
        )

    def _asset_job(self, declared: Asset, run: Run) -> Job:
        dbt = declared.engine.startswith("dbt")
        facets: dict[str, Any] = {
            "jobType": _job_type("DBT" if dbt else "SLIPWAY", "MODEL" if dbt else declared.kind.dataset_type)
        }
        if declared.owner:
            facets["ownership"] = ownership_job.OwnershipJobFacet([ownership_job.Owner(declared.owner, "MAINTAINER")])
        if declared.description:
            text = self.masking.plain(declared.description)
            facets["documentation"] = documentation_job.DocumentationJobFacet(text)
        if declared.sql:
            facets["sql"] = sql_job.SQLJobFacet(self.masking.plain(declared.sql, _LONGEST_SQL), "duckdb")
        if declared.code:
            facets["sourceCodeLocation"] = source_code_location_job.SourceCodeLocationJobFacet(
                "git",
                (self.graph.project.folder.parent / declared.code).as_uri(),
                path=declared.code,
                version=run.code_version or None,
            )
        tags = {"slipway/kind": declared.kind.slug, "slipway/domain": declared.domain}
        facets["tags"] = tags_job.TagsJobFacet(
            [tags_job.TagsJobFacetFields(key, value, "SLIPWAY") for key, value in tags.items()]
        )
        return Job(names.NAMESPACE, declared.name, facets)

    @cached_property
    def _versions(self) -> dict[str, str]:
        found = {name: _version(name) for name in _PACKAGES}
        return {name: number for name, number in found.items() if number != "none"}


def state_of(end: End) -> RunState:
    """The standard's state for an end."""
    return RunState[end.value]


def _step_job(run: Run, step: Step) -> str:
    return step.key if step.tables else f"{run.job}.{step.key}"


def _job_type(integration: str, kind: str) -> job_type_job.JobTypeJobFacet:
    return job_type_job.JobTypeJobFacet("BATCH", integration, kind)


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _as_dict(event: RunEvent | DatasetEvent) -> dict[str, Any]:
    return Serde.to_dict(event)

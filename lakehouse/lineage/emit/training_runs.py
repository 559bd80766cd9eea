"""MLflow's runs in lineage: one for each candidate of a training, with MLflow's run id.

What belongs here: reading a training's runs and telling them. Not: writing them down (models/recording.py).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openlineage.client.event_v2 import InputDataset, Job, RunState
from openlineage.client.facet_v2 import external_query_run, job_type_job, parent_run

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.kinds.asset import Asset
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.custom_facets import MetricsFacet
from lakehouse.lineage.emit.events import Datasets, EventBuilder
from lakehouse.lineage.emit.outbox import Event
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.registry import Tag

if TYPE_CHECKING:
    from mlflow.entities import Run

_ENDS = {"FINISHED": RunState.COMPLETE, "FAILED": RunState.FAIL, "KILLED": RunState.ABORT}


def training_runs(
    lake: Lakehouse,
    builder: EventBuilder,
    model: Asset,
    training: str,
    parent: parent_run.ParentRunFacet,
    inputs: Sequence[InputDataset],
) -> Iterator[Event]:
    """The training `training` (MLflow's run id) below the step that `parent` names, and its candidates below it."""
    client = open_registry(lake.home).client
    whole = client.get_run(training)
    yield from _events_of(builder, whole, f"{model.name}.training", parent, inputs)
    found = client.search_runs(
        [whole.info.experiment_id], f"tags.`mlflow.parentRunId` = '{training}'", order_by=["attributes.start_time"]
    )
    above = parent_run.ParentRunFacet(
        parent_run.Run(names.as_run(training)),
        parent_run.Job(names.NAMESPACE, f"{model.name}.training"),
        parent.root,
    )
    for one in found:
        candidate = one.data.tags.get(Tag.CANDIDATE, one.info.run_name or "candidate")
        yield from _events_of(builder, one, f"{model.name}.{candidate}", above, inputs)


def _events_of(
    builder: EventBuilder, run: "Run", job: str, parent: parent_run.ParentRunFacet, inputs: Sequence[InputDataset]
) -> Iterator[Event]:
    facets: dict[str, Any] = {
        "parent": parent,
        "externalQuery": external_query_run.ExternalQueryRunFacet(run.info.run_id, "mlflow"),
    }
    kind = Job(names.NAMESPACE, job, {"jobType": job_type_job.JobTypeJobFacet("BATCH", "MLFLOW", "TRAINING")})
    run_id = names.as_run(run.info.run_id)
    yield builder.event(run_id, kind, facets, RunState.START, _at(run.info.start_time), Datasets(inputs))
    state = _ENDS.get(run.info.status)
    if state is not None:
        measured = MetricsFacet(_in_json(run.data.metrics), run.data.tags.get(Tag.CANDIDATE))
        ended = {**facets, "slipway_metrics": measured}
        yield builder.event(run_id, kind, ended, state, _at(run.info.end_time or run.info.start_time), Datasets(inputs))


def _in_json(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """The metrics; what is no number for JSON (a score that is not defined) as a text, or nobody takes the event."""
    return {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)

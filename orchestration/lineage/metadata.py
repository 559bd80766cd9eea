"""Readers of Dagster's event log entries: tags of runs, metadata of materializations, errors of steps.

What belongs here: reading one entry. Not: following a run through its log (events.py).
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from lakehouse.lineage.emit.run_events import Fault, OutputVersion, Run

CODE_TAG = "slipway/code-version"
"""Tag of a run: its code version."""
DAYS_TAG = "slipway/days"
"""Tag of a run: the first and last day that it lands, as FIRST:LAST."""
_INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


def run_of(run: dg.DagsterRun, code_version: str = "") -> Run:
    """A run of Dagster with its nominal time: the days that it lands, or the time of the schedule that started it."""
    tags = run.tags
    first, _, last = tags.get(DAYS_TAG, "").partition(":")
    start = end = None
    days = _day(first), _day(last)
    if days[0] is not None and days[1] is not None:
        start, end = days[0], days[1] + timedelta(days=1)
    elif scheduled := tags.get(".dagster/scheduled_execution_time"):
        start = end = _time(scheduled)
    return Run(run.run_id, run.job_name, start, end, code_version=tags.get(CODE_TAG, code_version))


def days_tag(days: Collection[date]) -> dict[str, str]:
    """The tag of a run that lands `days`; none for a run that lands nothing."""
    return {DAYS_TAG: f"{min(days)}:{max(days)}"} if days else {}


def made_of(name: str, metadata: Mapping[str, dg.MetadataValue], at: datetime) -> OutputVersion:
    """The output that a materialization reports."""
    fields = {key: value.value for key, value in metadata.items() if key not in _SPECIAL}
    lineage = metadata.get("dagster/column_lineage")
    snapshot, version, seconds = fields.get("snapshot"), fields.get("version"), fields.get("seconds")
    extent = str(fields.get("recomputed", ""))
    return OutputVersion(
        name,
        at,
        int(str(snapshot)) if str(snapshot or "").isdigit() else None,
        recomputed=bool(extent) and not extent.startswith("nothing"),
        extent=extent,
        because=str(fields.get("because", "")),
        rows_written=_whole(fields.get("rows_written")),
        input_snapshots=_input_snapshots(metadata.get("inputs")),
        edges=_edges(lineage) if isinstance(lineage, dg.TableColumnLineageMetadataValue) else None,
        version=_whole(version) if version is not None else None,
        mlflow_run=str(fields.get("mlflow_run", "")),
        seconds=float(str(seconds)) if is_number(seconds) else None,
        stale=str(fields.get("stale", "")),
    )


def to_name(key: dg.AssetKey) -> str:
    """The table name of an asset key."""
    return ".".join(key.path)


def when(timestamp: float) -> datetime:
    """A timestamp of Dagster as a time in UTC."""
    return datetime.fromtimestamp(timestamp, tz=UTC)


_SPECIAL = ("dagster/column_lineage", "dagster/column_schema", "inputs", "candidates")


def _input_snapshots(fields: dg.MetadataValue | None) -> dict[str, int]:
    records = fields.records if isinstance(fields, dg.TableMetadataValue) else ()
    return {str(one.data["table"]): int(str(one.data["snapshot"])) for one in records}


def _edges(fields: dg.TableColumnLineageMetadataValue) -> dict[str, frozenset[tuple[str, str]]]:
    return {
        column: frozenset((to_name(one.asset_key), one.column_name) for one in deps)
        for column, deps in fields.value.deps_by_column.items()
    }


def step_fault(event: dg.DagsterEvent) -> tuple[Fault, bool, str]:
    """Why a step failed, whether it was interrupted, and the MLflow run of its training, if any."""
    data = event.step_failure_data
    failure, error = data.user_failure_data, data.error
    while error is not None and error.cause is not None:
        error = error.cause
    kind = error.cls_name if error is not None and error.cls_name else "Failure"
    frames = [_place(one) for one in error.stack] if error is not None else []
    metadata: Mapping[str, Any] = failure.metadata if failure is not None else {}
    training = str(metadata["mlflow_run"].value) if "mlflow_run" in metadata else ""
    if "error" in metadata:
        parts: Any = metadata["error"].value
        fault = Fault(parts["error"], parts["what"] or "", parts["where"] or "")
    elif failure is not None:
        fault = Fault("Failure", failure.description or "", event.step_key or "")
    else:
        fault = Fault(kind, "", event.step_key or "", frames)
    return fault, kind in _INTERRUPTED, training


def _place(frame: str) -> str:
    """File, line and function of a frame, without the line of code: it may hold a value."""
    return frame.strip().split("\n", maxsplit=1)[0]


def run_fault(event: dg.DagsterEvent) -> Fault | None:
    """Why a run failed: the fault of its first failed step, if any."""
    if event.event_type is not dg.DagsterEventType.RUN_FAILURE:
        return None
    data = event.job_failure_data
    error = data.error
    failed = data.first_step_failure_event
    if failed is not None:
        return replace(step_fault(failed)[0], where=f"step {failed.step_key}")
    return Fault(error.cls_name or "Error" if error is not None else "RunFailure", "", "the run")


def _day(text: str | None) -> datetime | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _whole(value: object) -> int:
    return int(str(value)) if isinstance(value, int) or str(value).isdigit() else 0


def is_number(value: object) -> bool:
    """Whether a value of metadata is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Incremental builds: a derived table is brought up to date with its inputs.

What belongs here: from a build plan to a published table. Not: what has to be rebuilt (build_plan.py), computing the
rows, and the steps of a write (write_audit_publish.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from tenacity import retry, retry_if_exception_type, stop_after_attempt

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import PublishConflictError
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.provenance import Provenance, SnapshotProvenance, last_published
from lakehouse.tables.publish import conflict, needs_schema_change
from lakehouse.tables.read import resolve
from lakehouse.tables.rows import Rows, release
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import Draft, ensure_table
from lakehouse.tables.write_audit_publish import write_audit_publish


@dataclass(frozen=True)
class Outcome:
    """What became of a table: its published state, what was done to it and why, and the results of its audit.

    There are no check results where there was nothing to do.
    """

    name: str
    snapshot_id: int
    rows: int
    rows_written: int
    days: tuple[date, ...] | None
    causes: tuple[str, ...]
    input_snapshots: Mapping[str, int]
    recomputed: bool
    check_results: tuple[CheckResult, ...] = ()


@dataclass(frozen=True)
class Computed:
    """Rows for a table, notes for the snapshot's summary, and the results of checks on what they were computed from."""

    shape: TableShape
    rows: Rows
    notes: Mapping[str, str] = field(default_factory=dict)
    check_results: Sequence[CheckResult] = ()


Compute = Callable[[BuildPlan], Computed]
AuditBuild = Callable[[Draft, BuildPlan], Sequence[CheckResult]]
"""Check the draft of a build; returns the results of all checks."""


def bring_up_to_date(
    lake: Lakehouse,
    find: Callable[[], BuildPlan],
    compute: Compute,
    audit: AuditBuild,
    *,
    run_id: str,
) -> Outcome:
    """Find what has to be built, compute its rows, and write, audit and publish them.

    Raises AuditError if a blocking check failed. If another process published in between, all of it is repeated from
    the new state.
    """

    @retry(retry=retry_if_exception_type(PublishConflictError), stop=stop_after_attempt(3), reraise=True)
    def attempt() -> Outcome:
        work = find()
        if not work.needed:
            return unchanged(lake, work)
        made = compute(work)
        if work.days is not None and needs_schema_change(lake, made.shape):
            # Other columns concern all rows: what changed is not known for those that would stay.
            release(made.rows)
            work = replace(work, days=None, only=None, causes=(*work.causes, "its columns changed"))
            made = compute(work)
        provenance = Provenance(run_id, work.definition, work.input_snapshots, notes=made.notes)
        days, cut_by = work.days, made.shape.day_column
        try:
            written = write_audit_publish(
                lake,
                made.shape,
                made.rows,
                provenance,
                days_filter(cut_by, days) if cut_by and days is not None else None,
                lambda _, draft: [*made.check_results, *audit(draft, work)],
                base_snapshot(lake, made.shape, work.before),
            )
        finally:
            release(made.rows)
        return Outcome(
            work.name,
            written.published.snapshot_id,
            written.published.rows,
            len(made.rows),
            days,
            work.causes,
            work.input_snapshots,
            recomputed=True,
            check_results=written.check_results,
        )

    return attempt()


def base_snapshot(lake: Lakehouse, shape: TableShape, before: SnapshotProvenance | None) -> int:
    """The snapshot to write on, for a build that was planned when `before` was published (None: nothing was).

    Raises PublishConflictError if somebody published since: the plan may be another now.
    """
    main = resolve(ensure_table(lake, shape))
    now = last_published(lake, shape.name)
    if now != before:
        raise conflict(shape.name, before.snapshot_id if before else None, main)
    return main


def unchanged(lake: Lakehouse, work: BuildPlan) -> Outcome:
    """The outcome of a table that is up to date, with the input snapshots that its rows were computed from."""
    made = last_published(lake, work.name)
    snapshot_id = made.snapshot_id if made else resolve(lake.table(work.name))
    rows, input_snapshots = (made.rows, made.input_snapshots) if made else (0, work.input_snapshots)
    return Outcome(work.name, snapshot_id, rows, 0, (), (), input_snapshots, recomputed=False)

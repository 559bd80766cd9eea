"""Publication: the accepted deliveries are written, audited and published, and their failed rows go to quarantine.

What belongs here: from decisions to tables. Not: deciding (decisions.py) and the ingestion log (recording.py). The rows
are those that were evaluated: no file is read again, on any engine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.contract import SCHEMA
from lakehouse.contracts.quarantine import keep_in_quarantine, none_broken, quarantine_shape
from lakehouse.engines.choice import engine_of
from lakehouse.ingestion.check_results import CONSERVATION, together
from lakehouse.ingestion.decisions import Decided, Decision
from lakehouse.ingestion.pending import DaysByDelivery
from lakehouse.ingestion.retained_rows import with_retained_rows
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter, describe_days
from lakehouse.tables.draft_checks import check_columns_match
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.incremental import Outcome
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.read import attach, plan
from lakehouse.tables.rows import release
from lakehouse.tables.write import Draft, write_draft
from lakehouse.tables.write_audit_publish import write_audit_publish


@dataclass(frozen=True)
class Target:
    """The table that deliveries are landed in: its state at the snapshot `base`, and what its new snapshot records.

    `new_columns`: the contract has other columns than the table, so all of its rows are written.
    """

    lake: Lakehouse
    source: Source
    provenance: Provenance
    base: int
    new_columns: bool

    def keep(self, failed_rows: pa.Table, landing: DaysByDelivery) -> None:
        """Hold the failed rows in quarantine, in place of what was held of these deliveries and days."""
        shape, time = quarantine_shape(self.source.shape), self.source.event_time
        keep_in_quarantine(self.lake, shape, time, failed_rows, landing, self.provenance, self.source.possible)


def publish_accepted(
    target: Target, decided: Decided, changes: DaysByDelivery, before_publish: Callable[[], None]
) -> Outcome:
    """Publish the accepted deliveries in one commit; `changes` are all days whose rows change.

    Raises AuditError if the audit of the whole failed, PublishConflictError if the table moved on meanwhile, and what
    `before_publish` raises: it runs when all else is done.
    """
    source, accepted = target.source, decided.accepted
    days = sorted({day for of_one in changes.values() for day in of_one})
    arriving = {one.delivery.fingerprint: one.days for one in accepted}
    leaving = {name: gone for name, gone in changes.items() if name not in arriving}
    nothing = none_broken(source.shape.schema)
    failed_rows = pa.concat_tables([nothing, *(one.failed_rows for one in accepted)])
    delivered = sum(one.rows for one in accepted)

    def audit(lake: Lakehouse, draft: Draft) -> list[CheckResult]:
        results = together([one.check_results for one in decided.decisions if one.published])
        schema = check_columns_match(lake, draft, source.shape, SCHEMA)
        written = _count(target, draft, arriving, days)
        return [*results, schema, _conservation(decided, written, delivered, len(failed_rows))]

    # What comes is in quarantine before the table is published, what goes leaves it after that: a crash in between
    # repeats both, the same rows are kept once, and no row is nowhere.
    def quarantine_first() -> None:
        if arriving:
            target.keep(failed_rows, arriving)
        before_publish()

    replaced = None if target.new_columns else days_filter(source.event_time, days)
    rows = engine_of(target.lake).source_rows(
        target.lake, source, accepted, base=target.base, where=replaced, leaving=places(changes)
    )
    try:
        written = write_audit_publish(
            target.lake, source.shape, rows, target.provenance, replaced, audit, target.base, quarantine_first
        )
    finally:
        release(rows)
    if leaving:
        target.keep(nothing, leaving)
    return Outcome(
        source.name,
        written.published.snapshot_id,
        written.published.rows,
        delivered - len(failed_rows),
        tuple(days),
        (f"{len(accepted)} new deliveries with {describe_days(days)}",),
        {},
        recomputed=True,
        check_results=written.check_results,
    )


def write_inspection_branch(target: Target, decision: Decision) -> str:
    """Write the rows of a blocked delivery to an audit branch on which they can be looked at; returns its name.

    There is none (an empty text) for a delivery without rows, and for rows in columns that the table does not have yet.
    """
    evaluation = decision.evaluation
    if not evaluation.rows or target.new_columns:
        return ""
    where = days_filter(target.source.event_time, evaluation.days)
    arriving = pa.concat_tables([evaluation.good, evaluation.failed_rows.select(evaluation.good.schema.names)])
    leaving = places({evaluation.delivery.fingerprint: evaluation.days})
    rows = with_retained_rows(target.lake, target.source, arriving, target.base, where, leaving)
    return write_draft(target.lake, target.source.shape, rows, target.provenance, where, target.base).branch


def places(landing: DaysByDelivery) -> pa.Table:
    """One row for each delivery's fingerprint and day."""
    pairs = [(fingerprint, day) for fingerprint, days in landing.items() for day in days]
    return pa.table(
        {
            "_fingerprint": pa.array([fingerprint for fingerprint, _ in pairs], pa.string()),
            "day": pa.array([day for _, day in pairs], pa.date32()),
        }
    )


def _count(target: Target, draft: Draft, arriving: DaysByDelivery, days: Sequence[date]) -> int:
    """The accepted rows on the draft: read from it, as a reader would after publishing."""
    where = days_filter(target.source.event_time, days)
    with borrow() as connection:
        attach(connection, plan(target.lake, draft.name, at=draft.branch, where=where), "draft")
        connection.register("chosen", places(arriving))
        found = connection.execute(
            f"select count(*) from draft semi join chosen on draft._fingerprint = chosen._fingerprint "
            f"and {quoted(target.source.event_time)}::date = chosen.day"
        ).fetchone()
    return int(found[0]) if found else 0


def _conservation(decided: Decided, written: int, delivered: int, failed_rows: int) -> CheckResult:
    """Check that every delivered row is in quarantine or among the `written` rows of the draft."""
    blocked = len(decided.blocked)
    message = f"{delivered} rows delivered = {written} on the audit branch + {failed_rows} in quarantine."
    if blocked:
        message += f" {blocked} deliveries beside them were not published."
    measured = {"delivered": delivered, "written": written, "quarantined": failed_rows, "waiting": blocked}
    return CheckResult(CONSERVATION, written + failed_rows == delivered, message, measured=measured)

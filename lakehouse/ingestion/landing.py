"""Landing: bringing delivered rows into a source's table, unchanged, once.

What belongs here: the order of the steps. The state is loaded (state.py), what is pending follows from it (pending.py),
deliveries are evaluated (evaluation.py, repeats.py) and decided on (decisions.py); then the accepted ones are written,
audited and published (publication.py), and all of it is recorded (recording.py). Each delivery is evaluated by itself,
in order: what is good is published, in one commit for all; what is not is rejected, held, and named; behind an open
breaker everything waits.
"""

from collections.abc import Callable, Sequence
from datetime import date

import pyarrow as pa
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import dropped_rows, of_deliveries, quarantine_shape, quarantined, take_back
from lakehouse.contracts.referenced_tables import check_references, read_referenced
from lakehouse.contracts.versions import check_kept, keep_version
from lakehouse.errors import PublishConflictError
from lakehouse.ingestion.blocked import blocked_in
from lakehouse.ingestion.decisions import Decided, decide
from lakehouse.ingestion.evaluation import EvaluationContext, evaluate
from lakehouse.ingestion.ingestion_log import Entry, failures_in_a_row
from lakehouse.ingestion.pending import Pending, pending_of
from lakehouse.ingestion.publication import Target, places, publish_accepted, write_inspection_branch
from lakehouse.ingestion.recording import record_landing, record_missing
from lakehouse.ingestion.repeats import find_repeats
from lakehouse.ingestion.result import LandingResult, Rejection, rejection_of, rejection_of_copy
from lakehouse.ingestion.state import IngestionState, load_state
from lakehouse.profiling.history import published_history, remember
from lakehouse.sources.circuit_breaker import Standing, breaker_status, state_table, transit
from lakehouse.sources.deliveries import Delivery, hold
from lakehouse.sources.source import Source
from lakehouse.tables.incremental import Outcome, base_snapshot
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import needs_schema_change
from lakehouse.tables.read import read, resolve
from lakehouse.tables.write import ensure_table

Progress = Callable[[str], None]


def land(
    lake: Lakehouse,
    source: Source,
    *,
    run_id: str,
    asked: Sequence[date] | None = None,
    progress: Progress = lambda _: None,
    consumers: Sequence[str] = (),
    trained_on: int | None = None,
) -> LandingResult:
    """Land what is pending on the `asked` days (None: on any): write to an audit branch, audit, quarantine, publish.

    `consumers` are the models that rely on the source, `trained_on` its snapshot that the champion was trained on.
    A bad delivery is no error here: the result says what became of each (`LandingResult.raise_if_nothing_passed`).
    Raises DeliveryError where there is nowhere to look for deliveries, ContractError for a contract with a breaking
    change and no new major version, UnknownNameError for one that refers to a table or column that is not there.
    """

    @retry(retry=retry_if_exception_type(PublishConflictError), stop=stop_after_attempt(3), reraise=True)
    def attempt() -> LandingResult:
        breakers_at = state_table(lake)
        state = load_state(lake, source)
        pending = pending_of(state, asked)
        if not pending.anything:
            return _result(_unchanged(lake, state), state.breaker, record_missing(lake, state, run_id))
        check_references(lake, source.contract)
        check_kept(lake, source.contract, consumers)
        target = _target(lake, state, run_id)
        context = _context(lake, state, pending, target, trained_on)
        evaluations = evaluate(context, list(pending.deliveries.values()), pending.faulty, progress)
        leaving = places(pending.changes({one.delivery.fingerprint: one.days for one in evaluations if one.days}))
        repeats = find_repeats(lake, source, evaluations, leaving, target.base)
        failures = failures_in_a_row(state.entries, state.breaker.since)
        decided = decide(source, evaluations, repeats, state.breaker, failures)
        return _carry_out(target, state, pending, decided, breakers_at)

    return attempt()


def _target(lake: Lakehouse, state: IngestionState, run_id: str) -> Target:
    source = state.source
    input_snapshots = {one.table: resolve(lake.table(one.table)) for one in source.contract.references}
    provenance = Provenance(run_id, state.definition, input_snapshots, source.contract.version)
    base = base_snapshot(lake, source.shape, state.table)
    return Target(lake, source, provenance, base, new_columns=bool(needs_schema_change(lake, source.shape)))


def _context(
    lake: Lakehouse, state: IngestionState, pending: Pending, target: Target, trained_on: int | None
) -> EvaluationContext:
    """What the pending deliveries are evaluated beside: rows and profiles of those that are not landed again now."""
    source = state.source
    known: dict[date, int] = {}
    for fingerprint, rows in state.rows.landed.items():
        for day, number in rows.days.items():
            if day is not None and not pending.replaces(fingerprint, day):
                known[day] = known.get(day, 0) + number
    published = sorted(
        (min((day for day in rows.days if day is not None), default=date.max), fingerprint)
        for fingerprint, rows in state.rows.published.items()
        if fingerprint not in pending.deliveries and fingerprint not in pending.superseded
    )
    where = of_deliveries(pending.deliveries)
    return EvaluationContext(
        source=source,
        known_days=known,
        dropped=dropped_rows(quarantined(lake, quarantine_shape(source.shape), where=where)),
        history=tuple(published_history(lake, source.name, [fingerprint for _, fingerprint in published])),
        now=clock.stored_now(),
        referenced=read_referenced(lake, source.contract, target.provenance.input_snapshots),
        trained_on=_rows_trained_on(lake, source, trained_on),
    )


def _rows_trained_on(lake: Lakehouse, source: Source, snapshot_id: int | None) -> pa.Table | None:
    """The columns whose values have to be distributed as in the champion's snapshot, from there."""
    columns = [one.column for one in source.contract.distributions if one.like_champion]
    return read(lake, source.name, columns, at=snapshot_id) if columns and snapshot_id is not None else None


def _carry_out(
    target: Target, state: IngestionState, pending: Pending, decided: Decided, breakers_at: int
) -> LandingResult:
    """Do what was decided: blocked deliveries, publishing, the breaker's transitions, and the records of all."""
    lake, source, run_id = target.lake, target.source, target.provenance.run_id
    if any(one.evaluation.rows for one in decided.decisions):
        # Only now: a contract is stored when it was used in an audit, and one that was never used breaks nothing.
        keep_version(lake, source.contract, run_id)
    blocked = [one.evaluation.delivery for one in decided.blocked]
    for delivery in blocked:
        hold(lake.home, source.name, delivery)
    _take_back(target, state, blocked)
    branches = {one.evaluation.delivery.name: write_inspection_branch(target, one) for one in decided.blocked}
    evaluations = [one.evaluation for one in decided.decisions]
    remember(lake, [one.profile for one in evaluations if one.profile is not None], run_id)
    changes = pending.changes({one.delivery.fingerprint: one.days for one in decided.accepted})
    if any(changes.values()):
        outcome = publish_accepted(target, decided, changes, lambda: _require_same_breaker(lake, state))
    else:
        outcome = _unchanged(lake, state)
    breaker = state.breaker
    if decided.transitions:
        # After publishing: when that is repeated, the accepted deliveries must not wait behind this decision.
        transit(lake, decided.transitions, run_id, breakers_at)
        breaker = _current_breaker(lake, state)
    log = record_landing(lake, state, pending, decided, branches, run_id)
    rejected = [
        rejection_of(source.name, one, branches[one.evaluation.delivery.name]) for one in decided.blocked if one.reason
    ]
    rejected += [rejection_of_copy(delivery, original) for delivery, original in pending.copies]
    return _result(outcome, breaker, log, decided, rejected)


def _result(
    outcome: Outcome,
    breaker: Standing,
    log: Sequence[Entry],
    decided: Decided | None = None,
    rejected: Sequence[Rejection] = (),
) -> LandingResult:
    evaluations = [one.evaluation for one in decided.decisions] if decided else []
    return LandingResult(
        outcome=outcome,
        quarantined=sum(len(one.failed_rows) for one in decided.accepted) if decided else 0,
        rejected=rejected,
        waiting=[one.evaluation.delivery.name for one in decided.blocked if one.reason is None] if decided else [],
        issues={one.delivery.name: one.issues for one in evaluations if one.issues},
        breaker=breaker,
        transitions=decided.transitions if decided else (),
        blocked=blocked_in(log),
    )


def _take_back(target: Target, state: IngestionState, blocked: Sequence[Delivery]) -> None:
    """Take out of quarantine what a killed run left there of deliveries that are blocked now: they wait as a whole."""
    left = []
    for one in blocked:
        entry = state.entries.get((one.fingerprint, one.name))
        if one.fingerprint not in state.rows.published and (entry is None or not entry.quarantined):
            left.append(one.fingerprint)
    take_back(target.lake, quarantine_shape(target.source.shape), left, target.provenance)


def _current_breaker(lake: Lakehouse, state: IngestionState) -> Standing:
    return breaker_status(lake, state.source.name, state.source.breaker, state.definition)


def _require_same_breaker(lake: Lakehouse, state: IngestionState) -> None:
    """Raise PublishConflictError if the breaker is not as it was decided by: somebody set it meanwhile."""
    now = _current_breaker(lake, state)
    if now != state.breaker:
        raise PublishConflictError(
            f"The circuit breaker changed in the meantime. {now.message}",
            where=state.source.name,
            fix="Nothing was published. Run it again: it decides by the current state.",
        )


def _unchanged(lake: Lakehouse, state: IngestionState) -> Outcome:
    rows = state.table.rows if state.table else 0
    snapshot_id = resolve(ensure_table(lake, state.source.shape))
    return Outcome(state.source.name, snapshot_id, rows, 0, (), (), {}, recomputed=False)

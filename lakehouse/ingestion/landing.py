"""Landing: bringing delivered rows into a source's table, unchanged, once.

What belongs here: the way of pending deliveries to the audit branch, the quarantine and main. Not: what is pending
(pending.py), judging (arrivals.py, repeats.py), deciding (decisions.py). Each delivery is judged by itself, in order:
what is good is published, in one commit for all; what is not is refused, held, and named; behind an open breaker
everything waits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.contract import SCHEMA
from lakehouse.contracts.quarantine import (
    dropped_rows,
    keep_in_quarantine,
    none_broken,
    of_deliveries,
    quarantine_shape,
    quarantined,
    take_back,
)
from lakehouse.contracts.table_checks import check_references, read_referenced
from lakehouse.contracts.versions import check_kept, keep_version
from lakehouse.errors import DeliveryError, PublishConflictError
from lakehouse.ingestion.blocked import blocked_deliveries
from lakehouse.ingestion.check_results import CONSERVATION, together
from lakehouse.ingestion.decisions import Decided, decide
from lakehouse.ingestion.drafts import Drafts, places
from lakehouse.ingestion.evaluation import DeliveryEvaluation, EvaluationContext, arrive, faulty_evaluation
from lakehouse.ingestion.ingestion_log import Status, failures_in_a_row, record
from lakehouse.ingestion.pending import Pending, find_pending, landed_rows_by_day, published_rows
from lakehouse.ingestion.recording import bring_up_to_date, write_down
from lakehouse.ingestion.repeats import find_repeats
from lakehouse.ingestion.result import LandingResult, Rejection
from lakehouse.profiling.history import published_history, remember
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile
from lakehouse.sources.circuit_breaker import Standing, breaker_status, state_table, transit
from lakehouse.sources.deliveries import Delivery, hold
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import AuditError, CheckResult
from lakehouse.tables.days import days_filter, in_words
from lakehouse.tables.draft_checks import check_columns_match
from lakehouse.tables.incremental import Outcome
from lakehouse.tables.provenance import Provenance, last_published
from lakehouse.tables.publish import needs_schema_change
from lakehouse.tables.read import read, resolve
from lakehouse.tables.write import Draft, ensure_table
from lakehouse.tables.write_audit_publish import write_audit_publish

Progress = Callable[[str], None]


def land(
    lake: Lakehouse,
    source: Source,
    *,
    run_id: str,
    asked: Sequence[date] | None = None,
    progress: Progress = lambda _: None,
    consumers: Sequence[str] = (),
    learned_from: int | None = None,
) -> LandingResult:
    """Land what is pending on the `asked` days (None: on any): audit branch, audit, quarantine, publish.

    `consumers` are the models that rely on the source, `learned_from` its snapshot that the champion was trained on.
    A bad delivery is no error here: the result tells what became of each (`Landed.raise_if_nothing_passed`).
    Raises DeliveryError where there is nowhere to look for deliveries, ContractError for a contract with a breaking
    change and no new major version, UnknownNameError for one that refers to a table or column that is not there.
    """

    @retry(retry=retry_if_exception_type(PublishConflictError), stop=stop_after_attempt(3), reraise=True)
    def attempt() -> LandingResult:
        pending = find_pending(lake, source, asked)
        if pending.anything:
            check_references(lake, source.contract)
            check_kept(lake, source.contract, consumers)
            return _Landing(lake, source, pending, run_id, progress, learned_from).land()
        # A run that was killed after publishing left its lines out of the ledger.
        record(lake, bring_up_to_date(lake, source, pending.lines, present=pending.present), run_id)
        return replace(
            _nothing_new(lake, source), breaker=pending.standing, blocked=blocked_deliveries(lake, source.name)
        )

    return attempt()


@dataclass
class _Landing:
    """One attempt at landing what is pending."""

    lake: Lakehouse
    source: Source
    pending: Pending
    run_id: str
    progress: Progress
    learned_from: int | None = None
    definition: str = field(init=False)
    provenance: Provenance = field(init=False)
    base: int = field(init=False)
    standing: Standing = field(init=False)
    drafts: Drafts = field(init=False)

    def __post_init__(self) -> None:
        self.definition = self.source.definition()
        contract = self.source.contract
        input_snapshots = {one.table: resolve(self.lake.table(one.table)) for one in contract.references}
        self.provenance = Provenance(self.run_id, self.definition, input_snapshots, contract.version)
        self.base = resolve(ensure_table(self.lake, self.source.shape))
        self.standing = self.pending.standing
        reshaped = bool(needs_schema_change(self.lake, self.source.shape))
        self.drafts = Drafts(self.lake, self.source, self.provenance, self.base, reshaped)

    def land(self) -> LandingResult:
        lake, source = self.lake, self.source
        journal_at = state_table(lake)
        self._check_breaker()
        evaluations = self._evaluations()
        decided = self._decide(evaluations, self.standing)
        if any(one.rows for one in evaluations):
            # Only now: a contract that nothing could be judged by was never in use, and breaks nothing.
            keep_version(lake, source.contract, self.run_id)
        if decided.transitions:
            transit(lake, decided.transitions, self.run_id, journal_at)
            self.standing = self._breaker_now()
        accepted = [
            one for one, is_ in zip(evaluations, decided.decisions, strict=True) if is_.status is Status.PUBLISHED
        ]
        landing = self._landing(accepted)
        blocked = [
            (evaluation, decision)
            for evaluation, decision in zip(evaluations, decided.decisions, strict=True)
            if decision.status is not Status.PUBLISHED
        ]
        for evaluation, _ in blocked:
            hold(lake.home, source.name, evaluation.delivery)
        self._take_back([evaluation.delivery for evaluation, _ in blocked])
        branches = {evaluation.delivery.name: self.drafts.inspectable(evaluation) for evaluation, _ in blocked}
        remember(lake, [one.profile for one in evaluations if one.profile is not None], self.run_id)
        outcome = self._publish(accepted, landing) if landing else _nothing_new(lake, source).outcome
        copies = [_copy_rejection(delivery, original) for delivery, original in self.pending.copies]
        write_down(lake, source, self.pending, evaluations, decided, branches, self.run_id)
        rejected = [
            self._rejection(one, is_.reason, branches[one.delivery.name])
            for one, is_ in blocked
            if is_.reason is not None
        ]
        waiting = [one.delivery.name for one, is_ in blocked if is_.status is Status.WAITING]
        return LandingResult(
            outcome,
            sum(len(one.broken) for one in accepted),
            [*rejected, *copies],
            waiting,
            {one.delivery.name: one.issues for one in evaluations if one.issues},
            self.standing,
            decided.transitions,
            blocked_deliveries(lake, source.name),
        )

    def _breaker_now(self) -> Standing:
        return breaker_status(self.lake, self.source.name, self.source.breaker, self.definition)

    def _check_breaker(self) -> None:
        """Raises PublishConflictError when the breaker is not as it was decided by: somebody set it meanwhile."""
        now = self._breaker_now()
        if now != self.standing:
            raise PublishConflictError(
                f"The breaker changed meanwhile. {now.says}",
                where=self.source.name,
                fix="Nothing was published. Run it again: it is decided by the present state.",
            )

    def _take_back(self, deliveries: Sequence[Delivery]) -> None:
        """What a killed run left in quarantine of deliveries that are held back now: they wait as a whole."""
        published, lines = published_rows(self.lake, self.source), self.pending.lines
        left = [
            one.fingerprint
            for one in deliveries
            if one.fingerprint not in published
            and ((line := lines.get((one.fingerprint, one.name))) is None or not line.quarantined)
        ]
        take_back(self.lake, quarantine_shape(self.source.shape), left, self.provenance)

    def _evaluations(self) -> list[DeliveryEvaluation]:
        """Pending deliveries, judged one by one; those whose days cannot be told come last."""
        deliveries = list(self.pending.deliveries.values())
        replaced = {name: days for name, (_, days) in self.pending.deliveries.items()}
        replaced |= {name: days for name, (_, days) in self.pending.superseded.items() if name not in replaced}
        known: dict[date, int] = {}
        for fingerprint, (_, days) in landed_rows_by_day(self.lake, self.source).items():
            for day, rows in days.items():
                if day not in replaced.get(fingerprint, ()):
                    known[day] = known.get(day, 0) + rows
        where = of_deliveries(self.pending.deliveries)
        dropped = dropped_rows(quarantined(self.lake, quarantine_shape(self.source.shape), where=where))
        referenced = read_referenced(self.lake, self.source.contract, self.provenance.input_snapshots)
        around = EvaluationContext(self.source, known, dropped, self._history(), referenced, self._learned_from())
        evaluations = list(arrive(around, deliveries, self.progress))
        return evaluations + [faulty_evaluation(around, one, one.error()) for one in self.pending.faulty]

    def _learned_from(self) -> pa.Table | None:
        """The columns that have to lie as in the champion's snapshot, there."""
        columns = [one.column for one in self.source.contract.distributions if one.like_champion]
        if not columns or self.learned_from is None:
            return None
        return read(self.lake, self.source.name, columns, at=self.learned_from)

    def _history(self) -> list[DeliveryProfile]:
        """The profiles of published deliveries that are not landed anew now, in order of their days."""
        replaced = {*self.pending.deliveries, *self.pending.superseded}
        published = [
            (min((day for day in days if day is not None), default=date.max), name)
            for name, (_, days) in published_rows(self.lake, self.source).items()
            if name not in replaced
        ]
        return published_history(self.lake, self.source.name, [name for _, name in sorted(published)])

    def _decide(self, evaluations: Sequence[DeliveryEvaluation], standing: Standing) -> Decided:
        repeats = find_repeats(self.lake, self.source, evaluations, places(self._places(evaluations)), self.base)
        blocks = {name: blocking for name, (_, blocking) in self.source.contract.checks().items()}

        def rejection(place: int, before: set[int]) -> DeliveryError | AuditError | None:
            evaluation = evaluations[place]
            evaluation.check_results += repeats.check_results(blocks, place, before) if len(evaluation.good) else []
            return evaluation.rejection(self.source.name)

        failures = failures_in_a_row(self.pending.lines, standing.since)
        names = [one.delivery.name for one in evaluations]
        return decide(names, rejection, standing, failures, self.source.breaker.failures, self.definition)

    def _places(self, evaluations: Sequence[DeliveryEvaluation]) -> dict[str, tuple[date, ...]]:
        """The days whose rows go or are replaced, by fingerprint, if all of the arrivals are accepted."""
        arriving = {one.delivery.fingerprint: one.days for one in evaluations if one.days}
        rejected = {one.delivery.fingerprint for one in evaluations if not one.days}
        leaving = {
            name: days
            for name, (by, days) in self.pending.superseded.items()
            if by not in rejected and name not in arriving
        }
        return {**leaving, **arriving}

    def _landing(self, accepted: Sequence[DeliveryEvaluation]) -> dict[str, tuple[date, ...]]:
        """The same for the accepted ones: what a refused file would replace stays."""
        here = {one.delivery.fingerprint for one in accepted}
        blocked = {*self.pending.deliveries, *(one.fingerprint for one in self.pending.faulty)} - here
        leaving = {name: days for name, (by, days) in self.pending.superseded.items() if by not in blocked}
        return {**leaving, **{one.delivery.fingerprint: one.days for one in accepted}}

    def _publish(self, accepted: Sequence[DeliveryEvaluation], landing: Mapping[str, tuple[date, ...]]) -> Outcome:
        lake, source = self.lake, self.source
        schema = source.shape.schema
        days = sorted({day for days in landing.values() for day in days})
        quarantine = quarantine_shape(source.shape)
        nothing = none_broken(schema)
        broken = pa.concat_tables([nothing, *(one.broken for one in accepted)])
        rows = self.drafts.rows(accepted, landing, days)
        delivered = sum(one.rows for one in accepted)
        arriving = {one.delivery.fingerprint: one.days for one in accepted}
        leaving = {name: gone for name, gone in landing.items() if name not in arriving}

        def keep(rows: pa.Table, of: Mapping[str, tuple[date, ...]]) -> None:
            keep_in_quarantine(lake, quarantine, source.event_time, rows, of, self.provenance, source.possible)

        def audit(lake: Lakehouse, draft: Draft) -> list[CheckResult]:
            written = self.drafts.count(draft, accepted, days)
            schema = check_columns_match(lake, draft, source.shape, SCHEMA)
            conservation = self._conservation(written, len(accepted), delivered, len(broken))
            return [*together([one.check_results for one in accepted]), schema, conservation]

        # What comes is in quarantine before the table is published, what goes leaves it after that: a crash in between
        # repeats both, the same rows are kept once, and no row is nowhere.
        def before_publish() -> None:
            if arriving:
                keep(broken, arriving)
            self._check_breaker()

        replace_ = days_filter(source.event_time, days)
        written = write_audit_publish(
            lake, source.shape, rows, self.provenance, replace_, audit, self.base, before_publish
        )
        published = written.published
        if leaving:
            keep(nothing, leaving)
        cause = f"{len(accepted)} new deliveries with {in_words(days)}"
        return Outcome(
            source.name,
            published.snapshot_id,
            published.rows,
            delivered - len(broken),
            tuple(days),
            (cause,),
            {},
            recomputed=True,
            check_results=written.check_results,
        )

    def _conservation(self, written: int, accepted: int, delivered: int, broken: int) -> CheckResult:
        """Whether every delivered row is on the draft, on which so many rows were `written`, or in quarantine."""
        blocked = len(self.pending.deliveries) + len(self.pending.faulty) - accepted
        says = f"{delivered} rows delivered = {written} on the audit branch + {broken} in quarantine."
        if blocked:
            says += f" {blocked} deliveries beside them were not published."
        measured = {"delivered": delivered, "written": written, "quarantined": broken, "held_back": blocked}
        return CheckResult(CONSERVATION, passed=written + broken == delivered, says=says, measured=measured)

    def _rejection(self, evaluation: DeliveryEvaluation, reason: DeliveryError | AuditError, branch: str) -> Rejection:
        if isinstance(reason, AuditError) and branch:
            reason = AuditError(self.source.name, evaluation.check_results, branch, evaluation.remedy or None)
        return Rejection(evaluation.delivery.name, evaluation.delivery.fingerprint, reason, evaluation.issues, branch)


def _copy_rejection(delivery: Delivery, original: str) -> Rejection:
    error = DeliveryError(
        f"{delivery.name} has the same content as {original}: one delivery came twice.",
        where=str(delivery.path),
        nearest=original,
        fix="Remove one of the two; nothing of it was landed twice.",
    )
    issue = Issue("duplicated_delivery", (), error.what, share=1.0)
    return Rejection(delivery.name, delivery.fingerprint, error, [issue])


def _nothing_new(lake: Lakehouse, source: Source) -> LandingResult:
    made = last_published(lake, source.name)
    table = ensure_table(lake, source.shape)
    rows = made.rows if made else 0
    return LandingResult(Outcome(source.name, resolve(table), rows, 0, (), (), {}, recomputed=False), 0)

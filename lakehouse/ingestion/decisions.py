"""Decisions: which evaluated deliveries are published, rejected or wait, as the source's circuit breaker has it.

What belongs here: the rule, without any table. Not: evaluating deliveries (evaluation.py) and acting on the decisions
(landing.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.errors import DeliveryError
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.ingestion.ingestion_log import Status
from lakehouse.ingestion.repeats import Repeats
from lakehouse.sources.circuit_breaker import Standing, State, Transition
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import AuditError, CheckResult


@dataclass(frozen=True)
class Decision:
    """What becomes of one delivery: why it is not published, and the results of all checks that decided it."""

    evaluation: DeliveryEvaluation
    status: Status
    check_results: tuple[CheckResult, ...]
    reason: DeliveryError | AuditError | None = None

    @property
    def published(self) -> bool:
        """Whether it is to be published."""
        return self.status is Status.PUBLISHED


@dataclass(frozen=True)
class Decided:
    """The decisions in the order of the deliveries, and the breaker's transitions on the way."""

    decisions: tuple[Decision, ...]
    transitions: tuple[Transition, ...]
    state: State

    @property
    def accepted(self) -> list[DeliveryEvaluation]:
        """The deliveries that are published."""
        return [one.evaluation for one in self.decisions if one.published]

    @property
    def blocked(self) -> list[Decision]:
        """The decisions on those that are not: rejected, or waiting."""
        return [one for one in self.decisions if not one.published]


def decide(
    source: Source,
    evaluations: Sequence[DeliveryEvaluation],
    repeats: Repeats,
    breaker: Standing,
    failures: int,
) -> Decided:
    """Decide on the deliveries in their order.

    `failures` were rejected in a row already; with as many as the source's breaker allows, a closed breaker opens. A
    half-open one takes the first delivery as its trial.
    """
    definition = source.definition()
    state = breaker.state
    decisions: list[Decision] = []
    transitions: list[Transition] = []
    accepted: frozenset[int] = frozenset()
    for place, evaluation in enumerate(evaluations):
        name = evaluation.delivery.name
        if state is State.OPEN:
            decisions.append(Decision(evaluation, Status.WAITING, evaluation.check_results))
            continue
        decision = _decide_one(source, evaluation, repeats, place, accepted)
        decisions.append(decision)
        accepted = accepted | {place} if decision.published else accepted
        failures = 0 if decision.published else failures + 1
        after, why = _after(state, decision, name, failures, source.breaker.failures)
        if after is not state:
            transitions.append(Transition(breaker.source, state, after, why, name, definition))
            state = after
    return Decided(tuple(decisions), tuple(transitions), state)


def _decide_one(
    source: Source, evaluation: DeliveryEvaluation, repeats: Repeats, place: int, before: frozenset[int]
) -> Decision:
    """The decision on the delivery at `place`, where those at the places `before` are published before it."""
    check_results = evaluation.check_results
    if len(evaluation.good):
        check_results = (*check_results, *repeats.check_results(source.contract, place, before))
    reason: DeliveryError | AuditError | None = evaluation.fault
    if reason is None and any(one.blocking and not one.passed for one in check_results):
        reason = AuditError(source.name, check_results, remedy=evaluation.remedy or None)
    return Decision(evaluation, Status.PUBLISHED if reason is None else Status.REJECTED, check_results, reason)


def _after(state: State, decision: Decision, name: str, failures: int, most: int) -> tuple[State, str]:
    """The breaker's state after a decision, and why it is another one."""
    if decision.reason is None:
        return State.CLOSED, f"{name} was tried and is good."
    if state is State.HALF_OPEN:
        return State.OPEN, f"{name} was tried and rejected: {decision.reason.what}"
    if failures >= most:
        return State.OPEN, f"{failures} deliveries in a row were rejected, {name} the last: {decision.reason.what}"
    return state, ""

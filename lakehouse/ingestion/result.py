"""The result of a landing: its outcome, and the deliveries that were not published.

What belongs here: the result. Not: landing (landing.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse.errors import ContractError, DeliveryError
from lakehouse.ingestion.blocked import BlockedDelivery
from lakehouse.ingestion.decisions import Decision
from lakehouse.profiling.issues import Issue
from lakehouse.sources.circuit_breaker import Standing, Transition
from lakehouse.sources.deliveries import Delivery
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.incremental import Outcome


@dataclass(frozen=True)
class Rejection:
    """A delivery that was not published: why, what is odd about it, and the audit branch with its rows, if any."""

    delivery: str
    fingerprint: str
    reason: DeliveryError | AuditError
    issues: Sequence[Issue] = ()
    branch: str = ""


@dataclass(frozen=True)
class LandingResult:
    """What landing did.

    `outcome` is what became of the table, with the results of its audit. `rejected` and `waiting` are deliveries that
    were not published now, `blocked` all of the source that are rejected or wait, since whenever; `issues` is what is
    odd about deliveries, by name.
    """

    outcome: Outcome
    quarantined: int
    rejected: Sequence[Rejection] = ()
    waiting: Sequence[str] = ()
    issues: Mapping[str, Sequence[Issue]] = field(default_factory=dict)
    breaker: Standing | None = None
    transitions: Sequence[Transition] = ()
    blocked: Sequence[BlockedDelivery] = ()

    def raise_if_nothing_passed(self) -> None:
        """Raise the reason of the first rejection (DeliveryError, AuditError) or, where all wait, ContractError.

        Only when there was something to land and nothing of it was published.
        """
        if self.outcome.recomputed:
            return
        if self.rejected:
            raise self.rejected[0].reason
        if self.waiting and self.breaker is not None:
            name = self.breaker.source
            raise ContractError(
                f"{self.breaker.message} {len(self.waiting)} deliveries wait: {', '.join(self.waiting[:3])}.",
                where=name,
                fix="Fix the contract or the mappings, or look at the deliveries and run "
                f"`slipway circuit-breaker {name} --close --reason '...'`.",
            )


def rejection_of(table: str, decision: Decision, branch: str) -> Rejection:
    """The rejection of a delivery whose rows, if any, can be looked at on the audit branch `branch`."""
    evaluation, reason = decision.evaluation, decision.reason
    assert reason is not None  # noqa: S101  # a delivery that waits was not rejected
    if isinstance(reason, AuditError) and branch:
        reason = AuditError(table, decision.check_results, branch, evaluation.remedy or None)
    return Rejection(evaluation.delivery.name, evaluation.delivery.fingerprint, reason, evaluation.issues, branch)


def rejection_of_copy(delivery: Delivery, original: str) -> Rejection:
    """The rejection of a delivery with the content of another one."""
    error = DeliveryError(
        f"{delivery.name} has the same content as {original}: the same delivery arrived twice.",
        where=str(delivery.path),
        nearest=original,
        fix="Remove one of the two; nothing of it was landed twice.",
    )
    return Rejection(
        delivery.name, delivery.fingerprint, error, [Issue("duplicated_delivery", (), error.what, share=1.0)]
    )

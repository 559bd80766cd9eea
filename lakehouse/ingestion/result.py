"""What landing did: the outcome, and what became of the deliveries that were not published.

What belongs here: the result. Not: landing (landing.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse.errors import ContractError, DeliveryError
from lakehouse.ingestion.blocked import BlockedDelivery
from lakehouse.profiling.issues import Issue
from lakehouse.sources.circuit_breaker import Standing, Transition
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

    `outcome` is what became of the table, with the results of its audit. `refused` and `waiting` are deliveries that
    were not published now, `held_back` all of the source that are refused or wait, since whenever; `findings` is what
    is odd about deliveries, by name.
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
        """Raises the first refusal's reason (DeliveryError, AuditError) or, where all wait, ContractError.

        Only when there was something to land and nothing of it was published.
        """
        if self.outcome.recomputed:
            return
        if self.rejected:
            raise self.rejected[0].reason
        if self.waiting and self.breaker is not None:
            name = self.breaker.source
            raise ContractError(
                f"{self.breaker.says} {len(self.waiting)} deliveries wait: {', '.join(self.waiting[:3])}.",
                where=name,
                fix=f"Mend contract or mappings, or look and then run `slipway breaker {name} --close --reason '...'`.",
            )

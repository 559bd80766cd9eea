"""Decisions: which arrivals are published, refused or wait, as the source's breaker has it.

What belongs here: the rule, without any table. Not: judging arrivals (arrivals.py) and acting on it (landing.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakehouse.errors import DeliveryError
from lakehouse.ingestion.ingestion_log import Status
from lakehouse.sources.circuit_breaker import Standing, State, Transition
from lakehouse.tables.check_result import AuditError


@dataclass(frozen=True)
class Decision:
    """What becomes of one arrival, and why it is not published."""

    status: Status
    reason: DeliveryError | AuditError | None = None


@dataclass(frozen=True)
class Decided:
    """The decisions on arrivals in their order, the breaker's transitions on the way, and its state at the end."""

    decisions: Sequence[Decision]
    transitions: Sequence[Transition]
    state: State


def decide(
    names: Sequence[str],
    rejection: Callable[[int, set[int]], DeliveryError | AuditError | None],
    standing: Standing,
    failures: int,
    most: int,
    definition: str,
) -> Decided:
    """Decide on the deliveries `names` in order.

    `refusal` says why the one at a place cannot be published when those at a set of places were accepted before it.
    `failures` were refused in a row already; with `most` of them a closed breaker opens. A half-open one takes the
    first delivery as its trial.
    """
    state, decisions, transitions = standing.state, [], []
    accepted: set[int] = set()

    def become(new: State, reason: str, delivery: str) -> None:
        nonlocal state
        transitions.append(Transition(standing.source, state, new, reason, delivery, definition))
        state = new

    for place, name in enumerate(names):
        if state is State.OPEN:
            decisions.append(Decision(Status.WAITING))
            continue
        reason = rejection(place, accepted)
        if reason is None:
            if state is State.HALF_OPEN:
                become(State.CLOSED, f"{name} was tried and is good.", name)
            failures = 0
            accepted.add(place)
            decisions.append(Decision(Status.PUBLISHED))
            continue
        decisions.append(Decision(Status.REJECTED, reason))
        failures += 1
        if state is State.HALF_OPEN:
            become(State.OPEN, f"{name} was tried and refused: {reason.what}", name)
        elif failures >= most:
            become(State.OPEN, f"{failures} deliveries in a row were refused, {name} the last: {reason.what}", name)
    return Decided(decisions, transitions, state)

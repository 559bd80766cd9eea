"""Notifications of a landing: rejected deliveries and circuit breaker transitions.

What belongs here: the texts. Not: sending (lakehouse/notifications.py).
"""

from collections.abc import Callable

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.ingestion.result import LandingResult
from lakehouse.notifications import notify
from lakehouse.sources.circuit_breaker import Transition
from lakehouse.sources.source import Source


def notify_of_landing(lake: Lakehouse, source: Source, landed: LandingResult, log: Callable[[str], None]) -> None:
    """Notify of rejected deliveries and circuit breaker transitions, in the log and by SLIPWAY_NOTIFY."""
    lines = [f"{one.delivery} was rejected: {one.reason}" for one in landed.rejected]
    for one in landed.rejected:
        lines += [f"  {issue.message}" for issue in one.issues if issue.message not in one.reason.what]
        lines += [f"  proposed mapping: {issue.proposal}" for issue in one.issues if issue.proposal]
    lines += [transition_in_words(one) for one in landed.transitions]
    if not lines:
        return
    for line in lines:
        log(line)
    _send(lake, f"Slipway: action needed on {source.name} (owner: {source.owner})", "\n".join(lines), log)


def notify_of_transition(lake: Lakehouse, source: Source, step: Transition, log: Callable[[str], None]) -> None:
    """Notify that a person set the circuit breaker."""
    _send(lake, f"Slipway: circuit breaker of {source.name}", transition_in_words(step), log)


def _send(lake: Lakehouse, title: str, body: str, log: Callable[[str], None]) -> None:
    if lake.settings.notify and not notify(lake.settings, title, body):
        log(
            "A notification could not be sent to every address in SLIPWAY_NOTIFY; test them with the command `apprise`."
        )


def transition_in_words(step: Transition) -> str:
    """One line with the states before and after, and the reason."""
    before, after = (state.replace("_", "-") for state in (step.before, step.state))
    return f"The circuit breaker of {step.source} went from {before} to {after}: {step.reason}"

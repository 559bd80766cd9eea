"""Progress of steps, reported to a listener such as the command line.

What belongs here: the resource that steps report to. Not: what a terminal shows (cli/).
"""

from collections.abc import Callable
from dataclasses import dataclass

Listener = Callable[[str, str], None]


@dataclass(frozen=True)
class Progress:
    """Passes (step, message) to a listener. The default listener ignores them, because the UI shows steps itself."""

    listener: Listener = lambda _step, _message: None

    def report(self, step: str, message: str) -> None:
        """Report what `step` has just done or does next."""
        self.listener(step, message)

"""Telling how far a step is: to the Dagster log, or to whoever else listens.

What belongs here: the one resource that steps report to. Not: what a terminal shows (cli/).
"""

from collections.abc import Callable
from dataclasses import dataclass

Listener = Callable[[str, str], None]


@dataclass(frozen=True)
class Progress:
    """Passes on (step, text). The default listener hears nothing: the UI shows steps by itself."""

    listener: Listener = lambda _step, _text: None

    def tell(self, step: str, text: str) -> None:
        """Say what `step` has just done."""
        self.listener(step, text)

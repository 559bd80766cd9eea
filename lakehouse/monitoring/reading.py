"""A reading: one number taken of every delivery, with how far it may be off because a delivery is a sample.

What belongs here: what a reading is, and taking shares, numbers and how many hashes are new. Not: which are taken
(readings.py, column_readings.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Form = Literal["share", "log", "root", "plain"]


@dataclass(frozen=True)
class Reading:
    """One number taken of each of T deliveries, the last of which is judged.

    `values`, `noise`: shape (T,), NaN where a delivery has none; `noise` is the standard deviation of sampling alone.
    Shares are kept as arcsin(sqrt(share)), whose noise depends on the rows alone (Anscombe, "The Transformation of
    Poisson, Binomial and Negative-Binomial Data", 1948).
    """

    columns: tuple[str, ...]
    kind: str
    detail: str
    form: Form
    values: np.ndarray
    noise: np.ndarray

    def natural(self, value: float) -> float:
        """A value as people read it: a share, a number, a correlation."""
        if self.form == "share":
            return float(np.sin(np.clip(value, 0, np.pi / 2)) ** 2)
        if self.form == "log":
            return float(np.exp(value))
        return max(float(value) ** 2 - 0.375, 0.0) if self.form == "root" else float(value)


@dataclass
class Readings:
    """Readings as they are taken."""

    found: list[Reading] = field(default_factory=list)

    def share(
        self,
        columns: Sequence[str],
        kind: str,
        detail: str,
        counts: np.ndarray,
        of: np.ndarray,
        worth: np.ndarray | float = 1.0,
    ) -> None:
        """A share of rows, each `worth` so many independent ones. One that is always none or NaN is not read."""
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.arcsin(np.sqrt(np.clip((counts + 0.375) / (of + 0.75), 0, 1)))
            noise = 0.5 / np.sqrt(of * worth + 0.5)
        if np.any((counts > 0) & (of > 0)):
            self.found.append(Reading(tuple(columns), kind, detail, "share", np.where(of > 0, values, np.nan), noise))

    def plain(
        self, columns: Sequence[str], kind: str, detail: str, form: Form, values: np.ndarray, noise: np.ndarray
    ) -> None:
        """A number that is read as it is, or as its logarithm if the form says so."""
        self.found.append(Reading(tuple(columns), kind, detail, form, values, noise))


def new_hashes(sketches: Sequence[Sequence[int]], cap: int) -> tuple[np.ndarray, np.ndarray]:
    """How many of each sketch's hashes no sketch before it had, and of how many; shape (T,), NaN for the first.

    A full sketch knows nothing of larger hashes than its last, so only hashes that most sketches before could know of
    are looked at.
    """
    seen: set[int] = set()
    fresh, of = np.full(len(sketches), np.nan), np.zeros(len(sketches))
    reach: list[float] = []
    for place, sketch in enumerate(sketches):
        if place:
            limit = float(np.median(reach))
            looked = [one for one in sketch if one <= limit]
            fresh[place], of[place] = sum(one not in seen for one in looked), len(looked)
        reach.append(float(sketch[-1]) if len(sketch) >= cap else np.inf)
        seen.update(sketch)
    return fresh, of

"""A metric: one number per delivery, with its sampling noise.

What belongs here: what a metric is, and taking shares, numbers and how many hashes are new. Not: which are taken
(metrics.py, column_metrics.py).
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Form = Literal["share", "log", "root", "count", "plain"]


@dataclass(frozen=True)
class Metric:
    """One number taken of each of T deliveries, the last of which is evaluated.

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
        if self.form == "count":
            return max(float(np.exp(value)) - 0.5, 0.0)
        return max(float(value) ** 2 - 0.375, 0.0) if self.form == "root" else float(value)


@dataclass
class Metrics:
    """Metrics as they are taken."""

    found: list[Metric] = field(default_factory=list)

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
        self.shares(columns, [(kind, detail)], counts[:, None], of, worth)

    def shares(
        self,
        columns: Sequence[str],
        kinds: Sequence[tuple[str, str]],
        counts: np.ndarray,
        of: np.ndarray,
        worth: np.ndarray | float = 1.0,
    ) -> None:
        """Several shares of the same rows: `kinds` are their kinds and details, `counts` has shape (T, kinds)."""
        there = ((counts > 0) & (of > 0)[:, None]).any(axis=0)
        if not there.any():
            return
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.arcsin(np.sqrt(np.clip((counts + 0.375) / (of + 0.75)[:, None], 0, 1)))
            noise = 0.5 / np.sqrt(of * worth + 0.5)
        values[~(of > 0)] = np.nan
        names = tuple(columns)
        for place in np.flatnonzero(there).tolist():
            self.found.append(Metric(names, *kinds[place], "share", values[:, place], noise))

    def plain(
        self, columns: Sequence[str], kind: str, detail: str, form: Form, values: np.ndarray, noise: np.ndarray
    ) -> None:
        """A number that is read as it is, or as its logarithm if the form says so."""
        self.found.append(Metric(tuple(columns), kind, detail, form, values, noise))


def new_hashes(sketches: Sequence[np.ndarray], cap: int) -> tuple[np.ndarray, np.ndarray]:
    """How many of each sketch's hashes no sketch before it had, and of how many; shape (T,), NaN for the first.

    A full sketch knows nothing of larger hashes than its last, so only hashes that most sketches before could know of
    are looked at.
    """
    sizes = np.array([len(one) for one in sketches])
    hashes = np.concatenate(sketches)
    places = np.repeat(np.arange(len(sketches)), sizes)
    reach = np.array([float(one[-1]) if len(one) >= cap else np.inf for one in sketches])
    limits = np.array([np.inf, *running_medians(reach)[:-1]])
    order = np.argsort(hashes, kind="stable")
    first = np.zeros(len(hashes), bool)
    first[order] = np.concatenate([[True], np.diff(hashes[order]) != 0]) if len(hashes) else first
    looked = hashes <= limits[places]
    fresh, of = (np.bincount(places[one], minlength=len(sketches)).astype(float) for one in (looked & first, looked))
    fresh[0], of[0] = np.nan, 0
    return fresh, of


def running_medians(values: np.ndarray) -> list[float]:
    """The median of the values up to each."""
    ordered: list[float] = []
    medians = []
    for value in values.tolist():
        insort(ordered, value)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        medians.append(low if low == high else (low + high) / 2)
    return medians

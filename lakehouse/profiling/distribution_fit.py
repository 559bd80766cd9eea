"""Distribution fit: how well a column of a delivery fits the deliveries before it.

What belongs here: distances between profiles of a column, and how far clean deliveries lie from each other. Not: which
change explains a distance (lakehouse/drift/detection.py), and alarms for columns without an explanation (anomalies.py).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from lakehouse.profiling.column_profile import (
    SHARES,
    TOP,
    Category,
    ColumnKind,
    ColumnProfile,
    merge_columns,
    mix_grids,
)

_SHARES = np.array(SHARES)
_BELOW = np.concatenate([[0.0], _SHARES])
RECENT = 12
"""So many deliveries count as what a column looks like: enough to know its spread, few enough to follow a trend."""
FEW_ROWS = 20
"""Fewer values say nothing of a column: neither what it looks like, nor that it changed."""
_FEW = 3
_UNKNOWN_SPREAD = 0.15
"""How far two clean deliveries may lie apart where fewer than these are known: two say nothing of a third."""


@dataclass(frozen=True)
class Shape:
    """The distribution of n numbers, as the values at SHARES."""

    grid: np.ndarray
    count: int

    @classmethod
    def of(cls, profile: ColumnProfile) -> "Shape | None":
        """The shape of a column of numbers or times; None where there is no number."""
        return cls(np.array(profile.grid), profile.finite) if profile.grid else None

    def below(self, values: np.ndarray) -> np.ndarray:
        """The share of numbers that are at most each of the values."""
        return _BELOW[self.grid.searchsorted(values, side="right")]

    def share_below(self, value: float) -> float:
        """The share of numbers that are at most this one."""
        return float(_BELOW[self.grid.searchsorted(value, side="right")])

    def times(self, factor: float) -> "Shape":
        """The shape of the numbers times a factor, without the last digits that multiplying gets wrong."""
        numbers = self.grid * factor
        with np.errstate(all="ignore"):  # what no digits are known of stays as it is
            size = 10.0 ** (11 - np.floor(np.log10(np.abs(numbers))))
            rounded = np.round(numbers * size) / size
        rounded = np.where(np.isfinite(rounded), rounded, numbers)
        return Shape(np.sort(rounded), self.count)

    def moved(self, by: float) -> "Shape":
        """The shape of the numbers plus a number."""
        return Shape(self.grid + by, self.count)

    def at(self, share: float) -> float:
        """The number that this share of the numbers is at most."""
        return float(self.grid[_SHARES.searchsorted(share)])

    @property
    def middle(self) -> float:
        """The median."""
        return self.at(0.5)

    @property
    def spread(self) -> float:
        """From the tenth to the ninetieth hundredth."""
        return self.at(0.9) - self.at(0.1)


def farthest(one: Shape, other: Shape) -> float:
    """The Kolmogorov-Smirnov distance, as exact as the grid."""
    values = np.concatenate([one.grid, other.grid])
    return float(np.abs(one.below(values) - other.below(values)).max())


def mixture(delivered: Shape, before: Shape, changed: Shape) -> tuple[float, float]:
    """The share of `changed` numbers among those of `before` that explains the delivery best, and what it leaves.

    The share is the least squares one; what is left is the Kolmogorov-Smirnov distance to the mixture.
    """
    values = np.unique(np.concatenate([delivered.grid, before.grid, changed.grid]))
    found, plain, other = (one.below(values) for one in (delivered, before, changed))
    towards = other - plain
    size = float(towards @ towards)
    share = float(np.clip((found - plain) @ towards / size, 0.0, 1.0)) if size else 0.0
    return share, float(np.abs(found - plain - share * towards).max())


def differing(one: dict[Category, float], other: dict[Category, float]) -> float:
    """The total variation distance of two sets of shares by category."""
    return 0.5 * sum(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in one.keys() | other.keys())


def shares_of(profile: ColumnProfile) -> dict[Category, float]:
    """The share of each frequent value among those given; what is rarer is left out."""
    total = sum(count for _, count in profile.top) if profile.distinct <= len(profile.top) else profile.given
    return {value: count / max(total, 1) for value, count in profile.top}


def moments(hours: Sequence[int] | np.ndarray) -> np.ndarray:
    """The hours of day that a twentieth, half, and all but a twentieth of the rows lie before; of rows by hour."""
    below = np.concatenate([[0.0], np.cumsum(np.array(hours, float) / np.sum(hours))])
    return np.interp([0.05, 0.5, 0.95], below, np.arange(len(below)))


@dataclass(frozen=True)
class ColumnHistory:
    """What a column looked like in the deliveries before, the newest last; at least one."""

    profiles: Sequence[ColumnProfile]

    @classmethod
    def of(cls, profiles: Iterable[ColumnProfile]) -> "ColumnHistory | None":
        """The most recent ones of those that have enough values to look like anything; None when there is none.

        `profiles` go from the newest back, and are looked at no further than it must be.
        """
        kept = list(islice((one for one in profiles if one.given >= FEW_ROWS), RECENT))
        return cls(kept[::-1]) if kept else None

    @cached_property
    def kind(self) -> ColumnKind:
        """What the values are, where kinds differ those of most rows."""
        rows = Counter[ColumnKind]()
        for one in self.profiles:
            rows[one.kind] += one.rows
        return max(rows, key=lambda one: (rows[one], one))

    @cached_property
    def null_share(self) -> float:
        """The share of rows without a value."""
        of_kind = [one for one in self.profiles if one.kind == self.kind]
        return sum(one.nulls for one in of_kind) / sum(one.rows for one in of_kind)

    @cached_property
    def pooled(self) -> ColumnProfile:
        """All of them as one."""
        return merge_columns(list(self.profiles))

    @cached_property
    def shape(self) -> Shape | None:
        """The distribution of all of them; None for texts."""
        given = [one for one in self.profiles if one.kind == self.kind]
        grid = mix_grids([one.grid for one in given], [one.finite for one in given])
        return Shape(np.array(grid), sum(one.finite for one in given)) if grid else None

    @cached_property
    def shapes(self) -> list[Shape]:
        """The distribution of each."""
        return [shape for shape in map(Shape.of, self.profiles) if shape]

    def chance(self, count: int) -> float:
        """How far as many values lie from those of the history by chance, in shares (two samples)."""
        return float(np.sqrt(1 / max(count, 1) + 1 / sum(one.given for one in self.profiles)))

    @cached_property
    def largest(self) -> float:
        """Nearly the largest number that came; at least one did."""
        return max(shape.at(0.998) for shape in self.shapes)

    @cached_property
    def smallest(self) -> float:
        """Nearly the smallest number above zero that came; 0 where a delivery had none."""
        above = [shape.grid[shape.grid > 0] for shape in self.shapes]
        return min(float(one[min(1, len(one) - 1)]) if len(one) else 0.0 for one in above)

    @cached_property
    def categories(self) -> dict[Category, float]:
        """The shares of the frequent values."""
        return shares_of(self.pooled)

    @cached_property
    def few_values(self) -> bool:
        """Whether it holds categories: few different values, each of which comes often enough to be known."""
        most = max(one.distinct for one in self.profiles)
        if most > TOP:
            return False
        rows = sum(one.given for one in self.profiles)
        return most <= len(self.pooled.top) and self.pooled.distinct <= max(2, rows // 5)

    @cached_property
    def apart(self) -> float:
        """How far clean deliveries lie from the others: the largest distance that was seen."""
        if not self.shape:
            return self.categories_apart
        return self._seen([farthest(one, self.shape) for one in self.shapes])

    @cached_property
    def categories_apart(self) -> float:
        """The same, between shares of categories."""
        distances = [differing(shares_of(one), self.categories) for one in self.profiles]
        return max([*distances, _UNKNOWN_SPREAD / 3 if len(distances) < _FEW else 0.0])

    @cached_property
    def moves(self) -> bool:
        """Whether its numbers move from delivery to delivery, as counters and times do."""
        return len(self.shapes) > 1 and self.apart > 0.45  # noqa: PLR2004  # of two that share no value it is a half

    @cached_property
    def centred(self) -> Shape | None:
        """Of a column that moves: the distribution about each delivery's median."""
        if not self.shapes:
            return None
        grids = [shape.grid - shape.middle for shape in self.shapes]
        counts = [shape.count for shape in self.shapes]
        return Shape(np.array(mix_grids([grid.tolist() for grid in grids], counts)), sum(counts))

    @cached_property
    def next_middle(self) -> tuple[float, float]:
        """Of a column that moves: where the next median is to be expected, and within what."""
        middles = np.array([shape.middle for shape in self.shapes])
        steps = np.diff(middles)
        step = float(np.median(steps)) if len(steps) else 0.0
        near = max(float(np.abs(steps).max(initial=0.0)), self.shapes[-1].spread)
        return float(middles[-1]) + step, 3 * near

    @cached_property
    def moments_of_day(self) -> np.ndarray | None:
        """Shape (deliveries, 3): the hours that a twentieth, half, and all but a twentieth of the times lie before."""
        found = [moments(one.hours) for one in self.profiles if sum(one.hours)]
        return np.array(found) if found else None

    def largest_share(self, value: Category) -> float:
        """The largest share that a value had among the rows of one delivery."""
        return self._shares_of_top.get(value, 0.0)

    @cached_property
    def _shares_of_top(self) -> dict[Category, float]:
        found: dict[Category, float] = {}
        for one in self.profiles:
            for value, count in one.top:
                found[value] = max(found.get(value, 0.0), count / max(one.rows, 1))
        return found

    def largest_mark(self, mark: str) -> float:
        """The largest share of rows that bore a mark in one delivery."""
        return max(one.marks.get(mark, 0) / max(one.rows, 1) for one in self.profiles)

    def _seen(self, distances: Sequence[float]) -> float:
        return max([*distances, _UNKNOWN_SPREAD if len(distances) < _FEW else 0.0])

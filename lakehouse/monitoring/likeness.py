"""Likeness: how well a column of a delivery fits what the deliveries before it looked like.

What belongs here: distances between profiles of a column, and how far clean deliveries lie from each other. Not: which
change explains a distance (lakehouse/sources/changes.py), and alarms for columns without an explanation (anomalies.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lakehouse.monitoring.column_profile import SHARES, Category, ColumnProfile, merge_columns, mix_grids

_SHARES = np.array(SHARES)
RECENT = 12
"""So many deliveries count as what a column looks like: enough to know its spread, few enough to follow a trend."""
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
        places = np.searchsorted(self.grid, values, side="right")
        return np.where(places > 0, _SHARES[np.maximum(places, 1) - 1], 0.0)

    def times(self, factor: float) -> "Shape":
        """The shape of the numbers times a factor, without the last digits that multiplying gets wrong."""
        return Shape(np.sort([float(f"{value:.12g}") for value in (self.grid * factor).tolist()]), self.count)

    def moved(self, by: float) -> "Shape":
        """The shape of the numbers plus a number."""
        return Shape(self.grid + by, self.count)

    def at(self, share: float) -> float:
        """The number that this share of the numbers is at most."""
        return float(self.grid[np.searchsorted(_SHARES, share)])

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
    def of(cls, profiles: Sequence[ColumnProfile]) -> "ColumnHistory | None":
        """The most recent ones of those that have values; None when there is none."""
        kept = [one for one in profiles if one.given]
        return cls(kept[-RECENT:]) if kept else None

    @cached_property
    def pooled(self) -> ColumnProfile:
        """All of them as one."""
        return merge_columns(list(self.profiles))

    @cached_property
    def shape(self) -> Shape | None:
        """The distribution of all of them; None for texts."""
        return Shape.of(self.pooled)

    @cached_property
    def shapes(self) -> list[Shape]:
        """The distribution of each."""
        return [shape for shape in map(Shape.of, self.profiles) if shape]

    @cached_property
    def categories(self) -> dict[Category, float]:
        """The shares of the frequent values."""
        return shares_of(self.pooled)

    @property
    def few_values(self) -> bool:
        """Whether it holds categories: few different values, each of which comes often enough to be known."""
        most = max(one.distinct for one in self.profiles)
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

    @property
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

    @property
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
        return max(dict(one.top).get(value, 0) / max(one.rows, 1) for one in self.profiles)

    def largest_mark(self, mark: str) -> float:
        """The largest share of rows that bore a mark in one delivery."""
        return max(one.marks.get(mark, 0) / max(one.rows, 1) for one in self.profiles)

    def _seen(self, distances: Sequence[float]) -> float:
        return max([*distances, _UNKNOWN_SPREAD if len(distances) < _FEW else 0.0])

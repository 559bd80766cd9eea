"""Range queries on an array: the minimum of a range, its k-th smallest number, how many lie below a number.

What belongs here: the two structures that answer them for many stretches at once, on numpy arrays. Not: what the
numbers stand for. A window is a stretch of the sorted events, so its length does not matter to the cost of an answer.
"""

from dataclasses import dataclass

import numpy as np

from lakehouse.features.windows import Ints


@dataclass(frozen=True)
class SmallestOf:
    """The smallest of each stretch, from the smallest of all stretches whose length is a power of two."""

    levels: list[Ints]

    @classmethod
    def of(cls, values: Ints, longest: int) -> "SmallestOf":
        """For stretches of at most `longest` numbers."""
        levels, width = [values], 1
        while 2 * width <= longest:
            below = levels[-1]
            levels.append(np.minimum(below[:-width], below[width:]))
            width *= 2
        return cls(levels)

    def within(self, start: Ints, end: Ints) -> Ints:
        """The smallest of each stretch [start, end), shape (m,). An empty stretch gives any number."""
        found = np.zeros(len(start), np.int64)
        # Two stretches of one power of two, which may overlap, cover the whole.
        power = np.frexp(np.maximum(end - start, 1).astype(np.float64))[1] - 1
        for level in np.unique(power[end > start]):
            rows = np.flatnonzero((power == level) & (end > start))
            values = self.levels[level]
            found[rows] = np.minimum(values[start[rows]], values[end[rows] - (1 << int(level))])
        return found


@dataclass(frozen=True)
class OrderOf:
    """A wavelet matrix: the order of the numbers in any stretch, one step for each bit of the largest number.

    At each bit, from the highest, all numbers with a 0 go before those with a 1 and keep their order; `zeros` says
    how many had a 0 before each place. Source: Claude, Navarro, Ordonez, "The wavelet matrix" (2015).
    """

    zeros: list[Ints]

    @classmethod
    def of(cls, values: Ints, largest: int) -> "OrderOf":
        """For numbers from 0 to `largest`."""
        zeros = []
        for bit in reversed(range(max(int(largest).bit_length(), 1))):
            one = (values >> bit & 1).astype(bool)
            counted = np.zeros(len(values) + 1, np.int32 if len(values) < 1 << 31 else np.int64)
            np.cumsum(~one, out=counted[1:])
            zeros.append(counted)
            values = np.concatenate([values[~one], values[one]])
        return cls(zeros)

    def kth(self, start: Ints, end: Ints, place: Ints) -> Ints:
        """The number at `place` (from 0) of each sorted stretch, shape (m,). The place lies in the stretch."""
        start, end, place = start.copy(), end.copy(), place.copy()
        found = np.zeros(len(start), np.int64)
        for counted in self.zeros:
            low, high = counted[start].astype(np.int64), counted[end].astype(np.int64)
            one = place >= high - low
            found = found << 1 | one
            place -= np.where(one, high - low, 0)
            all_zeros = int(counted[-1])
            start = np.where(one, all_zeros + start - low, low)
            end = np.where(one, all_zeros + end - high, high)
        return found

    def below(self, start: Ints, end: Ints, limit: Ints) -> Ints:
        """How many numbers of each stretch are below its `limit` (at most the largest number), shape (m,)."""
        start, end = start.copy(), end.copy()
        found = np.zeros(len(start), np.int64)
        top = len(self.zeros)
        for level, counted in enumerate(self.zeros):
            low, high = counted[start].astype(np.int64), counted[end].astype(np.int64)
            one = (limit >> (top - 1 - level) & 1).astype(bool)
            found += np.where(one, high - low, 0)
            all_zeros = int(counted[-1])
            start = np.where(one, all_zeros + start - low, low)
            end = np.where(one, all_zeros + end - high, high)
        return found

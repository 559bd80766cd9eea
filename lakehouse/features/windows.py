"""The kernel: window aggregates from exact running totals and as-of look-ups.

What belongs here: numbers in, numbers out, on numpy arrays. Not: tables, declarations, engines' data formats.

Events are sorted once by (entity, time). A running total of counts and of integer measures is taken over the sorted
events. A window (t - length, t] of one entity is then the difference of two totals, found by looking up how many
events lie at or before t and at or before t - length. All windows share the sort, the cost does not grow with the
length of a window, and integers make the sums exact, so the same events give the same bits in any order, on any
engine, whole or day by day. Events at the same entity and time are ties: a window that holds one holds all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_MOST = np.iinfo(np.int64).max
_BLOCK = 1 << 16
_DIGIT = 16
"""Bits."""
_NEVER = -(1 << 62)
"""Earlier than any time."""


@dataclass(frozen=True)
class Timeline:
    """Events of many entities, sorted by (entity, time); ties keep the order in which they were delivered.

    `entity` holds codes from 0 to `entities` - 1, `time` microseconds; both int64 of shape (n,), in any order.
    Codes below 0 mean "no entity" and match nothing.
    """

    entity: Ints
    time: Ints
    entities: int

    @cached_property
    def arranged(self) -> tuple[Ints, Ints, Ints]:
        """The permutation that sorts the events, and their entity codes and times in sorted order, shape (n,) each.

        Events in order of time, as tables by day are, only need sorting by entity, and numpy sorts numbers of 16 bits
        by counting them: digit by digit, which keeps the order of what is equal.
        """
        entity, time = self.entity, self.time
        order = None if (time[1:] >= time[:-1]).all() else np.argsort(time, kind="stable")
        codes = entity + 1  # no entity's is -1
        for shift in range(0, max(self.entities, 1).bit_length(), _DIGIT):
            digits = (codes if order is None else codes[order]) >> shift
            step = np.argsort(digits.astype(np.uint16), kind="stable")
            order = step if order is None else order[step]
        assert order is not None  # noqa: S101  # there is one digit at least
        # The codes in order are runs of equal ones: counting them is faster than fetching each.
        counts = np.bincount(codes, minlength=self.entities + 1)
        return order, np.repeat(np.arange(-1, self.entities), counts), time[order]

    def up_to(self, entity: Ints, time: Ints) -> Ints:
        """How many sorted events come at or before each (entity, time), shape (m,): an index into running totals.

        Fastest when the look-ups are neighbours in sorted order, which keeps them in the processor's cache.
        """
        wanted = self._pack(entity, time)
        if not len(wanted):
            return wanted
        # The part of the events that all look-ups lie in is searched faster than the whole.
        first, last = np.searchsorted(self.packed, [wanted.min(), wanted.max()], side="right")
        found = np.searchsorted(self.packed[first:last], wanted, side="right")
        found += first
        return found

    @cached_property
    def packed(self) -> Ints:
        """One sortable number for each event, in sorted order."""
        return self._pack(*self.arranged[1:])

    def _pack(self, entity: Ints, time: Ints) -> Ints:
        """One sortable number for (entity, time): order and ties are those of the pair.

        A time before the first event or after the last one is moved to the edge, which no look-up can tell apart.
        """
        if self._fits:
            first, width = self._span
            place = time - (first - 1)
            np.clip(place, 0, width - 1, out=place)
        else:
            # Too many entities over too long a time: positions on the time axis take the place of microseconds.
            width = len(self._axis) + 1
            place = np.searchsorted(self._axis, time, side="right")
        place += entity * width
        return place

    @cached_property
    def _span(self) -> tuple[int, int]:
        """The first time and the number of distinguishable positions on the time axis (one before all included)."""
        if not len(self.time):
            return 0, 2
        first, last = int(self.time.min()), int(self.time.max())
        return first, last - first + 2

    @cached_property
    def _fits(self) -> bool:
        return self.entities * self._span[1] < _MOST

    @cached_property
    def _axis(self) -> Ints:
        """The distinct event times, sorted; only needed where entity and time do not fit into 64 bits together."""
        return np.unique(self.time)


@dataclass(frozen=True)
class Spine:
    """Where features are wanted: entity codes and times (microseconds), shape (m,) each. Sorted once for all timelines.

    With `timeline`, whose own arrays the spine is, its sort is taken.
    """

    entity: Ints
    time: Ints
    entities: int
    timeline: Timeline | None = None

    @cached_property
    def arranged(self) -> tuple[Ints, Ints, Ints]:
        """As in Timeline."""
        return (self.timeline or Timeline(self.entity, self.time, self.entities)).arranged

    def blocks(self) -> Iterator["Block"]:
        """The rows in sorted order, in blocks so small that all work on one stays in the processor's cache."""
        order, entity, time = self.arranged
        for start in range(0, len(time), _BLOCK):
            part = slice(start, start + _BLOCK)
            yield Block(order[part], entity[part], time[part])


@dataclass(frozen=True)
class Block:
    """Neighbouring rows of a sorted spine, shape (b,): their indices in the spine, entity codes and times."""

    rows: Ints
    entity: Ints
    time: Ints

    def edge(self, timeline: Timeline, before: int | None) -> Ints:
        """How many of the timeline's sorted events come up to `before` microseconds before each row, shape (b,).

        None is before everything: where the entity's events begin.
        """
        return timeline.up_to(self.entity, np.full(len(self.time), _NEVER) if before is None else self.time - before)

"""The kernel: window aggregates from exact running totals and as-of look-ups.

What belongs here: numbers in, numbers out, on numpy arrays. Not: tables, declarations, engines' data formats.

Events are sorted once by (entity, time). A running total of counts and of integer measures is taken over the sorted
events. A window (t - length, t] of one entity is then the difference of two totals, found by looking up how many
events lie at or before t and at or before t - length. All windows share the sort, the cost does not grow with the
length of a window, and integers make the sums exact, so the same events give the same bits in any order, on any
engine, whole or day by day. Events at the same entity and time are peers: a window that holds one holds all.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lakehouse.errors import SlipwayError

Ints = npt.NDArray[np.int64]

_MOST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Timeline:
    """Events of many entities, sorted by (entity, time).

    `entity` holds codes from 0 to `entities` - 1, `time` microseconds; both int64 of shape (n,), in any order.
    Codes below 0 mean "no entity" and match nothing.
    """

    entity: Ints
    time: Ints
    entities: int
    keep_order: bool = False
    """Whether peers keep the order they were delivered in (a slower sort); only joins of values need it."""

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

    def _pack(self, entity: Ints, time: Ints) -> Ints:
        """One sortable number for (entity, time): order and ties are those of the pair.

        A time before the first event or after the last one is moved to the edge, which no look-up can tell apart.
        """
        if self._fits:
            first, width = self._span
            return entity * width + np.clip(time - (first - 1), 0, width - 1)
        # Too many entities over too long a time: positions on the time axis take the place of microseconds.
        return entity * (len(self._axis) + 1) + np.searchsorted(self._axis, time, side="right")

    @cached_property
    def order(self) -> Ints:
        """The permutation that sorts the events, shape (n,). See `keep_order` for peers."""
        packed = self._pack(self.entity, self.time)
        return np.argsort(packed, kind="stable") if self.keep_order else np.argsort(packed)

    @cached_property
    def _packed(self) -> Ints:
        return self._pack(self.entity[self.order], self.time[self.order])

    def running(self, values: Ints) -> Ints:
        """Running totals of `values` (one for each event, as delivered), shape (n + 1,), first 0.

        Raises SlipwayError when the totals could leave 64 bits.
        """
        if len(values) and int(np.abs(values).max()) * len(values) > _MOST:
            raise SlipwayError(
                "The sum of a measure can exceed 64 bits.",
                where=f"{len(values)} events, largest value {int(np.abs(values).max())}",
                fix="Declare the measure with a smaller scale.",
            )
        totals = np.zeros(len(values) + 1, dtype=np.int64)
        np.cumsum(values[self.order], out=totals[1:])
        return totals

    def up_to(self, entity: Ints, time: Ints) -> Ints:
        """How many sorted events come at or before each (entity, time), shape (m,): an index into running totals."""
        found = np.searchsorted(self._packed, self._pack(entity, time), side="right")
        return found.astype(np.int64, copy=False)

    def at_most(self, entity: Ints, time: Ints) -> Ints:
        """The index (as delivered) of the entity's last event at or before `time`, -1 where there is none, shape (m,).

        Among peers it is the one delivered last when `keep_order` is set, else any of them.
        """
        position = self.up_to(entity, time) - 1
        inside = position >= 0
        event = self.order[np.where(inside, position, 0)] if len(self.order) else np.zeros(len(position), np.int64)
        if len(self.order):
            inside &= self.entity[event] == entity
        return np.where(inside, event, -1)


@dataclass(frozen=True)
class Spine:
    """Where features are wanted: entity codes and times (microseconds), shape (m,) each.

    Look-ups run in sorted order, which keeps them in the processor's cache, and are scattered back at the end.
    """

    timeline: Timeline
    entity: Ints
    time: Ints

    @cached_property
    def _is_timeline(self) -> bool:
        return self.entity is self.timeline.entity and self.time is self.timeline.time

    @cached_property
    def _order(self) -> Ints:
        if self._is_timeline:
            return self.timeline.order
        return np.argsort(self.timeline._pack(self.entity, self.time))  # noqa: SLF001  # same module, same packing

    @cached_property
    def _sorted(self) -> tuple[Ints, Ints]:
        return self.entity[self._order], self.time[self._order]

    def edge(self, before: int) -> Ints:
        """Index into running totals at `before` microseconds before each spine row, in sorted spine order."""
        entity, time = self._sorted
        return self.timeline.up_to(entity, time - before)

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """Values in sorted spine order, put back into the spine's own order."""
        out = np.empty_like(values)
        out[self._order] = values
        return out


def window_totals(totals: Ints, start: Ints, end: Ints) -> Ints:
    """Sums over windows (start, end], given running totals and their edges, shape (m,)."""
    return totals[end] - totals[start]


def encode(*columns: np.ndarray) -> tuple[list[Ints], int]:
    """Entity codes for several arrays of one key (events and spine), and how many entities there are.

    Integer keys that lie close together are their own codes; others are numbered in sorted order.
    """
    integers = all(np.issubdtype(column.dtype, np.integer) for column in columns)
    if integers:
        lows = [int(column.min()) for column in columns if len(column)]
        highs = [int(column.max()) for column in columns if len(column)]
        low, high = (min(lows), max(highs)) if lows else (0, 0)
        if high - low < 1 << 24:
            return [column.astype(np.int64) - low for column in columns], high - low + 1
    known, codes = np.unique(np.concatenate(columns), return_inverse=True)
    edges = np.cumsum([len(column) for column in columns])[:-1]
    return [part.astype(np.int64) for part in np.split(codes, edges)], len(known)

"""Aggregations: from windows, as stretches of sorted events, to values.

What belongs here: one function for each kind of aggregation. Not: which events a window holds (windows.py, compute.py)
and how columns become numbers (column_reading.py).

Each function prepares what all windows share, and returns a function that answers for many windows at once. Windows
are stretches [start, end) of the laid-out events; every one that is asked about holds an event at least, but those of
the aggregations in TAKE_EMPTY.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

import numpy as np

from lakehouse.features.aggregation import WindowAggregate
from lakehouse.features.column_reading import Reading
from lakehouse.features.duration import DAY, MICROSECONDS
from lakehouse.features.measures import divided, product, running
from lakehouse.features.sketches import bucket_values, distinct_estimate
from lakehouse.features.stretches import OrderOf, SmallestOf
from lakehouse.features.windows import Ints

_PAIRS = 1 << 21
"""So many pairs of a window and a category are looked at together."""


@dataclass(frozen=True)
class Windows:
    """Windows that are asked about, shape (m,) each: their stretches, the time they look back from, their entity."""

    start: Ints
    end: Ints
    now: Ints
    entity: Ints

    @cached_property
    def events(self) -> Ints:
        """How many events each holds."""
        return self.end - self.start


@dataclass(frozen=True)
class Layout:
    """Events laid out by (entity, time), so that windows are stretches; shape (n,) each.

    `rows` are their places in the table of events. Entities are numbered in order, not necessarily without gaps.
    """

    rows: Ints
    entity: Ints
    time: Ints

    def by_value(self, ranks: Ints) -> Ints:
        """The places in this layout in order of (entity, time, value): which of peers comes first and last."""
        return np.lexsort((ranks[self.rows], self.time, self.entity))

    @cached_property
    def longest(self) -> int:
        """The most events of one entity."""
        edges = np.flatnonzero(np.diff(self.entity, prepend=-1, append=-1))
        return int(np.diff(edges).max()) if len(edges) > 1 else 0


TAKE_EMPTY = frozenset({"count", "sum", "mean", "rate"})
"""What is so quick that empty windows are answered for rather than left out."""

Answer: TypeAlias = list[tuple[np.ndarray, np.ndarray | None]]
"""For each rank the values (for picks: rows of the events), and where there is one (None: everywhere)."""
Answering: TypeAlias = Callable[[Windows], Answer]


def prepare(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    """What answers for the windows of an aggregation."""
    return _KINDS[one.aggregation](one, reading, layout)


def _count(_: WindowAggregate, __: Reading, ___: Layout) -> Answering:
    return lambda windows: [(windows.events, None)]


def _sum(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    totals, measure = running(reading.measure.whole[layout.rows]), reading.measure

    def answer(windows: Windows) -> Answer:
        sums = totals[windows.end] - totals[windows.start]
        found = reading.whole_sum(sums) if measure.counts else divided(sums, np.array([measure.unit]))
        return [(found, None if one.default == 0 else windows.events > 0)]

    return answer


def _mean(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    totals, unit = running(reading.measure.whole[layout.rows]), reading.measure.unit

    def answer(windows: Windows) -> Answer:
        number, sums = windows.events, totals[windows.end] - totals[windows.start]
        some = number > 0
        if some.all():
            return [(divided(sums, _times(number, unit)), None)]
        return [(divided(sums, _times(np.maximum(number, 1), unit)), some)]

    return answer


def _variance(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    values, unit = reading.measure.whole[layout.rows], reading.measure.unit
    totals, squares = running(values), running(product(values, values))

    def answer(windows: Windows) -> Answer:
        number = windows.events
        sums = totals[windows.end] - totals[windows.start]
        above = product(number, squares[windows.end] - squares[windows.start])
        below = product(sums, sums)
        if above.dtype != below.dtype:
            above, below = above.astype(object), below.astype(object)
        some = number > 1
        pairs = np.where(some, number * (number - 1), 1)
        return [(divided(above - below, _times(pairs, unit * unit)), some)]

    return answer


def _std(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    variance = _variance(one, reading, layout)
    return lambda windows: [(np.sqrt(values), some) for values, some in variance(windows)]


def _trend(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    values = reading.measure.whole[layout.rows].astype(object)
    # From each entity's own beginning on, so that numbers stay small; Python's integers hold any of them.
    time = (layout.time - (layout.time.min() if len(layout.time) else 0)).astype(object)
    totals = [running(one) for one in (time, values, time * time, time * values)]

    def answer(windows: Windows) -> Answer:
        number = windows.events.astype(object)
        x, v, xx, xv = (one[windows.end] - one[windows.start] for one in totals)
        spread = number * xx - x * x
        some = (spread != 0).astype(bool)
        return [(divided((number * xv - x * v) * DAY, np.where(some, spread, 1) * reading.measure.unit), some)]

    return answer


def _extreme(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    sign = 1 if one.aggregation == "min" else -1
    structure = SmallestOf.of(sign * reading.ranks[layout.rows], layout.longest)
    return lambda windows: [(reading.numbers[sign * structure.within(windows.start, windows.end)], None)]


def _quantile(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    rough = one.aggregation == "approx_quantile"
    distinct, codes = np.unique(reading.bucket, return_inverse=True) if rough else (reading.numbers, reading.ranks)
    order, share = OrderOf.of(codes[layout.rows], len(distinct)), Fraction(str(one.share))

    def answer(windows: Windows) -> Answer:
        # The least number of values that make up the share, in integers.
        least = -(-windows.events * share.numerator // share.denominator)
        found = distinct[order.kth(windows.start, windows.end, least - 1)]
        return [(bucket_values(found) if rough else found, None)]

    return answer


def _distinct(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    differing = _differing(reading.ranks[layout.rows], layout.entity)
    return lambda windows: [(differing(windows.start, windows.end), None)]


def _approx_distinct(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    register, rank = reading.registers
    register, rank = register[layout.rows], rank[layout.rows]
    levels: list[tuple[Ints, Callable[[Ints, Ints], Ints]]] = []
    for least in range(1, int(rank.max(initial=0)) + 1):
        kept = rank >= least
        before = np.zeros(len(kept) + 1, np.int64)
        np.cumsum(kept, out=before[1:])
        levels.append((before, _differing(register[kept], layout.entity[kept])))

    def answer(windows: Windows) -> Answer:
        reached = [differing(before[windows.start], before[windows.end]) for before, differing in levels]
        return [(np.rint(distinct_estimate(reached)).astype(np.int64), None)]

    return answer


def _differing(codes: Ints, entity: Ints) -> Callable[[Ints, Ints], Ints]:
    """What counts the different codes of stretches that lie within one entity.

    A code counts where it appears for the first time in the stretch: where it was before lies before the stretch.
    """
    order = np.lexsort((codes, entity))
    again = (codes[order][1:] == codes[order][:-1]) & (entity[order][1:] == entity[order][:-1])
    before = np.zeros(len(codes), np.int64)  # 1 + the place where the code was before, 0 for nowhere
    before[order[1:][again]] = order[:-1][again] + 1
    structure = OrderOf.of(before, len(codes) + 1)
    return lambda start, end: structure.below(start, end, start + 1)


def _picked(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    ordered = layout.rows[layout.by_value(reading.ranks)]

    def answer(windows: Windows) -> Answer:
        if one.aggregation == "first":
            return [(ordered[windows.start], None)]
        ranks = range(one.number if one.aggregation == "last_n" else 1)
        there = [(np.maximum(windows.end - 1 - rank, windows.start), windows.events > rank) for rank in ranks]
        return [(ordered[place], some) for place, some in there]

    return answer


def _top(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    """Counts each category of an entity in each of its windows."""
    codes = reading.ranks[layout.rows]
    order = np.lexsort((codes, layout.entity))
    category, owner = codes[order], layout.entity[order]
    new = np.ones(len(order), bool)
    new[1:] = (category[1:] != category[:-1]) | (owner[1:] != owner[:-1])
    heads = np.flatnonzero(new)
    pair = np.cumsum(new) - 1
    # One sorted number for each event: which category of which entity, and where it is laid out.
    width = len(order) + 1
    placed = pair * width + order
    category, owner, example = category[heads], owner[heads], layout.rows[order[heads]]

    def some(windows: Windows, part: slice) -> list[tuple[np.ndarray, np.ndarray]]:
        start, end, entity = windows.start[part], windows.end[part], windows.entity[part]
        low, high = np.searchsorted(owner, entity), np.searchsorted(owner, entity, side="right")
        row, pairs = spread(low, high)
        number = np.searchsorted(placed, pairs * width + end[row]) - np.searchsorted(placed, pairs * width + start[row])
        ranking = np.lexsort((category[pairs], -number, row))
        ranking = ranking[number[ranking] > 0]
        begin = np.searchsorted(row[ranking], np.arange(len(start)))
        present = np.bincount(row[ranking], minlength=len(start))
        found = []
        for rank in range(one.number):
            there = present > rank
            place = ranking[np.where(there, begin + rank, begin)]
            found.append((example[pairs[place]], there))
        return found

    def answer(windows: Windows) -> Answer:
        low = np.searchsorted(owner, windows.entity)
        sizes = np.searchsorted(owner, windows.entity, side="right") - low
        parts = [some(windows, part) for part in in_parts(sizes, _PAIRS)]
        return [
            (np.concatenate([part[rank][0] for part in parts]), np.concatenate([part[rank][1] for part in parts]))
            for rank in range(one.number)
        ]

    return answer


def _since_last(_: WindowAggregate, __: Reading, layout: Layout) -> Answering:
    return lambda windows: [((windows.now - layout.time[windows.end - 1]) / MICROSECONDS, None)]


_KINDS: dict[str, Callable[[WindowAggregate, Reading, Layout], Answering]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "rate": _mean,
    "variance": _variance,
    "std": _std,
    "trend": _trend,
    "min": _extreme,
    "max": _extreme,
    "quantile": _quantile,
    "approx_quantile": _quantile,
    "distinct": _distinct,
    "approx_distinct": _approx_distinct,
    "first": _picked,
    "last": _picked,
    "last_n": _picked,
    "top": _top,
    "since_last": _since_last,
}


def spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of the stretches [low, high) one after the other, and which stretch each belongs to."""
    sizes = high - low
    row = np.repeat(np.arange(len(sizes)), sizes)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + low[row]


def in_parts(sizes: Ints, most: int) -> list[slice]:
    """Neighbouring rows whose sizes together are at most `most` (a row alone may be larger); one part at least."""
    if not len(sizes):
        return [slice(0, 0)]
    part = np.cumsum(sizes) // most
    edges = np.flatnonzero(np.diff(part, prepend=-1))
    return [slice(int(a), int(b)) for a, b in zip(edges, [*edges[1:], len(sizes)], strict=True)]


def _times(numbers: Ints, unit: int) -> np.ndarray:
    """Whole numbers times the unit, as Python integers where 64 bits may not hold them."""
    return numbers if unit == 1 else product(numbers, np.array([unit], dtype=np.int64 if unit < 1 << 62 else object))

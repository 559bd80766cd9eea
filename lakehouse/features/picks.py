"""Aggregations of events by value: distinct counts, first and last values, most frequent values.

What belongs here: one function for each kind of aggregation that looks at which values events have. Not: aggregations
of numbers (aggregates.py).
"""

from collections.abc import Callable

import numpy as np

from lakehouse.features.aggregation import WindowAggregate
from lakehouse.features.column_reading import Reading
from lakehouse.features.duration import MICROSECONDS
from lakehouse.features.layout import Answer, Answering, Layout, Windows, in_parts, spread
from lakehouse.features.sketches import distinct_estimate
from lakehouse.features.stretches import OrderOf
from lakehouse.features.windows import Ints

_PAIRS = 1 << 21
"""The number of pairs of a window and a category that are processed at once."""


def distinct(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    """Count the different values of each window, exactly."""
    differing = _differing(reading.ranks[layout.rows], layout.entity)
    return lambda windows: [(differing(windows.start, windows.end), None)]


def approx_distinct(_: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    """Count the different values of each window by HyperLogLog (sketches.py)."""
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


def picked(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
    """Pick the row of the first, the last or each of the last events of each window; of ties, the largest value."""
    ordered = layout.rows[layout.by_value(reading.ranks)]

    def answer(windows: Windows) -> Answer:
        if one.aggregation == "first":
            return [(ordered[windows.start], None)]
        ranks = range(one.number if one.aggregation == "last_n" else 1)
        there = [(np.maximum(windows.end - 1 - rank, windows.start), windows.events > rank) for rank in ranks]
        return [(ordered[place], some) for place, some in there]

    return answer


def top(one: WindowAggregate, reading: Reading, layout: Layout) -> Answering:
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


def since_last(_: WindowAggregate, __: Reading, layout: Layout) -> Answering:
    """Compute the seconds since the last event of each window."""
    return lambda windows: [((windows.now - layout.time[windows.end - 1]) / MICROSECONDS, None)]

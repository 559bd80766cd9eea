"""Aggregations of numbers: from windows, as ranges of sorted events, to values.

What belongs here: one function for each aggregation that computes a number, and the choice of the function. Not: values
that are picked or counted (picks.py), which events a window holds (window_columns.py), and how columns
become numbers (column_reading.py).

Each function prepares what all windows share, and returns a function that answers for many windows at once. Windows
are stretches [start, end) of the laid-out events; each has at least one event, except those of the aggregations in
TAKE_EMPTY.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from lakehouse.features.aggregation import WindowAggregate
from lakehouse.features.column_reading import Reading
from lakehouse.features.duration import DAY
from lakehouse.features.layout import Answer, Answering, Layout, Windows
from lakehouse.features.measures import divided, product, running
from lakehouse.features.picks import approx_distinct, distinct, picked, since_last, top
from lakehouse.features.sketches import bucket_values
from lakehouse.features.stretches import OrderOf, SmallestOf
from lakehouse.features.windows import Ints

TAKE_EMPTY = frozenset({"count", "sum", "mean", "rate"})
"""What is so quick that empty windows are answered for rather than left out."""


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
    "distinct": distinct,
    "approx_distinct": approx_distinct,
    "first": picked,
    "last": picked,
    "last_n": picked,
    "top": top,
    "since_last": since_last,
}


def _times(numbers: Ints, unit: int) -> np.ndarray:
    """Whole numbers times the unit, as Python integers where 64 bits may not hold them."""
    return numbers if unit == 1 else product(numbers, np.array([unit], dtype=np.int64 if unit < 1 << 62 else object))

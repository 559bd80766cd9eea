"""The functions that users declare window aggregations by: `count`, `mean`, `last` and the like.

What belongs here: one function for each kind of aggregation. Not: the declaration that they return (aggregation.py).
"""

from collections.abc import Sequence

from lakehouse.features.aggregation import Value, WindowAggregate


def count(
    name: str, *, where: str = "", by: str = "", values: Sequence[Value] = (), default: float | None = 0
) -> WindowAggregate:
    """The number of events; `name` is the measure part of the column's name."""
    return WindowAggregate("count", name, default=default, where=where, by=by, values=tuple(values))


def total(measure: str, *, scale: int | None = None, default: float | None = 0, **more) -> WindowAggregate:  # noqa: ANN003
    """The exact sum of a measure. `more`: where, named, by, values."""
    return WindowAggregate("sum", measure, scale=scale, default=default, **more)


def mean(measure: str, *, scale: int | None = None, default: float | None = 0.0, **more) -> WindowAggregate:  # noqa: ANN003
    """The mean of a measure: its exact sum divided by the number of events, rounded once."""
    return WindowAggregate("mean", measure, scale=scale, default=default, **more)


def rate(measure: str, *, default: float | None = 0.0, **more) -> WindowAggregate:  # noqa: ANN003
    """The share of events whose measure (0 or 1, or a boolean) is 1."""
    return WindowAggregate("rate", measure, default=default, **more)


def smallest(measure: str, **more) -> WindowAggregate:  # noqa: ANN003
    """The smallest value of a measure."""
    return WindowAggregate("min", measure, **more)


def largest(measure: str, **more) -> WindowAggregate:  # noqa: ANN003
    """The largest value of a measure."""
    return WindowAggregate("max", measure, **more)


def variance(measure: str, *, scale: int | None = None, **more) -> WindowAggregate:  # noqa: ANN003
    """The sample variance (n - 1) of a measure; null for fewer than two events."""
    return WindowAggregate("variance", measure, scale=scale, **more)


def std(measure: str, *, scale: int | None = None, **more) -> WindowAggregate:  # noqa: ANN003
    """The sample standard deviation: the root of the variance."""
    return WindowAggregate("std", measure, scale=scale, **more)


def first(measure: str, **more) -> WindowAggregate:  # noqa: ANN003
    """The value of the first event, whatever its type; of ties the smallest."""
    return WindowAggregate("first", measure, **more)


def last(measure: str, **more) -> WindowAggregate:  # noqa: ANN003
    """The value of the newest event, whatever its type; of ties the largest."""
    return WindowAggregate("last", measure, **more)


def last_n(measure: str, number: int, **more) -> WindowAggregate:  # noqa: ANN003
    """The values of the `number` newest events, newest first, a column each."""
    return WindowAggregate("last_n", measure, number=number, **more)


def distinct(measure: str, *, default: float | None = 0, **more) -> WindowAggregate:  # noqa: ANN003
    """How many different values there are, exactly."""
    return WindowAggregate("distinct", measure, default=default, **more)


def approx_distinct(measure: str, *, default: float | None = 0, **more) -> WindowAggregate:  # noqa: ANN003
    """How many different values there are by HyperLogLog with 1,024 registers: 3% off, mergeable."""
    return WindowAggregate("approx_distinct", measure, default=default, **more)


def quantile(measure: str, share: float, **more) -> WindowAggregate:  # noqa: ANN003
    """The smallest value that at least the `share` of the values do not exceed."""
    return WindowAggregate("quantile", measure, share=share, **more)


def approx_quantile(measure: str, share: float, **more) -> WindowAggregate:  # noqa: ANN003
    """The same by DDSketch: within 1% of the value, mergeable."""
    return WindowAggregate("approx_quantile", measure, share=share, **more)


def top(measure: str, number: int = 1, **more) -> WindowAggregate:  # noqa: ANN003
    """The `number` most frequent values, a column each; of equally frequent ones the smaller comes first."""
    return WindowAggregate("top", measure, number=number, **more)


def since_last(name: str, **more) -> WindowAggregate:  # noqa: ANN003
    """The seconds since the newest event; `name` is the measure part of the column's name."""
    return WindowAggregate("since_last", name, **more)


def trend(measure: str, *, scale: int | None = None, **more) -> WindowAggregate:  # noqa: ANN003
    """The slope of the measure over time by least squares, in units a day; null without two different times."""
    return WindowAggregate("trend", measure, scale=scale, **more)

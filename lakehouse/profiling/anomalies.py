"""Anomaly detection: how a delivery differs from the deliveries before it, most surprising first.

What belongs here: from evaluated metrics to issues in words and numbers. Not: the metrics (metrics.py,
column_metrics.py), what is to be expected (forecasts.py), how much is too much (alarms.py), what a change means
and how it can be undone (drift/). Nothing here has a threshold but the level of false alarms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lakehouse.contracts.contract import Contract
from lakehouse.profiling.alarms import Assessment, Family, weigh
from lakehouse.profiling.column_profile import SHARES, ColumnProfile, merge_columns
from lakehouse.profiling.distances import distances, shares_of
from lakehouse.profiling.forecasts import Forecasts, forecast
from lakehouse.profiling.history import MOST
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.metric import Metric
from lakehouse.profiling.metrics import metrics_of
from lakehouse.profiling.profile import DeliveryProfile

LEVEL = 0.01
"""The share of good deliveries that may be alarmed by, all columns and metrics together."""
FEWEST = 4
"""Deliveries that history must have: the fifth is the first that is evaluated."""
_AT_LEAST, _AT_ONCE = 12, 120_000
"""Of very wide deliveries fewer before are looked at: this many at least, and so many of their columns in all, which
bounds time and memory. Limits are then those of the normal distribution at least (alarms.py).
"""
_NAMED = 100
"""Columns that are told of at most: of more, the delivery is what is wrong."""
_PLOTTED = 60
"""Numbers that a series of a plot has at most."""
_COMPARED = 30
"""Of so many newest deliveries the distribution before is shown."""
_TAIL_POINTS = 4
_SHOWN_AT = tuple(
    place for place in range(len(SHARES)) if place % 2 == 0 or not _TAIL_POINTS <= place < len(SHARES) - _TAIL_POINTS
)
"""Points of the grid that a plot shows: every second, and all in the tails."""
_A_COLUMN = 3
"""Issues of one column at most."""
_CLOCK_KINDS = frozenset({"values", "values_outside", "values_far", "values_distance", "span", "hours", "deviation"})

_MESSAGES = {
    "rows": "The delivery has {now} rows (expected: {expected})",
    "repeated_rows": "{now} of the rows are duplicates of another row (expected: {expected})",
    "rows_seen_before": "{now} of the rows were delivered before (expected: {expected})",
    "late_rows": "{now} rows are from the later part of the day (expected: {expected})",
    "early_rows": "{now} rows are from the earlier part of the day (expected: {expected})",
    "days_on": "The delivery's day is not the one expected after the previous delivery",
    "null_share": "{column} is null in {now} of the rows (expected: {expected})",
    "nan_share": "{now} of {column} are not a number (expected: {expected})",
    "infinity_share": "{now} of {column} are infinite (expected: {expected})",
    "distinct": "{column} has {now} distinct values per usual number of rows (expected: {expected})",
    "new_values": "{now} of the distinct values of {column} are new (expected: {expected})",
    "new_category": "One new value accounts for {now} of {column} (expected: {expected})",
    "new_shape": "One new pattern accounts for {now} of {column} (expected: {expected})",
    "category_share": "{detail!r} accounts for {now} of {column} (expected: {expected})",
    "shape_share": "The pattern {detail!r} accounts for {now} of {column} (expected: {expected})",
    "category_distance": "The value shares of {column} differ from the usual ones by {now} (usually {expected})",
    "shape_distance": "The pattern shares of {column} differ from the usual ones by {now} (usually {expected})",
    "values": "{now} of {column} are at most {detail} (expected: {expected})",
    "values_far": "{now} of {column} are at most {detail} (expected: {expected})",
    "values_outside": "{now} of {column} are at most {detail} (expected: {expected})",
    "values_distance": "The distribution of {column} differs from the usual one by {now} (KS; usually {expected})",
    "length": "{now} of {column} have at most {detail} characters (expected: {expected})",
    "length_far": "{now} of {column} have at most {detail} characters (expected: {expected})",
    "length_outside": "{now} of {column} have at most {detail} characters (expected: {expected})",
    "length_distance": "The lengths of {column} differ from the usual ones by {now} (KS; usually {expected})",
    "hours": "{now} of {column} are before {detail} (expected: {expected})",
    "span": "{column} does not {detail} when it usually does",
    "deviation": "The standard deviation of {column} is {now} (expected: {expected})",
    "step": "{column} did not advance from the previous delivery as it usually does",
    "spread": "The range of {column} is {now} times the usual one (expected: {expected})",
    "behind": "{now} of {column} are earlier than the previous delivery (expected: {expected})",
    "correlation": "The rank correlation of {column} and {other} is {now} (expected: {expected})",
    "new_co_occurrences": "{now} of {column} have a new combination with {other} (expected: {expected})",
    "dependency": "{other} determines {column} in {now} of the rows (expected: {expected})",
}
_MARKS = {"decimals_0": "whole"} | {f"decimals_{one}": f"given to {one} decimals" for one in range(1, 6)}
_MARKS |= {"decimals_6": "given to 6 decimals or more", "beyond_ascii": "not plain ASCII", "numeric": "numbers"}
_MARKED = "{now} of {column} are {mark} (expected: {expected})"


@dataclass(frozen=True)
class _Shown:
    """The metric of a family that surprises most, and what was expected of it."""

    family: Family
    size: float
    metric: Metric
    expected: float


def find_anomalies(
    profile: DeliveryProfile,
    history: Sequence[DeliveryProfile],
    contract: Contract | None = None,
    *,
    level: float = LEVEL,
) -> list[Issue]:
    """What is unlike history, most surprising first; nothing when all is as usual, or history is too short to tell.

    `history`: the profiles of published deliveries, oldest first; the newest 60 are looked at. With a contract only its
    columns are. `level`: the share of good deliveries that may be alarmed by.
    """
    most = min(MOST, max(_AT_LEAST, _AT_ONCE // max(len(profile.columns), 1)))
    known = [one for one in history[-most:] if one.rows]
    if len(known) < FEWEST:
        return []
    if not profile.rows:
        usual = int(np.median([one.rows for one in known]))
        return [Issue("rows", (), f"The delivery has no rows (expected: about {usual}).", size=100.0)]
    deliveries = [*known, profile]
    metrics = metrics_of(deliveries, {one.name for one in contract.columns} if contract else None)
    forecasts = forecast(
        np.column_stack([one.values for one in metrics]),
        np.column_stack([one.noise for one in metrics]),
        [one.day.weekday() if one.day else None for one in deliveries],
    )
    assessment = weigh([(one.columns, one.kind) for one in metrics], forecasts.surprise, level, profile.event_time)
    shown = _shown(metrics, forecasts, assessment)
    found: list[Issue] = []
    named_families: set[Family] = set()
    for column, score in sorted(assessment.scores.items(), key=lambda pair: -pair[1])[:_NAMED]:
        if score <= 1:
            break
        chosen = _of(column, shown)
        for one in chosen:
            size = score * one.size / chosen[0].size
            if one.family not in named_families and (size > 1 or one is chosen[0]):
                named_families.add(one.family)
                found.append(_issue_of(one, column, size, deliveries))
    return sorted(_cut_short(found, shown, deliveries[-1]), key=lambda one: -one.size)


def _shown(metrics: Sequence[Metric], forecasts: Forecasts, assessment: Assessment) -> list[_Shown]:
    """The families by size, each by its most surprising metric."""
    best: dict[Family, int] = {}
    surprise = np.nan_to_num(forecasts.surprise[-1], nan=-1.0)
    for number, one in enumerate(metrics):
        family = (one.columns, one.kind)
        if family not in best or surprise[number] > surprise[best[family]]:
            best[family] = number
    found = [
        _Shown(family, assessment.families[family], metrics[number], float(forecasts.expected[number]))
        for family, number in best.items()
    ]
    return sorted(found, key=lambda one: -one.size)


def _of(column: str, shown: Sequence[_Shown]) -> list[_Shown]:
    """What a column's issues are about: its own families, pairs with others only where no family of its own tells."""
    concerned = [one for one in shown if column in (one.family[0] or ("",))]
    single = [one for one in concerned if len(one.family[0]) <= 1 and one.size > 1]
    chosen = (single or concerned)[:_A_COLUMN]
    return [one for one in chosen if one.size > 1 or one is chosen[0]]


def _issue_of(one: _Shown, column: str, size: float, deliveries: Sequence[DeliveryProfile]) -> Issue:
    metric = one.metric
    columns: tuple[str, ...] = (column, *(other for other in metric.columns if other != column)) if column else ()
    now = float(metric.values[-1])
    values = {
        # What is decided comes first, whichever of the two is what is wrong.
        "column": next(iter(metric.columns), ""),
        "other": next(iter(metric.columns[1:]), ""),
        "detail": _clock(metric.detail) if _is_clock(metric, deliveries[-1]) else metric.detail,
        "mark": _MARKS.get(metric.kind, metric.kind.replace("_", " ")),
        "now": _number(metric, now),
        "expected": _number(metric, one.expected),
    }
    message = _MESSAGES.get(metric.kind, _MARKED).format(**values) + "."
    measured: dict[str, float | int | str] = {
        "now": round(metric.natural(now), 6),
        "expected": round(metric.natural(one.expected), 6),
    }
    history = metric.values[np.isfinite(metric.values)][-_PLOTTED:]
    series: dict[str, Sequence[object]] = {"history": [round(metric.natural(float(value)), 6) for value in history]}
    before = _before(deliveries, column)
    if before is not None:
        after = deliveries[-1].columns[column]
        measured |= distances(before, after)
        series |= before_after(before, after)
    return Issue(metric.kind, columns, message, size=round(size, 3), measured=measured, series=series)


def before_after(before: ColumnProfile, after: ColumnProfile) -> dict[str, Sequence[object]]:
    """What a plot of a column before and after needs: shares by label, and of numbers and times some quantiles by
    share. `before` is of the deliveries before together (or of the training rows), `after` of what is evaluated.
    """
    labels, first, second = shares_of(before, after)
    if len(labels) > _PLOTTED:  # categories: those that differ most, and what is left of all others
        chosen = np.sort(np.argsort(-np.abs(second - first), kind="stable")[: _PLOTTED - 1])
        labels = [*(labels[one] for one in chosen), "the rest"]
        first, second = (np.append(one[chosen], max(1 - one[chosen].sum(), 0.0)) for one in (first, second))
    series: dict[str, Sequence[object]] = {
        "labels": labels,
        "before": [round(float(one), 6) for one in first],
        "after": [round(float(one), 6) for one in second],
    }
    if before.grid and after.grid:
        series["shares"] = [SHARES[one] for one in _SHOWN_AT]
        series["quantiles_before"] = [before.grid[one] for one in _SHOWN_AT]
        series["quantiles_after"] = [after.grid[one] for one in _SHOWN_AT]
    return series


def _before(deliveries: Sequence[DeliveryProfile], name: str) -> ColumnProfile | None:
    """The column of the newest deliveries before as one."""
    now = deliveries[-1].columns.get(name)
    columns = [one.columns[name] for one in deliveries[:-1] if name in one.columns][-_COMPARED:]
    if now is None or not columns:
        return None
    merged = merge_columns(columns)
    return merged if merged.kind == now.kind else None


def _cut_short(found: list[Issue], shown: Sequence[_Shown], now: DeliveryProfile) -> list[Issue]:
    """A delivery of which a part is missing is unlike others in the time of its events. What is wrong is the delivery,
    not the column: that is said first.
    """
    rows = next((one for one in shown if one.family == ((), "rows")), None)
    parts = [one for one in shown if one.metric.kind in {"late_rows", "early_rows"}]
    if not found or rows is None or not parts or float(rows.metric.values[-1]) >= rows.expected:
        return found
    part = parts[0]
    lacks = [one.metric.natural(one.expected) - one.metric.natural(one.metric.values[-1]) for one in (rows, part)]
    first = max(found, key=lambda one: one.size)
    about_time = not first.columns or (first.columns[0] == now.event_time and first.kind in _CLOCK_KINDS)
    # Where times are wrong, what one part of the day lacks is in another.
    if not about_time or not np.isfinite(lacks).all() or lacks[1] <= 0 or lacks[0] < lacks[1] / 2:
        return found
    early = part.metric.kind == "early_rows"
    message = (
        f"The delivery {'begins late' if early else 'ends early'}: {_number(part.metric, part.metric.values[-1])} "
        f"rows are from the {'earlier' if early else 'later'} part of the day (expected: "
        f"{_number(part.metric, part.expected)}), {now.rows:,} rows in all (expected: "
        f"{_number(rows.metric, rows.expected)})."
    )
    measured = {"rows": now.rows, "expected": round(rows.metric.natural(rows.expected))}
    history = [round(rows.metric.natural(float(value))) for value in rows.metric.values[-_PLOTTED:]]
    kind = "begins_late" if early else "ends_early"
    return [Issue(kind, (), message, size=first.size + 0.001, measured=measured, series={"history": history}), *found]


def _is_clock(metric: Metric, now: DeliveryProfile) -> bool:
    return metric.kind in {"values", "values_outside", "values_far"} and now.columns[metric.columns[0]].kind == "time"


def _clock(microseconds: str) -> str:
    """A time after the beginning of the delivery's day."""
    days, rest = divmod(int(float(microseconds)) // 60_000_000, 24 * 60)
    return f"{rest // 60:02}:{rest % 60:02}" + (f" of {days:+} days" if days else "")


def _number(metric: Metric, value: float) -> str:
    natural = metric.natural(float(value))
    if metric.form == "share":
        return f"{natural:.2%}"
    return f"{natural:,.0f}" if metric.form in {"log", "root"} and natural >= 10 else f"{natural:.3g}"  # noqa: PLR2004

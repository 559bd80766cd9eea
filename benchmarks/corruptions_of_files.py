"""Corruptions of files: columns, times and rows that are not where or as many as they should be.

What belongs here: kinds that change a delivery's columns, times or rows. Not: kinds that change what stands in a column
(corruptions_of_values.py).
"""

from datetime import timedelta

import polars as pl

from benchmarks.corruption_case import Case, Made, NotApplicableError


def column_renamed(case: Case) -> Made:
    """A column comes under another name: in small letters, shortened, or one that says nothing."""
    column = case.one(case.rows.columns)
    new = case.of(column.lower(), "".join(one for one in column if one.lower() not in "aeiou_"), "field_7")
    case.detail["name"] = new
    return case.rows.rename({column: new}), (column,)


def column_added(case: Case) -> Made:
    """Columns that nobody knows."""
    names = ("batch_no", "remark", "score")[: case.level + 1]
    values = pl.Series(case.random.integers(0, 1000, len(case.rows)))
    return case.rows.with_columns(values.alias(name) for name in names), names


def column_removed(case: Case) -> Made:
    """Columns are missing."""
    columns = tuple(case.random.permutation(case.rows.columns)[: case.level + 1].tolist())
    return case.rows.drop(columns), columns


def columns_swapped(case: Case) -> Made:
    """Two columns have changed places."""
    one, other = case.one(case.data.alike)
    kinds = {case.rows.schema[one], case.rows.schema[other]}
    wide = case
    if len(kinds) > 1:
        wide = case.wide(one, pl.Float64).wide(other, pl.Float64)
    mask = wide.some(case.share(0.1, 0.4, 1.0))
    return wide.rows.with_columns(
        pl.when(mask).then(pl.col(other)).otherwise(pl.col(one)).alias(one),
        pl.when(mask).then(pl.col(one)).otherwise(pl.col(other)).alias(other),
    ), (one, other)


def column_shuffled(case: Case) -> Made:
    """A column's values stand in other rows' places: each column alone looks as before."""
    column = case.one([*case.data.amounts, *case.data.codes, *case.data.labels])
    mask = case.some(case.share(0.4, 0.7, 1.0))
    places = mask.arg_true().to_numpy()
    values = case.rows[column].clone()
    order = case.random.permutation(places)
    moved = pl.Series(range(len(values))).scatter(places.tolist(), order.tolist())
    case.detail["least"] /= 2
    return case.rows.with_columns(values.gather(moved).alias(column)), (column,)


def day_month_swapped(case: Case) -> Made:
    """The third of April is read as the fourth of March, where a calendar allows it."""
    column = case.data.time
    day, month = pl.col(column).dt.day(), pl.col(column).dt.month()
    swaps = (day <= 12) & (day != month)  # months of a year
    swapped = pl.datetime(pl.col(column).dt.year(), day, month.clip(1, 12)).cast(pl.Datetime("us"))
    clock = pl.col(column) - pl.col(column).dt.truncate("1d")
    safe = pl.when(swaps).then(swapped + clock).otherwise(pl.col(column))
    if not case.rows.select(swaps.any()).item():
        raise NotApplicableError
    return case.put(column, safe), (column,)


def times_as_text(case: Case) -> Made:
    """Times come as month/day/year."""
    column = case.data.time
    iso = pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    american = pl.col(column).dt.strftime("%m/%d/%Y %H:%M:%S%.6f")
    written = case.rows.with_columns(iso.alias(column), american.alias("other"))
    mask = case.some(case.share(0.1, 0.4, 1.0))
    return written.with_columns(pl.when(mask).then("other").otherwise(column).alias(column)).drop("other"), (column,)


def time_zone_moved(case: Case) -> Made:
    """All times are some hours off."""
    hours = int(case.of(3, 5, 8)) * int(case.one([-1, 1]))
    case.detail["hours"] = hours
    return case.put(case.data.time, pl.col(case.data.time) + timedelta(hours=hours), 1.0), (case.data.time,)


def future_times(case: Case) -> Made:
    """Some rows are dated a year ahead."""
    moved = pl.col(case.data.time) + timedelta(days=365)
    return case.put(case.data.time, moved, case.share(0.02, 0.1, 0.4)), (case.data.time,)


def duplicated_rows(case: Case) -> Made:
    """Rows come twice."""
    again = case.rows.filter(case.some(case.of(0.1, 0.4, 1.0)))
    return pl.concat([case.rows, again]), ()


def missing_rows(case: Case) -> Made:
    """The file ends early: the later part is not there."""
    kept = int(len(case.rows) * case.of(0.5, 0.25, 0.1))
    return case.rows.head(max(kept, 1)), ()


def stale_delivery(case: Case) -> Made:
    """Yesterday's rows once more: word for word; with the dates moved; or that with some new rows among them."""
    time, moved = case.data.time, case.before
    if case.level < 2:  # the strongest is word for word
        first, old = case.rows[time].min(), case.before[time].min()
        gap = (first.date() - old.date()) if first and old else timedelta(days=1)  # type: ignore[union-attr]
        moved = moved.with_columns(pl.col(time) + gap)
    if case.level == 0:
        moved = pl.concat([moved, case.rows.sample(int(0.2 * len(case.rows)), seed=int(case.random.integers(2**31)))])
        moved = moved.sort(time, maintain_order=True)
    return moved, ()


KINDS = (
    column_renamed,
    column_added,
    column_removed,
    columns_swapped,
    column_shuffled,
    day_month_swapped,
    times_as_text,
    time_zone_moved,
    future_times,
    duplicated_rows,
    missing_rows,
    stale_delivery,
)

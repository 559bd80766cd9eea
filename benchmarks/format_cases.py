"""Cases of changed formats: renamed, rescaled and recoded columns, other dates and numbers, each drawn from a seed.

What belongs here: what a vendor changes for a whole delivery, and what must be named. Not: naming it
(format_changes.py), and corruptions that no mapping undoes (corruptions.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl

from benchmarks.delivered import DataSet


@dataclass(frozen=True)
class Change:
    """A delivery in another format: the rows as delivered, the kind of change and the columns that must be named."""

    group: str
    what: str
    kind: str
    columns: tuple[str, ...]
    rows: pl.DataFrame
    only: str | None = None
    """The file format that can say it, where not both can."""


class NothingToChangeError(Exception):
    """A delivery has nothing that this change would change."""


Draw = Callable[[DataSet, pl.DataFrame, np.random.Generator], Change]

_NAMES = ("amt", "val", "col_a", "fld_03", "kennung", "x1", "zeitpunkt", "ref", "attr_9")


def _one(random: np.random.Generator, options):  # whatever is chosen from
    return options[int(random.integers(len(options)))]


def renamed(_: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """One to three columns under names in small letters, shortened, or foreign."""
    columns = random.permutation(rows.columns)[: int(random.integers(1, 4))].tolist()
    style = int(random.integers(3))
    foreign = random.permutation(_NAMES).tolist()
    new = [
        (column.lower() + "_", "".join(one for one in column if one.lower() not in "aeiou_") + "_", foreign[place])[
            style
        ]
        for place, column in enumerate(columns)
    ]
    pairs = dict(zip(columns, new, strict=True))
    return Change("rename", f"{pairs}", "column_renamed", tuple(columns), rows.rename(pairs))


def rescaled(data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """Cents, thousands, milliseconds: a column times a power of ten."""
    column = _one(random, data.amounts)
    whole = rows.schema[column].is_integer()
    factor = _one(random, [10, 100, 1000] if whole else [0.001, 0.01, 10, 100, 1000])
    power = round(float(np.log10(factor)))
    if whole:
        values = pl.col(column).cast(pl.Int64) * factor
    else:
        # As somebody would write it who has the number in decimals.
        texts = rows[column].cast(pl.String) + f"e{power}"
        values = texts.cast(pl.Float64).alias(column)
    return Change("rescale", f"{column} x {factor}", "unit_changed", (column,), rows.with_columns(values))


def recoded(data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """Codes as letters or words for numbers, permuted, or a text's letters all capital."""
    column = _one(random, data.codes)
    found = rows[column].unique().sort().to_list()
    if rows.schema[column] == pl.String:
        return Change(
            "recode",
            f"{column} in capitals",
            "category_recoded",
            (column,),
            rows.with_columns(pl.col(column).str.to_uppercase()),
        )
    if len(found) < 2:
        raise NothingToChangeError
    style = int(random.integers(3))
    if style == 0:
        words = dict(zip(found, ["ABCDEFGHIJKLMNOP"[place] for place in random.permutation(len(found))], strict=True))
    elif style == 1:
        words = dict(zip(found, [f"code {place}" for place in range(len(found))], strict=True))
    else:
        words = dict(zip(found, [*found[1:], found[0]], strict=True))
    values = pl.col(column).replace_strict(list(words), list(words.values()))
    return Change("recode", f"{column} {words}", "category_recoded", (column,), rows.with_columns(values))


def times_written(data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """Times as people and other systems write them."""
    form = _one(
        random,
        [
            "%d.%m.%Y %H:%M:%S%.6f",
            "%d/%m/%Y %H:%M:%S%.6f",
            "%m/%d/%Y %H:%M:%S%.6f",
            "%d-%b-%Y %H:%M:%S%.6f",
            "%Y%m%d %H:%M:%S%.6f",
            "%Y/%m/%d %H:%M:%S%.6f",
        ],
    )
    values = pl.col(data.time).dt.strftime(form)
    return Change("date", f"{data.time} as {form}", "time_format_changed", (data.time,), rows.with_columns(values))


def times_counted(data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """Times as seconds or their parts since 1970."""
    units: tuple[Literal["s"], Literal["ms"], Literal["us"]] = ("s", "ms", "us")
    unit = units[int(random.integers(3))]
    if unit == "s" and rows.select((pl.col(data.time).dt.microsecond() != 0).any()).item():
        unit = "us"
    values = pl.col(data.time).dt.epoch(unit)
    return Change("date", f"{data.time} in {unit}", "time_format_changed", (data.time,), rows.with_columns(values))


def day_month_swapped(data: DataSet, rows: pl.DataFrame, _: np.random.Generator) -> Change:
    """Day and month in each other's place, in all rows."""
    time = pl.col(data.time)
    day, month = time.dt.day(), time.dt.month()
    if not rows.select(((day <= 12) & (day != month)).all()).item():
        raise NothingToChangeError
    swapped = pl.datetime(time.dt.year(), day, month).cast(pl.Datetime("us")) + (time - time.dt.truncate("1d"))
    return Change(
        "date", f"{data.time} swapped", "day_month_swapped", (data.time,), rows.with_columns(swapped.alias(data.time))
    )


def zone_moved(data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """The clock of another zone."""
    hours = _one(random, [-8, -6, -5, 3, 5, 8])
    values = pl.col(data.time) + timedelta(hours=hours)
    return Change("date", f"{data.time} {hours:+} h", "time_zone_changed", (data.time,), rows.with_columns(values))


def decimal_comma(data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """Numbers written 12,5."""
    floats = [one for one in data.amounts if rows.schema[one].is_float()]
    if not floats:
        raise NothingToChangeError
    column = _one(random, floats)
    values = pl.col(column).cast(pl.String).str.replace(".", ",", literal=True)
    return Change("date", f"{column} with comma", "number_format_changed", (column,), rows.with_columns(values))


GROUPS: dict[str, tuple[Draw, ...]] = {
    "rename": (renamed,),
    "rescale": (rescaled,),
    "recode": (recoded,),
    "date": (times_written, times_counted, day_month_swapped, zone_moved, decimal_comma),
}


def draw(group: str, data: DataSet, rows: pl.DataFrame, random: np.random.Generator) -> Change:
    """A change of the group. Raises NothingToChangeError when this delivery has nothing to change."""
    change = _one(random, GROUPS[group])(data, rows, random)
    if change.rows.equals(rows):
        raise NothingToChangeError
    return change

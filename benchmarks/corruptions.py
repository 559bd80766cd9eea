"""Corruptions: ways in which a delivery goes wrong, each in three strengths, drawn from a seed.

What belongs here: choosing a kind and making a bad delivery out of a good one; which kinds may be looked at while
building. Not: the kinds (corruptions_of_values.py, corruptions_of_files.py), the data (delivered.py), what becomes of
deliveries (deliveries.py, format_changes.py), and harmless changes (harmless.py).

    made = corrupt("rescaled", "weak", online_retail(), place=40, seed=1)
    made.rows, made.columns, made.share
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from benchmarks import corruptions_of_files, corruptions_of_values
from benchmarks.corruption_case import SHARES, Case, NotApplicableError
from benchmarks.delivered import DataSet

STRENGTHS = ("weak", "medium", "strong")
KINDS = {work.__name__: work for work in (*corruptions_of_values.KINDS, *corruptions_of_files.KINDS)}

# Who builds a detector while looking at a generator fits the generator. So the kinds were split once, before any
# detector was there, by random.Random(20110101).sample(sorted(KINDS), 15): those may be looked at while building, the
# others are run for the first time when all is built.
BUILDING = (
    "category_added",
    "category_recoded",
    "cents",
    "column_removed",
    "column_shuffled",
    "day_month_swapped",
    "decimal_comma",
    "mean_shifted",
    "missing_rows",
    "mojibake",
    "null_respelt",
    "nulls",
    "outliers",
    "rounded",
    "times_as_text",
)
HELD_OUT = tuple(sorted(set(KINDS) - set(BUILDING)))


@dataclass(frozen=True)
class Corrupted:
    """A delivery after it went wrong: the rows as delivered, the columns concerned (none: the delivery as a whole).

    `share` is the share of rows that are not as they should be (1 when the columns or the number of rows are not);
    `detail` says what was done.
    """

    kind: str
    strength: str
    rows: pl.DataFrame
    columns: tuple[str, ...]
    share: float
    detail: dict[str, Any]


def corrupt(name: str, strength: str, data: DataSet, place: int, seed: int) -> Corrupted:
    """The delivery at `place` (1 or later), gone wrong in this way.

    Raises NotApplicableError when it has nothing to change, or fewer than half as many rows change as were meant to.
    """
    level = STRENGTHS.index(strength)
    random = np.random.default_rng([seed, place, level, *name.encode()])
    good, before = data.deliveries[place], data.deliveries[place - 1]
    for _ in range(8):
        case = Case(data, good, before, level, random)
        rows, columns = KINDS[name](case)
        share = _changed(good, rows)
        if share >= case.detail.pop("least", SHARES[level] / 2):
            return Corrupted(name, strength, rows, columns, share, case.detail)
    raise NotApplicableError


def applicable(name: str, data: DataSet) -> bool:
    """Whether the data set has columns of the sort that the kind changes."""
    floats = [one for one in data.amounts if data.deliveries[0].schema[one].is_float()]
    needs = {"truncated": data.texts, "mojibake": data.texts, "case_changed": data.texts}
    needs |= {"decimal_comma": floats, "cents": floats}
    return bool(needs.get(name, True))


def _changed(good: pl.DataFrame, rows: pl.DataFrame) -> float:
    """The share of rows that are other than they should be."""
    if good.columns != rows.columns or len(good) != len(rows):
        return 1.0
    differs = []
    for name in good.columns:
        one, other = good[name], rows[name]
        if one.dtype != other.dtype and pl.String in {one.dtype, other.dtype}:
            one, other = one.cast(pl.String), other.cast(pl.String)
        differs.append(one.ne_missing(other))
    return int(pl.DataFrame(differs).select(pl.any_horizontal(pl.all())).to_series().sum()) / len(good)


__all__ = ["BUILDING", "HELD_OUT", "KINDS", "STRENGTHS", "Corrupted", "NotApplicableError", "applicable", "corrupt"]

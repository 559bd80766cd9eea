"""How features are distributed in a published snapshot: quantiles, nulls, bars of a histogram.

What belongs here: numbers. Not: drawing them (drawing.py). A table is read twice, whatever the number of its columns:
once for its figures, which say where the bars lie, and once for the bars; in between once more for columns that are
mostly zero, which the bars leave out. Quantiles are those of a million rows
at most, chosen by their keys' hashes, so that memory stays small and the same snapshot gives the same numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import duckdb

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.read import Pin, attach, plan

BARS = 24
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MOST_WORDS = 10
_MOSTLY = 0.8
"""From this share of zeros on they are left out of the bars."""
_SAMPLED = 1_000_000
NUMBERS = ("int", "long", "float", "double", "decimal", "boolean")
"""How the Iceberg types begin that can be drawn as numbers."""


@dataclass(frozen=True)
class Bar:
    """Rows with values from `low` to `high`; of bars that touch, a value between them belongs to the first.

    Bars of whole numbers reach half a number to both sides. What is no number has a label.
    """

    low: float
    high: float
    rows: int
    label: str = ""


@dataclass(frozen=True)
class Distribution:
    """How a column's values are distributed. `quantiles` (by share), `least`, `most`, `mean`: numbers only.

    The first and the last bar also hold what lies beyond them when `clipped`. `without_zeros`: the bars are of the
    other values only, since beside so many zeros nobody would see them.
    """

    rows: int
    nulls: int
    distinct: int
    bars: Sequence[Bar]
    zeros: int = 0
    least: float | None = None
    most: float | None = None
    mean: float | None = None
    quantiles: Mapping[float, float] | None = None
    clipped: bool = False
    without_zeros: bool = False

    @property
    def null_share(self) -> float:
        """The share of rows without a value."""
        return self.nulls / self.rows if self.rows else 0.0


def distributions(
    lake: Lakehouse, table: str, columns: Sequence[str], *, row_key: str, at: Pin = None
) -> dict[str, Distribution]:
    """The distributions of columns of a table at a snapshot. Columns that the snapshot does not have are left out."""
    planned = plan(lake, table, at=at)
    kinds = {one.name: str(one.field_type) for one in planned.schema.fields if one.name in columns}
    numbers = [name for name, kind in kinds.items() if kind.startswith(NUMBERS)]
    found: dict[str, Distribution] = {}
    with borrow() as connection:
        rows = attach(connection, planned, "catalogued")
        one_in = -(-planned.rows // _SAMPLED)
        sample = f" filter (where hash({quoted(row_key)}) % {one_in} = 0)" if one_in > 1 else ""
        found.update(_numbers(connection, rows, numbers, sample))
        for name in kinds.keys() - set(numbers):
            found[name] = _words(connection, rows, name)
    return {name: found[name] for name in columns if name in found}


@dataclass(frozen=True)
class _Figures:
    """What the first reading tells of a column."""

    given: float
    distinct: float
    zeros: float
    least: float
    most: float
    mean: float
    whole: float
    quantiles: Sequence[float] | None

    @property
    def mostly_zero(self) -> bool:
        """Whether zeros would press all other values, of which there are several, into bars that nobody sees."""
        return _MOSTLY * self.given < self.zeros < self.given and self.distinct > 2  # noqa: PLR2004  # zero and another

    @classmethod
    def sql(cls, value: str, sample: str) -> str:
        """Two expressions: a list of the numbers, and the quantiles of a sample."""
        return (
            f"[count({value}), approx_count_distinct({value}), count(*) filter (where {value} = 0), "
            f"min({value}), max({value}), avg({value}), bool_and({value} = round({value}))::int]::double[], "
            f"quantile_disc({value}, {list(SHARES)}){sample}"
        )


def _numbers(
    connection: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str], sample: str
) -> dict[str, Distribution]:
    if not columns:
        return {}
    values = {name: f"{quoted(name)}::double" for name in columns}
    total, figures = _read(connection, rows, values, sample)
    others = {name: f"nullif({values[name]}, 0)" for name, one in figures.items() if one.mostly_zero}
    apart = _read(connection, rows, others, sample)[1] if others else {}
    apart = {name: one for name, one in apart.items() if one.quantiles}
    values |= {name: others[name] for name in apart}
    drawn = {**figures, **apart}
    axes = {name: _axis(one, one.quantiles) for name, one in drawn.items() if one.quantiles}
    bars = _bars(connection, rows, {values[name]: axis for name, axis in axes.items()})
    return {
        name: Distribution(
            rows=total,
            nulls=total - int(one.given),
            distinct=int(one.distinct),
            bars=bars.get(values[name], ()),
            zeros=int(one.zeros),
            least=one.least,
            most=one.most,
            mean=one.mean,
            quantiles=dict(zip(SHARES, one.quantiles, strict=True)) if one.quantiles else None,
            clipped=name in axes and not (axes[name][0] <= drawn[name].least and drawn[name].most <= axes[name][-1]),
            without_zeros=name in apart,
        )
        for name, one in figures.items()
    }


def _read(
    connection: duckdb.DuckDBPyConnection, rows: str, values: Mapping[str, str], sample: str
) -> tuple[int, dict[str, _Figures]]:
    """How many rows there are, and the figures of each expression."""
    asked = ", ".join(_Figures.sql(value, sample) for value in values.values())
    total, *results = connection.execute(f"select count(*), {asked} from {rows}").fetchone() or (0,)
    return total, {name: _Figures(*results[2 * at], quantiles=results[2 * at + 1]) for at, name in enumerate(values)}


def _axis(one: _Figures, quantiles: Sequence[float]) -> list[float]:
    """The edges of the bars: as far as the values go, but not to outliers that would press the rest into one bar."""
    low, high = one.least, one.most
    if quantiles[-1] > quantiles[0] and not (one.whole and high - low < BARS):
        reach = quantiles[-1] - quantiles[0]
        low = low if quantiles[0] - low <= reach / 2 else quantiles[0]
        high = high if high - quantiles[-1] <= reach / 2 else quantiles[-1]
    if one.whole:
        low, high = math.floor(low), math.ceil(high)
        width = max(1, math.ceil((high - low + 1) / BARS))
        number = math.ceil((high - low + 1) / width)
        return [low - 0.5 + width * place for place in range(number + 1)]
    if low == high:
        return [low, high]
    return [low + (high - low) * place / BARS for place in range(BARS + 1)]


def _bars(
    connection: duckdb.DuckDBPyConnection, rows: str, axes: Mapping[str, Sequence[float]]
) -> dict[str, Sequence[Bar]]:
    """The bars of expressions between the edges that are given for each."""
    if not axes:
        return {}
    asked = ", ".join(f"histogram({value}, {list(edges[1:])}::double[])" for value, edges in axes.items())
    counted = connection.execute(f"select {asked} from {rows}").fetchone() or ()
    found: dict[str, Sequence[Bar]] = {}
    for (value, edges), counts in zip(axes.items(), counted, strict=True):
        numbers = [counts.get(edge, 0) for edge in edges[1:]]
        numbers[-1] += counts.get(math.inf, 0)  # what lies beyond the last edge
        found[value] = [Bar(low, high, rows) for (low, high), rows in zip(pairwise(edges), numbers, strict=True)]
    return found


def _words(connection: duckdb.DuckDBPyConnection, rows: str, name: str) -> Distribution:
    """Of what is no number: the most frequent values."""
    value = quoted(name)
    total, given, distinct = connection.execute(
        f"select count(*), count({value}), approx_count_distinct({value}) from {rows}"
    ).fetchone() or (0, 0, 0)
    most = connection.execute(
        f"select {value}::varchar, count(*) from {rows} where {value} is not null "
        f"group by 1 order by 2 desc, 1 limit {_MOST_WORDS}"
    ).fetchall()
    bars = [Bar(place, place, number, label) for place, (label, number) in enumerate(most)]
    return Distribution(rows=total, nulls=total - given, distinct=distinct, bars=bars)

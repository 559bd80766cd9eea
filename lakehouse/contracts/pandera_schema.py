"""A contract as a pandera schema for Polars: the same rules on the columns of a frame in a notebook or a function.

What belongs here: rules of single columns. Not: what a frame's columns together must hold, and audits (sorting.py,
whole.py), which judge in DuckDB; they are tested against this.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.contract import Contract

if TYPE_CHECKING:
    import pandera.polars as pandera


def as_pandera(contract: Contract) -> "pandera.DataFrameSchema":
    """The schema: a failed check is called as the contract's rule is; NaN and null in a column that must be given are
    pandera's own `not_nullable`.
    """
    import pandera.polars as pandera

    return pandera.DataFrameSchema({column.name: pandera_column(column) for column in contract.columns})


def pandera_column(column: Column) -> "pandera.Column":
    """The rules of one column. Types are the table's matter and not checked."""
    import pandera.polars as pandera

    rules = {
        "unique": column.unique and _first,
        "in_range": (column.at_least is not None or column.at_most is not None) and partial(_within, column),
        "length": (column.shortest is not None or column.longest is not None) and partial(_long, column),
        "matches": bool(column.matches) and partial(_formed, column),
        "one_of": bool(column.one_of) and partial(_among, column),
    }
    checks = []
    for kind, rule in rules.items():
        if rule:
            name = f"{column.name}_{kind}"
            checks.append(pandera.Check(partial(_select, rule), name=name, error=name))
    return pandera.Column(checks=checks, nullable=column.nullable)


def _select(rule: Any, data: Any) -> pl.LazyFrame:  # noqa: ANN401  # pandera's own, which has no public type
    value = pl.col(data.key)
    return data.lazyframe.select(rule(value) | value.is_null())


def _first(value: pl.Expr) -> pl.Expr:
    """Of equal values the first is good: what breaks the rule is its repetition."""
    return value.is_first_distinct()


def _within(column: Column, value: pl.Expr) -> pl.Expr:
    """In range; NaN is not."""
    inside = pl.lit(value=True)
    if column.at_least is not None:
        inside = inside & (value >= column.at_least)
    if column.at_most is not None:
        inside = inside & (value <= column.at_most)
    return inside & value.is_not_nan() if column.type == "float64" else inside


def _long(column: Column, value: pl.Expr) -> pl.Expr:
    length = value.str.len_chars()
    return (length >= (column.shortest or 0)) & (length <= (column.longest if column.longest is not None else 2**31))


def _formed(column: Column, value: pl.Expr) -> pl.Expr:
    return value.str.contains(rf"\A(?:{column.matches})\z")


def _among(column: Column, value: pl.Expr) -> pl.Expr:
    return value.is_in(list(column.one_of))

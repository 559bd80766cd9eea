"""Expressions that declarations hold: filters of events and derived features, in Polars' SQL.

What belongs here: reading such a text, its columns, and its values on a table. Not: what it is used for.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa
from polars.exceptions import PolarsError

from lakehouse.errors import DeclarationError, SlipwayError


@cache
def _parsed(text: str) -> pl.Expr:
    return pl.sql_expr(text)


def columns_of(text: str, *, where: str) -> list[str]:
    """The columns that an expression reads, in order. Raises DeclarationError for what is no expression."""
    if not text:
        return []
    try:
        return list(dict.fromkeys(_parsed(text).meta.root_names()))
    except PolarsError as error:
        raise DeclarationError(
            f"{text!r} is not an SQL expression: {str(error).splitlines()[0]}.",
            where=where,
            nearest="amount > 100 and channel = 'web'",
            fix="Write one SQL expression over columns.",
        ) from None


def canonical(text: str, columns: Mapping[str, Any] | None = None) -> str:
    """The expression in one spelling, whatever its spaces, brackets and upper case; empty for none.

    `columns` says what stands in the place of a column's name. Raises DeclarationError for what is no expression.
    """
    if not text:
        return text
    columns_of(text, where=text)
    node = json.loads(_parsed(text).meta.serialize(format="json"))
    return json.dumps(_renamed(node, columns or {}), sort_keys=True, default=str)


def _renamed(node: Any, columns: Mapping[str, Any]) -> Any:  # noqa: ANN401  # any part of an expression
    if isinstance(node, list):
        return [_renamed(one, columns) for one in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Column"}:
        return {"Column": columns.get(node["Column"], node["Column"])}
    return {name: _renamed(one, columns) for name, one in node.items()}


def values_of(text: str, table: pa.Table, *, where: str) -> pl.Series:
    """The expression's value in each row of the table. Raises SlipwayError when its types don't go together."""
    needed = columns_of(text, where=where)
    frame = pl.DataFrame(pl.from_arrow(table.select(needed))) if needed else pl.DataFrame({"": [0] * len(table)})
    try:
        found = frame.select(_parsed(text).alias("value")).to_series()
    except PolarsError as error:
        kinds = ", ".join(f"{name} is {table.schema.field(name).type}" for name in needed)
        raise SlipwayError(
            f"{text!r} cannot be computed ({kinds}): {str(error).splitlines()[0]}.",
            where=where,
            fix="Correct the expression, or cast its columns.",
        ) from None
    return found if len(found) == len(table) else found.extend_constant(found[0], len(table) - 1)


def is_true(text: str, table: pa.Table, *, where: str) -> pl.Series:
    """Whether the expression is true in each row; what is null is not."""
    found = values_of(text, table, where=where)
    if found.dtype not in (pl.Boolean, pl.Null):
        raise SlipwayError(
            f"{text!r} is {found.dtype}, not true or false.", where=where, nearest=f"({text}) > 0", fix="Compare it."
        )
    return found.cast(pl.Boolean).fill_null(value=False)

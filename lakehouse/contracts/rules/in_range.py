"""The rule that a value lies between inclusive bounds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.rules.column_rule import ColumnRule, anything
from lakehouse.contracts.rules.registry import column_rule
from lakehouse.contracts.sql import sql_value
from lakehouse.errors import DeclarationError
from lakehouse.tables.duck import quoted

Bound = float | datetime | None
Comparable = Any


@column_rule
@dataclass(frozen=True)
class InRange(ColumnRule):
    """A value lies between the bounds; NaN does not. Declared by `Column(at_least=, at_most=)`."""

    at_least: Bound = None
    at_most: Bound = None

    kind: ClassVar[str] = "in_range"
    order: ClassVar[int] = 30
    odcs_options: ClassVar = {"minimum": "at_least", "maximum": "at_most"}

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return the rule if the column has a bound."""
        found = cls(column.at_least, column.at_most)
        return None if found == cls() else found

    def validate(self, column: Column, where: str) -> None:
        """Raise DeclarationError for a bound of another type, and for bounds that no value lies between."""
        for bound in (self.at_least, self.at_most):
            if bound is not None and not _fits(column, bound):
                raise DeclarationError(
                    f"{bound!r} is not a valid bound for a column of type {column.type}.",
                    where=where,
                    fix="Use finite numbers for numeric columns, and datetimes in UTC without a zone for timestamps.",
                )
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:  # type: ignore[operator]
            raise DeclarationError(
                f"No value lies between {self.at_least} and {self.at_most}.",
                where=where,
                nearest=f"at_least={self.at_most}, at_most={self.at_least}",
            )

    def description(self, column: str) -> str:
        """Return what the rule says."""
        return f"{column} is {between(self.at_least, self.at_most)}."

    def failing(self, column: Column) -> str:
        """Return the condition of a failing row."""
        name = quoted(column.name)
        outside = [f"{name} < {sql_value(self.at_least)}"] if self.at_least is not None else []
        outside += [f"{name} > {sql_value(self.at_most)}"] if self.at_most is not None else []
        outside += [f"isnan({name})"] if column.type == "float64" else []
        return " or ".join(outside)

    def passing(self, column: Column, value: pl.Expr) -> pl.Expr:
        """Return the pandera check."""
        inside = pl.lit(value=True)
        if self.at_least is not None:
            inside = inside & (value >= self.at_least)
        if self.at_most is not None:
            inside = inside & (value <= self.at_most)
        return inside & value.is_not_nan() if column.type == "float64" else inside

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield the changed bounds: a wider one breaks consumers."""
        before, after = old or cls(), new or cls()
        for words, sign, one, two in (
            ("minimum", 1, before.at_least, after.at_least),
            ("maximum", -1, before.at_most, after.at_most),
        ):
            yield from changed_bound(column, words, sign, one, two, comparable=comparable)


def changed_bound(
    column: str, words: str, sign: int, one: "Comparable", two: "Comparable", *, comparable: bool = True
) -> Iterator[tuple[str, bool]]:
    """Yield the change of a lower (`sign` 1) or an upper (-1) bound, if it changed."""
    if one != two:
        looser = two is None or (one is not None and (not comparable or (two < one if sign > 0 else two > one)))
        yield f"The {words} of {column} changed from {anything(one)} to {anything(two)}.", bool(looser)


def between(low: object, high: object) -> str:
    """Return the bounds in words."""
    words = [f"at least {low}" if low is not None else "", f"at most {high}" if high is not None else ""]
    return " and ".join(word for word in words if word)


def _fits(column: Column, bound: float | datetime) -> bool:
    """Whether values of the column can be compared with the bound."""
    if column.type == "timestamp":
        return isinstance(bound, datetime) and bound.tzinfo is None
    number = isinstance(bound, int | float) and not isinstance(bound, bool) and math.isfinite(bound)
    return column.type.startswith(("int", "float")) and number

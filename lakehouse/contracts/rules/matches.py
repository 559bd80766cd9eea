"""The rule that a whole text matches a regular expression."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import duckdb
import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.patterns import in_java
from lakehouse.contracts.rules.column_rule import ColumnRule, anything
from lakehouse.contracts.rules.registry import column_rule
from lakehouse.contracts.sql import whole_text
from lakehouse.errors import DeclarationError
from lakehouse.tables.duck import borrow, literal, quoted


@column_rule
@dataclass(frozen=True)
class Matches(ColumnRule):
    """A whole text matches the regular expression (RE2). Declared by `Column(matches=)`."""

    matches: str = ""

    kind: ClassVar[str] = "matches"
    order: ClassVar[int] = 50
    odcs_options: ClassVar = {"pattern": "matches"}

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return the rule if the column has a pattern."""
        return cls(column.matches) if column.matches else None

    def validate(self, column: Column, where: str) -> None:
        """Raise DeclarationError for a column without texts, and for a pattern that engines read differently."""
        where = f"{where}, matches"
        if column.type != "text":
            raise DeclarationError(
                f"matches is for text columns, and this column has the type {column.type}.",
                where=where,
                nearest="one_of",
            )
        try:
            with borrow() as connection:
                connection.execute("select regexp_matches('', ?)", [whole_text(self.matches)])
        except duckdb.Error as error:
            raise DeclarationError(
                f"{self.matches!r} is not a regular expression: {str(error).splitlines()[0].partition(': ')[2]}.",
                where=where,
                nearest="[A-Z]{2}[0-9]+",
                fix="Use the syntax of RE2, which has no look-ahead and no back-references.",
            ) from None
        in_java(self.matches, where)

    def description(self, column: str) -> str:
        """Return what the rule says."""
        return f"{column} matches {self.matches}."

    def failing(self, column: Column) -> str:
        """Return the condition of a failing row."""
        return f"not regexp_matches({quoted(column.name)}, {literal(whole_text(self.matches))})"

    def passing(self, column: Column, value: pl.Expr) -> pl.Expr:
        """Return the pandera check."""
        del column
        return value.str.contains(whole_text(self.matches))

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield a changed pattern: nothing tells whether it promises less."""
        del comparable
        before, after = old or cls(), new or cls()
        if before != after:
            words = f"The pattern of {column} changed from {anything(before.matches)} to {anything(after.matches)}."
            yield words, bool(before.matches)

"""The length rule: the minimum and maximum number of characters of a text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.rules.column_rule import ColumnRule
from lakehouse.contracts.rules.in_range import between, changed_bound
from lakehouse.contracts.rules.registry import column_rule
from lakehouse.errors import DeclarationError
from lakehouse.tables.duck import quoted


@column_rule
@dataclass(frozen=True)
class Length(ColumnRule):
    """A text has `shortest` to `longest` characters. Declared by `Column(shortest=, longest=)`."""

    shortest: int | None = None
    longest: int | None = None

    kind: ClassVar[str] = "length"
    order: ClassVar[int] = 40
    odcs_options: ClassVar = {"minLength": "shortest", "maxLength": "longest"}

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return the rule if the column has a length."""
        found = cls(column.shortest, column.longest)
        return None if found == cls() else found

    def validate(self, column: Column, where: str) -> None:
        """Raise DeclarationError for a column without texts, and for lengths that no text has."""
        for name, instead in (("shortest", "at_least"), ("longest", "at_most")):
            length = getattr(self, name)
            if length is None:
                continue
            if column.type != "text":
                raise DeclarationError(
                    f"{name} is for text columns, and this column has the type {column.type}.",
                    where=f"{where}, {name}",
                    nearest=instead,
                )
            if not isinstance(length, int) or isinstance(length, bool) or length < 0:
                raise DeclarationError(
                    f"{length!r} is not a valid length of a text.", where=f"{where}, {name}", nearest="0"
                )
        if self.shortest is not None and self.longest is not None and self.shortest > self.longest:
            raise DeclarationError(
                f"No text has {self.shortest} to {self.longest} characters.",
                where=where,
                nearest=f"shortest={self.longest}, longest={self.shortest}",
            )

    def description(self, column: str) -> str:
        """Return what the rule says."""
        return f"{column} has {between(self.shortest, self.longest)} characters."

    def failing(self, column: Column) -> str:
        """Return the condition of a failing row."""
        name = quoted(column.name)
        outside = [f"length({name}) < {self.shortest}"] if self.shortest is not None else []
        outside += [f"length({name}) > {self.longest}"] if self.longest is not None else []
        return " or ".join(outside)

    def passing(self, column: Column, value: pl.Expr) -> pl.Expr:
        """Return the pandera check."""
        del column
        length = value.str.len_chars()
        return (length >= (self.shortest or 0)) & (length <= (self.longest if self.longest is not None else 2**31))

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield the changed lengths: a wider one breaks consumers."""
        del comparable
        before, after = old or cls(), new or cls()
        yield from changed_bound(column, "minimum length", 1, before.shortest, after.shortest)
        yield from changed_bound(column, "maximum length", -1, before.longest, after.longest)

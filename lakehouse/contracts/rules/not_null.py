"""The rule that a column is given: no null, and no NaN."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.rules.column_rule import ColumnRule
from lakehouse.contracts.rules.registry import column_rule
from lakehouse.tables.duck import quoted


@column_rule
@dataclass(frozen=True)
class NotNull(ColumnRule):
    """Every row has a value. Declared by `Column(nullable=False)`, the default."""

    kind: ClassVar[str] = "not_null"
    order: ClassVar[int] = 10

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return the rule unless the column is nullable."""
        return None if column.nullable else cls()

    def description(self, column: str) -> str:
        """Return what the rule says."""
        return f"{column} is not null."

    def failing(self, column: Column) -> str:
        """Return the condition of a failing row."""
        name = quoted(column.name)
        return f"{name} is null" + (f" or coalesce(isnan({name}), false)" if column.type == "float64" else "")

    def passing(self, column: Column, value: pl.Expr) -> pl.Expr:
        """Return the pandera check; pandera itself checks nulls as `not_nullable`."""
        return value.is_not_nan() & value.is_not_null() if column.type == "float64" else value.is_not_null()

    def to_odcs(self, column: Column, odcs: dict[str, Any]) -> None:
        """Set `required`."""
        odcs["required"] = not column.nullable

    @classmethod
    def from_property(cls, odcs: Mapping[str, Any]) -> dict[str, Any]:
        """Return `nullable`."""
        return {"nullable": not odcs.get("required", False)}

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield the change: a column that may now be null breaks consumers."""
        del comparable
        if old != new:
            yield f"{column} {'may now be null' if new is None else 'is now always given'}.", new is None

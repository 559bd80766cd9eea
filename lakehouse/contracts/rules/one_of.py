"""The rule that a value is one of a list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.rules.column_rule import ColumnRule, anything
from lakehouse.contracts.rules.registry import column_rule
from lakehouse.contracts.sql import sql_value
from lakehouse.errors import DeclarationError
from lakehouse.tables.duck import quoted


@column_rule
@dataclass(frozen=True)
class OneOf(ColumnRule):
    """A value is one of `values`. Declared by `Column(one_of=)`."""

    values: tuple[int | str, ...] = ()

    kind: ClassVar[str] = "one_of"
    order: ClassVar[int] = 60

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return the rule if the column has a list of values."""
        return cls(column.one_of) if column.one_of else None

    def validate(self, column: Column, where: str) -> None:
        """Raise DeclarationError for values of another type than the column's."""
        fits = str if column.type == "text" else int if column.type.startswith("int") else int | float
        wrong = [one for one in self.values if isinstance(one, bool) or not isinstance(one, fits)]
        if column.type not in {"bool", "timestamp"} and not wrong:
            return
        shown = wrong[0] if wrong else self.values[0]
        raise DeclarationError(
            f"{shown!r} is not a valid value of a column of type {column.type}.",
            where=f"{where}, one_of",
            nearest=repr(str(shown)) if column.type == "text" else str(shown) if str(shown).isdigit() else None,
            fix="Give texts for a text column, or numbers for a numeric column; other types do not support one_of.",
        )

    def description(self, column: str) -> str:
        """Return what the rule says."""
        return f"{column} is one of {', '.join(map(str, self.values))}."

    def failing(self, column: Column) -> str:
        """Return the condition of a failing row."""
        return f"{quoted(column.name)} not in ({', '.join(map(sql_value, self.values))})"

    def passing(self, column: Column, value: pl.Expr) -> pl.Expr:
        """Return the pandera check."""
        del column
        return value.is_in(list(self.values))

    def to_odcs(self, column: Column, odcs: dict[str, Any]) -> None:
        """Add the library check `invalidValues`."""
        odcs.setdefault("quality", []).append(
            {
                "type": "library",
                "metric": "invalidValues",
                "arguments": {"validValues": list(self.values)},
                "mustBe": 0,
                "unit": "rows",
                "name": f"{column.name}_one_of",
            }
        )

    @classmethod
    def from_quality(cls, quality: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return `one_of` from the library check `invalidValues`."""
        valid = (quality.get("arguments") or {}).get("validValues")
        return {"one_of": valid} if quality.get("metric") == "invalidValues" and valid else None

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield a changed list: a further value breaks consumers."""
        del comparable
        before, after = (old or cls()).values, (new or cls()).values
        if before != after:
            more = bool(before) and (not after or not set(after) <= set(before))
            yield f"The valid values of {column} changed from {anything(before)} to {anything(after)}.", more

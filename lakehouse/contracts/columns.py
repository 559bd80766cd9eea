"""The declaration of a column.

What belongs here: a column's name, type and the options that people declare rules with. Not: what the rules do
(rules/), rules over several columns, and a table's contract (contract.py).
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, get_args

from lakehouse.contracts.rules.registry import column_rules
from lakehouse.contracts.types import ARROW_TYPES, SQL_TYPES, ColumnType
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.contracts.rules.column_rule import ColumnRule


@dataclass(frozen=True)
class Column:
    """A column of a table, with the rules on its values. A row that fails one is quarantined, by default.

    `at_least` and `at_most` are inclusive bounds (numbers, or datetimes in UTC for timestamps). NaN lies in no range,
    and counts as null. `matches` is a regular expression (RE2) of the whole text, `shortest` and `longest` are lengths
    in characters. `rules` holds further rules (contracts/rules/). `known_after` is how long after the row's event time
    the value is known: what uses it earlier is rejected as a leak (training/leaks.py). "0d" says that it is known at
    once, even if a label is derived from it.
    """

    name: str
    type: ColumnType
    description: str
    nullable: bool = False
    unique: bool = False
    at_least: float | datetime | None = None
    at_most: float | datetime | None = None
    one_of: tuple[int | str, ...] = ()
    known_after: str = ""
    matches: str = ""
    shortest: int | None = None
    longest: int | None = None
    rules: "Sequence[ColumnRule]" = ()

    def __post_init__(self) -> None:
        """Raise DeclarationError for an unknown type, and for rules that no value can pass."""
        object.__setattr__(self, "one_of", tuple(self.one_of))
        object.__setattr__(self, "rules", tuple(self.rules))
        where = f"column {self.name}"
        if self.type not in get_args(ColumnType):
            raise DeclarationError(
                f"Unknown column type {self.type!r}.",
                where=where,
                nearest=nearest_name(str(self.type), get_args(ColumnType)),
                fix="Supported types: " + ", ".join(get_args(ColumnType)) + ".",
            )
        if self.known_after:
            microseconds(self.known_after, where=f"{where}, known_after")
        for rule in self.row_rules.values():
            rule.validate(self, where)

    @cached_property
    def row_rules(self) -> "dict[str, ColumnRule]":
        """The rules on the column's values, by name: those of its options, then those of `rules`."""
        declared = [rule for kind in column_rules() if (rule := kind.of(self))]
        found: dict[str, ColumnRule] = {}
        for rule in (*declared, *self.rules):
            name = f"{self.name}_{rule.kind}"
            if name in found:
                raise DeclarationError(
                    f"The rule {rule.kind} is declared twice.", where=f"column {self.name}", fix="Declare it once."
                )
            found[name] = rule
        return found


__all__ = ["ARROW_TYPES", "SQL_TYPES", "Column", "ColumnType"]

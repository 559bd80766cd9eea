"""A rule of one's own: all that a new kind of column rule needs."""

from dataclasses import dataclass
from typing import ClassVar

from lakehouse.contracts.rules.column_rule import ColumnRule
from lakehouse.contracts.rules.registry import column_rule


@column_rule
@dataclass(frozen=True)
class MultipleOf(ColumnRule):
    number: int

    kind: ClassVar[str] = "multiple_of"

    def description(self, column):
        return f"{column} is a multiple of {self.number}."

    def failing(self, column):
        return f'"{column.name}" % {self.number} <> 0'

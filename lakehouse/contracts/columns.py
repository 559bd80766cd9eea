"""What is relied on in one column.

What belongs here: the column's declaration, its kinds, and the names of its rules. Not: rules over several columns
(rules.py), a table's contract (contract.py), and judging rows (compile.py, sorting.py).
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import duckdb
import pyarrow as pa

from lakehouse.contracts.patterns import in_java
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds
from lakehouse.tables.duck import borrow

ColumnType = Literal["int16", "int32", "int64", "float64", "text", "bool", "timestamp"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}
SQL_TYPES = {
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "text": "VARCHAR",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}
"""DuckDB's types of the kinds."""


@dataclass(frozen=True)
class Column:
    """What is relied on in one column. A row that breaks it is quarantined, unless the contract says otherwise.

    `at_least` and `at_most` are inclusive bounds (numbers, or datetimes in UTC for timestamps). NaN lies in no range,
    and does not count as given. `matches` is a regular expression (RE2's) for the whole of a text, `shortest` and
    `longest` are its length in characters. `known_after` is how long after the row's event time the value is known:
    what looks at it earlier is refused (training/leaks.py). "0d" says that it is known at once, though a label is made
    from it.
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

    def __post_init__(self) -> None:
        """Raises DeclarationError for an unknown kind and for rules that no value can meet."""
        object.__setattr__(self, "one_of", tuple(self.one_of))
        where = f"column {self.name}"
        if self.type not in get_args(ColumnType):
            raise DeclarationError(
                f"{self.type!r} is no kind of column.",
                where=where,
                nearest=nearest_name(str(self.type), get_args(ColumnType)),
                fix="Use one of: " + ", ".join(get_args(ColumnType)) + ".",
            )
        if self.known_after:
            microseconds(self.known_after, where=f"{where}, known_after")
        for bound in (self.at_least, self.at_most):
            if bound is not None and not self._takes(bound):
                raise DeclarationError(
                    f"{bound!r} is no bound for a column of kind {self.type}.",
                    where=where,
                    fix="Bound numbers by finite numbers, and timestamps by datetimes in UTC without a zone.",
                )
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:  # type: ignore[operator]
            raise DeclarationError(
                f"No value lies between {self.at_least} and {self.at_most}.",
                where=where,
                nearest=f"at_least={self.at_most}, at_most={self.at_least}",
            )
        self._check_values(where)
        self._check_texts(where)

    def _takes(self, bound: float | datetime) -> bool:
        """Whether values of the column can be compared with the bound."""
        if self.type == "timestamp":
            return isinstance(bound, datetime) and bound.tzinfo is None
        number = isinstance(bound, int | float) and not isinstance(bound, bool) and math.isfinite(bound)
        return self.type.startswith(("int", "float")) and number

    def _check_values(self, where: str) -> None:
        fits = str if self.type == "text" else int if self.type.startswith("int") else int | float
        wrong = [one for one in self.one_of if isinstance(one, bool) or not isinstance(one, fits)]
        if not self.one_of or (self.type not in {"bool", "timestamp"} and not wrong):
            return
        shown = wrong[0] if wrong else self.one_of[0]
        raise DeclarationError(
            f"{shown!r} can be no value of a column of kind {self.type}.",
            where=f"{where}, one_of",
            nearest=repr(str(shown)) if self.type == "text" else str(shown) if str(shown).isdigit() else None,
            fix="Give texts for a text column and numbers for a column of numbers; other kinds have no list of values.",
        )

    def _check_texts(self, where: str) -> None:
        given = [name for name in ("matches", "shortest", "longest") if getattr(self, name) not in {None, ""}]
        if given and self.type != "text":
            raise DeclarationError(
                f"{given[0]} is about texts, and the column is of kind {self.type}.",
                where=f"{where}, {given[0]}",
                nearest="at_least" if given[0] == "shortest" else "at_most" if given[0] == "longest" else "one_of",
            )
        for name in ("shortest", "longest"):
            length = getattr(self, name)
            if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 0):
                raise DeclarationError(f"{length!r} is no length of a text.", where=f"{where}, {name}", nearest="0")
        if self.shortest is not None and self.longest is not None and self.shortest > self.longest:
            raise DeclarationError(
                f"No text has {self.shortest} to {self.longest} characters.",
                where=where,
                nearest=f"shortest={self.longest}, longest={self.shortest}",
            )
        if self.matches:
            try:
                with borrow() as connection:
                    connection.execute("select regexp_matches('', ?)", [whole(self.matches)])
            except duckdb.Error as error:
                raise DeclarationError(
                    f"{self.matches!r} is no regular expression: {str(error).splitlines()[0].partition(': ')[2]}.",
                    where=f"{where}, matches",
                    nearest="[A-Z]{2}[0-9]+",
                    fix="Write it in RE2's words, which know neither look-ahead nor back-references.",
                ) from None
            in_java(self.matches, f"{where}, matches")

    def rules(self) -> dict[str, str]:
        """The names of the row rules of this column, with what each says."""
        found = {}
        if not self.nullable:
            found[f"{self.name}_not_null"] = f"{self.name} is given."
        if self.unique:
            found[f"{self.name}_unique"] = f"{self.name} appears once."
        if self.at_least is not None or self.at_most is not None:
            found[f"{self.name}_in_range"] = f"{self.name} is {_between(self.at_least, self.at_most)}."
        if self.shortest is not None or self.longest is not None:
            length = _between(self.shortest, self.longest)
            found[f"{self.name}_length"] = f"{self.name} has {length} characters."
        if self.matches:
            found[f"{self.name}_matches"] = f"{self.name} has the form {self.matches}."
        if self.one_of:
            found[f"{self.name}_one_of"] = f"{self.name} is one of {', '.join(map(str, self.one_of))}."
        return found


def whole(pattern: str) -> str:
    """The regular expression, to be found in a text, that matches when `pattern` matches the whole text."""
    return rf"\A(?:{pattern})\z"


def _between(low: object, high: object) -> str:
    words = [f"at least {low}" if low is not None else "", f"at most {high}" if high is not None else ""]
    return " and ".join(word for word in words if word)

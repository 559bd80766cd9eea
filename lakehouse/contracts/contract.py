"""The declaration of a contract.

What belongs here: frozen declarations that check themselves. Not: checking rows (audit.py).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, get_args

import pyarrow as pa

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds

Kind = Literal["int16", "int32", "int64", "float64", "text", "bool", "timestamp"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Column:
    """What is relied on in one column. A row that breaks it is quarantined.

    `at_least` and `at_most` are inclusive bounds (numbers, or datetimes in UTC for timestamps). NaN lies in no range,
    and does not count as given. `known_after` is how long after the row's event time the value is known: what looks
    at it earlier is refused (training/leaks.py). "0d" says that it is known at once, though a label is made from it.
    """

    name: str
    kind: Kind
    says: str
    nullable: bool = False
    unique: bool = False
    at_least: float | datetime | None = None
    at_most: float | datetime | None = None
    one_of: tuple[int | str, ...] = ()
    known_after: str = ""

    def __post_init__(self) -> None:
        """Raises DeclarationError for an unknown kind and for bounds that no value can meet."""
        where = f"column {self.name}"
        if self.kind not in get_args(Kind):
            raise DeclarationError(
                f"{self.kind!r} is no kind of column.",
                where=where,
                nearest=nearest_name(self.kind, get_args(Kind)),
                fix="Use one of: " + ", ".join(get_args(Kind)) + ".",
            )
        if self.known_after:
            microseconds(self.known_after, where=f"{where}, known_after")
        for bound in (self.at_least, self.at_most):
            if bound is not None and not self._takes(bound):
                raise DeclarationError(
                    f"{bound!r} is no bound for a column of kind {self.kind}.",
                    where=where,
                    fix="Bound numbers by numbers, and timestamps by datetimes in UTC without a zone.",
                )
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:  # type: ignore[operator]
            raise DeclarationError(
                f"No value lies between {self.at_least} and {self.at_most}.",
                where=where,
                nearest=f"at_least={self.at_most}, at_most={self.at_least}",
            )

    def _takes(self, bound: float | datetime) -> bool:
        """Whether values of the column can be compared with the bound."""
        if self.kind == "timestamp":
            return isinstance(bound, datetime) and bound.tzinfo is None
        return self.kind.startswith(("int", "float")) and isinstance(bound, int | float)

    def rules(self) -> dict[str, str]:
        """The names of the row rules of this column, with what each says."""
        found = {}
        if not self.nullable:
            found[f"{self.name}_not_null"] = f"{self.name} is given."
        if self.unique:
            found[f"{self.name}_unique"] = f"{self.name} appears once."
        if self.at_least is not None or self.at_most is not None:
            low = f"at least {self.at_least}" if self.at_least is not None else ""
            high = f"at most {self.at_most}" if self.at_most is not None else ""
            found[f"{self.name}_in_range"] = f"{self.name} is {' and '.join(part for part in (low, high) if part)}."
        if self.one_of:
            found[f"{self.name}_one_of"] = f"{self.name} is one of {', '.join(map(str, self.one_of))}."
        return found


@dataclass(frozen=True)
class Contract:
    """What the consumers of a source rely on.

    `quarantine_share` is the largest share of rows of a write that may be quarantined; above it the write is refused.
    `freshness`: the newest event of a write lies at most this long before the end of the newest day it delivers.
    `volume`: rows of a day, as multiples (least, most) of the median of the days before and beside it.
    """

    table: str
    version: str
    columns: Sequence[Column]
    owner: str
    quarantine_share: float = 0.01
    freshness: str = "24h"
    volume: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        """Raises DeclarationError for doubled columns and limits that make no sense."""
        object.__setattr__(self, "columns", tuple(self.columns))
        where = f"contract of {self.table}"
        names = [column.name for column in self.columns]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled or not names:
            raise DeclarationError(
                f"Columns are missing or doubled: {', '.join(doubled) or 'none given'}.",
                where=where,
                fix="Name each once.",
            )
        if not 0 <= self.quarantine_share < 1:
            raise DeclarationError(
                f"{self.quarantine_share} is not a share.", where=f"{where}, quarantine_share", nearest="0.01"
            )
        if not 0 <= self.volume[0] < 1 < self.volume[1]:
            raise DeclarationError(
                f"{self.volume} are not multiples around 1.", where=f"{where}, volume", nearest="(0.5, 2.0)"
            )
        microseconds(self.freshness, where=f"{where}, freshness")

    @property
    def schema(self) -> pa.Schema:
        """The columns as Arrow fields."""
        return pa.schema([pa.field(column.name, ARROW_TYPES[column.kind]) for column in self.columns])

    def row_rules(self) -> dict[str, str]:
        """The names of all row rules, with what each says."""
        return {name: says for column in self.columns for name, says in column.rules().items()}

    def fingerprint(self) -> str:
        """A short hash of what decides the verdicts."""
        content = asdict(self)
        content.pop("owner")
        for column in content["columns"]:
            column.pop("known_after")  # it decides no row
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]

"""The rule that a value, or a combination of columns, appears once in a write.

Of equal keys the first row passes. That no earlier delivery brought a key is checked by ingestion.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse.contracts.columns import Column
from lakehouse.contracts.declaration_checks import Action
from lakehouse.contracts.rules.column_rule import ColumnRule
from lakehouse.contracts.rules.registry import column_rule, table_rule
from lakehouse.contracts.rules.row_rule import PLACE, WRITE, Bounds, RowRule, RowsInMemory
from lakehouse.contracts.rules.table_rule import TableRule
from lakehouse.contracts.sql import all_given
from lakehouse.errors import DeclarationError
from lakehouse.tables.duck import quoted

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract


@dataclass(frozen=True)
class UniqueKey(RowRule):
    """The compiled rule: `key` appears once. A row with a null in its key is not checked."""

    key: tuple[str, ...] = ()

    def mask(self, rows: RowsInMemory) -> NDArray[np.bool_]:
        """Return which rows have a key that an earlier row of the same write has."""
        names = ", ".join([WRITE, *(quoted(one) for one in self.key)])
        found = rows.connection.sql(
            f"with again as (select {names}, min({PLACE}) as first from rows where {all_given(self.key)} "
            f"group by {names} having count(*) > 1) "
            f"select {PLACE} from rows join again using ({names}) where {PLACE} > first"
        ).to_arrow_table()
        return rows.mask(found)

    def aggregates(self, bounds: Bounds) -> dict[str, str]:
        """Count the rows with a key, and the distinct keys; with a bit for each number where there are few enough."""
        given, names = all_given(self.key), [quoted(one) for one in self.key]
        # Each engine has its own words for several columns together; the counting is the same.
        distinct = names[0] if len(names) == 1 else f"row({', '.join(names)})"
        found = {"": f"count_if({given})", "distinct": f"count(distinct case when {given} then {distinct} end)"}
        if len(self.key) == 1 and (ends := bounds(self.key[0])):
            found["distinct"] = f"coalesce(bit_count(bitstring_agg({distinct}, {ends[0]}, {ends[1]})), 0)"
        return found

    def failed(self, counts: Mapping[str, int]) -> int:
        """Return how many rows repeat a key."""
        return counts[""] - counts["distinct"]

    def sample_sql(self, joined: str, rows: int) -> str:
        """Return the query of rows whose key is repeated."""
        del joined
        names = ", ".join(quoted(one) for one in self.key)
        again = f"select {names} from scanned where {all_given(self.key)} group by {names} having count(*) > 1"
        same = " and ".join(f"scanned.{quoted(one)} = again.{quoted(one)}" for one in self.key)
        return f"{self.sample_of} scanned semi join ({again} limit {rows}) as again on {same} limit {rows}"


@column_rule
@dataclass(frozen=True)
class Unique(ColumnRule):
    """A value appears once. Declared by `Column(unique=True)`."""

    kind: ClassVar[str] = "unique"
    order: ClassVar[int] = 20

    @classmethod
    def of(cls, column: Column) -> Self | None:
        """Return the rule if the column is unique."""
        return cls() if column.unique else None

    def description(self, column: str) -> str:
        """Return what the rule says."""
        return f"{column} is unique."

    def failing(self, column: Column) -> None:
        """Return None: the other rows decide."""
        del column

    def compiled(self, column: Column, name: str, action: Action) -> RowRule:
        """Return the rule for an audit."""
        return UniqueKey(name, self.description(column.name), action, key=(column.name,))

    def passing(self, column: Column, value: pl.Expr) -> pl.Expr:
        """Return the pandera check: of equal values the first passes."""
        del column
        return value.is_first_distinct()

    def to_odcs(self, column: Column, odcs: dict[str, Any]) -> None:
        """Set `unique`."""
        del column
        odcs["unique"] = True

    @classmethod
    def from_property(cls, odcs: Mapping[str, Any]) -> dict[str, Any]:
        """Return `unique`, which a primary key of one column is, too."""
        alone = odcs.get("primaryKey") and odcs.get("primaryKeyPosition", 1) in {1, -1}
        return {"unique": bool(odcs.get("unique") or alone)}

    @classmethod
    def changes(cls, column: str, old: Any, new: Any, *, comparable: bool) -> Iterator[tuple[str, bool]]:  # noqa: ANN401
        """Yield the change: a column that is no longer unique breaks consumers."""
        del comparable
        if old != new:
            gone = new is None
            yield f"{column} {'may now appear more than once' if gone else 'appears once'}.", gone


@table_rule
@dataclass(frozen=True)
class Key(TableRule):
    """A combination of columns appears once. Declared by `Contract(keys=[(...), ...])`."""

    columns: tuple[str, ...]
    action: Action = "quarantine"

    kind: ClassVar[str] = "key"
    order: ClassVar[int] = 10
    field: ClassVar[str] = "keys"

    @classmethod
    def of(cls, contract: "Contract") -> list[Any]:
        """Return the keys of the contract."""
        return [cls(tuple(key)) for key in contract.keys]

    @property
    def name(self) -> str:
        """The name of the rule."""
        return key_rule(self.columns)

    @property
    def description(self) -> str:
        """What the rule says."""
        return f"The combination of {' and '.join(self.columns)} is unique."

    def validate(self, contract: "Contract", where: str) -> None:
        """Raise DeclarationError for a key of fewer than two columns."""
        if len(set(self.columns)) < 2:  # noqa: PLR2004  # a key of one column is that column's `unique`
            raise DeclarationError(
                f"A key needs two or more columns, not {list(self.columns)}.",
                where=f"{where}, keys",
                nearest=f"Column({self.columns[0]!r}, ..., unique=True)" if self.columns else None,
            )
        super().validate(contract, where)

    def compiled(self, contract: "Contract", action: Action) -> RowRule:
        """Return the rule for an audit."""
        del contract
        return UniqueKey(self.name, self.description, action, key=self.columns)

    def to_odcs(self, table: str, odcs: dict[str, Any]) -> None:
        """Add the library check `duplicateValues`."""
        del table
        odcs.setdefault("quality", []).append(
            {
                "type": "library",
                "metric": "duplicateValues",
                "arguments": {"properties": list(self.columns)},
                "mustBe": 0,
                "unit": "rows",
                "name": self.name,
            }
        )

    @classmethod
    def from_quality(cls, quality: Mapping[str, Any]) -> Any | None:  # noqa: ANN401  # JSON values
        """Return the columns from the library check `duplicateValues`."""
        columns = (quality.get("arguments") or {}).get("properties")
        return (
            columns if quality.get("metric") == "duplicateValues" and columns and quality.get("mustBe") == 0 else None
        )

    @classmethod
    def changes(cls, old: "Contract", new: "Contract") -> Iterator[tuple[str, bool, tuple[str, ...]]]:
        """Yield keys that are gone, which breaks consumers, or new."""
        for key in (one for one in (*old.keys, *new.keys) if (one in old.keys) != (one in new.keys)):
            gone = key in old.keys
            message = f"{' and '.join(key)} together {'may now appear more than once' if gone else 'appear once'}."
            yield message, gone, tuple(key)


def key_rule(key: tuple[str, ...] | list[str]) -> str:
    """Return the name of the rule that a key appears once in a write."""
    return f"{'_'.join(key)}_unique"

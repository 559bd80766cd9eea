"""The rule that values are found in another table, which is read at one pinned snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from lakehouse.contracts.declaration_checks import Action, check_action, check_table_name
from lakehouse.contracts.rules.registry import table_rule
from lakehouse.contracts.rules.row_rule import PLACE, RowRule, RowsInMemory
from lakehouse.contracts.rules.table_rule import TableRule
from lakehouse.contracts.sql import all_given
from lakehouse.errors import ContractError, DeclarationError
from lakehouse.tables.duck import quoted

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract


@dataclass(frozen=True)
class FoundRule(RowRule):
    """The compiled rule: `own` columns are found in the columns `other` of `table`. A null is not looked up."""

    own: tuple[str, ...] = ()
    table: str = ""
    other: tuple[str, ...] = ()

    def mask(self, rows: RowsInMemory) -> NDArray[np.bool_]:
        """Return which rows have values that the other table does not hold."""
        if self.table not in rows.referenced:
            raise ContractError(
                f"The rule {self.name} cannot be checked: the rows of {self.table} were not passed.",
                where=rows.where,
                nearest="read_referenced(lake, contract)",
                fix="Pass the tables that the contract references.",
            )
        rows.connection.register("held", rows.referenced[self.table])
        same = " and ".join(
            f"rows.{quoted(one)} = held.{quoted(other)}" for one, other in zip(self.own, self.other, strict=True)
        )
        needed = " and ".join(f"rows.{quoted(one)} is not null" for one in self.own)
        sql = f"select {PLACE} from rows anti join held on {same} where {needed}"
        found = rows.connection.sql(sql).to_arrow_table()
        rows.connection.unregister("held")
        return rows.mask(found)

    def referenced_tables(self) -> Mapping[str, Sequence[str]]:
        """Return the other table."""
        return {self.table: self.other}

    def joined(self, views: Mapping[str, str]) -> str:
        """Join a mark to each row whose values are found."""
        held = f"_held_{self.name}"
        names = [f"{held}_{place}" for place in range(len(self.own))]
        chosen = ", ".join(f"{quoted(one)} as {quoted(name)}" for one, name in zip(self.other, names, strict=True))
        table = ".".join(quoted(part) for part in views.get(self.table, self.table).split("."))
        on = " and ".join(
            f"scanned.{quoted(one)} = {quoted(held)}.{quoted(name)}" for one, name in zip(self.own, names, strict=True)
        )
        found = f"select distinct {chosen}, true as {quoted(self._mark)} from {table}"
        return f" left join ({found}) as {quoted(held)} on {on}"

    def condition(self) -> str:
        """Return the condition that values are given and were not found."""
        return f"{all_given(self.own)} and {quoted(self._mark)} is null"

    @property
    def _mark(self) -> str:
        return f"_found_{self.name}"


@table_rule
@dataclass(frozen=True)
class Reference(TableRule):
    """A foreign key: `columns` of this table are found in `to_columns` of `table`.

    The other table is read at one pinned snapshot. A row with a null among `columns` is not checked.
    """

    columns: Sequence[str]  # type: ignore[assignment]  # a tuple once it is made
    table: str
    to_columns: Sequence[str] = ()
    action: Action = "quarantine"

    kind: ClassVar[str] = "reference"
    order: ClassVar[int] = 30
    field: ClassVar[str] = "references"

    def __post_init__(self) -> None:
        """Raise DeclarationError for columns that do not pair, and for invalid names."""
        for field in ("columns", "to_columns"):
            given = getattr(self, field)
            object.__setattr__(self, field, (given,) if isinstance(given, str) else tuple(given))
        object.__setattr__(self, "to_columns", self.to_columns or self.columns)
        where = f"reference to {self.table}"
        check_table_name(self.table, where)
        if not self.columns or len(self.columns) != len(self.to_columns):
            raise DeclarationError(
                f"columns has {len(self.columns)} names and to_columns has {len(self.to_columns)}.",
                where=where,
                nearest=f"columns={list(self.columns)}, to_columns={list(self.columns)}",
                fix="Give columns and to_columns the same number of names.",
            )
        check_action(self.action, get_args(Action), f"{where}, action")

    @property
    def name(self) -> str:
        """The name of the rule."""
        return f"{'_'.join(self.columns)}_in_{self.table.replace('.', '_')}"

    @property
    def description(self) -> str:
        """What the rule says."""
        return f"{', '.join(self.columns)} exists in {self.table} ({', '.join(self.to_columns)})."

    def compiled(self, contract: "Contract", action: Action) -> RowRule:
        """Return the rule for an audit."""
        del contract
        own, other = tuple(self.columns), tuple(self.to_columns)
        return FoundRule(self.name, self.description, action, own=own, table=self.table, other=other)

    def to_odcs(self, table: str, odcs: dict[str, Any]) -> None:
        """Add a relationship."""
        name, other = table.rpartition(".")[2], self.table.rpartition(".")[2]
        ends = [f"{name}.{one}" for one in self.columns], [f"{other}.{one}" for one in self.to_columns]
        begin, end = ends if len(self.columns) > 1 else (ends[0][0], ends[1][0])
        own: dict[str, Any] = {"slipwayTable": self.table, "slipwayAction": self.action}
        if any("." in one for one in (*self.columns, *self.to_columns)):  # where a name begins cannot be told
            own |= {"slipwayColumns": list(self.columns), "slipwayToColumns": list(self.to_columns)}
        odcs.setdefault("relationships", []).append(
            {
                "type": "foreignKey",
                "from": begin,
                "to": end,
                "customProperties": [{"property": word, "value": value} for word, value in own.items()],
            }
        )

    @classmethod
    def from_relationship(cls, relationship: Mapping[str, Any]) -> Any | None:  # noqa: ANN401  # JSON values
        """Return the reference."""
        ends = relationship["from"], relationship["to"]
        begin, end = ([each] if isinstance(each, str) else each for each in ends)
        custom = {one["property"]: one["value"] for one in relationship.get("customProperties") or ()}
        return {
            "columns": custom.get("slipwayColumns") or [each.rpartition(".")[2] for each in begin],
            "table": custom.get("slipwayTable") or f"domain.{end[0].rpartition('.')[0]}",
            "to_columns": custom.get("slipwayToColumns") or [each.rpartition(".")[2] for each in end],
            "action": custom.get("slipwayAction", "quarantine"),
        }

"""Declarations of what one column alone cannot say: rules over a row, references, distributions, added columns.

What belongs here: frozen declarations, which check themselves as far as they can without their contract. Not: columns
(columns.py), the contract that they belong to (contract.py), and judging (compile.py, distributions.py).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, get_args

from lakehouse.errors import DeclarationError, nearest_name

Action = Literal["block", "quarantine", "warn"]
"""What happens when a rule is broken: the delivery is refused, its rows wait in quarantine, or somebody is told."""

AddedAction = Literal["block", "warn", "ignore"]
"""What happens when a column comes that the contract does not have. It is landed in no case."""

Range: TypeAlias = tuple[float, float]
Key = TypeVar("Key")
Value = TypeVar("Value")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Rule:
    """A row rule over several columns: `sql` is true of each good row, as an expression in DuckDB's words.

    A row of which it is null is not judged, as with SQL's own CHECK. Only what means the same in DuckDB and in Spark
    can be used (expressions.py); numbers are reckoned with as 64-bit integers and floats.
    """

    name: str
    sql: str
    description: str
    action: Action = "quarantine"

    def __post_init__(self) -> None:
        """Raises DeclarationError for a name or an action that is none. The contract checks the expression."""
        check_rule_name(self.name, f"rule {self.name}")
        check_action(self.action, get_args(Action), f"rule {self.name}, action")


@dataclass(frozen=True)
class Reference:
    """Values that another table must hold: `columns` of this one are found in `to_columns` of `table`.

    The other table is read at one pinned snapshot. A row with a null among `columns` is not judged.
    """

    columns: Sequence[str]
    table: str
    to_columns: Sequence[str] = ()
    action: Action = "quarantine"

    def __post_init__(self) -> None:
        """Raises DeclarationError for columns that do not pair, and for names that are none."""
        for field in ("columns", "to_columns"):
            given = getattr(self, field)
            object.__setattr__(self, field, (given,) if isinstance(given, str) else tuple(given))
        object.__setattr__(self, "to_columns", self.to_columns or self.columns)
        where = f"reference to {self.table}"
        check_table_name(self.table, where)
        if not self.columns or len(self.columns) != len(self.to_columns):
            raise DeclarationError(
                f"{len(self.columns)} columns cannot be looked up in {len(self.to_columns)}.",
                where=where,
                nearest=f"columns={list(self.columns)}, to_columns={list(self.columns)}",
                fix="Name as many columns of the one table as of the other.",
            )
        check_action(self.action, get_args(Action), f"{where}, action")

    @property
    def name(self) -> str:
        """The rule's name."""
        return f"{'_'.join(self.columns)}_in_{self.table.replace('.', '_')}"

    @property
    def description(self) -> str:
        """What the rule says."""
        return f"{', '.join(self.columns)} is found in {self.table} ({', '.join(self.to_columns)})."


@dataclass(frozen=True)
class Distribution:
    """How a column's values lie, over all rows of a write together.

    `null_share` is the largest share of rows without a value (NaN is none). `quantiles` gives a range for each
    quantile (0.5: (10, 60)), `shares` one for the share of each value among those that are given. `like_champion` asks
    for values as in the snapshot that the champion was trained on (distributions.like_reference). Writes with fewer
    rows than `least_rows` are not judged.
    """

    column: str
    null_share: float | None = None
    quantiles: Mapping[float, Range] | Sequence[tuple[float, Range]] = ()
    shares: Mapping[int | str, Range] | Sequence[tuple[int | str, Range]] = ()
    like_champion: bool = False
    action: Action = "block"
    least_rows: int = 100

    def __post_init__(self) -> None:
        """Raises DeclarationError for shares and ranges that nothing can meet."""
        where = f"distribution of {self.column}"
        for field in ("quantiles", "shares"):
            object.__setattr__(
                self, field, tuple((key, (low, high)) for key, (low, high) in pairs(getattr(self, field)))
            )
        if self.null_share is None and not (self.quantiles or self.shares or self.like_champion):
            raise DeclarationError(
                "Nothing is asked of the column's values.", where=where, nearest="null_share=0.05", fix="Ask for it."
            )
        for share in [self.null_share, *(quantile for quantile, _ in pairs(self.quantiles))]:
            if share is not None and not 0 <= share <= 1:
                raise DeclarationError(f"{share} is not a share.", where=where, nearest=str(min(max(share, 0), 1)))
        for key, (low, high) in [*pairs(self.quantiles), *pairs(self.shares)]:
            if not low <= high or math.isnan(low) or math.isnan(high):
                raise DeclarationError(
                    f"Nothing lies between {low} and {high} ({key}).", where=where, nearest=f"({high}, {low})"
                )
        for value, (low, high) in pairs(self.shares):
            if not 0 <= low <= high <= 1:
                raise DeclarationError(
                    f"The share of {value!r} cannot lie between {low} and {high}.", where=where, nearest="(0.0, 1.0)"
                )
        check_action(self.action, ("block", "warn"), f"{where}, action")

    @property
    def name(self) -> str:
        """The check's name."""
        return f"{self.column}_distribution"

    @property
    def description(self) -> str:
        """What the check says."""
        parts = [f"at most {self.null_share:.2%} are not given"] if self.null_share is not None else []
        parts += [
            f"the {quantile:g}-quantile lies in {low:g} to {high:g}" for quantile, (low, high) in pairs(self.quantiles)
        ]
        parts += [f"{low:.1%} to {high:.1%} are {value}" for value, (low, high) in pairs(self.shares)]
        parts += ["they lie as those that the champion was trained on"] if self.like_champion else []
        return f"Of the values of {self.column}, {'; '.join(parts)}."


def pairs(given: Mapping[Key, Value] | Sequence[tuple[Key, Value]]) -> tuple[tuple[Key, Value], ...]:
    """What a mapping holds, in an order that stays: declarations keep it so."""
    return tuple(given.items() if isinstance(given, Mapping) else ((key, value) for key, value in given))


def check_rule_name(name: str, where: str) -> None:
    """Raises DeclarationError for what cannot be the name of a rule, and so of an asset check."""
    if not _NAME.fullmatch(name):
        plain = re.sub(r"\W+", "_", name).strip("_") or "amount_fits"
        raise DeclarationError(
            f"{name!r} is not a name.", where=where, nearest=plain, fix="Use letters, digits and underscores."
        )


def check_table_name(table: str, where: str) -> None:
    """Raises DeclarationError for what cannot be a table's name."""
    if not re.fullmatch(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", table):
        raise DeclarationError(
            f"{table!r} is not a table name.", where=where, nearest=f"domain.{table.replace('.', '_') or 'table'}"
        )


def check_action(action: str, options: Sequence[str], where: str) -> None:
    """Raises DeclarationError for an action that does not exist here."""
    if action not in options:
        raise DeclarationError(
            f"{action!r} cannot happen here.",
            where=where,
            nearest=nearest_name(str(action), options) or options[0],
            fix="Use one of: " + ", ".join(options) + ".",
        )

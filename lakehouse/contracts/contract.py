"""The declaration of a contract.

What belongs here: the contract of one table, which checks itself as a whole. Not: what it is made of (columns.py,
rules/), checking rows (audit.py), and its versions (versions.py).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import pyarrow as pa

from lakehouse.contracts.columns import Column
from lakehouse.contracts.declaration_checks import Action, AddedAction, check_action, pairs
from lakehouse.contracts.rules.condition import Rule
from lakehouse.contracts.rules.distribution import Distribution
from lakehouse.contracts.rules.pandera_check import PanderaCheck
from lakehouse.contracts.rules.reference import Reference
from lakehouse.contracts.rules.registry import table_rules
from lakehouse.contracts.rules.table_rule import TableRule
from lakehouse.contracts.rules.unique import key_rule
from lakehouse.contracts.types import ARROW_TYPES, ColumnType
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds

if TYPE_CHECKING:
    from lakehouse.contracts.rules.column_rule import ColumnRule

QUARANTINE_SHARE = "quarantine_share"
SCHEMA = "schema"
VOLUME = "volume"
FRESHNESS = "freshness"
CHANGES = "changes"
ANOMALIES = "anomalies"
TABLE_CHECKS = {
    QUARANTINE_SHARE: "The share of rows that fail a rule is within the quarantine share.",
    SCHEMA: "The delivered columns and types match the contract.",
    VOLUME: "Each delivered day has a typical number of rows.",
    FRESHNESS: "The newest event is close to the end of the newest delivered day.",
    CHANGES: "The format is the same as in earlier deliveries.",
    ANOMALIES: "The values are distributed as in earlier deliveries.",
}
"""The checks that every contract has, besides those that it declares."""


@dataclass(frozen=True)
class Contract:
    """What the consumers of a table rely on.

    `keys` are combinations of columns that appear once, in one write and across deliveries. `rules` holds conditions
    on a row (Rule), custom pandera checks (PanderaCheck) and other table rules (contracts/rules/), `references` and
    `distributions` their own kinds. `may_add` is the action for a column that the contract does not have, by a pattern
    of names: `note_*` -> `ignore`, `warn` or `block`; other columns block. With `ordered` the columns must come in the
    contract's order.
    `quarantine_share` is the largest share of rows of a write that may be quarantined; above it the write is rejected.
    `freshness`: the newest event of a write lies at most this long before the end of the newest day it delivers.
    `volume`: rows of a day, as multiples (least, most) of the median of the days before and beside it; by "weekday", of
    the same weekday's days as soon as five of them are known, by "day" of all.
    `then` overrides the default action of a check, by check name. By default rows that fail a row rule are
    quarantined, and a failed check on a whole write blocks it.
    """

    table: str
    version: str
    columns: Sequence[Column]
    owner: str
    quarantine_share: float = 0.01
    freshness: str = "24h"
    volume: tuple[float, float] = (0.5, 2.0)
    keys: Sequence[Sequence[str]] = ()
    rules: Sequence[TableRule] = ()
    references: Sequence[Reference] = ()
    distributions: Sequence[Distribution] = ()
    may_add: Mapping[str, AddedAction] | Sequence[tuple[str, AddedAction]] = ()
    ordered: bool = False
    volume_by: Literal["day", "weekday"] = "weekday"
    then: Mapping[str, Action] | Sequence[tuple[str, Action]] = ()

    def __post_init__(self) -> None:
        """Raise DeclarationError for what no rows could pass, and for unknown names."""
        for field in ("columns", "rules", "references", "distributions"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        object.__setattr__(self, "keys", tuple(tuple(key) for key in self.keys))
        object.__setattr__(self, "volume", tuple(self.volume))
        for field in ("may_add", "then"):
            object.__setattr__(self, field, pairs(getattr(self, field)))
        where = f"contract of {self.table}"
        _check_names([column.name for column in self.columns], where)
        if not 0 <= self.quarantine_share < 1:
            raise DeclarationError(
                f"{self.quarantine_share} is not a share: it must lie between 0 and 1.",
                where=f"{where}, quarantine_share",
                nearest="0.01",
            )
        if not 0 <= self.volume[0] < 1 < self.volume[1]:
            raise DeclarationError(
                f"The volume {self.volume} must be a factor below 1 and a factor above 1.",
                where=f"{where}, volume",
                nearest="(0.5, 2.0)",
            )
        check_action(self.volume_by, ("day", "weekday"), f"{where}, volume_by", what="value")
        microseconds(self.freshness, where=f"{where}, freshness")
        for rule in self.table_rules():
            rule.validate(self, where)
        self._check_actions(where)

    def _check_actions(self, where: str) -> None:
        checks = [*(name for name, _ in self._row_rules()), *TABLE_CHECKS, *self._further_checks()]
        doubled = _doubled(checks)
        if doubled:
            raise DeclarationError(
                f"Two rules have the name {doubled[0]}.",
                where=where,
                nearest=f"{doubled[0]}_2",
                fix="Rename one of them.",
            )
        for name, action in pairs(self.then):
            if name not in checks:
                raise DeclarationError(
                    f"There is no check named {name!r}.",
                    where=f"{where}, then",
                    nearest=nearest_name(name, checks),
                    fix="Checks of the contract: " + ", ".join(checks) + ".",
                )
            options = get_args(Action) if name in self._by_name else ("block", "warn")
            check_action(action, options, f"{where}, then[{name!r}]")
        for pattern, action in pairs(self.may_add):
            check_action(action, get_args(AddedAction), f"{where}, may_add[{pattern!r}]")

    @property
    def schema(self) -> pa.Schema:
        """The columns as Arrow fields."""
        return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in self.columns])

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {one.name: one for one in self.columns}

    def column(self, name: str, where: str = "") -> Column:
        """The column of that name. Raises DeclarationError when there is none."""
        if name in self._columns:
            return self._columns[name]
        names = [one.name for one in self.columns]
        raise DeclarationError(
            f"The contract has no column {name!r}.",
            where=where or f"contract of {self.table}",
            nearest=nearest_name(name, names),
            fix="Columns of the contract: " + ", ".join(names) + ".",
        )

    def table_rules(self) -> list[TableRule]:
        """Return the rules on several columns, other tables or all rows, in the order in which they are checked."""
        return [one for kind in table_rules() for one in kind.of(self)]

    def row_rules(self) -> dict[str, str]:
        """Return the names of all row rules with their descriptions, in the order in which they are checked."""
        return dict(self._by_name)

    def libraries(self) -> set[str]:
        """Return the libraries that run rules of the contract, besides the engine."""
        return {rule.library for rule in (*self.table_rules(), *self._column_rules()) if rule.library}

    def _column_rules(self) -> "Iterable[ColumnRule]":
        for column in self.columns:
            yield from column.row_rules.values()

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return dict(self._row_rules())

    def _row_rules(self) -> Iterable[tuple[str, str]]:
        for column in self.columns:
            yield from ((name, rule.description(column.name)) for name, rule in column.row_rules.items())
        yield from ((rule.name, rule.description) for rule in self.table_rules() if rule.on_rows)

    def _further_checks(self) -> list[str]:
        return [
            *(across(key) for key in self.unique_keys()),
            *(rule.name for rule in self.table_rules() if not rule.on_rows),
        ]

    def unique_keys(self) -> list[tuple[str, ...]]:
        """Return the columns, and combinations of columns, of which no value appears twice."""
        return [*((column.name,) for column in self.columns if column.unique), *map(tuple, self.keys)]

    def action(self, check: str) -> Action:
        """Return what happens when the check of that name fails."""
        usual: Action = "quarantine" if check in self._by_name else "warn" if check == ANOMALIES else "block"
        return self._chosen.get(check, usual)

    @cached_property
    def _chosen(self) -> dict[str, Action]:
        return {one.name: one.action for one in self.table_rules()} | dict(pairs(self.then))

    def checks(self) -> dict[str, tuple[str, bool]]:
        """Return every check of the contract: name -> (its description, whether it blocks)."""
        description = self.row_rules() | TABLE_CHECKS
        for key in self.unique_keys():
            description[across(key)] = f"No {' and '.join(key)} was delivered before."
        description |= {rule.name: rule.description for rule in self.table_rules() if not rule.on_rows}
        return {name: (text, self.action(name) == "block") for name, text in description.items()}

    def on_added(self, column: str) -> AddedAction:
        """Return what happens when a delivery has this column, which the contract does not have."""
        for pattern, action in pairs(self.may_add):
            if fnmatchcase(column, pattern):
                return action
        return "block"

    def fingerprint(self) -> str:
        """Return a short hash of what decides check results."""
        from lakehouse.contracts.as_json import as_object

        found = as_object(self)
        del found["owner"]
        for column in found["columns"]:
            column.pop("known_after", None)  # it decides no row
        return hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode()).hexdigest()[:16]


def check_as_declared(contract: Contract) -> None:
    """Raise DeclarationError for a version that is not three numbers, and for an owner of no known form.

    Only declared contracts are checked: one of another tool, or of an older version, may lack both.
    """
    where = f"contract of {contract.table}"
    if not re.fullmatch(r"\d+\.\d+\.\d+", contract.version):
        numbers = [*re.findall(r"\d+", contract.version), "0", "0"][:3] if re.search(r"\d", contract.version) else []
        raise DeclarationError(
            f"{contract.version!r} is not a version.",
            where=f"{where}, version",
            nearest=".".join(numbers) or "1.0.0",
            fix="Use major.minor.patch: a new major version announces a breaking change.",
        )
    if not re.fullmatch(r"(team|user):[\w.-]+|[^@\s:]+@[^@\s:]+", contract.owner):
        name = re.sub(r"[^\w.-]+", "-", contract.owner.rpartition(":")[2].strip()).strip("-")
        raise DeclarationError(
            f"{contract.owner!r} is not an owner.",
            where=f"{where}, owner",
            nearest=f"team:{name or contract.table.partition('.')[0]}",
            fix="Use a team (team:orders), a person (user:ada) or an email address.",
        )


def across(key: Sequence[str]) -> str:
    """Return the name of the check that no earlier delivery brought a key."""
    return f"{'_'.join(key)}_unique_across_deliveries"


def _check_names(names: Sequence[str], where: str) -> None:
    """Raise DeclarationError for names that an engine cannot tell apart, and for those that Slipway uses itself."""
    doubled = _doubled(names)
    if doubled or not names:
        raise DeclarationError(
            f"Duplicate columns: {', '.join(doubled)}." if doubled else "The contract has no columns.",
            where=where,
            fix="Name each column once.",
        )
    folded = _doubled([name.casefold() for name in names])
    if folded:
        alike = [name for name in names if name.casefold() == folded[0]]
        raise DeclarationError(
            f"The columns {' and '.join(alike)} differ in upper and lower case only, which SQL does not distinguish.",
            where=where,
            nearest=f"{alike[1]}_2",
            fix="Give one of them another name, and declare a mapping: renamed(DELIVERED, NAME).",
        )
    reserved = next((name for name in names if name.startswith("_")), None)
    if reserved is not None:
        raise DeclarationError(
            f"The column name {reserved!r} is reserved: Slipway's own columns begin with _.",
            where=where,
            nearest=reserved.lstrip("_") or None,
            fix="Give it another name, and declare a mapping: renamed(DELIVERED, NAME).",
        )


def _doubled(names: Sequence[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


__all__ = [
    "ARROW_TYPES",
    "Column",
    "ColumnType",
    "Contract",
    "Distribution",
    "PanderaCheck",
    "Reference",
    "Rule",
    "across",
    "key_rule",
]

"""The declaration of a contract.

What belongs here: the contract of one table, which checks itself as a whole. Not: what it is made of (columns.py,
rules.py), checking rows (audit.py), and its versions (versions.py).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, get_args

import pyarrow as pa

from lakehouse.contracts.columns import ARROW_TYPES, Column, ColumnType
from lakehouse.contracts.expressions import understand
from lakehouse.contracts.rules import Action, AddedAction, Distribution, Reference, Rule, check_action, pairs
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds

QUARANTINE_SHARE = "quarantine_share"
SCHEMA = "schema"
VOLUME = "volume"
FRESHNESS = "freshness"
CHANGES = "changes"
ANOMALIES = "anomalies"
TABLE_CHECKS = {
    QUARANTINE_SHARE: "Few enough rows break a rule.",
    SCHEMA: "The delivered columns and types are those of the contract.",
    VOLUME: "Each delivered day has about as many rows as others.",
    FRESHNESS: "The newest event belongs to the newest delivered day.",
    CHANGES: "The format is the one of the deliveries before.",
    ANOMALIES: "The values lie as those of the deliveries before.",
}
"""The checks that every contract has, besides those that it declares."""

_SINCE_THE_BEGINNING = ("table", "version", "columns", "quarantine_share", "freshness", "volume")
_COLUMN_SINCE_THE_BEGINNING = ("name", "type", "description", "nullable", "unique", "at_least", "at_most", "one_of")


@dataclass(frozen=True)
class Contract:
    """What the consumers of a source rely on.

    `keys` are combinations of columns that appear once, in one write and across deliveries. `rules`, `references` and
    `distributions` are declared in rules.py. `may_add` says what happens when a column comes that the contract does
    not have: a pattern of names (`note_*`) -> `ignore`, `warn` or `block`; other columns block. With `ordered` the
    columns must come in the contract's order.
    `quarantine_share` is the largest share of rows of a write that may be quarantined; above it the write is refused.
    `freshness`: the newest event of a write lies at most this long before the end of the newest day it delivers.
    `volume`: rows of a day, as multiples (least, most) of the median of the days before and beside it; by "weekday", of
    the same weekday's days as soon as five of them are known, by "day" of all.
    `then` says what happens when a check is broken, by its name, where that is not what usually does: rows that break a
    rule of a column wait in quarantine, what is found over a whole write blocks it.
    """

    table: str
    version: str
    columns: Sequence[Column]
    owner: str
    quarantine_share: float = 0.01
    freshness: str = "24h"
    volume: tuple[float, float] = (0.5, 2.0)
    keys: Sequence[Sequence[str]] = ()
    rules: Sequence[Rule] = ()
    references: Sequence[Reference] = ()
    distributions: Sequence[Distribution] = ()
    may_add: Mapping[str, AddedAction] | Sequence[tuple[str, AddedAction]] = ()
    ordered: bool = False
    volume_by: Literal["day", "weekday"] = "weekday"
    then: Mapping[str, Action] | Sequence[tuple[str, Action]] = ()

    def __post_init__(self) -> None:
        """Raises DeclarationError for what no rows could meet, and for names that are not there."""
        for field in ("columns", "rules", "references", "distributions"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        object.__setattr__(self, "keys", tuple(tuple(key) for key in self.keys))
        object.__setattr__(self, "volume", tuple(self.volume))
        for field in ("may_add", "then"):
            object.__setattr__(self, field, pairs(getattr(self, field)))
        where = f"contract of {self.table}"
        names = [column.name for column in self.columns]
        doubled = _doubled(names)
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
        check_action(self.volume_by, ("day", "weekday"), f"{where}, volume_by")
        microseconds(self.freshness, where=f"{where}, freshness")
        self._check_parts(where)
        self._check_actions(where)

    def _check_parts(self, where: str) -> None:
        """That keys, rules, references and distributions are about columns that are there."""
        named = [(f"keys {list(key)}", column) for key in self.keys for column in key]
        named += [(f"reference to {one.table}", column) for one in self.references for column in one.columns]
        named += [(f"distribution of {one.column}", one.column) for one in self.distributions]
        for part, column in named:
            self.column(column, f"{where}, {part}")
        for key in self.keys:
            if len(set(key)) < 2:  # noqa: PLR2004  # a key of one column is that column's `unique`
                raise DeclarationError(
                    f"{list(key)} is no combination of columns.",
                    where=f"{where}, keys",
                    nearest=f"Column({key[0]!r}, ..., unique=True)" if key else None,
                )
        for rule in self.rules:
            understand(rule.sql, tuple(self.columns), f"{where}, rule {rule.name}")
        for one in self.distributions:
            kind = self.column(one.column, where).type
            values = [value for value, _ in pairs(one.shares)]
            numeric = kind.startswith(("int", "float"))
            if one.quantiles and not numeric:
                raise DeclarationError(
                    f"Values of kind {kind} have no quantiles here.",
                    where=f"{where}, distribution of {one.column}",
                    nearest="shares",
                )
            if any(isinstance(value, str) != (kind == "text") for value in values):
                raise DeclarationError(
                    f"{values[0]!r} can be no value of a column of kind {kind}.",
                    where=f"{where}, distribution of {one.column}, shares",
                )

    def _check_actions(self, where: str) -> None:
        checks = [*(name for name, _ in self._row_rules()), *TABLE_CHECKS, *self._further_checks()]
        doubled = _doubled(checks)
        if doubled:
            raise DeclarationError(
                f"Two rules are called {doubled[0]}.", where=where, nearest=f"{doubled[0]}_2", fix="Rename one of them."
            )
        for name, action in pairs(self.then):
            if name not in checks:
                raise DeclarationError(
                    f"There is no check named {name!r}.",
                    where=f"{where}, then",
                    nearest=nearest_name(name, checks),
                    fix="Use one of: " + ", ".join(checks) + ".",
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
            fix="Use one of: " + ", ".join(names) + ".",
        )

    def row_rules(self) -> dict[str, str]:
        """The names of all row rules, with what each says, in the order in which they are judged."""
        return dict(self._by_name)

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return dict(self._row_rules())

    def _row_rules(self) -> Iterable[tuple[str, str]]:
        for column in self.columns:
            yield from column.rules().items()
        yield from ((key_rule(key), f"{' and '.join(key)} together appear once.") for key in self.keys)
        yield from ((rule.name, rule.description) for rule in self.rules)
        yield from ((one.name, one.description) for one in self.references)

    def _further_checks(self) -> list[str]:
        return [*(across(key) for key in self.unique_keys()), *(one.name for one in self.distributions)]

    def unique_keys(self) -> list[tuple[str, ...]]:
        """The columns, and combinations of columns, of which no value comes twice."""
        return [*((column.name,) for column in self.columns if column.unique), *map(tuple, self.keys)]

    def action(self, check: str) -> Action:
        """What happens when a check is broken, by its name."""
        usual: Action = "quarantine" if check in self._by_name else "warn" if check == ANOMALIES else "block"
        return self._chosen.get(check, usual)

    @cached_property
    def _chosen(self) -> dict[str, Action]:
        chosen: dict[str, Action] = {one.name: one.action for one in (*self.rules, *self.references)}
        chosen |= {one.name: one.action for one in self.distributions}
        chosen |= dict(pairs(self.then))
        return chosen

    def checks(self) -> dict[str, tuple[str, bool]]:
        """Every check that the contract asks for: name -> (what it says, whether it blocks)."""
        says = self.row_rules() | TABLE_CHECKS
        for key in self.unique_keys():
            says[across(key)] = f"No {' and '.join(key)} was delivered before."
        says |= {one.name: one.description for one in self.distributions}
        return {name: (text, self.action(name) == "block") for name, text in says.items()}

    def on_added(self, column: str) -> AddedAction:
        """What happens when a delivery brings this column, which the contract does not have."""
        for pattern, action in pairs(self.may_add):
            if fnmatchcase(column, pattern):
                return action
        return "block"

    def fingerprint(self) -> str:
        """A short hash of what decides the verdicts."""
        # A field that came later counts where it is used, so that tables stay in line when the platform learns more.
        content = {one.name: getattr(self, one.name) for one in fields(self) if one.name in _SINCE_THE_BEGINNING}
        content["columns"] = []
        for column in self.columns:
            told = asdict(column)
            told.pop("known_after")  # it decides no row
            later = [name for name in told if name not in _COLUMN_SINCE_THE_BEGINNING]
            content["columns"].append(
                {name: told[name] for name in told if name not in later or told[name] not in {None, ""}}
            )
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in {*_SINCE_THE_BEGINNING, "owner"} and value != one.default:
                content[one.name] = [asdict(part) for part in value] if _declared(value) else value
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def check_as_declared(contract: Contract) -> None:
    """What a contract has to say where it is declared; one that others wrote, or that was kept, may lack it.

    Raises DeclarationError for a version that is not three numbers, and for an owner of no known form.
    """
    where = f"contract of {contract.table}"
    if not re.fullmatch(r"\d+\.\d+\.\d+", contract.version):
        numbers = [*re.findall(r"\d+", contract.version), "0", "0"][:3] if re.search(r"\d", contract.version) else []
        raise DeclarationError(
            f"{contract.version!r} is not a version.",
            where=f"{where}, version",
            nearest=".".join(numbers) or "1.0.0",
            fix="Give three numbers: a new first one says that consumers have to be ready for it.",
        )
    if not re.fullmatch(r"(team|user):[\w.-]+|[^@\s:]+@[^@\s:]+", contract.owner):
        name = re.sub(r"[^\w.-]+", "-", contract.owner.rpartition(":")[2].strip()).strip("-")
        raise DeclarationError(
            f"{contract.owner!r} is not an owner.",
            where=f"{where}, owner",
            nearest=f"team:{name or contract.table.partition('.')[0]}",
            fix="Name a team (team:orders), a person (user:ada) or a mail address.",
        )


def key_rule(key: Sequence[str]) -> str:
    """The name of the rule that says that a key appears once in a write."""
    return f"{'_'.join(key)}_unique"


def across(key: Sequence[str]) -> str:
    """The name of the check that says that no earlier delivery brought a key."""
    return f"{'_'.join(key)}_unique_across_deliveries"


def _declared(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(one, Rule | Reference | Distribution) for one in value)


def _doubled(names: Sequence[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


__all__ = ["ARROW_TYPES", "Column", "ColumnType", "Contract", "Distribution", "Reference", "Rule", "across", "key_rule"]

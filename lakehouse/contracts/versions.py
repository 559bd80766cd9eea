"""Versions of a contract: the changes between two of them, which of these break consumers, and the log of versions.

What belongs here: comparing contracts, and the table of versions. Not: the contracts (contract.py).
A change breaks consumers when rows can come, or fail to come, that could not before: less is promised. When more is
promised, those who deliver have to do more, and consumers lose nothing.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.as_json import from_json, to_json
from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.declaration_checks import pairs
from lakehouse.contracts.rules.registry import column_rules, table_rules
from lakehouse.errors import ContractError, SlipwayWarning
from lakehouse.features.duration import microseconds
from lakehouse.tables.duck import literal
from lakehouse.tables.system_table import SystemTable, append, entries

CONTRACTS = SystemTable(
    "slipway.contracts",
    pa.schema(
        [
            ("at", pa.timestamp("us")),
            ("table", pa.string()),
            ("version", pa.string()),
            ("fingerprint", pa.string()),
            ("changes", pa.string()),
            ("contract", pa.string()),
            ("run_id", pa.string()),
        ]
    ),
    "Every version of every contract that was used in an audit.",
    {
        "at": "When it was first used (UTC).",
        "fingerprint": "The hash of the rules.",
        "changes": "The changes since the previous version, one per line.",
        "contract": "The whole contract (JSON).",
    },
)

_BITS = {"int16": 16, "int32": 32, "int64": 64}
_STRENGTH = {"warn": 0, "quarantine": 1, "block": 1}
"""Whether failed rows reach consumers (0) or not (1)."""


@dataclass(frozen=True)
class Change:
    """One difference between two contracts, and the `columns` that it is about. `of_rows`: it decides what is good."""

    description: str
    breaking: bool
    columns: tuple[str, ...] = ()
    of_rows: bool = True


@dataclass(frozen=True)
class Kept:
    """A version of a contract as it is stored."""

    contract: Contract
    at: datetime
    changes: tuple[str, ...]
    run_id: str


def diff(old: Contract, new: Contract) -> list[Change]:
    """What changed, breaking changes first; nothing when both promise the same."""
    found = [*_columns(old, new), *_parts(old, new), *_limits(old, new)]
    return sorted(found, key=lambda change: not change.breaking)


def check_version(old: Contract, new: Contract, consumers: Sequence[str] = ()) -> list[Change]:
    """The changes. Raises ContractError when one of them breaks `consumers` and the major version is not a new one."""
    changes = diff(old, new)
    breaking = [change for change in changes if change.breaking]
    if breaking and major(new.version) <= major(old.version):
        hit = f" Affected: {', '.join(consumers)}." if consumers else ""
        raise ContractError(
            f"The contract of {new.table} has breaking changes without a new major version: "
            + " ".join(change.description for change in breaking)
            + hit,
            where=f"contract of {new.table}, version {new.version} after {old.version}",
            nearest=f"{major(old.version) + 1}.0.0",
            fix="Set the next major version once the consumers are ready, or revert the change.",
        )
    return changes


def warn_of_unchanged_version(old: Contract, new: Contract, changes: Sequence[Change]) -> None:
    """Warns (SlipwayWarning) when columns, rules or keys changed and the version did not, naming the next."""
    changed = [change.description for change in changes if change.of_rows]
    if changed and new.version == old.version:
        warning = f"The contract of {new.table} changed, but its version is still {old.version}: {' '.join(changed)} "
        warnings.warn(SlipwayWarning(warning + f'Set version="{next_minor(old.version)}".'), stacklevel=3)


def keep_version(
    lake: Lakehouse, contract: Contract, run_id: str, consumers: Sequence[str] = ()
) -> list[Change] | None:
    """Write the contract down unless the newest kept one is the same; None, or what changed since that one.

    Raises ContractError for a breaking change without a new major version, naming the `consumers` that it hits, and
    warns (SlipwayWarning) of another change under the old version.
    """
    changes = check_kept(lake, contract, consumers)
    if changes is None:
        return None
    if changes:
        warn_of_unchanged_version(versions_of(lake, contract.table)[-1].contract, contract, changes)
    line = {
        "at": clock.stored_now(),
        "table": contract.table,
        "version": contract.version,
        "fingerprint": contract.fingerprint(),
        "changes": "\n".join(("breaking: " if change.breaking else "") + change.description for change in changes),
        "contract": to_json(contract),
        "run_id": run_id,
    }
    append(lake, CONTRACTS, [line], run_id)
    return changes


def check_kept(lake: Lakehouse, contract: Contract, consumers: Sequence[str] = ()) -> list[Change] | None:
    """What keep_version returns, and raises, without writing anything down."""
    kept = versions_of(lake, contract.table)
    if kept and to_json(kept[-1].contract) == to_json(contract):
        return None
    return check_version(kept[-1].contract, contract, consumers) if kept else []


def versions_of(lake: Lakehouse, table: str) -> list[Kept]:
    """The kept versions of a table's contract, oldest first."""
    rows = entries(lake, CONTRACTS, f'"table" = {literal(table)}').sort_by([("at", "ascending")]).to_pylist()
    return [
        Kept(
            from_json(row["contract"], f"{CONTRACTS.name}, {table} {row['version']}"),
            row["at"],
            tuple(row["changes"].splitlines()),
            row["run_id"],
        )
        for row in rows
    ]


def major(version: str) -> int:
    """The first number of a version; 0 when it has none."""
    found = re.match(r"\s*v?(\d+)", version)
    return int(found.group(1)) if found else 0


def next_minor(version: str) -> str:
    """The version after it for a change that breaks nobody: 1.0.0 -> 1.1.0."""
    numbers = [*map(int, re.findall(r"\d+", version)), 0, 0]
    return f"{numbers[0]}.{numbers[1] + 1}.0"


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    for name in (one for one in before if one not in after):
        yield Change(f"The column {name} was removed.", breaking=True, columns=(name,))
    for name in (one for one in after if one not in before):
        yield Change(f"The column {name} was added.", breaking=False, columns=(name,))
    for name, column in before.items():
        if name in after:
            for description, breaking in _column(column, after[name]):
                yield Change(description, breaking, (name,))
    shared = [name for name in before if name in after]
    if old.ordered and (not new.ordered or shared != [name for name in after if name in before]):
        yield Change("The order of the columns changed.", breaking=True, columns=tuple(shared))


def _column(old: Column, new: Column) -> Iterator[tuple[str, bool]]:
    name = old.name
    if old.type != new.type:
        yield f"The type of {name} changed from {old.type} to {new.type}.", not _fits(new, old.type)
    comparable = (old.type == "timestamp") == (new.type == "timestamp")
    rules = [{rule.kind: rule for rule in column.row_rules.values()} for column in (old, new)]
    for kind in column_rules():
        yield from kind.changes(name, *(each.get(kind.kind) for each in rules), comparable=comparable)
    if old.known_after != new.known_after:
        where = f"column {name}"
        one, two = (microseconds(each.known_after or "0d", where=where) for each in (old, new))
        yield f"known_after of {name} changed from {old.known_after or '0d'} to {new.known_after or '0d'}.", two > one


def _fits(column: Column, kind: str) -> bool:
    """Whether every value that a column of a wider kind may have is one of that narrower kind, too."""
    if _BITS.get(column.type, 0) <= _BITS.get(kind, 64):
        return False
    most = 2 ** (_BITS[kind] - 1)
    values = column.one_of or (column.at_least, column.at_most)
    return all(isinstance(one, int | float) and -most <= one < most for one in values)


def _parts(old: Contract, new: Contract) -> Iterator[Change]:
    """Yield changed table rules, and changed actions of checks."""
    for kind in table_rules():
        for description, breaking, columns in kind.changes(old, new):
            yield Change(description, breaking, columns)
    now = new.checks()
    for check in old.checks():
        one, two = old.action(check), new.action(check)
        if check in now and one != two:
            yield Change(
                f"The action of {check} changed from {one} to {two}.", breaking=_STRENGTH[two] < _STRENGTH[one]
            )


def _limits(old: Contract, new: Contract) -> Iterator[Change]:
    one, two = (microseconds(each.freshness, where=f"contract of {each.table}") for each in (old, new))
    if one != two:
        yield Change(f"freshness changed from {old.freshness} to {new.freshness}.", breaking=two > one, of_rows=False)
    for field in ("quarantine_share", "volume", "volume_by", "owner"):
        one, two = getattr(old, field), getattr(new, field)
        if one != two:
            yield Change(f"{field} changed from {one} to {two}.", breaking=False, of_rows=False)
    if dict(pairs(old.may_add)) != dict(pairs(new.may_add)):
        yield Change("may_add changed; added columns are never published.", breaking=False, of_rows=False)

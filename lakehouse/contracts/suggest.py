"""A draft of a contract from the published rows, for a person to edit.

What belongs here: looking at a table and proposing what holds of it. Not: how a contract is written down
(as_python.py). Nothing is made up: what is proposed held for every row, and comments say what was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.as_python import to_python
from lakehouse.contracts.columns import ARROW_TYPES, Column, ColumnType
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.sql import sql_value
from lakehouse.contracts.versions import diff, major, next_minor
from lakehouse.errors import ContractError
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import read_provenance
from lakehouse.tables.read import Pin, Plan, arrow_field, attach, day_column, plan, rows_by_day

FEW_VALUES = 12
ENOUGH_ROWS = 200
"""Rows below which few distinct values do not suggest a list of valid values."""
SAY = "TODO: describe this column."
_FORMS = (r"[0-9]+", r"[A-Z]+", r"[a-z]+", r"[A-Za-z]+", r"[A-Z0-9]+", r"[A-Za-z0-9_-]+", r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class Draft:
    """A proposed contract, with what was seen by column or field, and the source of a contracts.py that says both."""

    contract: Contract
    comments: Mapping[str, Sequence[str]]
    source: str


def suggest(lake: Lakehouse, table: str, *, at: Pin = None, declared: Contract | None = None) -> Draft:
    """A draft for the table as it is published, or at a snapshot.

    What a `declared` contract of it says is taken over, so that the draft can be put in its place: owner, words, kinds,
    bounds, rules and what happens, under the next version. Only bounds of a column that published rows do not
    meet, and lists of values that lack one, are left out, and a comment says so.
    Raises UnknownNameError for a table that is not there, ContractError for one without rows or with columns of kinds
    that a contract does not know.
    """
    planned = plan(lake, table, at=at)
    kinds = _kinds(table, planned)
    if not planned.rows:
        raise ContractError(
            f"{table} has no rows to suggest a contract from.", where=table, fix="Land a delivery first."
        )
    snapshot = planned.table.snapshot_by_id(planned.snapshot_id)
    made = read_provenance(snapshot) if snapshot else None
    comments: dict[str, list[str]] = {}
    columns = []
    known = {one.name: one for one in declared.columns} if declared else {}
    with borrow() as connection:
        attach(connection, planned, "seen")
        rows = _one(connection, "select count(*) from seen")[0]
        for name, kind in kinds.items():
            doc = planned.schema.find_field(name).doc
            column, comments[name] = _column(connection, name, kind, rows, doc or SAY)
            before = known.get(name)
            columns.append(_taken_over(connection, before, column, comments[name]) if before else column)
    volume, comments["volume"] = _volume(planned)
    comments["quarantine_share"] = ["TODO: set the share of rows that may fail; published rows do not show it."]
    domain = table.partition(".")[0]
    if declared is not None:
        gone = [name for name in known if name not in kinds]
        if gone:
            raise ContractError(
                f"{table} has no column {', '.join(gone)} yet, which its contract declares.",
                where=f"contract of {table}",
                fix="Land a delivery under the declared contract first.",
            )
        contract = replace(declared, version=next_minor(declared.version), columns=_in_order(declared, columns))
        if any(change.breaking for change in diff(declared, contract)):
            contract = replace(contract, version=f"{major(declared.version) + 1}.0.0")
        comments["quarantine_share"], comments["volume"] = [], [f"As declared. {one}" for one in comments["volume"]]
    else:
        contract = Contract(
            table=table,
            version="0.1.0",
            columns=columns,
            owner=str(planned.table.properties.get("slipway.owner") or f"team:{domain}"),
            volume=volume,
        )
    when = f", published {made.at:%Y-%m-%d}" if made else ""
    opening = (
        f"Draft of a contract for {table}.\n\n"
        f"Derived from {rows:,} rows of snapshot {planned.snapshot_id}{when}.\n"
        "All of these rows pass. Remove rules that hold only by chance, and add rules that you know.\n"
    )
    return Draft(contract, comments, to_python(contract, opening, comments))


def _in_order(declared: Contract, columns: Sequence[Column]) -> list[Column]:
    """The columns as they are declared, then those that only the table has."""
    places = {one.name: place for place, one in enumerate(declared.columns)}
    return sorted(columns, key=lambda one: places.get(one.name, len(places)))


def _taken_over(connection: duckdb.DuckDBPyConnection, declared: Column, seen: Column, comments: list[str]) -> Column:
    """The declared column, without what published rows do not meet; what was seen beyond it is said in comments."""
    changes: dict[str, Any] = {}
    name = quoted(declared.name)

    def broken(condition: str) -> int:
        return _one(connection, f"select count_if({condition}) from seen")[0]

    for field, sign in (("at_least", "<"), ("at_most", ">")):
        bound = getattr(declared, field)
        if bound is not None and broken(f"{name} {sign} {sql_value(bound)}"):
            changes[field] = None
    if declared.one_of:
        held = ", ".join(map(sql_value, declared.one_of))
        if broken(f"{name} not in ({held})"):
            changes["one_of"] = ()
    if declared.unique and _one(connection, f"select count({name}) - count(distinct {name}) from seen")[0]:
        changes["unique"] = False
    if seen.nullable and not declared.nullable:
        changes["nullable"] = True
    comments += [f"Declared {field}={getattr(declared, field)!r}: published rows do not meet it." for field in changes]
    return replace(declared, **changes)


def _kinds(table: str, planned: Plan) -> dict[str, ColumnType]:
    """The kinds of the table's columns, those aside that landing adds."""
    known: dict[pa.DataType, ColumnType] = {
        kept: kind  # type: ignore[misc]  # the keys are the kinds
        for kind, kept in ARROW_TYPES.items()
        if kind != "int16"
    }
    found = {}
    for field in planned.schema.fields:
        if field.name.startswith("_"):
            continue
        kind = arrow_field(planned.schema, field.name).type
        if kind not in known:
            raise ContractError(
                f"The column {field.name} is {kind}, which is not a column type of contracts.",
                where=table,
                nearest="timestamp" if pa.types.is_date(kind) else "float64" if pa.types.is_decimal(kind) else "text",
                fix="Suggest a contract for a source; it has columns of " + ", ".join(ARROW_TYPES) + ".",
            )
        found[field.name] = known[kind]
    return found


def _column(
    connection: duckdb.DuckDBPyConnection, name: str, kind: ColumnType, rows: int, description: str
) -> tuple[Column, list[str]]:
    column = quoted(name)
    absent = f"{column} is null" + (f" or isnan({column})" if kind == "float64" else "")
    nulls, distinct, low, high = _one(
        connection,
        f"select count_if({absent}), count(distinct {column}), min({column}), max({column}) from seen "
        f"where {'not isnan(' + column + ') or ' + column + ' is null' if kind == 'float64' else 'true'}",
    )
    seen = [f"{nulls or 0:,} of {rows:,} rows are null; {distinct:,} distinct values."]
    rules: dict[str, Any] = {"nullable": bool(nulls)}
    given = rows - (nulls or 0)
    rules["unique"] = bool(kind not in {"bool", "float64"} and distinct == given and rows >= ENOUGH_ROWS)
    few = given >= ENOUGH_ROWS and distinct <= FEW_VALUES and kind in {"text", "int32", "int64"}
    if few:
        counted = connection.execute(
            f"select {column}, count(*) from seen where {column} is not null group by 1 order by 1"
        ).fetchall()
        rules["one_of"] = tuple(value for value, _ in counted)
        seen.append("Seen: " + ", ".join(f"{value} ({number / given:.2%})" for value, number in counted) + ".")
    elif kind == "text" and given:
        rules |= _form(connection, column, seen)
    elif kind not in {"text", "bool"} and given:
        seen.append(f"Seen: {low} to {high}" + _quantiles(connection, column, kind) + ".")
        if kind != "timestamp" and low >= 0:
            rules["at_least"] = 0
    return Column(name, kind, description=description, **rules), seen


def _quantiles(connection: duckdb.DuckDBPyConnection, column: str, kind: ColumnType) -> str:
    if kind == "timestamp":
        return ""
    where = f"not isnan({column})" if kind == "float64" else "true"
    found = _one(connection, f"select quantile_disc({column}, [0.01, 0.5, 0.99]) from seen where {where}")[0]
    return f", {found[0]:g} at 1%, {found[1]:g} in the middle, {found[2]:g} at 99%"


def _form(connection: duckdb.DuckDBPyConnection, column: str, seen: list[str]) -> dict[str, Any]:
    """The narrowest form that all texts have, and their lengths."""
    tests = ", ".join(f"bool_and(regexp_full_match({column}, '{form}'))" for form in _FORMS)
    shortest, longest, *held = _one(
        connection, f"select min(length({column})), max(length({column})), {tests} from seen"
    )
    seen.append(f"Seen: {shortest} to {longest} characters.")
    forms = [form for form, holds in zip(_FORMS, held, strict=True) if holds]
    return {"matches": forms[0]} if forms else {}


def _volume(planned: Plan) -> tuple[tuple[float, float], list[str]]:
    """The least and the most rows of a day, as multiples of its weekday's median, with room on both sides."""
    usual = (0.5, 2.0)
    counts = rows_by_day(planned) if planned.rows and day_column(planned.table) else {}
    if len(counts) < 28:  # noqa: PLR2004  # four of each weekday
        return usual, [f"{len(counts)} days are too few to suggest a volume."]
    ratios = []
    for day, number in counts.items():
        alike = sorted(other for at, other in counts.items() if at.weekday() == day.weekday())
        ratios.append(number / alike[len(alike) // 2])
    low, high = min(ratios), max(ratios)
    seen = f"In {len(counts)} days: {low:.2f} to {high:.2f} times the median of the weekday."
    return (min(usual[0], round(low / 1.5, 2)), max(usual[1], round(high * 1.5, 2))), [seen]


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    return connection.execute(sql).fetchall()[0]

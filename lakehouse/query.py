"""Asking the lakehouse: one SQL statement that only reads, over tables by their names.

What belongs here: which tables a statement names, the snapshots they are read at, and its rows. Not: how rows are shown
or written to a file (orchestration/cli). The statement's own parse tree says what it names and does; besides, DuckDB is
allowed to open the tables' files and nothing else, so that no function or clause reaches the rest of the machine.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.table import Table

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, UnknownNameError, nearest_name, unknown_name
from lakehouse.tables.duck import borrow, connect, literal
from lakehouse.tables.read import Pin, Plan, attach, plan_table

BATCH_ROWS = 10_000
READS = "SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"

_SYSTEM = {"information_schema", "pg_catalog"}
_GAP = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_EXPLAIN = re.compile(rf"{_GAP}explain\b{_GAP}(?:analyze\b{_GAP})?", re.IGNORECASE | re.DOTALL)
_OPTIONS = re.compile(r"\([^()]*\)")
_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")
_NO_COLUMN = re.compile(r'(?:Referenced column|does not have a column named|Column) "([^"]+)"')


@dataclass(frozen=True)
class Answer:
    """The rows of a statement: their columns (Arrow schema, each name once) and the rows in batches, read as asked for.

    `tables` are the snapshots that the named tables are read at.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    tables: Mapping[str, int]


@dataclass(frozen=True)
class _Named:
    """What a statement names: tables with a schema, as written, and whether it asks for the list of tables."""

    tables: Sequence[str]
    lists_tables: bool


def tables_of(lake: Lakehouse, sql: str) -> list[str]:
    """The tables that one statement reads. Raises as `ask` does."""
    return _find_tables(lake, _parse(sql))


@contextmanager
def ask(lake: Lakehouse, sql: str, *, at: str | Mapping[str, Pin] | None = None) -> Iterator[Answer]:
    """Answer one statement. `at` (snapshot id, tag, branch or UTC time) is applied to each named table that has it.

    It can also be a pin for each table; one that has none is read as published now.

    Raises UnknownNameError for a table, column, snapshot, tag or branch that does not exist, SlipwayError for SQL that
    cannot be understood and for a statement that does anything but read.
    """
    named = _parse(sql)
    tables = _find_tables(lake, named)
    planned = _plan(lake, tables, at)
    with connect() as connection, _in_words(lake, planned):
        # A person who asks for ten rows twice wants the same ten.
        connection.execute("set preserve_insertion_order = true")
        for name, one in planned.items():
            attach(connection, one, name)
        _lock(connection, planned)
        relation = connection.sql(sql)
        reader = relation.to_arrow_reader(BATCH_ROWS)
        schema = pa.schema(
            [field.with_name(name) for field, name in zip(reader.schema, _distinct(reader.schema.names), strict=True)]
        )
        input_snapshots = {name: one.snapshot_id for name, one in planned.items()}
        yield Answer(schema, _batches(lake, planned, reader, schema), input_snapshots)


def _batches(
    lake: Lakehouse, planned: Mapping[str, Plan], reader: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    with _in_words(lake, planned):
        for batch in reader:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _parse(sql: str) -> _Named:
    """What the statement names. Raises SlipwayError unless it is one statement which reads."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _fault(error) from None
    if len(statements) != 1:
        raise SlipwayError(
            "There is no statement." if not statements else f"There are {len(statements)} statements.",
            where="SQL",
            nearest="select count(*) from fraud.transactions",
            fix="Give one statement.",
        )
    kind = statements[0].type.name
    if kind == "MULTI":
        raise SlipwayError(
            "A PIVOT must say for which values.",
            where="SQL",
            nearest="pivot fraud.transactions on TX_FRAUD in (0, 1) using count(*)",
            fix="Add IN (...) after the column.",
        )
    if kind not in {"SELECT", "EXPLAIN"}:
        raise _rejection(kind)
    text = statements[0].query
    tree = _tree(text) if kind == "SELECT" else _explained_tree(text)
    if tree is None:
        raise _rejection(kind)
    nodes = list(_nodes(tree))
    for node in nodes:
        # COPY, INSERT and the like can stand in a WITH clause; the statement around them is a SELECT all the same.
        if str(node.get("type", "")).endswith("_QUERY_NODE"):
            raise _rejection(str(node["type"]).removesuffix("_QUERY_NODE"))
    bases = [node for node in nodes if node.get("type") == "BASE_TABLE" and node.get("schema_name")]
    names = [
        ".".join(part for part in (node["catalog_name"], node["schema_name"], node["table_name"]) if part)
        for node in bases
        if node["schema_name"].lower() not in _SYSTEM
    ]
    lists = len(names) < len(bases) or any(node.get("type") == "SHOW_REF" and node.get("table_name") for node in nodes)
    return _Named(list(dict.fromkeys(names)), lists)


def _tree(text: str) -> dict[str, Any] | None:
    """DuckDB's parse tree of a SELECT; None for anything else."""
    with borrow() as connection:
        found = connection.execute("select json_serialize_sql(?)", [text]).fetchone()
    tree = json.loads(found[0]) if found else {"error": True}
    return None if tree["error"] else tree


def _explained_tree(text: str) -> dict[str, Any] | None:
    """The parse tree of what is explained: EXPLAIN ANALYZE runs it."""
    opening = _EXPLAIN.match(text)
    rest = text[opening.end() :] if opening else ""
    return _tree(rest) or _tree(_OPTIONS.sub("", rest, count=1))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # JSON
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _find_tables(lake: Lakehouse, named: _Named) -> list[str]:
    """The lakehouse's names of the named tables; SQL does not care for case."""
    known = {name.lower(): name for name in lake.names()}
    if named.lists_tables:
        return list(known.values())
    for name in named.tables:
        if name.lower() not in known:
            raise unknown_name("table", name, known.values(), where="the lakehouse")
    return [known[name.lower()] for name in named.tables]


def _plan(lake: Lakehouse, names: Sequence[str], at: str | Mapping[str, Pin] | None) -> dict[str, Plan]:
    tables = {name: lake.table(name) for name in names}
    input_snapshots = at if isinstance(at, Mapping) else input_snapshots_at(tables, at)
    return {name: plan_table(lake, table, at=input_snapshots.get(name)) for name, table in tables.items()}


def input_snapshots_at(tables: Mapping[str, Table], at: str | None) -> dict[str, Pin]:
    """Each table at `at` if it has that, else as published now (None); at a time every table must have been there.

    Raises UnknownNameError when no table has it and it is no time.
    """
    if at is None:
        return dict.fromkeys(tables)
    if not any(_has(table, at) for table in tables.values()):
        moment = _moment(at)
        if moment is not None and tables:
            return dict.fromkeys(tables, moment)
        there = [name for table in tables.values() for name in _points(table)]
        raise unknown_name("snapshot, tag or branch", at, there, where=", ".join(tables) or "SQL without a table")
    return {name: at if _has(table, at) else None for name, table in tables.items()}


def _has(table: Table, at: str) -> bool:
    return at in table.metadata.refs or (at.isdigit() and table.snapshot_by_id(int(at)) is not None)


def _points(table: Table) -> list[str]:
    return [*table.metadata.refs, *(str(one.snapshot_id) for one in reversed(table.metadata.snapshots))]


def _moment(text: str) -> datetime | None:
    try:
        return None if text.isdigit() else datetime.fromisoformat(text)
    except ValueError:
        return None


def _lock(connection: duckdb.DuckDBPyConnection, planned: Mapping[str, Plan]) -> None:
    """From here on the tables' files can be opened and nothing else, and this cannot be taken back."""
    files = sorted({path for one in planned.values() for path in one.local_files or ()})
    connection.execute(f"set allowed_paths = [{', '.join(literal(path) for path in files)}]")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number where one comes again (a join has two `id`): files and JSON cannot hold it twice."""
    found: list[str] = []
    for name in names:
        free, number = name, 1
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


@contextmanager
def _in_words(lake: Lakehouse, planned: Mapping[str, Plan]) -> Iterator[None]:
    """DuckDB's errors as ours, with the nearest table or column that there is."""
    try:
        yield
    except duckdb.PermissionException as error:
        raise SlipwayError(
            "A query reads the lakehouse's tables and nothing else: no files, no addresses.",
            where=f"SQL: {str(error).splitlines()[0]}",
            nearest="select * from fraud.transactions limit 10",
            fix="Land the file as a source to query it.",
        ) from None
    except duckdb.Error as error:
        text = str(error)
        table = _NO_TABLE.search(text)
        if table:
            raise _unknown_table(lake, table.group(1)) from None
        column = _NO_COLUMN.search(text)
        if column:
            known = {name: None for one in planned.values() for name in one.schema.column_names}
            raise UnknownNameError(
                f"There is no column {column.group(1)!r}.",
                where=", ".join(planned) or "SQL",
                nearest=nearest_name(column.group(1), known),
                fix=("Use one of: " + ", ".join(known) + ".") if known else "Name a table after FROM.",
            ) from None
        raise _fault(error) from None


def _unknown_table(lake: Lakehouse, word: str) -> UnknownNameError:
    """A table named without its domain: the nearest by the second part of the names."""
    names = lake.names()
    by_last = {name.rsplit(".", 1)[-1]: name for name in names}
    near = nearest_name(word, by_last)
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004  # as many as errors show
    return UnknownNameError(
        f"There is no table named {word!r}.",
        where="the lakehouse",
        nearest=by_last[near] if near else nearest_name(word, names),
        fix=f"Use one of: {shown}." if names else "No table exists yet.",
    )


def _fault(error: duckdb.Error) -> SlipwayError:
    """What DuckDB says of a statement: the fault, and the place it points at."""
    fault, _, place = str(error).partition("\n\nLINE ")
    words = " ".join((fault.partition(": ")[2] or fault).split())
    return SlipwayError(
        words if words.endswith(("!", "?", ".")) else f"{words}.",
        where=f"SQL{_pointed_at(place)}",
        fix="Mend the statement; `slipway tables NAME` shows a table's columns and their types.",
    )


def _pointed_at(place: str) -> str:
    """From `1: select a frm b` and the line of carets under it to words; nothing from nothing."""
    line, _, carets = place.partition("\n")
    number, _, text = line.partition(": ")
    # The carets stand under the whole line, of which DuckDB's word for it was cut off.
    shift = len("LINE ")
    token = line[carets.find("^") - shift : carets.rfind("^") + 1 - shift] if "^" in carets else ""
    return f", line {number}, at {token or text!r}" if text else ""


def _rejection(kind: str) -> SlipwayError:
    return SlipwayError(
        f"{kind} is no query: tables are written by their assets, and by nothing else.",
        where="SQL",
        nearest=READS,
        fix="Ask with one statement of these.",
    )

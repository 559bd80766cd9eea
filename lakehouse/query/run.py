"""Run one read-only SQL statement over the lakehouse's tables.

What belongs here: the snapshots that tables are read at, and running the statement. Not: what a statement names
(statement.py), errors (faults.py), and how rows are shown or written to a file (orchestration/cli). DuckDB may open the
tables' files and nothing else, so that no function or clause of a statement reaches the rest of the machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
from pyiceberg.table import Table

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import unknown_name
from lakehouse.query.faults import readable_errors
from lakehouse.query.statement import (
    Statement,
    parse,
)
from lakehouse.tables.duck import connect, literal
from lakehouse.tables.read import Pin, Plan, attach, plan_table

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class QueryResult:
    """The rows of a query: their columns (Arrow schema, each name once) and the rows in batches, read lazily.

    `tables` are the snapshots at which the named tables are read.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    tables: Mapping[str, int]


def tables_of(lake: Lakehouse, sql: str) -> list[str]:
    """Return the tables that one statement reads. Raises as `run_query` does."""
    return _find_tables(lake, parse(sql))


@contextmanager
def run_query(lake: Lakehouse, sql: str, *, at: str | Mapping[str, Pin] | None = None) -> Iterator[QueryResult]:
    """Run one read-only SQL statement (DuckDB dialect).

    `at` (snapshot id, tag, branch or UTC time) applies to each named table that has it. It can also be a mapping from
    tables to these; a table that is not in it is read as published now.

    Raises UnknownNameError for a table, column, snapshot, tag or branch that does not exist, SlipwayError for SQL that
    cannot be understood and for a statement that does anything but read.
    """
    named = parse(sql)
    tables = _find_tables(lake, named)
    planned = _plan(lake, tables, at)
    with connect() as connection, readable_errors(lake, planned):
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
        yield QueryResult(schema, _batches(lake, planned, reader, schema), input_snapshots)


def _batches(
    lake: Lakehouse, planned: Mapping[str, Plan], reader: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    with readable_errors(lake, planned):
        for batch in reader:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _find_tables(lake: Lakehouse, named: Statement) -> list[str]:
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

    Raises UnknownNameError when no table has it and it is not a time.
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
    """Allow DuckDB to open the tables' files and nothing else, irrevocably."""
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

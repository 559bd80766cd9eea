"""Reading tables: a pin is resolved, files are planned by pyiceberg, DuckDB scans them.

What belongs here: everything that turns (table, pin, filter) into rows. Not: writing, and not point-in-time joins.
DuckDB reads columns by Iceberg field id, so renamed and added columns come out right. Files with deletes, files that
are not on this machine and nested types are read by pyiceberg.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from threading import RLock
from typing import TypeAlias

import duckdb
import pyarrow as pa
from cachetools import LRUCache, cached
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.expressions.parser import parse as parse_filter
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.types import DecimalType, IcebergType, PrimitiveType

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import UnknownNameError, nearest_name, unknown_name
from lakehouse.tables.days import EPOCH
from lakehouse.tables.duck import borrow, literal, quoted
from lakehouse.tables.provenance import ancestry, is_compaction

Pin: TypeAlias = int | str | datetime | None
"""A snapshot id, a tag or branch, a time, or None for what is published now."""

NO_SNAPSHOT = -1
"""What Iceberg writes for a table that has none yet."""

_REMEMBERED_FILES = 20_000
"""Of so many files, in all snapshots together, it is remembered what is known of them: about 100 MB."""

_DUCKDB_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


@dataclass(frozen=True)
class Plan:
    """A table at one snapshot, pruned to the files that can hold rows of the filter."""

    table: Table
    snapshot_id: int
    schema: Schema
    tasks: tuple[FileScanTask, ...]
    where: str | None
    local_files: tuple[str, ...] | None

    @property
    def rows(self) -> int:
        """Rows in the planned files, deletes not counted off."""
        return sum(task.file.record_count for task in self.tasks)

    @property
    def days(self) -> list[date]:
        """The day partitions of the planned files, for a table partitioned by day."""
        return sorted(
            {EPOCH + timedelta(days=task.file.partition[0]) for task in self.tasks if len(task.file.partition)}
        )


def resolve(table: Table, at: Pin = None) -> int:
    """The snapshot id that `at` means for `table`.

    Raises UnknownNameError for an id, tag or branch that the table does not have, or a time before its first snapshot.
    """
    name = ".".join(table.name())
    if isinstance(at, datetime):
        moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        found = table.snapshot_as_of_timestamp(int(moment.timestamp() * 1000))
        if found is None:
            raise UnknownNameError(
                f"{name} had no snapshot at {at.isoformat()}.",
                where=name,
                nearest=str(table.metadata.snapshots[0].snapshot_id) if table.metadata.snapshots else None,
                fix="Choose a later time (`slipway tables " + name + "` lists the snapshots).",
            )
        return found.snapshot_id
    if isinstance(at, int) or (isinstance(at, str) and at.isdigit()):
        if table.snapshot_by_id(int(at)) is not None:
            return int(at)
        ids = [str(snapshot.snapshot_id) for snapshot in table.metadata.snapshots]
        raise unknown_name("snapshot", str(at), ids, where=name)
    reference = table.metadata.refs.get(at or "main")
    if reference is None:
        raise unknown_name("tag or branch", str(at), table.metadata.refs, where=name)
    return reference.snapshot_id


def plan(lake: Lakehouse, name: str, *, at: Pin = None, where: str | None = None) -> Plan:
    """Resolve `at` and plan the files of table `name`; `where` prunes by partition and column statistics.

    `where` is a filter in the words that pyiceberg and DuckDB share (`amount > 5 and day < '2018-04-02T00:00:00'`).
    """
    return plan_table(lake, lake.table(name), at=at, where=where)


def plan_table(lake: Lakehouse, table: Table, *, at: Pin = None, where: str | None = None) -> Plan:
    """The same for a table that is loaded already."""
    if at is None and table.current_snapshot() is None:
        # Made, and nothing written yet: by another engine, or by a process that was killed in between.
        return Plan(table=table, snapshot_id=NO_SNAPSHOT, schema=table.schema(), tasks=(), where=where, local_files=())
    snapshot_id = resolve(table, at)
    snapshot = table.snapshot_by_id(snapshot_id)
    # A branch's new snapshot may be older than the newest schema: rows are shown in the schema they were written with,
    # unless the table's present one is asked for by asking for what is published now.
    schema = table.schema()
    if at is not None and snapshot is not None and snapshot.schema_id is not None:
        schema = table.schemas()[snapshot.schema_id]
        # pyiceberg understands filters in the table's present schema: here that is the one that is shown.
        shown = table.metadata.model_copy(update={"current_schema_id": snapshot.schema_id})
        table = Table(table.name(), shown, table.metadata_location, table.io, table.catalog)
    tasks = planned_files(table, snapshot_id, where)
    paths = [lake.local_path(task.file.file_path) for task in tasks]
    readable = all(path is not None for path in paths) and all(not task.delete_files for task in tasks)
    readable = readable and all(isinstance(field.field_type, PrimitiveType) for field in schema.fields)
    local = tuple(path for path in paths if path is not None) if readable else None
    return Plan(table=table, snapshot_id=snapshot_id, schema=schema, tasks=tasks, where=where, local_files=local)


def _planned_key(table: Table, snapshot_id: int, where: str | None = None) -> tuple:
    return table.metadata.table_uuid, snapshot_id, table.metadata.current_schema_id, where


# A snapshot never changes, and reading its manifests takes longer the more days a table has.
@cached(LRUCache(_REMEMBERED_FILES, getsizeof=lambda tasks: len(tasks) + 1), key=_planned_key, lock=RLock())
def planned_files(table: Table, snapshot_id: int, where: str | None = None) -> tuple[FileScanTask, ...]:
    """The files of a snapshot that can hold rows of the filter `where`, each with its delete files."""
    predicate: BooleanExpression = parse_filter(where) if where else AlwaysTrue()
    return tuple(table.scan(row_filter=predicate, snapshot_id=snapshot_id).plan_files())


def read(
    lake: Lakehouse, name: str, columns: Sequence[str] | None = None, *, at: Pin = None, where: str | None = None
) -> pa.Table:
    """The rows of table `name` as an Arrow table of `columns` (default: all), in no promised order."""
    return read_plan(plan(lake, name, at=at, where=where), columns)


def read_plan(planned: Plan, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a plan as an Arrow table."""
    wanted = check_columns(planned, columns)
    if planned.local_files is None:
        rows = _read_by_pyiceberg(planned).select(wanted)
    else:
        chosen = ", ".join(quoted(column) for column in wanted)
        with borrow() as connection:
            rows = connection.sql(f"select {chosen} from {scan_sql(planned)}{_condition(planned)}").to_arrow_table()
    target = pa.schema([arrow_field(planned.schema, column) for column in wanted])
    return rows if rows.schema.equals(target) else rows.cast(target)


def count_rows(planned: Plan) -> int:
    """How many rows a plan has: as the files say, where none has deletes."""
    if not any(task.delete_files for task in planned.tasks):
        return planned.rows
    with borrow() as connection:
        found = connection.execute(f"select count(*) from {attach(connection, planned, 'counted')}").fetchone()
    return int(found[0]) if found else 0


def attach(connection: duckdb.DuckDBPyConnection, planned: Plan, name: str) -> str:
    """Make the planned rows readable as the view `name` in `connection`; returns the quoted name."""
    parts = name.split(".")
    view = ".".join(quoted(part) for part in parts)
    if len(parts) > 1:
        connection.execute(f"create schema if not exists {quoted(parts[0])}")
    if planned.local_files is None:
        held = f"arrow_{name.replace('.', '_')}"
        connection.register(held, _read_by_pyiceberg(planned))
        connection.execute(f"create or replace view {view} as select * from {quoted(held)}")
    else:
        connection.execute(f"create or replace view {view} as select * from {scan_sql(planned)}{_condition(planned)}")
    return view


def _condition(planned: Plan) -> str:
    return f" where {planned.where}" if planned.where else ""


def _read_by_pyiceberg(planned: Plan) -> pa.Table:
    predicate = parse_filter(planned.where) if planned.where else AlwaysTrue()
    return ArrowScan(planned.table.metadata, planned.table.io, planned.schema, predicate).to_table(planned.tasks)


def scan_sql(planned: Plan) -> str:
    """DuckDB's FROM item for the planned files, every column matched by its Iceberg field id."""
    fields = planned.schema.fields
    if not planned.local_files:
        empty = ", ".join(f"null::{_duckdb_type(field.field_type)} as {quoted(field.name)}" for field in fields)
        return f"(select {empty} where false)"
    files = ", ".join(literal(path) for path in planned.local_files)
    columns = ", ".join(
        f"{field.field_id}: {{name: {literal(field.name)}, type: {literal(_duckdb_type(field.field_type))}, "
        "default_value: NULL}"
        for field in fields
    )
    return f"read_parquet([{files}], schema = MAP {{{columns}}})"


def check_columns(planned: Plan, columns: Sequence[str] | None) -> list[str]:
    """The columns to read, all when None. Raises UnknownNameError for one that the table does not have."""
    known = [field.name for field in planned.schema.fields]
    if columns is None:
        return known
    for column in columns:
        if column not in known:
            raise UnknownNameError(
                f"There is no column {column!r}.",
                where=".".join(planned.table.name()),
                nearest=nearest_name(column, known),
                fix="Use one of: " + ", ".join(known) + ".",
            )
    return list(columns)


def arrow_field(schema: Schema, column: str) -> pa.Field:
    """The Arrow field of an Iceberg column, with plain (not large) strings."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    iceberg_field = schema.find_field(column)
    converted = schema_to_pyarrow(Schema(iceberg_field), include_field_ids=False).field(0)
    kind = pa.string() if pa.types.is_large_string(converted.type) else converted.type
    kind = pa.binary() if pa.types.is_large_binary(kind) else kind
    return pa.field(column, kind)


def published_days(lake: Lakehouse, name: str, *, at: Pin = None) -> list[date]:
    """The days that a table partitioned by day has rows for."""
    return plan(lake, name, at=at).days


def rows_by_day(planned: Plan) -> dict[date, int]:
    """Row counts of the planned files by day partition, from metadata alone."""
    counts: dict[date, int] = {}
    for task in planned.tasks:
        day = EPOCH + timedelta(days=task.file.partition[0])
        counts[day] = counts.get(day, 0) + task.file.record_count
    return counts


def changed_days(lake: Lakehouse, name: str, since: int, until: int) -> Iterable[date] | None:
    """The days whose files differ between two snapshots; None when that cannot be told (not partitioned by day)."""
    table = lake.table(name)
    if since == until:
        return ()
    if table.snapshot_by_id(since) is None or not is_by_day(table):
        return None
    steps = list(takewhile(lambda one: one.snapshot_id != since, ancestry(table, until)))
    pairs = [(since, until)]
    if any(is_compaction(one) for one in steps) and steps[-1].parent_snapshot_id == since:
        # A compaction has other files and the same rows: what the others changed is told step by step.
        pairs = [(one.parent_snapshot_id or since, one.snapshot_id) for one in steps if not is_compaction(one)]
    changed = [_files(table, before) ^ _files(table, after) for before, after in pairs]
    return sorted({EPOCH + timedelta(days=day) for files in changed for day, *_ in files})


def _files(table: Table, snapshot_id: int) -> set[tuple]:
    """What decides a snapshot's rows, file by file: the day, the file's path, the paths of its delete files."""
    return {
        (task.file.partition[0], task.file.file_path, *sorted(one.file_path for one in task.delete_files))
        for task in planned_files(table, snapshot_id)
    }


def day_column(table: Table) -> str | None:
    """The column by whose days the table is cut; None where it is cut otherwise, or not at all."""
    return table.schema().find_column_name(table.spec().fields[0].source_id) if is_by_day(table) else None


def is_by_day(table: Table) -> bool:
    """Whether the table is partitioned by the day of one column, and by nothing else."""
    fields = table.spec().fields
    return len(fields) == 1 and str(fields[0].transform) == "day"


def _duckdb_type(kind: IcebergType) -> str:
    if isinstance(kind, DecimalType):
        return f"DECIMAL({kind.precision},{kind.scale})"
    text = str(kind)
    return "BLOB" if text.startswith("fixed") else _DUCKDB_TYPES[text]

"""Audit branches: rows are written where no reader of the table sees them.

What belongs here: creating a table, and writing a draft. Not: a table's shape (shape.py), auditing and publishing
(write_audit_publish.py).
"""

import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table import Table, Transaction
from pyiceberg.table.update import AssertTableUUID
from pyiceberg.transforms import DayTransform
from pyiceberg.types import TimestampType, TimestamptzType
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lakehouse import clock
from lakehouse.catalog.home import storage_error
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import ContractError, DeclarationError
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.read import planned_files
from lakehouse.tables.references import branch_at, is_at, without
from lakehouse.tables.rows import Rows, RowsElsewhere, RowsInParts
from lakehouse.tables.shape import TableShape, iceberg_schema, schema_change

AUDIT_PREFIX = "audit-"
BRANCH_AGE = timedelta(days=7)
"""How long a draft that was not published is kept for inspection."""

ONE_MILLISECOND = timedelta(milliseconds=1)

_TABLE_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "20",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}


@dataclass(frozen=True)
class Draft:
    """Rows on an audit branch: written, readable by the branch's name, not public."""

    name: str
    branch: str
    base_snapshot_id: int
    snapshot_id: int


def ensure_table(lake: Lakehouse, shape: TableShape) -> Table:
    """Load the table of `shape`; it is created on first use.

    An Iceberg branch needs a snapshot to start from, so a new table gets one without rows.
    """
    with storage_guard(shape.name):
        table = lake.find(shape.name)
        if table is None:
            _make_table(lake, shape)
            table = lake.table(shape.name)
        if table.current_snapshot() is None:
            table.append(table.schema().as_arrow().empty_table())
        return _keep_documented(lake, table, shape)


def _keep_documented(lake: Lakehouse, table: Table, shape: TableShape) -> Table:
    """Update the table's description, owner and column docs to what is declared now."""
    declared = {"comment": shape.description, "owner": shape.owner}
    changed = {key: text for key, text in declared.items() if text and table.properties.get(key) != text}
    have = {one.name: one.doc for one in table.schema().fields}
    docs = {name: text for name, text in shape.column_docs.items() if name in have and have[name] != text}
    if not changed and not docs:
        return table
    with table.transaction() as transaction:
        if changed:
            transaction.set_properties(changed)
        if docs:
            with transaction.update_schema() as update:
                for name, text in docs.items():
                    update.update_column(name, doc=text)
    return lake.table(shape.name)


def _make_table(lake: Lakehouse, shape: TableShape) -> None:
    schema = iceberg_schema(shape)
    spec = PartitionSpec()
    if shape.day_column:
        source = schema.find_field(shape.day_column)
        if not isinstance(source.field_type, TimestampType | TimestamptzType):
            raise DeclarationError(
                f"The day column {shape.day_column!r} is a {source.field_type}, not a timestamp.",
                where=shape.name,
                fix="Partition by a timestamp column in UTC.",
            )
        spec = PartitionSpec(PartitionField(source.field_id, 1000, DayTransform(), f"{shape.day_column}_day"))
    properties = {**_TABLE_PROPERTIES, "comment": shape.description, "owner": shape.owner}
    with suppress(TableAlreadyExistsError):  # another process was first; its table serves
        lake.create_table(shape.name, schema, spec, properties)


def write_draft(
    lake: Lakehouse,
    shape: TableShape,
    rows: Rows,
    provenance: Provenance,
    replace: str | None = None,
    base: int | None = None,
) -> Draft:
    """Write `rows` to a fresh audit branch, where they replace the rows of the filter `replace` (None: all rows).

    `base` is the published snapshot that was looked at to make the rows (None: it doesn't matter which): the branch
    begins there, so what others published since then can't be overwritten unseen.
    Rows are sorted by the caller. Raises ContractError when the table's columns are not the shape's (a schema change
    goes through publish.change_schema), HomeError when the disk is full.
    """
    with storage_guard(shape.name):
        table = ensure_table(lake, shape)
        change = schema_change(table.schema(), shape)
        if change:
            raise ContractError(
                f"The rows do not have the table's columns: {change}.",
                where=shape.name,
                fix="A changed schema is audited before it touches the table: rebuild the whole table.",
            )
        base = base or table.metadata.refs["main"].snapshot_id
        branch = f"{AUDIT_PREFIX}{provenance.run_id[:8]}-{uuid.uuid4().hex[:8]}"
        _open_branch(lake, shape.name, branch, base)
        if isinstance(rows, RowsElsewhere):
            rows.write(lake, shape, branch, provenance.summary(), replace)
        else:
            table = lake.table(shape.name)
            with table.transaction() as transaction:
                fill(table, transaction, shape, rows, provenance, replace, branch)
    written = lake.table(shape.name).metadata.refs[branch].snapshot_id
    return Draft(name=shape.name, branch=branch, base_snapshot_id=base, snapshot_id=written)


def fill(
    table: Table,
    transaction: Transaction,
    shape: TableShape,
    rows: pa.Table | RowsInParts,
    provenance: Provenance,
    replace: str | None,
    branch: str,
) -> None:
    """Stage the rows on `branch` in an open transaction, replacing those of the filter `replace`."""
    parts = _arranged(shape, rows)
    first = next(parts)
    condition = AlwaysTrue() if replace is None else replace
    if planned_files(table, table.metadata.refs[branch].snapshot_id, replace):
        with warnings.catch_warnings():
            # A file's statistics can promise rows that the filter then does not find; that is no fault.
            warnings.filterwarnings("ignore", "Delete operation did not match")
            transaction.overwrite(first, condition, snapshot_properties=provenance.summary(), branch=branch)
    else:
        transaction.append(first, snapshot_properties=provenance.summary(), branch=branch)
    for part in parts:
        transaction.append(part, snapshot_properties=provenance.summary(), branch=branch)


def _arranged(shape: TableShape, rows: pa.Table | RowsInParts) -> Iterator[pa.Table]:
    """The rows with the shape's columns; one table at least, which may be empty."""
    parts: Iterator[pa.Table] = iter((rows,)) if isinstance(rows, pa.Table) else rows.parts()
    for part in chain([next(parts, shape.schema.empty_table())], parts):
        yield part.select(shape.schema.names).cast(shape.schema)


@contextmanager
def storage_guard(where: str) -> Iterator[None]:
    """Raise a clear error if the operating system cannot write."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, where) from error


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(20),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
def _open_branch(lake: Lakehouse, name: str, branch: str, base: int) -> None:
    """Create the branch at `base`; branches that were not published in time are dropped in the same commit."""
    table = lake.table(name)
    now = clock.now()
    # An age is counted from the newest snapshot, and as yet that is the base, which can be old already.
    most = _age(table, base, now) + BRANCH_AGE // ONE_MILLISECOND
    requirements = (AssertTableUUID(uuid=table.metadata.table_uuid), is_at(branch, None))
    expired = [without(old) for old in expired_branches(table, now)]
    lake.commit(table, requirements, (branch_at(branch, base, most), *expired))


def expired_branches(table: Table, now: datetime) -> list[str]:
    """Audit branches older than they may get: the age that they were given, else (pyiceberg drops it) BRANCH_AGE."""
    return [
        name
        for name, reference in table.metadata.refs.items()
        if name.startswith(AUDIT_PREFIX)
        and _age(table, reference.snapshot_id, now) > (reference.max_ref_age_ms or BRANCH_AGE // ONE_MILLISECOND)
    ]


def _age(table: Table, snapshot_id: int, now: datetime) -> int:
    """Milliseconds since the snapshot was created; 0 for one that does not exist."""
    snapshot = table.snapshot_by_id(snapshot_id)
    return int(now.timestamp() * 1000) - snapshot.timestamp_ms if snapshot else 0

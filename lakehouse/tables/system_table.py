"""System tables: Slipway's own records (audits, profiles, deliveries, breakers, contracts) as Iceberg tables.

What belongs here: appending records in one commit, reading them, and compaction. Not: what is recorded. A record says
what happened, so it needs no audit of its own, and it is never changed. A system table that has grown by many small
commits is rewritten into one file, so that reading it stays as quick as on its first day.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import Table
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.read import NO_SNAPSHOT, planned_files, read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import ensure_table, storage_guard

NAMESPACE = "slipway"
MOST_FILES = 40
"""With more small files a system table is compacted."""
_KEPT_SNAPSHOTS = 10
_log = logging.getLogger("slipway.system_table")


@dataclass(frozen=True)
class SystemTable:
    """A table of records. `name` is its table's, in the namespace `slipway`."""

    name: str
    schema: pa.Schema
    description: str
    column_docs: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> TableShape:
        """Its table's shape."""
        return TableShape(self.name, self.schema, None, self.description, self.column_docs, "slipway")


def is_system_table(name: str) -> bool:
    """Whether the table is one of the platform's own."""
    return name.startswith(f"{NAMESPACE}.")


def append(
    lake: Lakehouse,
    system_table: SystemTable,
    rows: pa.Table | Sequence[Mapping[str, Any]],
    run_id: str,
    after: int | None = None,
) -> int:
    """Write the records down in one commit; returns the snapshot id.

    With `after` the table must still be at that snapshot (see `state`): else CommitFailedException is
    raised and nothing is written, so that of two processes that decide by what they read only one does.
    """
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), system_table.schema)
    with storage_guard(system_table.name):
        snapshot_id = _append(lake, system_table, table, run_id, after)
    # The records are stored, so a failed compaction must not raise as if they were not: whoever tries again
    # would write them twice. The next append tries to rewrite again.
    try:
        _keep_small(lake, system_table, run_id)
    except CommitFailedException:
        pass  # another process appended
    except Exception as error:  # noqa: BLE001
        _log.warning("The system table %s could not be compacted: %s", system_table.name, type(error).__name__)
    return snapshot_id


def entries(lake: Lakehouse, system_table: SystemTable, where: str | None = None, *, at: int | None = None) -> pa.Table:
    """The records that meet the filter, in no promised order; none where nothing was ever recorded."""
    if at == NO_SNAPSHOT or not lake.has(system_table.name):
        return system_table.schema.empty_table()
    rows = read(lake, system_table.name, at=at, where=where)
    # A record from before a column was added has none of it.
    lacking = [one for one in system_table.schema if one.name not in rows.schema.names]
    for one in lacking:
        rows = rows.append_column(one, pa.nulls(len(rows), one.type))
    return rows.select(system_table.schema.names).cast(system_table.schema)


def state(lake: Lakehouse, system_table: SystemTable) -> int:
    """The table's current snapshot; the table is created if it does not exist."""
    return resolve(ensure_table(lake, system_table.shape))


_again = retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(20),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)


@_again
def _append_anyhow(table: Table, rows: pa.Table, provenance: Provenance) -> None:
    table.refresh()
    table.append(rows, snapshot_properties=provenance.summary())


def _append(lake: Lakehouse, system_table: SystemTable, rows: pa.Table, run_id: str, after: int | None) -> int:
    table = _with_columns(lake, system_table)
    provenance = Provenance(run_id, "system table")
    if after is None:
        _append_anyhow(table, rows, provenance)
        return resolve(table)
    if resolve(table) != after:
        raise CommitFailedException(f"{system_table.name} has gone on from {after}.")
    # One try: pyiceberg's next one would build on whatever main is then.
    table.metadata.properties["commit.retry.num-retries"] = "0"
    with table.transaction() as transaction:
        transaction.append(rows, snapshot_properties=provenance.summary())
    return resolve(table)


@_again
def _with_columns(lake: Lakehouse, system_table: SystemTable) -> Table:
    """Load the table, with the columns that this version of it has."""
    table = ensure_table(lake, system_table.shape)
    have = {one.name for one in table.schema().fields}
    if any(name not in have for name in system_table.schema.names):
        with table.update_schema() as update:
            update.union_by_name(system_table.schema)
        table.refresh()
    return table


def _files(table: Table, snapshot_id: int) -> int:
    """How many data files a snapshot has: as its summary says, which is read already, else by its manifests."""
    snapshot = table.snapshot_by_id(snapshot_id)
    count = snapshot.summary.additional_properties.get("total-data-files") if snapshot and snapshot.summary else None
    return int(count) if count else len(planned_files(table, snapshot_id))


def _keep_small(lake: Lakehouse, system_table: SystemTable, run_id: str) -> None:
    table = lake.table(system_table.name)
    main = resolve(table)
    if _files(table, main) <= MOST_FILES:
        return
    rows = read(lake, system_table.name, at=main)
    table.metadata.properties["commit.retry.num-retries"] = "0"
    with table.transaction() as transaction:
        transaction.overwrite(
            rows.select(system_table.schema.names),
            AlwaysTrue(),
            snapshot_properties=Provenance(run_id, "system table").summary(),
        )
    table = lake.table(system_table.name)
    # No build reads a system table at a snapshot, so older ones are not needed: the newest holds all records.
    history = [one.snapshot_id for one in sorted(table.metadata.snapshots, key=lambda one: one.sequence_number or 0)]
    table.maintenance.expire_snapshots().by_ids(history[:-_KEPT_SNAPSHOTS]).commit()

"""Publishing: an audited draft becomes the table's current state.

What belongs here: the compare-and-swap on main, and schema changes. Not: writing drafts (write.py), and their audit
(write_audit_publish.py, which alone publishes).
"""

from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.update import AssertTableUUID
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import ContractError, PublishConflictError
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.read import resolve
from lakehouse.tables.references import branch_at, is_at, without
from lakehouse.tables.rows import Rows, RowsElsewhere, RowsInParts
from lakehouse.tables.shape import TableShape, iceberg_schema, schema_change
from lakehouse.tables.write import Draft, ensure_table, fill, storage_guard


@dataclass(frozen=True)
class Published:
    """A table's state after publishing."""

    name: str
    snapshot_id: int
    rows: int


# Only the commit is tried again, never the decision: each attempt reads main again.
_commit_again = retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(20),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)


@_commit_again
def publish(lake: Lakehouse, draft: Draft) -> Published:
    """Make the draft's snapshot the table's current one and drop its branch, in one commit.

    Raises PublishConflictError when main is no longer where the draft began; then main is untouched and the branch
    is still there. Publishing a draft that is published already changes nothing.
    """
    with storage_guard(draft.name):
        table = lake.table(draft.name)
        main = table.metadata.refs["main"].snapshot_id
        if not _continues(table, main, draft.snapshot_id):
            _check_ancestry(table, draft, main)
            lake.commit(
                table,
                (
                    AssertTableUUID(uuid=table.metadata.table_uuid),
                    is_at("main", draft.base_snapshot_id),
                    is_at(draft.branch, draft.snapshot_id),
                ),
                (branch_at("main", draft.snapshot_id), without(draft.branch)),
            )
        return _published(table, draft.name, draft.snapshot_id)


def change_schema(
    lake: Lakehouse, shape: TableShape, rows: Rows, provenance: Provenance, base: int | None = None
) -> Published:
    """Replace the whole table by `rows`, which were audited, in the shape's new columns, in one commit.

    Rows that are elsewhere come into this process for it: Spark cannot change columns and rows in one commit.

    `base` is the published snapshot that was looked at to make the rows (None: it doesn't matter which).
    Raises PublishConflictError when main is no longer there, and ContractError when the column that partitions the
    table would change; then table and schema are untouched.

    Iceberg's schema belongs to the table and not to a branch: changed on a branch, it would show in main before the
    audit. So the new columns and the new rows arrive on main together, under the same compare-and-swap.
    Columns that changed their type are dropped and added.
    """
    with storage_guard(shape.name):
        rows = rows.to_arrow() if isinstance(rows, RowsElsewhere) else rows
        return _replace_all(lake, shape, rows, provenance, base or resolve(ensure_table(lake, shape)))


@_commit_again
def _replace_all(
    lake: Lakehouse, shape: TableShape, rows: pa.Table | RowsInParts, provenance: Provenance, base: int
) -> Published:
    table = lake.table(shape.name)
    if resolve(table) != base:
        raise conflict(shape.name, base, resolve(table))
    have = {one.name: str(one.field_type) for one in table.schema().fields}
    want = {one.name: one for one in iceberg_schema(shape).fields}
    stale = [name for name in have if name not in want or have[name] != str(want[name].field_type)]
    for day in {table.schema().find_column_name(one.source_id) for one in table.spec().fields} & set(stale):
        raise ContractError(
            f"{day!r} partitions the table by day: it can neither be removed nor change its type.",
            where=shape.name,
            fix=f"Drop the table with `slipway tables {shape.name} --drop`; the next run creates it.",
        )
    # One try here: pyiceberg's next one would build on whatever main is then, and take its rows away.
    table.metadata.properties["commit.retry.num-retries"] = "0"
    with table.transaction() as transaction:
        if stale:
            with transaction.update_schema(allow_incompatible_changes=True) as update:
                for name in stale:
                    update.delete_column(name)
        with transaction.update_schema() as update:
            for name, one in want.items():
                if name not in have or name in stale:
                    update.add_column(name, one.field_type, doc=one.doc)
        fill(table, transaction, shape, rows, provenance, None, "main")
    return _published(table, shape.name, resolve(table))


def needs_schema_change(lake: Lakehouse, shape: TableShape) -> str:
    """How the shape differs from the existing table, in words; empty if it does not, or there is none."""
    return schema_change(lake.table(shape.name).schema(), shape) if lake.has(shape.name) else ""


def _check_ancestry(table: Table, draft: Draft, main: int) -> None:
    """Raise PublishConflictError unless the draft's branch continues main: otherwise main's rows would be lost."""
    if main != draft.base_snapshot_id or not _continues(table, draft.snapshot_id, main):
        raise conflict(draft.name, draft.base_snapshot_id, main)
    if draft.branch not in table.metadata.refs:
        raise PublishConflictError(
            f"The draft of {draft.name} is gone: its branch {draft.branch} was dropped in the meantime.",
            where=draft.name,
            fix="Nothing was changed by this write. Run it again: it makes a new draft.",
        )


def _continues(table: Table, snapshot_id: int, ancestor: int) -> bool:
    """Whether the snapshot is `ancestor` or descends from it."""
    step = table.snapshot_by_id(snapshot_id)
    while step is not None and step.snapshot_id != ancestor:
        step = table.snapshot_by_id(step.parent_snapshot_id) if step.parent_snapshot_id else None
    return step is not None


def conflict(name: str, base: int | None, main: int) -> PublishConflictError:
    """The error for a write that began at snapshot `base` (None: at no table) when main has gone on to `main`."""
    return PublishConflictError(
        f"Another process published {name}: this write began at {base or 'no table'}, main is now at {main}.",
        where=name,
        fix="Nothing was lost or changed by this write. Run it again: it starts from the current state.",
    )


def _published(table: Table, name: str, snapshot_id: int) -> Published:
    """What this commit published. Main may be further by now: another process may have published after it."""
    snapshot = table.snapshot_by_id(snapshot_id)
    summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    return Published(name=name, snapshot_id=snapshot_id, rows=int(summary.get("total-records") or 0))

"""Table descriptions: columns, snapshots with their provenance, branches and tags.

What belongs here: what Iceberg's metadata says of a table, and dropping it. Not: what kind of asset a table is, and
whether it is up to date with its inputs, which its declaration decides.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRef

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.provenance import SnapshotProvenance, read_provenance
from lakehouse.tables.write import AUDIT_PREFIX, BRANCH_AGE


@dataclass(frozen=True)
class Overview:
    """A table in one line. `published` is the provenance of its current snapshot; None if it has none."""

    name: str
    owner: str
    description: str
    published: SnapshotProvenance | None


@dataclass(frozen=True)
class ColumnInfo:
    """A column: its name, its Iceberg type, what it means."""

    name: str
    type: str
    doc: str


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot with its provenance; `published` when the table's readers see it now or saw it once."""

    made: SnapshotProvenance
    published: bool


@dataclass(frozen=True)
class Reference:
    """A branch or a tag. An audit branch that waits to be inspected is dropped after `kept_until`."""

    name: str
    kind: str
    snapshot_id: int
    at: datetime
    awaits_inspection: bool
    kept_until: datetime | None


@dataclass(frozen=True)
class Description:
    """The full description of a table; snapshots are newest first."""

    overview: Overview
    location: str
    partitioned_by: Sequence[str]
    columns: Sequence[ColumnInfo]
    snapshots: Sequence[SnapshotInfo]
    references: Sequence[Reference]


def overviews(lake: Lakehouse) -> list[Overview]:
    """Every table in one line, by name."""
    return [_overview(lake.table(name)) for name in lake.names()]


def describe(lake: Lakehouse, name: str) -> Description:
    """Describe the table `name`. Raises UnknownNameError with the nearest table there is."""
    table = lake.table(name)
    main = _ancestry(table)
    fields = table.schema().fields
    return Description(
        overview=_overview(table),
        location=lake.local_path(table.location()) or table.location(),
        partitioned_by=[
            f"{one.transform}({table.schema().find_column_name(one.source_id)})" for one in table.spec().fields
        ],
        columns=[ColumnInfo(one.name, str(one.field_type), one.doc or "") for one in fields],
        snapshots=[
            SnapshotInfo(read_provenance(one), one.snapshot_id in main)
            for one in sorted(table.metadata.snapshots, key=lambda one: -one.timestamp_ms)
        ],
        references=[
            _reference(table, name, reference)
            for name, reference in sorted(table.metadata.refs.items(), key=lambda pair: pair[0])
        ],
    )


def drop(lake: Lakehouse, name: str) -> None:
    """Drop the table `name` with all its snapshots and files. Raises UnknownNameError with the nearest there is.

    The catalog forgets it first: killed in between, files are left that nothing refers to.
    """
    folder = lake.local_path(lake.table(name).location())
    if folder and Path(folder).resolve().is_relative_to(lake.home.warehouse.resolve()):
        # The home's own: with the folder goes what killed writers left there, which no snapshot knows.
        lake.drop_table(name)
        shutil.rmtree(folder, ignore_errors=True)
    else:
        lake.drop_table(name, purge=True)


def _overview(table: Table) -> Overview:
    snapshot = table.current_snapshot()
    return Overview(
        name=".".join(table.name()),
        owner=table.properties.get("owner", ""),
        description=table.properties.get("comment", ""),
        published=read_provenance(snapshot) if snapshot else None,
    )


def _ancestry(table: Table) -> set[int]:
    """The snapshots that were published: the current one and those before it."""
    found: set[int] = set()
    step = table.current_snapshot()
    while step is not None:
        found.add(step.snapshot_id)
        step = table.snapshot_by_id(step.parent_snapshot_id) if step.parent_snapshot_id else None
    return found


def _reference(table: Table, name: str, reference: SnapshotRef) -> Reference:
    snapshot = table.snapshot_by_id(reference.snapshot_id)
    at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000 if snapshot else 0, tz=UTC)
    waits = name.startswith(AUDIT_PREFIX)
    age = timedelta(milliseconds=reference.max_ref_age_ms) if reference.max_ref_age_ms else BRANCH_AGE
    return Reference(
        name=name,
        kind=reference.snapshot_ref_type.value,
        snapshot_id=reference.snapshot_id,
        at=at,
        awaits_inspection=waits,
        kept_until=at + age if waits else None,
    )

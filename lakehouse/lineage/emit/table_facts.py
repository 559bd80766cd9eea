"""Facts of a table from the lakehouse: its location, its columns, the provenance of its published snapshot.

What belongs here: reading it, once for each state. Not: putting it into facets (facets.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.lineage.emit.names import Named, place_of
from lakehouse.tables.describe import ColumnInfo
from lakehouse.tables.provenance import SnapshotProvenance, ancestry, read_provenance

_MOST = 512


@dataclass(frozen=True)
class TableFacts:
    """A table at a snapshot. `made` and `summary` are empty where the snapshot is gone or none was asked for.

    `change` says what the snapshot did to the table before it: CREATE, ALTER or OVERWRITE.
    """

    name: str
    place: Named
    owner: str
    description: str
    columns: Sequence[ColumnInfo]
    made: SnapshotProvenance | None = None
    summary: Mapping[str, str] = field(default_factory=dict)
    change: str = ""

    def number(self, key: str) -> int | None:
        """A count of the summary."""
        text = self.summary.get(key)
        return int(text) if text is not None and text.isdigit() else None


@dataclass
class Tables:
    """Facts of tables by name and snapshot. A snapshot never changes, so each is looked up once."""

    lake: Lakehouse
    _known: dict[tuple[str, int], TableFacts] = field(default_factory=dict)

    def facts(self, name: str, snapshot_id: int | None = None) -> TableFacts | None:
        """The table as it was at the snapshot (None: as it is called now); None where there is no such table."""
        key = (name, snapshot_id or 0)
        if snapshot_id is not None and key in self._known:
            return self._known[key]
        table = self.lake.find(name)
        if table is None:
            return None
        found = _facts(name, table, snapshot_id)
        if found.made is not None:
            if len(self._known) > _MOST:
                self._known.clear()
            self._known[key] = found
        return found

    def made_in(self, name: str, run_id: str) -> TableFacts | None:
        """The table as a run of Dagster published it; None where it did not."""
        table = self.lake.find(name)
        for snapshot in ancestry(table) if table is not None else ():
            if read_provenance(snapshot).run_id == run_id:
                return self.facts(name, snapshot.snapshot_id)
        return None


def _facts(name: str, table: Table, snapshot_id: int | None) -> TableFacts:
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    schema = table.schema()
    if snapshot is not None and snapshot.schema_id is not None:
        schema = table.schemas().get(snapshot.schema_id, schema)
    # A column's meaning is said of the table, and may be mended without a new snapshot.
    docs = {one.name: one.doc for one in table.schema().fields}
    columns = [ColumnInfo(one.name, str(one.field_type), docs.get(one.name) or one.doc or "") for one in schema.fields]
    summary = snapshot.summary.additional_properties if snapshot is not None and snapshot.summary else {}
    return TableFacts(
        name,
        place_of(table.location()),
        table.properties.get("owner", ""),
        table.properties.get("comment", ""),
        columns,
        read_provenance(snapshot) if snapshot is not None else None,
        summary,
        _change(table, snapshot) if snapshot is not None else "",
    )


def _change(table: Table, snapshot: Snapshot) -> str:
    """An audit branch begins at an empty snapshot: what follows it is the table's beginning."""
    parent = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    before = read_provenance(parent) if parent is not None else None
    if parent is None or (parent.parent_snapshot_id is None and not (before and (before.rows or before.definition))):
        return "CREATE"
    return "ALTER" if parent.schema_id != snapshot.schema_id else "OVERWRITE"

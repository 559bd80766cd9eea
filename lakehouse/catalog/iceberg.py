"""pyiceberg's tables, with commits that take as long with hundreds of snapshots as with one.

What belongs here: what keeps pyiceberg from copying a table's whole past again and again. Not: the catalog (catalog.py)
and what is written (tables/).

A commit of pyiceberg looks at the table's metadata about twenty times, and each time applies what is staged and copies
every snapshot that there ever was, deeply.
"""

from typing import Any, Self, TypeVar

from pydantic import BaseModel
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, SnapshotLogEntry
from pyiceberg.table.update import TableUpdate
from pyiceberg.table.update.snapshot import ManageSnapshots

_Model = TypeVar("_Model", bound=BaseModel)


class ManySnapshotsTable(Table):
    """A table whose transactions compute the staged metadata when something was staged, not at each look."""

    def transaction(self) -> Transaction:
        """A transaction, as a table's own."""
        return _Transaction(self)

    def manage_snapshots(self) -> ManageSnapshots:
        """Changes of branches and tags, as a table's own."""
        return ManageSnapshots(transaction=_Transaction(self, autocommit=True))


class _Transaction(Transaction):
    _seen: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with what is staged."""
        seen = self._seen
        if seen is None or seen[0] is not self._table.metadata or seen[1] is not self._updates:
            seen = self._seen = (self._table.metadata, self._updates, super().table_metadata)
        return seen[2]


class _Snapshot(Snapshot):
    """A snapshot that is its own copy: nothing of it can be set."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self


class _LogEntry(SnapshotLogEntry):
    """An entry of the log of snapshots that is its own copy, too."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self


def unchanging(metadata: TableMetadata) -> TableMetadata:
    """The same metadata, of which a deep copy shares the snapshots and their log."""
    snapshots = [_made_of(one, _Snapshot) for one in metadata.snapshots]
    log = [_made_of(one, _LogEntry) for one in metadata.snapshot_log]
    return metadata.model_copy(update={"snapshots": snapshots, "snapshot_log": log})


def _made_of(one: _Model, kind: type[_Model]) -> _Model:
    return one if isinstance(one, kind) else kind.model_construct(one.model_fields_set, **dict(one))

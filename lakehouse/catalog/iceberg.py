"""pyiceberg's tables, with commits that take as long with hundreds of snapshots as with one.

What belongs here: what keeps pyiceberg from copying a table's whole past again and again. Not: the catalog (catalog.py)
and what is written (tables/).

A commit of pyiceberg looks at the table's metadata about twenty times, and each time applies what is staged and copies
every snapshot that there ever was, deeply.
"""

from copy import copy
from typing import Any, Self

from pydantic import BaseModel
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata, TableMetadataV1, TableMetadataV2, TableMetadataV3
from pyiceberg.table.update import TableUpdate
from pyiceberg.table.update.snapshot import ManageSnapshots


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


class _SharedParts(BaseModel):
    """Metadata of which a deep copy has lists and mappings of its own, and shares what is in them: that is frozen."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        parts = {name: copy(part) for name, part in self if isinstance(part, list | dict)}
        return self.model_copy(update=parts)


class _Version1(_SharedParts, TableMetadataV1):
    """Metadata of an Iceberg table of format version 1."""


class _Version2(_SharedParts, TableMetadataV2):
    """Metadata of an Iceberg table of format version 2."""


class _Version3(_SharedParts, TableMetadataV3):
    """Metadata of an Iceberg table of format version 3."""


_SHARING: dict[int, type[TableMetadataV1 | TableMetadataV2 | TableMetadataV3]] = {
    1: _Version1,
    2: _Version2,
    3: _Version3,
}


def unchanging(metadata: TableMetadata) -> TableMetadata:
    """The same metadata, of which a deep copy shares schemas, snapshots and everything else that is frozen."""
    kind = _SHARING[metadata.format_version]
    return metadata if isinstance(metadata, kind) else kind.model_construct(metadata.model_fields_set, **dict(metadata))

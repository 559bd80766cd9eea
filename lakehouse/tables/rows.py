"""Rows to write: in memory, in parts that memory does not hold at once, or in another process.

What belongs here: what a writer needs of rows, whatever holds them. Not: holding them (on_disk.py, spark/tables.py).
"""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.shape import TableShape


class RowsInParts(Protocol):
    """Rows that do not fit into memory: they come in tables of whole days."""

    schema: pa.Schema

    def __len__(self) -> int:
        """How many there are."""
        ...

    def parts(self) -> Iterator[pa.Table]:
        """All of them, in order of days; each call starts from the beginning."""
        ...

    def let_go(self) -> None:
        """Free the disk space that they take."""
        ...


@runtime_checkable
class RowsElsewhere(Protocol):
    """Rows that are not in this process, and write themselves to a branch from where they are (spark/tables.py)."""

    schema: pa.Schema

    def __len__(self) -> int:
        """How many were written; 0 before."""
        ...

    def write(
        self, lake: Lakehouse, shape: TableShape, branch: str, summary: Mapping[str, str], replace: str | None
    ) -> None:
        """Write them to the branch in one commit with this summary, in place of the rows of the filter `replace`."""
        ...

    def to_arrow(self) -> pa.Table:
        """All of them, in this process."""
        ...

    def let_go(self) -> None:
        """Free what they take where they are."""
        ...


Rows: TypeAlias = pa.Table | RowsInParts | RowsElsewhere


def release(rows: Rows) -> None:
    """Free what rows outside of this process's memory take."""
    if not isinstance(rows, pa.Table):
        rows.let_go()

"""Rows on disk: rows that do not fit into memory, computed in parts into files and read by ranges of days.

What belongs here: keeping them on the disk and handing them out in order. Not: computing them (engines, training).
"""

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from lakehouse.catalog.home import scratch_folder
from lakehouse.tables.days import ONE_DAY
from lakehouse.tables.sizes import COPIES, row_bytes

_COPIES_WRITTEN = 3 * COPIES
"""How often a part's rows are held at once while pyiceberg cuts them by day and encodes the files."""
_ROW_GROUP = 1 << 17


@dataclass
class RowsOnDisk:
    """Computed rows in files of which each is sorted by `order`; they are handed out by runs of days.

    The files go with `let_go`, at the latest when nobody holds the object any more.
    """

    folder: TemporaryDirectory
    schema: pa.Schema
    order: Sequence[str]
    limit: int
    rows_by_day: Counter[date] = field(default_factory=Counter)
    files: list[Path] = field(default_factory=list)

    def __len__(self) -> int:
        """How many there are."""
        return self.rows_by_day.total()

    @classmethod
    def empty(cls, scratch: Path, order: Sequence[str], limit: int) -> "RowsOnDisk":
        """None yet: their files will lie in a folder of their own in `scratch`."""
        return cls(scratch_folder(scratch, "rows"), pa.schema([]), order, limit)

    def add(self, rows: pa.Table) -> None:
        """Take some rows, sorted by `order`."""
        self.schema = rows.schema
        if not len(rows):
            return
        counted = pc.value_counts(pc.cast(rows.column(self.order[0]), pa.date32()))
        self.rows_by_day.update({one["values"].as_py(): one["counts"].as_py() for one in counted})
        self.files.append(Path(self.folder.name, f"rows-{len(self.files)}.parquet"))
        pq.write_table(rows, self.files[-1], compression="lz4", row_group_size=_ROW_GROUP)

    def parts(self) -> Iterator[pa.Table]:
        """All rows in order, in tables of whole days."""
        for first, last in self._runs():
            inside = between(self.schema, self.order[:1], first, last)
            rows = ds.dataset(self.files, schema=self.schema).to_table(filter=inside)
            yield rows.take(pc.sort_indices(rows, [(name, "ascending") for name in self.order]))

    def let_go(self) -> None:
        """Delete the files."""
        self.folder.cleanup()

    def to_arrow(self) -> pa.Table:
        """All rows in order, in memory."""
        return pa.concat_tables([self.schema.empty_table(), *self.parts()])

    def _runs(self) -> Iterator[tuple[date, date]]:
        """Runs of days whose rows fit into the limit, sorted and being written."""
        most = max(self.limit // (row_bytes(self.schema) * _COPIES_WRITTEN), 1)
        first, held, last = None, 0, None
        for day in sorted(self.rows_by_day):
            if first and last and held + self.rows_by_day[day] > most:
                yield first, last
                first, held = None, 0
            first, last, held = first or day, day, held + self.rows_by_day[day]
        if first and last:
            yield first, last


def between(schema: pa.Schema, times: Sequence[str], first: date, last: date) -> ds.Expression:
    """Rows of the days (UTC) from `first` to `last`, by any of the times."""
    inside = []
    for name in times:
        kind = schema.field(name).type
        begin, end = (
            pa.scalar(datetime.combine(day, time.min), pa.timestamp("us")).cast(kind) for day in (first, last + ONE_DAY)
        )
        inside.append((ds.field(name) >= begin) & (ds.field(name) < end))
    return reduce(operator.or_, inside)

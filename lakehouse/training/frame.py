"""The result of `training_frame`: the spine's rows with features, computed when they are needed.

What belongs here: joining features to a spine block by block, and the formats of the rows. Not: which tables and
snapshots are read (training_frame.py). A frame that is written to a file is never in memory as a whole.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import SlipwayError
from lakehouse.features.columns import event_times
from lakehouse.features.point_in_time import History
from lakehouse.features.windows import Ints
from lakehouse.training.content_hash import ContentHash
from lakehouse.training.on_demand import OnDemandFeatures
from lakehouse.training.spine import Spine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Joined:
    """A feature set's rows at a snapshot, to be looked up in: `keys` are the spine's, `columns` name there -> here.

    `on_demand` are features that are recomputed from the spine's own columns.
    """

    table: str
    snapshot_id: int
    history: History
    keys: Sequence[str]
    columns: Mapping[str, str]
    on_demand: OnDemandFeatures | None = None

    def values(self, block: pa.Table, times: Ints, max_age: int | None) -> list[pa.Array | pa.ChunkedArray]:
        """The features of a block of the spine, in order."""
        found = self.history.find([block.column(key) for key in self.keys], times, max_age)
        stored = list(dict.fromkeys([*self.columns, *(self.on_demand.inputs if self.on_demand else ())]))
        known = dict(zip(stored, self.history.take(stored, found), strict=True))
        if self.on_demand:
            known |= self.on_demand.values(known, block, self.history.table.schema)
        return [known[name] for name in self.columns]

    @property
    def newest(self) -> str:
        """The time of the newest row (UTC, in seconds), empty without rows."""
        until = self.history.until
        return "" if until is None else as_iso(until)[:19]


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """A spine with features, each row once and in order. Rows are computed when they are first needed.

    `input_snapshots` are the snapshots that tables were read at. `ends` is the time (microseconds) up to which each
    feature set has data: spine rows from the earliest on are an error; without ends, none is.
    """

    spine: Spine
    time: str
    joined: Sequence[Joined]
    input_snapshots: Mapping[str, int]
    max_age: int | None
    ends: Mapping[str, int]
    _summary: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def schema(self) -> pa.Schema:
        """The spine's columns, then the features."""
        features = [
            pa.field(here, one.history.table.schema.field(there).type)
            for one in self.joined
            for there, here in one.columns.items()
        ]
        return pa.schema([*self.spine.schema, *features])

    @property
    def features(self) -> list[str]:
        """The feature columns, in order."""
        return [here for one in self.joined for here in one.columns.values()]

    @cached_property
    def _rows(self) -> pa.Table:
        return pa.concat_tables([self.schema.empty_table(), *self.blocks()])

    def arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        return self._rows

    def polars(self) -> pl.DataFrame:
        """All rows as a Polars frame."""
        return pl.DataFrame(pl.from_arrow(self._rows))

    def pandas(self) -> "pd.DataFrame":
        """All rows as a pandas frame, numbered from 0."""
        return self._rows.to_pandas()

    def duckdb(self) -> duckdb.DuckDBPyRelation:
        """All rows as a DuckDB relation, in a connection of its own."""
        return duckdb.connect().from_arrow(self._rows)

    @property
    def rows(self) -> int:
        """How many rows there are: as many as the spine has."""
        return self._summed_up()["rows"]

    @property
    def content_hash(self) -> str:
        """The SHA-256 of the rows' content (see content_hash.py), whatever they were made from and are kept in."""
        return self._summed_up()["content_hash"]

    def blocks(self) -> Iterator[pa.Table]:
        """The rows, block by block. Raises SlipwayError for spine rows without a time or after what is known."""
        with ThreadPoolExecutor(1) as ahead:
            given = self.spine.blocks()
            following: Future[pa.Table | None] = ahead.submit(next, given, None)
            while (block := following.result()) is not None:
                following = ahead.submit(next, given, None)
                yield self._with_features(block)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the rows to a Parquet file, without having all of them in memory.

        Input snapshots and content hash are stored in the file's metadata, under the key `slipway`. Raises
        SlipwayError when there is no such folder.
        """
        file = Path(path)
        if not file.parent.is_dir():
            raise SlipwayError("There is no such folder.", where=str(file.parent), fix="Create it first.")
        beside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
        content, rows = ContentHash(self.schema), 0
        # Keys and texts repeat themselves, measured numbers do not: looking for it there would be half of the time.
        texts = [one.name for one in self.schema if not pa.types.is_primitive(one.type)]
        try:
            with (
                pq.ParquetWriter(
                    beside,
                    self.schema,
                    compression="lz4",  # half the time of zstd, for a third more bytes
                    use_dictionary=texts,  # pyright: ignore[reportArgumentType]  # it takes names of columns, too
                ) as out,
                ThreadPoolExecutor(1) as writer,
            ):
                written: Future[None] | None = None
                for block in self.blocks():
                    if written:
                        written.result()
                    written = writer.submit(out.write_table, block)
                    content.update(block)
                    rows += len(block)
                if written:
                    written.result()
                self._summary.update(rows=rows, content_hash=content.hexdigest())
                out.add_key_value_metadata({"slipway": json.dumps(self.described())})
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
        return file

    def described(self) -> dict[str, Any]:
        """Return a summary for JSON: rows, columns, input snapshots (as text: they exceed 2**53) and content hash."""
        return {
            "rows": self.rows,
            "time": self.time,
            "features": self.features,
            "input_snapshots": {table: str(pin) for table, pin in sorted(self.input_snapshots.items())},
            "content_hash": self.content_hash,
        }

    def check(self, rows: pa.Table) -> Ints:
        """The times of spine rows, in microseconds. Raises SlipwayError for those that are missing or not known yet."""
        times = event_times(rows, self.time, where=self.spine.name)
        first, end = min(self.ends.items(), key=lambda one: one[1], default=("", None))
        if end is not None and len(times) and times.max() >= end:
            late = int((times >= end).sum())
            raise SlipwayError(
                f"{late:,} rows of the spine are after the features' last day: up to "
                f"{as_iso(int(times.max()))}, and {first} ends before {as_iso(end)}.",
                where=f"{self.spine.name}, {self.time}",
                nearest=as_iso(end - 1),
                fix=f"Build {first}, remove these rows, or allow them "
                "(allow_future=True, --allow-future): they get the newest values.",
            )
        return times

    def _summed_up(self) -> dict[str, Any]:
        """Rows and content hash; to know them, rows that are not in memory are made and let go."""
        if not self._summary:
            content, rows = ContentHash(self.schema), 0
            for block in [self._rows] if "_rows" in vars(self) else self.blocks():
                content.update(block)
                rows += len(block)
            self._summary.update(rows=rows, content_hash=content.hexdigest())
        return self._summary

    def _with_features(self, block: pa.Table) -> pa.Table:
        times = self.check(block)
        columns = list(block.columns)
        for one in self.joined:
            columns += one.values(block, times, self.max_age)
        return pa.Table.from_arrays(columns, schema=self.schema)


def as_iso(time: int) -> str:
    """Return a time in microseconds since 1970 as ISO 8601 text, in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)).isoformat()

"""Computing a feature set that memory does not hold: bucket of entities by bucket, by way of the disk.

What belongs here: spilling the inputs by bucket, computing each, and handing the results out day by day. Not: the
kernel, and rows that memory holds (features.py).

Every row of an entity is in one bucket, so each bucket's rows are what they would be among all others, to the bit. A
bucket with too many rows (one entity with half of all events is enough) is cut by days of the spine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.catalog.home import scratch_folder
from lakehouse.features.compute import compute_rows
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.duck import connect, literal, quoted
from lakehouse.tables.on_disk import RowsOnDisk, between
from lakehouse.tables.read import Plan, arrow_field, attach
from lakehouse.tables.sizes import COPIES, Span, row_bytes, spans_within

_BUCKET = "_bucket"
_MOST_BUCKETS = 256
"""DuckDB keeps a file open for each while it writes them."""
_FIX = "Raise SLIPWAY_MEMORY, use shorter windows, or let Spark compute the set (SLIPWAY_ENGINE=spark)."


@dataclass(frozen=True, eq=False)
class Side:
    """A table that takes part: a name among the others, its planned rows, which columns, and those of the entity's key.

    `times` are the columns by whose time its rows count, `reach` (microseconds) how long they do (None: for ever).
    Without `keys` all of its rows go with each bucket.
    """

    name: str
    planned: Plan
    columns: Sequence[str]
    keys: Sequence[str]
    times: Sequence[str]
    reach: int | None = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns' Arrow types."""
        return pa.schema([arrow_field(self.planned.schema, column) for column in self.columns])

    @property
    def bytes_a_row(self) -> int:
        """How many bytes each row takes while it is worked on."""
        return row_bytes(self.schema) * COPIES


def buckets_needed(feature_set: FeatureSet, spine: Side, sides: Mapping[str, Side], limit: int) -> int:
    """Into how many buckets entities are parted so that one takes `limit` bytes at most; 1 when all fit at once."""
    results = 8 * len(feature_set.columns) * COPIES
    needed = sum(side.planned.rows * side.bytes_a_row for side in dict.fromkeys([spine, *sides.values()]))
    needed += spine.planned.rows * results
    # Twice as many as if all were of one size.
    return 1 if needed <= limit else min(2 * -(-needed // limit), _MOST_BUCKETS)


def compute_in_parts(
    feature_set: FeatureSet, spine: Side, sides: Mapping[str, Side], *, buckets: int, limit: int, scratch: Path
) -> RowsOnDisk:
    """The feature set's rows, of which no more than `limit` bytes are worked on at once.

    `sides` are the tables of events by name. One that is `spine` itself is spilled once.
    Raises SlipwayError for events that cannot be cut into parts so small.
    """
    made = RowsOnDisk.empty(scratch, [feature_set.event_time, feature_set.row_key], limit)
    none = {name: side.schema.empty_table() for name, side in sides.items()}
    made.add(compute_rows(feature_set, none, spine.schema.empty_table()))
    try:
        with scratch_folder(scratch, "parts") as place:
            for rows in _computed(feature_set, spine, sides, buckets, limit, Path(place)):
                made.add(rows)
    except BaseException:
        made.let_go()
        raise
    return made


def _computed(
    feature_set: FeatureSet, spine: Side, sides: Mapping[str, Side], buckets: int, limit: int, place: Path
) -> Iterator[pa.Table]:
    """The rows, part by part."""
    with connect(limit, str(place)) as connection:
        spilled = _Spilled(connection, place, buckets)
        for side in dict.fromkeys([spine, *sides.values()]):
            spilled.put(side)
        for bucket in range(buckets):
            for span in spilled.spans(bucket, spine, list(sides.values()), 8 * len(feature_set.columns), limit):
                rows = spilled.rows(spine, bucket, span, span.since[0] if span else None)
                starts = span.since[1:] if span else [None] * len(sides)
                events = {
                    name: rows if side is spine and span is None else spilled.rows(side, bucket, span, start)
                    for (name, side), start in zip(sides.items(), starts, strict=True)
                }
                yield compute_rows(feature_set, events, rows)


@dataclass(frozen=True)
class _Spilled:
    """Tables on the disk, each cut into buckets of entities."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    buckets: int

    def put(self, side: Side) -> None:
        """Write a table's rows by bucket."""
        rows = attach(self.connection, side.planned, "spilling")
        chosen = ", ".join(quoted(column) for column in side.columns)
        self.connection.execute(
            f"copy (select {chosen}, {_bucket(side, self.buckets)} as {_BUCKET} from {rows}) "
            f"to {literal(str(self._place(side)))} (format parquet, partition_by ({_BUCKET}), compression lz4)"
        )

    def rows(self, side: Side, bucket: int, span: Span | None, since: date | None) -> pa.Table:
        """A bucket's rows of a table; of a span, those from the day `since` on."""
        files = self._files(side, bucket)
        if not files:
            return side.schema.empty_table()
        inside = None
        if span and since:
            inside = between(side.schema, side.times, since, span.last)
        return ds.dataset(files).to_table(columns=list(side.columns), filter=inside).cast(side.schema)

    def spans(self, bucket: int, spine: Side, sides: Sequence[Side], results: int, limit: int) -> Iterator[Span | None]:
        """The runs of days in which a bucket is computed; None: all of it at once."""
        weights: dict[date, list[int]] = {}
        for place, side in enumerate([spine, *sides]):
            width = side.bytes_a_row + (results * COPIES if place == 0 else 0)
            for day, rows in self._rows_by_day(side, bucket):
                weights.setdefault(day, [0] * (1 + len(sides)))[place] += rows * width
        # Uncut, a spine that is a table of events as well is held once.
        twice = sum(sizes[1 + sides.index(spine)] for sizes in weights.values()) if spine in sides else 0
        if sum(map(sum, weights.values())) - twice <= limit:
            yield None
            return
        reaches = [0, *(side.reach for side in sides)]
        yield from spans_within(weights, reaches, limit, whose="this process's", fix=_FIX)

    def _rows_by_day(self, side: Side, bucket: int) -> list[tuple[date, int]]:
        files = self._files(side, bucket)
        if not files:
            return []
        listed = ", ".join(literal(str(file)) for file in files)
        day = f"coalesce({_earliest(side)}::date, date '0001-01-01')"
        found = self.connection.execute(f"select {day} as day, count(*) from read_parquet([{listed}]) group by day")
        return [(day, rows) for day, rows in found.fetchall()]

    def _files(self, side: Side, bucket: int) -> list[Path]:
        # A table without keys has all of its rows in the first bucket; they go with each.
        return sorted((self._place(side) / f"{_BUCKET}={bucket if side.keys else 0}").glob("*.parquet"))

    def _place(self, side: Side) -> Path:
        return self.folder / side.name


def _bucket(side: Side, buckets: int) -> str:
    """The bucket of a row. Equal keys have equal buckets in all tables, whatever the widths of their integers."""
    schema = side.schema
    keys = [
        f"{quoted(key)}::bigint" if pa.types.is_integer(schema.field(key).type) else quoted(key) for key in side.keys
    ]
    return f"hash({', '.join(keys)}) % {buckets}" if keys else "0"


def _earliest(side: Side) -> str:
    return f"least({', '.join(quoted(name) for name in side.times)})" if len(side.times) > 1 else quoted(side.times[0])

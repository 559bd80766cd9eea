"""Computing a feature set that memory does not hold: bucket of entities by bucket, by way of the disk.

What belongs here: spilling the inputs by bucket, computing each, and handing the results out day by day. Not: the
kernel, and rows that memory holds (embedded.py).

Every row of an entity is in one bucket, so each bucket's rows are what they would be among all others, to the bit. A
bucket with too many rows (one entity with half of all events is enough) is cut by days of the spine.
"""

import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from lakehouse.features.compute import compute_rows
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.days import ONE_DAY
from lakehouse.tables.read import Plan, arrow_field, attach, connect, literal, quoted
from lakehouse.tables.sizes import COPIES, Span, row_bytes, spans_within

_BUCKET = "_bucket"
_MOST_BUCKETS = 256
"""DuckDB keeps a file open for each while it writes them."""
_COPIES_WRITTEN = 3 * COPIES
"""How often a part's rows are held at once while pyiceberg cuts them by day and encodes the files."""
_ROW_GROUP = 1 << 17
_LEAST_SPILL = 256 << 20
"""DuckDB does not write to many files with less."""
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


@dataclass
class RowsOnDisk:
    """Computed rows in files of which each is sorted by `order`; they are handed out by runs of days.

    The files go when nobody holds the object any more.
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
            inside = _between(self.schema, self.order[:1], first, last)
            rows = ds.dataset(self.files, schema=self.schema).to_table(filter=inside)
            yield rows.take(pc.sort_indices(rows, [(name, "ascending") for name in self.order]))

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


def compute_in_parts(
    feature_set: FeatureSet, spine: Side, sides: Mapping[str, Side], *, buckets: int, limit: int, scratch: Path
) -> RowsOnDisk:
    """The feature set's rows, of which no more than `limit` bytes are worked on at once.

    `sides` are the tables of events by name. One that is `spine` itself is spilled once.
    Raises SlipwayError for events that cannot be cut into parts so small.
    """
    folder = TemporaryDirectory(prefix="rows-", dir=scratch)
    made = RowsOnDisk(folder, pa.schema([]), [feature_set.event_time, feature_set.row_key], limit)
    try:
        with TemporaryDirectory(prefix="parts-", dir=scratch) as place:
            for rows in _computed(feature_set, spine, sides, buckets, limit, Path(place)):
                made.add(rows)
    except BaseException:
        folder.cleanup()  # an error keeps hold of what it went through
        raise
    return made


def _computed(
    feature_set: FeatureSet, spine: Side, sides: Mapping[str, Side], buckets: int, limit: int, place: Path
) -> Iterator[pa.Table]:
    """The rows, part by part."""
    with connect(max(limit, _LEAST_SPILL), str(place)) as connection:
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
            inside = _between(side.schema, side.times, since, span.last)
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


def _between(schema: pa.Schema, times: Sequence[str], first: date, last: date) -> ds.Expression:
    """Rows of the days (UTC) from `first` to `last`, by any of the times."""
    inside = []
    for name in times:
        kind = schema.field(name).type
        begin, end = (
            pa.scalar(datetime.combine(day, time.min), pa.timestamp("us")).cast(kind) for day in (first, last + ONE_DAY)
        )
        inside.append((ds.field(name) >= begin) & (ds.field(name) < end))
    return reduce(operator.or_, inside)

"""Training frames: any spine with any features, as they were known at each row's time.

What belongs here: `training_frame` and its result. Not: reading the spine (spine.py), what names mean (selection.py),
and declared training sets as tables (assemble.py, training_tables.py).

The features' tables are read at pinned snapshots, the columns that are asked for only, and kept in memory. The spine
goes through block by block: written to a file it never is in memory as a whole.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.types import StringType

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.columns import check_kinds, event_times
from lakehouse.features.duration import DAY, microseconds
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.point_in_time import History, check_present
from lakehouse.features.sameness import deprecations, warn
from lakehouse.features.windows import Ints
from lakehouse.query import input_snapshots_at
from lakehouse.tables.provenance import current_snapshots, read_provenance
from lakehouse.tables.read import Pin, arrow_field, check_columns, plan, read_plan, resolve
from lakehouse.training.content_hash import ContentHash
from lakehouse.training.lateness import rows_as_known
from lakehouse.training.on_demand import Requested, requested
from lakehouse.training.selection import Chosen, Declared, Feature, choose
from lakehouse.training.spine import Given, Spine, read_spine
from lakehouse.training.training_set import TrainingSet

if TYPE_CHECKING:
    import pandas as pd

At: TypeAlias = "str | int | datetime | Mapping[str, int | str] | None"
"""Where tables are read: a snapshot id, tag, branch or UTC time, or a pin for each table (as another's `.pins`)."""


@dataclass(frozen=True)
class Joined:
    """A feature set's rows at a snapshot, to be looked up in: `keys` are the spine's, `columns` name there -> here.

    `requested` are features that the spine's own columns make anew.
    """

    table: str
    snapshot_id: int
    history: History
    keys: Sequence[str]
    columns: Mapping[str, str]
    requested: Requested | None = None

    def values(self, block: pa.Table, times: Ints, max_age: int | None) -> list[pa.Array | pa.ChunkedArray]:
        """The features of a block of the spine, in order."""
        found = self.history.find([block.column(key) for key in self.keys], times, max_age)
        stored = list(dict.fromkeys([*self.columns, *(self.requested.inputs if self.requested else ())]))
        known = dict(zip(stored, self.history.take(stored, found), strict=True))
        if self.requested:
            known |= self.requested.values(known, block, self.history.table.schema)
        return [known[name] for name in self.columns]

    @property
    def newest(self) -> str:
        """The time of the newest row (UTC, in seconds), empty without rows."""
        until = self.history.until
        return "" if until is None else _moment(until)[:19]


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """A spine with features, each row of it once and in order. Rows are made when they are first asked for.

    `pins` are the snapshots that everything was read from, by table. `ends` says up to when each feature set is known,
    in microseconds: spine rows from the earliest on are refused; without ends, none is.
    """

    spine: Spine
    time: str
    joined: Sequence[Joined]
    input_snapshots: Mapping[str, int]
    max_age: int | None
    ends: Mapping[str, int]
    _told: dict[str, Any] = field(default_factory=dict, repr=False)

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
    def fingerprint(self) -> str:
        """The SHA-256 of the rows' content (see content.py), whatever they were made from and are kept in."""
        return self._summed_up()["fingerprint"]

    def blocks(self) -> Iterator[pa.Table]:
        """The rows, block by block. Raises SlipwayError for spine rows without a time or after what is known."""
        with ThreadPoolExecutor(1) as ahead:
            given = self.spine.blocks()
            following: Future[pa.Table | None] = ahead.submit(next, given, None)
            while (block := following.result()) is not None:
                following = ahead.submit(next, given, None)
                yield self._with_features(block)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the rows to a Parquet file, without ever having all of them in memory. Pins and fingerprint go with it.

        They stand in the file's metadata, under the key `slipway`. Raises SlipwayError when there is no such folder.
        """
        file = Path(path)
        if not file.parent.is_dir():
            raise SlipwayError("There is no such folder.", where=str(file.parent), fix="Make it first.")
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
                self._told.update(rows=rows, fingerprint=content.hexdigest())
                out.add_key_value_metadata({"slipway": json.dumps(self.described())})
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
        return file

    def described(self) -> dict[str, Any]:
        """What it is, for JSON: rows, columns, pins (texts: they exceed 2**53) and the fingerprint."""
        return {
            "rows": self.rows,
            "time": self.time,
            "features": self.features,
            "input_snapshots": {table: str(pin) for table, pin in sorted(self.input_snapshots.items())},
            "fingerprint": self.fingerprint,
        }

    def check(self, rows: pa.Table) -> Ints:
        """The times of spine rows, in microseconds. Raises SlipwayError for those that are missing or not known yet."""
        times = event_times(rows, self.time, where=self.spine.name)
        first, end = min(self.ends.items(), key=lambda one: one[1], default=("", None))
        if end is not None and len(times) and times.max() >= end:
            late = int((times >= end).sum())
            raise SlipwayError(
                f"{late:,} rows of the spine are for times that the features do not know yet: up to "
                f"{_moment(int(times.max()))}, and {first} ends before {_moment(end)}.",
                where=f"{self.spine.name}, {self.time}",
                nearest=_moment(end - 1),
                fix=f"Bring {first} up to date, leave such rows out, or allow it "
                "(allow_future=True, --allow-future): they get what is known by then.",
            )
        return times

    def _summed_up(self) -> dict[str, Any]:
        """Rows and fingerprint; to know them, rows that are not in memory are made and let go."""
        if not self._told:
            content, rows = ContentHash(self.schema), 0
            for block in [self._rows] if "_rows" in vars(self) else self.blocks():
                content.update(block)
                rows += len(block)
            self._told.update(rows=rows, fingerprint=content.hexdigest())
        return self._told

    def _with_features(self, block: pa.Table) -> pa.Table:
        times = self.check(block)
        columns = list(block.columns)
        for one in self.joined:
            columns += one.values(block, times, self.max_age)
        return pa.Table.from_arrays(columns, schema=self.schema)


def training_frame(  # noqa: PLR0913  # each is a question of its own
    spine: Given,
    features: Feature | Iterable[Feature],
    *,
    time: str | None = None,
    keys: Mapping[str, str] | None = None,
    max_age: str | None = None,
    allow_future: bool = False,
    as_known: bool = False,
    at: At = None,
    lake: Lakehouse | None = None,
    domains: Sequence[Declared] | None = None,
) -> TrainingFrame:
    """The rows of a spine, each once and in the given order, with features as they were known at each row's time.

    `spine` is a frame (Polars, pandas, Arrow, DuckDB), a file (Parquet, CSV, JSON lines) or SQL over the lakehouse; it
    has the features' keys (`keys` says where a spine calls one otherwise: table's name -> spine's name) and one column
    of times (`time` says which, where there are several), UTC where they have no zone. `features` are feature sets,
    training sets, or names of those and of single features. Columns are called `<set>__<feature>`.

    A feature is null as long as its entity has no row, and when the newest is older than `max_age` ("30d"). With
    `as_known` a row counts from when it could really be read, and `max_age` from then on (availability.py). `at` pins
    the tables (default: as published now), `lake` is the lakehouse (default: from the environment), `domains` are where
    names are looked up (default: what the installed project declares).

    Raises SlipwayError (UnknownNameError, DeclarationError) for names, columns and snapshots that do not exist, keys of
    another type than the table's, a spine without a usable time, and times after the last day that each feature set is
    known for, unless `allow_future`. Warns (SlipwayWarning) of feature sets that are deprecated, with their successors,
    and of those whose tables were made by another definition than the one that is declared now.
    """
    lake = lake or open_lakehouse()
    wanted = [features] if isinstance(features, str | FeatureSet | TrainingSet) else list(features)
    chosen = choose(wanted, domains)
    warn(deprecations("The frame", [one.feature_set for one in chosen]))
    names = [one.feature_set.name for one in chosen]
    current_snapshots(lake, names)  # says so of one that was never published
    asked = _inputs_of(lake, wanted, at) or at
    input_snapshots = lambda more: _input_snapshots(lake, [*more, *names], asked)  # noqa: E731
    spoken = dict(keys or {})
    given = read_spine(lake, spine, input_snapshots=input_snapshots, texts=_text_keys(lake, chosen, spoken))
    column = given.time_column(time)
    here = input_snapshots(list(given.input_snapshots))
    reading = rows_as_known if as_known else None
    fitting = [_fit(lake, one, here[one.feature_set.name], given, spoken, reading) for one in chosen]
    warn(_outdated(lake, chosen, here) if at is None else ())
    # While one table is read, another is arranged.
    with ThreadPoolExecutor(2) as pool:
        joined = list(pool.map(lambda one: one(), fitting))
    # Each set alone: beside one that is up to date, one that is not would pass old values for new ones. But attributes
    # hold until they change: where there is anything else, theirs is no end.
    windowed = {one.feature_set.name for one in chosen if one.feature_set.aggregates}
    ends = {one.table: (one.history.until // DAY + 1) * DAY for one in joined if one.history.until is not None}
    ends = {table: end for table, end in ends.items() if table in windowed} or ends
    frame = TrainingFrame(
        spine=given,
        time=column,
        joined=joined,
        input_snapshots={**given.input_snapshots, **{one.table: one.snapshot_id for one in joined}},
        max_age=microseconds(max_age, where="max_age") if max_age else None,
        ends={} if allow_future else ends,
    )
    if given.rows is not None:
        frame.check(given.rows)
    return frame


def _outdated(lake: Lakehouse, chosen: Sequence[Chosen], here: Mapping[str, Pin]) -> Iterator[str]:
    """A sentence for each set whose definition changed after its table was made."""
    for one in (each.feature_set for each in chosen):
        snapshot = lake.table(one.name).snapshot_by_id(resolve(lake.table(one.name), here[one.name]))
        made = read_provenance(snapshot) if snapshot else None
        if made and made.definition and made.definition != one.fingerprint():
            yield f"{one.name} was made before its definition changed and has old values: build it for the new ones."


def _input_snapshots(lake: Lakehouse, names: Sequence[str], at: At) -> Mapping[str, Pin]:
    """Where each table is read."""
    if isinstance(at, Mapping):
        return {name: at.get(name) for name in names}
    text = at.isoformat() if isinstance(at, datetime) else None if at is None else str(at)
    return input_snapshots_at({name: lake.table(name) for name in names}, text)


def _inputs_of(lake: Lakehouse, features: Sequence[Feature], at: At) -> Mapping[str, int] | None:
    """What a training set among the features was made from at the snapshot `at`, if it is one of its snapshots."""
    if not isinstance(at, int | str) or not str(at).isdigit():
        return None
    for one in features:
        name = one if isinstance(one, str) else one.name
        snapshot = lake.table(name).snapshot_by_id(int(at)) if lake.has(name) else None
        if snapshot is not None and (isinstance(one, TrainingSet) or not isinstance(one, FeatureSet)):
            input_snapshots = read_provenance(snapshot).input_snapshots
            return input_snapshots or None
    return None


def _text_keys(lake: Lakehouse, chosen: Sequence[Chosen], spoken: Mapping[str, str]) -> frozenset[str]:
    """The spine's columns that are keys of a text type in a feature set's table."""
    return frozenset(
        spoken.get(key, key)
        for one in chosen
        for key in one.feature_set.entity.keys
        if isinstance(lake.table(one.feature_set.name).schema().find_type(key), StringType)
    )


def _fit(
    lake: Lakehouse,
    chosen: Chosen,
    at: Pin,
    spine: Spine,
    spoken: Mapping[str, str],
    reading: Callable[[Lakehouse, FeatureSet, Sequence[str], int], pa.Table] | None,
) -> Callable[[], Joined]:
    """What reads as much as is needed of a feature set's table. Raises SlipwayError when the spine does not fit it."""
    one = chosen.feature_set
    entity = list(one.entity.keys)
    mine = [spoken.get(key, key) for key in entity]
    check_present(spine.schema, mine, where=spine.name)
    planned = plan(lake, one.name, at=at)
    for key, here in zip(entity, mine, strict=True):
        check_kinds(
            arrow_field(planned.schema, key).type, spine.schema.field(here).type, where=f"{one.name}, key {key!r}"
        )
    taken = [here for here in chosen.named().values() if here in spine.schema.names]
    if taken:
        raise SlipwayError(
            f"{spine.name} has columns that are called as features are: {', '.join(taken)}.",
            where=one.name,
            fix="Rename them in the spine, or ask for other features.",
        )
    made = requested(chosen, spine.schema, where=spine.name)
    inputs = made.inputs if made else ()
    needed = list(dict.fromkeys([one.row_key, one.event_time, *entity, *chosen.columns, *inputs]))
    check_columns(planned, needed)

    def join() -> Joined:
        rows = reading(lake, one, needed, planned.snapshot_id) if reading else read_plan(planned, needed)
        history = History.of(rows, entity=entity, time=one.event_time, row_key=one.row_key, where=one.name)
        return Joined(one.name, planned.snapshot_id, history, mine, chosen.named(), made)

    return join


def _moment(time: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)).isoformat()

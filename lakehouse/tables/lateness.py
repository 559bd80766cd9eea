"""Data lateness: when rows of a table became readable, from the history of its snapshots.

What belongs here: publishing times by row. Not: what was declared, and what follows from the two (training/).

A day's rows became readable when the number of that day's rows first grew to hold them. So a compaction, a rebuild
under a new definition or any other rewriting of the same rows loses nothing: no number grows. Iceberg's own log says
when each snapshot became the published one; an audit branch is older than that.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from pyiceberg.manifest import DataFileContent
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.days import EPOCH, ONE_DAY, days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import ancestry
from lakehouse.tables.read import Pin, is_by_day, plan_table, read, resolve, scan_sql
from lakehouse.tables.write import ONE_MILLISECOND

READABLE = "_readable_at"
HISTORY = "_history"
_DAY, _NUMBER, _PLACE = "_day", "_number", "_place"

Days = Counter[int | None]
"""Rows by day, counted from 1970."""


@dataclass(frozen=True)
class Readable:
    """Rows of a table with `_readable_at` (UTC), and `_history`: whether they were loaded as history.

    `since` is when the table's first rows were published. What happened before then was loaded as history: when it
    could have been read is not known, however late it was loaded. What happened since arrived live.
    """

    rows: pl.DataFrame
    since: datetime | None


def known_at(
    lake: Lakehouse, name: str, columns: Sequence[str], *, event_time: str, at: Pin = None, more: Sequence[str] = ()
) -> Readable:
    """The rows of a table at a snapshot, as `columns`, with when each became readable.

    `columns` tell rows apart that share a day; those that are equal in all of them became readable in turn. The columns
    `more` come along: a row in which they were corrected is as old as before. Rows without a time are left
    out. Raises UnknownNameError for a column that there is not.
    """
    wanted = list(dict.fromkeys([event_time, *columns]))
    pin = resolve(lake.table(name), at)
    rows = pl.DataFrame(pl.from_arrow(read(lake, name, [*wanted, *more], at=pin))).drop_nulls(event_time)
    grown = _growth(lake, name, event_time, pin)
    since = min((moment for steps in grown.values() for moment, _ in steps), default=None)
    rows = rows.with_columns(pl.col(event_time).dt.date().alias(_DAY))
    once = {EPOCH + day * ONE_DAY: steps[0][0] for day, steps in grown.items() if day is not None and len(steps) == 1}
    often = {EPOCH + day * ONE_DAY: steps for day, steps in grown.items() if day is not None and len(steps) > 1}
    parts = [
        rows.join(_moments(once), on=_DAY),
        _in_turn(lake, name, rows.filter(pl.col(_DAY).is_in(list(often))), often, wanted, event_time),
    ]
    found = pl.concat([part.select(*wanted, *more, READABLE) for part in parts])
    moment = pl.col(event_time).dt.convert_time_zone("UTC") if _zoned(rows, event_time) else pl.col(event_time)
    history = moment.dt.replace_time_zone(None) < pl.lit(since, pl.Datetime("us"))
    return Readable(found.with_columns(history.alias(HISTORY)), since)


def _zoned(rows: pl.DataFrame, column: str) -> bool:
    kind = rows.schema[column]
    return isinstance(kind, pl.Datetime) and kind.time_zone is not None


def _growth(lake: Lakehouse, name: str, event_time: str, pin: int) -> dict[int | None, list[tuple[datetime, int]]]:
    """By day: when the number of its rows grew beyond what it ever was, and the snapshots that it did so in."""
    table = lake.table(name)
    known: dict[str, Days] = {}
    most: Days = Counter()
    found: dict[int | None, list[tuple[datetime, int]]] = {}
    by_manifests = is_by_day(table) and _partitioned_by(table) == event_time
    for moment, snapshot in _publications(table, pin):
        counts = _by_manifests(table, snapshot, known) if by_manifests else _by_rows(lake, table, snapshot, event_time)
        for day, number in counts.items():
            if number > most[day]:
                most[day] = number
                found.setdefault(day, []).append((moment, snapshot.snapshot_id))
    return found


def _publications(table: Table, pin: int) -> list[tuple[datetime, Snapshot]]:
    """The snapshots up to `pin` that were published, with when they were, oldest first."""
    published: dict[int, int] = {}
    for entry in table.metadata.snapshot_log:
        published.setdefault(entry.snapshot_id, entry.timestamp_ms)
    steps = [one for one in ancestry(table, pin) if one.snapshot_id in published or one.snapshot_id == pin]
    return [(_utc(published.get(one.snapshot_id, one.timestamp_ms)), one) for one in reversed(steps)]


def _by_manifests(table: Table, snapshot: Snapshot, known: dict[str, Days]) -> Days:
    """Rows by day from metadata alone; snapshots share most of their manifests."""
    total: Days = Counter()
    for manifest in snapshot.manifests(table.io):
        if manifest.manifest_path not in known:
            counts: Days = Counter()
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                sign = 1 if entry.data_file.content is DataFileContent.DATA else -1
                counts[entry.data_file.partition[0]] += sign * entry.data_file.record_count
            known[manifest.manifest_path] = counts
        total.update(known[manifest.manifest_path])
    return total


def _partitioned_by(table: Table) -> str | None:
    """The column that the first partition field is made of."""
    return table.schema().find_column_name(table.spec().fields[0].source_id)


def _by_rows(lake: Lakehouse, table: Table, snapshot: Snapshot, event_time: str) -> Days:
    """Rows by day of a table that is not parted by the days of this time: its times are read."""
    planned = plan_table(lake, table, at=snapshot.snapshot_id)
    if planned.local_files is None:
        times = read(lake, ".".join(table.name()), [event_time], at=snapshot.snapshot_id)
        frame = pl.DataFrame(pl.from_arrow(times)).drop_nulls()
        counted = frame.group_by((pl.col(event_time).dt.date() - EPOCH).dt.total_days()).len()
        return Counter(dict(counted.iter_rows()))
    with borrow() as connection:
        found = connection.execute(
            f"select {quoted(event_time)}::date - date '1970-01-01', count(*) from {scan_sql(planned)} "
            f"where {quoted(event_time)} is not null group by 1"
        ).fetchall()
    return Counter(dict(found))


def _in_turn(
    lake: Lakehouse,
    name: str,
    rows: pl.DataFrame,
    grown: Mapping[date, Sequence[tuple[datetime, int]]],
    columns: list[str],
    event_time: str,
) -> pl.DataFrame:
    """The rows of days that grew more than once: what was there at each of these times is read and compared."""
    steps = sorted({step for of_day in grown.values() for step in of_day})
    arrived = [rows.select(*columns).clear().with_columns(pl.lit(None, pl.Datetime("us")).alias(READABLE), _place())]
    most = None
    for moment, snapshot_id in steps:
        days = [day for day, of_day in grown.items() if (moment, snapshot_id) in of_day]
        there = read(lake, name, columns, at=snapshot_id, where=days_filter(event_time, days))
        counted = pl.DataFrame(pl.from_arrow(there)).group_by(columns).agg(pl.len().cast(pl.Int64).alias(_NUMBER))
        before = counted.select(*columns, pl.lit(0, pl.Int64).alias(_PLACE)) if most is None else most
        new = counted.join(before, on=columns, how="left", nulls_equal=True).with_columns(pl.col(_PLACE).fill_null(0))
        places = new.with_columns(pl.int_ranges(_PLACE, pl.max_horizontal(_PLACE, _NUMBER)))
        places = places.explode(_PLACE).drop_nulls(_PLACE)
        arrived.append(places.select(*columns, pl.lit(moment, pl.Datetime("us")).alias(READABLE), _PLACE))
        seen = pl.concat([before.select(*columns, _PLACE), counted.select(*columns, pl.col(_NUMBER).alias(_PLACE))])
        most = seen.group_by(columns).agg(pl.col(_PLACE).max())
    placed = rows.with_columns(_place().over(columns))
    found = placed.join(pl.concat(arrived), on=[*columns, _PLACE], how="left", nulls_equal=True)
    # A row that no step brought is one whose values were corrected while the number of rows stayed: as old as its day.
    first = _moments({day: of_day[0][0] for day, of_day in grown.items()}).rename({READABLE: "_first"})
    found = found.join(first, on=_DAY, how="left")
    return found.with_columns(pl.coalesce(READABLE, "_first").alias(READABLE))


def _moments(of_days: Mapping[date, datetime]) -> pl.DataFrame:
    """One row a day, with a time."""
    schema = {_DAY: pl.Date, READABLE: pl.Datetime("us")}
    return pl.DataFrame({_DAY: list(of_days), READABLE: list(of_days.values())}, schema=schema)


def _place() -> pl.Expr:
    return pl.int_range(pl.len(), dtype=pl.Int64).alias(_PLACE)


def _utc(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1) + milliseconds * ONE_MILLISECOND  # noqa: DTZ001  # table times are UTC without a zone

"""The content hash of a training set's snapshot, stored at write time for comparison with a rebuild.

What belongs here: the hash of a training set's rows by day, and updating it from snapshot to snapshot. Not: the hash of
rows (content_hash.py), and comparing (reproduce.py).

A run writes some days and leaves the others: one hash over all rows would cost the whole history each time. So each
day has its own hash, and the content hash is the sum of SHA-256(day, hash of the day) over all days, modulo 2^256. Days
that are replaced are subtracted from the sum and added again. It detects accidental differences; somebody who can
choose rows freely could construct two sets of days with one sum.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.protocol import Engine
from lakehouse.errors import UnknownNameError
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.rows import Rows
from lakehouse.tables.shape import TableShape
from lakehouse.training.content_hash import content_hashes_by_day
from lakehouse.training.training_set import TrainingSet

CONTENT = "content"
"""Key in a snapshot's summary for the content hash of all its rows: 64 hexadecimal digits."""
_WHOLE = 1 << 256


def note(lake: Lakehouse, name: str, snapshot_id: int, key: str) -> str:
    """Return a snapshot's summary entry `slipway.<key>`; empty when the entry or the snapshot does not exist."""
    snapshot = lake.table(name).snapshot_by_id(snapshot_id)
    properties = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    return properties.get(f"slipway.{key}", "")


def content_of(training_set: TrainingSet, rows: pa.Table) -> str:
    """Return the content hash of rows of a training set, in any order."""
    return _text(_sum(hash_days(training_set, rows)))


def content_note(
    lake: Lakehouse, engine: Engine, training_set: TrainingSet, work: BuildPlan, rows: Rows, shape: TableShape
) -> dict[str, str]:
    """Return the summary entry for the snapshot that writes the engine's `rows` to a table of `shape`."""

    def before(pin: int, days: Sequence[date] | None) -> int:
        return _sum(engine.hash_snapshot(lake, training_set, pin, days))

    added = _sum(engine.hash_rows(training_set, rows, shape))
    if work.days is None or work.before is None:
        return {CONTENT: _text(added)}
    pin = work.before.snapshot_id
    noted = note(lake, training_set.name, pin, CONTENT)
    try:
        total = int(noted, 16) if noted else before(pin, None)
        gone = before(pin, work.days)
    except UnknownNameError:
        return {}  # the rows before have other columns: the whole table is about to be rebuilt
    return {CONTENT: _text(total - gone + added)}


def hash_days(training_set: TrainingSet, rows: pa.Table) -> dict[date, str]:
    """Return the content hash of each day's rows, in order of time and row key."""
    time = training_set.event_time
    ordered = rows.select(training_set.columns).sort_by([(time, "ascending"), (training_set.row_key, "ascending")])
    return dict(content_hashes_by_day([ordered], time))


def _sum(days: Mapping[date, str]) -> int:
    """The sum over the days."""
    return sum(_of_day(day, mark) for day, mark in days.items())


def _of_day(day: date, mark: str) -> int:
    return int(hashlib.sha256(f"{day.isoformat()} {mark}".encode()).hexdigest(), 16)


def _text(total: int) -> str:
    return f"{total % _WHOLE:064x}"

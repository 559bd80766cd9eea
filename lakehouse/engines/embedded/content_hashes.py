"""Content hashes of a training set's days, of rows that this process reads.

What belongs here: reading and hashing. Not: the hash (training/content_hash.py), and what is stored with a snapshot
(training/stored_hashes.py).
"""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.days import days_filter
from lakehouse.tables.on_disk import RowsOnDisk
from lakehouse.tables.read import read
from lakehouse.tables.rows import Rows
from lakehouse.training.content_hash import content_hashes_by_day
from lakehouse.training.stored_hashes import hash_days
from lakehouse.training.training_set import TrainingSet


def hash_rows(training_set: TrainingSet, rows: Rows) -> dict[date, str]:
    """Return the content hash of each day of rows. See Engine.hash_rows."""
    if isinstance(rows, RowsOnDisk):
        parts = (part.select(training_set.columns) for part in rows.parts())
        return dict(content_hashes_by_day(parts, training_set.event_time))
    if not isinstance(rows, pa.Table):
        raise TypeError(f"The rows are a {type(rows).__name__}, which is not the embedded engine's.")
    return hash_days(training_set, rows)


def hash_snapshot(lake: Lakehouse, training_set: TrainingSet, pin: int, days: Sequence[date] | None) -> dict[date, str]:
    """Return the content hash of each day of a snapshot. See Engine.hash_snapshot."""
    where = days_filter(training_set.event_time, days) if days is not None else None
    return hash_days(training_set, read(lake, training_set.name, training_set.columns, at=pin, where=where))

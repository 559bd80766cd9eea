"""Content hashes of a training set's days, computed on Spark, where the rows are.

What belongs here: reading and hashing. Not: the hash (training/content_hash.py), and what is stored with a snapshot
(training/stored_hashes.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.spark.distributed import apply_to_partitions
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.tables import Pinned, SparkRows, pinned
from lakehouse.tables.days import days_filter
from lakehouse.tables.rows import Rows
from lakehouse.tables.shape import TableShape
from lakehouse.training.content_hash import content_hashes_by_day
from lakehouse.training.training_set import TrainingSet

_MARKS = pa.schema([("day", pa.date32()), ("mark", pa.string())])


def hash_rows(training_set: TrainingSet, rows: Rows, shape: TableShape) -> dict[date, str]:
    """Return the content hash of each day of rows. See Engine.hash_rows.

    The rows are computed by this, and kept on Spark's disks until they are written.
    """
    if not isinstance(rows, SparkRows):
        raise TypeError(f"The rows are a {type(rows).__name__} and not on Spark.")
    with spark_errors(rows.where):
        rows.hold(shape)
    try:
        return _days(training_set, rows, shape)
    except BaseException:
        rows.let_go()
        raise


def hash_snapshot(lake: Lakehouse, training_set: TrainingSet, pin: int, days: Sequence[date] | None) -> dict[date, str]:
    """Return the content hash of each day of a snapshot. See Engine.hash_snapshot."""
    time = training_set.event_time
    where = days_filter(time, days) if days is not None else None
    table = pinned(lake, training_set.name, training_set.columns, at=pin, where=where)
    rows = SparkRows(table.frame, table.schema, [time, training_set.row_key], f"{training_set.name}@{pin} on Spark")
    return _days(training_set, rows, TableShape(training_set.name, table.schema, time))


def _days(training_set: TrainingSet, rows: SparkRows, shape: TableShape) -> dict[date, str]:
    with spark_errors(rows.where):
        ordered = Pinned(rows.arranged(shape), shape.schema, 0)
        marked = apply_to_partitions(ordered, _Marks(training_set.event_time), _MARKS).toArrow()
    return {row["day"]: row["mark"] for row in marked.to_pylist()}


@dataclass(frozen=True)
class _Marks:
    """From rows in order of time to a row with the day and its content hash."""

    time: str

    def __call__(self, blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for day, mark in content_hashes_by_day(blocks, self.time):
            yield pa.table({"day": [day], "mark": [mark]}, schema=_MARKS)

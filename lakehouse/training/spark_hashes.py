"""Fingerprints of a training set's days, taken where its rows are: on Spark.

What belongs here: Spark's counterpart of the reading and hashing in noted.py. Not: what is noted, and the hash.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.spark.carried import carry_stream
from lakehouse.spark.tables import Pinned, SparkRows, pinned
from lakehouse.spark.words import in_words
from lakehouse.tables.days import days_filter
from lakehouse.tables.shape import TableShape
from lakehouse.training.content_hash import fingerprints_by_day
from lakehouse.training.training_set import TrainingSet

_MARKS = pa.schema([("day", pa.date32()), ("mark", pa.string())])


def days_to_write(training_set: TrainingSet, rows: SparkRows, shape: TableShape) -> dict[date, str]:
    """The fingerprint of each day of rows that will be written to a table of `shape`.

    The rows are computed by this, and held on Spark's disks until they are written.
    """
    with in_words(rows.where):
        rows.hold(shape)
    try:
        return _days(training_set, rows, shape)
    except BaseException:
        rows.let_go()
        raise


def days_of_snapshot(
    lake: Lakehouse, training_set: TrainingSet, pin: int, days: Sequence[date] | None
) -> dict[date, str]:
    """The same of the rows of `days` (None: all) that the training set's snapshot `pin` holds.

    Raises UnknownNameError when it has not the columns that are declared now.
    """
    time = training_set.event_time
    where = days_filter(time, days) if days is not None else None
    table = pinned(lake, training_set.name, training_set.columns, at=pin, where=where)
    rows = SparkRows(table.frame, table.schema, [time, training_set.row_key], f"{training_set.name}@{pin} on Spark")
    return _days(training_set, rows, TableShape(training_set.name, table.schema, time))


def _days(training_set: TrainingSet, rows: SparkRows, shape: TableShape) -> dict[date, str]:
    with in_words(rows.where):
        ordered = Pinned(rows.arranged(shape), shape.schema, 0)
        marked = carry_stream(ordered, _Marks(training_set.event_time), _MARKS).toArrow()
    return {row["day"]: row["mark"] for row in marked.to_pylist()}


@dataclass(frozen=True)
class _Marks:
    """From rows in order of time to a row with the day and its fingerprint."""

    time: str

    def __call__(self, blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for day, mark in fingerprints_by_day(blocks, self.time):
            yield pa.table({"day": [day], "mark": [mark]}, schema=_MARKS)

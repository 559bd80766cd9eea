"""Training rows, put together in memory, or run of days by run of days by way of the disk.

What belongs here: what memory holds at once. Not: the joins (training/assemble.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.days import days_filter
from lakehouse.tables.on_disk import RowsOnDisk
from lakehouse.tables.read import plan, rows_by_day
from lakehouse.tables.sizes import COPIES, memory_left
from lakehouse.training.assemble import assemble
from lakehouse.training.training_set import TrainingSet


def training_rows(
    lake: Lakehouse,
    training_set: TrainingSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    labels_until: datetime,
    limit: int | None = None,
) -> pa.Table | RowsOnDisk:
    """Return the training set's rows, on the disk when they need more than `limit` bytes. See Engine.training_rows.

    A feature set on another spine is read whole for each run of days.
    """
    one = training_set
    limit = limit or memory_left(lake.settings)
    where = days_filter(one.event_time, days) if days is not None else None
    rows = rows_by_day(plan(lake, one.spine, at=input_snapshots[one.spine], where=where))
    runs = list(_runs(rows, limit // (8 * len(one.columns) * COPIES)))
    if len(runs) <= 1:
        return assemble(lake, one, input_snapshots, days, labels_until)
    made = RowsOnDisk.empty(lake.home.work, [one.event_time, one.row_key], limit)
    try:
        for run in runs:
            made.add(assemble(lake, one, input_snapshots, run, labels_until))
    except BaseException:
        made.let_go()
        raise
    return made


def _runs(rows: Mapping[date, int], most: int) -> Iterator[list[date]]:
    """The days in runs of no more than `most` rows, or of one day."""
    run: list[date] = []
    for day in sorted(rows):
        if run and sum(rows[each] for each in run) + rows[day] > most:
            yield run
            run = []
        run.append(day)
    if run:
        yield run

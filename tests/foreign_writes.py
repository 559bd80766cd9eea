"""What other engines do to Iceberg tables, and the clock by which they and we do it.

What belongs here: writes without Slipway's notes, and a clock for publishing. Not: our own writes (scenario.py).
"""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.table.snapshots import Operation, Summary

from lakehouse.catalog.lakehouse import Lakehouse


def compact(lake: Lakehouse, name: str) -> int:
    """Write the same rows to other files, as Spark's rewrite_data_files does: a `replace`; returns the snapshot."""
    table = lake.table(name)
    before, rows = [task.file for task in table.scan().plan_files()], table.scan().to_arrow()
    with table.transaction() as transaction, transaction.update_snapshot().overwrite() as rewriting:
        producer: Any = rewriting
        summarize = producer._summary

        def as_replace(properties: dict[str, str]) -> Summary:
            summary = summarize(properties)
            return Summary(Operation.REPLACE, **summary.additional_properties)

        producer._summary = as_replace
        for file in before:
            rewriting.delete_data_file(file)
        files = _dataframe_to_data_files(table_metadata=transaction.table_metadata, df=rows, io=table.io)
        for file in files:
            rewriting.append_data_file(file)
    snapshot = lake.table(name).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation is Operation.REPLACE
    return snapshot.snapshot_id


def append(lake: Lakehouse, name: str, rows: pa.Table) -> int:
    """Append rows as somebody else would; returns the snapshot."""
    table = lake.table(name)
    table.append(rows.cast(table.schema().as_arrow()))
    snapshot = lake.table(name).current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


class Clock:
    """The time at which pyiceberg believes to commit; it stands still until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
        self.at = at
        clock = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return clock.at.replace(tzinfo=UTC).astimezone(tz)

        timed = SimpleNamespace(time=lambda: clock.at.replace(tzinfo=UTC).timestamp())
        monkeypatch.setattr("pyiceberg.table.snapshots.time", timed)
        monkeypatch.setattr("pyiceberg.table.update.datetime", Now)

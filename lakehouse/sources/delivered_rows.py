"""A delivery's rows as they are landed: read, with the columns that record their origin.

What belongs here: one delivery's rows. Not: which deliveries (pending.py), and reading formats (reading.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sources.deliveries import Delivery, require_unchanged
from lakehouse.sources.reading import Read, read_delivery
from lakehouse.sources.source import METADATA, Source


@dataclass(frozen=True)
class LandedRows:
    """A delivery's n rows in the columns of the landed table, and what was read for them.

    `unreadable` marks the rows whose value could not be read, by column (boolean masks of n).
    """

    rows: pa.Table
    unreadable: Mapping[str, np.ndarray]
    read: Read

    def as_delivered(self, numbers: Sequence[int]) -> list[str]:
        """The rows of these numbers (from 1) as they were delivered, as JSON."""
        chosen = self.read.delivered.take(pa.array([number - 1 for number in numbers], pa.int64()))
        return [json.dumps(row, default=str, ensure_ascii=False) for row in chosen.to_pylist()]


def landed_rows(source: Source, delivery: Delivery, days: Sequence[date], now: datetime) -> LandedRows:
    """The delivery's rows of `days`. Raises DeliveryError for a bad file, and for one that changed in the meantime."""
    read = read_delivery(source, delivery.path)
    require_unchanged(delivery)
    number = len(read.rows)
    marked = {
        "_file": pa.repeat(pa.scalar(delivery.name), number),
        "_row": pa.array(np.arange(1, number + 1)),
        "_fingerprint": pa.repeat(pa.scalar(delivery.fingerprint), number),
        "_arrived_at": pa.repeat(pa.scalar(now, pa.timestamp("us")), number),
    }
    rows = read.rows
    for field in METADATA:
        rows = rows.append_column(field, marked[field.name])
    unreadable = read.unreadable
    if len(days) < len(delivery.days):
        day = rows.column(source.event_time).cast(pa.date32())
        # A row without a possible time has no day; it comes with any part of its delivery, and goes to quarantine.
        later = pa.array(sorted(set(delivery.days) - set(days)), pa.date32())
        wanted = pc.invert(pc.is_in(day, later))
        kept = wanted.to_numpy()
        rows, unreadable = rows.filter(wanted), {name: mask[kept] for name, mask in unreadable.items()}
    return LandedRows(rows, unreadable, read)

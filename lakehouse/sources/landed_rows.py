"""A delivery's rows as they are landed: read, and marked with where they came from.

What belongs here: one delivery's rows. Not: which deliveries (landing.py), and reading formats (reading.py).
"""

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.sources.deliveries import Delivery
from lakehouse.sources.reading import read_delivery
from lakehouse.sources.source import METADATA, Source


def landed_rows(source: Source, delivery: Delivery, days: Sequence[date], now: datetime) -> pa.Table:
    """The delivery's rows of `days`, in the columns of the landed table. Raises DeliveryError for a bad file."""
    rows = read_delivery(source, delivery.path)
    number = len(rows)
    marked = {
        "_file": pa.repeat(pa.scalar(delivery.name), number),
        "_row": pa.array(np.arange(1, number + 1)),
        "_fingerprint": pa.repeat(pa.scalar(delivery.fingerprint), number),
        "_arrived_at": pa.repeat(pa.scalar(now, pa.timestamp("us")), number),
    }
    for field in METADATA:
        rows = rows.append_column(field, marked[field.name])
    if len(days) < len(delivery.days):
        day = rows.column(source.event_time).cast(pa.date32())
        # A row without a possible time has no day; it comes with any part of its delivery, and goes to quarantine.
        later = pa.array(sorted(set(delivery.days) - set(days)), pa.date32())
        rows = rows.filter(pc.invert(pc.is_in(day, later)))
    return rows

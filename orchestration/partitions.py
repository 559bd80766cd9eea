"""Day partitions: which days a source has, as Dagster partitions.

What belongs here: from deliveries to a partitions definition and back to days. Not: landing.
"""

from contextlib import suppress
from datetime import date, timedelta

import dagster as dg

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeliveryError
from lakehouse.sources.deliveries import inspect
from lakehouse.sources.source import Source
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import published_days

_LIVE = timedelta(days=31)


def days_of(lake: Lakehouse, source: Source) -> list[date]:
    """The days that the source was ever delivered for: landed, or waiting in the drop folder."""
    landed = published_days(lake, source.name) if last_published(lake, source.name) else []
    waiting = []
    with suppress(DeliveryError):  # a drop folder that nobody made yet
        waiting = [day for delivery in inspect(lake.home, source) for day in delivery.days]
    return sorted({*landed, *waiting})


def partitions_of(lake: Lakehouse, source: Source) -> dg.DailyPartitionsDefinition:
    """A partition for each day from the first delivered one on, so that a day without a delivery shows as missing.

    While deliveries keep coming the end is open. Of a source that ended long ago no day after the last is expected.
    """
    today = clock.now().date()
    days = days_of(lake, source)
    first, last = (days[0], days[-1]) if days else (today - timedelta(days=1), today)
    if last >= today - _LIVE:
        return dg.DailyPartitionsDefinition(first.isoformat())
    return dg.DailyPartitionsDefinition(first.isoformat(), end_date=(last + timedelta(days=1)).isoformat())


def range_tags(first: date, last: date) -> dict[str, str]:
    """The run tags that ask for all days from `first` to `last` in one run."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }

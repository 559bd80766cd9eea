"""Runs that new deliveries ask for, and the sensor that looks for them.

What belongs here: from pending deliveries to run requests. Not: fixed times (schedules.py).
"""

import hashlib
from collections.abc import Iterator

import dagster as dg

from assets.loading import Domain
from lakehouse.catalog import Lakehouse
from lakehouse.errors import DeliveryError
from lakehouse.sources.landing import find_pending
from lakehouse.tables.days import spans
from orchestration.partitions import range_tags


def pending_runs(lake: Lakehouse, domain: Domain) -> Iterator[dg.RunRequest]:
    """A run of the daily job for each unbroken run of days that wait in a drop folder."""
    for source in domain.sources:
        pending = find_pending(lake, source)
        contents = hashlib.sha256("".join(sorted(pending.deliveries)).encode()).hexdigest()[:12]
        for first, last in spans(pending.days):
            yield dg.RunRequest(
                run_key=f"{source.name}:{first}:{last}:{contents}",
                job_name=f"{domain.name}_daily",
                tags=range_tags(first, last),
            )


def delivery_sensor(domain: Domain) -> dg.SensorDefinition:
    """Looks every minute for deliveries that were not landed yet. Off until somebody starts it."""

    @dg.sensor(
        name=f"{domain.name}_new_deliveries",
        job_name=f"{domain.name}_daily",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Starts the daily job when files arrive in a drop folder.",
    )
    def look_for_deliveries(lake: dg.ResourceParam[Lakehouse]) -> Iterator[dg.RunRequest | dg.SkipReason]:
        try:
            requests = list(pending_runs(lake, domain))
        except DeliveryError as error:
            yield dg.SkipReason(str(error))
            return
        yield from requests or [dg.SkipReason("Nothing new was delivered.")]

    return look_for_deliveries

"""Runs that new deliveries ask for, and the sensor that looks for them.

What belongs here: from pending deliveries to run requests. Not: fixed times (schedules.py).
"""

import hashlib
from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from lakehouse.ingestion.pending import find_pending
from orchestration.partitions import range_tags
from orchestration.planning import PlannedRun, plan_deliveries


def run_request(domain: Domain, planned: PlannedRun, run_key: str | None = None) -> dg.RunRequest:
    """The daily job for a planned run."""
    return dg.RunRequest(
        run_key=run_key,
        job_name=f"{domain.name}_daily",
        asset_selection=planned.only,
        tags={**range_tags(planned.first, planned.last), "slipway/because": "; ".join(planned.because)[:255]},
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
            planned = plan_deliveries(lake, domain)
            content = _content(lake, domain)
        except SlipwayError as error:
            yield dg.SkipReason(str(error))
            return
        for one in planned:
            # A refused delivery is tried again when it, or the contract, is another one.
            yield run_request(domain, one, f"{domain.name}:{one.first}:{one.last}:{content}")
        if not planned:
            yield dg.SkipReason("Nothing new was delivered.")

    return look_for_deliveries


def _content(lake: Lakehouse, domain: Domain) -> str:
    (source,) = domain.sources
    waiting = find_pending(lake, source).content
    return hashlib.sha256("".join([source.definition(), *waiting]).encode()).hexdigest()[:12]

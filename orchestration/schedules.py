"""Schedules: the daily load and the weekly retraining. Stopped until somebody starts them.

What belongs here: fixed times. Not: reacting to deliveries (sensors.py).
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from orchestration.planning import plan_run
from orchestration.sensors import run_request


def domain_schedules(domain: Domain) -> list[dg.ScheduleDefinition]:
    """`<domain>_daily_load` at 06:00 UTC and `<domain>_weekly_retraining` on Mondays at 07:00 UTC."""

    @dg.schedule(
        name=f"{domain.name}_daily_load",
        job_name=f"{domain.name}_daily",
        cron_schedule="0 6 * * *",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Lands pending deliveries, recomputes what is stale, scores the newest day.",
    )
    def load_daily(lake: dg.ResourceParam[Lakehouse]) -> Iterator[dg.RunRequest | dg.SkipReason]:
        try:
            planned = plan_run(lake, domain, models=False)
        except SlipwayError as error:
            yield dg.SkipReason(str(error))
            return
        if planned is None:
            yield dg.SkipReason("No new delivery, and everything is up to date.")
        else:
            yield run_request(domain, planned)

    weekly = dg.ScheduleDefinition(
        name=f"{domain.name}_weekly_retraining",
        job_name=f"{domain.name}_retrain",
        cron_schedule="0 7 * * 1",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Trains on the newest labelled days; the best candidate goes live if it passes its gates.",
    )
    return [load_daily, weekly]

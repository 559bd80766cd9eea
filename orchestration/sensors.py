"""The sensor that looks for new deliveries, and the runs that it requests.

What belongs here: from what lies in the drop folders to run requests. Not: fixed times (schedules.py). The sensor never
opens a file: it compares names, sizes and modification times.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from lakehouse.tables.provenance import last_published
from orchestration.dependencies import asset_graph, roots
from orchestration.lineage.metadata import days_tag
from orchestration.planning import PlannedRun, plan_builds, plan_deliveries

_GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def run_request(domain: Domain, planned: PlannedRun, run_key: str | None = None) -> dg.RunRequest:
    """The daily job for a planned run."""
    return dg.RunRequest(
        run_key=run_key,
        job_name=f"{domain.name}_daily",
        asset_selection=planned.only,
        tags={**days_tag(planned.days), "slipway/because": "; ".join(planned.because)[:255]},
    )


def delivery_sensor(domain: Domain) -> dg.SensorDefinition:
    """The sensor that looks every minute for new deliveries and new inputs. Stopped until somebody starts it."""

    @dg.sensor(
        name=f"{domain.name}_new_deliveries",
        job_name=f"{domain.name}_daily",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Starts the daily job when files arrive in a drop folder, or when a table of another domain that "
        "this one reads was published.",
    )
    def look_for_deliveries(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lakehouse]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        try:
            yield from _look(context, lake, domain)
        except SlipwayError as error:
            yield dg.SkipReason(str(error))

    return look_for_deliveries


def _look(
    context: dg.SensorEvaluationContext, lake: Lakehouse, domain: Domain
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    planned = plan_deliveries(lake, domain, open_files=False)
    key = f"{domain.name}:{_short(planned.content)}" if planned is not None else ""
    # The same deliveries are requested once, until one of them or the state of a circuit breaker changes.
    if planned is not None and not _was_requested(context.instance, key):
        yield run_request(domain, planned, key)
        return
    published = _published(lake, domain)
    if published == context.cursor:
        yield dg.SkipReason("No new delivery.")
    elif _is_running(context.instance, domain):
        yield dg.SkipReason("No new delivery; a run of this domain is in progress.")
    else:
        planned = plan_builds(lake, domain, models=False)
        context.update_cursor(published)  # only now: a plan that failed is made again
        if planned is None:
            yield dg.SkipReason("No new delivery, and everything is up to date.")
        else:
            yield run_request(domain, planned, f"{domain.name}:inputs:{_short([published])}")


def _published(lake: Lakehouse, domain: Domain) -> str:
    """The present snapshots of the domain's sources and of what it reads from other domains, as JSON."""
    published = {name: last_published(lake, name) for name in sorted(roots(asset_graph(lake, [domain]), domain))}
    return json.dumps({name: str(made.snapshot_id) for name, made in published.items() if made is not None})


def _was_requested(instance: dg.DagsterInstance, run_key: str) -> bool:
    """Whether a run with this key was requested before: Dagster would pass over another one."""
    return bool(instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": run_key}), limit=1))


def _is_running(instance: dg.DagsterInstance, domain: Domain) -> bool:
    """Whether a run of one of the domain's jobs is queued or in progress."""
    jobs = {f"{domain.name}_{job}" for job in ("main", "daily", "retrain")}
    return any(run.job_name in jobs for run in instance.get_runs(dg.RunsFilter(statuses=_GOING_ON)))


def _short(content: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]

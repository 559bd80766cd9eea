"""The definitions: every domain's declarations as one Dagster asset graph.

What belongs here: merging the domains' assets, jobs, schedules and sensors. Not: any domain, and any kind of asset.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.domain import Domain
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domains
from orchestration.dependencies import asset_graph
from orchestration.executor import executor_of
from orchestration.factories import build_assets
from orchestration.jobs import domain_jobs
from orchestration.metadata import with_pages
from orchestration.progress import Progress
from orchestration.schedules import domain_schedules
from orchestration.sensors import delivery_sensor


def build_defs(
    lake: Lakehouse | None = None, domains: Sequence[Domain] | None = None, progress: Progress | None = None
) -> dg.Definitions:
    """The definitions over a lakehouse (default: the environment's) and domains (default: all)."""
    lake = lake or open_lakehouse()
    chosen = load_domains() if domains is None else domains
    graph = asset_graph(lake, chosen)
    resources: dict[str, Any] = {"lake": lake, "progress": progress or Progress()}
    own = dg.Definitions(resources=resources, executor=executor_of(lake.settings))
    return dg.Definitions.merge(own, *(domain_defs(lake, graph, domain) for domain in chosen))


def domain_defs(lake: Lakehouse, graph: AssetGraph, domain: Domain) -> dg.Definitions:
    """One domain's assets, checks, jobs, schedules and sensor. Raises DeclarationError for a wrong declaration."""
    graph.check(domain)
    assets = with_pages(build_assets(lake, graph, domain), lake.settings)
    jobs, schedules = domain_jobs(domain, graph), domain_schedules(domain)
    return dg.Definitions(assets=assets, jobs=jobs, schedules=schedules, sensors=[delivery_sensor(domain)])


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that Dagster's tools load; built on request, so that importing this module opens no home."""
    return build_defs()

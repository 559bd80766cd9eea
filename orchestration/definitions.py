"""The one graph: every domain's declarations as Dagster definitions.

What belongs here: putting the factories' results together. Not: any domain and any kind of asset by itself.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.loading import load_domains
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.domain import Domain, check_domain
from lakehouse.transforms.project import TransformProject, load_project
from orchestration.features import feature_assets
from orchestration.jobs import domain_jobs
from orchestration.metadata import with_pages
from orchestration.models import model_asset, predictions_asset
from orchestration.partitions import partitions_of
from orchestration.progress import Progress
from orchestration.schedules import domain_schedules
from orchestration.sensors import delivery_sensor
from orchestration.sources import source_asset
from orchestration.training import training_asset
from orchestration.transforms import transform_assets


def build_defs(
    lake: Lakehouse | None = None, domains: Sequence[Domain] | None = None, progress: Progress | None = None
) -> dg.Definitions:
    """The definitions over a lakehouse (default: the environment's) and domains (default: all)."""
    lake = lake or open_lakehouse()
    project = load_project(lake.settings, lake.home)
    parts = [domain_defs(lake, domain, project) for domain in (load_domains() if domains is None else domains)]
    resources: dict[str, Any] = {"lake": lake, "progress": progress or Progress()}
    own = dg.Definitions(resources=resources, executor=dg.in_process_executor)
    return dg.Definitions.merge(own, *parts)


def domain_defs(lake: Lakehouse, domain: Domain, project: TransformProject) -> dg.Definitions:
    """One domain's assets, checks, jobs, schedules and sensor."""
    models = [model for model in project.models if model.table.split(".")[0] == domain.name]
    check_domain(domain, models, project.work)
    engine = lake.settings.engine
    assets = [source_asset(one, partitions_of(lake, one), domain, models, engine) for one in domain.sources]
    assets += [transform_assets(project, models, domain.name, engine)] if models else []
    assets += feature_assets(lake, domain, engine)
    assets += [training_asset(training_set, engine) for training_set in domain.training_sets]
    for model in domain.models:
        training_set = domain.training_set(model.training_set)
        assets += [model_asset(model, training_set), predictions_asset(model, training_set)]
    assets, jobs, schedules = with_pages(assets, lake.settings), domain_jobs(domain), domain_schedules(domain)
    return dg.Definitions(assets=assets, jobs=jobs, schedules=schedules, sensors=[delivery_sensor(domain)])


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's tools load; made when it is asked for, so that importing this module touches no home."""
    return build_defs()

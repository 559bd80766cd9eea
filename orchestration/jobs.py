"""Jobs, one set for each domain.

What belongs here: which assets a job selects. Not: when it runs (schedules.py, sensors.py).
"""

from typing import Any

import dagster as dg

from lakehouse.domain import Domain
from orchestration.checks import asset_key


def domain_jobs(domain: Domain) -> list[Any]:  # Dagster does not export the type
    """`<domain>_main` does everything, `<domain>_daily` all but training, `<domain>_retrain` only that."""
    everything = dg.AssetSelection.groups(domain.name)
    models = dg.AssetSelection.assets(*(asset_key(model.name) for model in domain.models))
    training_sets = dg.AssetSelection.assets(*(asset_key(one.name) for one in domain.training_sets))
    return [
        dg.define_asset_job(
            f"{domain.name}_main", everything, description="From deliveries to a live model and its predictions."
        ),
        dg.define_asset_job(
            f"{domain.name}_daily",
            everything - models,
            description="Lands new deliveries, computes features, and scores the newest day with the present champion.",
        ),
        dg.define_asset_job(
            f"{domain.name}_retrain",
            training_sets | models,
            description="Trains the candidates on the newest labelled days; the best goes live if it passes its gates.",
        ),
    ]

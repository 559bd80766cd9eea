"""Jobs, one set for each domain.

What belongs here: which assets a job selects. Not: when it runs (schedules.py, sensors.py).
"""

from typing import Any

import dagster as dg

from lakehouse.domain import Domain
from lakehouse.kinds.graph import AssetGraph
from orchestration.checks import asset_key


def domain_jobs(domain: Domain, graph: AssetGraph) -> list[Any]:  # Dagster does not export the type
    """`<domain>_main` does everything, `<domain>_daily` all but training, `<domain>_retrain` only that."""
    everything = dg.AssetSelection.groups(domain.name)
    trained = [asset for asset in graph.of_domain(domain.name) if asset.kind.trained]
    models = dg.AssetSelection.assets(*(asset_key(asset.name) for asset in trained))
    training_sets = dg.AssetSelection.assets(*(asset_key(name) for asset in trained for name in asset.inputs))
    return [
        dg.define_asset_job(
            f"{domain.name}_main", everything, description="From deliveries to a live model and its predictions."
        ),
        dg.define_asset_job(
            f"{domain.name}_daily",
            everything - models,
            description="Lands new deliveries, computes features, and scores the newest day with the current champion.",
        ),
        dg.define_asset_job(
            f"{domain.name}_retrain",
            training_sets | models,
            description="Trains the candidates on the newest labelled days; the best goes live if it passes its gates.",
        ),
    ]

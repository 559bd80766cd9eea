"""The factory of batch predictions.

What belongs here: from a table of predictions to its Dagster asset. Not: scoring (lakehouse/models/predictions.py).
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.kinds.predictions import PredictionsAsset
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.predictions import predict
from lakehouse.tables.incremental import Outcome
from orchestration.build_config import BuildConfig, report
from orchestration.factories import Declared, asset_definition, factory
from orchestration.pictures import distributions
from orchestration.progress import Progress


@factory(PredictionsAsset)
def predictions_assets(declared: Declared[PredictionsAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's predictions."""
    return [predictions_asset(asset) for asset in declared.assets]


def predictions_asset(asset: PredictionsAsset) -> dg.AssetsDefinition:
    """The asset that holds the live model's scores of the newest day."""
    model = asset.declaration

    @asset_definition(asset, kinds={"iceberg", "mlflow"})
    def score_newest_day(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        def build() -> Outcome:
            return predict(
                lake,
                open_registry(lake.home),
                model,
                asset.training_set,
                run_id=context.run.run_id,
                asked=config.asked(),
                rebuild=config.rebuild,
            )

        yield from report(
            context,
            lake,
            progress,
            build,
            lambda built: distributions(lake, asset.name, ["score"], built.snapshot_id),
        )

    return score_newest_day

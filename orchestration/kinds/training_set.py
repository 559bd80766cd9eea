"""The factory of training sets.

What belongs here: from a training set to its Dagster asset. Not: assembling rows (lakehouse/training).
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.choice import engine_named
from lakehouse.features.sameness import deprecations
from lakehouse.kinds.column_lineage import direct_pairs
from lakehouse.kinds.training_set import TrainingSetAsset
from lakehouse.tables.incremental import Outcome
from lakehouse.training.training_tables import build_training_set
from orchestration.build_config import BuildConfig, report
from orchestration.factories import Declared, asset_definition, factory
from orchestration.metadata import column_lineage
from orchestration.pictures import rows_per_day
from orchestration.progress import Progress


@factory(TrainingSetAsset)
def training_assets(declared: Declared[TrainingSetAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's training sets."""
    return [training_asset(asset) for asset in declared.assets]


def training_asset(asset: TrainingSetAsset) -> dg.AssetsDefinition:
    """The asset that keeps a training set's table up to date."""
    training_set = asset.declaration

    @asset_definition(
        asset,
        kinds={"iceberg", *engine_named(asset.engine).kinds["training_sets"]},
        metadata={"label": training_set.label.column, "label_known_at": training_set.label.known_at},
    )
    def assemble_training_set(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        for warning in deprecations(training_set.name, training_set.feature_sets):
            context.log.warning(warning)

        def build() -> Outcome:
            return build_training_set(
                lake, training_set, run_id=context.run.run_id, asked=config.asked(), rebuild=config.rebuild
            )

        lineage = dg.MetadataValue.column_lineage(column_lineage(direct_pairs(asset.column_lineage)))
        yield from report(
            context,
            lake,
            progress,
            build,
            lambda built: {"rows_of_each_day": rows_per_day(lake, training_set.name, built.snapshot_id)},
            **{"dagster/column_lineage": lineage},
        )

    return assemble_training_set

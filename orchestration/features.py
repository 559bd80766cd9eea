"""Feature sets as assets.

What belongs here: the factory from a feature set's declaration to its asset. Not: computing features.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from lakehouse.catalog import Lakehouse
from lakehouse.engines.choice import engine_of
from lakehouse.engines.feature_tables import CHECKS, Built, build_feature_set
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import feature_lineage
from orchestration.checks import asset_key, check_specs
from orchestration.metadata import column_lineage
from orchestration.pictures import distributions
from orchestration.progress import Progress
from orchestration.upkeep import UpkeepConfig, report


def feature_asset(feature_set: FeatureSet, engine: str = "embedded") -> dg.AssetsDefinition:
    """The asset that keeps a feature set's table up to date; `engine` is what computes it."""

    @dg.asset(
        key=asset_key(feature_set.name),
        deps=[asset_key(name) for name in feature_set.inputs()],
        check_specs=check_specs(feature_set.name, CHECKS),
        group_name=feature_set.name.split(".")[0],
        description=feature_set.description,
        owners=[feature_set.owner],
        kinds={"iceberg", "spark" if engine == "spark" else "numpy"},
        tags={"slipway/kind": "feature_set", "slipway/entity": "-".join(feature_set.entity.keys)},
        metadata={"entity": str(feature_set.entity), "delay": feature_set.delay},
        code_version=feature_set.fingerprint(),
    )
    def compute_features(
        context: dg.AssetExecutionContext,
        config: UpkeepConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        def build() -> Built:
            return build_feature_set(
                lake,
                engine_of(lake, feature_set),
                feature_set,
                run_id=context.run.run_id,
                asked=config.asked(),
                rebuild=config.rebuild,
            )

        def pictures(built: Built) -> Mapping[str, bytes]:
            if not built.outcome.recomputed:
                return {}
            shown = distributions(lake, feature_set.name, feature_set.columns, built.outcome.snapshot_id)
            return {"distributions": shown}

        lineage = dg.MetadataValue.column_lineage(column_lineage(feature_lineage(feature_set)))
        yield from report(context, lake, progress, build, pictures, **{"dagster/column_lineage": lineage})

    return compute_features

"""Feature sets as assets.

What belongs here: the factory from a feature set's declaration to its asset. Not: computing features.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from lakehouse.catalog import Lakehouse
from lakehouse.engines.embedded import EmbeddedEngine
from lakehouse.engines.feature_tables import CHECKS, Built, build_feature_set
from lakehouse.features.feature_set import CalendarFeature, FeatureSet
from orchestration.checks import asset_key, check_specs
from orchestration.metadata import column_lineage
from orchestration.pictures import distributions
from orchestration.progress import Progress
from orchestration.upkeep import UpkeepConfig, report


def feature_asset(feature_set: FeatureSet) -> dg.AssetsDefinition:
    """The asset that keeps a feature set's table up to date."""

    @dg.asset(
        key=asset_key(feature_set.name),
        deps=[asset_key(name) for name in dict.fromkeys([feature_set.spine, feature_set.source])],
        check_specs=check_specs(feature_set.name, CHECKS),
        group_name=feature_set.name.split(".")[0],
        description=feature_set.description,
        owners=[feature_set.owner],
        kinds={"iceberg", "numpy"},
        tags={"slipway/kind": "feature_set", "slipway/entity": feature_set.entity.key},
        metadata={"entity": feature_set.entity.key, "delay": feature_set.delay},
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
                EmbeddedEngine(),
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


def feature_lineage(feature_set: FeatureSet) -> dict[str, list[tuple[str, str]]]:
    """Which columns each feature is made from."""
    edges: dict[str, list[tuple[str, str]]] = {
        column: [(feature_set.spine, column)] for column in feature_set.spine_columns()
    }
    for declared in feature_set.features:
        for feature in declared.features():
            edges[feature.column] = [(feature_set.spine, feature_set.event_time)]
            if not isinstance(declared, CalendarFeature):
                used = [feature_set.event_time, feature_set.entity.key]
                used += [declared.measure] if declared.aggregation != "count" else []
                edges[feature.column] = [(feature_set.source, column) for column in used]
    return edges

"""The factory of feature sets.

What belongs here: from a feature set to its Dagster asset, and the warnings about features when the graph is loaded.
Not: computing features.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.choice import engine_named, engine_of
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.feature_tables.equal_values import remembered, twice_check_result
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import feature_lineage
from lakehouse.features.sameness import deprecations, warn
from lakehouse.kinds.feature_set import FeatureSetAsset
from lakehouse.tables.incremental import Outcome
from orchestration.build_config import BuildConfig, report
from orchestration.factories import Declared, asset_definition, factory
from orchestration.metadata import column_lineage
from orchestration.pictures import distributions
from orchestration.progress import Progress


@factory(FeatureSetAsset)
def feature_assets(declared: Declared[FeatureSetAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's feature sets.

    Warns about uses of deprecated sets, and about features that had equal values when they were last computed.
    """
    domain = declared.domain
    taken = [(one.name, one.feature_sets) for one in domain.training_sets]
    taken += [(one.name, one.uses) for one in domain.feature_sets]
    warn(message for user, used in taken for message in deprecations(user, used))
    warn(str(one) for one in remembered(declared.lake, domain.feature_sets))
    return [feature_asset(asset, domain.feature_sets) for asset in declared.assets]


def feature_asset(asset: FeatureSetAsset, others: Sequence[FeatureSet] = ()) -> dg.AssetsDefinition:
    """The asset that keeps a feature set's table up to date; `others` are the sets that it is compared with."""
    feature_set = asset.declaration
    beside = [one for one in others if one.name != feature_set.name]

    @asset_definition(
        asset,
        kinds={"iceberg", *engine_named(asset.engine).kinds["features"]},
        tags={"slipway/entity": "-".join(feature_set.entity.keys)},
        metadata={"entity": str(feature_set.entity), "delay": feature_set.delay},
    )
    def compute_features(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        def report_progress(text: str) -> None:
            context.log.info(text)
            progress.report(feature_set.name, text)

        def build() -> Outcome:
            built = build_feature_set(
                lake,
                engine_of(lake, feature_set.engine),
                feature_set,
                run_id=context.run.run_id,
                asked=config.asked(),
                rebuild=config.rebuild,
                progress=report_progress,
            )
            if not built.recomputed:
                return built
            return replace(built, check_results=(*built.check_results, twice_check_result(lake, feature_set, beside)))

        def pictures(built: Outcome) -> Mapping[str, bytes]:
            if not built.recomputed:
                return {}
            return distributions(lake, feature_set.name, feature_set.columns, built.snapshot_id)

        lineage = dg.MetadataValue.column_lineage(column_lineage(feature_lineage(feature_set)))
        yield from report(context, lake, progress, build, pictures, **{"dagster/column_lineage": lineage})

    return compute_features

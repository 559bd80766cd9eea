"""The factory of feature sets.

What belongs here: from a feature set to its Dagster asset, and the warnings about features when the graph is loaded.
Not: computing features.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.choice import engine_of
from lakehouse.engines.equal_values import remembered, twice_check_result
from lakehouse.engines.feature_tables import build_feature_set
from lakehouse.engines.protocol import Engine
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import feature_lineage
from lakehouse.features.sameness import deprecations, warn
from lakehouse.kinds.feature_set import FeatureSetAsset
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import in_words
from lakehouse.tables.incremental import Outcome
from lakehouse.tables.rows import Rows
from orchestration.build_config import BuildConfig, report
from orchestration.factories import Declared, asset_definition, factory
from orchestration.metadata import column_lineage
from orchestration.pictures import distributions
from orchestration.progress import Progress


@dataclass(frozen=True)
class _Telling:
    """An engine that says what it is about to do."""

    engine: Engine
    tell: Callable[[str], None]

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        return self.engine.compute(lake, feature_set, input_snapshots, days)

    def rows(self, lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan) -> Rows:
        number = len(feature_set.columns)
        self.tell(f"computing {number} features of {'all days' if work.days is None else in_words(work.days)}")
        rows = self.engine.rows(lake, feature_set, work)
        self.tell(f"writing and auditing {len(rows):,} rows" if len(rows) else "writing and auditing")
        return rows


@factory(FeatureSetAsset)
def feature_assets(declared: Declared[FeatureSetAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's feature sets.

    Warns about uses of deprecated sets, and about features that had equal values when they were last computed.
    """
    domain = declared.domain
    taken = [(one.name, one.feature_sets) for one in domain.training_sets]
    taken += [(one.name, one.uses) for one in domain.feature_sets]
    warn(says for user, used in taken for says in deprecations(user, used))
    warn(str(one) for one in remembered(declared.lake, domain.feature_sets))
    return [feature_asset(asset, domain.feature_sets) for asset in declared.assets]


def feature_asset(asset: FeatureSetAsset, others: Sequence[FeatureSet] = ()) -> dg.AssetsDefinition:
    """The asset that keeps a feature set's table up to date; `others` are the sets that it is compared with."""
    feature_set = asset.declaration
    beside = [one for one in others if one.name != feature_set.name]

    @asset_definition(
        asset,
        kinds={"iceberg", "spark" if asset.engine == "spark" else "numpy"},
        tags={"slipway/entity": "-".join(feature_set.entity.keys)},
        metadata={"entity": str(feature_set.entity), "delay": feature_set.delay},
    )
    def compute_features(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        def tell(text: str) -> None:
            context.log.info(text)
            progress.tell(feature_set.name, text)

        def build() -> Outcome:
            built = build_feature_set(
                lake,
                _Telling(engine_of(lake, feature_set), tell),
                feature_set,
                run_id=context.run.run_id,
                asked=config.asked(),
                rebuild=config.rebuild,
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

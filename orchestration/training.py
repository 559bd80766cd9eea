"""Training sets as assets.

What belongs here: the factory from a training set's declaration to its asset. Not: assembling rows.
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.sameness import deprecations
from lakehouse.tables.incremental import Outcome
from lakehouse.training.lateness import checks_of
from lakehouse.training.training_set import TrainingSet
from lakehouse.training.training_tables import CHECKS, build_training_set
from orchestration.build_config import BuildConfig, report
from orchestration.checks import asset_key, check_specs
from orchestration.metadata import column_lineage
from orchestration.pictures import rows_per_day
from orchestration.progress import Progress


def training_asset(training_set: TrainingSet, engine: str = "embedded") -> dg.AssetsDefinition:
    """The asset that keeps a training set's table up to date; `engine` is what assembles it."""

    @dg.asset(
        key=asset_key(training_set.name),
        deps=[asset_key(name) for name in training_set.inputs()],
        check_specs=check_specs(training_set.name, {**CHECKS, **checks_of(training_set)}),
        group_name=training_set.name.split(".")[0],
        description=training_set.description,
        owners=[training_set.owner],
        kinds={"iceberg", "spark" if engine == "spark" else "numpy"},
        tags={"slipway/kind": "training_set"},
        metadata={"label": training_set.label.column, "label_known_at": training_set.label.known_at},
        code_version=training_set.fingerprint(),
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

        lineage = dg.MetadataValue.column_lineage(column_lineage(training_lineage(training_set)))
        yield from report(
            context,
            lake,
            progress,
            build,
            lambda built: {"rows_of_each_day": rows_per_day(lake, training_set.name, built.snapshot_id)},
            **{"dagster/column_lineage": lineage},
        )

    return assemble_training_set


def training_lineage(training_set: TrainingSet) -> dict[str, list[tuple[str, str]]]:
    """Which columns each column is made from."""
    kept = [training_set.row_key, training_set.event_time, *training_set.carry]
    edges = {column: [(training_set.spine, column)] for column in kept}
    edges[training_set.label.column] = [(training_set.label.source, training_set.label.column)]
    for one in training_set.feature_sets:
        edges.update({here: [(one.name, there)] for there, here in training_set.feature_columns(one).items()})
    return edges

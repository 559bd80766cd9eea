"""dbt models as assets: one step builds, tests and publishes all that are asked for.

What belongs here: from the dbt project to assets and checks. Not: running dbt (lakehouse/transforms).
dagster-dbt would report a model as materialized before its tests ran; here a model is reported after it is published.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.transforms.build import ModelResult, build
from lakehouse.transforms.lineage import column_sources
from lakehouse.transforms.project import TransformModel, TransformProject
from orchestration.build_config import BuildConfig
from orchestration.checks import asset_check_results, asset_key, check_specs, clear_failures, repeated_results
from orchestration.metadata import column_lineage, materialized
from orchestration.pictures import rows_per_day
from orchestration.progress import Progress


def transform_assets(
    project: TransformProject, models: Sequence[TransformModel], domain: str, engine: str = "embedded"
) -> dg.AssetsDefinition:
    """The assets of one domain's dbt models, in one step that can run for some of them, computed by `engine`."""

    @dg.multi_asset(
        name=f"{domain}_dbt_models",
        specs=[_spec(model, engine) for model in models],
        check_specs=[
            spec
            for model in models
            for spec in check_specs(model.table, {test.name: (test.says, test.blocking) for test in model.tests})
        ],
        can_subset=True,
    )
    def build_models(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        chosen = [model.table for model in models if asset_key(model.table) in context.selected_asset_keys]
        progress.tell(f"{domain} dbt models", "looking for what changed")
        with clear_failures():
            results = build(lake, project, chosen, run_id=context.run.run_id, rebuild=config.rebuild)
        for result in results:
            if result.outcome and not result.outcome.recomputed:
                tests = [test.name for test in project.model(result.table).tests]
                yield from repeated_results(context.instance, result.table, tests)
            yield from _told(lake, project, result)
        failures = [result.failure for result in results if result.failure]
        if failures:
            raise dg.Failure(description="\n".join(failures), allow_retries=False)

    return build_models


def _told(
    lake: Lakehouse, project: TransformProject, result: ModelResult
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    if not result.outcome or result.outcome.recomputed:
        yield from asset_check_results(result.table, result.check_results)
    if result.outcome is not None:
        model = project.model(result.table)
        schemas = {name: lake.table(name).schema().column_names for name in model.inputs}
        edges: Mapping[str, list[tuple[str, str]]] = column_sources(model, schemas)
        lineage = dg.MetadataValue.column_lineage(column_lineage(edges))
        pictures = {}
        if model.day_column:
            pictures["rows_of_each_day"] = rows_per_day(lake, model.table, result.outcome.snapshot_id)
        yield materialized(lake, result.outcome, pictures, **{"dagster/column_lineage": lineage})


def _spec(model: TransformModel, engine: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=asset_key(model.table),
        deps=[asset_key(name) for name in model.inputs],
        group_name=model.table.split(".")[0],
        description=f"{model.description}\n\n```sql\n{model.sql.strip()}\n```",
        owners=[model.owner] if model.owner else None,
        kinds={"iceberg", "dbt", "spark" if engine == "spark" else "duckdb"},
        tags={"slipway/kind": "transform"},
        code_version=model.fingerprint(),
    )

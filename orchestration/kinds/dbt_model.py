"""The factory of dbt models: `@dbt_assets` of a domain's models, in one step that builds, tests and publishes them.

What belongs here: from dbt models to their Dagster assets. Not: how dagster-dbt describes them (dbt_translator.py),
and running dbt (lakehouse/transforms).
dagster-dbt's own body reports a model as materialized before its tests have run; here a model is reported after it
was published (docs/adr/0002-dbt-assets.md).
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.kinds.dbt_model import DbtModelAsset
from lakehouse.tables.incremental import Outcome
from lakehouse.transforms.build import ModelResult, build
from lakehouse.transforms.lineage import column_sources
from lakehouse.transforms.project import TransformModel, TransformProject
from orchestration.build_config import BuildConfig
from orchestration.checks import asset_check_results, asset_key, clear_failures, repeated_results
from orchestration.factories import Declared, factory
from orchestration.metadata import column_lineage, materialized
from orchestration.pictures import rows_per_day
from orchestration.progress import Progress


@factory(DbtModelAsset)
def transform_assets(declared: Declared[DbtModelAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's dbt models, in one step that can run for some of them."""
    from dagster_dbt import dbt_assets

    from orchestration.dbt_translator import TransformTranslator, dbt_project_of

    project, domain = declared.graph.project, declared.domain.name
    models = [asset.declaration for asset in declared.assets]

    @dbt_assets(
        manifest=project.manifest,
        select=" ".join(project.qualified_names(models)),
        name=f"{domain}_dbt_models",
        dagster_dbt_translator=TransformTranslator(project, declared.graph.engine),
        project=dbt_project_of(project),
    )
    def build_models(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        selected = [model.table for model in models if asset_key(model.table) in context.selected_asset_keys]
        progress.report(f"{domain} dbt models", "looking for changes")
        with clear_failures():
            results = build(lake, project, selected, run_id=context.run.run_id, rebuild=config.rebuild)
        for result in results:
            yield from _checks(context, project, result)
            if result.outcome is not None:
                yield _materialized(lake, project.model(result.table), result.outcome)
        failures = [result.failure for result in results if result.failure]
        if failures:
            raise dg.Failure(description="\n".join(failures), allow_retries=False)

    return [build_models]


def _checks(
    context: dg.AssetExecutionContext, project: TransformProject, result: ModelResult
) -> Iterator[dg.AssetCheckResult]:
    """The results of the selected checks; of a model that was up to date, those of its last build."""
    names = {key.name for key in context.selected_asset_check_keys if key.asset_key == asset_key(result.table)}
    if result.outcome and not result.outcome.recomputed:
        tests = [test.name for test in project.model(result.table).tests if test.name in names]
        yield from repeated_results(context.instance, result.table, tests)
    else:
        yield from asset_check_results(result.table, [one for one in result.check_results if one.name in names])


def _materialized(lake: Lakehouse, model: TransformModel, outcome: Outcome) -> dg.MaterializeResult:
    schemas = {name: lake.table(name).schema().column_names for name in model.inputs}
    lineage = dg.MetadataValue.column_lineage(column_lineage(column_sources(model, schemas)))
    pictures = {}
    if model.day_column:
        pictures["rows_of_each_day"] = rows_per_day(lake, model.table, outcome.snapshot_id)
    return materialized(lake, outcome, pictures, **{"dagster/column_lineage": lineage})

"""The factory of models.

What belongs here: from a model to its Dagster asset. Not: training and promotion (lakehouse/models).
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.kinds.model import ModelAsset
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.model import Model
from lakehouse.models.registry import CHALLENGER, Tag
from lakehouse.models.retraining import Retraining, retrain
from lakehouse.tables.check_result import AuditError
from orchestration.build_config import BuildConfig
from orchestration.checks import asset_check_results, asset_key, clear_failures, repeated_results
from orchestration.factories import Declared, asset_definition, factory
from orchestration.metadata import input_snapshots_table, picture
from orchestration.progress import Progress


@factory(ModelAsset)
def model_assets(declared: Declared[ModelAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's models."""
    return [model_asset(asset) for asset in declared.assets]


def model_asset(asset: ModelAsset) -> dg.AssetsDefinition:
    """The asset that trains a model's candidates; the best one goes live if it passes the gates."""
    model = asset.declaration

    @asset_definition(asset, kinds={"mlflow", "sklearn"}, metadata={"candidates": ", ".join(asset.parts)})
    def train_model(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        progress.report(model.name, "looking for changes")
        with clear_failures():
            try:
                done = retrain(
                    lake,
                    open_registry(lake.home),
                    model,
                    asset.training_set,
                    run_id=context.run.run_id,
                    rebuild=config.rebuild,
                    progress=lambda text: progress.report(model.name, text),
                )
            except AuditError as rejected:
                yield from asset_check_results(model.name, rejected.check_results)
                raise
        if done.recomputed:
            yield from asset_check_results(model.name, done.check_results)
            yield from _gate_results(model, done)
        else:
            yield from repeated_results(context.instance, model.name, asset.checks)
        rejected = done.version.tags.get(Tag.REASON) if CHALLENGER in done.version.aliases else None
        if rejected:
            raise dg.Failure(
                description=f"{done.version.uri} was not promoted: {rejected}",
                metadata={"mlflow_run": done.version.run_id},
                allow_retries=False,
            )
        yield _model_result(model, done)

    return train_model


def _gate_results(model: Model, done: Retraining) -> Iterator[dg.AssetCheckResult]:
    for result in done.gates:
        measured = {"bound": result.bound, **({} if result.measured is None else {"measured": result.measured})}
        yield dg.AssetCheckResult(
            asset_key=asset_key(model.name),
            check_name=result.gate.name,
            passed=result.passed,
            description=result.message,
            metadata=measured,
        )


def _model_result(model: Model, done: Retraining) -> dg.MaterializeResult:
    metadata = {
        "version": done.version.version,
        "candidate": done.version.candidate,
        "aliases": ", ".join(done.version.aliases),
        "mlflow_run": done.version.run_id,
        "recomputed": "retrained" if done.recomputed else "nothing: already trained on the same input snapshots",
        "inputs": input_snapshots_table(done.input_snapshots),
        **{f"metric/{name}": value for name, value in done.version.metrics.items()},
    }
    if done.decision is not None:
        metadata["decision"] = done.decision.reason
    if done.candidates:
        names = list(next(iter(done.candidates.values())))
        records = [
            dg.TableRecord({"candidate": name, **{key: round(metrics[key], 4) for key in names}})
            for name, metrics in done.candidates.items()
        ]
        schema = dg.TableSchema([dg.TableColumn("candidate"), *(dg.TableColumn(name, "float") for name in names)])
        metadata["candidates"] = dg.MetadataValue.table(records, schema=schema)
    for name, png in (done.pictures or {}).items():
        metadata[name] = picture(png, name)
    return dg.MaterializeResult(
        asset_key=asset_key(model.name),
        metadata=metadata,
        data_version=dg.DataVersion(f"{model.name}/{done.version.version}"),
    )

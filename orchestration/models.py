"""Models and their predictions as assets.

What belongs here: the factories from a model's declaration to its two assets. Not: training and scoring.
"""

from collections.abc import Iterator

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.input_contract import expected_checks
from lakehouse.models.leakage_check import input_check
from lakehouse.models.model import Model
from lakehouse.models.predictions import CHECKS, predict
from lakehouse.models.registry import CHALLENGER, Tag
from lakehouse.models.retraining import Retraining, retrain
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.incremental import Outcome
from lakehouse.training.training_set import TrainingSet
from orchestration.build_config import BuildConfig, report
from orchestration.checks import asset_check_results, asset_key, check_specs, clear_failures, repeated_results
from orchestration.metadata import input_snapshots_table, picture
from orchestration.pictures import distributions
from orchestration.progress import Progress


def model_asset(model: Model, training_set: TrainingSet) -> dg.AssetsDefinition:
    """The asset that trains a model's candidates and lets the best go live, if it passes the gates."""
    checks = {**expected_checks(model.expects), **{gate.name: gate.description for gate in model.gates}}
    checks |= input_check(model)

    @dg.asset(
        key=asset_key(model.name),
        deps=[asset_key(training_set.name)],
        check_specs=check_specs(model.name, checks),
        group_name=model.name.split(".")[0],
        description=model.description,
        owners=[model.owner],
        kinds={"mlflow", "sklearn"},
        tags={"slipway/kind": "model"},
        metadata={"candidates": ", ".join(candidate.name for candidate in model.candidates)},
        code_version=model.fingerprint(),
    )
    def train_model(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        progress.tell(model.name, "looking for what changed")
        with clear_failures():
            try:
                done = retrain(
                    lake,
                    open_registry(lake.home),
                    model,
                    training_set,
                    run_id=context.run.run_id,
                    rebuild=config.rebuild,
                    progress=lambda text: progress.tell(model.name, text),
                )
            except AuditError as rejected:
                yield from asset_check_results(model.name, rejected.check_results)
                raise
        if done.recomputed:
            yield from asset_check_results(model.name, done.check_results)
            yield from _gate_results(model, done)
        else:
            yield from repeated_results(context.instance, model.name, checks)
        rejected = done.version.tags.get(Tag.REASON) if CHALLENGER in done.version.aliases else None
        if rejected:
            raise dg.Failure(
                description=f"{done.version.uri} stays challenger: {rejected}",
                metadata={"mlflow_run": done.version.run_id},
                allow_retries=False,
            )
        yield _model_result(model, done)

    return train_model


def predictions_asset(model: Model, training_set: TrainingSet) -> dg.AssetsDefinition:
    """The asset that holds the champion's scores of the newest day."""
    inputs = [training_set.spine, *(one.name for one in training_set.feature_sets), model.name]

    @dg.asset(
        key=asset_key(model.predictions),
        deps=[asset_key(name) for name in inputs],
        check_specs=check_specs(model.predictions, {**expected_checks(model.expects), **CHECKS}),
        group_name=model.predictions.split(".")[0],
        description=f"The champion's scores of the newest day. {model.description}",
        owners=[model.owner],
        kinds={"iceberg", "mlflow"},
        tags={"slipway/kind": "predictions"},
        code_version=model.fingerprint(),
    )
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
                training_set,
                run_id=context.run.run_id,
                asked=config.asked(),
                rebuild=config.rebuild,
            )

        yield from report(
            context,
            lake,
            progress,
            build,
            lambda built: distributions(lake, model.predictions, ["score"], built.snapshot_id),
        )

    return score_newest_day


def _gate_results(model: Model, done: Retraining) -> Iterator[dg.AssetCheckResult]:
    for result in done.gates:
        measured = {"bound": result.bound, **({} if result.measured is None else {"measured": result.measured})}
        yield dg.AssetCheckResult(
            asset_key=asset_key(model.name),
            check_name=result.gate.name,
            passed=result.passed,
            description=result.says,
            metadata=measured,
        )


def _model_result(model: Model, done: Retraining) -> dg.MaterializeResult:
    metadata = {
        "version": done.version.version,
        "candidate": done.version.candidate,
        "aliases": ", ".join(done.version.aliases),
        "mlflow_run": done.version.run_id,
        "recomputed": "trained anew" if done.recomputed else "nothing: the same pins were trained before",
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

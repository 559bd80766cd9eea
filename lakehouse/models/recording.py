"""The record of a training in MLflow: runs, metrics, plots, and the registered version.

What belongs here: everything that is logged of a training, in an order that survives a crash. Not: the model's files
(model_files.py), looking versions up (registry.py) and promotion (promotion.py).

Runs and files are written first, the registered version last and in one transaction. A process that is killed before
leaves runs that nothing refers to, and the training is repeated; one that is killed after has left all of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from lakehouse import clock
from lakehouse.models.metrics import METRICS
from lakehouse.models.model import Model
from lakehouse.models.model_files import save_model_files
from lakehouse.models.plots import Pictures
from lakehouse.models.protocol import Split
from lakehouse.models.registry import Registry, Tag, Version, input_snapshots_text
from lakehouse.models.training import Trained, choose
from lakehouse.models.training_baseline import FILE, TrainingBaseline

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Origin:
    """Where a training comes from: the snapshot ids it read (by table), the run that made it, the code's version.

    `page` is where the model's lineage can be looked at, which MLflow's pages then link to.
    """

    input_snapshots: Mapping[str, int]
    run_id: str
    code_version: str
    page: str = ""

    def linked(self, words: str) -> str:
        """The words, in Markdown, with a link to the page."""
        return f"{words}\n\n[Where it comes from, and what depends on it]({self.page})" if self.page else words


def record(
    registry: Registry,
    model: Model,
    split: Split,
    trained: Sequence[Trained],
    *,
    origin: Origin,
    pictures: Pictures,
    baseline: TrainingBaseline | None = None,
) -> Version:
    """Write down a training of `model` and register its winner as the next version, which has no alias yet.

    One MLflow run for the training, with the pins as its dataset inputs and `pictures` as artifacts; nested in it a run
    for each candidate. `baseline` is kept beside the model's file. Raises DeclarationError for an estimator that cannot
    be stored safely.
    """
    winner = choose(model, trained)
    client = registry.client
    experiment = _experiment(registry, model.name)
    _close_abandoned(client, experiment)
    about: dict[str, str] = {
        Tag.INPUT_SNAPSHOTS: input_snapshots_text(origin.input_snapshots),
        Tag.RUN_ID: origin.run_id,
        Tag.CODE_VERSION: origin.code_version,
        Tag.DEFINITION: model.fingerprint(),
        Tag.START: str(split.start),
    }
    source = {"mlflow.source.name": "slipway", "mlflow.source.type": "JOB"}
    note = {"mlflow.note.content": origin.linked(f"{model.description}\n\n{_story(split, winner)}")}
    began = clock.epoch_ms() - int(1000 * sum(one.seconds for one in trained))
    parent = client.create_run(
        experiment, began, {**about, **source, **note, Tag.CANDIDATE: winner.candidate.name}, f"from {split.start}"
    ).info.run_id
    try:
        _write(client, parent, winner.metrics, _protocol_parameters(model, split))
        _log_input_snapshots(client, parent, model, split, origin.input_snapshots)
        for one in trained:
            mine = {**about, **source, Tag.CANDIDATE: one.candidate.name, "mlflow.parentRunId": parent}
            mine["mlflow.note.content"] = one.candidate.description
            child = client.create_run(experiment, began, mine, one.candidate.name).info.run_id
            _write(client, child, {**one.metrics, "fit_seconds": one.seconds}, one.parameters)
            began += int(1000 * one.seconds)
            _log_pictures(client, child, pictures.candidates[one.candidate.name])
            client.set_terminated(child, "FINISHED", end_time=began)
        _log_pictures(client, parent, pictures.training)
        with TemporaryDirectory(prefix="slipway-") as scratch:
            folder = Path(scratch, "model")
            digest = save_model_files(folder, model, split, winner, parent)
            if baseline is not None:
                Path(folder, FILE).write_text(baseline.text())
            address = _log_model(client, experiment, parent, folder, winner, about)
    except BaseException:
        client.set_terminated(parent, "FAILED")
        raise
    client.set_terminated(parent, "FINISHED")
    _ensure_registered(client, model, origin.linked(model.description))
    made = client.create_model_version(
        model.name,
        source=address,
        run_id=parent,
        description=_story(split, winner),
        tags={
            **about,
            Tag.CANDIDATE: winner.candidate.name,
            Tag.METRICS: json.dumps(winner.metrics),
            Tag.INPUTS: json.dumps(list(model.inputs)),
            Tag.DIGEST: digest,
        },
    )
    return registry.version(model.name, int(made.version))


def _experiment(registry: Registry, name: str) -> str:
    from mlflow.exceptions import MlflowException

    client = registry.client
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=f"{registry.artifact_root}/{name}")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        # Somebody tidied up in MLflow's pages. A training has to go somewhere.
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _close_abandoned(client: "MlflowClient", experiment: str) -> None:
    # Runs are only open while they are written, which takes a second: what is open now was left by a killed process.
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        client.set_tag(run.info.run_id, Tag.REASON, "The process ended before the training was written down.")
        client.set_terminated(run.info.run_id, "KILLED")


def _protocol_parameters(model: Model, split: Split) -> dict[str, Any]:
    return {
        "train_from": split.start,
        "train_to": split.trained_to,
        "test_from": split.tested_from,
        "test_to": split.tested_to,
        "delay_days": model.protocol.delay_days,
        "train_rows": split.train.height,
        "test_rows": split.test.height,
        "blocked_rows": split.blocked,
        "select_by": model.select_by,
    }


def _write(client: "MlflowClient", run: str, metrics: Mapping[str, float], parameters: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric, Param

    now = clock.epoch_ms()
    client.log_batch(
        run,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in parameters.items() if value is not None],
    )


def _log_pictures(client: "MlflowClient", run: str, pictures: Mapping[str, bytes]) -> None:
    with TemporaryDirectory(prefix="slipway-") as scratch:
        for name, picture in pictures.items():
            Path(scratch, f"{name}.png").write_bytes(picture)
        client.log_artifacts(run, scratch, "plots")


def _log_input_snapshots(
    client: "MlflowClient", run: str, model: Model, split: Split, input_snapshots: Mapping[str, int]
) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [{"name": name, "type": str(dtype), "required": False} for name, dtype in split.train.schema.items()]
    inputs = []
    for table, pin in sorted(input_snapshots.items()):
        own = table == model.training_set
        dataset = Dataset(
            name=table,
            digest=str(pin),
            source_type="iceberg",
            source=json.dumps({"table": table, "snapshot_id": str(pin)}),
            schema=json.dumps({"mlflow_colspec": columns}) if own else None,
            profile=json.dumps({"num_rows": split.train.height + split.test.height}) if own else None,
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "training")]))
    # MLflow looks a dataset up and adds it where there is none: of two trainings that do so at once one fails, writes
    # nothing, and finds the other's when it tries again.
    for attempt in Retrying(
        retry=retry_if_exception(_is_another_ones),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    ):
        with attempt:
            client.log_inputs(run, datasets=inputs)


def _is_another_ones(error: BaseException) -> bool:
    """Whether MLflow failed since another process wrote the same row first."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error.__cause__, IntegrityError)


def _log_model(
    client: "MlflowClient", experiment: str, run: str, folder: Path, winner: Trained, about: Mapping[str, str]
) -> str:
    """Keep the model's files as an MLflow logged model of `run`; their address."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    logged = client.create_logged_model(
        experiment, name=winner.candidate.name, source_run_id=run, tags=dict(about), model_type="classifier"
    )
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run, [LoggedModelOutput(logged.model_id, step=0)])
    return logged.artifact_location


def _ensure_registered(client: "MlflowClient", model: Model, description: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model.name, description=description, tags={"slipway.owner": model.owner})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        client.update_registered_model(model.name, description=description)


def _story(split: Split, winner: Trained) -> str:
    reached = ", ".join(
        f"{METRICS[name].title} {winner.metrics[name]:.3f}" for name in METRICS if name in winner.metrics
    )
    return (
        f"{winner.candidate.name}, trained on {split.start} to {split.trained_to} ({split.train.height:,} rows), "
        f"tested on {split.tested_from} to {split.tested_to} ({split.test.height:,} rows): {reached}."
    )

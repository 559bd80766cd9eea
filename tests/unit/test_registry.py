"""Recording, finding, promoting, moving and scoring with model versions, on real MLflow databases."""

import json
import logging
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow.store.tracking.dbmodels.models import SqlDataset
from sklearn.base import BaseEstimator, ClassifierMixin

from lakehouse.errors import DeclarationError, GateError, HomeError, SlipwayError, UnknownNameError
from lakehouse.models import gates, plots, training
from lakehouse.models.artifact_relocation import relocate
from lakehouse.models.model import Candidate, Gate, Model, Protocol
from lakehouse.models.model_files import MODEL_FILE, trusted_types
from lakehouse.models.promotion import champion_metrics, promote
from lakehouse.models.protocol import split
from lakehouse.models.recording import Origin, record
from lakehouse.models.registry import Registry, Tag
from lakehouse.models.scoring import score

START = date(2024, 3, 1)
INPUT_SNAPSHOTS = {"shop.training": 8123456789012345678, "shop.payments": 17}
ORIGIN = Origin(INPUT_SNAPSHOTS, "run-1", "abc123")


def logistic():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=0)


def boosted():
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=3, max_depth=2, random_state=0, n_jobs=1)


class Homemade(ClassifierMixin, BaseEstimator):
    """A classifier of a package that no model file may name."""

    def fit(self, X, y):  # noqa: ARG002, N803
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X):  # noqa: N803
        return np.full((len(X), 2), 0.5)


def homemade():
    return Homemade()


MODEL = Model(
    name="shop.scorer",
    training_set="shop.training",
    predictions="shop.predictions",
    event_time="at",
    exclude_known_positives_of="customer",
    label="is_fraud",
    key="id",
    inputs=["amount", "risk"],
    candidates=[
        Candidate("logistic", logistic, "A weighted sum."),
        Candidate("boosted", boosted, "Three small trees."),
    ],
    select_by="average_precision",
    protocol=Protocol(train_days=2, delay_days=2, test_days=2),
    gates=[
        Gate("auc_band", "auc", at_least=0.6, at_most=0.999),
        Gate("champion", "average_precision", champion_margin=0.05),
    ],
    owner="team:shop",
    description="A scorer of payments.",
)


@pytest.fixture(scope="module")
def world():
    """150 customers on each of 6 days, of whose payments 6% are frauds that `risk` half gives away."""
    draw, rows = np.random.default_rng(0), 6 * 150
    fraud = (draw.random(rows) < 0.06).astype(np.int64)
    midnight = datetime.combine(START, datetime.min.time())
    return pl.DataFrame(
        {
            "id": range(rows),
            "at": [midnight + timedelta(days=number // 150, seconds=number) for number in range(rows)],
            "customer": [number % 150 for number in range(rows)],
            "is_fraud": fraud,
            "amount": draw.gamma(2, 30, rows).round(2),
            "risk": fraud + draw.normal(0, 0.5, rows),
        },
        schema_overrides={"at": pl.Datetime("us")},
    ).with_columns(pl.col("amount").cast(pl.Decimal(12, 2)))


@pytest.fixture(scope="module")
def parts(world):
    return split(world, MODEL, START)


@pytest.fixture(scope="module")
def trained(parts):
    return training.fit(MODEL, parts)


@pytest.fixture(scope="module")
def pictures(parts, trained):
    return plots.draw(MODEL, parts, trained)


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory):
    """A folder with a registry without models; MLflow takes 3 s to make one."""
    folder = tmp_path_factory.mktemp("empty registry")
    assert Registry.in_folder(folder).names() == []
    return folder


@pytest.fixture
def folder(empty_folder, tmp_path):
    # A space, a percent sign and an umlaut: what a person's folder may be called.
    return Path(shutil.copytree(empty_folder, tmp_path / "my häme 100%_"))


@pytest.fixture
def registry(folder):
    return Registry.in_folder(folder)


@pytest.fixture
def make(registry, parts, trained, pictures):
    def make(origin=ORIGIN, model=MODEL, registry=registry):
        return record(registry, model, parts, trained, origin=origin, pictures=pictures)

    return make


def judged(*, passed=True):
    """Results of all the model's gates, the first of them as told."""
    band, champion = MODEL.gates
    return [
        gates.GateResult(band, passed, 0.5, "at least 0.6", "Fine." if passed else "AUC 0.5 is below 0.6."),
        gates.GateResult(champion, passed=True, measured=0.5, bound="at least 0.4", message="Fine."),
    ]


def state(registry):
    """All that promotion writes, but for the times."""
    return {
        version.version: (
            version.aliases,
            {key: text for key, text in version.tags.items() if not key.endswith("_at")},
            {key for key in version.tags if key.endswith("_at")},
        )
        for version in registry.versions(MODEL.name)
    }


# Recording


def test_a_recorded_version_has_its_input_snapshots(make, registry, trained, parts):
    version = make()
    winner = training.choose(MODEL, trained)
    assert (version.name, version.version, version.candidate) == ("shop.scorer", 1, winner.candidate.name)
    assert version.input_snapshots == INPUT_SNAPSHOTS
    assert version.definition == MODEL.fingerprint()
    assert version.metrics == winner.metrics
    assert version.inputs == ("amount", "risk")
    assert version.tags[Tag.RUN_ID] == "run-1"
    assert version.tags[Tag.CODE_VERSION] == "abc123"
    assert json.loads(version.tags[Tag.INPUT_SNAPSHOTS])["shop.training"] == "8123456789012345678"
    assert version.aliases == ()
    assert version.description.startswith(f"{winner.candidate.name}, trained on 2024-03-01 to 2024-03-02 (300 rows)")
    assert f"({parts.test.height} rows): AUC " in version.description
    assert registry.names() == ["shop.scorer"]
    assert registry.client.get_registered_model("shop.scorer").description == MODEL.description


def test_mlflows_pages_link_to_the_models_lineage(make, registry):
    page = "http://127.0.0.1:5050/#/node/shop.scorer"
    version = make(origin=replace(ORIGIN, page=page))
    note = registry.client.get_run(version.run_id).data.tags["mlflow.note.content"]
    for words in (note, registry.client.get_registered_model("shop.scorer").description):
        assert words.startswith(MODEL.description)
        assert f"]({page})" in words


def test_a_training_is_a_run_with_its_candidates_nested_its_input_snapshots_as_inputs_and_its_pictures(
    make, registry, trained
):
    version, client = make(), registry.client
    parent = client.get_run(version.run_id)
    assert parent.info.status == "FINISHED"
    assert {one.dataset.name: one.dataset.digest for one in parent.inputs.dataset_inputs} == {
        "shop.training": "8123456789012345678",
        "shop.payments": "17",
    }
    assert {tag.value for one in parent.inputs.dataset_inputs for tag in one.tags} == {"training"}
    assert parent.data.params["train_from"] == "2024-03-01"
    assert parent.data.metrics == pytest.approx(version.metrics)
    assert {file.path for file in client.list_artifacts(version.run_id, "plots")} == {
        f"plots/{name}.png" for name in ("precision_recall", "calibration", "feature_importance", "score_distribution")
    }
    assert len(parent.outputs.model_outputs) == 1
    nested = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{version.run_id}'")
    assert {run.info.run_name for run in nested} == {"logistic", "boosted"}
    for run, one in zip(sorted(nested, key=lambda run: run.info.run_name), reversed(trained), strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.metrics == pytest.approx({**one.metrics, "fit_seconds": one.seconds})
        assert run.data.tags[Tag.INPUT_SNAPSHOTS] == version.tags[Tag.INPUT_SNAPSHOTS]
        assert len(client.list_artifacts(run.info.run_id, "plots")) == 2
    assert next(run for run in nested if run.info.run_name == "boosted").data.params["max_depth"] == "2"


def test_anybody_can_load_the_model_with_its_signature_and_example(make, parts, trained):
    import mlflow.pyfunc

    version = make()
    loaded = mlflow.pyfunc.load_model(str(version.folder))
    assert loaded.metadata.signature.inputs.input_names() == ["amount", "risk"]
    example = loaded.input_example
    assert len(example) == 5
    # pyfunc passes a frame where the model learned from a matrix; scikit-learn remarks on that.
    with pytest.warns(UserWarning, match="feature names"):
        found = loaded.predict(example)
    assert found[:, 1].tolist() == training.choose(MODEL, trained).scores[:5].tolist()
    assert parts.test["risk"].head(5).to_list() == example["risk"].tolist()


def test_recording_touches_no_global_setting_of_mlflow_and_talks_to_nobody(make):
    import mlflow
    from mlflow.telemetry import get_telemetry_client

    before = mlflow.get_tracking_uri()
    make()
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
    assert get_telemetry_client() is None
    assert not any(thread.name.startswith("GetTelemetryConfig") for thread in threading.enumerate())


def test_recording_is_silent(make, capfd):
    make()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    # What MLflow says while it makes its tables, once per registry, is of level INFO.
    logger = logging.getLogger("mlflow.store.db.utils")
    assert (logger.isEnabledFor(logging.INFO), logger.isEnabledFor(logging.WARNING)) == (False, True)


def test_threads_can_use_two_registries_at_once(empty_folder, tmp_path, make):
    registries = [Registry.in_folder(shutil.copytree(empty_folder, tmp_path / name)) for name in ("one", "two")]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda registry: make(registry=registry), registries * 2))
    assert [[one.version for one in each.versions(MODEL.name)] for each in registries] == [[2, 1], [2, 1]]


def test_two_trainings_on_the_same_snapshots_at_once_are_both_recorded(make, registry, monkeypatch):
    begin, others = SqlDataset.__init__, []

    def late(self, **given):
        # MLflow has looked for the datasets and found none; before it adds them another training does.
        monkeypatch.undo()
        others.append(make())
        begin(self, **given)

    monkeypatch.setattr(SqlDataset, "__init__", late)
    make()
    assert len(others) == 1
    assert [one.version for one in registry.versions(MODEL.name)] == [2, 1]


def test_an_estimator_of_an_unknown_package_is_rejected_and_nothing_is_registered(registry, parts, pictures):
    model = replace(MODEL, candidates=[Candidate("logistic", homemade, "Ours.")])
    made = training.fit(model, parts)
    with pytest.raises(DeclarationError, match=r"A model file may not hold: .*Homemade") as caught:
        record(registry, model, parts, made, origin=ORIGIN, pictures=pictures)
    assert "sklearn" in caught.value.nearest
    assert registry.versions(MODEL.name) == []
    (experiment,) = [one for one in registry.client.search_experiments() if one.name == MODEL.name]
    runs = registry.client.search_runs([experiment.experiment_id], "tags.`mlflow.runName` LIKE 'from %'")
    assert [run.info.status for run in runs] == ["FAILED"]


def test_an_experiment_that_somebody_deleted_is_brought_back(make, registry):
    make()
    experiment = registry.client.get_experiment_by_name(MODEL.name)
    registry.client.delete_experiment(experiment.experiment_id)
    assert make().version == 2


class KilledError(BaseException):
    """The process is gone."""


def die_before(method, call=1):
    """A registry class that is dead from the `call`th use of the client's `method` on.

    Nothing gets through any more, clearing up included, so database and files are left as SIGKILL leaves them.
    """

    class Client:
        def __init__(self, client):
            self.client, self.calls, self.dead = client, 0, False

        def __getattr__(self, name):
            self.calls += name == method
            self.dead = self.dead or self.calls == call
            if self.dead:
                raise KilledError
            return getattr(self.client, name)

    class Doomed(Registry):
        @property
        def client(self):
            if "_doomed" not in self.__dict__:
                self.__dict__["_doomed"] = Client(super().client)
            return self.__dict__["_doomed"]

    return Doomed


def killed(work):
    """Whether `work` was killed."""
    try:
        work()
    except KilledError:
        return True
    return False


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("create_run", 2),
        ("log_inputs", 1),
        ("set_terminated", 2),
        ("create_logged_model", 1),
        ("log_model_artifacts", 1),
        ("finalize_logged_model", 1),
        ("create_registered_model", 1),
        ("create_model_version", 1),
    ],
)
def test_a_training_killed_while_it_is_recorded_is_not_there_and_the_next_one_works(
    folder, make, registry, method, call
):
    doomed = die_before(method, call)
    assert killed(lambda: make(registry=doomed(registry.tracking_uri, registry.artifact_root)))
    fresh = Registry.in_folder(folder)
    assert fresh.version_made_of(MODEL.name, INPUT_SNAPSHOTS, MODEL.fingerprint()) is None
    assert make().version == 1
    experiment = fresh.client.get_experiment_by_name(MODEL.name)
    assert fresh.client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'") == []
    assert fresh.version_made_of(MODEL.name, INPUT_SNAPSHOTS, MODEL.fingerprint()).version == 1


# Finding


def test_a_version_is_found_by_its_input_snapshots_and_definition_and_by_nothing_less(make, registry):
    older, newer = make(), make()
    found = registry.version_made_of(MODEL.name, dict(reversed(INPUT_SNAPSHOTS.items())), MODEL.fingerprint())
    assert found == newer != older
    assert registry.version_made_of(MODEL.name, {**INPUT_SNAPSHOTS, "shop.payments": 18}, MODEL.fingerprint()) is None
    assert (
        registry.version_made_of(MODEL.name, {"shop.training": INPUT_SNAPSHOTS["shop.training"]}, MODEL.fingerprint())
        is None
    )
    assert registry.version_made_of(MODEL.name, INPUT_SNAPSHOTS, "another definition") is None
    assert registry.version_made_of("shop.other", INPUT_SNAPSHOTS, MODEL.fingerprint()) is None


def test_a_version_whose_files_are_gone_does_not_count_as_made(make, registry):
    version = make()
    shutil.rmtree(version.folder)
    assert registry.version_made_of(MODEL.name, INPUT_SNAPSHOTS, MODEL.fingerprint()) is None


def test_names_and_versions_that_do_not_exist_are_errors_with_the_nearest(make, registry):
    make()
    with pytest.raises(UnknownNameError) as caught:
        registry.version("shop.scorr", 1)
    assert caught.value.nearest == "shop.scorer"
    with pytest.raises(UnknownNameError, match="no version named '7'"):
        registry.version("shop.scorer", 7)
    for strange in ("", "it's", "a/b", "no such"):
        assert registry.versions(strange) == []
        assert registry.champion(strange) is None


def test_versions_are_listed_newest_first(make, registry):
    make()
    make(origin=replace(ORIGIN, input_snapshots={"shop.training": 2}))
    assert [(one.version, one.input_snapshots["shop.training"]) for one in registry.versions(MODEL.name)] == [
        (2, 2),
        (1, INPUT_SNAPSHOTS["shop.training"]),
    ]


def test_a_database_that_is_none_is_one_clear_error(tmp_path):
    (tmp_path / "mlflow.db").write_text("This is no database. " * 100)
    with pytest.raises(HomeError, match="The model registry cannot be opened") as caught:
        Registry.in_folder(tmp_path).names()
    assert caught.value.where.endswith("mlflow.db")


def test_a_database_of_a_newer_mlflow_is_one_clear_error(folder):
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(HomeError, match="The model registry cannot be opened"):
        Registry.in_folder(folder).names()


# Promoting


def test_a_version_that_passes_becomes_champion_and_the_old_one_is_named(make, registry):
    first = promote(registry, MODEL, make(), judged())
    assert (first.promoted, first.alias, first.superseded) == (True, "champion", None)
    assert registry.champion(MODEL.name).version == 1
    second = promote(registry, MODEL, make(), judged())
    assert (second.promoted, second.superseded, second.version.aliases) == (True, 1, ("champion",))
    assert second.reason == "It passed all its gates."
    old, new = registry.version(MODEL.name, 1), registry.champion(MODEL.name)
    assert (old.aliases, new.version) == ((), 2)
    assert old.tags[Tag.SUPERSEDED_BY] == "2"
    assert old.tags[Tag.SUPERSEDED_AT] == new.tags[Tag.PROMOTED_AT]


def test_a_version_that_fails_stays_registered_as_challenger_with_the_reason(make, registry):
    promote(registry, MODEL, make(), judged())
    decision = promote(registry, MODEL, make(), judged(passed=False))
    assert (decision.promoted, decision.alias, decision.superseded) == (False, "challenger", None)
    assert decision.reason == decision.version.tags[Tag.REASON] == "AUC 0.5 is below 0.6."
    assert registry.champion(MODEL.name).version == 1
    assert registry.challenger(MODEL.name).version == 2
    promote(registry, MODEL, make(), judged(passed=False))
    assert registry.challenger(MODEL.name).version == 3
    assert registry.version(MODEL.name, 2).tags[Tag.REASON] == "AUC 0.5 is below 0.6."


def test_the_first_version_has_to_pass_its_gates_too(make, registry):
    assert not promote(registry, MODEL, make(), judged(passed=False)).promoted
    assert registry.champion(MODEL.name) is None


def test_a_challenger_that_passes_later_is_a_challenger_no_more(make, registry):
    version = make()
    promote(registry, MODEL, version, judged(passed=False))
    decision = promote(registry, MODEL, version, judged())
    assert decision.version.aliases == ("champion",)
    assert Tag.REASON not in decision.version.tags
    assert registry.challenger(MODEL.name) is None


def test_promoting_again_changes_nothing(make, registry):
    promote(registry, MODEL, make(), judged())
    version = make()
    promote(registry, MODEL, version, judged())
    before = {one.version: (one.tags, one.aliases) for one in registry.versions(MODEL.name)}
    again = promote(registry, MODEL, version, judged())
    assert (again.promoted, again.superseded) == (True, 1)
    assert {one.version: (one.tags, one.aliases) for one in registry.versions(MODEL.name)} == before


def test_a_champion_is_replaced_not_demoted(make, registry):
    version = make()
    promote(registry, MODEL, version, judged())
    decision = promote(registry, MODEL, version, judged(passed=False))
    assert decision.promoted
    assert "until another replaces it" in decision.reason
    assert registry.champion(MODEL.name).version == 1
    assert registry.challenger(MODEL.name) is None


def test_going_back_to_an_old_version_is_a_promotion_like_any_other(make, registry):
    first, second = make(), make()
    for version in (first, second, first):
        promote(registry, MODEL, version, judged())
    back, replaced = registry.champion(MODEL.name), registry.version(MODEL.name, 2)
    assert back.version == 1
    assert Tag.SUPERSEDED_BY not in back.tags
    assert replaced.tags[Tag.SUPERSEDED_BY] == "1"


def test_a_gate_that_was_not_evaluated_stops_the_promotion(make, registry):
    with pytest.raises(GateError, match="Gates were not evaluated: champion"):
        promote(registry, MODEL, make(), judged()[:1])
    assert registry.champion(MODEL.name) is None


MUTATIONS = (
    "set_model_version_tag",
    "set_registered_model_alias",
    "delete_model_version_tag",
    "delete_registered_model_alias",
)


@pytest.mark.parametrize("passed", [True, False])
def test_a_promotion_killed_between_any_two_writes_is_completed_by_the_next(make, folder, tmp_path, passed):
    registry = Registry.in_folder(folder)
    promote(registry, MODEL, make(), judged())
    promote(registry, MODEL, make(), judged(passed=False))
    number = make().version if not passed else 2
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    promote(
        Registry.in_folder(whole), MODEL, Registry.in_folder(whole).version(MODEL.name, number), judged(passed=passed)
    )
    expected, deaths = state(Registry.in_folder(whole)), 0
    for method in MUTATIONS:
        for call in range(1, 9):
            half = Path(shutil.copytree(folder, tmp_path / f"{method} {call}"))
            doomed = die_before(method, call)(f"sqlite:///{half}/mlflow.db", registry.artifact_root)
            if not killed(lambda on=doomed: promote(on, MODEL, on.version(MODEL.name, number), judged(passed=passed))):
                break
            deaths += 1
            after = Registry.in_folder(half)
            assert after.champion(MODEL.name).version in ({1, 2} if passed else {1})
            promote(after, MODEL, after.version(MODEL.name, number), judged(passed=passed))
            assert state(after) == expected
    assert deaths >= (6 if passed else 2)


def test_a_promotion_that_nobody_completed_is_completed_by_the_next_version(make, folder, registry):
    promote(registry, MODEL, make(), judged())
    second = make()
    # Two tags on the newcomer, then the alias, then the first tag on the old champion: killed before that one.
    doomed = die_before("set_model_version_tag", 3)(registry.tracking_uri, registry.artifact_root)
    assert killed(lambda: promote(doomed, MODEL, second, judged()))
    assert registry.champion(MODEL.name).version == 2
    assert Tag.SUPERSEDED_BY not in registry.version(MODEL.name, 1).tags
    promote(Registry.in_folder(folder), MODEL, make(), judged())
    assert registry.version(MODEL.name, 1).tags[Tag.SUPERSEDED_BY] == "2"
    assert registry.version(MODEL.name, 2).tags[Tag.SUPERSEDED_BY] == "3"


def test_the_champion_is_measured_on_the_newcomers_test_days(make, registry, parts, trained, world):
    assert champion_metrics(registry, MODEL, parts) is None
    promote(registry, MODEL, make(), judged())
    winner = training.choose(MODEL, trained)
    assert champion_metrics(registry, MODEL, parts) == winner.metrics
    noisier = world.with_columns(risk=pl.col("risk") + pl.Series(np.random.default_rng(5).normal(0, 1, world.height)))
    harder = champion_metrics(registry, MODEL, split(noisier, MODEL, START))
    assert harder["average_precision"] < winner.metrics["average_precision"]
    without = split(world.with_columns(risk_2="risk"), replace(MODEL, inputs=["amount", "risk_2"]), START)
    without = replace(without, test=without.test.drop("risk"))
    assert champion_metrics(registry, MODEL, without) == winner.metrics


# Scoring


def test_a_version_scores_as_it_did_when_it_was_trained(make, registry, parts, trained):
    version = make()
    found = score(registry, version, parts.test)
    assert (found.name, found.dtype) == ("score", pl.Float64)
    assert found.to_list() == training.choose(MODEL, trained).scores.tolist()
    assert score(registry, version, parts.test.select("risk", "amount").reverse()).to_list() == found.to_list()[::-1]
    assert score(registry, version, parts.test.clear()).to_list() == []


def test_every_kind_of_candidate_scores_the_same_after_loading(registry, parts, trained, pictures):
    for one in trained:
        model = replace(MODEL, candidates=[one.candidate])
        drawn = replace(pictures, candidates={one.candidate.name: pictures.candidates[one.candidate.name]})
        version = record(registry, model, parts, [one], origin=ORIGIN, pictures=drawn)
        assert version.candidate == one.candidate.name
        assert score(registry, version, parts.test).to_list() == one.scores.tolist()


def test_rows_that_cannot_be_scored_are_named(make, registry, parts):
    version = make()
    with pytest.raises(UnknownNameError, match="no column named 'risk'"):
        score(registry, version, parts.test.drop("risk"))
    with pytest.raises(SlipwayError, match=r"no finite value in: risk \(1\)") as caught:
        score(registry, version, parts.test.head(1).with_columns(risk=pl.lit(None, pl.Float64)))
    assert caught.value.where == "rows to score with models:/shop.scorer/1"


def test_files_that_are_missing_or_changed_are_not_scored_with(make, registry, parts):
    first, second = make(), make()
    shutil.rmtree(first.folder)
    with pytest.raises(HomeError, match=r"The files of models:/shop\.scorer/1 do not exist"):
        score(registry, first, parts.test)
    file = second.folder / MODEL_FILE
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(HomeError, match="is not the one that was registered"):
        score(registry, second, parts.test)


def test_a_model_file_cannot_name_what_it_likes(tmp_path):
    import skops.io

    skops.io.dump(Homemade(), tmp_path / MODEL_FILE)
    with pytest.raises(DeclarationError, match="A model file may not hold"):
        trusted_types(tmp_path / MODEL_FILE)


# Moving


def test_a_moved_home_scores_after_its_addresses_were_rewritten(make, registry, folder, parts, tmp_path):
    promote(registry, MODEL, make(), judged())
    expected = score(registry, registry.champion(MODEL.name), parts.test).to_list()
    new = tmp_path / "somewhere" / "else & more"
    new.parent.mkdir()
    shutil.move(folder, new)
    assert relocate(new / "mlflow.db", str(folder), str(new)) == 7
    moved = Registry.in_folder(new)
    champion = moved.champion(MODEL.name)
    assert champion.folder.is_relative_to(new)
    assert score(moved, champion, parts.test).to_list() == expected
    assert len(moved.client.list_artifacts(champion.run_id, "plots")) == 4
    assert str(folder) not in everything(new / "mlflow.db")
    assert folder.as_uri() not in everything(new / "mlflow.db")
    assert make(registry=moved).folder.is_relative_to(new), "new files go to the new place"
    assert relocate(new / "mlflow.db", str(folder), str(new)) == 0


def everything(database):
    """All text in a SQLite file."""
    with sqlite3.connect(database) as connection:
        return "\n".join(connection.iterdump())


def test_only_addresses_below_the_old_root_change(make, registry, folder, tmp_path):
    version = make()
    database = folder / "mlflow.db"
    assert relocate(database, str(folder)[:-1], "/elsewhere") == 0, "a name that begins the same is another folder"
    assert relocate(database, str(tmp_path / "my h%me 100__"), "/elsewhere") == 0, "no wildcards"
    assert relocate(database, folder.as_uri(), "file:///else%20where") == 7
    assert registry.version(MODEL.name, version.version).folder.is_relative_to("/else where")


def test_moving_into_a_folder_below_the_old_one_can_be_repeated(make, registry, folder):
    version = make()
    assert relocate(folder / "mlflow.db", str(folder), str(folder / "deeper")) == 7
    assert relocate(folder / "mlflow.db", str(folder), str(folder / "deeper")) == 0
    assert registry.version(MODEL.name, version.version).folder.is_relative_to(folder / "deeper" / "artifacts")


def test_relocating_is_all_or_nothing(make, folder):
    make()
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute(
            "CREATE TRIGGER no BEFORE UPDATE ON model_versions BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    before = everything(folder / "mlflow.db")
    with pytest.raises(HomeError, match="cannot be changed: disk is full"):
        relocate(folder / "mlflow.db", str(folder), "/elsewhere")
    assert everything(folder / "mlflow.db") == before


def test_relocating_what_is_no_database_is_one_clear_error(tmp_path):
    with pytest.raises(HomeError, match="cannot be changed"):
        relocate(tmp_path / "mlflow.db", "/a", "/b")
    assert not (tmp_path / "mlflow.db").exists()

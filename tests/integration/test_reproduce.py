"""What was trained on can be made once more and proved the same, also after all tables have moved on; and it is kept.

What belongs here: reproducing training sets and model versions, the tags that keep their snapshots, and the commands
`slipway reproduce` and `slipway training-set` on the fraud domain. Not: training and promoting (test_models.py,
test_registry.py), frames of any other spine (test_training_frame.py).
"""

import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from assets.fraud.model import fraud_scorer
from assets.fraud.training import training
from lakehouse.errors import SlipwayError, UnknownNameError
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.model import Candidate, Classifier, Gate
from lakehouse.models.reproduction import find_version, reproduce_version
from lakehouse.models.retraining import retrain
from lakehouse.models.snapshot_retention import protect
from lakehouse.tables.provenance import Provenance, read_provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read, resolve
from lakehouse.tables.write import write_draft
from lakehouse.training.assemble import training_shape
from lakehouse.training.reproduce import reproduce
from lakehouse.training.stored_hashes import CONTENT, content_of, note
from lakehouse.training.training_tables import build_training_set
from orchestration.cli import main
from orchestration.cli.output import console, notes
from tests import scenario

CANDIDATES = [one for one in fraud_scorer.candidates if one.name in {"logistic_regression", "decision_tree"}]
EASY = Gate("auc_floor", "auc", at_least=0.0)
model = replace(fraud_scorer, candidates=CANDIDATES, gates=[EASY])
INPUTS = ("fraud.stg_transactions", "fraud.fraud_reports", *(one.name for one in training.feature_sets))
ALL = ("fraud.transactions", *INPUTS, "fraud.training")


@pytest.fixture(scope="module")
def trained_home(built_home, tmp_path_factory):
    """The small world with a champion. To be copied, never written to."""
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("trained") / "home")
    lake = scenario.make_lake(home)
    retrain(lake, open_registry(lake.home), model, training, run_id="first")
    return home


@pytest.fixture
def trained(trained_home, tmp_path):
    """The same, in a home of the test's own."""
    return scenario.make_lake(shutil.copytree(trained_home, tmp_path / "trained"))


def move_on(lake, factor=2.0):
    """The last ten days come again with other amounts and times, which changes every table."""
    again = scenario.payments_on(scenario.EVERY_DAY[-10:]).with_columns(
        (pl.col("TX_AMOUNT") / factor).round(2), pl.col("TX_DATETIME") + pl.duration(microseconds=int(factor))
    )
    scenario.deliver(lake, again)
    scenario.land_all(lake)
    scenario.build_models(lake)
    scenario.build_features(lake)
    return scenario.build_training(lake)


def present(lake, name="fraud.training"):
    return resolve(lake.table(name))


def expire_all(lake):
    """What a person does who wants the space back: every snapshot goes that nothing refers to."""
    for name in lake.names():
        lake.table(name).maintenance.expire_snapshots().older_than(datetime.now(UTC)).commit()


def version_of(lake, address="models:/fraud.scorer@champion"):
    return find_version(open_registry(lake.home), address)


def proved(lake, version, **more):
    return reproduce_version(lake, open_registry(lake.home), more.pop("by", model), training, version, **more)


# Training sets.


def test_a_snapshot_is_made_once_more_to_the_bit_also_after_the_tables_moved_on(built):
    snapshot = present(built)
    before = reproduce(built, training)
    assert before.identical
    assert before.snapshot_id == snapshot
    assert before.recorded_hash == before.stored_hash == before.rebuilt_hash
    assert (before.differing, before.remarks) == ([], [])
    assert len(before.rows) == len(read(built, "fraud.training"))
    moved = move_on(built)
    assert moved.days == tuple(scenario.EVERY_DAY[-10:])
    after = reproduce(built, training, snapshot)
    assert after.identical
    assert after.rebuilt_hash == before.rebuilt_hash
    newer = reproduce(built, training)
    assert newer.identical
    assert newer.rebuilt_hash != before.rebuilt_hash
    # The note was carried on from that of the snapshot before; it is what all rows together give.
    assert newer.recorded_hash == content_of(training, read(built, "fraud.training"))


def test_rows_that_are_not_those_that_were_written_are_found(built):
    before = built.table("fraud.training").current_snapshot()
    made = read_provenance(before)
    rows = read(built, "fraud.training")
    amounts = [
        value + (Decimal("0.01") if place == 3 else 0) for place, value in enumerate(rows.column("amount").to_pylist())
    ]
    amount = rows.schema.get_field_index("amount")
    changed = rows.set_column(amount, rows.schema.field(amount), pa.array(amounts, rows.schema.field(amount).type))
    kept = {key: note(built, "fraud.training", before.snapshot_id, key) for key in ("as-of", CONTENT)}
    provenance = Provenance("somebody", made.definition, made.input_snapshots, notes=kept)
    publish(built, write_draft(built, training_shape(training, rows.schema), changed, provenance))
    found = reproduce(built, training)
    assert not found.identical
    assert found.differing == ["amount"]
    assert found.rebuilt_hash == found.recorded_hash != found.stored_hash


def test_another_definition_is_reported(built):
    later = replace(training, feature_sets=[customer_spend, replace(terminal_risk, delay="8d"), transaction_time])
    found = reproduce(built, later)
    assert "The definition changed since it was built" in found.remarks[0]
    assert found.identical  # the feature tables are read as they were


def test_columns_that_the_snapshot_lacks_are_reported(built):
    wider = replace(training, carry=[*training.carry, "tx_time_days"])
    with pytest.raises(SlipwayError, match="other columns than the training set declares now") as caught:
        reproduce(built, wider)
    assert f"definition {training.fingerprint()}" in caught.value.fix


def test_a_snapshot_without_noted_content_is_proved_against_what_is_stored(built):
    snapshot = built.table("fraud.training").current_snapshot()
    made = read_provenance(snapshot)
    rows = read(built, "fraud.training")
    provenance = Provenance(
        "older",
        made.definition,
        made.input_snapshots,
        notes={"as-of": note(built, training.name, made.snapshot_id, "as-of")},
    )
    publish(built, write_draft(built, training_shape(training, rows.schema), rows, provenance))
    found = reproduce(built, training)
    assert found.identical
    assert found.recorded_hash == ""
    assert any("No content hash was recorded" in one for one in found.remarks)
    # The next run notes it again, for all rows.
    move_on(built)
    assert reproduce(built, training).recorded_hash == content_of(training, read(built, "fraud.training"))


def test_snapshots_that_are_gone_are_reported(built):
    snapshot, spend = present(built), present(built, "fraud.customer_spend")
    with pytest.raises(UnknownNameError, match="no snapshot named '17'"):
        reproduce(built, training, 17)
    move_on(built)
    built.table("fraud.customer_spend").maintenance.expire_snapshots().by_id(spend).commit()
    with pytest.raises(UnknownNameError, match="no longer exist") as caught:
        reproduce(built, training, snapshot)
    assert f"fraud.customer_spend at {spend}" in caught.value.what
    assert caught.value.where == f"fraud.training@{snapshot}"


def test_a_snapshot_of_another_writer_is_reported(built):
    built.table("fraud.training").append(read(built, "fraud.training").slice(0, 1))
    with pytest.raises(SlipwayError, match="has no input snapshots"):
        reproduce(built, training)


# Models.


def test_a_version_scores_its_rebuilt_rows_to_the_bit_and_so_does_one_trained_again(trained):
    move_on(trained)
    found = proved(trained, version_of(trained))
    assert found.identical
    assert found.scores_equal
    assert found.metrics_equal
    assert found.retrained_equal is True
    assert found.test_rows > 100
    assert found.remarks == []
    assert [version_of(trained, f"models:/fraud.scorer{which}").version for which in ("/1", "@1", "@champion")] == [
        1
    ] * 3


def test_files_or_metrics_that_changed_are_found(trained):
    version = version_of(trained)
    better = replace(version, metrics={**version.metrics, "auc": 0.99})
    found = proved(trained, better, retrain=False)
    assert not found.identical
    assert (found.scores_equal, found.metrics_equal, found.retrained_equal) == (True, False, None)
    assert found.remarks == ["Metrics that are not as written down: auc.", "It was not trained again."]


def test_a_candidate_that_is_gone_is_reported(trained):
    other = [one for one in fraud_scorer.candidates if one.name == "decision_tree_2"]
    found = proved(trained, version_of(trained), by=replace(model, candidates=other))
    assert found.identical
    assert found.retrained_equal is None
    assert "definition is not the one" in found.remarks[0]
    assert "has no candidate" in found.remarks[1]


def by_chance() -> Classifier:
    """A forest that draws another sample each time."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=5)


def test_a_training_that_cannot_be_repeated_is_reported_as_such(built):
    chancy = replace(model, candidates=[Candidate("by_chance", by_chance, "Other trees each time.")])
    retrain(built, open_registry(built.home), chancy, training, run_id="run")
    found = proved(built, version_of(built), by=chancy)
    assert found.identical  # the version's own files are what was proved
    assert found.retrained_equal is False
    assert "not repeatable to the bit" in found.remarks[0]


@pytest.mark.parametrize(
    ("address", "what", "nearest"),
    [
        ("models:/fraud.scorer", "has no version or alias", "models:/fraud.scorer@champion"),
        ("models:/fraud.scorer/9", "There is no version named '9'", None),
        ("models:/fraud.scorer@champoin", "There is no alias named 'champoin'", "champion"),
        ("models:/fraud.score/1", "There is no model named 'fraud.score'", "fraud.scorer"),
    ],
)
def test_a_version_that_does_not_exist_gets_a_clear_error(trained, address, what, nearest):
    with pytest.raises(SlipwayError, match=what) as caught:
        version_of(trained, address)
    assert caught.value.nearest == nearest


# What a live model needs is kept.


def tags(lake, name):
    return {tag: one.snapshot_id for tag, one in lake.table(name).metadata.refs.items() if tag.startswith("model-")}


def test_what_a_champion_was_made_of_outlives_the_expiry_of_snapshots(trained):
    version = version_of(trained)
    assert all(tags(trained, name) == {"model-fraud.scorer-1": present(trained, name)} for name in ALL)
    assert tags(trained, "fraud.daily_activity") == {}
    move_on(trained)
    moved_from = {name: pin for name in ALL for pin in tags(trained, name).values()}
    expire_all(trained)
    for name in ALL:
        left = {one.snapshot_id for one in trained.table(name).metadata.snapshots}
        assert left == {moved_from[name], present(trained, name)}
        assert moved_from[name] != present(trained, name)
    assert proved(trained, version).identical


def test_a_version_that_lost_its_name_is_kept_no_longer(trained):
    first = version_of(trained)
    move_on(trained)
    second = retrain(trained, open_registry(trained.home), model, training, run_id="second").version
    assert (second.version, second.aliases) == (2, ("champion",))
    assert all(tags(trained, name) == {"model-fraud.scorer-2": present(trained, name)} for name in ALL)
    move_on(trained, factor=3.0)
    expire_all(trained)
    with pytest.raises(UnknownNameError):
        proved(trained, first)
    assert proved(trained, second).identical


def test_a_challenger_is_kept_beside_the_champion(trained):
    move_on(trained)
    registry = open_registry(trained.home)
    hard = replace(model, gates=[Gate("auc_floor", "auc", at_least=1.0, at_most=1.0)])
    second = retrain(trained, registry, hard, training, run_id="second").version
    assert second.aliases == ("challenger",)
    assert all(set(tags(trained, name)) == {"model-fraud.scorer-1", "model-fraud.scorer-2"} for name in ALL)
    # Tags of others stay as they are, also those of a model whose name begins alike.
    table = trained.table("fraud.training")
    table.manage_snapshots().create_tag(present(trained), "model-fraud.scorer-eu-1").commit()
    registry.client.delete_registered_model_alias("fraud.scorer", "challenger")
    kept = protect(trained, registry, "fraud.scorer")
    assert set(tags(trained, "fraud.training")) == {"model-fraud.scorer-1", "model-fraud.scorer-eu-1"}
    assert kept.gone == []
    assert protect(trained, registry, "fraud.scorer") == kept


def test_a_version_that_needs_two_snapshots_of_a_table_keeps_both(trained):
    # Features are brought up to date, the training set's own spine is read a snapshot later.
    old = present(trained, "fraud.stg_transactions")
    table = trained.table("fraud.stg_transactions")
    made = read_provenance(table.current_snapshot())
    with table.transaction() as change:
        change.append(
            read(trained, "fraud.stg_transactions").slice(0, 0),
            Provenance("x", made.definition, made.input_snapshots).summary(),
        )
    build_training_set(trained, training, run_id="later", rebuild=True)
    registry = open_registry(trained.home)
    retrain(trained, registry, model, training, run_id="second")
    new = present(trained, "fraud.stg_transactions")
    assert tags(trained, "fraud.stg_transactions") == {
        "model-fraud.scorer-2": new,
        f"model-fraud.scorer-2-{old}": old,
    }


def test_snapshots_that_are_gone_already_are_reported_and_the_rest_is_kept(trained):
    registry = open_registry(trained.home)
    pin = present(trained, "fraud.terminal_risk")
    trained.drop_table("fraud.terminal_risk")
    kept = protect(trained, registry, "fraud.scorer")
    assert kept.gone == [f"fraud.terminal_risk at {pin}"]
    assert set(kept.tags) == set(ALL) - {"fraud.terminal_risk"}


# The commands.


@pytest.fixture
def slipway(monkeypatch, capsys):
    """Call a command in this process; its exit code, its output without line breaks and borders, its JSON."""
    for screen in (console, notes):
        monkeypatch.setattr(screen, "_width", 220)

    def call(*words):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["slipway", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        heard = capsys.readouterr()
        return left.value.code or 0, heard.out + ("" if "--json" in words else heard.err)

    return call


def test_reproduce_reports_what_it_rebuilt_and_that_it_is_the_same(slipway, trained):
    home = ["--home", trained.home.root]
    snapshot = present(trained)
    code, output = slipway("reproduce", f"fraud.training@{snapshot}", *home)
    assert code == 0
    assert "Identical, bit by bit." in output
    assert all(f"{name}" in output for name in INPUTS)
    code, output = slipway("reproduce", "fraud.training@model-fraud.scorer-1", *home, "--json")
    found = json.loads(output)
    assert (code, found["identical"], found["snapshot_id"]) == (0, True, str(snapshot))
    assert found["content"]["recorded"] == found["content"]["stored"] == found["content"]["rebuilt"]
    code, output = slipway("reproduce", "models:/fraud.scorer@champion", *home)
    assert code == 0
    assert "scores of the retrained model, bit by bit" in output
    assert "The model's definition is not the one it was trained by" in output  # the declared one has more candidates
    code, output = slipway("reproduce", "models:/fraud.scorer/1", *home, "--json", "--no-retrain")
    found = json.loads(output)
    assert (code, found["identical"], found["scores_equal"], found["retrained_equal"]) == (
        0,
        True,
        True,
        None,
    )
    assert found["training"]["input_snapshots"].keys() == set(INPUTS)


def test_reproduce_ends_with_1_when_it_is_not_the_same(slipway, built, monkeypatch):
    monkeypatch.setattr("lakehouse.training.reproduce.note", lambda *_: "2018-05-16T00:00:00")
    code, output = slipway("reproduce", "fraud.training", "--home", built.home.root)
    assert code == 1
    assert "Not identical." in output


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["reproduce", "fraud.trainin"], "There is no training set named"),
        (["reproduce", "fraud.training@nowhere"], "There is no tag or branch named"),
        (["reproduce", "models:/fraud.scorer@champion"], "There is no model named"),
        (["training-set", "fraud.customer_spent", "--spine", "spine.csv"], "fraud.customer_spend"),
        (["training-set", "fraud.customer_spend", "--spine", "nowhere.csv"], "There is no such file"),
        (["training-set", "fraud.customer_spend", "--spine", "x", "--out", "frame.csv"], "frame.parquet"),
        (["training-set", "fraud.customer_spend", "--spine", "x", "--key", "client"], "customer_id=client"),
    ],
)
def test_what_does_not_exist_is_a_clear_error(slipway, built, words, what):
    code, output = slipway(*words, "--home", built.home.root)
    assert code == 1
    assert what in " ".join(output.split())


def test_training_set_joins_features_to_a_file(slipway, built, tmp_path):
    rows = read(built, "fraud.training").sort_by([("tx_datetime", "descending"), ("transaction_id", "ascending")])
    spine = rows.select(["transaction_id", "customer_id", "terminal_id", "tx_datetime"])
    pq.write_table(spine, tmp_path / "cases.parquet")
    home = ["--home", built.home.root]
    out = tmp_path / "frame.parquet"
    code, output = slipway("training-set", "fraud.training", "--spine", tmp_path / "cases.parquet", "--out", out, *home)
    assert code == 0
    assert f"{len(rows):,} rows, 14 features as of tx_datetime" in output
    written = pq.read_table(out)
    # The declared training set itself, made for a spine of somebody else.
    names = [*spine.column_names, *training.features]
    assert written.column_names == names
    assert written.equals(rows.select(names).combine_chunks().cast(written.schema))
    code, output = slipway(
        "training-set", "fraud.training", "--spine", tmp_path / "cases.parquet", "--at", present(built), "--json", *home
    )
    found = json.loads(output)
    assert (code, found["rows"], found["file"]) == (0, len(rows), None)
    assert found["content_hash"] == json.loads(pq.read_metadata(out).metadata[b"slipway"])["content_hash"]
    assert found["input_snapshots"] == {one.name: str(present(built, one.name)) for one in training.feature_sets}


def test_training_set_joins_features_to_sql(slipway, built):
    sql = "select customer_id as client, tx_datetime, tx_datetime as again from fraud.stg_transactions"
    words = ["training-set", "fraud.customer_spend.tx_count_7d", "--spine", sql, "--home", built.home.root]
    code, output = slipway(*words)
    assert code == 1
    assert "2 columns of times" in output
    code, output = slipway(*words, "--time", "tx_datetime", "--key", "customer_id=client", "--max-age", "1s")
    assert code == 0
    assert "fraud.stg_transactions at" in output
    assert "1 features" in output

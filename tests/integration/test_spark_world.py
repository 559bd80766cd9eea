"""The main job up to the training set on Spark: the same tables with the same bits, by the same write, audit, publish.

What belongs here: the small world's way through landing, dbt, features and training set, on both engines. Not: the
Spark engine's own promises (test_spark_engine.py) and how Spark is found and started (test_spark_start.py).
"""

import json
from dataclasses import replace

import polars as pl
import pytest

from assets.fraud.features import customer_spend, terminal_risk
from lakehouse.engines.choice import engine_of
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.spark.engine import SparkEngine
from lakehouse.errors import SlipwayError
from lakehouse.feature_tables.build import build_feature_set, plan_feature_build
from lakehouse.features.feature_set import total
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import plan, read
from lakehouse.training.assemble import plan_training_build
from lakehouse.training.reproduce import reproduce
from orchestration.definitions import build_defs
from tests import scenario

TABLES = [
    "fraud.transactions",
    "fraud.stg_transactions",
    "fraud.fraud_reports",
    "fraud.daily_activity",
    "fraud.customer_spend",
    "fraud.terminal_risk",
    "fraud.transaction_time",
    "fraud.training",
]
FEW = scenario.EVERY_DAY[:8]


def rows(lake, name):
    """All rows in one order, without the moments at which it was first read or put there."""
    table = read(lake, name)
    table = table.drop([column for column in ("_arrived_at", "_quarantined_at") if column in table.column_names])
    return table.sort_by([(column, "ascending") for column in table.column_names])


@pytest.mark.parametrize("name", TABLES)
def test_a_table_made_on_spark_is_the_embedded_ones_to_the_bit(name, spark_built, built):
    ours, theirs = rows(spark_built, name), rows(built, name)
    assert len(ours)
    assert ours.schema.equals(theirs.schema)
    assert ours.equals(theirs)


@pytest.mark.parametrize("name", TABLES)
def test_spark_writes_down_what_the_embedded_engine_does(name, spark_built, built):
    ours, theirs = last_published(spark_built, name), last_published(built, name)
    assert ours is not None
    assert theirs is not None
    assert (ours.run_id, ours.code_version, ours.definition, ours.contract, ours.rows) == (
        theirs.run_id,
        theirs.code_version,
        theirs.definition,
        theirs.contract,
        theirs.rows,
    )
    assert set(ours.input_snapshots) == set(theirs.input_snapshots)
    for table, pin in ours.input_snapshots.items():
        assert spark_built.table(table).snapshot_by_id(pin) is not None
    summary = spark_built.table(name).current_snapshot().summary.additional_properties
    assert "spark" in json.dumps(summary)  # it was Spark's own commit that was published
    assert list(spark_built.table(name).metadata.refs) == ["main"]


def test_inside_each_day_rows_lie_in_order(spark_built):
    for task in plan(spark_built, "fraud.training").tasks:
        frame = pl.read_parquet(spark_built.local_path(task.file.file_path)).select("tx_datetime", "transaction_id")
        assert frame.equals(frame.sort("tx_datetime", "transaction_id"))
        assert frame["tx_datetime"].dt.date().n_unique() == 1


def test_what_spark_built_is_up_to_date_for_both_engines(spark_built):
    assert not plan_feature_build(spark_built, customer_spend).needed
    assert not plan_feature_build(spark_built, terminal_risk).needed
    assert not plan_training_build(spark_built, scenario.training).needed


def test_settings_choose_the_engine_and_a_feature_set_may_choose_its_own(spark_built, lake):
    for home, chosen in ((spark_built, SparkEngine), (lake, EmbeddedEngine)):
        assert isinstance(engine_of(home, customer_spend.engine), chosen)
        assert isinstance(engine_of(home, "spark"), SparkEngine)
        assert isinstance(engine_of(home, "embedded"), EmbeddedEngine)
    assert replace(customer_spend, engine="spark").fingerprint() == customer_spend.fingerprint()


def test_assets_show_their_engine(spark_built, built):
    for lake, on_spark in ((spark_built, True), (built, False)):
        specs = {".".join(one.key.path): one for one in build_defs(lake).resolve_all_asset_specs()}
        for name in TABLES:
            assert ("spark" in specs[name].kinds) == on_spark, name


def test_what_spark_assembled_is_rebuilt_from_its_input_snapshots_to_the_bit(spark_built):
    proof = reproduce(spark_built, scenario.training)
    assert proof.identical
    assert proof.recorded_hash == proof.rebuilt_hash
    assert proof.remarks == []


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two lakehouses with the same first days: one on Spark, one embedded."""
    folder = tmp_path_factory.mktemp("pair")
    lakes = scenario.make_lake(folder / "spark", scenario.SPARK), scenario.make_lake(folder / "embedded")
    first = scenario.payments_on(FEW)
    for lake in lakes:
        # Of the last day every third row comes later, in another file.
        late = first.filter(pl.col("TX_DATETIME").dt.date() == FEW[-1]).gather_every(3)
        scenario.deliver(lake, first.join(late, on="TRANSACTION_ID", how="anti"))
        scenario.land_all(lake, lenient=True)
        scenario.build_models(lake)
        scenario.build_features(lake)
        scenario.build_training(lake)
    return lakes


def test_a_late_delivery_with_broken_rows_changes_only_its_day(pair):
    first = scenario.payments_on(FEW)
    late = first.filter(pl.col("TX_DATETIME").dt.date() == FEW[-1]).gather_every(3)
    for lake in pair:
        folder = lake.home.drop_folder("fraud.transactions")
        scenario.broken(late, every=6).write_parquet(folder / "late.parquet")
        landed = scenario.land_all(lake, lenient=True)
        assert landed.quarantined
        assert landed.outcome.days == (FEW[-1],)
        (models, *_) = scenario.build_models(lake)
        assert models.days == (FEW[-1],)
        outcomes = scenario.build_features(lake)
        assert all(one.days == (FEW[-1],) for one in outcomes)
        assert scenario.build_training(lake).days == (FEW[-1],)
    spark, embedded = pair
    for name in [*TABLES, "fraud.transactions__quarantine"]:
        assert rows(spark, name).equals(rows(embedded, name)), name
    # The content of the days before was carried on, and it is what all rows together give.
    ours, theirs = (reproduce(lake, scenario.training) for lake in pair)
    assert ours.recorded_hash == theirs.recorded_hash == ours.stored_hash


def test_a_feature_set_with_another_column_is_rebuilt_on_spark(pair):
    spark, embedded = pair
    more = replace(customer_spend, features=[*customer_spend.features, total("amount").over("1d")])
    for lake in pair:
        outcome = build_feature_set(lake, engine_of(lake, more.engine), more, run_id="more-columns")
        assert outcome.days is None
    assert "amount_sum_1d" in rows(spark, more.name).column_names
    assert rows(spark, more.name).equals(rows(embedded, more.name))


def test_a_feature_set_with_an_engine_of_its_own_is_made_on_spark_where_all_else_is_embedded(pair):
    _, embedded = pair
    lake = scenario.make_lake(embedded.home.root, {**scenario.SPARK, "SLIPWAY_ENGINE": "embedded"})
    one, held = replace(terminal_risk, engine="spark"), rows(lake, terminal_risk.name)
    build_feature_set(lake, engine_of(lake, one.engine), one, run_id="own-engine", rebuild=True)
    summary = lake.table(one.name).current_snapshot().summary.additional_properties
    assert "spark" in json.dumps(summary)
    assert rows(lake, one.name).equals(held)


def test_a_rejected_delivery_leaves_everything_as_it_was(pair):
    spark, _ = pair
    before = last_published(spark, "fraud.transactions")
    folder = spark.home.drop_folder("fraud.transactions")
    scenario.broken(scenario.payments_on([scenario.EVERY_DAY[8]])).write_parquet(folder / "bad.parquet")
    try:
        with pytest.raises(AuditError, match="rows fail a rule"):
            scenario.land_all(spark, lenient=True)
    finally:
        (folder / "bad.parquet").unlink()
    assert last_published(spark, "fraud.transactions") == before


def test_a_file_that_a_worker_cannot_read_is_named_as_ever(pair):
    spark, _ = pair
    folder = spark.home.drop_folder("fraud.transactions")
    day = scenario.payments_on([scenario.EVERY_DAY[8]]).rename({"TX_AMOUNT": "TX_AMOUNTS"})
    day.write_parquet(folder / "odd.parquet")
    try:
        with pytest.raises(SlipwayError) as caught:
            scenario.land_all(spark, lenient=True)
    finally:
        (folder / "odd.parquet").unlink()
    assert type(caught.value).__name__ == "DeliveryError"
    assert "'TX_AMOUNT' is missing" in caught.value.what
    assert caught.value.nearest == "TX_AMOUNTS"

"""Only rows that a change affects are recomputed, and the result equals a full rebuild to the bit.

What belongs here: dbt models, feature sets and the training set after further deliveries. Not: landing alone
(test_landing.py), an engine alone (tests/conformance/), and Dagster.
"""

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta

import polars as pl
import pytest

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from assets.fraud.sources import transactions as source
from assets.fraud.training import training
from lakehouse.engines.embedded import features
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.errors import SlipwayError
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domain
from lakehouse.tables.days import EPOCH
from lakehouse.tables.provenance import Provenance, last_published, read_provenance
from lakehouse.tables.read import plan, read
from lakehouse.training.training_tables import build_training_set
from lakehouse.transforms.build import build
from lakehouse.transforms.project import load_project
from tests import scenario

DAYS = scenario.EVERY_DAY
LAST = scenario.LAST
SETS = (customer_spend, terminal_risk, transaction_time)
MODELS = ("fraud.stg_transactions", "fraud.fraud_reports", "fraud.daily_activity")
TABLES = (*MODELS, *(one.name for one in SETS), training.name)
GAP = DAYS[20]
PRESENT = [day for day in DAYS if day not in {GAP, LAST}]
MIDNIGHT = datetime.combine(LAST + timedelta(days=1), time.min)


def bring_up_to_date(lake, *, rebuild=False):
    """Land what was delivered and bring every table up to date; outcomes by table."""
    outcomes = {source.name: scenario.land_all(lake).outcome}
    lake.settings.export()  # dbt reads the environment
    for result in build(lake, load_project(lake.settings, lake.home), MODELS, run_id="run", rebuild=rebuild):
        assert result.outcome is not None, result.failure
        outcomes[result.table] = result.outcome
    engine = EmbeddedEngine()
    for one in SETS:
        outcomes[one.name] = build_feature_set(lake, engine, one, run_id="run", rebuild=rebuild)
    outcomes[training.name] = build_training_set(lake, training, run_id="run", rebuild=rebuild)
    return outcomes


def rows(lake, name):
    table = pl.DataFrame(pl.from_arrow(read(lake, name)))
    return table.sort("day" if name == "fraud.daily_activity" else "transaction_id")


def files(lake, name):
    """The data files of each day of a table."""
    found = {}
    for task in plan(lake, name).tasks:
        found.setdefault(EPOCH + timedelta(days=task.file.partition[0]), set()).add(task.file.file_path)
    return found


def all_files(lake):
    return {name: files(lake, name) for name in TABLES}


def rewritten(before, after):
    """The days of each table whose files differ."""
    return {
        name: sorted(day for day in {*before[name], *after[name]} if before[name].get(day) != after[name].get(day))
        for name in TABLES
    }


def snapshots(lake):
    return {name: last_published(lake, name).snapshot_id for name in (source.name, *TABLES)}


def test_a_training_set_is_not_built_from_feature_sets_that_lag_behind_its_spine(short):
    scenario.deliver(short, scenario.payments_on([LAST]))
    scenario.land_all(short)
    scenario.build_models(short)
    before = snapshots(short)[training.name]
    with pytest.raises(SlipwayError, match=r"fraud\.customer_spend has no features yet of") as caught:
        build_training_set(short, training, run_id="run")
    assert caught.value.nearest == "slipway materialize fraud.customer_spend"
    assert snapshots(short)[training.name] == before
    scenario.build_features(short)
    assert build_training_set(short, training, run_id="run").rows


def test_a_spine_without_rows_is_a_reason_of_its_own_and_hides_no_other_table(short):
    spine = training.spine
    made = last_published(short, spine)
    with short.table(spine).transaction() as transaction:
        provenance = Provenance("emptied", made.definition, made.input_snapshots)
        transaction.delete("transaction_id > -1", snapshot_properties=provenance.summary())
    found = AssetGraph([load_domain("fraud")], load_project(short.settings, short.home)).staleness(short)
    assert "has no rows" in found[training.name].reason
    assert {*MODELS, *(one.name for one in SETS)} <= found.keys()


def same_as_rebuilt(lake, tmp_path):
    """Every table equals, bit by bit, what a full rebuild in a copy of the home makes."""
    copy = scenario.make_lake(shutil.copytree(lake.home.root, tmp_path / "rebuilt"))
    outcomes = bring_up_to_date(copy, rebuild=True)
    assert all(outcomes[name].days is None for name in TABLES)
    for name in TABLES:
        assert rows(lake, name).equals(rows(copy, name)), name
    return True


def touched(key, changed, days, late=0):
    """The days on which an entity of changed payments has a payment with one of these in its 30 days' window."""
    known = changed.select(key, known=pl.col("TX_DATETIME") + pl.duration(days=late))
    paid = scenario.payments_on(days).join(known, on=key)
    inside = paid.filter(
        pl.col("TX_DATETIME").is_between("known", pl.col("known") + pl.duration(days=30), closed="left")
    )
    return tuple(sorted(set(inside["TX_DATETIME"].dt.date())))


@pytest.fixture(scope="module")
def short_home(tmp_path_factory):
    """The world without its last day and one in the middle, with all tables."""
    environment = dict(os.environ)
    lake = scenario.make_lake(tmp_path_factory.mktemp("short") / "home")
    scenario.deliver(lake, scenario.payments_on(PRESENT))
    bring_up_to_date(lake)
    os.environ.clear()
    os.environ.update(environment)
    return lake.home.root


@pytest.fixture
def short(short_home, tmp_path):
    return scenario.make_lake(shutil.copytree(short_home, tmp_path / "short"))


# One more day.


def test_one_more_day_computes_that_day_and_the_labels_that_became_known(short):
    before, kept = all_files(short), snapshots(short)
    scenario.deliver(short, scenario.payments_on([LAST]))
    outcomes = bring_up_to_date(short)
    ripe = LAST - timedelta(days=7)
    expected = dict.fromkeys((source.name, *TABLES), (LAST,)) | {training.name: (ripe, LAST)}
    assert {name: outcome.days for name, outcome in outcomes.items()} == expected
    assert rewritten(before, all_files(short)) == {name: list(expected[name]) for name in TABLES}
    assert all(outcomes[one.name].rows_written == len(scenario.payments_on([LAST])) for one in SETS)
    assert all(outcome.causes for outcome in outcomes.values())
    # Every table has its input snapshots.
    now = snapshots(short)
    assert all(now[name] != kept[name] for name in now)
    for name in TABLES:
        assert last_published(short, name).input_snapshots == {
            table: now[table] for table in last_published(short, name).input_snapshots
        }
    assert set(last_published(short, training.name).input_snapshots) == set(training.inputs())


def test_days_that_come_late_end_up_as_if_all_had_come_in_order(short, built):
    """First the last day, then one in the middle, whose windows and labels all later days were made without."""
    scenario.deliver(short, scenario.payments_on([LAST]))
    bring_up_to_date(short)
    scenario.deliver(short, scenario.payments_on([GAP]))
    outcomes = bring_up_to_date(short)
    assert outcomes["fraud.stg_transactions"].days == outcomes["fraud.transaction_time"].days == (GAP,)
    assert outcomes["fraud.customer_spend"].days == touched("CUSTOMER_ID", scenario.payments_on([GAP]), DAYS)
    assert outcomes["fraud.terminal_risk"].days == (
        GAP,  # the new rows themselves; what they report of their terminals is known a week later
        *touched("TERMINAL_ID", scenario.payments_on([GAP]), DAYS, late=7),
    )
    for name in TABLES:
        assert rows(short, name).equals(rows(built, name)), name


def test_nothing_new_writes_nothing(built):
    before = snapshots(built), all_files(built), {name: len(built.table(name).snapshots()) for name in TABLES}
    outcomes = bring_up_to_date(built)
    assert not any(outcome.recomputed or outcome.rows_written for outcome in outcomes.values())
    assert {name: outcome.snapshot_id for name, outcome in outcomes.items()} == before[0]
    assert (snapshots(built), all_files(built), {name: len(built.table(name).snapshots()) for name in TABLES}) == before


# A late correction.


@contextmanager
def watched(module, computed):
    """The rows that an incremental build recomputes, by feature set."""
    made = module.computed

    def noting(lake, one, *given):
        rows = made(lake, one, *given)
        computed.append((one.name, rows))
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "computed", noting)
        yield


def corrected(lake, day, change):
    """Deliver a day again, changed."""
    scenario.deliver(lake, scenario.payments_on([day]).with_columns(change))


def test_a_corrected_day_recomputes_the_rows_that_its_windows_reach_and_no_others(short, tmp_path):
    day = DAYS[5]
    before, old = all_files(short), {name: rows(short, name) for name in TABLES}
    of_5 = pl.col("CUSTOMER_ID") == 5
    corrected(short, day, pl.when(of_5).then(pl.col("TX_AMOUNT") + 1).otherwise("TX_AMOUNT"))
    computed = []
    with watched(features, computed):
        outcomes = bring_up_to_date(short)
    reached = touched("CUSTOMER_ID", scenario.payments_on([day]).filter(of_5), PRESENT)
    assert reached[0] == day
    assert len(reached) < 30
    assert outcomes["fraud.stg_transactions"].days == outcomes["fraud.daily_activity"].days == (day,)
    assert outcomes["fraud.customer_spend"].days == outcomes[training.name].days == reached
    # No column that these two read was corrected.
    assert outcomes["fraud.transaction_time"].days == outcomes["fraud.terminal_risk"].days == ()
    assert rewritten(before, all_files(short)) == {name: list(outcomes[name].days) for name in TABLES}
    spend = rows(short, "fraud.customer_spend")
    changed = spend.filter(pl.struct(pl.all()).ne_missing(pl.Series(old["fraud.customer_spend"].to_struct())))
    assert set(changed["customer_id"]) == {5}
    assert changed["tx_datetime"].dt.date().min() == day
    assert changed["tx_datetime"].dt.date().max() >= DAYS[34]
    ((name, made),) = computed
    assert name == "fraud.customer_spend"
    assert set(made.column("customer_id").to_pylist()) == {5}
    assert set(changed["transaction_id"]) <= set(made.column("transaction_id").to_pylist())
    assert same_as_rebuilt(short, tmp_path)


def test_a_corrected_label_reaches_the_windows_and_the_training_set(short, tmp_path):
    day = DAYS[3]
    old = rows(short, "fraud.terminal_risk")
    # One label in three: with all of them turned over, the delivery would rightly be taken for one in other codes.
    turned = pl.col("TRANSACTION_ID") % 3 == 0
    corrected(short, day, pl.when(turned).then(1 - pl.col("TX_FRAUD")).otherwise("TX_FRAUD").alias("TX_FRAUD"))
    outcomes = bring_up_to_date(short)
    changed = scenario.payments_on([day]).filter(turned)
    assert outcomes["fraud.terminal_risk"].days == touched("TERMINAL_ID", changed, PRESENT, late=7)
    new = rows(short, "fraud.terminal_risk")
    differing = old.filter(old["is_fraud_rate_30d"] != new["is_fraud_rate_30d"])["tx_datetime"].dt.date()
    # Known a week later, and for 30 days from then on.
    assert (differing.min(), differing.max()) == (DAYS[10], DAYS[40])
    labels = rows(short, training.name).filter(pl.col("tx_datetime").dt.date() == day)
    assert labels["is_fraud"].equals(
        scenario.payments_on([day]).select(
            is_fraud=pl.when(turned).then(1 - pl.col("TX_FRAUD")).otherwise("TX_FRAUD").cast(pl.Int64)
        )["is_fraud"]
    )
    assert same_as_rebuilt(short, tmp_path)


def test_a_day_that_is_taken_back_leaves_every_table(built, tmp_path):
    """The delivery of the last day turns out to be a mistake; labels are no longer known by its end."""
    name = f"transactions_{LAST}.parquet"
    # It comes again under its name, with late payments of the day before and none of its own.
    late = scenario.payments_on([LAST]).with_columns(pl.col("TX_DATETIME") - pl.duration(days=1)).tail(30)
    late.write_parquet(built.home.drop_folder(source.name) / name)
    outcomes = bring_up_to_date(built)
    assert outcomes[source.name].days == (DAYS[-2], LAST)
    for table in TABLES:
        assert LAST not in files(built, table), table
    known = rows(built, training.name).filter(pl.col("is_fraud").is_not_null())["tx_datetime"].max()
    assert known + timedelta(days=7) <= MIDNIGHT - timedelta(days=1)
    assert same_as_rebuilt(built, tmp_path)


# Labels.


def test_a_label_is_known_a_week_later_and_never_before_the_data_has_it(built):
    table = rows(built, training.name)
    assert len(table) == len(scenario.payments())
    known = pl.col("tx_datetime") + timedelta(days=7) <= MIDNIGHT
    assert table.filter(known)["is_fraud"].null_count() == 0
    assert table.filter(~known)["is_fraud"].is_null().all()
    assert table.filter(~known)["tx_datetime"].dt.date().n_unique() == 7
    delivered = scenario.payments().sort("TRANSACTION_ID")["TX_FRAUD"].cast(pl.Int64)
    assert table["is_fraud"].drop_nulls().equals(delivered.head(len(table.filter(known))).alias("is_fraud"))
    clock = built.table(training.name).current_snapshot().summary.additional_properties["slipway.as-of"]
    assert datetime.fromisoformat(clock) == MIDNIGHT


def test_the_training_set_holds_the_feature_sets_rows(built):
    table = rows(built, training.name)
    for one in SETS:
        here = training.feature_columns(one)
        assert table.select(here.values()).equals(rows(built, one.name).select(here.keys()).rename(here)), one.name
    assert table.columns == training.columns


# A changed declaration.


def test_a_changed_definition_is_recomputed_and_a_changed_description_is_not(built):
    engine = EmbeddedEngine()
    reworded = replace(customer_spend, description="Other words.", owner="team:other")
    assert not build_feature_set(built, engine, reworded, run_id="run").recomputed
    changed = replace(customer_spend, delay="1d", examples=())
    outcome = build_feature_set(built, engine, changed, run_id="run")
    assert (outcome.days, outcome.causes) == (None, ("its definition changed",))
    made = read_provenance(built.table(customer_spend.name).current_snapshot())
    assert made.definition == changed.fingerprint()


def test_days_that_are_asked_for_are_computed_again(built):
    chosen = [DAYS[3], DAYS[7]]
    before, old = files(built, customer_spend.name), rows(built, customer_spend.name)
    outcome = build_feature_set(built, EmbeddedEngine(), customer_spend, run_id="run", asked=chosen)
    after = files(built, customer_spend.name)
    assert outcome.days == tuple(chosen)
    assert sorted(day for day in before if before[day] != after[day]) == chosen
    assert rows(built, customer_spend.name).equals(old)

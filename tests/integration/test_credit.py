"""The domain `credit`: from monthly statements to a live model, honest about time, on simulated and on real clients.

What belongs here: what is particular about this domain: months instead of days, a label made from the next delivery.
Not: the steps themselves (the other files here).
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from assets.credit.features import client
from assets.credit.model import credit_scorer
from assets.credit.simulator import CreditSimulation, write_monthly_files
from assets.credit.sources import statements
from assets.credit.training import training
from benchmarks.credit import PUBLISHED, larger_class, october
from benchmarks.credit_deliveries import CLIENTS, DAYS, write_deliveries
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeclarationError, SlipwayError
from lakehouse.features.feature_set import FeatureSet, rate
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domain
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.model import Model
from lakehouse.models.protocol import split
from lakehouse.models.retraining import training_rows, training_start
from lakehouse.models.training import fit
from lakehouse.tables.provenance import current_snapshots
from lakehouse.tables.read import read
from lakehouse.transforms.project import load_project
from tests import scenario

CLIENTS_HERE = 700
real = pytest.mark.skipif(not CLIENTS.is_file(), reason="needs: ../shared/data/credit_default_taiwan")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A home on whose six simulated deliveries the main job ran."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("credit") / "home")
    write_monthly_files(CreditSimulation(clients=CLIENTS_HERE).simulate(), lake.home.drop_folder(statements.name))
    domain = load_domain("credit")
    quick = replace(domain.models[0], candidates=domain.models[0].candidates[:1])
    scenario.run_main(lake, domain.with_only(Model, [quick]))
    return lake


def frame(lake: Lakehouse, name: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(read(lake, name)))


def test_the_main_job_ends_with_a_champion_and_the_newest_month_scored(live: Lakehouse) -> None:
    champion = open_registry(live.home).champion(credit_scorer.name)
    assert champion is not None
    assert 0.7 <= champion.metrics["auc"] <= 0.95
    assert champion.metrics["accuracy"] > larger_class(live, DAYS[1])
    scores = frame(live, "credit.predictions")
    assert scores.height == CLIENTS_HERE
    assert set(scores["statement_date"].dt.date()) == {date(2005, 9, 30)}


def test_a_label_is_the_next_months_lateness_and_the_newest_month_has_none(live: Lakehouse) -> None:
    rows = frame(live, "credit.training").sort("client_id", "statement_date")
    own = frame(live, "credit.stg_statements").select("statement_id", "is_late")
    rows = rows.join(own, on="statement_id", maintain_order="left")
    following = rows.select(pl.col("is_late").shift(-1).over("client_id")).to_series()
    assert rows["is_late_next"].equals(following, check_names=False)
    newest = rows.filter(pl.col("statement_date") == datetime(2005, 9, 30))  # noqa: DTZ001
    assert newest["is_late_next"].null_count() == newest.height == CLIENTS_HERE


def test_training_labels_were_known_before_the_test_period(live: Lakehouse) -> None:
    pin = current_snapshots(live, [training.name])[training.name]
    start = training_start(live, credit_scorer, training, pin)
    parts = split(training_rows(live, credit_scorer, training, pin, start), credit_scorer, start)
    assert {one.date() for one in parts.train["statement_date"]} == {date(2005, 5, 31), date(2005, 6, 30)}
    assert {one.date() for one in parts.test["statement_date"]} == {date(2005, 8, 31)}
    newest, first = parts.train.select(pl.col("statement_date").max()).item(), parts.test["statement_date"][0]
    assert newest + timedelta(days=31) <= first


def test_a_client_who_left_blocks_nobody(live: Lakehouse) -> None:
    pin = current_snapshots(live, [training.name])[training.name]
    start = training_start(live, credit_scorer, training, pin)
    rows = training_rows(live, credit_scorer, training, pin, start)
    left = rows.with_columns(
        is_late_next=pl.when(pl.col("client_id") <= 5).then(None).otherwise("is_late_next").cast(pl.Int64)
    )
    whole, without = split(rows, credit_scorer, start), split(left, credit_scorer, start)
    assert without.test.height == whole.test.height - 5
    strict = replace(credit_scorer, protocol=replace(credit_scorer.protocol, unlabelled=0.0))
    with pytest.raises(SlipwayError, match="no label yet"):
        split(left, strict, start)


def test_a_feature_that_sees_the_next_month_is_rejected(live: Lakehouse) -> None:
    project = load_project(live.settings, live.home)
    domain = load_domain("credit")

    def check(*more: FeatureSet) -> None:
        widened = replace(domain, declarations=[*domain.declarations, *more])
        AssetGraph([widened], project).check(widened)

    check()
    leak = FeatureSet(
        name="credit.outcome",
        entity=client,
        source="credit.late_payments",
        spine="credit.stg_statements",
        event_time="statement_date",
        row_key="statement_id",
        features=[rate("is_late_next").over("90d")],
        description="How often a client was late a month after.",
        owner="team:lending",
    )
    with pytest.raises(DeclarationError, match="not available at serving time") as caught:
        check(leak)
    assert "31d" in str(caught.value.nearest)
    check(replace(leak, delay="31d"))


@pytest.fixture(scope="module")
def taiwan(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A home with the published clients' six deliveries, up to the training set."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("taiwan") / "home")
    write_deliveries(lake.home.drop_folder(statements.name))
    scenario.build_domain(lake, load_domain("credit"))
    return lake


@real
def test_the_model_ranks_real_clients_as_well_as_the_data_allow(taiwan: Lakehouse) -> None:
    pin = current_snapshots(taiwan, [training.name])[training.name]
    start = training_start(taiwan, credit_scorer, training, pin)
    rows = training_rows(taiwan, credit_scorer, training, pin, start)
    quick = replace(credit_scorer, candidates=[credit_scorer.candidates[-1]])
    (trained,) = fit(quick, split(rows, quick, start))
    assert 0.75 < trained.metrics["auc"] < 0.82
    assert larger_class(taiwan, DAYS[1]) + 0.08 < trained.metrics["accuracy"] < 0.91


@real
def test_the_published_question_has_the_published_answer(taiwan: Lakehouse) -> None:
    quick = [one for one in credit_scorer.candidates if one.name != "random_forest"]
    reached = {name: accuracy for name, (accuracy, _) in october(taiwan, candidates=quick).items()}
    assert all(abs(accuracy - PUBLISHED[name]) < 0.006 for name, accuracy in reached.items())
    assert reached["logistic_regression"] < reached["boosted_trees"]

"""A domain that reads tables of another one: a source, and dbt models.

What belongs here: one run over both domains, staleness, lineage and the circuit breaker across them. Not: several
sources of one domain (test_delivered_labels.py), and which run comes first (test_new_domain.py).
"""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.fraud.features import customer_spend
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import FeatureSet, count
from lakehouse.lineage.emit.outbox import Outbox
from lakehouse.sources.circuit_breaker import State, blocked, set_by_hand
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import published_days
from lakehouse.training.training_set import Label
from orchestration.cli import demo
from orchestration.definitions import build_defs
from orchestration.dependencies import asset_graph
from orchestration.instance import open_instance
from tests import scenario
from tests.conftest import flush_lineage
from tests.integration import test_delivered_labels as shop_world
from tests.integration.test_delivered_labels import DAYS, deliver, orders, outcomes, shop

OWNER = "team:care"
visits = FeatureSet(
    "care.visits",
    shop_world.customer,
    "shop.orders",
    "ordered_at",
    [count("order").over("1d")],
    "order_id",
    "How often a customer orders, for the domain care.",
    OWNER,
)
complaints = replace(
    shop_world.training,
    name="care.complaints",
    feature_sets=[visits, shop_world.record],
    description="Orders with what care and shop know of their customers.",
    owner=OWNER,
)
care = Domain("care", [visits, complaints], [OWNER])


def run_both(lake: Lakehouse) -> None:
    """One run of everything that the two domains declare."""
    job = build_defs(lake, domains=[care, shop]).resolve_implicit_global_asset_job_def()
    with open_instance(lake) as instance:
        assert job.execute_in_process(instance=instance).success


@pytest.fixture(scope="module")
def both_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with four days of orders and outcomes, and the tables of both domains from one run. To be copied."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("both") / "home")
    deliver(lake, orders, DAYS[:4])
    deliver(lake, outcomes, DAYS[2:4])
    run_both(lake)
    flush_lineage(lake)
    return lake.home.root


@pytest.fixture
def both(both_home: Path, tmp_path: Path) -> Lakehouse:
    """The two domains, in a home of the test's own."""
    return scenario.make_lake(shutil.copytree(both_home, tmp_path / "both"))


def stale(lake: Lakehouse) -> dict[str, str]:
    """What is stale, and why."""
    found = asset_graph(lake, [care, shop]).staleness(lake)
    return {name: one.reason for name, one in found.items() if one.stale}


def test_both_domains_are_materialized_in_one_run(both: Lakehouse) -> None:
    assert stale(both) == {}
    made = last_published(both, complaints.name)
    assert made is not None
    assert {*made.input_snapshots} == {"shop.orders", "shop.outcomes", "shop.record", "care.visits"}
    assert published_days(both, complaints.name) == DAYS[:4]


@pytest.mark.parametrize(("domain", "number", "fix"), [(care, 0, "--domain"), (shop, 2, "drop folder")])
def test_demo_takes_files_for_a_domain_with_one_source_only(both: Lakehouse, domain, number, fix, tmp_path) -> None:
    with pytest.raises(SlipwayError, match=f"{domain.name} has {number}") as caught:
        demo.deliver(both, tmp_path, None, domain)
    assert fix in (caught.value.fix or "")


def test_staleness_names_the_other_domains_table(both: Lakehouse) -> None:
    deliver(both, orders, [DAYS[4]])
    shop_world.run(both)
    assert {*stale(both)} == {"care.visits", "care.complaints"}
    assert "shop.orders" in stale(both)["care.visits"]
    run_both(both)
    assert stale(both) == {}
    assert published_days(both, visits.name) == DAYS[:5]


def test_lineage_names_the_other_domains_tables(both: Lakehouse) -> None:
    outbox = Outbox(both.home.lineage / "outbox.db")
    events = [one.body for one in outbox.waiting("nobody", 1_000)]
    outbox.shut()
    read = {
        event["job"]["name"]: {one["facets"]["symlinks"]["identifiers"][0]["name"] for one in event["inputs"]}
        for event in events
        if event["eventType"] == "COMPLETE" and event["outputs"]
    }
    assert read["care.visits"] == {"shop.orders"}
    assert read["care.complaints"] == {"shop.orders", "shop.outcomes", "shop.record", "care.visits"}


def test_an_open_circuit_breaker_blocks_only_what_is_built_from_its_source(both: Lakehouse) -> None:
    set_by_hand(both, outcomes.name, State.OPEN, "late", outcomes.definition(), "by-hand")
    for name in ("shop.outcomes", "shop.record", "shop.training", "care.complaints"):
        assert "shop.outcomes" in blocked(both, [name]), name
    for name in ("shop.orders", "shop.activity", "care.visits"):
        assert blocked(both, [name]) == "", name
    deliver(both, orders, [DAYS[4]])
    run_both(both)
    with open_instance(both) as instance:
        shown = {}
        for asset in asset_graph(both, [care, shop]):
            if not asset.kind.materializable:
                continue
            event = instance.get_latest_materialization_event(dg.AssetKey(asset.name.split(".")))
            assert event is not None
            assert event.asset_materialization is not None
            shown[asset.name] = "stale" in event.asset_materialization.metadata
    assert {name for name, marked in shown.items() if marked} == {
        "shop.outcomes",
        "shop.record",
        "shop.training",
        "care.complaints",
    }


def test_dbt_models_and_feature_sets_of_another_domain_are_read(built: Lakehouse) -> None:
    seen = FeatureSet(
        "care.seen",
        customer_spend.entity,
        "fraud.stg_transactions",
        "tx_datetime",
        [count("tx").over("7d")],
        "transaction_id",
        "How often a customer paid.",
        OWNER,
    )
    cases = replace(
        complaints,
        name="care.cases",
        spine="fraud.stg_transactions",
        row_key="transaction_id",
        event_time="tx_datetime",
        label=Label("fraud.fraud_reports", "is_fraud", "transaction_id", known_at="reported_at"),
        feature_sets=[seen, customer_spend],
    )
    domain = Domain("care", [seen, cases], [OWNER])
    report = scenario.run_main(built, domain)
    assert report.recomputed == ["care.seen", "care.cases"]
    graph = asset_graph(built, [domain])
    assert not any(one.stale for one in graph.staleness(built, domains=["care"]).values())
    assert "fraud.transactions" in graph.upstream("care.cases")
    made = last_published(built, "care.cases")
    assert made is not None
    assert {*made.input_snapshots} == {
        "fraud.stg_transactions",
        "fraud.fraud_reports",
        "fraud.customer_spend",
        "care.seen",
    }

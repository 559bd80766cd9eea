"""A domain with two sources: events, and their labels, which are delivered later by a source of their own.

What belongs here: landing, building and planning with several sources. Not: a single source (test_main_job.py).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.columns import Column
from lakehouse.contracts.contract import Contract
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError, SlipwayError
from lakehouse.features.feature_set import Entity, FeatureSet, count, rate
from lakehouse.sources.source import Source
from lakehouse.tables.read import changed_days, published_days, read, resolve
from lakehouse.training.training_set import Label, TrainingSet
from orchestration.definitions import build_defs
from orchestration.dependencies import asset_graph, main_source
from orchestration.instance import open_instance
from orchestration.planning import plan_deliveries, plan_run
from tests import scenario

OWNER = "team:shop"
FIRST = date(2024, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]
LATER = timedelta(days=2, hours=6)
"""How long after an order its outcome is reported."""
PER_DAY = 4


def source(name: str, time: str, columns: Sequence[Column]) -> Source:
    contract = Contract(table=f"shop.{name}", version="1.0.0", owner=OWNER, columns=columns, volume=(0.0, 1e6))
    return Source(f"shop.{name}", time, contract, f"The {name}.", OWNER, time_zone="UTC")


orders = source(
    "orders",
    "ordered_at",
    [
        Column("order_id", "int64", description="The order.", unique=True),
        Column("customer_id", "int64", description="Who ordered."),
        Column("ordered_at", "timestamp", description="When."),
    ],
)
outcomes = source(
    "outcomes",
    "reported_at",
    [
        Column("order_id", "int64", description="The order.", unique=True),
        Column("customer_id", "int64", description="Who ordered."),
        Column("returned", "int64", description="1 when it was returned.", one_of=(0, 1)),
        Column("reported_at", "timestamp", description="When that was reported."),
    ],
)
customer = Entity("customer_id")
activity = FeatureSet(
    "shop.activity", customer, "shop.orders", "ordered_at", [count("order").over("7d")], "order_id", "Orders.", OWNER
)
record = FeatureSet(
    "shop.record",
    customer,
    "shop.outcomes",
    "reported_at",
    [rate("returned").over("7d")],
    "order_id",
    "How many of a customer's orders were returned, of those reported.",
    OWNER,
)
training = TrainingSet(
    "shop.training",
    spine="shop.orders",
    row_key="order_id",
    event_time="ordered_at",
    carry=["customer_id"],
    label=Label("shop.outcomes", "returned", "order_id", known_at="reported_at"),
    feature_sets=[activity, record],
    description="Orders and whether they were returned.",
    owner=OWNER,
)
shop = Domain("shop", [orders, outcomes, activity, record, training], [OWNER])


def rows() -> pl.DataFrame:
    hours = [timedelta(hours=3 * number) for number in range(PER_DAY)]
    times = [datetime.combine(day, datetime.min.time()) + hour for day in DAYS for hour in hours]
    number = pl.Series("order_id", range(len(times)))
    return pl.DataFrame({"order_id": number, "customer_id": number % 3, "ordered_at": times}).with_columns(
        returned=(pl.col("order_id") % 5 == 0).cast(pl.Int64), reported_at=pl.col("ordered_at") + LATER
    )


def deliver(lake: Lakehouse, one: Source, days: Sequence[date]) -> None:
    """One file for each day of the source's own event time."""
    drop = lake.home.drop_folder(one.name)
    drop.mkdir(parents=True, exist_ok=True)
    for day in days:
        found = rows().filter(pl.col(one.event_time).dt.date() == day).select(one.contract.schema.names)
        found.write_parquet(drop / f"{day}.parquet")


def run(lake: Lakehouse, domain: Domain = shop):
    return scenario.run_main(lake, domain)


def labels(lake: Lakehouse) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(read(lake, "shop.training"))).sort("order_id")


@pytest.fixture
def landed_shop(lake: Lakehouse) -> Lakehouse:
    """Four days of orders, and the outcomes that were reported until then."""
    deliver(lake, orders, DAYS[:4])
    deliver(lake, outcomes, DAYS[2:4])
    run(lake)
    return lake


def test_one_run_lands_the_days_of_all_sources(lake: Lakehouse) -> None:
    deliver(lake, orders, DAYS[:4])
    deliver(lake, outcomes, DAYS[2:4])
    planned = plan_deliveries(lake, shop)
    assert planned is not None
    assert planned.only is None
    report = run(lake)
    assert len(report.runs) == 1
    assert set(report.recomputed) == {one.name for one in (orders, outcomes, activity, record, training)}
    assert published_days(lake, "shop.orders") == DAYS[:4]
    assert published_days(lake, "shop.outcomes") == DAYS[2:4]
    assert plan_run(lake, shop) is None


def test_a_label_is_joined_once_it_is_reported_and_features_see_only_reported_ones(landed_shop: Lakehouse) -> None:
    found, clock = labels(landed_shop), datetime.combine(DAYS[4], datetime.min.time())
    expected = rows().filter(pl.col("ordered_at").dt.date() < DAYS[4]).sort("order_id")
    known = [one if at <= clock else None for one, at in expected.select("returned", "reported_at").iter_rows()]
    assert found["returned"].to_list() == known
    assert None in known
    assert any(one is not None for one in known)


def test_new_labels_alone_rebuild_only_the_days_of_their_orders(landed_shop: Lakehouse) -> None:
    deliver(landed_shop, orders, [DAYS[4]])
    run(landed_shop)
    before = resolve(landed_shop.table("shop.training"))
    deliver(landed_shop, outcomes, [DAYS[4]])
    planned = plan_deliveries(landed_shop, shop)
    assert planned is not None
    assert dg.AssetKey(["shop", "orders"]) not in (planned.only or ()), "nothing of it is pending"
    report = run(landed_shop)
    assert "shop.orders" not in report.recomputed
    days = changed_days(landed_shop, "shop.training", before, resolve(landed_shop.table("shop.training")))
    reported = rows().filter(pl.col("reported_at").dt.date() == DAYS[4])["ordered_at"].dt.date().unique().to_list()
    assert set(reported) <= set(days or ())
    assert DAYS[0] not in (days or ()), "its labels were all known before"
    assert labels(landed_shop).filter(pl.col("ordered_at").dt.date() == DAYS[1])["returned"].null_count() == 0


def test_before_the_first_labels_everything_else_is_built(lake: Lakehouse) -> None:
    deliver(lake, orders, DAYS[:2])
    report = run(lake)
    assert report.recomputed == ["shop.orders", "shop.activity"]
    assert plan_run(lake, shop) is None, "what needs labels cannot be built yet"


def test_a_rejected_delivery_of_one_source_does_not_block_the_other(landed_shop: Lakehouse) -> None:
    deliver(landed_shop, orders, [DAYS[4]])
    (landed_shop.home.drop_folder("shop.outcomes") / "wrong.parquet").write_bytes(b"no parquet")
    with pytest.raises(SlipwayError, match=r"wrong\.parquet"):
        run(landed_shop)
    for name in ("shop.orders", "shop.activity", "shop.training"):
        assert published_days(landed_shop, name) == DAYS[:5], name


def test_chosen_days_of_a_source_are_landed_and_days_without_a_delivery_are_passed_over(lake: Lakehouse) -> None:
    deliver(lake, orders, [DAYS[0], DAYS[2], DAYS[5]])
    job = build_defs(lake, domains=[shop]).resolve_job_def("shop_main")
    config = {"ops": {"shop__orders": {"config": {"days": f"{DAYS[0]}:{DAYS[4]}"}}}}
    with open_instance(lake) as instance:
        result = job.execute_in_process(
            instance=instance, run_config=config, asset_selection=[dg.AssetKey(["shop", "orders"])]
        )
    (made,) = result.asset_materializations_for_node("shop__orders")
    assert published_days(lake, "shop.orders") == [DAYS[0], DAYS[2]]
    assert made.metadata["days"].value == 2
    assert [record.data["day"] for record in made.metadata["rows_by_day"].records] == [str(DAYS[2]), str(DAYS[0])]


def test_days_that_no_delivery_has_are_named_with_the_nearest(lake: Lakehouse) -> None:
    deliver(lake, orders, [DAYS[0], DAYS[5]])
    job = build_defs(lake, domains=[shop]).resolve_job_def("shop_main")
    config = {"ops": {"shop__orders": {"config": {"days": str(DAYS[4])}}}}
    with open_instance(lake) as instance:
        result = job.execute_in_process(
            instance=instance,
            run_config=config,
            asset_selection=[dg.AssetKey(["shop", "orders"])],
            raise_on_error=False,
        )
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert str(DAYS[5]) in failed.step_failure_data.user_failure_data.description  # type: ignore[union-attr]


def test_a_label_needs_no_event_time_but_the_columns_that_it_names(lake: Lakehouse) -> None:
    asset_graph(lake, [shop]).check(shop)
    wrong = replace(training, label=Label("shop.outcomes", "returned", "order_id", known_at="reported"))
    broken = shop.with_only(TrainingSet, [wrong])
    with pytest.raises(DeclarationError, match="no column 'reported'"):
        asset_graph(lake, [broken]).check(broken)


def test_the_source_of_the_training_rows_is_the_main_one(lake: Lakehouse) -> None:
    turned = Domain("shop", [outcomes, orders, activity, record, training], [OWNER])
    assert main_source(asset_graph(lake, [turned]), turned) is orders

"""The Spark engine: the embedded engine's bits, however the entities are parted, in as much memory as it was given.

What belongs here: parting, skew, errors from workers. Not: every aggregation (tests/conformance), and the world's way
through the main job (test_spark_world.py).
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from assets.fraud.features import customer_spend
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.spark.engine import SparkEngine
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import (
    Entity,
    Events,
    attribute,
    count,
    derived,
    hour_between,
    last,
    mean,
    total,
)
from lakehouse.spark.parts import Side, cut
from lakehouse.spark.tables import SparkRows, pinned
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from tests import scenario
from tests.reference import moment

ROWS = 4_000
WHOLE = pa.int64()
BEGIN = moment("2024-01-01")


def put(lake, name, table):
    draft = write_draft(lake, TableShape(name, table.schema, "at"), table, Provenance("test-run", "test"))
    return publish(lake, draft).snapshot_id


def some(seed, keys, *, hot=0.0, kind=WHOLE):
    """Rows over 60 days with ties, of which a share belongs to one entity."""
    rng = np.random.default_rng(seed)
    who = np.where(rng.random(ROWS) < hot, 0, rng.integers(0, keys, ROWS))
    at = [BEGIN + timedelta(minutes=int(minute)) for minute in np.sort(rng.integers(0, 60 * 24 * 60, ROWS))]
    cents = rng.integers(-5_000, 5_000, ROWS)
    return pa.table(
        {
            "row": pa.array(np.arange(ROWS)),
            "who": pa.array(who).cast(kind),
            "at": pa.array(at, pa.timestamp("us")),
            "amount": pa.array(cents / 100).cast(pa.decimal128(12, 2)),
        }
    )


def declared(name, spine):
    return replace(
        customer_spend,
        entity=Entity("who"),
        source=name,
        spine=spine,
        event_time="at",
        row_key="row",
        features=[count("events").over("1d", "7d"), mean("amount").over("2h", "7d"), total("amount").over("1d")],
    )


@pytest.fixture(scope="module")
def skewed(spark_lake):
    """Events of which half belong to one entity, a spine, the feature set over both, and the pins."""
    events, spine = some(1, 300, hot=0.5), some(2, 300, hot=0.5).drop(["amount"])
    input_snapshots = {"skewed.events": put(spark_lake, "skewed.events", events)}
    input_snapshots["skewed.spine"] = put(spark_lake, "skewed.spine", spine)
    return declared("skewed.events", "skewed.spine"), input_snapshots


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_any_number_of_parts_gives_the_same_bits(tasks, spark_lake, skewed):
    feature_set, input_snapshots = skewed
    expected = EmbeddedEngine().compute_features(spark_lake, feature_set, input_snapshots, None)
    assert SparkEngine(tasks).compute_features(spark_lake, feature_set, input_snapshots, None).equals(expected)


def test_an_entity_with_half_of_all_events_is_cut_by_days_and_gives_the_same_bits(spark_lake, skewed):
    feature_set, input_snapshots = skewed
    whole = sum(pinned(spark_lake, name, at=pin).rows for name, pin in input_snapshots.items())
    # So little memory that no part may hold more than a sixth of the rows.
    limit = whole * 32 * 5 // 6
    sides = [
        Side(
            pinned(spark_lake, name, at=input_snapshots[name]),
            ["who"],
            "at",
            feature_set.reach(name) if name.endswith("events") else 0,
        )
        for name in ("skewed.spine", "skewed.events")
    ]
    parts = cut(sides, 8, tasks=1, limit=limit)
    assert len(parts.pieces) > 2
    assert len({one.bucket for one in parts.pieces}) == 1
    for days in (None, [(BEGIN + timedelta(days=number)).date() for number in range(20, 40)]):
        expected = EmbeddedEngine().compute_features(spark_lake, feature_set, input_snapshots, days)
        assert SparkEngine(1, limit).compute_features(spark_lake, feature_set, input_snapshots, days).equals(expected)


def test_events_that_no_worker_can_hold_are_rejected_before_the_work(spark_lake, skewed):
    feature_set, input_snapshots = skewed
    with pytest.raises(SlipwayError, match="of a worker's memory") as caught:
        SparkEngine(1, 10_000).compute_features(spark_lake, feature_set, input_snapshots, None)
    assert "SLIPWAY_MEMORY" in (caught.value.fix or "")


def test_keys_of_other_widths_meet_and_texts_and_empty_tables_do(spark_lake):
    for number, (mine, theirs) in enumerate([(pa.int32(), pa.int64()), (pa.string(), pa.string())]):
        events, spine = f"widths.events_{number}", f"widths.spine_{number}"
        input_snapshots = {
            events: put(spark_lake, events, some(3, 40, kind=mine)),
            spine: put(spark_lake, spine, some(4, 50, kind=theirs).slice(0, 500)),
        }
        one = declared(events, spine)
        expected = EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None)
        assert SparkEngine().compute_features(spark_lake, one, input_snapshots, None).equals(expected)
        input_snapshots[events] = put(spark_lake, events, some(3, 40, kind=mine).slice(0, 0))
        expected = EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None)
        assert SparkEngine().compute_features(spark_lake, one, input_snapshots, None).equals(expected)
        input_snapshots[spine] = put(spark_lake, spine, some(4, 50, kind=theirs).slice(0, 0))
        expected = EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None)
        assert SparkEngine().compute_features(spark_lake, one, input_snapshots, None).equals(expected)


def test_events_as_their_own_spine_travel_once(spark_lake):
    input_snapshots = {"own.events": put(spark_lake, "own.events", some(5, 30))}
    one = declared("own.events", "own.events")
    rows = SparkEngine().compute_features(spark_lake, one, input_snapshots, None)
    assert rows.equals(EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None))
    calendar = replace(one, features=[hour_between(0, 6, "is_night")])
    rows = SparkEngine().compute_features(spark_lake, calendar, input_snapshots, None)
    assert rows.equals(EmbeddedEngine().compute_features(spark_lake, calendar, input_snapshots, None))


def test_events_of_the_spine_s_own_table_by_other_keys_or_times_are_no_rows_of_the_spine(spark_lake):
    twice = some(11, 20).append_column("other", pa.array(np.arange(ROWS) % 20))
    input_snapshots = {"renamed.events": put(spark_lake, "renamed.events", twice)}
    by_other = Events("renamed.events", "at", keys=("other",))
    for features in (
        [count("got").of(by_other).over("7d")],
        [count("got").of(by_other).over("7d"), count("sent").over("7d")],
    ):
        one = replace(declared("renamed.events", "renamed.events"), features=features)
        expected = EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None)
        counts = replace(one, features=[count("got").over("7d")])
        assert not expected.column("got_count_7d").equals(
            EmbeddedEngine().compute_features(spark_lake, counts, input_snapshots, None).column("got_count_7d")
        )
        assert SparkEngine().compute_features(spark_lake, one, input_snapshots, None).equals(expected)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside others"])
def test_a_spine_that_is_cut_by_days_has_its_own_earlier_events(beside, spark_lake):
    """Its rows are its events' only where all of them are in one part, however few columns its events need."""
    input_snapshots = {name: put(spark_lake, name, some(12, 5, hot=0.8)) for name in ("few.events", "few.others")}
    features = [count("events").over("7d")]
    features += [total("amount").of(Events("few.others", "at")).over("1d")] if beside else []
    one = replace(declared("few.events", "few.events"), features=features)
    expected = EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None)
    # The spine fits by itself; beside others it does not.
    limit = ROWS * 40 * 5 * 3 // 2 if beside else ROWS * 32 * 5 // 3
    assert SparkEngine(1, limit).compute_features(spark_lake, one, input_snapshots, None).equals(expected)


def test_a_used_set_may_be_a_table_of_events_as_well(spark_lake):
    input_snapshots = {"both.events": put(spark_lake, "both.events", some(13, 30))}
    used = replace(declared("both.events", "both.events"), name="both.used", features=[total("amount").over("1d")])
    input_snapshots["both.used"] = put(
        spark_lake, "both.used", EmbeddedEngine().compute_features(spark_lake, used, input_snapshots, None)
    )
    one = replace(
        declared("both.events", "both.events"),
        features=[
            count("seen").of(Events("both.used", "at", keys=("who",))).over("7d"),
            total("amount").over("2d"),
            derived("more", "used__amount_sum_1d + 1"),
        ],
        uses=[used],
    )
    for days in (None, [(BEGIN + timedelta(days=30)).date()]):
        expected = EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, days)
        assert SparkEngine().compute_features(spark_lake, one, input_snapshots, days).equals(expected)


def test_the_kernels_errors_on_a_worker_have_the_same_message(spark_lake):
    finer = some(6, 20).drop(["amount"]).append_column("amount", pa.array(np.full(ROWS, 0.125)))
    input_snapshots = {"odd.events": put(spark_lake, "odd.events", finer)}
    one = replace(declared("odd.events", "odd.events"), features=[mean("amount", scale=2).over("1d")])
    with pytest.raises(SlipwayError) as embedded:
        EmbeddedEngine().compute_features(spark_lake, one, input_snapshots, None)
    with pytest.raises(SlipwayError) as spark:
        SparkEngine().compute_features(spark_lake, one, input_snapshots, None)
    assert spark.value.as_dict() == embedded.value.as_dict()


def test_rows_written_by_spark_replace_their_days_and_nothing_else(spark_lake):
    days = scenario.EVERY_DAY[:3]
    shape = scenario.ledger_shape("books.on_spark")
    publish(spark_lake, write_draft(spark_lake, shape, scenario.ledger_rows(days), scenario.provenance()))
    held = read(spark_lake, shape.name).sort_by("number")
    pin = spark_lake.table(shape.name).current_snapshot().snapshot_id
    middle = "\"at\" >= '2018-04-02T00:00:00' and \"at\" < '2018-04-03T00:00:00'"
    table = pinned(spark_lake, shape.name, at=pin, where=middle)
    rows = SparkRows(
        table.frame.selectExpr("number", "at", "amount + 1 as amount", "note"), table.schema, ["number"], "x"
    )
    draft = write_draft(spark_lake, shape, rows, scenario.provenance("spark-run"), middle, pin)
    assert read(spark_lake, shape.name).sort_by("number").equals(held)  # readers see nothing of a draft
    assert len(rows) == 10
    publish(spark_lake, draft)
    now = read(spark_lake, shape.name).sort_by("number")
    changed = [before != after for before, after in zip(held.to_pylist(), now.to_pylist(), strict=True)]
    assert changed == [False] * 10 + [True] * 10 + [False] * 10
    # No rows at all for the day: it is emptied.
    nothing = SparkRows(table.frame.where("false"), table.schema, ["number"], "x")
    publish(spark_lake, write_draft(spark_lake, shape, nothing, scenario.provenance("spark-run"), middle))
    assert len(read(spark_lake, shape.name)) == 20


def test_several_tables_lifetimes_and_sets_of_other_entities_come_together(spark_lake):
    lake, shops = spark_lake, Entity("shop")
    spine = some(7, 40).drop(["amount"]).append_column("shop", pa.array(np.arange(ROWS) % 7))
    input_snapshots = {
        "many.payments": put(lake, "many.payments", some(8, 40)),
        "many.refunds": put(lake, "many.refunds", some(9, 40).rename_columns(["row", "client", "at", "back"])),
        "many.spine": put(lake, "many.spine", spine),
    }
    sales = replace(
        declared("many.sales", "many.sales"), name="many.shops", entity=shops, features=[total("amount").over("7d")]
    )
    sold = some(10, 7).rename_columns(["row", "shop", "at", "amount"])
    input_snapshots["many.sales"] = put(lake, "many.sales", sold)
    input_snapshots["many.shops"] = put(
        lake, "many.shops", EmbeddedEngine().compute_features(lake, sales, input_snapshots, None)
    )
    refunds = Events("many.refunds", "at", delay="1d", keys=("client",))
    one = replace(
        declared("many.payments", "many.spine"),
        name="many.features",
        features=[
            count("payments").over("7d", "lifetime"),
            last("amount").over("30d"),
            total("back").over("30d").of(refunds),
            attribute("back", named="newest_back").of(refunds),
            derived("share", "amount_last_30d / shops__amount_sum_7d"),
        ],
        uses=[sales],
    )
    for days in (None, [(BEGIN + timedelta(days=number)).date() for number in (30, 31, 45)]):
        expected = EmbeddedEngine().compute_features(lake, one, input_snapshots, days)
        assert expected.column("share").null_count < len(expected)
        assert SparkEngine().compute_features(lake, one, input_snapshots, days).equals(expected)

"""What every engine promises: the same pins give the same bits, and they are the reference's.

What belongs here: tests of the protocol in engines/base.py, run on each engine in ENGINES over real tables. Not: an
engine's own ways (tests/unit/).
"""

from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from lakehouse.engines.embedded import EmbeddedEngine
from lakehouse.features.feature_set import count, mean
from lakehouse.tables.pins import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read, resolve
from lakehouse.tables.write import TableShape, write_draft
from tests import scenario
from tests.reference import bits, feature_rows, moment, worlds

ENGINES = {"embedded": EmbeddedEngine}
# Each example writes tables, so that making a failing one smaller would take many minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
# From 1970 on: pyiceberg files some times before it under the next day.
WORLDS = worlds(most=10, beginnings=[moment("2018-04-01"), moment("1971-01-01")])


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    return ENGINES[request.param]()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A lakehouse for the random worlds of a module's tests."""
    return scenario.make_lake(tmp_path_factory.mktemp("shelf") / "home")


def put(lake, name, rows):
    """Publish rows as the whole of a table partitioned by day, a table for each kind of rows; its name and the pin."""
    name = f"{name}_{len(rows.schema)}_{rows.schema.field('who').type}"
    draft = write_draft(lake, TableShape(name, rows.schema, "at"), rows, Provenance("test-run", "test"))
    return name, publish(lake, draft).snapshot_id


def laid_out(lake, world):
    """The world's feature set on tables of the lakehouse, and the pins."""
    source, source_pin = put(lake, "tests.events", world.events)
    spine, spine_pin = (source, source_pin) if world.spine is world.events else put(lake, "tests.spine", world.spine)
    return replace(world.feature_set, source=source, spine=spine), {source: source_pin, spine: spine_pin}


@settings(max_examples=15, phases=PHASES)
@given(world=WORLDS)
def test_features_are_what_the_reference_says_to_the_bit(engine, shelf, world):
    feature_set, pins = laid_out(shelf, world)
    assert bits(engine.compute(shelf, feature_set, pins, None).to_pylist()) == world.expected()


@settings(max_examples=15, phases=PHASES)
@given(world=WORLDS, data=st.data())
def test_any_choice_of_days_gives_the_same_bits_as_the_whole(engine, shelf, world, data):
    feature_set, pins = laid_out(shelf, world)
    whole = engine.compute(shelf, feature_set, pins, None)
    present = sorted(set(pc.cast(whole.column("at"), pa.date32()).to_pylist()))
    days = data.draw(st.lists(st.sampled_from(present), unique=True)) if present else [date(2018, 4, 1)]
    chosen = whole.filter(pc.is_in(pc.cast(whole.column("at"), pa.date32()), pa.array(days, pa.date32())))
    if days:
        assert engine.compute(shelf, feature_set, pins, days).equals(chosen)


def test_old_pins_give_the_old_bits(engine, shelf):
    events = pa.table(
        {
            "row": [1, 2],
            "who": [1, 1],
            "at": pa.array([moment("2018-04-01"), moment("2018-04-02")], pa.timestamp("us")),
            "amount": pa.array([5, 7], pa.int64()),
        }
    )
    name, pin = put(shelf, "tests.pinned", events)
    feature_set = replace(
        customer_spend,
        source=name,
        spine=name,
        event_time="at",
        row_key="row",
        entity=replace(customer_spend.entity, key="who"),
        features=[mean("amount").over("7d")],
    )
    before = engine.compute(shelf, feature_set, {name: pin}, None)
    _, later = put(shelf, "tests.pinned", events.set_column(3, "amount", pa.array([50, 70], pa.int64())))
    assert engine.compute(shelf, feature_set, {name: pin}, None).equals(before)
    after = engine.compute(shelf, feature_set, {name: later}, None)
    assert after.column("amount_mean_7d").to_pylist() == [50.0, 60.0]


@pytest.mark.parametrize("feature_set", [customer_spend, terminal_risk, transaction_time], ids=lambda one: one.name)
def test_the_features_of_the_fraud_domain_are_what_the_reference_says(engine, built, feature_set):
    pins = {name: resolve(built.table(name)) for name in {feature_set.source, feature_set.spine}}
    # The reference looks at every event for every row: two days of the spine are enough of that.
    days = [scenario.EVERY_DAY[8], scenario.LAST]
    found = engine.compute(built, feature_set, pins, days)
    spine = read(built, feature_set.spine, feature_set.spine_columns())
    chosen = spine.filter(pc.is_in(pc.cast(spine.column("tx_datetime"), pa.date32()), pa.array(days, pa.date32())))
    events = read(built, feature_set.source, feature_set.source_columns()).to_pylist()
    assert len(chosen) == len(scenario.payments_on(days))
    assert bits(found.to_pylist()) == bits(feature_rows(feature_set, events, chosen.to_pylist()))
    whole = engine.compute(built, feature_set, pins, None)
    day = pc.cast(whole.column("tx_datetime"), pa.date32())
    assert whole.filter(pc.is_in(day, pa.array(days, pa.date32()))).equals(found)


def test_events_beyond_the_longest_window_do_not_matter_and_the_last_that_does_is_read(engine, shelf):
    """A day is computed from its own events and those that its windows reach, however little of that day."""
    feature_set = replace(
        customer_spend, features=[count("tx").over("36h")], delay="12h", row_key="row", event_time="at"
    )
    feature_set = replace(feature_set, entity=replace(feature_set.entity, key="who"))
    last = moment("2018-04-10T00:00")
    ages = [timedelta(hours=48), timedelta(hours=48) - timedelta(microseconds=1), timedelta(hours=12), timedelta(0)]
    times = [last - age for age in ages]
    events = pa.table({"row": [1, 2, 3, 4], "who": [1] * 4, "at": pa.array(times, pa.timestamp("us"))})
    name, pin = put(shelf, "tests.reach", events)
    feature_set = replace(feature_set, source=name, spine=name)
    found = engine.compute(shelf, feature_set, {name: pin}, [last.date()])
    assert found.column("tx_count_36h").to_pylist() == [2]

"""What every engine promises: the same input snapshots give the same bits, and they equal the reference interpreter's.

What belongs here: tests of the protocol in engines/protocol.py, run on each engine in ENGINES over real tables. Not:
what is particular to one engine (tests/unit/).
"""

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.spark.engine import SparkEngine
from lakehouse.features.feature_set import (
    Derived,
    Entity,
    Events,
    FeatureSet,
    attribute,
    count,
    distinct,
    hour_between,
    last,
    mean,
    total,
    trend,
    weekend,
)
from lakehouse.features.reference import feature_rows
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from tests import scenario
from tests.reference import AGGREGATES, EVENTS, KNOWN_LATE, WINDOWS, WORDS, World, bits, moment, worlds

ENGINES = {"embedded": EmbeddedEngine, "embedded in parts": partial(EmbeddedEngine, buckets=3), "spark": SparkEngine}
RANDOM_WORLDS = {"embedded": 15, "spark": 4}
# Each example writes tables, so that making a failing one smaller would take many minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
# From 1970 on: pyiceberg files some times before it under the next day.
WORLDS = worlds(most=10, beginnings=[moment("2018-03-25T00:30"), moment("1971-01-01")], renamed=True)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    return ENGINES[request.param]()


@pytest.fixture(scope="module")
def shelf(spark_lake):
    """A lakehouse for the random worlds of a module's tests."""
    return spark_lake


def put(lake, name, rows):
    """Publish rows as the whole of a table partitioned by day, a table for each kind of rows; its name and the pin."""
    name = f"{name}_{abs(hash(str(rows.schema))) % 10**8}"
    draft = write_draft(lake, TableShape(name, rows.schema, "at"), rows, Provenance("test-run", "test"))
    return name, publish(lake, draft).snapshot_id


def laid_out(lake, world):
    """The world's feature set on tables of the lakehouse, and the pins."""
    names, input_snapshots = {}, {}
    for name, table in {**world.tables, "tests.spine": world.spine}.items():
        if name != "tests.spine" or world.spine is not world.events:
            names[name], pin = put(lake, name, table)
            input_snapshots[names[name]] = pin
    one = world.feature_set
    features = [
        each.of(replace(each.events, table=names[each.events.table])) if getattr(each, "events", None) else each
        for each in one.features
    ]
    uses = [replace(used, name=names[used.name]) for used in one.uses]
    # Features of other sets are called after them.
    features = [
        replace(each, expression=each.expression.replace("profile__", f"{uses[0].name.split('.')[1]}__"))
        if uses and isinstance(each, Derived)
        else each
        for each in features
    ]
    spine = names[one.spine]
    return replace(one, source=names["tests.events"], spine=spine, features=features, uses=uses), input_snapshots


def expected(world, declared):
    """The reference interpreter's rows of a feature set on tables of other names."""
    tables = dict(
        zip(declared.tables_read(), [world.tables[name] for name in world.feature_set.tables_read()], strict=True)
    )
    return bits(feature_rows(declared, tables, world.spine.to_pylist()))


def random_worlds(engine):
    return settings(max_examples=RANDOM_WORLDS[engine.name], phases=PHASES, database=None)


def test_features_equal_the_reference_to_the_bit(engine, shelf):
    @random_worlds(engine)
    @given(world=WORLDS)
    def check(world):
        feature_set, input_snapshots = laid_out(shelf, world)
        assert bits(engine.compute_features(shelf, feature_set, input_snapshots, None).to_pylist()) == expected(
            world, feature_set
        )

    check()


WHOLE, TEXT = pa.int64(), pa.string()
ENTITIES = ((("who",), WHOLE), (("who",), TEXT), (("who", "word"), WHOLE))
# The nights in which clocks in Berlin are put forward and back.
NIGHTS = (moment("2018-03-25T00:30"), moment("2018-10-28T00:30"))
CASES = [
    (late, own_events, *ENTITIES[number % 3], NIGHTS[(number + number // 2) % 2])
    for number, (late, own_events) in enumerate(product(KNOWN_LATE, (True, False)))
]
"""When events are known, whether a row's own count, the entity's keys and their type, when it all begins."""


@cache
def everything(number):
    """A world of every aggregation over every window, and the reference interpreter's rows for it.

    Keys and times with ties, nulls, late and repeated events.
    """
    late, own_events, entity, kind, start = CASES[number]
    rng = random.Random(number)
    keys = [None, 1, 2, 2, 2] if kind is WHOLE else [None, "", "a", "ä", "ä"]

    def row(place):
        at = start + timedelta(minutes=rng.choice([0, 30, 60, 90, 720, 1440, 2880, 10080, 14400]))
        return {
            "row": place,
            "who": rng.choice(keys),
            "at": at,
            "whole": rng.choice([None, -3, 0, 1, 5, 5]),
            "flag": rng.choice([None, True, False]),
            "money": rng.choice([None, Decimal("0.10"), Decimal("0.20"), Decimal("-7.35"), Decimal("99999.99")]),
            "rough": rng.choice([None, 0.1, 0.2, -0.3, 100.25]),
            "wild": rng.choice([None, 0.1, 1e300, -1e300, 1e-300, float("nan"), 7.5]),
            "word": rng.choice([None, *WORDS[:3]]),
            "seen": rng.choice([None, at, at + timedelta(hours=5), at + timedelta(days=3)]),
            "ends": rng.choice([None, at + timedelta(hours=1)]),
        }

    rows = [row(place) for place in range(40)]
    rows += [{**rows[0], "row": 40}, {**rows[1], "row": 41}]  # the same event twice
    table = pa.Table.from_pylist(rows, pa.schema([("row", pa.int64()), ("who", kind), *EVENTS]))
    # One form may be declared only once a set, and some forms differ in their names alone.
    one = FeatureSet(
        name="tests.all",
        entity=Entity(*entity),
        source="tests.events",
        event_time="at",
        row_key="row",
        features=[
            *(each.over(*WINDOWS) for each in AGGREGATES),
            attribute("word", named="state", ttl="1d"),
            hour_between(2, 2, "twice_or_never", zone="Europe/Berlin"),
            hour_between(20, 23, "is_evening", zone="America/New_York"),
            weekend(zone="Asia/Kolkata"),
        ],
        own_events=own_events,
        description="Everything.",
        owner="team:tests",
        **late,
    )
    return World(one, {"tests.events": table}, table), bits(feature_rows(one, {"tests.events": table}, rows))


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: "-".join(map(str, CASES[number])))
def test_every_aggregation_over_every_window_equals_the_reference(engine, shelf, number):
    world, wanted = everything(number)
    feature_set, input_snapshots = laid_out(shelf, world)
    found = bits(engine.compute_features(shelf, feature_set, input_snapshots, None).to_pylist())
    for mine, theirs in zip(found, sorted(wanted, key=lambda row: (row["at"], row["row"])), strict=True):
        assert mine == theirs


@pytest.mark.parametrize("number", [0, 1])
def test_no_row_and_one_row_equal_the_reference(engine, shelf, number):
    schema = pa.schema([("row", pa.int64()), ("who", pa.string()), *EVENTS])
    rows = [{"row": 1, "who": "a", "at": moment("2018-04-01"), "money": Decimal("1.50"), "word": "x"}][:number]
    table = pa.Table.from_pylist(rows, schema)
    one = replace(
        customer_spend,
        entity=Entity("who"),
        event_time="at",
        row_key="row",
        features=[
            count("e").over("1d"),
            mean("money").over("7d"),
            last("word").over("lifetime"),
            trend("money").over("7d"),
        ],
    )
    feature_set, input_snapshots = laid_out(
        shelf, World(replace(one, source="tests.events", spine="tests.events"), {"tests.events": table}, table)
    )
    found = engine.compute_features(shelf, feature_set, input_snapshots, None)
    assert bits(found.to_pylist()) == bits(feature_rows(feature_set, {feature_set.source: table}, table.to_pylist()))
    assert found.schema.field("money_mean_7d").type == pa.float64()


def test_times_with_a_zone_mean_the_same_moments(engine, shelf):
    naive = pa.table(
        {
            "row": [1, 2],
            "who": [1, 1],
            "at": pa.array([moment("2018-04-01T12:00"), moment("2018-04-02T11:00")], pa.timestamp("us")),
            "amount": [5, 7],
        }
    )
    zoned = naive.set_column(2, "at", naive.column("at").cast(pa.timestamp("us", "UTC")))
    one = replace(
        customer_spend,
        entity=Entity("who"),
        event_time="at",
        row_key="row",
        features=[total("amount").over("1d"), hour_between(11, 11, "eleven")],
    )
    found = []
    for table in (naive, zoned):
        feature_set, input_snapshots = laid_out(
            shelf, World(replace(one, source="tests.events", spine="tests.events"), {"tests.events": table}, table)
        )
        found.append(engine.compute_features(shelf, feature_set, input_snapshots, None).drop_columns("at").to_pylist())
    assert found[0] == found[1]
    assert [row["amount_sum_1d"] for row in found[0]] == [5, 12]


def test_any_choice_of_days_gives_the_same_bits_as_the_whole(engine, shelf):
    @random_worlds(engine)
    @given(world=WORLDS, data=st.data())
    def check(world, data):
        feature_set, input_snapshots = laid_out(shelf, world)
        whole = engine.compute_features(shelf, feature_set, input_snapshots, None)
        present = sorted(set(pc.cast(whole.column("at"), pa.date32()).to_pylist()))
        days = data.draw(st.lists(st.sampled_from(present), unique=True)) if present else [date(2018, 4, 1)]
        chosen = whole.filter(pc.is_in(pc.cast(whole.column("at"), pa.date32()), pa.array(days, pa.date32())))
        if days:
            assert engine.compute_features(shelf, feature_set, input_snapshots, days).equals(chosen)

    check()


SKEWED = 240
LIMITED = {"embedded": lambda limit: EmbeddedEngine(limit, 2), "spark": lambda limit: SparkEngine(1, limit)}
WITHIN = {
    "one table": (20_000, [count("event").over("2d")]),
    "several": (
        60_000,
        [
            *(count("event").over("1d", "3d"), mean("money").over("2d"), last("word").over("12h")),
            *(trend("wild").over("3d"), distinct("word").over("2d"), attribute("whole", named="state", ttl="2d")),
        ],
    ),
    "other keys": (25_000, [total("money").of(Events("tests.events", "at", keys=("whole",))).over("2d")]),
}
"""Features, and the bytes that rows may take: so few that the skewed world's largest entity is split by days."""


@pytest.mark.parametrize("case", WITHIN)
@pytest.mark.parametrize("engine", LIMITED)
def test_an_entity_larger_than_memory_is_split_by_days_and_keeps_its_bits(engine, case, shelf):
    limit, features = WITHIN[case]
    rng = random.Random(3)
    rows = [
        {
            "row": place,
            "who": rng.choice([1, 1, 1, 1, 2, None]),
            "at": moment("2018-04-01") + timedelta(minutes=30 * rng.randrange(20 * 48)),
            "whole": rng.choice([1, 1, 1, 2, None]),
            "money": rng.choice([None, Decimal("0.10"), Decimal("-7.35")]),
            "wild": rng.choice([None, 0.1, 1e300, -1e300]),
            "word": rng.choice(["a", "ä", None]),
        }
        for place in range(SKEWED)
    ]
    table = pa.Table.from_pylist(rows, pa.schema([("row", pa.int64()), ("who", pa.int64()), *EVENTS]))
    one = FeatureSet(
        name="tests.skewed",
        entity=Entity("who"),
        source="tests.events",
        event_time="at",
        row_key="row",
        features=features,
        description="Most of all events are one entity's.",
        owner="team:tests",
    )
    world = World(one, {"tests.events": table}, table)
    feature_set, input_snapshots = laid_out(shelf, world)
    found = LIMITED[engine](limit).compute_features(shelf, feature_set, input_snapshots, None)
    assert bits(found.to_pylist()) == expected(world, feature_set)


def test_old_input_snapshots_give_the_old_bits(engine, shelf):
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
        entity=Entity("who"),
        features=[mean("amount").over("7d")],
    )
    before = engine.compute_features(shelf, feature_set, {name: pin}, None)
    _, later = put(shelf, "tests.pinned", events.set_column(3, "amount", pa.array([50, 70], pa.int64())))
    assert engine.compute_features(shelf, feature_set, {name: pin}, None).equals(before)
    after = engine.compute_features(shelf, feature_set, {name: later}, None)
    assert after.column("amount_mean_7d").to_pylist() == [50.0, 60.0]


# The reference reads every event for every row, so two days of the spine have to do.
TWO_DAYS = (scenario.EVERY_DAY[8], scenario.LAST)


@pytest.fixture(scope="module")
def fraud(shelf, built_home):
    """The fraud domain's tables of events on the shelf, by their names in the domain: name, pin and rows there."""
    built = scenario.make_lake(built_home)
    found = {}
    for name in ("fraud.stg_transactions", "fraud.fraud_reports"):
        rows = read(built, name)
        shape = TableShape(f"shelf.{name.partition('.')[2]}", rows.schema, "tx_datetime")
        draft = write_draft(shelf, shape, rows, Provenance("test-run", "test"))
        found[name] = shape.name, publish(shelf, draft).snapshot_id, rows
    return found


@pytest.fixture(scope="module")
def reference_rows(fraud):
    """The reference interpreter's rows of a feature set on the two days."""

    @cache
    def rows_of(name):
        one = next(each for each in scenario.training.feature_sets if each.name == name)
        tables = {table: fraud[table][2] for table in one.tables_read()}
        spine = fraud[one.spine][2].select(one.spine_columns())
        chosen = spine.filter(pc.is_in(pc.cast(spine.column("tx_datetime"), pa.date32()), pa.array(TWO_DAYS)))
        assert len(chosen) == len(scenario.payments_on(TWO_DAYS))
        return bits(feature_rows(one, tables, chosen.to_pylist()))

    return rows_of


@pytest.mark.parametrize("feature_set", [customer_spend, terminal_risk, transaction_time], ids=lambda one: one.name)
def test_the_features_of_the_fraud_domain_equal_the_reference(engine, shelf, fraud, reference_rows, feature_set):
    one = replace(feature_set, source=fraud[feature_set.source][0], spine=fraud[feature_set.spine][0])
    input_snapshots = {name: pin for name, pin, _ in fraud.values()}
    found = engine.compute_features(shelf, one, input_snapshots, TWO_DAYS)
    assert bits(found.to_pylist()) == reference_rows(feature_set.name)
    whole = engine.compute_features(shelf, one, input_snapshots, None)
    day = pc.cast(whole.column("tx_datetime"), pa.date32())
    assert whole.filter(pc.is_in(day, pa.array(TWO_DAYS, pa.date32()))).equals(found)


def test_events_beyond_the_longest_window_do_not_matter_and_the_last_that_does_is_read(engine, shelf):
    """A day is computed from its own events and those that its windows reach, however little of that day."""
    feature_set = replace(
        customer_spend, features=[count("tx").over("36h")], delay="12h", row_key="row", event_time="at"
    )
    feature_set = replace(feature_set, entity=Entity("who"))
    last = moment("2018-04-10T00:00")
    ages = [timedelta(hours=48), timedelta(hours=48) - timedelta(microseconds=1), timedelta(hours=12), timedelta(0)]
    times = [last - age for age in ages]
    events = pa.table({"row": [1, 2, 3, 4], "who": [1] * 4, "at": pa.array(times, pa.timestamp("us"))})
    name, pin = put(shelf, "tests.reach", events)
    feature_set = replace(feature_set, source=name, spine=name)
    found = engine.compute_features(shelf, feature_set, {name: pin}, [last.date()])
    assert found.column("tx_count_36h").to_pylist() == [2]

"""The kernel and the embedded engine's way to it: every number is the reference's, to the bit.

What belongs here: compute_rows and the kernel, on Arrow tables and arrays. Not: tables of a lakehouse (conformance).
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import SlipwayError
from lakehouse.features import picks, window_columns, windows
from lakehouse.features.columns import entity_codes, event_times
from lakehouse.features.compute import compute_rows
from lakehouse.features.feature_set import (
    Entity,
    FeatureSet,
    count,
    hour_between,
    largest,
    last,
    mean,
    quantile,
    rate,
    smallest,
    total,
    weekend,
)
from lakehouse.features.reference import feature_rows
from lakehouse.features.windows import Timeline
from tests.reference import AGGREGATES, KNOWN_LATE, NEAR, WINDOWS, bits, moment, worlds

WHOLE = pa.int64()


def feature_set(*features, **further):
    given = {"name": "shop.spend", "entity": Entity("who"), "source": "shop.payments", "event_time": "at"}
    return FeatureSet(
        **{**given, **further}, features=features, row_key="row", description="Spending.", owner="team:shop"
    )


def payments(*rows, who=WHOLE, amount=WHOLE):
    """Rows of (who, at, amount), numbered in the order given."""
    schema = pa.schema([("who", who), ("at", pa.timestamp("us")), ("amount", amount), ("row", WHOLE)])
    named = [
        {"who": person, "at": moment(at), "amount": value, "row": number}
        for number, (person, at, value) in enumerate(rows)
    ]
    return pa.Table.from_pylist(named, schema)


def computed(declared, events, spine=None):
    return features_of(declared, events, spine).to_pylist()


def features_of(declared, events, spine=None):
    return compute_rows(declared, {declared.source: events}, events if spine is None else spine)


def rows_of(world):
    return compute_rows(world.feature_set, world.tables, world.spine)


# The numbers are those of the reference.


@settings(max_examples=400)
@given(worlds())
def test_every_feature_equals_the_reference_to_the_bit(world):
    rows = rows_of(world)
    assert rows.column_names == [*world.feature_set.spine_keys(), *world.feature_set.columns]
    assert bits(rows.to_pylist()) == world.expected()


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda one: f"{one.named or one.measure}-{one.aggregation}")
@settings(max_examples=12)
@given(world=worlds(most=30, keys=[NEAR[:2]]), late=st.sampled_from(KNOWN_LATE), own=st.booleans())
def test_each_aggregation_equals_the_reference_in_every_window(aggregate, world, late, own):
    declared = replace(
        world.feature_set, features=[aggregate.over(*WINDOWS)], delay="0d", available_at="", own_events=own, uses=()
    )
    world = replace(world, feature_set=replace(declared, **late))
    assert bits(rows_of(world).to_pylist()) == world.expected()


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_events_and_of_the_spine_changes_no_bit(world, random):
    def shuffled(table):
        return table.take(pa.array(random.sample(range(len(table)), len(table)), pa.int64()))

    other = world.with_(events=shuffled(world.events))
    other = other if world.spine is world.events else other.with_(spine=shuffled(world.spine))
    assert rows_of(other).equals(rows_of(world))


@given(worlds())
def test_day_by_day_gives_the_same_bits_as_the_whole(world):
    day = pc.cast(world.spine.column("at"), pa.date32())
    # The spine of a day is another table than the events, also where both are one table as a whole.
    parts = [
        rows_of(replace(world, spine=world.spine.filter(pc.equal(day, one)))) for one in sorted(set(day.to_pylist()))
    ]
    whole = rows_of(world)
    assert pa.concat_tables([*parts, whole.slice(0, 0)]).equals(whole)


@given(worlds(), st.integers(0, 20))
def test_tables_in_several_chunks_give_the_same_bits(world, place):
    def chunked(table):
        return pa.concat_tables([table.slice(0, place), table.slice(place)])

    other = world.with_(events=chunked(world.events))
    other = other if world.spine is world.events else other.with_(spine=chunked(world.spine))
    assert rows_of(other).equals(rows_of(world))


@given(worlds())
def test_entity_by_entity_gives_the_same_bits_as_all_together(world):
    """What lets an engine take entities in parts."""

    def part(table, keys, number):
        codes = [hash(tuple(row[key] for key in keys)) % 3 for row in table.select(keys).to_pylist()]
        return table.filter(pa.array([code == number for code in codes], pa.bool_()))

    one = world.feature_set
    keys = {events.table: one.keys_of(events) for events in one.events} | {
        used.name: used.entity.keys for used in one.uses
    }
    if one.uses and one.uses[0].entity != one.entity:
        return  # parted by another key: the engines bring such sets to the spine first
    rows = [
        compute_rows(
            one,
            {name: part(world.tables[name], list(names), number) for name, names in keys.items()},
            part(world.spine, list(one.entity.keys), number),
        )
        for number in range(3)
    ]
    together = pa.concat_tables(rows).sort_by([("at", "ascending"), ("row", "ascending")])
    assert together.equals(rows_of(world).combine_chunks())


@given(worlds())
def test_work_in_many_blocks_gives_the_same_bits(world):
    """A block is large, so that small tables have one; here entities and ties are split by blocks of three."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows, "_BLOCK", 3)
        patched.setattr(window_columns, "_PAIRS", 5)
        patched.setattr(picks, "_PAIRS", 2)
        rows = rows_of(world)
    assert rows.equals(rows_of(world))


@given(worlds(keys=[NEAR], nulls=False))
def test_entities_and_times_that_exceed_64_bits_together_give_the_same_bits(world):
    """Two further entities, far off in number and in time, take the kernel to its second way of packing."""
    further = {"who": [-4_000_000, 4_000_000], "at": [moment("1700-01-01"), moment("2200-01-01")], "row": [-1, -2]}

    def widened(table):
        rows = {name: further.get(name, [None, None]) for name in table.column_names}
        columns = [pa.array(values, table.schema.field(name).type) for name, values in rows.items()]
        return pa.concat_tables([table, pa.table(columns, table.schema)])

    other = world.with_(events=widened(world.events))
    (codes,), entities = entity_codes(other.events.column("who"), where="test")
    assert not Timeline(codes, event_times(other.events, "at", where="test"), entities)._fits
    assert rows_of(other).filter(pc.field("row") >= 0).equals(rows_of(world))


# What a window holds.


def test_a_window_is_open_on_the_left_and_closed_on_the_right():
    rows = payments((1, "2018-04-01T12:00", 1), (1, "2018-04-02T12:00", 2), (1, "2018-04-03T11:59:59.999999", 4))
    assert [row["amount_sum_1d"] for row in computed(feature_set(total("amount").over("1d")), rows)] == [1, 2, 6]


def test_ties_are_in_each_others_windows_whatever_their_order():
    noon = "2018-04-01T12:00"
    rows = payments((1, noon, 1), (1, noon, 2), (2, noon, 4), (1, noon, 8))
    found = computed(feature_set(count("pay").over("1s"), total("amount").over("1s")), rows)
    assert [(row["pay_count_1s"], row["amount_sum_1s"]) for row in found] == [(3, 11), (3, 11), (1, 4), (3, 11)]


def test_with_a_delay_the_windows_end_that_long_before_the_row():
    rows = payments((1, "2018-04-01", 1), (1, "2018-04-08", 2), (1, "2018-04-09", 4), (1, "2018-04-15T23:59:59", 8))
    found = computed(feature_set(total("amount").over("1d", "7d"), delay="7d"), rows)
    assert [row["amount_sum_1d"] for row in found] == [0, 1, 0, 2]
    assert [row["amount_sum_7d"] for row in found] == [0, 1, 1, 2]


def test_an_empty_window_has_the_declared_default_or_null():
    rows = payments((1, "2018-04-01", 5))
    declared = feature_set(
        count("pay").over("1d"),
        total("amount").over("1d"),
        mean("amount", default=None).over("1d"),
        rate("amount", default=-1.0).over("1d"),
        delay="1d",
    )
    assert computed(declared, rows)[0] | {"row": 0} == {
        "row": 0,
        "at": moment("2018-04-01"),
        "who": 1,
        "pay_count_1d": 0,
        "amount_sum_1d": 0,
        "amount_mean_1d": None,
        "amount_rate_1d": -1.0,
    }


def test_times_before_1970_have_their_weekday_and_hour():
    rows = payments(
        (1, "1969-12-27T23:59:59.999999", 0), (1, "1969-12-28T06:59:59.999999", 0), (1, "1969-12-29T07:00", 0)
    )
    found = computed(feature_set(weekend(), hour_between(0, 6, "is_night")), rows)
    assert [(row["is_weekend"], row["is_night"]) for row in found] == [(1, 0), (1, 1), (0, 0)]


def test_one_measure_can_be_declared_with_two_scales():
    rows = payments((1, "2018-04-01", 2.0), (1, "2018-04-01T01:00", 3.0), amount=pa.float64())
    found = features_of(feature_set(total("amount").over("1d"), mean("amount", scale=2).over("1d")), rows, rows)
    assert found.column("amount_sum_1d").to_pylist() == [2, 5]
    assert found.column("amount_mean_1d").to_pylist() == [2.0, 2.5]


# The shape of the result.


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("amount", [pa.int64(), pa.decimal128(12, 2), pa.float64(), pa.bool_()])
def test_empty_tables_give_empty_tables_of_the_same_columns(amount, shared):
    declared = feature_set(count("pay").over("1d"), mean("amount").over("1d"), weekend())
    nothing = payments(amount=amount)
    rows = features_of(declared, nothing, nothing if shared else payments(amount=amount))
    one = payments((1, "2018-04-01", 0))
    assert rows.schema == features_of(declared, one, one).schema
    assert len(rows) == 0


def test_without_events_each_row_of_the_spine_has_empty_windows():
    spine = payments((1, "2018-04-01", 0), (2, "2018-04-02", 0))
    found = computed(feature_set(count("pay").over("1d"), mean("amount").over("1d")), payments(), spine)
    assert [(row["pay_count_1d"], row["amount_mean_1d"]) for row in found] == [(0, 0.0), (0, 0.0)]


def test_rows_come_out_in_order_of_time_and_row_key():
    rows = payments((1, "2018-04-02", 0), (2, "2018-04-01", 0), (3, "2018-04-01", 0)).set_column(
        3, "row", pa.array(["b", "z", "c"])
    )
    assert [row["row"] for row in computed(feature_set(count("pay").over("1d")), rows)] == ["c", "z", "b"]


def test_times_with_a_zone_count_as_utc():
    naive = payments((1, "2018-04-01T12:00", 1), (1, "2018-04-02T11:00", 2))
    zoned = naive.set_column(1, "at", naive.column("at").cast(pa.timestamp("us", "UTC")))
    declared = feature_set(total("amount").over("1d"), hour_between(11, 11, "eleven"))
    found = features_of(declared, zoned, zoned)
    assert found.drop_columns("at").equals(features_of(declared, naive, naive).drop_columns("at"))


# Measures are summed exactly, or refused.


def test_sums_beyond_the_digits_of_a_float_stay_exact():
    large = (1 << 53) + 1
    rows = payments((1, "2018-04-01", large), (1, "2018-04-01T01:00", 1), (1, "2018-04-01T02:00", -large))
    assert [row["amount_sum_1d"] for row in computed(feature_set(total("amount").over("1d")), rows)] == [
        large,
        large + 1,
        1,
    ]


@pytest.mark.parametrize("kind", [pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(18, 2), pa.decimal256(18, 2)])
def test_decimals_of_every_width_are_read_exactly(kind):
    values = [Decimal("9999999.99"), Decimal("-9999999.99"), Decimal("0.01")]
    rows = payments(*((1, f"2018-04-01T0{hour}:00", value) for hour, value in enumerate(values)), amount=kind)
    found = computed(feature_set(total("amount").over("1d")), rows)
    assert [row["amount_sum_1d"] for row in found] == [9999999.99, 0.0, 0.01]


@pytest.mark.parametrize("values", [[1 << 62, 1 << 62], [(1 << 63) - 1, 1], [-(1 << 62), -(1 << 62), -1]])
def test_a_sum_of_whole_numbers_that_leaves_64_bits_is_an_error_and_its_mean_is_exact(values):
    rows = payments(*((1, "2018-04-01", value) for value in values))
    with pytest.raises(SlipwayError, match="exceeds 64 bits") as caught:
        computed(feature_set(total("amount").over("1d")), rows)
    assert caught.value.fix
    found = computed(feature_set(mean("amount").over("1d")), rows)
    assert found[0]["amount_mean_1d"] == float(Fraction(sum(values), len(values)))


def test_values_of_64_bits_whose_sums_stay_inside_are_summed():
    rows = payments((1, "2018-04-01", (1 << 63) - 1), (1, "2018-04-02", (1 << 63) - 1))
    assert [row["amount_sum_1h"] for row in computed(feature_set(total("amount").over("1h")), rows)] == [
        (1 << 63) - 1
    ] * 2


@pytest.mark.parametrize("value", [0.005, 1e-5, 123456.789, float("inf"), 1e17])
def test_a_float_that_is_no_number_of_the_declared_decimals_is_an_error(value):
    # Beside a large value: what is let pass depends on the value itself, not on the largest.
    rows = payments((1, "2018-04-01", 1e9), (1, "2018-04-01", value), amount=pa.float64())
    with pytest.raises(SlipwayError, match=r"more than 2 decimals|not a number|64 bits") as caught:
        computed(feature_set(mean("amount", scale=2).over("1d")), rows)
    assert "mean('amount')" in caught.value.where


def test_the_error_of_binary_floating_point_is_let_pass():
    rows = payments((1, "2018-04-01", 0.1 + 0.2), (1, "2018-04-01", 90_071_992_547.41), amount=pa.float64())
    found = computed(feature_set(total("amount", scale=2).over("1d")), rows)
    assert found[0]["amount_sum_1d"] == 90_071_992_547.71


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (pa.string(), "5", "cannot be aggregated"),
        (pa.decimal128(38, 2), Decimal(5), "does not fit into 64 bits"),
    ],
)
def test_a_measure_that_cannot_be_summed_is_an_error(kind, value, message):
    rows = payments((1, "2018-04-01", value), amount=kind)
    with pytest.raises(SlipwayError, match=message) as caught:
        computed(feature_set(total("amount").over("1d")), rows)
    assert "shop.spend" in caught.value.where


def test_an_infinite_number_is_taken_for_none_and_an_infinite_value_is_picked_as_it_is():
    rows = payments(*((1, "2018-04-01", value) for value in (1.0, float("inf"))), amount=pa.float64())
    features = [largest("amount", default=-1.0), smallest("amount"), quantile("amount", 0.9), last("amount")]
    declared = feature_set(*(one.over("1d") for one in features))
    found = computed(declared, rows)
    assert [found[0][name] for name in declared.columns] == [-1.0, 1.0, None, float("inf")]
    assert bits(found) == bits(feature_rows(declared, {declared.source: rows}, rows.to_pylist()))


def test_sums_of_decimals_without_places_are_whole_numbers():
    values = [Decimal(3), Decimal(5), None]
    rows = payments(*((1, "2018-04-01", value) for value in values), amount=pa.decimal128(10, 0))
    declared = feature_set(total("amount").over("1d"), total("amount", default=-1, where="row > 2").over("7d"))
    found = features_of(declared, rows)
    assert [found.column(name).type for name in declared.columns] == [WHOLE, WHOLE]
    assert found.slice(0, 1).to_pylist()[0].items() >= {"amount_sum_1d": 8, "amount_sum_7d": -1}.items()
    assert bits(found.to_pylist()) == bits(feature_rows(declared, {declared.source: rows}, rows.to_pylist()))


# Keys and times are given, and of one kind.


def test_a_null_key_matches_nothing_and_its_row_stays():
    declared = feature_set(count("pay").over("1d"), last("amount").over("1d"))
    found = computed(declared, payments((1, "2018-04-01", 1), (None, "2018-04-01", 1)))
    assert [(row["pay_count_1d"], row["amount_last_1d"]) for row in found] == [(1, 1), (0, None)]


def test_a_row_without_a_time_is_an_error():
    declared = feature_set(count("pay").over("1d"))
    untimed = payments((1, "2018-04-01", 1)).set_column(1, "at", pa.array([None], pa.timestamp("us")))
    with pytest.raises(SlipwayError, match="'at' is missing in 1 rows") as caught:
        computed(declared, untimed)
    assert caught.value.where == "feature set shop.spend, shop.payments, at"
    asked = replace(declared, spine="shop.visits")
    with pytest.raises(SlipwayError, match="'at' is missing in 1 rows") as caught:
        computed(asked, untimed, payments((1, "2018-04-01", 1)))
    assert caught.value.where == "feature set shop.spend, shop.payments, at"
    with pytest.raises(SlipwayError, match="'at' is missing in 1 rows") as caught:
        computed(asked, payments((1, "2018-04-01", 1)), untimed)
    assert caught.value.where == "feature set shop.spend, shop.visits, at"


def test_keys_of_different_kinds_are_an_error_and_not_a_match_by_spelling():
    numbers, texts = payments((1, "2018-04-01", 1)), payments(("1", "2018-04-01", 1), who=pa.string())
    with pytest.raises(SlipwayError, match="different types: int64 and string") as caught:
        computed(feature_set(count("pay").over("1d")), numbers, texts)
    assert "shop.spend" in caught.value.where


@pytest.mark.parametrize(
    ("left", "right"), [(pa.int32(), pa.int64()), (pa.string(), pa.large_string()), (pa.int64(), pa.uint8())]
)
def test_keys_of_different_width_match_by_value(left, right):
    value = "1" if pa.types.is_string(left) else 1
    events, spine = payments((value, "2018-04-01", 1), who=left), payments((value, "2018-04-01", 1), who=right)
    assert computed(feature_set(count("pay").over("1d")), events, spine)[0]["pay_count_1d"] == 1


@given(
    st.lists(st.one_of(st.none(), st.sampled_from([0, 1, -7, 1 << 40, (1 << 63) - 1, -(1 << 63)]))),
    st.lists(st.one_of(st.none(), st.integers(-3, 3))),
    st.booleans(),
)
def test_equal_keys_have_equal_codes_and_nulls_have_none(left, right, text):
    def column(keys):
        chosen = [None if key is None else str(key) for key in keys] if text else keys
        return pa.chunked_array([chosen], pa.string() if text else pa.int64())

    (left_codes, right_codes), entities = entity_codes(column(left), column(right), where="test")
    keys, codes = [*left, *right], [*left_codes.tolist(), *right_codes.tolist()]
    assert all((code == -1) == (key is None) for key, code in zip(keys, codes, strict=True))
    assert all(-1 <= code < entities for code in codes)
    assert len({(key, code) for key, code in zip(keys, codes, strict=True)}) == len(set(keys)) == len(set(codes))


def test_day_partitions_of_a_week_need_no_more_than_their_own_events():
    """What the engine reads for one day, cut off at the feature set's reach, gives that day's rows."""
    declared = feature_set(mean("amount").over("1d", "2d"), delay="1d")
    rows = payments(
        *((number % 3, f"2018-04-{1 + number // 4:02d}T{number % 24:02d}:30", number) for number in range(40))
    )
    day = pc.cast(rows.column("at"), pa.date32())
    chosen = date(2018, 4, 9)
    near = rows.filter(pc.greater_equal(day, pa.scalar(chosen - timedelta(days=3))))
    spine = rows.filter(pc.equal(day, pa.scalar(chosen)))
    assert len(spine) == 4
    assert features_of(declared, near, spine).equals(features_of(declared, rows, spine))


def test_a_set_keeps_its_values_when_only_words_change():
    declared = feature_set(count("pay").over("1d"))
    assert replace(declared, owner="team:other", description="?").fingerprint() == declared.fingerprint()
    assert replace(declared, delay="1d").fingerprint() != declared.fingerprint()

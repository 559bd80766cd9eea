"""Profiles: what is kept of a delivery, the same in whatever order its rows and its parts come, of bounded size."""

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.columns import Column
from lakehouse.profiling.column_profile import SHARES, SKETCH, TOP
from lakehouse.profiling.history import MOST, PROFILES, published_history, remember
from lakehouse.profiling.profile import DeliveryProfile, merge, profile_rows, profile_table
from lakehouse.tables.system_table import entries

COLUMNS = [
    Column("number", "int64", description="A running number."),
    Column("at", "timestamp", description="When."),
    Column("amount", "float64", description="How much."),
    Column("kind", "text", description="What sort."),
    Column("good", "bool", description="Whether."),
]
START = datetime(2024, 3, 4)  # noqa: DTZ001  # a Monday; table times are UTC without a zone

rows_of = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**62), 2**62),
        st.none() | st.integers(0, 86_400 * 3).map(lambda seconds: START + timedelta(seconds=seconds)),
        st.none() | st.floats(-1e6, 1e6) | st.sampled_from([float("nan"), float("inf"), -0.0]),
        st.none() | st.sampled_from(["a", "B", " c", "12.5", "", "Ü", "x" * 50]),
        st.none() | st.booleans(),
    ),
    max_size=60,
)


def table(rows, delivery="one"):
    arrays = [
        pa.array([row[place] for row in rows], kind)
        for place, kind in enumerate([pa.int64(), pa.timestamp("us"), pa.float64(), pa.string(), pa.bool_()])
    ]
    return pa.table([*arrays, pa.array([delivery] * len(rows), pa.string())], [*(one.name for one in COLUMNS), "by"])


def profile(rows, name="one"):
    return profile_table(table(rows).drop_columns(["by"]), name)


def near(one, other):
    return one == other or one == pytest.approx(other, rel=1e-6, abs=1e-3)


def close(one, other):
    """Equal, but for the last digits of sums."""
    assert (one.rows, one.repeated, one.row_sketch, one.day) == (
        other.rows,
        other.repeated,
        other.row_sketch,
        other.day,
    )
    for name, column in one.columns.items():
        beside = other.columns[name]
        exact = (
            "rows",
            "nulls",
            "nans",
            "infinities",
            "marks",
            "hours",
            "weekdays",
            "top",
            "shapes",
            "sketch",
            "distinct",
        )
        for field in exact:
            assert getattr(column, field) == getattr(beside, field), (name, field)
        for field in ("mean", "std"):
            found = getattr(column, field)
            assert near(found, getattr(beside, field)), (name, field)


@given(rows_of, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert profile(shuffled) == profile(rows)


@given(st.lists(rows_of.filter(len), min_size=2, max_size=4), st.randoms())
def test_parts_merge_in_any_order_and_grouping(parts, random):
    profiles = [profile(rows, str(place)) for place, rows in enumerate(parts)]
    shuffled = list(profiles)
    random.shuffle(shuffled)
    close(merge(shuffled), merge(profiles))
    grouped = merge([merge(profiles[:1]), merge(profiles[1:])])
    for name, column in merge(profiles).columns.items():
        beside = grouped.columns[name]
        assert (column.rows, column.nulls, column.marks, column.top) == (
            beside.rows,
            beside.nulls,
            beside.marks,
            beside.top,
        )
        assert near(column.mean, beside.mean)


@given(rows_of)
def test_a_profile_survives_being_written_down(rows):
    one = profile(rows).named("shop.orders", "orders.csv")
    assert DeliveryProfile.from_row(one.as_row()) == one


@given(st.lists(rows_of, min_size=1, max_size=3))
def test_many_deliveries_at_once_are_as_each_by_itself(parts):
    together = pa.concat_tables([table(rows, str(place)) for place, rows in enumerate(parts)])
    found = profile_rows(together, COLUMNS, by="by")
    assert found == {str(place): profile(rows, str(place)) for place, rows in enumerate(parts) if rows}


def test_what_is_counted():
    amounts = [1.0, 2.5, 0.0, -3.0, float("nan"), float("inf"), None, -3.0]
    kinds = ["AB-12", "ab-34", None, " x", "", "12", "ü", "\ufffd"]
    at = [START + timedelta(hours=place) for place in range(8)]
    found = profile_table(pa.table({"amount": amounts, "kind": kinds, "at": at}), "one")
    amount, kind, time = (found.columns[name] for name in ("amount", "kind", "at"))
    assert (amount.rows, amount.nulls, amount.nans, amount.infinities, amount.finite) == (8, 1, 1, 1, 5)
    assert (amount.least, amount.most, amount.mean) == (-3.0, 2.5, -0.5)
    assert (amount.marks["zero"], amount.marks["negative"], amount.marks["decimals_0"], amount.marks["decimals_1"]) == (
        1,
        2,
        4,
        1,
    )
    assert amount.top[0] == (-3.0, 2)
    assert dict(kind.shapes)["aa-99"] == 2
    assert {mark: kind.marks[mark] for mark in ("blank", "padded", "upper", "numeric", "broken")} == {
        "blank": 1,
        "padded": 1,
        "upper": 1,
        "numeric": 1,
        "broken": 1,
    }
    assert time.hours[:9] == (1,) * 8 + (0,)
    assert time.weekdays == (8, 0, 0, 0, 0, 0, 0)
    assert (found.day, found.event_time) == (date(2024, 3, 4), "at")


def test_merged_quantiles_and_distinct_values_are_those_of_all_rows():
    random = np.random.default_rng(1)
    parts = [random.normal(place, 1 + place, 3_000) for place in range(4)]
    whole = np.concatenate(parts)
    merged = merge([profile_table(pa.table({"x": part}), str(place)) for place, part in enumerate(parts)]).columns["x"]
    inside = slice(SHARES.index(0.05), SHARES.index(0.95) + 1)
    assert merged.grid[inside] == pytest.approx(tuple(np.quantile(whole, SHARES[inside])), abs=0.3)
    assert (merged.least, merged.most) == (whole.min(), whole.max())
    assert merged.grid[SHARES.index(0.5)] == pytest.approx(np.median(whole), abs=0.05)
    assert merged.std == pytest.approx(whole.std())
    assert merged.distinct == pytest.approx(12_000, rel=0.3)


def test_dependencies_show_which_column_determines_which():
    random = np.random.default_rng(2)
    code = random.integers(0, 50, 2_000)
    amount = random.normal(size=2_000)
    rows = pa.table(
        {
            "code": code,
            "name": [f"name {one}" for one in code],
            "amount": amount,
            "twice": np.exp(amount),
            "other": random.permutation(amount),
        }
    )
    found = profile_table(rows, "one").dependencies
    assert found["code => name"][0] == 1.0
    assert found["amount ~ twice"][0] == pytest.approx(1.0)
    assert abs(found["amount ~ other"][0]) < 0.15


def test_size_is_bounded_and_nothing_falls_over():
    random = np.random.default_rng(3)
    wide = profile_table(pa.table({f"c{place}": random.normal(size=3) for place in range(10_000)}), "wide")
    assert len(wide.columns) == 10_000
    long = profile_table(pa.table({"text": ["x" * 50_000_000, "y", None], "number": [1, 2, 3]}), "long")
    assert long.columns["text"].lengths[-1] == 50_000_000
    assert len(long.content()) < 20_000
    many = profile_table(pa.table({"key": [f"k{place}" for place in range(5_000)]}), "many").columns["key"]
    assert (many.distinct, len(many.top), len(many.sketch)) == (5_000, TOP, SKETCH)


@pytest.mark.parametrize("rows", [[], [(None, None, None, None, None)], [(1, START, 1.0, "a", True)]])
def test_no_row_one_row_and_nothing_but_nulls(rows):
    found = profile(rows)
    assert found.rows == len(rows)
    assert DeliveryProfile.from_row(found.as_row()) == found


def test_history_is_what_was_published_in_its_order_and_bounded(lake):
    profiles = [
        profile([(place, START, 1.0, "a", True)], f"f{place}").named("a.b", f"{place}.csv") for place in range(100)
    ]
    assert published_history(lake, "a.b", ["f1"]) == []
    remember(lake, profiles, "run-1")
    remember(lake, [profiles[0].named("c.d", "x.csv")], "run-1")
    found = published_history(lake, "a.b", [f"f{place}" for place in range(100) if place != 50])
    assert [one.fingerprint for one in found] == [f"f{place}" for place in range(100) if place != 50][-MOST:]
    assert found[-1] == profiles[-1]
    assert len(entries(lake, PROFILES)) == 101

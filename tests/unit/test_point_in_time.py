"""Point-in-time joins: every row of the spine once, in order, with what was newest at its time.

What belongs here: as_of_join on Arrow tables. Not: training sets (test_incremental.py).
"""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import SlipwayError
from lakehouse.features import windows
from lakehouse.features.point_in_time import as_of_join
from tests.reference import BEGINNINGS, FAR, MICROSECOND, NEAR, TEXTS, length, moment, newest_values

JOIN = {"entity": "who", "time": "at", "row_key": "row", "columns": {"value": "set__value", "text": "set__text"}}


def table(*rows, who=None):
    """Rows of (who, at, row, value)."""
    schema = pa.schema(
        [
            ("who", who or pa.int64()),
            ("at", pa.timestamp("us")),
            ("row", pa.int64()),
            ("value", pa.float64()),
            ("text", pa.string()),
        ]
    )
    return pa.Table.from_pylist(
        [
            {
                "who": person,
                "at": moment(at),
                "row": row,
                "value": value,
                "text": None if value is None else f"v{value}",
            }
            for person, at, row, value in rows
        ],
        schema,
    )


def spine(*rows, who=None):
    """Rows of (who, at), numbered."""
    schema = pa.schema([("number", pa.int32()), ("who", who or pa.int64()), ("at", pa.timestamp("us"))])
    named = [{"number": number, "who": person, "at": moment(at)} for number, (person, at) in enumerate(rows)]
    return pa.Table.from_pylist(named, schema)


def values(places, known):
    return as_of_join(places, known, **JOIN).column("set__value").to_pylist()


@st.composite
def joins(draw):
    """A spine and a table with ties, repeated times and null keys, in any order."""
    entities, beginning = draw(st.sampled_from([NEAR, FAR, TEXTS])), draw(st.sampled_from(BEGINNINGS))
    key = pa.string() if entities is TEXTS else pa.int64()
    who = st.one_of(st.sampled_from(entities), st.none())
    at = st.builds(
        lambda days, near: beginning + days * length("1d") + near * MICROSECOND, st.integers(-3, 3), st.integers(-1, 1)
    )
    places = draw(st.lists(st.fixed_dictionaries({"who": who, "at": at}), max_size=15))
    value = st.one_of(st.none(), st.floats(-5, 5))
    known = draw(
        st.lists(
            st.fixed_dictionaries({"who": who, "at": at, "value": value, "text": st.text(max_size=2)}), max_size=15
        )
    )
    names = draw(st.permutations(range(len(known))))
    return (
        pa.Table.from_pylist(places, pa.schema([("who", key), ("at", pa.timestamp("us"))])),
        pa.Table.from_pylist(
            [{**row, "row": name} for row, name in zip(known, names, strict=True)], table(who=key).schema
        ),
    )


@settings(max_examples=300)
@given(joins())
def test_every_row_of_the_spine_gets_what_the_reference_says(join):
    places, known = join
    joined = as_of_join(places, known, **JOIN)
    assert joined.column_names == ["who", "at", "set__value", "set__text"]
    assert joined.to_pylist() == newest_values(places.to_pylist(), known.to_pylist(), **JOIN)


@given(joins())
def test_work_in_many_blocks_finds_the_same(join):
    places, known = join
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows, "_BLOCK", 2)
        joined = as_of_join(places, known, **JOIN)
    assert joined.equals(as_of_join(places, known, **JOIN))


@given(joins(), st.randoms(use_true_random=False))
def test_the_order_of_the_joined_table_does_not_matter(join, random):
    places, known = join
    shuffled = known.take(pa.array(random.sample(range(len(known)), len(known)), pa.int64()))
    assert as_of_join(places, shuffled, **JOIN).equals(as_of_join(places, known, **JOIN))


def test_the_spine_stays_as_it_is_in_rows_order_and_columns():
    places = spine((2, "2018-04-03"), (1, "2018-04-01"), (2, "2018-04-03"), (9, "2018-04-02"))
    joined = as_of_join(places, table((2, "2018-04-01", 1, 5.0)), **JOIN)
    assert joined.select(places.column_names).equals(places)
    assert joined.column("set__value").to_pylist() == [5.0, None, 5.0, None]


def test_an_entity_that_first_appears_later_has_no_value_yet():
    places = spine((1, "2018-04-01T11:59:59.999999"), (1, "2018-04-01T12:00"))
    assert values(places, table((1, "2018-04-01T12:00", 1, 7.0))) == [None, 7.0]


def test_of_peers_the_largest_row_key_counts():
    noon = "2018-04-01T12:00"
    places = spine((1, noon))
    assert values(places, table((1, noon, 10, 1.0), (1, noon, 9, 2.0), (1, "2018-04-01", 11, 3.0))) == [1.0]
    assert values(places, table((1, noon, 9, 2.0), (1, noon, 10, 1.0), (1, "2018-04-01", 11, 3.0))) == [1.0]


def test_a_newest_value_that_is_null_is_not_skipped():
    assert values(spine((1, "2018-04-03")), table((1, "2018-04-01", 1, 5.0), (1, "2018-04-02", 2, None))) == [None]


def test_null_keys_match_nothing_not_even_each_other():
    places = spine((None, "2018-04-02"), (0, "2018-04-02"))
    assert values(places, table((None, "2018-04-01", 1, 5.0))) == [None, None]


@pytest.mark.parametrize("who", [pa.int64(), pa.string()])
def test_empty_sides_lose_no_row(who):
    key = "1" if who == pa.string() else 1
    assert values(spine((key, "2018-04-02"), who=who), table(who=who)) == [None]
    assert values(spine(who=who), table((key, "2018-04-02", 1, 5.0), who=who)) == []
    assert values(spine(who=who), table(who=who)) == []


def test_keys_of_different_kinds_are_an_error_that_names_both():
    with pytest.raises(SlipwayError, match="int64 and string") as caught:
        values(spine(("1", "2018-04-02"), who=pa.string()), table((1, "2018-04-01", 1, 5.0)))
    assert "'who'" in caught.value.where
    assert caught.value.nearest
    assert caught.value.fix


@pytest.mark.parametrize(
    ("change", "where", "nearest"),
    [
        ({"entity": "whom"}, "the spine", "who"),
        ({"row_key": "rows"}, "the joined table", "row"),
        ({"columns": {"valeu": "x"}}, "the joined table", "value"),
    ],
)
def test_a_misspelt_column_is_an_error_that_names_the_side_and_the_nearest(change, where, nearest):
    with pytest.raises(SlipwayError, match="There is no column") as caught:
        as_of_join(spine((1, "2018-04-02")), table((1, "2018-04-01", 1, 5.0)), **{**JOIN, **change})
    assert (caught.value.where, caught.value.nearest) == (where, nearest)


def test_a_row_without_a_time_is_an_error_on_either_side():
    untimed = pa.array([None], pa.timestamp("us"))
    places, known = spine((1, "2018-04-02")), table((1, "2018-04-01", 1, 5.0))
    with pytest.raises(SlipwayError, match="'at' is missing in 1 rows"):
        values(places.set_column(2, "at", untimed), known)
    with pytest.raises(SlipwayError, match="'at' is missing in 1 rows"):
        values(places, known.set_column(1, "at", untimed))

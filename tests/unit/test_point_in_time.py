"""Point-in-time joins: every row of the spine once, in order, with what was newest at its time.

What belongs here: as_of_join and its look-ups on Arrow tables, keys of several columns. Not: training sets
(test_incremental.py) and training frames (test_training_frame.py).
"""

from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import SlipwayError
from lakehouse.features import columns, point_in_time
from lakehouse.features.columns import KnownKeys, entity_codes, event_times
from lakehouse.features.point_in_time import History, as_of_join

JOIN = {"entity": "who", "time": "at", "row_key": "row", "columns": {"value": "set__value", "text": "set__text"}}
BOTH = {**JOIN, "entity": ["who", "where"]}
NEAR, FAR, TEXTS = (0, 1, 2), (-5, 0, 7, 1 << 40), ("", "a", "A", "ä", "a b")
"""Keys that lie close together, far apart, and texts."""
BEGINNINGS = tuple(map(datetime.fromisoformat, ("2018-04-01", "1969-12-30", "1905-03-01")))
MICROSECOND = timedelta(microseconds=1)
moment = datetime.fromisoformat


def newest(place, known, *, entity, max_age=None):
    """The definition: of the entity's rows up to the time the newest; of ties, the largest row key."""
    keys = [entity] if isinstance(entity, str) else entity
    rows = [
        row
        for row in known
        if all(row[key] is not None and row[key] == place[key] for key in keys) and row["at"] <= place["at"]
    ]
    found = max(rows, key=lambda row: (row["at"], row["row"]), default=None)
    return found if found and (max_age is None or place["at"] - found["at"] <= max_age) else {}


def joined_plainly(places, known, *, entity, **_):
    return [
        {**place, **{f"set__{name}": newest(place, known, entity=entity).get(name) for name in ("value", "text")}}
        for place in places
    ]


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


@cache
def rows_between(entities, others, beginning):
    """Rows of the spine and of the table. Made once: Hypothesis looks at a new strategy for long."""
    at = st.builds(
        lambda days, near: beginning + timedelta(days=days) + near * MICROSECOND,
        st.integers(-3, 3),
        st.integers(-1, 1),
    )
    place = {
        "who": st.one_of(st.sampled_from(entities), st.none()),
        "where": st.one_of(st.sampled_from(others), st.none()),
        "at": at,
    }
    known = {**place, "value": st.one_of(st.none(), st.floats(-5, 5)), "text": st.text(max_size=2)}
    return tuple(st.lists(st.fixed_dictionaries(row), max_size=15) for row in (place, known))


@st.composite
def joins(draw):
    """A spine and a table with two key columns, ties, repeated times and null keys, in any order."""
    entities, beginning = draw(st.sampled_from([NEAR, FAR, TEXTS])), draw(st.sampled_from(BEGINNINGS))
    key = pa.string() if entities is TEXTS else pa.int64()
    place_rows, known_rows = rows_between(entities, draw(st.sampled_from([NEAR, FAR])), beginning)
    places, known = draw(place_rows), draw(known_rows)
    names = draw(st.permutations(range(len(known))))
    keys = [("who", key), ("where", pa.int64()), ("at", pa.timestamp("us"))]
    rows = [("row", pa.int64()), ("value", pa.float64()), ("text", pa.string())]
    return (
        pa.Table.from_pylist(places, pa.schema(keys)),
        pa.Table.from_pylist(
            [{**row, "row": name} for row, name in zip(known, names, strict=True)], pa.schema([*keys, *rows])
        ),
    )


@settings(max_examples=300)
@given(joins(), st.sampled_from([JOIN, BOTH]))
def test_every_row_of_the_spine_gets_the_references_values(join, how):
    places, known = join
    joined = as_of_join(places, known, **how)
    assert joined.column_names == ["who", "where", "at", "set__value", "set__text"]
    assert joined.to_pylist() == joined_plainly(places.to_pylist(), known.to_pylist(), **how)


@given(joins(), st.sampled_from([JOIN, BOTH]))
def test_work_in_many_blocks_finds_the_same(join, how):
    places, known = join
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(point_in_time, "_BLOCK", 2)
        joined = as_of_join(places, known, **how)
    assert joined.equals(as_of_join(places, known, **how))


@given(joins())
def test_many_entities_and_rows_are_arranged_the_same(join):
    """Above certain numbers other ways are gone: the limits are lowered instead of the numbers raised."""
    places, known = join
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(point_in_time, "_SHORT", 0)
        patched.setattr(point_in_time, "_NARROW", 0)
        patched.setattr(columns, "_CLOSE", 2)
        joined = as_of_join(places, known, **BOTH)
    assert joined.equals(as_of_join(places, known, **BOTH))


@given(joins(), st.randoms(use_true_random=False))
def test_the_order_of_the_joined_table_does_not_matter(join, random):
    places, known = join
    shuffled = known.take(pa.array(random.sample(range(len(known)), len(known)), pa.int64()))
    assert as_of_join(places, shuffled, **BOTH).equals(as_of_join(places, known, **BOTH))


@given(joins(), st.sampled_from([timedelta(), MICROSECOND, timedelta(days=1), timedelta(days=9)]))
def test_a_value_counts_up_to_its_greatest_age_and_no_longer(join, age):
    places, known = join
    history = History.of(known, entity=["who"], time="at", row_key="row", where="test")
    found = history.find([places.column("who")], event_times(places, "at", where="test"), age // MICROSECOND)
    rows = known.to_pylist()
    expected = [newest(place, rows, entity="who", max_age=age).get("row") for place in places.to_pylist()]
    assert [None if row < 0 else rows[row]["row"] for row in found] == expected


@given(joins())
def test_composite_keys_have_equal_codes_where_all_columns_are_equal(join):
    sides = [side.select(["who", "where"]) for side in join]
    for close in (columns._CLOSE, 1):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(columns, "_CLOSE", close)
            codes, entities = entity_codes(*(side.columns for side in sides), where="test")
            known = KnownKeys.of(sides[1].columns)
            looked_up = [known.code(side.columns) for side in sides]
        pairs = [tuple(row.values()) for side in sides for row in side.to_pylist()]
        together = np.concatenate(codes).tolist()
        assert [code < 0 for code in together] == [None in pair for pair in pairs]
        assert len({code for code in together if code >= 0}) == len({pair for pair in pairs if None not in pair})
        assert len(set(zip(together, pairs, strict=True))) == len(set(pairs))
        assert all(code < entities for code in together)
        # A key that the table does not have may have a code, but none of a row's.
        there = {tuple(row.values()) for row in sides[1].to_pylist() if None not in row.values()}
        of_rows = set(known.codes.tolist()) - {-1}
        assert [code in of_rows for code in np.concatenate(looked_up)] == [pair in there for pair in pairs]
        assert looked_up[1].tolist() == known.codes.tolist()


def test_the_spine_stays_as_it_is_in_rows_order_and_columns():
    places = spine((2, "2018-04-03"), (1, "2018-04-01"), (2, "2018-04-03"), (9, "2018-04-02"))
    joined = as_of_join(places, table((2, "2018-04-01", 1, 5.0)), **JOIN)
    assert joined.select(places.column_names).equals(places)
    assert joined.column("set__value").to_pylist() == [5.0, None, 5.0, None]


def test_an_entity_that_first_appears_later_has_no_value_yet():
    places = spine((1, "2018-04-01T11:59:59.999999"), (1, "2018-04-01T12:00"))
    assert values(places, table((1, "2018-04-01T12:00", 1, 7.0))) == [None, 7.0]


def test_of_ties_the_largest_row_key_counts():
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


def test_keys_that_crowd_at_one_time_are_kept_apart():
    """One entity with nearly all rows, and nearly all of them in the same second of a long time."""
    at = ["1970-01-01", *(f"2018-04-01T00:00:00.{n:06d}" for n in range(500)), "2024-01-01"]
    known = table(*((1, time, n, float(n)) for n, time in enumerate(at)), (2, "2018-04-01", 900, -1.0))
    places = spine(*((1, time) for time in at), (2, "2030-01-01"), (2, "2000-01-01"), (1, "1960-01-01"))
    assert values(places, known) == [*map(float, range(len(at))), -1.0, None, None]


@pytest.mark.parametrize("keys", [["b", "a", None], [3, None, 1]])
def test_of_ties_with_row_keys_of_any_type_the_largest_counts_and_a_missing_one_most(keys):
    noon = "2018-04-01T12:00"
    known = table(*((1, noon, None, float(n)) for n in range(3))).set_column(2, "row", pa.array(keys))
    assert values(spine((1, noon)), known) == [float(keys.index(None))]
    there = known.filter(pa.array([key is not None for key in keys]))
    assert values(spine((1, noon)), there) == [float(keys.index(max(key for key in keys if key is not None)))]


def test_lists_and_structs_are_joined_like_numbers():
    known = table((1, "2018-04-01", 1, 5.0)).append_column("last", pa.array([[1, 2]]))
    known = known.append_column("both", pa.array([{"a": 1, "b": "x"}]))
    join = {**JOIN, "columns": {"last": "last", "both": "both"}}
    joined = as_of_join(spine((1, "2018-04-02"), (2, "2018-04-02")), known, **join)
    assert joined.column("last").to_pylist() == [[1, 2], None]
    assert joined.column("both").to_pylist() == [{"a": 1, "b": "x"}, None]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (pa.array([1_522_584_000_000_000_999], pa.timestamp("ns")), 7.0),  # 999 ns after noon
        (pa.array([1_522_583_999_999_999_999], pa.timestamp("ns")), None),  # 1 ns before
        (pa.array([1_522_584_000], pa.timestamp("s")), 7.0),
        (pa.array([1_522_584_000_000], pa.timestamp("ms", "Europe/Berlin")), 7.0),  # shown as two, and noon in UTC
    ],
)
def test_times_of_any_unit_and_zone_are_one_time(time, expected):
    places = spine((1, "2018-04-01")).set_column(2, "at", time)
    assert values(places, table((1, "2018-04-01T12:00", 1, 7.0))) == [expected]


def test_a_key_that_is_too_large_gets_a_clear_error():
    places = spine((1, "2018-04-02")).set_column(1, "who", pa.array([2**63], pa.uint64()))
    with pytest.raises(SlipwayError, match="does not fit into 64 bits"):
        values(places, table((1, "2018-04-01", 1, 5.0)))


@pytest.mark.parametrize("time", [pa.array(["2018-04-02"]), pa.array([17_623], pa.date32())])
def test_a_text_or_a_day_is_no_time(time):
    with pytest.raises(SlipwayError, match="not a timestamp") as caught:
        values(spine((1, "2018-04-02")).set_column(2, "at", time), table((1, "2018-04-01", 1, 5.0)))
    assert str(time.type) in caught.value.what

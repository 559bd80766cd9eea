"""Small random worlds to try the kernel and the engines on, and what the reference says of them.

What belongs here: strategies that draw tables and feature sets. Not: the meaning of features
(lakehouse/features/reference.py), Iceberg, engines.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TypeAlias

import pyarrow as pa
from hypothesis import strategies as st

from lakehouse.features.feature_set import (
    Derived,
    Entity,
    Events,
    FeatureSet,
    approx_distinct,
    approx_quantile,
    attribute,
    count,
    derived,
    distinct,
    first,
    hour_between,
    largest,
    last,
    last_n,
    mean,
    quantile,
    rate,
    since_last,
    smallest,
    std,
    top,
    total,
    trend,
    variance,
    weekend,
)
from lakehouse.features.reference import feature_rows, length

Row = dict[str, object]


def moment(text: str) -> datetime:
    """A time as tables hold it: UTC, without a zone."""
    return datetime.fromisoformat(text)


def newest_values(
    spine: Sequence[Row], table: Sequence[Row], *, entity: str, time: str, row_key: str, columns: Mapping[str, str]
) -> list[Row]:
    """The spine with the values of each entity's newest row at its time; of ties, that with the largest row key."""
    rows = []
    for place in spine:
        known = [
            row
            for row in table
            if row[entity] is not None and row[entity] == place[entity] and row[time] <= place[time]
        ]
        found = max(known, key=lambda row: (row[time], row[row_key]), default={})
        rows.append({**place, **{here: found.get(there) for there, here in columns.items()}})
    return rows


def bits(rows: Sequence[Row]) -> list[Row]:
    """The rows with floating point numbers as what they are made of, so that == tells the last bit."""
    return [{name: value.hex() if isinstance(value, float) else value for name, value in row.items()} for row in rows]


# Worlds. Few entities and times, so that ties, empty windows and events at a window's very edge come up all the time.

EVENTS = pa.schema(
    [
        ("at", pa.timestamp("us")),
        ("whole", pa.int64()),
        ("flag", pa.bool_()),
        ("money", pa.decimal128(12, 2)),
        ("rough", pa.float64()),
        ("wild", pa.float64()),
        ("vast", pa.float64()),
        ("word", pa.string()),
        ("seen", pa.timestamp("us")),
        ("ends", pa.timestamp("us")),
    ]
)
VISITS = pa.schema(
    [("visitor", pa.int64()), ("place", pa.string()), ("at", pa.timestamp("us")), ("minutes", pa.int32())]
)
PROFILES = pa.schema([("row", pa.int64()), ("who", pa.int64()), ("at", pa.timestamp("us")), ("level", pa.float64())])
NEAR, FAR, TEXTS = (0, 1, 2), (-5, 0, 7, 1 << 40), ("", "a", "A", "ä", "a b")
"""Keys that lie close together, far apart, and texts."""
WORDS = ("", "a", "A", "ä", "a b")
FILTERED = {"where": "whole > 0 and word <> 'a'", "named": "chosen"}
BY_WORD = {"by": "word", "values": ("a", "ä b")}
AGGREGATES = (
    count("event"),
    count("chosen", where="money >= 0 or flag"),
    count("flagged", by="flag", values=(True, False)),
    total("whole"),
    total("money"),
    total("rough", scale=3),
    total("wild"),
    mean("whole", default=None),
    mean("money", default=-1.0),
    mean("rough", scale=2, default=None),
    mean("wild"),
    mean("money", **FILTERED),
    mean("whole", by="word", values=("a", "a b")),
    rate("flag"),
    smallest("money"),
    smallest("wild"),
    smallest("vast"),
    largest("whole"),
    largest("vast", default=-1.0),
    largest("flag", **FILTERED),
    variance("money"),
    variance("wild"),
    std("whole", default=0.0),
    std("rough", scale=2),
    first("word"),
    first("wild"),
    last("flag"),
    last("money", **FILTERED),
    last_n("word", 3),
    last_n("vast", 2),
    distinct("word"),
    distinct("wild"),
    approx_distinct("vast"),
    distinct("whole", by="flag", values=(True,)),
    approx_distinct("money"),
    quantile("whole", 0.5),
    quantile("wild", 0.9),
    quantile("vast", 0.5),
    quantile("money", 0.1, **FILTERED),
    approx_quantile("money", 0.5),
    approx_quantile("wild", 0.99),
    top("word", 2),
    top("money", 1, **FILTERED),
    top("vast", 2),
    since_last("event"),
    since_last("chosen", where="flag", default=-1.0),
    trend("money"),
    trend("wild"),
    trend("rough", scale=2, default=0.0),
)
"""Every aggregation, on every kind of measure that it takes."""
WINDOWS = ("1s", "90m", "12h", "1d", "7d", "lifetime")
KNOWN_LATE: tuple[dict, ...] = ({}, {"delay": "12h"}, {"delay": "1d"}, {"available_at": "seen"})
BEGINNINGS = (moment("2018-04-01"), moment("2018-03-25T00:30"), moment("1969-12-30"), moment("1905-03-01"))
"""One of them lies on the day on which clocks in Europe are put forward."""
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class World:
    """A feature set, with its tables of events and of places where features are wanted."""

    feature_set: FeatureSet
    tables: Mapping[str, pa.Table]
    spine: pa.Table

    @property
    def events(self) -> pa.Table:
        return self.tables["tests.events"]

    def expected(self) -> list[Row]:
        return bits(feature_rows(self.feature_set, self.tables, self.spine.to_pylist()))

    def with_(self, **tables: pa.Table) -> "World":
        """The world with other tables (events=, spine=); a spine that is the events stays so."""
        events = tables.get("events", self.events)
        spine = tables.get("spine", events if self.spine is self.events else self.spine)
        return replace(self, tables={**self.tables, "tests.events": events}, spine=spine)


Strategy: TypeAlias = st.SearchStrategy


@cache
def _rows(
    entities: Sequence[int | str], beginning: datetime, *, nulls: bool
) -> tuple[Strategy[Row], Strategy[Row], Strategy[datetime]]:
    """Rows of events, rows of the spine, and times. Made once: Hypothesis looks at a new strategy for long."""
    # Whole multiples of the windows' lengths and their neighbours: at the edge, and just beside it.
    steps = st.sampled_from([timedelta(), *(length(one) for one in WINDOWS[:-1])])
    times = st.builds(
        lambda step, times, near: beginning + step * times + near * MICROSECOND,
        steps,
        st.integers(-2, 2),
        st.integers(-1, 1),
    )
    cents = st.integers(-100_000, 100_000)
    wild = st.sampled_from([0.1, 0.2, 0.3, -0.0, 1e300, -1e300, 5e-324, 1e16, float("nan")])
    # What is infinite is never summed, but picked, counted and compared.
    vast = st.sampled_from([math.inf, -math.inf, -0.0, 1.5, math.nan])

    def maybe(values: Strategy) -> Strategy:
        return st.one_of(st.none(), values) if nulls else values

    who = maybe(st.sampled_from(entities))
    event = st.fixed_dictionaries(
        {
            "who": who,
            "at": times,
            "whole": maybe(st.integers(-1_000, 1_000) | st.integers(-3, 3)),
            "flag": maybe(st.booleans()),
            "money": maybe(cents.map(lambda value: Decimal(value).scaleb(-2))),
            "rough": maybe(cents.map(lambda value: value / 100)),
            "wild": maybe(wild),
            "vast": maybe(vast),
            "word": maybe(st.sampled_from(WORDS)),
            "seen": maybe(times),
            "ends": maybe(times),
        }
    )
    place = st.fixed_dictionaries({"who": who, "at": times, "whole": maybe(st.integers(-3, 3)), "word": st.just("a")})
    return event, place, times


@st.composite
def worlds(
    draw: st.DrawFn,
    *,
    keys: Sequence[Sequence[int | str]] = (NEAR, FAR, TEXTS),
    beginnings: Sequence[datetime] = BEGINNINGS,
    most: int = 20,
    nulls: bool = True,
    renamed: bool = False,
) -> World:
    """Random worlds of at most `most` events; in some the spine is the events themselves.

    With `renamed`, in some other columns of the events are the entity's keys, too, or in their place.
    """
    entities, beginning = draw(st.sampled_from(keys)), draw(st.sampled_from(beginnings))
    event, place, times = _rows(entities, beginning, nulls=nulls)
    rows = draw(st.lists(event, max_size=most))
    same = draw(st.booleans())
    places = rows if same else draw(st.lists(place, max_size=most))
    names = draw(st.permutations(range(len(places))))
    key = pa.field("who", pa.string() if entities is TEXTS else pa.int64())
    row = pa.field("row", pa.int64())
    further = [EVENTS.field(name) for name in ("at", "whole", "word")]
    spine = pa.Table.from_pylist(
        [{**place, "row": name} for place, name in zip(places, names, strict=True)],
        pa.schema([row, key, *EVENTS]) if same else pa.schema([row, key, *further]),
    )
    tables = {"tests.events": spine if same else pa.Table.from_pylist(rows, pa.schema([key, *EVENTS]))}
    if entities is not TEXTS:
        tables |= draw(_further_tables(entities, times, most // 2))
    other = (("word", "who") if entities is TEXTS else ("whole", "word")) if renamed else ()
    return World(draw(_feature_sets(tables, same=same, other=other)), tables, spine)


@cache
def _further_rows(entities: Sequence[int], times: Strategy[datetime]) -> tuple[Strategy[Row], Strategy[Row]]:
    some = st.one_of(st.none(), st.sampled_from(entities))
    visit = {"visitor": some, "place": st.sampled_from(WORDS), "at": times, "minutes": st.integers(0, 90)}
    level = {"who": some, "at": times, "level": st.sampled_from([0.0, 0.5, None])}
    return st.fixed_dictionaries(visit), st.fixed_dictionaries(level)


@st.composite
def _further_tables(
    draw: st.DrawFn, entities: Sequence[int], times: Strategy[datetime], most: int
) -> dict[str, pa.Table]:
    """Visits, which call keys otherwise, and another feature set's rows."""
    visit, level = _further_rows(entities, times)
    visits = draw(st.lists(visit, max_size=most))
    levels = draw(st.lists(level, max_size=most))
    return {
        "tests.visits": pa.Table.from_pylist(visits, VISITS),
        "tests.profile": pa.Table.from_pylist([{**one, "row": n} for n, one in enumerate(levels)], PROFILES),
    }


PROFILE = FeatureSet(
    name="tests.profile",
    entity=Entity("who"),
    source="tests.levels",
    event_time="at",
    row_key="row",
    features=[attribute("level")],
    description="Another set, whose features are read.",
    owner="team:tests",
)


_SOME_WINDOWS = st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=3, unique=True)
_SOME_AGGREGATES = st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=4, unique=True)
_ROW_FEATURES = st.sampled_from(
    [
        [],
        [derived("both", "state || word"), attribute("word", named="state", ttl="1d")],
        [attribute("money", named="fee", until="ends"), derived("double", "2 * whole / (1 + whole)")],
    ]
)
_KEYS = st.sampled_from([("who",), ("who",), ("who", "word")])
_BY_OTHER = st.sampled_from(["none", "some", "all"])
_LATE = st.sampled_from(KNOWN_LATE)


@st.composite
def _feature_sets(draw: st.DrawFn, tables: Mapping[str, pa.Table], *, same: bool, other: Sequence[str]) -> FeatureSet:
    windows = draw(_SOME_WINDOWS)
    chosen = draw(_SOME_AGGREGATES)
    features: dict[str, object] = {}
    for one in (each.over(*windows) for each in chosen):
        if not any(feature.column in features for feature in one.features()):
            features |= {feature.column: one for feature in one.features()}
    made = list(dict.fromkeys(features.values()))
    made += draw(_ROW_FEATURES)
    composite = draw(_KEYS)
    by_other = draw(_BY_OTHER) if other else "none"
    events = Events("tests.events", "at", keys=tuple(other[: len(composite)]))
    if by_other == "all":
        made = [one if isinstance(one, Derived) else one.of(events) for one in made]
    elif by_other == "some":
        made += [count("other").of(events).over(*windows)]
    further: dict[str, object] = {}
    if "tests.visits" in tables and draw(st.booleans()):
        visits = Events("tests.visits", "at", delay="12h", keys=("visitor", "place")[: len(composite)])
        made += [count("visit").of(visits).over(*windows), total("minutes").of(visits).over("7d")]
        further = {"uses": [PROFILE]}
        made += [derived("raised", "profile__level + whole")]
    return FeatureSet(
        name="tests.features",
        entity=Entity(*composite),
        source="tests.events",
        spine="tests.events" if same else "tests.spine",
        event_time="at",
        row_key="row",
        features=[*made, weekend(), hour_between(0, 6, "is_night", zone="Europe/Berlin")],
        own_events=draw(st.booleans()),
        description="A random feature set.",
        owner="team:tests",
        **draw(_LATE),
        **further,
    )

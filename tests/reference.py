"""What features mean, told plainly: for each row of the spine, look at every event. And small random worlds to try
engines on.

What belongs here: the meaning of windows, calendars and newest values, slow and obvious, in exact arithmetic; and
strategies that draw tables. Not: speed, Iceberg, engines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
from hypothesis import strategies as st

from lakehouse.features.feature_set import (
    CalendarFeature,
    Entity,
    FeatureSet,
    WindowAggregate,
    count,
    hour_between,
    mean,
    rate,
    total,
    weekend,
)

Row = dict[str, object]
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """A time as tables hold it: UTC, without a zone."""
    return datetime.fromisoformat(text)


def length(text: str) -> timedelta:
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})


def feature_rows(feature_set: FeatureSet, events: Sequence[Row], spine: Sequence[Row]) -> list[Row]:
    """The rows of a feature set, in order of time and row key."""
    key, time, name = feature_set.entity.key, feature_set.event_time, feature_set.row_key
    rows = []
    for place in sorted(spine, key=lambda row: (row[time], row[name])):
        row = {name: place[name], time: place[time], key: place[key]}
        until = place[time] - length(feature_set.delay)
        for feature in feature_set.features:
            if isinstance(feature, CalendarFeature):
                row[feature.column] = calendar_value(feature, place[time])
                continue
            for window, column in zip(feature.windows, feature.features(), strict=True):
                inside = [
                    event
                    for event in events
                    if event[key] == place[key] and until - length(window) < event[time] <= until
                ]
                row[column.column] = window_value(feature, inside)
        rows.append(row)
    return rows


def window_value(feature: WindowAggregate, inside: Sequence[Row]) -> object:
    if feature.aggregation == "count":
        return len(inside)
    values = [exact(event[feature.measure], feature.scale) for event in inside]
    if feature.aggregation == "sum":
        # Whole numbers stay whole; an empty window of another measure has the sum 0.0.
        return int(sum(values)) if feature.measure in WHOLE else float(sum(values))
    return float(Fraction(sum(values)) / len(values)) if values else feature.default


def exact(value: object, scale: int) -> Decimal:
    """A measure without the error of binary floating point."""
    return round(Decimal(value), scale) if isinstance(value, float) else Decimal(value)


def calendar_value(feature: CalendarFeature, at: datetime) -> int:
    if feature.part == "is_weekend":
        return int(at.strftime("%A") in {"Saturday", "Sunday"})
    return int(feature.first_hour <= at.hour <= feature.last_hour)


def newest_values(
    spine: Sequence[Row], table: Sequence[Row], *, entity: str, time: str, row_key: str, columns: Mapping[str, str]
) -> list[Row]:
    """The spine with the values of each entity's newest row at its time; of peers, that with the largest row key."""
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

WHOLE = {"whole", "flag"}
EVENTS = pa.schema(
    [
        ("at", pa.timestamp("us")),
        ("whole", pa.int64()),
        ("flag", pa.int64()),
        ("money", pa.decimal128(12, 2)),
        ("rough", pa.float64()),
    ]
)
NEAR, FAR, TEXTS = (0, 1, 2), (-5, 0, 7, 1 << 40), ("", "a", "A", "ä", "a b")
"""Keys that lie close together, far apart, and texts."""
AGGREGATES = (
    count("event"),
    total("whole"),
    mean("whole", default=None),
    rate("flag"),
    total("money"),
    mean("money", default=-1.0),
    mean("rough", scale=2, default=None),
    total("rough", scale=3),
)
WINDOWS = ("1s", "90m", "12h", "1d", "7d")
BEGINNINGS = (moment("2018-04-01"), moment("1969-12-30"), moment("1905-03-01"))
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class World:
    """A feature set, with its tables of events and of places where features are wanted."""

    feature_set: FeatureSet
    events: pa.Table
    spine: pa.Table

    def expected(self) -> list[Row]:
        return bits(feature_rows(self.feature_set, self.events.to_pylist(), self.spine.to_pylist()))


@st.composite
def worlds(
    draw: st.DrawFn,
    *,
    keys: Sequence[Sequence[int | str]] = (NEAR, FAR, TEXTS),
    beginnings: Sequence[datetime] = BEGINNINGS,
    most: int = 20,
) -> World:
    """Random worlds of at most `most` events; in some the spine is the events themselves."""
    entities, beginning = draw(st.sampled_from(keys)), draw(st.sampled_from(beginnings))
    delay = draw(st.sampled_from(["0d", "12h", "1d"]))
    # Whole multiples of the windows' lengths and their neighbours: at the edge, and just beside it.
    steps = st.sampled_from([timedelta(), length("1s"), length("90m"), length("12h"), length("1d"), length("7d")])
    times = st.builds(
        lambda step, times, near: beginning + step * times + near * MICROSECOND,
        steps,
        st.integers(-2, 2),
        st.integers(-1, 1),
    )
    cents = st.integers(-100_000, 100_000)
    event = st.fixed_dictionaries(
        {
            "who": st.sampled_from(entities),
            "at": times,
            "whole": st.integers(-1_000, 1_000),
            "flag": st.integers(0, 1),
            "money": cents.map(lambda value: Decimal(value).scaleb(-2)),
            "rough": cents.map(lambda value: value / 100),
        }
    )
    rows = draw(st.lists(event, max_size=most))
    windows = draw(st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=3, unique=True))
    chosen = draw(st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=3, unique=True))
    same = draw(st.booleans())
    places = (
        rows
        if same
        else draw(st.lists(st.fixed_dictionaries({"who": st.sampled_from(entities), "at": times}), max_size=most))
    )
    names = draw(st.permutations(range(len(places))))
    feature_set = FeatureSet(
        name="tests.features",
        entity=Entity("who"),
        source="tests.events",
        spine="tests.events" if same else "tests.spine",
        event_time="at",
        row_key="row",
        features=[*(one.over(*windows) for one in chosen), weekend(), hour_between(0, 6, "is_night")],
        delay=delay,
        description="A random feature set.",
        owner="team:tests",
    )
    key = pa.field("who", pa.string() if entities is TEXTS else pa.int64())
    row = pa.field("row", pa.int64())
    spine_schema = pa.schema([row, key, *EVENTS]) if same else pa.schema([row, key, EVENTS.field("at")])
    spine = pa.Table.from_pylist(
        [{**place, "row": name} for place, name in zip(places, names, strict=True)], spine_schema
    )
    events = spine if same else pa.Table.from_pylist(rows, pa.schema([key, *EVENTS]))
    return World(feature_set, events, spine)

"""Exactly the rows that changes reach are recomputed: random worlds, and special cases.

What belongs here: incremental builds compared with full ones, on tables of our own. Not: the fraud domain's tables
(test_incremental.py).
"""

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakehouse.catalog.home import scratch_folder
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.features.feature_set import (
    Entity,
    Events,
    FeatureSet,
    attribute,
    count,
    derived,
    distinct,
    last,
    mean,
    total,
)
from lakehouse.tables.days import days_filter
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write_audit_publish import write_audit_publish
from lakehouse.training.reproduce import reproduce
from lakehouse.training.training_set import Label, TrainingSet
from lakehouse.training.training_tables import build_training_set
from tests import scenario

BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001  # UTC, as all times in tables
TIME = pa.timestamp("us")
DAYS = 12
SPINE = pa.schema([("row", pa.int64()), ("who", pa.int64()), ("at", TIME), ("paid", pa.float64())])
EVENTS = pa.schema(
    [("key", pa.int32()), ("t", TIME), ("seen", TIME), ("value", pa.float64()), ("word", pa.string()), ("until", TIME)]
)
KEEPS = {"spine": "w.spine", "event_time": "at", "row_key": "row", "description": "Words.", "owner": "team:tests"}


def at(day, hours=0):
    return BEGIN + timedelta(days=int(day), hours=int(hours))


def spine_rows(rng, day, number):
    return [
        {"row": day * 1000 + each, "who": rng.choice([0, 1, 2, None]), "at": at(day, rng.integers(24)), "paid": 2.0}
        for each in range(number)
    ]


def event_rows(rng, day, number):
    def row():
        time = at(day, rng.integers(24))
        return {
            "key": rng.choice([0, 1, 2, None]),
            "t": time,
            "seen": rng.choice([None, time, time + timedelta(hours=int(rng.integers(80)))]),
            "value": rng.choice([None, -1.0, 0.5, 3.0]),
            "word": rng.choice(["a", "b", None]),
            "until": rng.choice([None, time + timedelta(hours=int(rng.integers(1, 90)))]),
        }

    return [row() for _ in range(number)]


def put(lake, name, rows, schema, day, days=None):
    """Publish rows, of some days or in place of all."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema)
    shape = TableShape(name, table.schema, day)
    replace = days_filter(day, days) if day and days is not None else None
    return write_audit_publish(lake, shape, table, Provenance("run", "test"), replace, lambda *_: ()).published


def build(lake, *feature_sets, **how):
    """The outcome of the last one."""
    return [build_feature_set(lake, EmbeddedEngine(), one, run_id="run", **how) for one in feature_sets][-1]


def declared(delay, ttl, *, own_events):
    """A feature set that nearly every change affects, and one that it uses."""
    known, seen = (
        Events("w.events", "t", delay=delay, keys=["key"]),
        Events("w.events", "t", available_at="seen", keys=["key"]),
    )
    who = Entity("who")
    base = FeatureSet(
        name="w.base", entity=who, source="w.events", features=[total("value").of(known).over("2d")], **KEEPS
    )
    features = [
        count("events").of(known).over("1d", "3d"),
        mean("value").of(seen).over("2d"),
        last("value").of(known).over("30h"),
        distinct("word").of(seen).over("3d"),
        attribute("value", named="state", ttl=ttl, until="until").of(known),
        derived("share", "paid / base__value_sum_2d"),
    ]
    return base, FeatureSet(
        name="w.all", entity=who, source="w.events", features=features, own_events=own_events, uses=[base], **KEEPS
    )


@settings(
    max_examples=6,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    delay=st.sampled_from(["0d", "1d", "5h"]),
    ttl=st.sampled_from(["36h", "lifetime"]),
    own_events=st.booleans(),
)
def test_incremental_builds_after_any_changes_equal_a_rebuild(tmp_path_factory, seed, delay, ttl, own_events):
    rng = np.random.default_rng(seed)
    lake = scenario.make_lake(tmp_path_factory.mktemp("world") / "home")
    spine = {day: spine_rows(rng, day, 5) for day in range(DAYS)}
    events = {day: event_rows(rng, day, 6) for day in range(DAYS)}
    tables = [("w.spine", spine, SPINE, "at", spine_rows), ("w.events", events, EVENTS, "t", event_rows)]
    for name, rows, schema, day, _ in tables:
        put(lake, name, of_days(rows, range(DAYS)), schema, day)
    sets = declared(delay, ttl, own_events=own_events)
    build(lake, *sets)
    for _ in range(2):
        for name, rows, schema, day, more in tables:
            days = sorted({int(each) for each in rng.integers(0, DAYS + 1, 2)})
            for each in days:
                rows[each] = changed(rng, rows.get(each, []), more(rng, each, 2))
            put(lake, name, of_days(rows, days), schema, day, [at(each).date() for each in days])
        build(lake, *sets)
        found = [read(lake, one.name).sort_by("row") for one in sets]
        build(lake, *sets, rebuild=True)
        for one, rows in zip(sets, found, strict=True):
            assert rows.equals(read(lake, one.name).sort_by("row")), one.name


def of_days(rows, days):
    return [row for day in days for row in rows.get(day, [])]


def changed(rng, rows, more):
    """A day's rows: none any more, one less, two of them corrected, or some more; an event may come twice."""
    more = [{**row, "row": row["row"] + 500 + int(rng.integers(400))} if "row" in row else row for row in more]
    twice = [row for row in rows[:1] if "row" not in row]
    corrected = [{**row, "paid": 9.0, "value": 7.0, "until": None} for row in rows[:2]]
    return [[], rows[1:], [*corrected, *rows[2:]], [*rows, *more, *twice]][rng.integers(4)]


def counted(events, **more):
    return FeatureSet(
        name="w.counted",
        entity=Entity("who"),
        source=events.table,
        features=[count("events").of(events).over("2d")],
        **{**KEEPS, **more},
    )


@pytest.fixture
def lake(tmp_path):
    lake = scenario.make_lake(tmp_path / "home")
    rows = [{"row": day, "who": 1, "at": at(day, 12), "paid": 1.0} for day in range(20)]
    put(lake, "w.spine", rows, SPINE, "at")
    return lake


def reports(*days):
    return pa.table(
        {
            "who": pa.array([1] * len(days), pa.int64()),
            "happened": pa.array([at(day) for day in days], TIME),
            "reported": pa.array([at(day + 7) for day in days], TIME),
        }
    )


def test_a_table_partitioned_by_another_time_than_its_event_time_misses_nothing(lake):
    put(lake, "w.reports", reports(1), None, "happened")
    one = counted(Events("w.reports", "reported"))
    build(lake, one)
    put(lake, "w.reports", reports(5), None, "happened", [at(5).date()])
    assert build(lake, one).days == tuple(at(day).date() for day in (12, 13))
    assert read(lake, one.name).sort_by("row").column("events_count_2d").to_pylist() == [
        1 if day in {8, 9, 12, 13} else 0 for day in range(20)
    ]


def test_a_spine_partitioned_by_another_time_loses_no_row(lake):
    table = read(lake, "w.spine").sort_by("row")
    table = table.append_column(
        "booked", pa.array([time + timedelta(days=2) for time in table.column("at").to_pylist()], TIME)
    )
    put(lake, "w.booked", table, None, "at")
    put(lake, "w.reports", reports(1), None, "happened")
    one = counted(Events("w.reports", "happened"), spine="w.booked", event_time="booked")
    build(lake, one)
    more = table.slice(3, 1)
    more = pa.concat_tables([more, more.set_column(0, "row", pa.array([100], pa.int64()))])
    put(lake, "w.booked", more, None, "at", [at(3).date()])
    assert build(lake, one).rows == 21


def typed(kind, *days):
    times = pa.array([at(day) for day in days], TIME)
    return pa.table({"who": pa.array([1] * len(days), pa.int64()), "t": times, "v": pa.array([7] * len(days), kind)})


def test_a_column_of_another_type_rebuilds_all_rows_and_loses_none(lake):
    one = FeatureSet(
        name="w.typed",
        entity=Entity("who"),
        source="w.typed_events",
        features=[attribute("v", named="v").of(Events("w.typed_events", "t"))],
        **KEEPS,
    )
    put(lake, "w.typed_events", typed(pa.int32(), *range(12)), None, "t")
    build(lake, one)
    put(lake, "w.typed_events", typed(pa.int64(), *range(12)), None, "t")
    build(lake, one)
    assert read(lake, one.name).schema.field("v").type == pa.int64()
    put(lake, "w.typed_events", typed(pa.float64(), *range(12)), None, "t")
    assert build(lake, one, asked=[at(3).date()]).rows == 20
    put(lake, "w.typed_events", typed(pa.float64(), 12), None, "t", [at(12).date()])
    assert build(lake, one).rows == 20


def test_a_training_set_follows_a_set_on_another_spine_and_computes_on_demand_features_from_its_own_row(lake):
    """Of two rows at one time each has its own share, as in the feature set and in a training frame."""
    rows = [*read(lake, "w.spine").to_pylist(), {"row": 20, "who": 1, "at": at(19, 12), "paid": 5.0}]
    put(lake, "w.spine", rows, SPINE, "at")
    labels = pa.table(
        {"row": [row["row"] for row in rows], "at": pa.array([row["at"] for row in rows], TIME), "y": [0] * 21}
    )
    put(lake, "w.labels", labels.append_column("end", labels.column("at")), None, "at")
    person = {"p": [0], "who": [1], "at": pa.array([at(1)], TIME)}
    put(lake, "w.people", pa.table({**person, "limit": [100]}), None, "at")
    person_set = FeatureSet(
        name="w.profile",
        entity=Entity("who"),
        source="w.people",
        features=[attribute("limit", named="limit")],
        **{**KEEPS, "spine": "w.people", "row_key": "p"},
    )
    share = [total("paid").over("3d"), derived("share", "paid / paid_sum_3d")]
    own = FeatureSet(name="w.share", entity=Entity("who"), source="w.spine", features=share, **KEEPS)
    label = Label("w.labels", "y", "row", "end")
    training = TrainingSet(
        "w.training",
        "w.spine",
        "row",
        "at",
        ("who",),
        label,
        [person_set, own],
        "Words.",
        "team:tests",
    )
    build(lake, person_set, own)
    build_training_set(lake, training, run_id="run")
    found = read(lake, training.name).sort_by("row").column("share__share").to_pylist()
    assert found == read(lake, own.name).sort_by("row").column("share").to_pylist()
    assert found[-2:] == [1 / 8, 5 / 8]
    put(lake, "w.people", pa.table({**person, "limit": [777]}), None, "at", [at(1).date()])
    build(lake, person_set)
    build_training_set(lake, training, run_id="run")
    limits = read(lake, training.name).sort_by("row").column("profile__limit").to_pylist()
    assert limits == [None] + [777] * 20
    assert reproduce(lake, training).identical


def test_files_that_a_killed_process_left_in_the_scratch_space_are_removed_when_the_home_is_opened(tmp_path):
    lake = scenario.make_lake(tmp_path / "home")
    program = (
        "import os, signal, sys, pathlib; from lakehouse.catalog.home import scratch_folder; "
        "folder = scratch_folder(pathlib.Path(sys.argv[1]), 'rows'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(lake.home.work)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with scratch_folder(lake.home.work, "rows") as mine:
        assert len(list(lake.home.work.glob("rows-*"))) == 2
        scenario.make_lake(tmp_path / "home")
        assert [str(one) for one in lake.home.work.glob("rows-*")] == [mine]
    assert str(os.getpid()) in mine

"""The embedded engine on rows that memory does not hold: in parts, by way of the disk, with the same bits.

What belongs here: cutting, spilling and writing in parts. Not: what features mean (tests/conformance/, which runs on
parts as well), and how much memory a process takes (benchmarks/large_windows.py).
"""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from assets.fraud.features import customer_spend
from assets.fraud.training import training
from lakehouse.engines.embedded import features
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.embedded.training_sets import training_rows
from lakehouse.errors import SlipwayError
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.features.feature_set import Entity, count, last, mean, total
from lakehouse.settings import LEAST_MEMORY, Settings
from lakehouse.tables.on_disk import RowsOnDisk
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import plan, read, rows_by_day
from lakehouse.tables.shape import TableShape
from lakehouse.tables.sizes import memory_left
from lakehouse.tables.write import write_draft
from lakehouse.training import training_tables
from lakehouse.training.assemble import data_clock
from lakehouse.training.stored_hashes import CONTENT, content_of, note
from lakehouse.training.training_tables import build_training_set
from tests import scenario

BEGIN = datetime(2018, 4, 1)  # noqa: DTZ001  # UTC, as all times in tables
WHOLE = pa.int64()
ROWS = 4_000
DAYS = 40
WIDTH = 4 * 8 * 5
"""Bytes that a row of events takes while it is worked on."""


def some(seed, *, keys=WHOLE, hot=0.0):
    """Rows of `row, who, at, amount` over forty days; the share `hot` of them belongs to one entity."""
    rng = np.random.default_rng(seed)
    who = np.where(rng.random(ROWS) < hot, 7, rng.integers(0, 300, ROWS))
    at = np.datetime64(BEGIN, "us") + rng.integers(0, DAYS * 86_400, ROWS).astype("timedelta64[s]")
    return pa.table(
        {
            "row": pa.array(np.arange(ROWS)),
            "who": pa.array(who).cast(keys),
            "at": pa.array(at),
            "amount": pa.array(rng.integers(0, 10_000, ROWS)),
        }
    )


@pytest.fixture
def lake(tmp_path):
    return scenario.make_lake(tmp_path / "home")


def put(lake, name, rows):
    return publish(lake, write_draft(lake, TableShape(name, rows.schema, "at"), rows, Provenance("run", "test")))


def declared(spine="parts.events"):
    return replace(
        customer_spend,
        name="parts.features",
        entity=Entity("who"),
        source="parts.events",
        spine=spine,
        event_time="at",
        row_key="row",
        features=[count("events").over("1d", "7d"), mean("amount").over("2h", "7d"), last("amount").over("1d")],
        examples=(),
    )


@pytest.mark.parametrize("keys", [pa.int64(), pa.string()], ids=str)
@pytest.mark.parametrize("hot", [0.0, 0.5])
@pytest.mark.parametrize("spine", ["parts.events", "parts.spine"])
def test_parts_of_any_size_give_the_same_bits(lake, spine, hot, keys):
    input_snapshots = {"parts.events": put(lake, "parts.events", some(1, keys=keys, hot=hot)).snapshot_id}
    if spine != "parts.events":
        input_snapshots[spine] = put(lake, spine, some(2, keys=keys, hot=hot).drop(["amount"])).snapshot_id
    one = declared(spine)
    for days in (None, [(BEGIN + timedelta(days=number)).date() for number in range(20, 33)]):
        whole = EmbeddedEngine().compute_features(lake, one, input_snapshots, days)
        for limit in (ROWS * WIDTH, ROWS * WIDTH // 3):
            made = features.computed(lake, one, input_snapshots, days, limit)
            assert isinstance(made, RowsOnDisk)
            assert made.to_arrow().equals(whole)
            assert len(made) == len(whole)
            assert len(made.files) > 1


def test_an_entity_that_no_bucket_makes_smaller_is_cut_by_days(lake):
    input_snapshots = {"parts.events": put(lake, "parts.events", some(3, hot=1.0)).snapshot_id}
    one = declared()
    made = features.computed(lake, one, input_snapshots, None, ROWS * WIDTH)
    assert len(made.files) > 2
    assert made.to_arrow().equals(EmbeddedEngine().compute_features(lake, one, input_snapshots, None))
    lifelong = replace(one, features=[total("amount").over("lifetime")])
    with pytest.raises(SlipwayError, match="one day of one part of the entities need"):
        features.computed(lake, lifelong, input_snapshots, None, ROWS * WIDTH)


def test_events_that_cannot_be_cut_so_small_are_rejected_before_anything_is_written(lake):
    put(lake, "parts.events", some(4))
    with pytest.raises(SlipwayError, match="reach one day of one part") as caught:
        build_feature_set(lake, EmbeddedEngine(2_000), declared(), run_id="run")
    assert "SLIPWAY_MEMORY" in (caught.value.fix or "")
    assert not lake.has("parts.features")
    assert list(lake.home.work.iterdir()) == []


def test_rows_in_parts_are_published_like_any_others_and_leave_nothing_behind(lake):
    put(lake, "parts.events", some(5, hot=0.3))
    one = declared()
    built = build_feature_set(lake, EmbeddedEngine(ROWS * WIDTH // 2), one, run_id="run")
    made = EmbeddedEngine().compute_features(lake, one, dict(built.input_snapshots), None)
    order = [("at", "ascending"), ("row", "ascending")]
    assert built.rows == built.rows_written == ROWS
    assert read(lake, one.name).sort_by(order).equals(made)
    planned = plan(lake, one.name)
    assert len(planned.tasks) == len(rows_by_day(planned)) == DAYS, "a file for each day"
    assert list(lake.home.work.iterdir()) == []
    # In parts again over what is there, and with other columns.
    again = build_feature_set(lake, EmbeddedEngine(ROWS * WIDTH // 2), one, run_id="again", rebuild=True)
    assert again.rows == ROWS
    assert read(lake, one.name).sort_by(order).equals(made)
    wider = replace(one, features=[*one.features, total("amount").over("1d")])
    built = build_feature_set(lake, EmbeddedEngine(ROWS * WIDTH // 2), wider, run_id="wider")
    expected = EmbeddedEngine().compute_features(lake, wider, dict(built.input_snapshots), None)
    assert read(lake, one.name).sort_by(order).equals(expected)


def test_a_training_set_in_parts_has_the_same_rows_and_content(built, monkeypatch):
    made = build_training_set(built, training, run_id="whole", rebuild=True)
    whole = read(built, training.name, at=made.snapshot_id)
    monkeypatch.setattr(training_tables, "memory_left", lambda _: 500_000)
    clock = data_clock(built, training, made.input_snapshots[training.spine])
    parts = training_rows(built, training, made.input_snapshots, None, clock, 500_000)
    assert isinstance(parts, RowsOnDisk)
    parts.let_go()
    again = build_training_set(built, training, run_id="in parts", rebuild=True)
    order = [(training.event_time, "ascending"), (training.row_key, "ascending")]
    assert again.snapshot_id != made.snapshot_id
    assert read(built, training.name).sort_by(order).equals(whole.sort_by(order))
    contents = {note(built, training.name, one.snapshot_id, CONTENT) for one in (made, again)}
    assert contents == {content_of(training, whole)}
    assert not [one for one in built.home.work.iterdir() if one.name.startswith("rows-")]


def test_the_memory_that_is_set_is_what_rows_get_and_never_nothing(tmp_path):
    little, much = (Settings(home=tmp_path, memory=size) for size in (LEAST_MEMORY, 64 << 30))
    assert 0 < memory_left(little) < LEAST_MEMORY
    assert memory_left(little) < memory_left(much) < 64 << 30

"""Windowed features of a hundred million events, published as an Iceberg table, within a limit of memory.

What belongs here: the measurement. Not: whether the values are right (tests/integration/test_in_parts.py).

The features are made in a process of its own, so that its peak of memory is its own.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.features.feature_set import Entity, FeatureSet, count, mean
from lakehouse.settings import Settings
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from orchestration.memory import MemoryWatch

MOST_MB = 8_000
BEGIN = np.datetime64("2024-01-01", "us")
SCHEMA = pa.schema(
    [("event", pa.int64()), ("customer", pa.int64()), ("at", pa.timestamp("us")), ("amount", pa.int64())]
)
FEATURES = FeatureSet(
    name="large.spend",
    entity=Entity("customer"),
    source="large.events",
    event_time="at",
    row_key="event",
    features=[count("events").over("1d", "7d", "30d"), mean("amount").over("1d", "7d", "30d")],
    description="How often and how much, of many events.",
    owner="team:benchmarks",
)


@dataclass(frozen=True)
class Events:
    """Events of many customers, day by day in order of time; the same for the same numbers."""

    rows: int
    days: int
    customers: int
    schema: pa.Schema = SCHEMA

    def __len__(self) -> int:
        """How many there are."""
        return self.rows

    def parts(self) -> Iterator[pa.Table]:
        """A table a day."""
        edges = np.linspace(0, self.rows, self.days + 1).astype(np.int64)
        for day, (first, last) in enumerate(pairwise(edges)):
            rng = np.random.default_rng(day)
            seconds = np.sort(rng.integers(0, 86_400, last - first)) + day * 86_400
            columns = [
                np.arange(first, last),
                rng.integers(0, self.customers, last - first),
                BEGIN + seconds.astype("timedelta64[s]"),
                rng.integers(1, 100_000, last - first),
            ]
            yield pa.table([pa.array(column) for column in columns], schema=SCHEMA)

    def let_go(self) -> None:
        """They take no place."""


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("Windowed features of 100 million events, published, within SLIPWAY_MEMORY.")
    parser.size("--events", 20_000_000, quick=10_000, full=100_000_000, about="rows of the table of events")
    parser.size("--days", 200, quick=20, about="over how many days")
    parser.size("--customers", 1_000_000, quick=500, about="how many customers there are")
    parser.size("--memory", "7g", quick="1g", about="SLIPWAY_MEMORY of the process that computes")
    given = parser.given()
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        home = Path(folder, "home")
        _publish(
            open_lakehouse(Settings.from_environment({}, home=home)), Events(given.events, given.days, given.customers)
        )
        with get_context("spawn").Pool(1) as pool:
            measured = pool.apply(_measure, (home, given.memory))
    within = measured["peak_mb"] < MOST_MB
    figures = [
        Figure(
            "events, 6 features each", measured["rows"], "rows", given.events, "all", measured["rows"] == given.events
        ),
        Figure("reading, computing, writing, audit, publishing", measured["seconds"], "s", None, "", holds=True),
        Figure("events a second", given.events / measured["seconds"], "rows/s", None, "", holds=True),
        Figure(
            "peak memory of the process", measured["peak_mb"], "MB", f"limit {given.memory}", f"< {MOST_MB:,}", within
        ),
    ]
    return report(figures, given)


def _publish(lake: Lakehouse, events: Events) -> None:
    publish(lake, write_draft(lake, TableShape(FEATURES.source, SCHEMA, "at"), events, Provenance("run", "events")))


def _measure(home: Path, memory: str) -> dict:
    """Build the feature set; in this process nothing else was done before."""
    lake = open_lakehouse(Settings.from_environment({"SLIPWAY_MEMORY": memory}, home=home))
    with MemoryWatch() as watch:
        began = time.perf_counter()
        built = build_feature_set(lake, EmbeddedEngine(), FEATURES, run_id="benchmark")
        seconds = time.perf_counter() - began
    return {"rows": built.rows, "seconds": seconds, "peak_mb": watch.peak_mb()}


if __name__ == "__main__":
    sys.exit(main())

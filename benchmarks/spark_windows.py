"""Windowed features on Spark beside the embedded engine and Spark SQL's own RANGE windows, over the same tables.

What belongs here: the measurement. Not: whether engines agree in every case (tests/conformance).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.spark.engine import SparkEngine
from lakehouse.features.feature_set import Entity, FeatureSet, count, mean
from lakehouse.settings import Settings
from lakehouse.spark.session import spark_of
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft

DAYS = 180
WINDOWS = ("1d", "7d", "30d")
START = np.datetime64("2024-01-01", "us")
EVENTS, SPINE = "bench.events", "bench.spine"

features = FeatureSet(
    name="bench.features",
    entity=Entity("key"),
    source=EVENTS,
    spine=SPINE,
    event_time="at",
    row_key="row",
    features=[count("events").over(*WINDOWS), mean("amount").over(*WINDOWS)],
    description="Count and mean over a day, a week, a month.",
    owner="team:benchmark",
)


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("Windowed features on Spark, beside the embedded engine and Spark SQL's RANGE windows.")
    parser.size("--events", 5_000_000, quick=5_000, about="rows of the table of events")
    parser.size("--keys", 20_000, quick=50, about="how many entities there are")
    parser.size("--spine", 1_000_000, quick=1_000, about="rows of the spine")
    parser.add_argument("--master", default="local[2]", help="where Spark runs")
    parser.size("--times", 3, quick=1, about="warm runs, of which the median is reported")
    given = parser.given()
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        settings = Settings.from_environment({"SLIPWAY_SPARK_MASTER": given.master}, home=Path(folder, "home"))
        lake = open_lakehouse(settings)
        input_snapshots = {
            EVENTS: _put(lake, EVENTS, given.events, given.keys, 1),
            SPINE: _put(lake, SPINE, given.spine, given.keys, 2),
        }
        embedded, spark = EmbeddedEngine(), SparkEngine()
        frame = spark.feature_rows(
            lake, features, BuildPlan(features.name, input_snapshots, features.fingerprint(), None, (), None)
        ).frame
        windows = _range_windows(lake)
        seconds = {
            "embedded": _seconds(lambda: embedded.compute_features(lake, features, input_snapshots, None), given.times),
            "spark": _seconds(lambda: _run(frame), given.times),
            "range": _seconds(lambda: _run(windows), given.times),
        }
        ours, theirs = (
            embedded.compute_features(lake, features, input_snapshots, None),
            spark.compute_features(lake, features, input_snapshots, None),
        )
        equal = ours.equals(theirs)
        differing = _differing(ours, windows.toArrow())
    cold, warm = seconds["range"]
    figures = [
        Figure("embedded engine, first run", seconds["embedded"][0], "s", None, "", holds=True),
        Figure("embedded engine, warm", seconds["embedded"][1], "s", None, "", holds=True),
        Figure("Spark SQL's RANGE windows, first run", cold, "s", None, "reference", holds=True),
        Figure("Spark SQL's RANGE windows, warm", warm, "s", None, "reference", holds=True),
        Figure("Spark engine, first run", seconds["spark"][0], "s", cold, "", holds=True),
        Figure("Spark engine, warm", seconds["spark"][1], "s", warm, "<= reference", holds=seconds["spark"][1] <= warm),
        Figure("means of RANGE windows that differ in their bits", differing, "share", None, "", holds=True),
        Figure("tables of both engines equal to the bit", float(equal), "", 1.0, "1", holds=equal),
    ]
    return report(figures, given, events=given.events, keys=given.keys, spine=given.spine, master=given.master)


def _put(lake: Lakehouse, name: str, rows: int, keys: int, seed: int) -> int:
    """Publish random rows as table `name`; its snapshot."""
    rng = np.random.default_rng(seed)
    at = np.sort(START + rng.integers(0, DAYS * 86_400_000_000, rows).astype("timedelta64[us]"))
    amount = pa.array(rng.integers(1, 100_000, rows) / 100).cast(pa.decimal128(12, 2))
    table = pa.table(
        {
            "row": np.arange(rows),
            "key": rng.integers(0, keys, rows),
            "at": pa.array(at, pa.timestamp("us")),
            "amount": amount,
        }
    )
    if name == SPINE:
        table = table.drop(["amount"])
    draft = write_draft(lake, TableShape(name, table.schema), table, Provenance("benchmark", name))
    return publish(lake, draft).snapshot_id


def _range_windows(lake: Lakehouse):
    """What a user of Spark would write: events and spine in one table, RANGE windows, the spine's rows kept."""
    columns = []
    for window in WINDOWS:
        over = (
            f"over (partition by key order by at range between interval {window[:-1]} days preceding and current row)"
        )
        columns.append(f"count(event) {over} as n_{window}, avg(event) {over} as mean_{window}")
    both = (
        f"select null as row, key, at, cast(amount as double) as event from {EVENTS} "
        f"union all select row, key, at, null as event from {SPINE}"
    )
    return spark_of(lake).sql(
        f"select * from (select row, key, at, {', '.join(columns)} from ({both})) where row is not null"
    )


def _run(frame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def _seconds(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds of the first run, and the median of the next ones."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken[0], median(taken[1:])


def _differing(ours: pa.Table, theirs: pa.Table) -> float:
    """The share of means over 30 days whose bits differ, of rows with events."""
    mine = pl.DataFrame(ours).select("row", a="amount_mean_30d", n="events_count_30d")
    other = pl.DataFrame(theirs).select("row", b="mean_30d")
    both = mine.join(other, on="row").filter(pl.col("n") > 0)
    return len(both.filter(pl.col("a") != pl.col("b"))) / max(len(both), 1)


if __name__ == "__main__":
    sys.exit(main())

"""A training frame of ten million rows, from a spine in a file and three feature tables to a Parquet file.

What belongs here: the measurement. Not: whether the values are right (training_set.py, tests).

The frame is made in a process of its own, so that its peak of memory is its own.
"""

import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pyarrow.parquet as pq

from benchmarks.arguments import Arguments
from benchmarks.feature_tables import feature_sets, published, spine
from benchmarks.figures import Figure, report
from lakehouse.catalog.lakehouse import open_lakehouse
from lakehouse.settings import Settings
from lakehouse.training.training_frame import training_frame
from orchestration.memory import MemoryWatch

LEAST = 1_000_000
MOST_MB = 4_096
PART = 1_000_000


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("A training frame of 10 million spine rows and 3 feature tables of 1 million rows, to Parquet.")
    parser.size("--rows", 10_000_000, quick=5_000, about="rows of the spine")
    parser.size("--table-rows", 1_000_000, quick=2_000, about="rows of each feature table")
    parser.size("--entities", 10_000, quick=50, about="how many customers there are")
    given = parser.given()
    with published(given.table_rows, given.entities) as lake, TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        file, out = Path(folder, "spine.parquet"), Path(folder, "frame.parquet")
        with pq.ParquetWriter(file, spine(1, given.entities).schema) as writer:
            for first in range(0, given.rows, PART):
                writer.write_table(spine(min(PART, given.rows - first), given.entities, first))
        with get_context("spawn").Pool(1) as pool:
            measured = pool.apply(_measure, (lake.home.root, file, out))
        rows = pq.read_metadata(out).num_rows
        first = pq.read_table(out, columns=["row"]).column(0).to_numpy()
        in_order = rows == given.rows and bool((first == range(rows)).all())
        size = out.stat().st_size / 1e6
    speed = rows / measured["seconds"]
    figures = [
        Figure("spine rows joined to 3 feature tables, 12 features", rows, "rows", None, "all, in order", in_order),
        Figure("reading, joining, content hash and Parquet", measured["seconds"], "s", None, "", holds=True),
        Figure("rows a second", speed, "rows/s", None, f">= {LEAST:,}", holds=speed >= LEAST),
        Figure(
            "peak memory of the process",
            measured["peak_mb"],
            "MB",
            None,
            f"< {MOST_MB:,}",
            measured["peak_mb"] < MOST_MB,
        ),
        Figure("of which before the spine was read", measured["before_mb"], "MB", None, "", holds=True),
        Figure("the file", size, "MB", None, "", holds=True),
    ]
    return report(figures, given, content_hash=measured["content_hash"])


def _measure(home: Path, file: Path, out: Path) -> dict:
    """Make the frame and write it; in this process nothing else was done before."""
    lake = open_lakehouse(Settings.from_environment({}, home=home))
    before = psutil.Process().memory_info().rss / 1e6
    with MemoryWatch() as watch:
        began = time.perf_counter()
        frame = training_frame(file, feature_sets, lake=lake)
        frame.to_parquet(out)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mb": watch.peak_mb(), "before_mb": before, "content_hash": frame.content_hash}


if __name__ == "__main__":
    sys.exit(main())

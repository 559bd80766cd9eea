"""A training frame of a million rows, beside Feast and beside a join written by hand in Polars.

What belongs here: the measurement, and whether all three give the same values. Not: the sizes that do not fit into
memory (large_training_set.py).

Ours and Polars read the very same Iceberg tables, Feast a Parquet file each. Feast has a Python of its own, which is
made under the user's cache folder when it is first needed.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.arguments import Arguments
from benchmarks.feature_tables import feature_sets, published, spine
from benchmarks.figures import Figure, median_seconds, report
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.read import plan, read
from lakehouse.training.training_frame import training_frame

FEAST = "feast[duckdb]==0.67.0"
CACHE = Path.home() / ".cache" / "slipway" / "benchmarks" / "feast-0.67.0"
PEER = Path(__file__).with_name("peers") / "feast_training_set.py"
FASTER_THAN_FEAST = 50.0
OF_POLARS = 1.5
ENTITIES = 10_000
SMALL = 100_000


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments(
        "1 million spine rows, 3 feature tables of 1 million rows, 12 features; beside Feast and Polars."
    )
    parser.size("--rows", 1_000_000, quick=2_000, about="rows of the spine and of each feature table")
    parser.add_argument("--without-feast", action="store_true", help="leave Feast out")
    given = parser.given()
    figures = []
    with published(given.rows, ENTITIES) as lake:
        wanted = pl.DataFrame(pl.from_arrow(spine(given.rows, ENTITIES)))
        by_hand = lambda: _by_hand(lake, wanted)  # noqa: E731
        ours = lambda: training_frame(wanted, feature_sets, lake=lake).polars()  # noqa: E731
        reference = median_seconds(by_hand)
        seconds = median_seconds(ours)
        reference = min(reference, median_seconds(by_hand))
        frame = ours()
        times = seconds / reference
        expected = by_hand().select(frame.columns)
        figures += [
            _same(
                "rows returned, in the spine's order", len(frame), given.rows, also=frame["row"].equals(wanted["row"])
            ),
            _same("values that differ from Polars by hand", _differing(frame, expected), 0),
            Figure("Polars by hand, reading included", reference, "s", None, "reference", holds=True),
            Figure("training_frame, reading included", seconds, "s", reference, "", holds=True),
            Figure(
                "training_frame, in times of Polars by hand", times, "x", 1.0, f"<= {OF_POLARS}", times <= OF_POLARS
            ),
        ]
    if not (given.without_feast or given.quick):
        figures += _beside_feast(given.rows)
        figures += _lost_rows()
    return report(figures, given)


def _by_hand(lake: Lakehouse, wanted: pl.DataFrame) -> pl.DataFrame:
    """What one would write who knows that ties need an order, and wants the spine's rows as they were."""
    found = wanted.lazy().with_row_index("_place").sort("at")
    for one in feature_sets:
        files = list(plan(lake, one.name).local_files or ())
        short = one.name.split(".")[1]
        known = pl.scan_parquet(files).sort("at", "event_id").select("at", "customer_id", *one.columns)
        known = known.rename({column: f"{short}__{column}" for column in one.columns})
        found = found.join_asof(known, on="at", by="customer_id")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it cannot check the order, which was just made
        return found.sort("_place").drop("_place").collect()


def _beside_feast(rows: int) -> list[Figure]:
    """Feast at the size that is asked for; where it ends for want of memory, at a tenth."""
    figures = []
    for size in (rows, rows // 10):
        with published(size, ENTITIES) as lake, TemporaryDirectory(prefix="slipway-benchmark-") as folder:
            wanted = pl.DataFrame(pl.from_arrow(spine(size, ENTITIES)))
            try:
                peer, found = _feast(lake, Path(folder), wanted, "duckdb")
            except subprocess.CalledProcessError as error:
                figures.append(Figure(f"Feast ended at {size:,} rows with", error.returncode, "", None, "", holds=True))
                continue
            frame = training_frame(wanted, feature_sets, lake=lake).polars()
            seconds = median_seconds(lambda: training_frame(wanted, feature_sets, lake=lake).polars())  # noqa: B023
        faster = peer["seconds"] / seconds
        goal = f">= {FASTER_THAN_FEAST:g}"
        return [
            *figures,
            Figure(f"Feast, DuckDB store, {size:,} rows", peer["seconds"], "s", None, "", holds=True),
            _same("rows that Feast returns", peer["rows"], size),
            _same("values that differ from Feast's", _differing(frame, found), 0),
            Figure("training_frame, the same, reading included", seconds, "s", peer["seconds"], "", holds=True),
            Figure("faster than Feast", faster, "x", 1.0, goal, faster >= FASTER_THAN_FEAST),
        ]
    return figures


def _lost_rows() -> list[Figure]:
    """What Feast's default store makes of entities that have no value yet, on a size that it can do."""
    with published(SMALL, ENTITIES) as lake, TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        wanted = pl.DataFrame(pl.from_arrow(spine(SMALL, ENTITIES)))
        peer, _ = _feast(lake, Path(folder), wanted, "dask")
        frame = training_frame(wanted, feature_sets, lake=lake)
    return [
        Figure(f"Feast, its default store, {SMALL:,} rows: returned", peer["rows"], "rows", SMALL, "", holds=True),
        Figure("of which lost", SMALL - peer["rows"], "rows", 0, "", holds=True),
        _same("training_frame, the same: returned", frame.rows, SMALL),
    ]


def _feast(lake: Lakehouse, folder: Path, wanted: pl.DataFrame, store: str) -> tuple[dict[str, Any], pl.DataFrame]:
    """Feast's figures and rows, with our names, in the spine's order. Raises CalledProcessError when it ends early."""
    for one in feature_sets:
        pq.write_table(read(lake, one.name).sort_by("at"), folder / f"table_{one.name.split('.')[1]}.parquet")
    wanted.write_parquet(folder / "spine.parquet")
    done = subprocess.run([_python(), str(PEER), str(folder), store], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]), pl.read_parquet(folder / f"feast_{store}.parquet").sort("row")


def _python() -> str:
    """The Python that has Feast; it is made when it is not there."""
    python = CACHE / "bin" / "python"
    if not (CACHE / "complete").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, CACHE], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, FEAST], check=True)
        (CACHE / "complete").touch()
    return str(python)


def _differing(frame: pl.DataFrame, other: pl.DataFrame) -> int:
    """How many feature values are not the same bits; no value and not a number are one."""
    names = [name for name in frame.columns if "__" in name]
    found = 0
    for name in names:
        one, two = (side[name].cast(pl.Float64).to_numpy() for side in (frame, other))
        found += len(one) if len(one) != len(two) else int((~((one == two) | (np.isnan(one) & np.isnan(two)))).sum())
    return found


def _same(name: str, value: int, expected: int, *, also: bool = True) -> Figure:
    return Figure(name, value, "", expected, f"{expected:,}", also and value == expected)


if __name__ == "__main__":
    sys.exit(main())

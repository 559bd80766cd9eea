"""Scanning a published table of ten million rows through the product's read path, beside DuckDB on the same files.

What belongs here: the measurement. Not: writing tables.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, median_seconds, report
from lakehouse.catalog.lakehouse import open_lakehouse
from lakehouse.settings import Settings
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import plan, read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft

LEAST = 0.8
TWO = ["k", "x"]


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("Full and two-column scans of 10 million published rows, beside DuckDB on the same files.")
    parser.size("--rows", 10_000_000, quick=10_000, about="rows of the table")
    given = parser.given()
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        lake = open_lakehouse(Settings.from_environment({}, home=Path(folder, "home")))
        rows = _rows(given.rows)
        publish(lake, write_draft(lake, TableShape("bench.scan", rows.schema), rows, Provenance("benchmark", "scan")))
        del rows
        files = list(plan(lake, "bench.scan").local_files or ())
        figures = []
        for name, columns in (("full scan", None), ("two columns", TWO)):
            # One after the other in turns, so that neither has the warmer machine.
            reference = median_seconds(lambda columns=columns: _duckdb(files, columns))
            ours = median_seconds(lambda columns=columns: read(lake, "bench.scan", columns))
            reference = min(reference, median_seconds(lambda columns=columns: _duckdb(files, columns)))
            speed = reference / ours
            figures.append(Figure(f"{name}, DuckDB on the files", reference, "s", None, "reference", holds=True))
            figures.append(Figure(f"{name}, published table", ours, "s", reference, "", holds=True))
            figures.append(Figure(f"{name}, speed beside DuckDB's", speed, "", 1.0, f">= {LEAST}", speed >= LEAST))
    return report(figures, given)


def _duckdb(files: list[str], columns: list[str] | None) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = false")
        chosen = ", ".join(columns) if columns else "*"
        return connection.sql(f"select {chosen} from read_parquet({files})").to_arrow_table()


def _rows(number: int) -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "id": np.arange(number),
            "k": random.integers(0, 20_000, number),
            "x": random.random(number),
            "y": random.normal(size=number),
            "z": random.integers(0, 7, number).astype(np.int32),
            "s": pa.array(np.char.add("s", random.integers(0, 50, number).astype(str)), pa.string()),
            "ts": pa.array(np.sort(random.integers(0, 180 * 86_400_000_000, number)), pa.timestamp("us")),
            "b": random.random(number) < 0.5,  # a fair coin
        }
    )


if __name__ == "__main__":
    sys.exit(main())

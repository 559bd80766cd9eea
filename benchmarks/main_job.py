"""`slipway demo --source` on all published transactions, as a user runs it: seconds and peak memory, twice.

What belongs here: the measurement of the installed command. Not: single steps (one_day.py).
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.arguments import Arguments
from benchmarks.credit_deliveries import simulated_clients, write_deliveries
from benchmarks.figures import Figure, report
from benchmarks.installed import demo
from lakehouse.loading import load_domain

MOST_SECONDS, MOST_MEGABYTES, MOST_SECONDS_AGAIN = 120.0, 4096.0, 15.0


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("The main job on all published transactions, and once more with nothing new.")
    parser.transactions()
    given = parser.given()
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        domain, source = _small(Path(folder, "statements")) if given.quick else ("fraud", given.transactions)
        words = ("--domain", domain, "--source", str(source))
        began = perf_counter()
        first = demo(Path(folder, "home"), *words, here=given.quick)
        first_seconds = perf_counter() - began
        again = demo(Path(folder, "home"), *words, here=given.quick)
        again_seconds = perf_counter() - began - first_seconds
    rows = first["tables"][load_domain(domain).sources[0].name]["rows"]
    peak = first["peak_memory_mb"]
    figures = [
        Figure(
            f"main job on {rows:,} rows",
            first_seconds,
            "s",
            MOST_SECONDS,
            f"<= {MOST_SECONDS:g}",
            first_seconds <= MOST_SECONDS,
        ),
        Figure(
            "its peak memory, all processes",
            peak,
            "MB",
            MOST_MEGABYTES,
            f"<= {MOST_MEGABYTES:g}",
            peak <= MOST_MEGABYTES,
        ),
        Figure(
            "again, nothing new",
            again_seconds,
            "s",
            MOST_SECONDS_AGAIN,
            f"<= {MOST_SECONDS_AGAIN:g}",
            again_seconds <= MOST_SECONDS_AGAIN,
        ),
        Figure("assets recomputed then", len(again["recomputed"]), "assets", 0, "0", not again["recomputed"]),
    ]
    return report(figures, given, steps=first["steps"], models=first["models"])


def _small(folder: Path) -> tuple[str, Path]:
    """A domain whose model passes its gates in a small world, and deliveries of it, for `--quick`."""
    clients = folder.with_suffix(".parquet")
    simulated_clients(300).write_parquet(clients)
    write_deliveries(folder, file=clients)
    return "credit", folder


if __name__ == "__main__":
    sys.exit(main())

"""`slipway demo --source` on all published transactions, as a user runs it: seconds and peak memory, twice.

What belongs here: the measurement of the installed command. Not: single steps (one_day.py).
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.arguments import Arguments, transactions
from benchmarks.figures import Figure, report

MOST_SECONDS, MOST_MEGABYTES, MOST_SECONDS_AGAIN = 120.0, 4096.0, 15.0


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("The main job on all published transactions, and once more with nothing new.")
    parser.transactions()
    given = parser.given()
    small = transactions(given, days=45, customers=5_000, terminals=10_000)
    with small as file, TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        first, first_seconds = demo(file, Path(folder, "home"))
        again, again_seconds = demo(file, Path(folder, "home"))
    rows = first["tables"]["fraud.transactions"]["rows"]
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


def demo(source: Path, home: Path) -> tuple[dict, float]:
    """Run the installed command; its JSON and the seconds that a user waited, process start included."""
    command = Path(sys.executable).with_name("slipway")
    began = perf_counter()
    words = [str(command), "demo", "--source", str(source), "--home", str(home), "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)  # our own command
    if done.returncode:
        raise SystemExit(done.stdout)
    return json.loads(done.stdout), perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())

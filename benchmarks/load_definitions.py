"""Loading the definitions while 4,000 delivered files wait: it opens none of them.

What belongs here: the time to load. Not: landing (many_deliveries.py), and imports (tests/test_definitions.py).
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from assets.fraud.sources import transactions
from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from lakehouse.catalog.lakehouse import open_lakehouse
from lakehouse.settings import Settings
from orchestration.definitions import build_defs

GOAL = 3.0


def main() -> int:
    parser = Arguments("The time to load the definitions while delivered files wait.")
    parser.size("--files", 4_000, quick=40, about="files that wait")
    given = parser.given()
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lakehouse(Settings.from_environment({}, home=Path(folder) / "home"))
        drop = lake.home.drop_folder(transactions.name)
        drop.mkdir(parents=True)
        for number in range(given.files):
            (drop / f"transactions_{number:05}.csv").write_text(f"TRANSACTION_ID,TX_DATETIME\n{number},2018-04-01\n")
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            build_defs(lake).resolve_asset_graph()
            seconds.append(time.perf_counter() - began)
    loaded = statistics.median(seconds[1:])
    figures = [
        Figure(
            f"load with {given.files:,} waiting files", loaded, "s", GOAL, f"at most {GOAL:g} s", holds=loaded <= GOAL
        ),
        Figure("the first load: imports, dbt project parsed", seconds[0], "s", None, "", holds=True),
    ]
    return report(figures, given, seconds=[round(one, 3) for one in seconds])


if __name__ == "__main__":
    sys.exit(main())

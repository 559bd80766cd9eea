"""Landing a year of deliveries one by one: the last takes as long as the thirtieth.

What belongs here: the time of each landing. Not: landing many at once (main_job.py).
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from assets.fraud.simulator import Simulation, write_daily_files
from assets.fraud.sources import transactions
from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from lakehouse.catalog.lakehouse import open_lakehouse
from lakehouse.ingestion.landing import land
from lakehouse.settings import Settings

GOAL = 1.2
_AROUND = 5
"""Landings around the thirtieth, and as many last ones: their medians are compared, since one log in forty
landings is rewritten."""


def main() -> int:
    parser = Arguments(__doc__ or "")
    parser.size("--deliveries", 365, quick=3, about="daily deliveries, landed one by one")
    parser.size("--customers", 500, quick=30, about="customers, who pay 1.9 times a day")
    given = parser.given()
    source = replace(transactions, contract=replace(transactions.contract, quarantine_share=0.05))
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lakehouse(Settings.from_environment({}, home=Path(folder) / "home"))
        files = write_daily_files(
            Simulation(days=given.deliveries, customers=given.customers, terminals=1_000).simulate(),
            Path(folder) / "later",
        )
        drop = lake.home.drop_folder(source.name)
        drop.mkdir(parents=True)
        seconds = []
        for file in files:
            file.rename(drop / file.name)
            began = time.perf_counter()
            landed = land(lake, source, run_id=file.stem)
            seconds.append(time.perf_counter() - began)
            landed.raise_if_nothing_passed()
    early = statistics.median(seconds[30 - _AROUND : 30 + _AROUND] or seconds)
    late = statistics.median(seconds[-2 * _AROUND :])
    figures = [
        Figure("the 30th delivery", early, "s", None, "", holds=True),
        Figure("the last delivery", late, "s", early, f"at most {GOAL} x the 30th", holds=late <= GOAL * early),
        Figure("the slowest of all", max(seconds), "s", early, "", holds=True),
    ]
    return report(figures, given, deliveries=len(files), seconds=[round(one, 3) for one in seconds])


if __name__ == "__main__":
    sys.exit(main())

"""What one more day costs on 182: the data-dependent time of the main job's steps up to the training set.

What belongs here: the measurement. Not: the models, whose training days are always the same number.

A step has a fixed part (starting dbt, committing to the catalog) that no amount of data changes. It is measured in the
same run on a world with next to no rows, in which the same steps do the same things, and taken off both sides.
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from assets.fraud.simulator import Simulation, write_daily_files
from assets.loading import load_domain
from benchmarks.figures import Figure, options, tell, transactions_option
from lakehouse.catalog import open_lakehouse
from lakehouse.settings import Settings
from orchestration.main_job import JobReport, run_main_job
from orchestration.memory import MemoryWatch
from orchestration.progress import Progress

MOST = 0.10


def main() -> int:
    """Measure and tell."""
    parser = options("One more day on 182, beside the whole run.")
    transactions_option(parser)
    given = parser.parse_args()
    days = pl.read_parquet(given.transactions)
    little = Simulation(days=int(days["TX_TIME_DAYS"].max()) + 1, customers=20, terminals=20).simulate()  # type: ignore[arg-type]
    _measure(little)  # libraries are loaded and dbt has parsed its project before anything is measured
    fixed_whole, fixed_one = _measure(little)
    whole, one_more = _measure(days)
    full, day = whole - fixed_whole, max(one_more - fixed_one, 0.0)
    share = day / full
    figures = [
        Figure("182 days, steps up to the training set", whole, "s", None, "", holds=True),
        Figure("of which fixed (a world of 20 customers)", fixed_whole, "s", None, "", holds=True),
        Figure("day 183, the same steps", one_more, "s", None, "", holds=True),
        Figure("of which fixed", fixed_one, "s", None, "", holds=True),
        Figure(
            "data-dependent time of one day, as a share of the whole run's", share, "", 1.0, f"<= {MOST}", share <= MOST
        ),
    ]
    return tell(figures, as_json=given.json)


def _measure(frame: pl.DataFrame) -> tuple[float, float]:
    """Seconds of the steps up to the training set: for all days but the last, and for the last."""
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder, MemoryWatch() as watch:
        drop, later = Path(folder, "drop"), Path(folder, "later")
        for place in (drop, later):
            place.mkdir()
        files = write_daily_files(frame, drop)
        lake = open_lakehouse(Settings.from_environment({}, home=Path(folder, "home")))
        lake.home.remember_source("fraud.transactions", drop)
        domain = replace(load_domain("fraud"), models=[])
        held_back = shutil.move(files[-1], later)
        first = run_main_job(lake, domain, Progress(), watch)
        shutil.move(held_back, drop)
        second = run_main_job(lake, domain, Progress(), watch)
    return _seconds(first), _seconds(second)


def _seconds(report: JobReport) -> float:
    return sum(step.seconds for step in report.steps)


if __name__ == "__main__":
    sys.exit(main())

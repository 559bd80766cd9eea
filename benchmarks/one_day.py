"""What one more day costs early and late in a history, and what a late correction costs, up to the training set.

What belongs here: the measurement. Not: the models, whose training days are always the same number.

A step has a fixed part (starting dbt, committing to the catalog) that no amount of data changes. It is measured in the
same run on a world with next to no rows, in which the same steps do the same things, and taken off.
"""

import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from assets.fraud.simulator import Simulation, write_daily_files
from benchmarks.arguments import Arguments, transactions
from benchmarks.figures import Figure, report
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.loading import load_domain
from lakehouse.models.model import Model
from lakehouse.settings import Settings
from orchestration.main_job import JobReport, run_main_job
from orchestration.memory import MemoryWatch
from orchestration.progress import Progress

MOST = 0.10
FLAT = 1.2
PROPORTION = 2
"""A row that is written again costs so much at most, in rows of the whole run."""
EARLY = 30
REPEATED = 3
"""So many days, one by one; their median counts."""
CORRECTED = 2
"""Days that come again with other amounts: about one in a hundred events of half a year."""


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("One more day early and late in half a year, and a late correction, beside the whole run.")
    parser.transactions()
    given = parser.given()
    with transactions(given, days=12, customers=20) as file:
        frame = pl.read_parquet(file)
    days = int(frame["TX_TIME_DAYS"].max()) + 1  # type: ignore[arg-type]
    if given.quick:
        late = early = fixed = _measure(frame, days - 1, repeated=1)
    else:
        little = Simulation(days=days, customers=20, terminals=20).simulate()
        _measure(little, EARLY)  # libraries are loaded and dbt has parsed its project before anything is measured
        late, early = _measure(frame, days - REPEATED), _measure(frame, EARLY)
        fixed = _measure(little, days - REPEATED)
    full = max(late.whole - fixed.whole, 1e-9)
    share = max(late.one_day - fixed.one_day, 0.0) / full
    grown = late.one_day / early.one_day
    correction = max(late.correction - fixed.correction, 0.0) / full
    written = late.rows_corrected / late.rows
    before = days - REPEATED
    figures = [
        Figure(f"{before} days, steps up to the training set", late.whole, "s", None, "", holds=True),
        Figure("of which fixed (a world of 20 customers)", fixed.whole, "s", None, "", holds=True),
        Figure(f"one more day on {EARLY}", early.one_day, "s", None, "", holds=True),
        Figure(f"one more day on {before}", late.one_day, "s", early.one_day, f"<= {FLAT} x", grown <= FLAT),
        Figure("of which fixed", fixed.one_day, "s", None, "", holds=True),
        Figure("data-dependent time of one day, share of the whole run's", share, "", 1.0, f"<= {MOST}", share <= MOST),
        Figure(f"{CORRECTED} days corrected: share of events", late.share_corrected, "", None, "", holds=True),
        Figure("the same steps", late.correction, "s", None, "", holds=True),
        Figure("of which fixed", fixed.correction, "s", None, "", holds=True),
        Figure("rows written again, share of all tables' rows", written, "", None, "", holds=True),
        Figure(
            "data-dependent time, share of the whole run's",
            correction,
            "",
            written,
            f"<= {PROPORTION} x rows",
            correction <= PROPORTION * written,
        ),
    ]
    return report(figures, given)


@dataclass(frozen=True)
class _Cost:
    """Seconds of the steps up to the training set, and rows they wrote."""

    whole: float
    rows: int
    one_day: float
    correction: float
    rows_corrected: int
    share_corrected: float


def _measure(frame: pl.DataFrame, first: int, repeated: int = REPEATED) -> _Cost:
    """The first days at once, some more one by one, then a correction of days in the middle."""
    with _world() as (lake, drop, watch):
        files = write_daily_files(frame, drop.with_name("waiting"))
        whole = _run(lake, drop, files[:first], watch)
        days = [_run(lake, drop, [file], watch) for file in files[first : first + repeated]]
        middle = files[first // 2 : first // 2 + CORRECTED]
        corrected = [pl.read_parquet(file) for file in middle]
        for file, rows in zip(middle, corrected, strict=True):
            rows.with_columns(pl.col("TX_AMOUNT") + 1).write_parquet(file)
        correction = _run(lake, drop, middle, watch)
    return _Cost(
        whole=_seconds(whole),
        rows=_rows(whole),
        one_day=statistics.median(map(_seconds, days)),
        correction=_seconds(correction),
        rows_corrected=_rows(correction),
        share_corrected=sum(map(len, corrected)) / len(frame),
    )


@contextmanager
def _world() -> Iterator[tuple[Lakehouse, Path, MemoryWatch]]:
    """An empty home that looks for deliveries in an empty folder."""
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder, MemoryWatch() as watch:
        drop = Path(folder, "drop")
        drop.mkdir()
        drop.with_name("waiting").mkdir()
        lake = open_lakehouse(Settings.from_environment({}, home=Path(folder, "home")))
        lake.home.remember_source("fraud.transactions", drop)
        yield lake, drop, watch


def _run(lake: Lakehouse, drop: Path, files: Sequence[Path], watch: MemoryWatch) -> JobReport:
    """Deliver files and bring everything up to the training set up to date."""
    for file in files:
        shutil.copy(file, drop)
    return run_main_job(lake, load_domain("fraud").with_only(Model, []), Progress(), watch)


def _seconds(report: JobReport) -> float:
    return sum(step.seconds for step in report.steps)


def _rows(report: JobReport) -> int:
    return sum(step.rows for step in report.steps)


if __name__ == "__main__":
    sys.exit(main())

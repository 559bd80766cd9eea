"""Simulated card transactions: a small world of customers, terminals and three kinds of fraud.

What belongs here: the world, its payments and frauds, and their delivery as daily files. Not: reading or landing files,
or features; the platform treats simulated files like anybody's.

The rules are the published description of the simulated data in Le Borgne, Siblini, Lebichot and Bontempi,
"Reproducible Machine Learning for Credit Card Fraud Detection - Practical Handbook", ULB 2022, chapter 3. Four things
are decided differently, so that worlds of any size and length have their share of fraud and a day that is over stays:

- The published 2 terminals of 10,000 and 3 cards of 5,000 that fall to fraudsters each day are shares of the world's
  own population. Parts of a case are carried over: 0.04 a day is one case every 25 days.
- Cases that began before the first day are still going on; the published world takes four weeks to get there.
- Of a stolen card's payments each is misused with probability 1/3, and its amount grows once, however often the card
  was stolen. The published third is drawn from all payments of 14 days, so the first day depends on the last.
- With fewer than 10,000 terminals the radius grows by sqrt(10,000 / terminals), so that a customer has about as many in
  reach as the published 75, less what lies beyond the square's edges (68 of 1,000, 48 of 100).

Each purpose and day has a random stream of its own, derived from the seed: the same parameters give the same bytes
(with the same numpy and polars), and a longer simulation begins with the shorter one.
"""

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from gzip import compress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.simulating import DemoWorld, check_parameters, invalid, random_stream, write_if_changed
from lakehouse.errors import unknown_name

FileFormat = Literal["parquet", "csv", "jsonl"]
EXTENSIONS = ("parquet", "csv", "csv.gz", "jsonl", "jsonl.gz")

# The published columns and their types; TX_DATETIME is UTC wall time.
SCHEMA = pl.Schema(
    {
        "TRANSACTION_ID": pl.Int32(),
        "TX_DATETIME": pl.Datetime("us"),
        "CUSTOMER_ID": pl.Int32(),
        "TERMINAL_ID": pl.Int32(),
        "TX_AMOUNT": pl.Float64(),
        "TX_TIME_SECONDS": pl.Int32(),
        "TX_TIME_DAYS": pl.Int16(),
        "TX_FRAUD": pl.Int16(),
        "TX_FRAUD_SCENARIO": pl.Int16(),
    }
)

SIDE = 100.0
MEAN_AMOUNTS = (5.0, 100.0)
MAX_DAILY_PAYMENTS = 4
DAY_SECONDS = 86_400
PEAK_SECOND, PEAK_SPREAD = 43_200, 20_000
SUSPICIOUS_CENTS = 22_000
PUBLISHED_TERMINALS = 10_000
# Each day this share of all terminals, and of all cards, falls to fraudsters for that many days.
COMPROMISED_SHARE, COMPROMISED_DAYS = 2 / PUBLISHED_TERMINALS, 28
STOLEN_SHARE, STOLEN_DAYS = 3 / 5_000, 14
MISUSED_SHARE, MISUSE_FACTOR = 1 / 3, 5

# The days are those whose seconds fit into the column; a radius of 142 reaches from corner to corner.
INT32_MAX = 2**31 - 1
LIMITS = {
    "days": (1, INT32_MAX // DAY_SECONDS),
    "customers": (1, 1_000_000),
    "terminals": (1, 1_000_000),
    "seed": (0, 2**63 - 1),
    "radius": (0.1, 142.0),
}

# What a random stream is for. Part of every seed derived: never give a number a new meaning.
_TERMINALS, _CUSTOMERS, _PAYMENTS, _COMPROMISES, _THEFTS, _MISUSE = range(6)


@dataclass(frozen=True)
class Simulation:
    """A world to simulate: `days` days from `start`, of `customers` customers who pay at `terminals` terminals.

    `radius` is how far a customer goes to pay, on a square of 100 by 100; it grows where there are fewer than 10,000
    terminals (see the module). Raises DeclarationError for values that no world can have.
    """

    days: int = 183
    customers: int = 5_000
    terminals: int = 10_000
    start: date = date(2018, 4, 1)
    seed: int = 0
    radius: float = 5.0

    def __post_init__(self) -> None:
        check_parameters(self, LIMITS)
        most_days = min((date.max - self.start).days + 1, INT32_MAX // (MAX_DAILY_PAYMENTS * self.customers))
        if self.days > most_days:
            reason = f"at most {most_days} from {self.start} with {self.customers} customers, not {self.days}"
            raise invalid("days", f"{reason} (dates end at {date.max}, a TRANSACTION_ID at {INT32_MAX})", most_days)

    def simulate(self) -> pl.DataFrame:
        """All transactions, one row each, in order of time; columns and types are those of SCHEMA.

        TX_AMOUNT has two decimals, TX_TIME_SECONDS and TX_TIME_DAYS count from midnight of `start`, TX_FRAUD_SCENARIO
        is 0 (genuine), 1 (an amount over 220), 2 (compromised terminal) or 3 (stolen card). A customer has 1.9 rows a
        day on average; time and memory grow with the rows (1.8 million: under 1 s, 300 MB).
        """
        world = _build_world(self)
        compromised = _ongoing_cases(self, _COMPROMISES, self.terminals, COMPROMISED_SHARE, COMPROMISED_DAYS)
        stolen = _ongoing_cases(self, _THEFTS, self.customers, STOLEN_SHARE, STOLEN_DAYS)
        cases = zip(compromised, stolen, strict=True)
        days = [_simulate_day(world, self.seed, day, *taken) for day, taken in enumerate(cases)]
        frame = pl.DataFrame({name: np.concatenate([day[name] for day in days]) for name in days[0]})
        midnight = pl.lit(datetime.combine(self.start, time()), dtype=pl.Datetime("us"))
        since = pl.duration(seconds="TX_TIME_SECONDS", time_unit="us")
        frame = frame.with_columns(TX_DATETIME=midnight + since, TX_FRAUD=pl.col("TX_FRAUD_SCENARIO") > 0)
        return frame.with_row_index("TRANSACTION_ID").select(*SCHEMA).cast(SCHEMA)


def write_daily_files(
    frame: pl.DataFrame,
    folder: Path,
    file_format: FileFormat = "parquet",
    *,
    gzip: bool = False,
    on_day: Callable[[int], None] | None = None,
) -> list[Path]:
    """Deliver `frame` (of SCHEMA) as one file a day, `transactions_YYYY-MM-DD.<ext>`; returns the files, oldest first.

    With `gzip` (CSV and JSON lines only) `.gz` follows the extension. A day without transactions has no file, and files
    of other days stay. A file appears whole or not at all: it is written under a name that begins with a dot and then
    renamed. One that is there with the same bytes is left alone, so a rerun changes nothing. `on_day` is called after
    each day with the number of days done.

    Raises UnknownNameError for another format, also for gzip around Parquet (which is compressed inside), and
    DeliveryError when the folder cannot be written to (it is a file, it is read-only, the disk is full).
    """
    extension = f"{file_format}.gz" if gzip else file_format
    if extension not in EXTENSIONS:
        raise unknown_name("file format", extension, EXTENSIONS, where="write_daily_files")
    paths: list[Path] = []
    by_day = frame.group_by(pl.col("TX_DATETIME").dt.date())
    for (day,), rows in sorted(by_day, key=lambda group: group[0]):
        paths.append(folder / f"transactions_{day}.{extension}")
        write_if_changed(paths[-1], _encode(rows, extension))
        if on_day is not None:
            on_day(len(paths))
    return paths


@dataclass(frozen=True)
class _World:
    """Customers' habits, and the terminals in their reach: those of customer c are reach[first[c]:][:reached[c]]."""

    mean_amount: NDArray[np.float64]
    daily_payments: NDArray[np.float64]
    reach: NDArray[np.int64]
    first: NDArray[np.int64]
    reached: NDArray[np.int64]


def _build_world(simulation: Simulation) -> _World:
    """Place terminals and customers uniformly on the square, give customers their habits, and find who reaches what."""
    terminals = random_stream(simulation.seed, _TERMINALS).uniform(0, SIDE, (simulation.terminals, 2))
    draws = random_stream(simulation.seed, _CUSTOMERS)
    customers = draws.uniform(0, SIDE, (simulation.customers, 2))
    mean_amount = draws.uniform(*MEAN_AMOUNTS, simulation.customers)
    daily_payments = draws.uniform(0, MAX_DAILY_PAYMENTS, simulation.customers)

    radius = simulation.radius * math.sqrt(max(1.0, PUBLISHED_TERMINALS / simulation.terminals))
    by_x = np.argsort(terminals[:, 0], kind="stable")
    ordered = terminals[by_x]
    low = np.searchsorted(ordered[:, 0], customers[:, 0] - radius, side="left")
    high = np.searchsorted(ordered[:, 0], customers[:, 0] + radius, side="right")
    strips = zip(customers, low, high, strict=True)
    reach = [by_x[a:b][((ordered[a:b] - place) ** 2).sum(axis=1) <= radius**2] for place, a, b in strips]
    reached = np.array([len(near) for near in reach])
    daily_payments[reached == 0] = 0.0  # whoever has no terminal in reach pays nowhere
    return _World(mean_amount, daily_payments, np.concatenate(reach), np.cumsum(reached) - reached, reached)


def _ongoing_cases(
    simulation: Simulation, purpose: int, population: int, share: float, duration: int
) -> Iterator[NDArray[np.bool_]]:
    """For each day of the simulation: who of the population is in the hands of fraudsters.

    On average this share of the population is drawn each day, for `duration` days that begin with the day itself. The
    draws begin early enough for the first day to have its full number of cases.
    """
    rate = share * population
    first_day = 1 - duration
    carried = random_stream(simulation.seed, purpose).random()
    over_on = np.full(population, first_day)
    for day in range(first_day, simulation.days):
        # Rounding the running total, from a random beginning, keeps both the mean of a day and the total of many.
        cases = math.floor((day + 1) * rate + carried) - math.floor(day * rate + carried)
        chosen = random_stream(simulation.seed, purpose, day - first_day).choice(population, cases, replace=False)
        over_on[chosen] = day + duration
        if day >= 0:
            yield over_on > day


def _simulate_day(
    world: _World, seed: int, day: int, compromised: NDArray[np.bool_], stolen: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """One day's transactions in order of time (equal times: of customer), without the columns that follow from others.

    `compromised` tells for each terminal, `stolen` for each customer, whether it is so on this day.
    """
    draws = random_stream(seed, _PAYMENTS, day)
    customer = np.repeat(np.arange(len(world.reached)), draws.poisson(world.daily_payments))
    second = np.floor(draws.normal(PEAK_SECOND, PEAK_SPREAD, len(customer))).astype(np.int64)
    mean = world.mean_amount[customer]
    amount = draws.normal(mean, mean / 2)
    amount = np.where(amount < 0, draws.uniform(0, 2 * mean), amount)
    terminal = world.reach[world.first[customer] + draws.integers(world.reached[customer])]

    within_day = np.flatnonzero((second >= 0) & (second < DAY_SECONDS))
    order = within_day[np.argsort(second[within_day], kind="stable")]
    customer, second, terminal = customer[order], second[order], terminal[order]
    cents = np.rint(amount[order] * 100).astype(np.int64)

    # In the order of the scenarios: a later one takes over the rows of an earlier one, as in the published data.
    scenario = (cents > SUSPICIOUS_CENTS).astype(np.int16)
    scenario[compromised[terminal]] = 2
    misused = stolen[customer] & (random_stream(seed, _MISUSE, day).random(len(order)) < MISUSED_SHARE)
    scenario[misused] = 3
    cents[misused] *= MISUSE_FACTOR
    return {
        "CUSTOMER_ID": customer,
        "TERMINAL_ID": terminal,
        "TX_AMOUNT": cents / 100,
        "TX_TIME_SECONDS": second + day * DAY_SECONDS,
        "TX_TIME_DAYS": np.full(len(order), day),
        "TX_FRAUD_SCENARIO": scenario,
    }


def _encode(rows: pl.DataFrame, extension: str) -> bytes:
    """Turn rows into a file's bytes, always the same for the same rows; in text, times are ISO 8601."""
    if extension == "parquet":
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd")
        return buffer.getvalue()
    rows = rows.with_columns(pl.col("TX_DATETIME").dt.strftime("%Y-%m-%dT%H:%M:%S%.f"))
    content = (rows.write_csv() if extension.startswith("csv") else rows.write_ndjson()).encode()
    # A gzip header holds a time, which would make each run's bytes differ.
    return compress(content, compresslevel=6, mtime=0) if extension.endswith(".gz") else content


def _names(days: int) -> list[str]:
    return [f"transactions_{Simulation.start + timedelta(days=day)}.parquet" for day in range(days)]


DEMO = DemoWorld(
    unit="days",
    number=Simulation.days,
    names=_names,
    write=lambda days, folder: write_daily_files(Simulation(days=days).simulate(), folder),
    labels_after=7,
)

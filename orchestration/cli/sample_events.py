"""A small delivery for a new domain to start with: events of accounts, some of which turn out badly.

What belongs here: the sample's rows and their file. Not: the domain that reads them (templates/).
"""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

FIRST_DAY = date(2024, 1, 1)
DAYS = 40
ACCOUNTS = 40
KNOWN_AFTER = timedelta(days=3)


def sample_events() -> pl.DataFrame:
    """About 600 events over 40 days, in order of time; the same ones at every call.

    A quarter of the accounts is careless: their events turn out badly in 7 of 10 cases, those of others in 1 of 20,
    and large amounts in both more often. So an account's record and an event's amount tell something, not everything.
    """
    draws = np.random.default_rng(0)
    careless = draws.permutation(ACCOUNTS) < ACCOUNTS // 4
    habits = draws.uniform(20, 120, ACCOUNTS)
    day = np.repeat(np.arange(DAYS), draws.integers(12, 19, DAYS))
    second = np.sort(day * 86_400 + draws.integers(0, 86_400, len(day)))
    account = draws.integers(0, ACCOUNTS, len(day))
    amount = np.round(habits[account] * draws.lognormal(0, 0.6, len(day)), 2)
    likely = np.where(careless[account], 0.7, 0.05) + np.where(amount > 2 * habits[account], 0.2, 0)
    happened_at = pl.lit(FIRST_DAY).cast(pl.Datetime("us")) + pl.duration(seconds="second", time_unit="us")
    return (
        pl.DataFrame(
            {
                "second": second,
                "account_id": account,
                "amount": amount,
                "outcome": (draws.random(len(day)) < likely).astype(np.int64),
            }
        )
        .with_row_index("event_id")
        .with_columns(happened_at=happened_at, outcome_known_at=happened_at + KNOWN_AFTER)
        .select("event_id", "happened_at", "account_id", "amount", "outcome", "outcome_known_at")
    )


def sample_deliveries(domain: str, *, with_labels: bool) -> dict[str, pl.DataFrame]:
    """The rows of each source of a new domain, by the source's name.

    With labels of their own, these are the outcomes that were known when the last event's day ended.
    """
    rows = sample_events()
    if not with_labels:
        return {f"{domain}.events": rows}
    known = pl.col("outcome_known_at").dt.date() < FIRST_DAY + timedelta(days=DAYS)
    return {
        f"{domain}.events": rows.drop("outcome", "outcome_known_at"),
        f"{domain}.outcomes": rows.filter(known).select("event_id", "account_id", "outcome", "outcome_known_at"),
    }


def write_sample(folder: Path, rows: pl.DataFrame) -> Path:
    """Write a source's rows as one CSV file into its drop folder, times in ISO 8601 with their offset."""
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    path = folder / f"{folder.name}_{FIRST_DAY}_to_{last}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    # A name that begins with a dot is no delivery; the rename makes it one.
    beside = path.with_name(f".{path.name}")
    rows.write_csv(beside, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    beside.replace(path)
    return path

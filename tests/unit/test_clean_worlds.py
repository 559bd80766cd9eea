"""Clean deliveries raise no change of format, however the rows of the world are cut into files.

What belongs here: the invariant over random cuts: parts of days, many days, few rows, rows that come late, days filled
in afterwards. Not: changes that are there (test_changes.py).
"""

from datetime import date
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.fraud.sources import transactions
from lakehouse.drift.detection import find_changes
from lakehouse.profiling.profile import profile_table
from lakehouse.sources.reading import Read
from tests import scenario

FILES = 8
MISTAKABLE = {date(2018, 4, 5), date(2018, 5, 4)}
"""Days of the world that are each other with day and month swapped: one alone, where the other is due, looks wrong."""


@cache
def world():
    """All rows as delivered, and the number of the day of each."""
    rows = scenario.payments().to_arrow().select(transactions.contract.schema.names).cast(transactions.contract.schema)
    days = (scenario.payments()["TX_DATETIME"].dt.date() - scenario.START).dt.total_days().to_numpy()
    return rows, days


def one_after_another(days, random):
    """Files end wherever they end: within a day, or after many."""
    ends = np.sort(random.choice(np.arange(1, len(days)), FILES - 1, replace=False))
    return np.searchsorted(ends, np.arange(len(days)), side="right")


def late(days, random):
    """A file for each day; a share of the rows comes in the file of one of the days after it."""
    behind = random.random(len(days)) < random.choice([0.01, 0.1, 0.3])
    return np.where(behind, days + random.integers(1, 5, len(days)), days)


def days_at_random(days, random):
    """Each day comes whole, in whichever file, with whichever other days."""
    return random.integers(0, random.integers(2, 25), days.max() + 1)[days]


def rows_at_random(days, random):
    """Every row comes in whichever file."""
    return random.integers(0, random.integers(2, 7), len(days))


def daily_and_corrections(days, random):
    """A file for each day, and small ones with rows of any day."""
    rare = random.random(len(days)) < 0.02
    return np.where(rare, 100 + random.integers(0, 8, len(days)), days)


@settings(max_examples=25)
@given(
    cut=st.sampled_from([one_after_another, late, days_at_random, rows_at_random, daily_and_corrections]),
    first=st.integers(0, 40),
    length=st.integers(2, 45),
    seed=st.integers(0, 2**32 - 1),
    shuffled=st.booleans(),
)
def test_clean_rows_raise_nothing_however_they_are_cut_into_files(cut, first, length, seed, shuffled):
    rows, days = world()
    random = np.random.default_rng(seed)
    chosen = np.flatnonzero((days >= first) & (days < first + length))
    files = cut(days[chosen] - first, random)
    names = np.unique(files)
    if shuffled:
        random.shuffle(names)
    before = []
    for name in names[:FILES]:
        delivered = rows.take(chosen[files == name])
        profile = profile_table(delivered, str(name), event_time=transactions.event_time)
        profile = profile.named(transactions.name, str(name))
        # As the landing does: judged beside the deliveries of the days before.
        history = sorted(
            (one for one in before if one.first_day < profile.first_day), key=lambda one: (one.first_day, one.delivery)
        )
        found = find_changes(transactions, Read(delivered, delivered), history, profile)
        assert [one.message for one in found if not (mistakable(profile) and one.kind == "day_month_swapped")] == []
        before.append(profile)


def mistakable(profile):
    return profile.day in MISTAKABLE and profile.first_day == profile.last_day

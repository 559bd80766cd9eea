"""Days as the unit of incremental work: sets of UTC calendar days, and the filters and texts made from them.

What belongs here: pure functions on days. Not: which days a table has (read.py) or has to build (build_plan.py).
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

EPOCH = date(1970, 1, 1)
ONE_DAY = timedelta(days=1)


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as maximal runs (first, last), both inclusive, in order."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == ONE_DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both inclusive."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def days_filter(column: str, days: Iterable[date]) -> str:
    """A row filter, readable by pyiceberg and DuckDB alike, for the rows whose `column` (timestamp) lies on `days`.

    Without days it is true of no row.
    """
    # Quoted, for a column may be called `end` or `at`, which mean something in SQL.
    runs = [
        f"(\"{column}\" >= '{first.isoformat()}T00:00:00' and \"{column}\" < '{(last + ONE_DAY).isoformat()}T00:00:00')"
        for first, last in spans(days)
    ]
    return " or ".join(runs) or f'("{column}" is null and "{column}" is not null)'


def describe_days(days: Sequence[date], most: int = 3) -> str:
    """Describe days in words: `3 days (2018-04-01 to 2018-04-03)`."""
    runs = spans(days)
    if not runs:
        return "no day"
    shown = [first.isoformat() if first == last else f"{first} to {last}" for first, last in runs[:most]]
    more = ", ..." if len(runs) > most else ""
    count = len(set(days))
    return f"{count} {'day' if count == 1 else 'days'} ({', '.join(shown)}{more})"

"""The days that a source was delivered for, and days as a person writes them.

What belongs here: from deliveries to days, from text to days. Not: landing (lakehouse/ingestion). Reading the days of
deliveries opens files, so this runs in steps and commands, never while the definitions load.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeliveryError, SlipwayError
from lakehouse.sources.deliveries import find_files, inspect
from lakehouse.sources.source import Source
from lakehouse.tables.days import between, describe_days
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import published_days

EXAMPLE = "2018-04-01:2018-04-30"


def delivered_days(lake: Lakehouse, source: Source) -> list[date]:
    """All days that the source was ever delivered for: landed, or waiting in its drop folder."""
    landed = published_days(lake, source.name) if last_published(lake, source.name) else []
    waiting = []
    with suppress(DeliveryError):  # the drop folder may not exist yet
        waiting = [day for delivery in inspect(lake.home, source) for day in delivery.days]
    return sorted({*landed, *waiting})


def choose_days(lake: Lakehouse, source: Source, asked: Sequence[date]) -> list[date]:
    """Those of the `asked` days that the source was delivered for.

    Raises DeliveryError when there are none, naming the nearest delivered day.
    """
    delivered = delivered_days(lake, source)
    chosen = sorted(set(asked) & set(delivered))
    if not chosen:
        find_files(lake.home, source)  # raises when there is nothing at all, and names the place
        raise DeliveryError(
            f"{source.name} was not delivered for {describe_days(asked)}; nothing was landed.",
            where=str(lake.home.delivered_at(source.name)),
            nearest=str(nearest_day(asked, delivered)) if delivered else None,
            fix="Deliver these days, or choose days that were delivered.",
        )
    return chosen


def nearest_day(asked: Sequence[date], delivered: Sequence[date]) -> date:
    """The delivered day that is nearest to one of the `asked` days."""
    return min(delivered, key=lambda day: min(abs(day - min(asked)), abs(day - max(asked))))


def parse_days(text: str, where: str) -> list[date]:
    """The days of a text such as `2018-04-01`, `2018-04-01:2018-04-30` or several of these, separated by commas.

    Raises SlipwayError for a text that names no days.
    """
    found: set[date] = set()
    try:
        for part in filter(None, (part.strip() for part in text.split(","))):
            first, _, last = part.partition(":")
            days = between(date.fromisoformat(first), date.fromisoformat(last or first))
            if not days:
                raise SlipwayError(f"{first} is after {last}.", where=where, nearest=f"{last}:{first}")
            found.update(days)
    except ValueError:
        raise SlipwayError(
            f"{text!r} is not a day or a range of days.",
            where=where,
            nearest=EXAMPLE,
            fix="Write days as YYYY-MM-DD, a range as FIRST:LAST, several separated by commas.",
        ) from None
    return sorted(found)

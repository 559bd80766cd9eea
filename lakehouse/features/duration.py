"""Durations as declarations write them: `7d`, `12h`, `30m`.

What belongs here: reading such a text. Not: calendars and time zones.
"""

import re

from lakehouse.errors import DeclarationError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MICROSECONDS = 1_000_000
DAY = _UNITS["d"] * MICROSECONDS
LONGEST = 36_525 * DAY
"""A hundred years; sums of times and lengths stay far inside 64 bits."""


def microseconds(text: str, *, where: str) -> int:
    """The length in microseconds.

    Raises DeclarationError for a length without a unit, negative, of another form, or over a hundred years.
    """
    found = re.fullmatch(r"([0-9]+)([smhd])", str(text))
    if not found:
        digits = re.search(r"[0-9]+", str(text))
        raise DeclarationError(
            f"{text!r} is not a duration.",
            where=where,
            nearest=f"{digits.group()}d" if digits else "7d",
            fix="Write a whole number and a unit: s, m, h or d.",
        )
    length = int(found.group(1)) * _UNITS[found.group(2)] * MICROSECONDS
    if length > LONGEST:
        raise DeclarationError(f"{text!r} is longer than a hundred years.", where=where, nearest=f"{LONGEST // DAY}d")
    return length


def days_touched(length: int) -> int:
    """How many later days an event can still reach over a window of `length` microseconds."""
    return -(-length // DAY)


def spoken(length: int) -> str:
    """A length in microseconds for people: `7 days`, `1 hour`."""
    text = in_words(length)
    number, unit = int(text[:-1]), {"d": "day", "h": "hour", "m": "minute", "s": "second"}[text[-1]]
    return f"{number} {unit}{'' if number == 1 else 's'}"


def in_words(length: int) -> str:
    """A length in microseconds as declarations write it, in the largest unit that fits; begun seconds count."""
    seconds = -(-length // MICROSECONDS)
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"

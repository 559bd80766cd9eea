"""Lengths of time as declarations write them: `7d`, `12h`, `30m`.

What belongs here: reading such a text. Not: calendars and time zones.
"""

import re

from lakehouse.errors import DeclarationError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MICROSECONDS = 1_000_000
DAY = _UNITS["d"] * MICROSECONDS


def microseconds(text: str, *, where: str) -> int:
    """The length in microseconds. Raises DeclarationError for a text without a unit, negative or of another form."""
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        digits = re.search(r"\d+", text)
        raise DeclarationError(
            f"{text!r} is not a length of time.",
            where=where,
            nearest=f"{digits.group()}d" if digits else "7d",
            fix="Write a whole number and a unit: s, m, h or d.",
        )
    return int(found.group(1)) * _UNITS[found.group(2)] * MICROSECONDS


def days_touched(length: int) -> int:
    """How many later days an event can still reach over a window of `length` microseconds."""
    return -(-length // DAY)

"""The mapping of times: their format, and the clock that they show.

What belongs here: the declaration, which checks itself. Not: the other mappings (mapping_types.py), the function that
declares it (mappings.py), and the SQL that applies it (cast_sql.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from lakehouse.contracts.contract import Column
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.sources.mapping_types import ColumnMapping

_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")
AMBIGUOUS = ("quarantine", "earlier", "later")
UNITS: Mapping[str, int] = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
"""Microseconds of the units in which times are counted since 1970."""


@dataclass(frozen=True, kw_only=True)
class Times(ColumnMapping):
    """Times are written, or meant, in another way.

    `form`: how texts are written, in the words of strftime ("%d.%m.%Y %H:%M:%S"), or "seconds", "milliseconds" and
    "microseconds" for numbers since 1970; texts in ISO form are still read. `zone`: the clock that they show, whatever
    they say ("Europe/Berlin", "+02:00"), unless they say an offset other than UTC. `ambiguous`: what becomes of a time
    that the clock showed twice, when it was set back: the "earlier" or the "later" of the two, or "quarantine". A time
    that the clock never showed, because it was set forward, always goes to quarantine. `day_month_swapped`: day and
    month changed places where a calendar allows it.
    """

    form: str = ""
    zone: str = ""
    ambiguous: str = "quarantine"
    day_month_swapped: bool = False
    kinds = ("timestamp",)

    def _arguments(self) -> list[str]:
        return [
            repr(self.column),
            *([repr(self.form)] if self.form else []),
            *([f"zone={self.zone!r}"] if self.zone else []),
            *([f"ambiguous={self.ambiguous!r}"] if self.ambiguous != "quarantine" else []),
            *(["day_month_swapped=True"] if self.day_month_swapped else []),
        ]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:  # noqa: ARG002  # asked by another field
        if not (self.form or self.zone or self.day_month_swapped):
            raise DeclarationError(
                f"{self.line()} declares neither a format nor a time zone.",
                where=where,
                nearest=f'times("{self.column}", "%d.%m.%Y %H:%M:%S")',
            )
        if self.form and self.form not in UNITS and "%" not in self.form:
            raise DeclarationError(
                f"{self.form!r} is not a format of times.",
                where=where,
                nearest=nearest_name(self.form, UNITS) or "%d.%m.%Y %H:%M:%S",
            )
        if self.zone and not _OFFSET.fullmatch(self.zone):
            try:
                ZoneInfo(self.zone)
            except (KeyError, ValueError, OSError):
                raise DeclarationError(
                    f"There is no time zone {self.zone!r}.", where=where, nearest="Europe/Berlin"
                ) from None
        if self.ambiguous not in AMBIGUOUS:
            raise DeclarationError(
                f"Invalid policy {self.ambiguous!r} for ambiguous times.",
                where=where,
                nearest=nearest_name(str(self.ambiguous), AMBIGUOUS) or AMBIGUOUS[0],
                fix=f"Valid policies: {', '.join(AMBIGUOUS)}.",
            )

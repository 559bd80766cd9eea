"""The declaration of features that look at single rows: the calendar, an attribute's newest value, an expression.

What belongs here: frozen declarations and their checks. Not: windows (aggregation.py) and computing (compute.py).
"""

from dataclasses import dataclass, replace
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.aggregation import LIFETIME, Feature, window_length
from lakehouse.features.events import Events
from lakehouse.features.expressions import columns_of

Part = Literal["is_weekend", "is_hour_between"]
UTC_ZONE = "UTC"
_LAST_HOUR = 23


@dataclass(frozen=True)
class CalendarFeature:
    """A 0/1 column read off the row's own event time, as clocks in `zone` show it."""

    part: Part
    column: str
    first_hour: int = 0
    last_hour: int = 0
    zone: str = UTC_ZONE

    def __post_init__(self) -> None:
        """Raises DeclarationError for hours that no day has and for an unknown time zone."""
        if not 0 <= self.first_hour <= self.last_hour <= _LAST_HOUR:
            raise DeclarationError(
                f"{self.first_hour} to {self.last_hour} are not hours of a day in order.",
                where=self.column,
                nearest="0 to 23",
            )
        if self.zone != UTC_ZONE:
            try:
                ZoneInfo(self.zone)
            except (KeyError, ValueError, OSError):
                raise DeclarationError(
                    f"There is no time zone {self.zone!r}.",
                    where=self.column,
                    nearest=nearest_name(self.zone, sorted(available_timezones())),
                ) from None

    def features(self) -> list[Feature]:
        """The one column."""
        if self.part == "is_weekend":
            return [Feature(self.column, "1 on Saturday and Sunday, else 0")]
        return [Feature(self.column, f"1 from {self.first_hour}:00 to {self.last_hour}:59 {self.zone}, else 0")]


@dataclass(frozen=True)
class Attribute:
    """A column of the entity's newest row of events, whatever it holds; null when that row is older than `ttl`.

    `until` is a column that says up to when a row holds (slowly changing rows): from then on the value is null. Of
    ties the row with the largest value counts.
    """

    source: str
    column: str
    ttl: str = LIFETIME
    until: str = ""
    events: Events | None = None

    def __post_init__(self) -> None:
        """Raises DeclarationError for a time to live without a unit."""
        window_length(self.ttl, where=f"attribute({self.source!r}), ttl")

    def of(self, events: Events) -> "Attribute":
        """The same attribute in another table of events than the feature set's source."""
        return replace(self, events=events)

    def features(self) -> list[Feature]:
        """The one column."""
        old = "" if self.ttl == LIFETIME else f", unless it is older than {self.ttl}"
        over = f", until {self.until}" if self.until else ""
        return [Feature(self.column, f"{self.source} of the newest row{old}{over}", self.ttl)]

    def columns_read(self) -> list[str]:
        """The columns of the events that decide the values, keys and times apart."""
        return [self.source, *([self.until] if self.until else [])]

    def canonical(self) -> tuple:
        """What is taken of the events, whatever it is called."""
        return ("attribute", self.source, self.until)


@dataclass(frozen=True)
class Derived:
    """An expression (SQL) over other features of the set, columns of the spine, and features of the sets it `uses`.

    What the spine's column is in training, the request brings in serving. Features of other sets are called
    `<set>__<feature>`. A result that is infinite or not a number is null.
    """

    column: str
    expression: str
    description: str = ""

    def __post_init__(self) -> None:
        """Raises DeclarationError for what is no expression over columns."""
        if not columns_of(self.expression, where=f"derived({self.column!r})"):
            raise DeclarationError(
                f"{self.expression!r} reads no column.",
                where=f"derived({self.column!r})",
                nearest="amount / amount_mean_7d",
            )

    def features(self) -> list[Feature]:
        """The one column."""
        return [Feature(self.column, self.description or self.expression)]

    @property
    def reads(self) -> list[str]:
        """The columns of the expression."""
        return columns_of(self.expression, where=f"derived({self.column!r})")


def weekend(column: str = "is_weekend", *, zone: str = UTC_ZONE) -> CalendarFeature:
    """1 on Saturday and Sunday."""
    return CalendarFeature("is_weekend", column, zone=zone)


def hour_between(first: int, last: int, column: str, *, zone: str = UTC_ZONE) -> CalendarFeature:
    """1 when the hour lies from `first` to `last`, both inclusive."""
    return CalendarFeature("is_hour_between", column, first, last, zone)


def attribute(source: str, *, named: str = "", ttl: str = LIFETIME, until: str = "") -> Attribute:
    """The newest value of a column; `named` is the feature's name where it is not the column's."""
    return Attribute(source, named or source, ttl, until)


def derived(column: str, expression: str, *, description: str = "") -> Derived:
    """A feature computed from other features and from what the spine, or the request, brings."""
    return Derived(column, expression, description)

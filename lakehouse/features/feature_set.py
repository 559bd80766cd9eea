"""The declaration of features: what one entity's features are called and how they are computed.

What belongs here: frozen declarations that check themselves. Not: computing (compute.py) or tables.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds

Aggregation = Literal["count", "sum", "mean", "rate"]
Part = Literal["is_weekend", "is_hour_between"]

MOST_DECIMALS = 18
"""Measures are summed as integers of 64 bits."""
_LAST_HOUR = 23


@dataclass(frozen=True)
class Entity:
    """What features are about, by the name of its key column."""

    key: str


@dataclass(frozen=True)
class Feature:
    """One column of a feature set."""

    column: str
    says: str


@dataclass(frozen=True)
class WindowAggregate:
    """One aggregation of one measure over several windows; each window gives one column.

    The column is `<measure>_<aggregation>_<window>`. `scale` is the number of decimals that a measure of binary
    floating point is known to have: it is summed as an integer of that many decimals, so that sums are exact.
    Decimal and integer columns need none. `default` is the value of an empty window (count and sum: 0).
    """

    aggregation: Aggregation
    measure: str
    windows: tuple[str, ...] = ()
    scale: int = 0
    default: float | None = None

    def __post_init__(self) -> None:
        """Raises DeclarationError for an unknown aggregation and for a number of decimals that no measure has."""
        where = f"{self.aggregation}({self.measure!r})"
        if self.aggregation not in get_args(Aggregation):
            raise DeclarationError(
                f"{self.aggregation!r} is no aggregation.",
                where=where,
                nearest=nearest_name(self.aggregation, get_args(Aggregation)),
                fix="Use one of: " + ", ".join(get_args(Aggregation)) + ".",
            )
        if not 0 <= self.scale <= MOST_DECIMALS:
            raise DeclarationError(
                f"A measure has from 0 to {MOST_DECIMALS} decimals, not {self.scale}.",
                where=f"{where}, scale",
                nearest="2",
            )

    def over(self, *windows: str) -> "WindowAggregate":
        """The same aggregation over these windows, such as "1d" or "12h"."""
        return WindowAggregate(self.aggregation, self.measure, windows, self.scale, self.default)

    def features(self) -> list[Feature]:
        """The columns, in the order of the windows."""
        words = {
            "count": f"number of {self.measure} events",
            "sum": f"sum of {self.measure}",
            "mean": f"mean of {self.measure}",
            "rate": f"share of events with {self.measure}",
        }
        return [
            Feature(f"{self.measure}_{self.aggregation}_{window}", f"{words[self.aggregation]} in the last {window}")
            for window in self.windows
        ]


@dataclass(frozen=True)
class CalendarFeature:
    """A 0/1 column read off the row's own event time (UTC)."""

    part: Part
    column: str
    first_hour: int = 0
    last_hour: int = 0

    def features(self) -> list[Feature]:
        """The one column."""
        if self.part == "is_weekend":
            return [Feature(self.column, "1 on Saturday and Sunday, else 0")]
        return [Feature(self.column, f"1 from {self.first_hour}:00 to {self.last_hour}:59 UTC, else 0")]


def count(name: str) -> WindowAggregate:
    """How many events; `name` says of what, for the column's name."""
    return WindowAggregate("count", name, default=0)


def total(measure: str, *, scale: int = 0) -> WindowAggregate:
    """The exact sum of a measure."""
    return WindowAggregate("sum", measure, scale=scale, default=0)


def mean(measure: str, *, scale: int = 0, default: float | None = 0.0) -> WindowAggregate:
    """The mean of a measure: its exact sum divided by the number of events."""
    return WindowAggregate("mean", measure, scale=scale, default=default)


def rate(measure: str, *, default: float | None = 0.0) -> WindowAggregate:
    """The share of events whose measure (0 or 1) is 1."""
    return WindowAggregate("rate", measure, default=default)


def weekend(column: str = "is_weekend") -> CalendarFeature:
    """1 on Saturday and Sunday."""
    return CalendarFeature("is_weekend", column)


def hour_between(first: int, last: int, column: str) -> CalendarFeature:
    """1 when the hour (UTC) lies from `first` to `last`, both inclusive."""
    return CalendarFeature("is_hour_between", column, first, last)


@dataclass(frozen=True)
class FeatureSet:
    """Features of one entity, computed together, one row for each row of the spine.

    `source` is the table of events, `spine` the table whose rows get features (default: the source), `row_key` the
    spine's column that names a row. Events count from `delay` on: a window w at time t holds the events in
    (t - delay - w, t - delay].
    """

    name: str
    entity: Entity
    source: str
    event_time: str
    features: Sequence[WindowAggregate | CalendarFeature]
    row_key: str
    description: str
    owner: str
    spine: str = ""
    delay: str = "0d"

    def __post_init__(self) -> None:
        """Raises DeclarationError for what cannot mean anything; columns of tables are checked by the domain."""
        where = f"feature set {self.name}"
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "spine", self.spine or self.source)
        if self.name.count(".") != 1:
            raise DeclarationError(
                f"{self.name!r} is not a table name.", where=where, nearest=f"domain.{self.name.replace('.', '_')}"
            )
        microseconds(self.delay, where=f"{where}, delay")
        if not self.features:
            raise DeclarationError("The feature set has no features.", where=where, fix="Declare at least one.")
        for feature in self.features:
            if isinstance(feature, WindowAggregate):
                place = f"{where}, {feature.aggregation}({feature.measure!r})"
                if not feature.windows:
                    raise DeclarationError(
                        "The aggregation has no window.",
                        where=place,
                        nearest='.over("7d")',
                        fix="Say over which windows.",
                    )
                for window in feature.windows:
                    if microseconds(window, where=f"{place}, window") == 0:
                        raise DeclarationError("A window must be longer than 0.", where=place, nearest="1d")
            elif not 0 <= feature.first_hour <= feature.last_hour <= _LAST_HOUR:
                raise DeclarationError(
                    f"{feature.first_hour} to {feature.last_hour} are not hours of a day in order.",
                    where=f"{where}, {feature.column}",
                    nearest="0 to 23",
                )
        names = [*self.spine_columns(), *self.columns]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise DeclarationError(
                f"Two columns have the same name: {', '.join(doubled)}.",
                where=where,
                fix="Give each window and measure once, and no feature the name of a key or a time.",
            )

    @property
    def columns(self) -> list[str]:
        """The feature columns, in order."""
        return [feature.column for feature in self.described()]

    def described(self) -> list[Feature]:
        """The feature columns with what they mean, in order."""
        return [feature for declared in self.features for feature in declared.features()]

    @property
    def aggregates(self) -> list[WindowAggregate]:
        """The window aggregates."""
        return [feature for feature in self.features if isinstance(feature, WindowAggregate)]

    @property
    def reach(self) -> int:
        """How far back the events matter, in microseconds: the longest window and the delay."""
        where = f"feature set {self.name}"
        windows = [microseconds(window, where=where) for one in self.aggregates for window in one.windows]
        return microseconds(self.delay, where=where) + max(windows) if windows else 0

    def source_columns(self) -> list[str]:
        """The columns that the events must have."""
        measures = [one.measure for one in self.aggregates if one.aggregation != "count"]
        return list(dict.fromkeys([self.event_time, *([self.entity.key] if self.aggregates else []), *measures]))

    def spine_columns(self) -> list[str]:
        """The columns that the spine must have."""
        return list(dict.fromkeys([self.row_key, self.event_time, self.entity.key]))

    def fingerprint(self) -> str:
        """A short hash of everything that decides the values; descriptions and owners do not."""
        content = asdict(self)
        for unimportant in ("description", "owner"):
            content.pop(unimportant)
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()[:16]


def check_columns(feature_set: FeatureSet, source: Sequence[str], spine: Sequence[str]) -> None:
    """Raises DeclarationError when the declaration names a column that its tables do not have."""
    for table, needed, known in (
        (feature_set.source, feature_set.source_columns(), source),
        (feature_set.spine, feature_set.spine_columns(), spine),
    ):
        for column in needed:
            if column not in known:
                raise DeclarationError(
                    f"{table} has no column {column!r}.",
                    where=f"feature set {feature_set.name}",
                    nearest=nearest_name(column, known),
                    fix="Use one of: " + ", ".join(known) + ".",
                )

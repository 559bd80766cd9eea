"""The declaration of aggregations over windows: what is taken of which events, over how long.

What belongs here: the frozen declaration, its check, and its columns' names and descriptions. Not: the functions that
users declare it by (window_functions.py), and computing (aggregates.py).
"""

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds, spoken
from lakehouse.features.events import Events
from lakehouse.features.expressions import canonical, columns_of

Aggregation = Literal[
    "count",
    "sum",
    "mean",
    "rate",
    "min",
    "max",
    "variance",
    "std",
    "first",
    "last",
    "last_n",
    "distinct",
    "approx_distinct",
    "quantile",
    "approx_quantile",
    "top",
    "since_last",
    "trend",
]


Value: TypeAlias = str | int | float | bool


LIFETIME = "lifetime"
"""The window that holds all events up to now."""


MOST_DECIMALS = 18
"""Measures are summed as integers of 64 bits."""


_MOST_RANKS = 50


_DESCRIPTIONS = {
    "count": "number of {measure} events",
    "sum": "sum of {measure}",
    "mean": "mean of {measure}",
    "rate": "share of events with {measure}",
    "min": "smallest {measure}",
    "max": "largest {measure}",
    "variance": "sample variance of {measure}",
    "std": "sample standard deviation of {measure}",
    "first": "first {measure}",
    "last": "newest {measure}",
    "last_n": "{measure} of the {rank} newest event",
    "distinct": "number of different {measure}",
    "approx_distinct": "approximate number of different {measure} (HyperLogLog)",
    "quantile": "{share:g}-quantile of {measure}",
    "approx_quantile": "approximate {share:g}-quantile of {measure} (DDSketch, 1%)",
    "top": "{rank} most frequent {measure}",
    "since_last": "seconds since the newest {measure} event",
    "trend": "slope of {measure} in units a day (least squares)",
}


_RANKED = ("last_n", "top")


PICKS = ("first", "last", "last_n", "top")
"""What gives a value of the column itself, of whatever type it is."""


_UNMEASURED = ("count", "since_last")


@dataclass(frozen=True)
class Feature:
    """One column of a feature set. `by` is the value of the category that it is for, `rank` its place from 1 on."""

    column: str
    description: str
    window: str = ""
    by: Value | None = None
    rank: int = 1


@dataclass(frozen=True)
class WindowAggregate:
    """One aggregation of one measure over several windows; each window gives one column.

    The column is `<measure>_<aggregation>_<window>`; `named` takes the place of the measure in it. `where` is an
    expression in SQL: only events for which it is true count. `by` is a category column with its `values`: one column
    for each value. `scale` is the number of decimals that a measure of binary floating point is declared to have: it
    is summed as an integer of that many decimals, and a value with more is an error. Without it such a measure is
    summed exactly as it is, more slowly. `default` is the value of an empty window. `number` is how many ranks there
    are (last_n, top), `share` which quantile. `events` is the table of events, where it is not the feature set's.
    """

    aggregation: Aggregation
    measure: str
    windows: tuple[str, ...] = ()
    scale: int | None = None
    default: float | None = None
    where: str = ""
    named: str = ""
    by: str = ""
    values: tuple[Value, ...] = ()
    number: int = 1
    share: float = 0.5
    events: Events | None = None

    def __post_init__(self) -> None:
        """Raises DeclarationError for what cannot be meant: an aggregation, a share, a filter that there is not."""
        object.__setattr__(self, "values", tuple(self.values))
        known = get_args(Aggregation)
        if self.aggregation not in known:
            raise DeclarationError(
                f"{self.aggregation!r} is not an aggregation.",
                where=self.place,
                nearest=nearest_name(self.aggregation, known),
                fix="Use one of: " + ", ".join(known) + ".",
            )
        if self.scale is not None and not 0 <= self.scale <= MOST_DECIMALS:
            raise DeclarationError(
                f"A measure has 0 to {MOST_DECIMALS} decimals, not {self.scale}.",
                where=f"{self.place}, scale",
                nearest="2",
            )
        if not 0 < self.share < 1:
            raise DeclarationError(
                f"A quantile's share lies between 0 and 1, not at {self.share}.",
                where=f"{self.place}, share",
                nearest="0.5",
                fix="For the ends, use smallest() and largest().",
            )
        if not 1 <= self.number <= _MOST_RANKS:
            raise DeclarationError(
                f"The number of ranks must be between 1 and {_MOST_RANKS}, not {self.number}.",
                where=f"{self.place}, number",
                nearest="3",
            )
        if self.default is not None and self.aggregation in PICKS:
            raise DeclarationError(
                "The default of a value of any type is null.",
                where=f"{self.place}, default",
                nearest="default=None",
                fix="Omit it, and use coalesce(...) in a derived feature.",
            )
        if bool(self.by) != bool(self.values) or len(set(self.slugs)) != len(self.slugs):
            raise DeclarationError(
                "by= needs values=: the different values that get a column each."
                if self.by
                else "values= needs by=: the column that has these values.",
                where=f"{self.place}, by",
                nearest='by="channel", values=("web", "shop")',
                fix="Declare `by` and different `values` together.",
            )
        columns_of(self.where, where=f"{self.place}, where")

    @property
    def place(self) -> str:
        """What errors call it."""
        return f"{self.aggregation}({self.measure!r})"

    def over(self, *windows: str) -> "WindowAggregate":
        """The same aggregation over these windows, such as "1d", "12h" or "lifetime"."""
        return replace(self, windows=windows)

    def of(self, events: Events) -> "WindowAggregate":
        """The same aggregation of another table of events than the feature set's source."""
        return replace(self, events=events)

    @property
    def measured(self) -> bool:
        """Whether a column is read; counts only need the events."""
        return self.aggregation not in _UNMEASURED

    @property
    def slugs(self) -> list[str]:
        """The values of the category as parts of column names."""
        return [re.sub(r"[^a-z0-9]+", "_", str(value).lower()).strip("_") or "none" for value in self.values]

    def columns_read(self) -> list[str]:
        """The columns of the events that decide the values, keys and times apart."""
        read = [*([self.measure] if self.measured else []), *([self.by] if self.by else [])]
        return list(dict.fromkeys([*read, *columns_of(self.where, where=self.place)]))

    def features(self) -> list[Feature]:
        """The columns: by window, then by value, then by rank."""
        stem, found = self.named or self.measure, []
        for window in self.windows:
            for value, slug in zip(self.values or (None,), self.slugs or [""], strict=True):
                for rank in range(1, self.number + 1 if self.aggregation in _RANKED else 2):
                    column = "_".join(part for part in (stem, self._word(rank), slug, window) if part)
                    found.append(Feature(column, self._described(window, value, rank), window, value, rank))
        return found

    def canonical(self) -> tuple:
        """What is computed of the events, whatever it is called: of one form means of equal values."""
        scale = self.scale if self.aggregation in {"sum", "mean", "variance", "std", "trend"} else None
        share = self.share if "quantile" in self.aggregation else None
        measure = self.measure if self.measured else ""
        kind = {"rate": "mean", "last_n": "last"}.get(self.aggregation, self.aggregation)
        where = canonical(self.where)
        where = "" if where == canonical("TRUE") else where  # which lets all events pass
        return (kind, measure, scale, self.default, where, self.by, share)

    def _word(self, rank: int) -> str:
        if "quantile" in self.aggregation:
            percent = f"{self.share * 100:g}".replace(".", "_")
            return f"approx_p{percent}" if self.aggregation.startswith("approx") else f"p{percent}"
        return {"last_n": f"last{rank}", "top": f"top{rank}"}.get(self.aggregation, self.aggregation)

    def _described(self, window: str, value: Value | None, rank: int) -> str:
        what = _DESCRIPTIONS[self.aggregation].format(measure=self.measure, share=self.share, rank=_ordinal(rank))
        only = f" where {self.where}" if self.where else ""
        of = f" with {self.by} {value}" if self.by else ""
        length = window_length(window, where=f"{self.place}, window")
        over = "ever so far" if length is None else f"in the last {spoken(length).removeprefix('1 ')}"
        return f"{what}{of}{only} {over}"


def _ordinal(rank: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(rank, f"{rank}th")


def window_length(window: str, *, where: str) -> int | None:
    """The window's length in microseconds, None for the whole lifetime. Raises DeclarationError for none at all."""
    if window == LIFETIME:
        return None
    length = microseconds(window, where=where)
    if length == 0:
        raise DeclarationError("A window must be longer than 0.", where=where.removesuffix(", window"), nearest="1d")
    return length

"""The declaration of a feature set: the features of one entity, and what they are computed from.

What belongs here: the frozen declaration of a feature set, and its check. Not: single features (aggregation.py,
row_features.py), computing (compute.py) or tables.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from lakehouse.features.aggregation import LIFETIME, Feature, WindowAggregate, window_length
from lakehouse.features.entity import Entity, Example
from lakehouse.features.events import NO_DELAY, Events
from lakehouse.features.expressions import canonical
from lakehouse.features.feature_set_checks import check_columns, check_declaration
from lakehouse.features.row_features import (
    Attribute,
    CalendarFeature,
    Derived,
    attribute,
    derived,
    hour_between,
    weekend,
)
from lakehouse.features.window_functions import (
    approx_distinct,
    approx_quantile,
    count,
    distinct,
    first,
    largest,
    last,
    last_n,
    mean,
    quantile,
    rate,
    since_last,
    smallest,
    std,
    top,
    total,
    trend,
    variance,
)

__all__ = [
    "Attribute",
    "CalendarFeature",
    "Derived",
    "Entity",
    "Events",
    "Example",
    "Feature",
    "FeatureSet",
    "WindowAggregate",
    "approx_distinct",
    "approx_quantile",
    "attribute",
    "check_columns",
    "count",
    "derived",
    "distinct",
    "first",
    "hour_between",
    "largest",
    "last",
    "last_n",
    "mean",
    "quantile",
    "rate",
    "since_last",
    "smallest",
    "std",
    "top",
    "total",
    "trend",
    "variance",
    "weekend",
]

Declared: TypeAlias = WindowAggregate | CalendarFeature | Attribute | Derived


@dataclass(frozen=True)
class FeatureSet:
    """Features of one entity, computed together, one row for each row of the spine.

    The spine is the table of entity keys and times whose rows get features. `source` is the table of events, `spine`
    the name of the spine (default: the source), `row_key` the spine's column that identifies a row. Events count from
    `delay` on: a window w at time t holds the events in (t - delay - w, t - delay]; with `available_at`, a column,
    those in (t - w, t] that were available by t. With `own_events` False the window's upper end is open. `uses` are
    feature sets whose features derived ones read.
    `engine` is the engine that computes it, where it is not the settings'. `deprecated` names what to use instead.
    """

    name: str
    entity: Entity
    source: str
    event_time: str
    features: Sequence[Declared]
    row_key: str
    description: str
    owner: str
    spine: str = ""
    delay: str = NO_DELAY
    available_at: str = ""
    own_events: bool = True
    uses: Sequence["FeatureSet"] = ()
    examples: Sequence[Example] = ()
    engine: str = ""
    deprecated: str = ""

    def __post_init__(self) -> None:
        """Raises DeclarationError for an invalid declaration; columns of tables are checked by the domain."""
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "uses", tuple(self.uses))
        object.__setattr__(self, "examples", tuple(self.examples))
        object.__setattr__(self, "spine", self.spine or self.source)
        check_declaration(self)

    @property
    def main(self) -> Events:
        """The set's own table of events."""
        return Events(self.source, self.event_time, self.delay, self.available_at)

    def events_of(self, declared: WindowAggregate | Attribute) -> Events:
        """The table of events that a feature is made of."""
        return declared.events or self.main

    @property
    def events(self) -> tuple[Events, ...]:
        """All tables of events that windows and attributes are made of."""
        return tuple(dict.fromkeys(self.events_of(one) for one in (*self.aggregates, *self.attributes)))

    def keys_of(self, events: Events) -> tuple[str, ...]:
        """The key columns of a table of events."""
        return events.keys or self.entity.keys

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
    def attributes(self) -> list[Attribute]:
        """The attributes."""
        return [feature for feature in self.features if isinstance(feature, Attribute)]

    @property
    def derivations(self) -> list[Derived]:
        """The derived features, in order: one may read those before it."""
        return [feature for feature in self.features if isinstance(feature, Derived)]

    def forms(self) -> list[tuple[tuple, str]]:
        """What each feature computes, whatever it is called and however it is written, and its column."""
        rows = (self.spine, self.event_time)
        known: dict[str, tuple] = {name: ("column", *rows, name) for name in self.spine_columns()}
        for used in self.uses:
            short = used.name.rsplit(".", 1)[-1]
            known |= {f"{short}__{column}": ("newest", used.entity.keys, form) for form, column in used.forms()}
        found = []
        for declared in self.features:
            for feature in declared.features():
                form = (*rows, *self._form(declared, feature, known))
                known[feature.column] = form
                found.append((form, feature.column))
        return found

    def _form(self, declared: Declared, feature: Feature, known: Mapping[str, tuple]) -> tuple:
        if isinstance(declared, Derived):
            return ("derived", canonical(declared.expression, known))
        if isinstance(declared, CalendarFeature):
            return (declared.part, declared.first_hour, declared.last_hour, declared.zone)
        events = self.events_of(declared)
        where = f"feature set {self.name}"
        read = (events.table, events.event_time, events.late, events.available_at, self.keys_of(events))
        window = window_length(feature.window, where=where)
        return (self.entity.keys, self.own_events, *read, *declared.canonical(), window, feature.by, feature.rank)

    def reach(self, table: str) -> int | None:
        """How far back rows of `table` matter, in microseconds: the longest window and delay; None: without end."""
        if any(table == used.name for used in self.uses):
            return None
        furthest = 0
        for events in self.events:
            if events.table == table:
                length = window_length(self.longest(events), where=f"feature set {self.name}")
                if length is None:
                    return None
                furthest = max(furthest, length + events.late)
        return furthest

    def longest(self, events: Events) -> str:
        """The longest window, or time to live, over a table of events."""
        windows = [window for one in self.aggregates if self.events_of(one) == events for window in one.windows]
        windows += [one.ttl for one in self.attributes if self.events_of(one) == events]
        if LIFETIME in windows:
            return LIFETIME
        return max(windows, key=lambda window: window_length(window, where=f"feature set {self.name}") or 0)

    def inputs(self) -> list[str]:
        """The tables it is made from; the spine first."""
        return list(dict.fromkeys([self.spine, *self.tables_read()]))

    def tables_read(self) -> list[str]:
        """The tables that the kernel needs beside the spine: of events, and of sets that are used."""
        return list(dict.fromkeys([*(one.table for one in self.events), *(one.name for one in self.uses)]))

    def times_of(self, table: str) -> list[str]:
        """The columns by whose time rows of `table` count."""
        times = [one.event_time for one in self.events if one.table == table]
        return list(dict.fromkeys([*times, *(one.event_time for one in self.uses if one.name == table)]))

    def columns_of(self, table: str) -> list[str]:
        """The columns that `table` must have: as a table of events, as a set that is used, as the spine."""
        needed = self.spine_columns() if table == self.spine else []
        for one in (*self.aggregates, *self.attributes):
            events = self.events_of(one)
            if events.table == table:
                needed += [events.event_time, *self.keys_of(events), *one.columns_read()]
                needed += [events.available_at] if events.available_at else []
        for used in self.uses:
            needed += self.columns_used(used) if used.name == table else []
        return list(dict.fromkeys(needed))

    def columns_used(self, used: "FeatureSet") -> list[str]:
        """The columns of a set that is used: its keys and time, and the features that expressions read."""
        short = used.name.rsplit(".", 1)[-1]
        read = {name for one in self.derivations for name in one.reads}
        return [*used.spine_keys(), *(column for column in used.columns if f"{short}__{column}" in read)]

    def spine_keys(self) -> list[str]:
        """The columns that name a spine row: its key, its time, the entity's keys."""
        return list(dict.fromkeys([self.row_key, self.event_time, *self.entity.keys]))

    def spine_columns(self) -> list[str]:
        """The columns that the spine must have: what names a row, and what derived features read of it."""
        foreign = {f"{used.name.rsplit('.', 1)[-1]}__{column}" for used in self.uses for column in used.columns}
        request = [name for one in self.derivations for name in one.reads]
        request = [name for name in request if name not in self.columns and name not in foreign]
        keys = [key for used in self.uses for key in used.entity.keys]
        return list(dict.fromkeys([*self.spine_keys(), *keys, *request]))

    def fingerprint(self) -> str:
        """A short hash of everything that decides the values; words, owners and engines do not."""
        content = _content(self)
        for unimportant in ("description", "owner", "examples", "engine", "deprecated"):
            content.pop(unimportant, None)
        content["uses"] = [used.fingerprint() for used in self.uses]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _content(declared: Any) -> dict[str, Any]:  # noqa: ANN401  # any frozen declaration
    """Return a declaration's fields without those at their default, so that a new field changes no fingerprint."""
    values = {one.name: getattr(declared, one.name) for one in fields(declared)}
    given = {one.name: values[one.name] for one in fields(declared) if values[one.name] != one.default}
    for name, value in given.items():
        if is_dataclass(value):
            given[name] = _content(value)
        elif isinstance(value, tuple):
            given[name] = [{"is": type(one).__name__, **_content(one)} if is_dataclass(one) else one for one in value]
    return given

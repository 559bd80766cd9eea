"""The reference interpreter: the simple, slow definition of every feature, which engines are tested against.

What belongs here: for each row of the spine, a look at every event, in exact arithmetic (fractions). Not: speed. The
windows, ties, nulls and defaults of a feature are what this file says. Nothing but tests runs it.
"""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from lakehouse.features.aggregation import LIFETIME, Feature, WindowAggregate
from lakehouse.features.events import Events
from lakehouse.features.expressions import is_true, values_of
from lakehouse.features.feature_set import Declared, FeatureSet
from lakehouse.features.row_features import Attribute, CalendarFeature, Derived
from lakehouse.features.sketches import bucket_values, buckets, distinct_estimate, registers_and_ranks

Row: TypeAlias = Mapping[str, Any]
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class EventTable(NamedTuple):
    """A table as plain rows, and of which of them a condition is true, by the condition and the row's identity."""

    rows: list[dict[str, Any]]
    schema: pa.Schema
    chosen: dict[tuple[str, int], bool]

    def is_true(self, condition: str, row: Row) -> bool:
        """Whether a condition is true of one of the rows. Each row is evaluated alone, and once."""
        key = condition, id(row)
        if key not in self.chosen:
            alone = pa.Table.from_pylist([row], self.schema)
            self.chosen[key] = bool(is_true(condition, alone, where="")[0])
        return self.chosen[key]


Seen: TypeAlias = dict[tuple[Events, str], list[Row]]
"""The events of one spine row by window; by "", all of its entity's."""


def feature_rows(feature_set: FeatureSet, tables: Mapping[str, pa.Table], spine: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows of a feature set for `spine`, from tables of events by name, in order of time and row key."""
    by_place = lambda row: (_utc(row[feature_set.event_time]), row[feature_set.row_key])  # noqa: E731
    prepared = {name: EventTable(table.to_pylist(), table.schema, {}) for name, table in tables.items()}
    return [one_row(feature_set, prepared, place) for place in sorted(spine, key=by_place)]


def one_row(feature_set: FeatureSet, tables: Mapping[str, EventTable], place: Row) -> dict[str, Any]:
    """The features of one spine row."""
    known = {**place, **_used(feature_set, tables, place)}
    seen: Seen = {}
    # Derived features read any other, wherever it is declared; of each other those that stand before.
    for declared in sorted(feature_set.features, key=lambda one: isinstance(one, Derived)):
        for feature in declared.features():
            known[feature.column] = value_of(feature_set, declared, feature, tables, known, seen)
    return {name: known[name] for name in [*feature_set.spine_keys(), *feature_set.columns]}


def value_of(
    feature_set: FeatureSet,
    declared: Declared,
    feature: Feature,
    tables: Mapping[str, EventTable],
    known: Row,
    seen: Seen,
) -> Any:  # noqa: ANN401  # of any type
    """One feature of one spine row, whose columns and features so far are `known`."""
    now = _utc(known[feature_set.event_time])
    if isinstance(declared, CalendarFeature):
        return calendar_value(declared, now)
    if isinstance(declared, Derived):
        return _expression(declared, known)
    events = feature_set.events_of(declared)
    prepared, own, window = tables[events.table], (events, ""), (events, feature.window)
    if own not in seen:
        seen[own] = [event for event in prepared.rows if same_entity(feature_set, events, event, known)]
    if window not in seen:
        seen[window] = [event for event in seen[own] if in_window(feature_set, events, feature.window, event, now)]
    if isinstance(declared, Attribute):
        return attribute_value(declared, events, seen[window], now)
    return window_value(declared, feature, events, seen[window], now, prepared)


def same_entity(feature_set: FeatureSet, events: Events, event: Row, place: Row) -> bool:
    """Keys match when all columns are equal; a null matches nothing."""
    pairs = zip(feature_set.keys_of(events), feature_set.entity.keys, strict=True)
    return all(event[there] is not None and event[there] == place[here] for there, here in pairs)


def in_window(feature_set: FeatureSet, events: Events, window: str, event: Row, now: datetime) -> bool:
    """Whether an event lies in (now - delay - window, now - delay], and was available by now where that is declared."""
    happened, until = _utc(event[events.event_time]), now - length(events.delay)
    if happened > until or (happened == until and not feature_set.own_events):
        return False
    if window != LIFETIME and happened <= until - length(window):
        return False
    if not events.available_at:
        return True
    available = event[events.available_at]
    return available is not None and _utc(available) <= now


def window_value(  # noqa: C901, PLR0911, PLR0912  # one line an aggregation
    one: WindowAggregate, feature: Feature, events: Events, inside: Sequence[Row], now: datetime, prepared: EventTable
) -> Any:  # noqa: ANN401
    """The value of an aggregation over the events in its window."""
    if one.by:
        inside = [event for event in inside if event[one.by] == feature.by]
    if one.where:
        inside = [event for event in inside if prepared.is_true(one.where, event)]
    if one.aggregation == "count":
        return len(inside)
    if one.aggregation == "since_last":
        newest = max((_utc(event[events.event_time]) for event in inside), default=None)
        late = length(events.delay)
        return one.default if newest is None else (now - late - newest) // timedelta(microseconds=1) / 1_000_000
    inside = [event for event in inside if not missing(event[one.measure])]
    kind = prepared.schema.field(one.measure).type
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if one.aggregation == "sum" and pa.types.is_decimal(kind):
        whole = kind.scale == 0
    if not inside:
        return empty(one, whole=whole)
    # In order of time; of ties the smaller value comes first.
    ordered = [
        plain(event[one.measure])
        for event in sorted(inside, key=lambda e: (_utc(e[events.event_time]), e[one.measure]))
    ]
    values = sorted(ordered)
    if one.aggregation == "first":
        return ordered[0]
    if one.aggregation in {"last", "last_n"}:
        return ordered[-feature.rank] if feature.rank <= len(ordered) else None
    if one.aggregation == "top":
        frequent = sorted(Counter(values).items(), key=lambda each: (-each[1], each[0]))
        return frequent[feature.rank - 1][0] if feature.rank <= len(frequent) else None
    if one.aggregation == "distinct":
        return len(set(values))
    if one.aggregation == "approx_distinct":
        return hyperloglog(values)
    if one.aggregation in {"min", "max"}:
        return number_of(values[0] if one.aggregation == "min" else values[-1], one, whole=whole)
    if one.aggregation == "quantile":
        return number_of(values[least_number(one.share, len(values)) - 1], one, whole=whole)
    if one.aggregation == "approx_quantile":
        found = sorted(buckets(np.array(values, dtype=np.float64)))[least_number(one.share, len(values)) - 1]
        return float(bucket_values(np.array([found]))[0])
    numbers = [exact(value, one.scale) for value in values]
    if one.aggregation == "sum":
        return int(sum(numbers)) if whole else rounded(sum(numbers, Fraction(0)), one)
    if one.aggregation in {"mean", "rate"}:
        return rounded(sum(numbers, Fraction(0)) / len(numbers), one)
    if one.aggregation in {"variance", "std"}:
        if len(numbers) < 2:  # noqa: PLR2004  # of one there is none
            return one.default
        center = sum(numbers, Fraction(0)) / len(numbers)
        spread = sum(((number - center) ** 2 for number in numbers), Fraction(0)) / (len(numbers) - 1)
        if one.aggregation == "std" and spread <= sys.float_info.max:
            return math.sqrt(float(spread))
        return rounded(spread, one)
    return slope(one, events, inside)


def number_of(value: Any, one: WindowAggregate, *, whole: bool) -> float | None:  # noqa: ANN401
    """A value as a number; one that is infinite is none that could be published."""
    if isinstance(value, float) and math.isinf(value):
        return empty(one, whole=whole)
    return int(value) if whole else float(value)


def rounded(number: Fraction | int, one: WindowAggregate) -> float | None:
    """The nearest float64; none where no float64 is so large."""
    try:
        return float(number)
    except OverflowError:
        return empty(one, whole=False)


def empty(one: WindowAggregate, *, whole: bool) -> float | None:
    """The declared default, in the type of the column: whole numbers stay whole."""
    if one.default is None or one.aggregation in {"distinct", "approx_distinct"}:
        return one.default
    return int(one.default) if whole and one.aggregation in {"sum", "min", "max", "quantile"} else float(one.default)


def slope(one: WindowAggregate, events: Events, inside: Sequence[Row]) -> float | None:
    """Least squares of the measure over time in days; none without two different times."""
    points = [
        (Fraction((_utc(event[events.event_time]) - _EPOCH) // timedelta(microseconds=1), 86_400_000_000), event)
        for event in inside
    ]
    values = [(day, exact(event[one.measure], one.scale)) for day, event in points]
    mean_day, mean_value = (sum(each, Fraction(0)) / len(values) for each in zip(*values, strict=True))
    spread = sum(((day - mean_day) ** 2 for day, _ in values), Fraction(0))
    if not spread:
        return one.default
    together = sum(((day - mean_day) * (value - mean_value) for day, value in values), Fraction(0))
    return rounded(together / spread, one)


def attribute_value(one: Attribute, events: Events, inside: Sequence[Row], now: datetime) -> Any:  # noqa: ANN401
    """What the newest row holds; of ties the largest value (null is the smallest) that holds longest."""

    def order(event: Row) -> tuple:
        value, until = event[one.source], event[one.until] if one.until else None
        known = not missing(value)
        return (_utc(event[events.event_time]), known, value if known else 0, until is None, until or _EPOCH)

    if not inside:
        return None
    newest = max(inside, key=order)
    until = newest[one.until] if one.until else None
    return None if until is not None and _utc(until) <= now else plain(newest[one.source])


def calendar_value(one: CalendarFeature, at: datetime) -> int:
    """What a clock in the zone shows."""
    shown = at.replace(tzinfo=UTC).astimezone(ZoneInfo(one.zone))
    if one.part == "is_weekend":
        return int(shown.isoweekday() > 5)  # noqa: PLR2004  # Friday
    return int(one.first_hour <= shown.hour <= one.last_hour)


def least_number(share: float, of: int) -> int:
    """The least number of `of` values that make up the share."""
    return math.ceil(Fraction(str(share)) * of)


def hyperloglog(values: Sequence[Any]) -> int:
    """The estimate from registers that hold the largest rank that came to them."""
    held: dict[int, int] = {}
    for register, rank in zip(*registers_and_ranks(pa.array(sorted(set(values)))), strict=True):
        held[int(register)] = max(held.get(int(register), 0), int(rank))
    at_least = [np.array([sum(rank >= least for rank in held.values())]) for least in range(1, max(held.values()) + 1)]
    return round(float(distinct_estimate(at_least)[0]))


def exact(value: Any, scale: int | None) -> Fraction:  # noqa: ANN401
    """A measure as it is, or without the error of binary floating point where its decimals are declared."""
    return Fraction(round(Decimal(value), scale)) if isinstance(value, float) and scale is not None else Fraction(value)


def plain(value: Any) -> Any:  # noqa: ANN401
    """Of the two zeros of floating point, which are equal, there is one."""
    return value + 0.0 if isinstance(value, float) else value


def missing(value: Any) -> bool:  # noqa: ANN401
    """Null and not-a-number are no values."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def length(text: str) -> timedelta:
    """`7d` as a length of time."""
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # times are UTC, without a zone


def _utc(time: datetime) -> datetime:
    """A time as the same moment in UTC, without a zone."""
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _expression(one: Derived, known: Row) -> Any:  # noqa: ANN401
    value = values_of(one.expression, pa.table({name: [known[name]] for name in one.reads}), where="")[0]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _used(feature_set: FeatureSet, tables: Mapping[str, EventTable], place: Row) -> dict[str, Any]:
    """Features of other sets, from the newest row of their entity at the row's time."""
    found: dict[str, Any] = {}
    for used in feature_set.uses:
        rows = [
            row
            for row in tables[used.name].rows
            if all(row[key] is not None and row[key] == place[key] for key in used.entity.keys)
            and _utc(row[used.event_time]) <= _utc(place[feature_set.event_time])
        ]
        newest = max(rows, key=lambda row: (_utc(row[used.event_time]), row[used.row_key]), default={})
        short = used.name.rsplit(".", 1)[-1]
        found.update({f"{short}__{name}": newest.get(name) for name in used.columns})
    return found

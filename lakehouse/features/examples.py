"""Examples in declarations, run as tests.

What belongs here: from an example's rows to tables, and what came out otherwise than expected. Not: declaring examples
(feature_set.py) and computing (compute.py).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.compute import compute_rows
from lakehouse.features.feature_set import Attribute, FeatureSet

_CLOSE = 1e-9
_NOWHERE = "example.spine"


@dataclass(frozen=True)
class Difference:
    """A feature whose value is not the one that an example expects; `example` counts from 1."""

    feature_set: str
    example: int
    column: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return (
            f"Example {self.example} of {self.feature_set} expects {self.column} to be {self.expected!r}, "
            f"and it is {self.found!r}."
        )


def all_differences(feature_set: FeatureSet) -> list[Difference]:
    """What the set's examples expect otherwise than it is; none when they hold."""
    numbers = range(1, len(feature_set.examples) + 1)
    return [difference for number in numbers for difference in differences(feature_set, number)]


def differences(feature_set: FeatureSet, number: int = 1) -> list[Difference]:
    """What the set's example of that number, from 1, expects otherwise than it is.

    Numbers may differ by one part in a billion, everything else not at all. Times may be texts in ISO form, UTC.
    Raises DeclarationError for an example that names a table or a column that the set has not, or leaves one out.
    """
    example = feature_set.examples[number - 1]
    where = f"feature set {feature_set.name}, example {number}"
    _check_names("table", example.given, feature_set.inputs(), where)
    _check_names("feature", example.expected, feature_set.columns, where)
    place = {feature_set.row_key: 0, **example.at}
    spine = _table([place], feature_set.spine_columns(), feature_set, place, f"{where}, at")
    # Of a table that is the spine as well, an example need only give what is read of it as events.
    elsewhere = replace(feature_set, spine=_NOWHERE)
    tables = {
        name: _table(example.given.get(name, ()), elsewhere.columns_of(name), feature_set, place, f"{where}, {name}")
        for name in elsewhere.inputs()
        if name != _NOWHERE
    }
    (row,) = compute_rows(feature_set, tables, spine).to_pylist()
    return [
        Difference(feature_set.name, number, column, expected, row[column])
        for column, expected in example.expected.items()
        if not _same(expected, row[column])
    ]


def _table(
    rows: Iterable[Mapping[str, Any]], columns: list[str], feature_set: FeatureSet, place: Mapping[str, Any], where: str
) -> pa.Table:
    """Rows as a table of `columns`. Without rows a key has the type that it has in `place`, a measure is a number."""
    found = list(rows)
    for row in found:
        _check_names("column", columns, row, where)
    times, arrays = _times(feature_set), []
    for column in columns:
        values = [row[column] for row in found]
        if column in times:
            arrays.append(pa.array([_moment(value, f"{where}, {column}") for value in values], pa.timestamp("us")))
            continue
        array = pa.array(values)
        if pa.types.is_null(array.type):
            array = array.cast(pa.array([place[column]]).type if column in place else pa.float64())
        arrays.append(array)
    return pa.table(arrays, names=columns)


def _times(feature_set: FeatureSet) -> set[str]:
    """The columns that hold times."""
    events = {name for one in feature_set.events for name in (one.event_time, one.available_at)}
    until = {one.until for one in feature_set.features if isinstance(one, Attribute)}
    return {feature_set.event_time, *(one.event_time for one in feature_set.uses), *events, *until}


def _moment(value: Any, where: str) -> datetime | None:  # noqa: ANN401  # what somebody wrote
    """A time in UTC without a zone."""
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise DeclarationError(
            f"{value!r} is not a time.", where=where, nearest="2018-04-01 09:30:00", fix="Write it in ISO form, in UTC."
        ) from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _check_names(kind: str, named: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in named:
        if name not in known:
            raise DeclarationError(
                f"There is no {kind} {name!r} here.",
                where=where,
                nearest=nearest_name(name, known),
                fix="There are: " + ", ".join(known) + ".",
            )


def _same(expected: Any, found: Any) -> bool:  # noqa: ANN401  # whatever a feature can be
    if expected is None or found is None or isinstance(expected, str) or isinstance(found, str):
        return expected == found
    if isinstance(expected, datetime):
        return _moment(expected, "") == found
    return math.isclose(float(expected), float(found), rel_tol=_CLOSE, abs_tol=_CLOSE)

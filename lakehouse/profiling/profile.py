"""Delivery profiles: a record of bounded size, by which a delivery can be compared with others without its rows.

What belongs here: the record of a delivery, making it from rows (many deliveries at once), merging, its JSON. Not: the
record of a column (column_profile.py), keeping records (history.py), evaluating them (anomalies.py, drift/).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.contracts.columns import Column
from lakehouse.profiling.co_occurrence import co_occurrences_of
from lakehouse.profiling.column_profile import ColumnProfile, merge_columns
from lakehouse.profiling.column_values import Bits, Values, combine, profile_values, smallest_hashes, values_of
from lakehouse.profiling.dependencies import dependencies, sample_of

__all__ = ["ColumnProfile", "DeliveryProfile", "merge", "profile_rows", "profile_table"]

ROW_SKETCH = 256
"""Hashes of rows that are kept at most."""
_VERSION = 1
_RELATED = 20
"""Columns whose dependencies are looked at."""
_DECIDES = 0.8
"""From this strength on (0: no better than the most frequent value, 1: always) rows of one a come with one b."""
_EPOCH = date(1970, 1, 1)
_DAY = 86_400_000_000


@dataclass(frozen=True)
class DeliveryProfile:
    """One delivery, or several merged.

    `day`: the day (UTC) that most of its rows are of, `first_day` and `last_day` those of its first and last event;
    None where no row has an event time. `event_time`: the column that tells it. `repeated`: rows that equal another one
    before them. `row_sketch`: the smallest hashes of its different rows, ascending. `dependencies`: strength and rows
    by pair (dependencies.py). `co_occurrences`: which values come together, by pair (co_occurrence.py).
    """

    fingerprint: str
    rows: int
    columns: Mapping[str, ColumnProfile]
    source: str = ""
    delivery: str = ""
    first_day: date | None = None
    last_day: date | None = None
    day: date | None = None
    event_time: str = ""
    repeated: int = 0
    row_sketch: tuple[int, ...] = ()
    dependencies: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    co_occurrences: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def row_sketch_array(self) -> np.ndarray:
        """The sketch of rows as an array."""
        return np.array(self.row_sketch, np.int64)

    @cached_property
    def co_occurrence_arrays(self) -> dict[str, np.ndarray]:
        """The co-occurring values as arrays."""
        return {pair: np.array(one, np.int64) for pair, one in self.co_occurrences.items()}

    @cached_property
    def worths(self) -> dict[str, float]:
        """How many independent rows each row of a column is worth, from 0 to 1, where it is not one.

        Where all rows of one order have one country, there are as many independent countries as orders: chance moves
        their shares as much. A column with many values that decides this one says so.
        """
        found: dict[str, float] = {}
        for pair, (strength, _) in self.dependencies.items():
            other, arrow, name = pair.partition(" => " if " => " in pair else " > ")
            column, decider = self.columns.get(name), self.columns.get(other)
            if not arrow or column is None or decider is None or not column.finite:
                continue
            if strength >= _DECIDES and decider.diversity >= np.sqrt(column.finite):
                found[name] = min(found.get(name, 1.0), decider.diversity / column.finite)
        return found

    @cached_property
    def measured_pairs(self) -> tuple[tuple[str, ...], np.ndarray]:
        """The pairs of `dependencies`, with their strengths and rows as an array of shape (pairs, 2)."""
        return tuple(self.dependencies), np.array(list(self.dependencies.values()), float).reshape(-1, 2)

    def named(self, source: str, delivery: str) -> "DeliveryProfile":
        """The same, with the names of its source and its file."""
        return replace(self, source=source, delivery=delivery)

    def content(self) -> str:
        """The columns and the rest of what is compared, as JSON."""
        return json.dumps(
            {
                "version": _VERSION,
                "day": self.day.isoformat() if self.day else None,
                "event_time": self.event_time,
                "repeated": self.repeated,
                "row_sketch": self.row_sketch,
                "dependencies": self.dependencies,
                "co_occurrences": self.co_occurrences,
                "columns": [one.as_dict() for one in self.columns.values()],
            },
            separators=(",", ":"),
        )

    def as_row(self) -> dict[str, Any]:
        """A flat row for the table slipway.profiles."""
        return {
            "source": self.source,
            "delivery": self.delivery,
            "fingerprint": self.fingerprint,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "rows": self.rows,
            "content": self.content(),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "DeliveryProfile":
        """The inverse of `as_row`. Raises ValueError for content that this version did not write."""
        content = json.loads(row["content"])
        if content.get("version") != _VERSION:
            raise ValueError(f"A profile of version {content.get('version')}, not {_VERSION}.")
        columns = [ColumnProfile.from_dict(one) for one in content["columns"]]
        return cls(
            fingerprint=row["fingerprint"],
            rows=row["rows"],
            columns={one.name: one for one in columns},
            source=row["source"],
            delivery=row["delivery"],
            first_day=row["first_day"],
            last_day=row["last_day"],
            day=date.fromisoformat(content["day"]) if content["day"] else None,
            event_time=content["event_time"],
            repeated=content["repeated"],
            row_sketch=tuple(content["row_sketch"]),
            dependencies={pair: (float(size), int(rows)) for pair, (size, rows) in content["dependencies"].items()},
            co_occurrences={pair: tuple(one) for pair, one in content.get("co_occurrences", {}).items()},
        )


def profile_rows(
    rows: pa.Table, columns: Iterable[Column], by: str = "_fingerprint", *, event_time: str | None = None
) -> dict[str, DeliveryProfile]:
    """The profile of every delivery in `rows`, by the fingerprint that the column `by` gives each row.

    Contract columns that `rows` does not have are left out. `event_time`: the column that says of which day a row is;
    without it, the first column of times is.
    """
    there = set(rows.column_names)
    names = [one.name for one in columns if one.name in there]
    encoded = rows.column(by).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(encoded.dictionary)), side="right")
    begins = np.concatenate([[0], ends])[:-1]
    groups = {
        str(name): order[begin:end]
        for name, begin, end in zip(encoded.dictionary.to_pylist(), begins, ends, strict=True)
    }
    return _profiles(rows.select(names), groups, event_time)


def profile_table(rows: pa.Table, fingerprint: str, *, event_time: str | None = None) -> DeliveryProfile:
    """The profile of a table with all of its columns, as one delivery; it may have no rows."""
    return _profiles(rows, {fingerprint: np.arange(rows.num_rows)}, event_time)[fingerprint]


def merge(profiles: Sequence[DeliveryProfile], fingerprint: str = "") -> DeliveryProfile:
    """Several deliveries as one, in whatever order. Raises ValueError when there is none.

    `repeated` counts repetitions within each delivery; a dependency's strength is the mean over rows. Co-occurring
    values are of single deliveries only.
    """
    if not profiles:
        raise ValueError("There is nothing to merge.")
    if len(profiles) == 1:
        return profiles[0]
    names = dict.fromkeys(name for one in profiles for name in one.columns)
    pairs: dict[str, list[tuple[float, int]]] = {}
    for one in profiles:
        for pair, measured in one.dependencies.items():
            pairs.setdefault(pair, []).append(measured)
    days = [one.day for one in profiles if one.day]
    sources = {one.source for one in profiles}
    return DeliveryProfile(
        fingerprint=fingerprint,
        rows=sum(one.rows for one in profiles),
        columns={name: merge_columns([one.columns[name] for one in profiles if name in one.columns]) for name in names},
        source=sources.pop() if len(sources) == 1 else "",
        first_day=min((one.first_day for one in profiles if one.first_day), default=None),
        last_day=max((one.last_day for one in profiles if one.last_day), default=None),
        day=max(days, key=lambda day: (sum(one.rows for one in profiles if one.day == day), day)) if days else None,
        event_time=profiles[-1].event_time,
        repeated=sum(one.repeated for one in profiles),
        row_sketch=tuple(sorted({one for profile in profiles for one in profile.row_sketch})[:ROW_SKETCH]),
        dependencies={
            pair: (
                sum(size * rows for size, rows in measured) / sum(rows for _, rows in measured),
                sum(rows for _, rows in measured),
            )
            for pair, measured in pairs.items()
        },
    )


def _profiles(rows: pa.Table, groups: Mapping[str, np.ndarray], event_time: str | None) -> dict[str, DeliveryProfile]:
    hashes = np.zeros(rows.num_rows, np.uint64)
    found: dict[str, dict[str, ColumnProfile]] = {name: {} for name in groups}
    related: list[Values] = []
    days = None
    for name in rows.column_names:
        values = values_of(name, rows.column(name))
        hashes = combine(hashes, values.hashes)
        for group, places in groups.items():
            found[group][name] = profile_values(values, places)
        if name == event_time or (days is None and event_time is None and values.kind == "time"):
            days = values
        if len(related) < _RELATED:
            related.append(values)
    return {group: _delivery(group, found[group], hashes, places, days, related) for group, places in groups.items()}


def _delivery(
    fingerprint: str,
    columns: Mapping[str, ColumnProfile],
    hashes: Bits,
    places: np.ndarray,
    days: Values | None,
    related: Sequence[Values],
) -> DeliveryProfile:
    different = np.unique(hashes[places])
    first = last = most = None
    if days is not None and days.exact is not None:
        numbers = days.exact[places][days.given[places]] // _DAY
        if len(numbers):
            found, counts = np.unique(numbers, return_counts=True)
            first, last, most = (_day(one) for one in (found[0], found[-1], found[np.argmax(counts)]))
    return DeliveryProfile(
        fingerprint=fingerprint,
        rows=len(places),
        columns=columns,
        first_day=first,
        last_day=last,
        day=most,
        event_time=days.name if days is not None else "",
        repeated=len(places) - len(different),
        row_sketch=smallest_hashes(different, ROW_SKETCH),
        dependencies=dependencies(related, sample_of(hashes, places)),
        co_occurrences=co_occurrences_of(related, places, hashes, columns),
    )


def _day(number: int) -> date | None:
    try:
        return _EPOCH + timedelta(days=int(number))
    except OverflowError:  # a time far beyond the calendar
        return None

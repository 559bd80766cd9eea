"""A table of events beside a spine: common entity codes, columns that are read once, and the order of events.

What belongs here: what all windows over one table of events share. Not: windows (window_columns.py).
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError
from lakehouse.features.aggregation import Value, WindowAggregate
from lakehouse.features.column_reading import Reading
from lakehouse.features.columns import entity_codes, event_times
from lakehouse.features.events import Events
from lakehouse.features.expressions import is_true
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.layout import Layout
from lakehouse.features.windows import Ints, Spine, Timeline


@dataclass(frozen=True)
class EventHistory:
    """A table of events beside a spine: their entities' common codes, and what was read of its columns."""

    feature_set: FeatureSet
    events: Events
    table: pa.Table
    codes: Ints
    time: Ints
    spine: Spine
    available: Ints | None
    readings: dict[tuple[str, int | None], Reading] = field(default_factory=dict)
    masks: dict[tuple, np.ndarray | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls, feature_set: FeatureSet, events: Events, table: pa.Table, spine: pa.Table, time: Ints
    ) -> "EventHistory":
        """Read the keys and times of a table of events for the spine's rows, whose times are `time`."""
        where = f"feature set {feature_set.name}, {events.table}"
        key_place = f"feature set {feature_set.name}, key of {events.table}"
        keys = [table.column(key) for key in feature_set.keys_of(events)]
        shared = table is spine and feature_set.keys_of(events) == feature_set.entity.keys
        if shared:
            (codes,), entities = entity_codes(keys, where=key_place)
            there = codes
        else:
            wanted = [spine.column(key) for key in feature_set.entity.keys]
            (codes, there), entities = entity_codes(keys, wanted, where=key_place)
        happened = time if table is spine and events.event_time == feature_set.event_time else None
        happened = event_times(table, events.event_time, where=where) if happened is None else happened
        timeline = Timeline(codes, happened, entities) if shared and happened is time else None
        available = _available(table, events.available_at, happened, where) if events.available_at else None
        return cls(feature_set, events, table, codes, happened, Spine(there, time, entities, timeline), available)

    def reading(self, column: str, scale: int | None, place: str) -> Reading:
        """The column, read once."""
        key = (column, scale)
        if key not in self.readings:
            where = f"feature set {self.feature_set.name}, {place}"
            self.readings[key] = Reading(self.table.column(column), scale, where)
        return self.readings[key]

    def kept(self, one: WindowAggregate, value: Value | None, reading: Reading) -> tuple[tuple, np.ndarray | None]:
        """Which events an aggregation looks at (None: all), and a key that is equal where those are the same."""
        skipped = one.measure if one.measured and reading.present is not None else ""
        key = (one.where, one.by, type(value), value, skipped)
        if key not in self.masks:
            where = f"feature set {self.feature_set.name}, {one.place}"
            masks = [self.codes >= 0] if len(self.codes) and self.codes.min() < 0 else []
            masks += [is_true(one.where, self.table, where=f"{where}, where").to_numpy()] if one.where else []
            masks += [_equal(self.table.column(one.by), value, f"{where}, by")] if one.by else []
            masks += [reading.present] if skipped and reading.present is not None else []
            self.masks[key] = np.logical_and.reduce(masks) if masks else None
        return key, self.masks[key]

    def timeline(self, mask: np.ndarray | None) -> tuple[Timeline, Layout]:
        """The events that a mask lets pass, sorted."""
        timeline = self.spine.timeline if mask is None else None
        rows = None if mask is None else np.flatnonzero(mask)
        if timeline is None:
            codes, time = (self.codes, self.time) if rows is None else (self.codes[rows], self.time[rows])
            timeline = Timeline(codes, time, self.spine.entities)
        order, entity, time = timeline.arranged
        return timeline, Layout(order if rows is None else rows[order], entity, time)


def _available(table: pa.Table, column: str, happened: Ints, where: str) -> Ints:
    """When each event was available, not before it happened; one that has no such time never was."""
    there = pc.is_valid(table.column(column))
    available = np.full(len(table), np.iinfo(np.int64).max)
    known = np.flatnonzero(there.to_numpy())
    available[known] = np.maximum(event_times(table.filter(there), column, where=where), happened[known])
    return available


def _equal(column: pa.ChunkedArray, value: Value | None, where: str) -> np.ndarray:
    """Which rows hold the value of a category."""
    try:
        same = pc.equal(column, pa.scalar(value).cast(column.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SlipwayError(
            f"The category is {column.type}, which is never {value!r}.",
            where=where,
            nearest=str(column.type),
            fix="Declare values of the column's type.",
        ) from error
    return pc.fill_null(same, False).to_numpy(zero_copy_only=False)  # noqa: FBT003  # Arrow's value

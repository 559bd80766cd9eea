"""Computing a feature set's rows from tables in memory: the one kernel that every engine runs.

What belongs here: putting a feature set's columns together. Not: reading tables (engines), window columns
(window_columns.py), and aggregations (aggregates.py). reference.py defines what each number means.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.features.aggregation import Value, WindowAggregate
from lakehouse.features.columns import event_times
from lakehouse.features.event_history import EventHistory
from lakehouse.features.events import Events
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.row_features import Attribute
from lakehouse.features.row_values import calendar_values, derived_values, used_features
from lakehouse.features.window_columns import (
    RowPlaces,
    taken_rows,
    window_columns,
)
from lakehouse.features.windows import Ints

if TYPE_CHECKING:
    from lakehouse.features.column_reading import Reading


def compute_rows(feature_set: FeatureSet, tables: Mapping[str, pa.Table], spine: pa.Table) -> pa.Table:
    """The feature set's rows for `spine`, from the `tables` of events by name, sorted by (event time, row key).

    Columns: row key, event time, entity keys, features. When a table of events is the very table `spine`, the sort is
    shared. All rows of an entity in one call give the same bits as all entities together.
    Raises SlipwayError for times that are missing, keys of different kinds, and measures that cannot be aggregated.
    """
    where = f"feature set {feature_set.name}, {feature_set.spine}"
    ordered = _in_order(spine, feature_set.event_time, feature_set.row_key, where)
    tables = {name: ordered if table is spine else table for name, table in tables.items()}
    time = event_times(ordered, feature_set.event_time, where=where)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: ordered.column(name) for name in ordered.column_names}
    for events in feature_set.events:
        columns.update(_from_events(feature_set, events, tables[events.table], ordered, time))
    columns.update(calendar_values(feature_set, time))
    columns.update(used_features(feature_set, tables, ordered))
    columns.update(derived_values(feature_set, columns))
    return pa.table({name: columns[name] for name in [*feature_set.spine_keys(), *feature_set.columns]})


def _in_order(spine: pa.Table, time_column: str, row_key: str, where: str) -> pa.Table:
    """The spine sorted by (time, row key).

    Tables by day come as a few long runs in order of time, which a stable sort by time alone only has to merge. Row
    keys are looked at where times are equal, and sorted by only when that order is not theirs.
    """
    time, keys = event_times(spine, time_column, where=where), spine.column(row_key)
    order = np.argsort(time, kind="stable")
    ties = np.flatnonzero(time[order[1:]] == time[order[:-1]])
    before, after = keys.take(pa.array(order[ties])), keys.take(pa.array(order[ties + 1]))
    if not pc.all(pc.less_equal(before, after), skip_nulls=False).as_py():
        return spine.take(pc.sort_indices(spine, [(time_column, "ascending"), (row_key, "ascending")]))
    return spine if (order[1:] > order[:-1]).all() else spine.take(pa.array(order))


def _from_events(
    feature_set: FeatureSet, events: Events, table: pa.Table, spine: pa.Table, time: Ints
) -> dict[str, pa.Array]:
    """All columns that are made of one table of events."""
    history = EventHistory.of(feature_set, events, table, spine, time)
    made: dict[str, pa.Array] = {}
    groups: dict[tuple, list[tuple[WindowAggregate, Value | None, Reading]]] = {}
    for one in feature_set.aggregates:
        if feature_set.events_of(one) == events:
            measured = one.measure if one.measured else events.event_time
            reading = history.reading(measured, one.scale if one.measured else None, one.place)
            for value in one.values or (None,):
                key, _ = history.kept(one, value, reading)
                groups.setdefault(key, []).append((one, value, reading))
    for key, members in groups.items():
        timeline, layout = history.timeline(history.masks[key])
        made.update(window_columns(history, timeline, layout, members))
    for one in feature_set.attributes:
        if feature_set.events_of(one) == events:
            made[one.column] = _attribute(history, one)
    return made


def _attribute(history: EventHistory, one: Attribute) -> pa.Array:
    """The newest row's value, whatever it holds."""
    reading = history.reading(one.source, None, f"attribute({one.source!r})")
    newest = WindowAggregate("last", one.source, (one.ttl,), events=one.events)
    known = history.codes >= 0
    timeline, layout = history.timeline(None if known.all() else known)
    until = history.reading(one.until, None, f"attribute({one.source!r})") if one.until else None
    made = window_columns(history, timeline, layout, [(newest, None, RowPlaces(reading, until))])
    rows = next(iter(made.values()))
    values = taken_rows(reading.column, rows)
    if until is None:
        return values
    ends = history.table.column(one.until).take(rows).cast(pa.timestamp("us"))
    over = pc.less_equal(ends, pa.array(history.spine.time, pa.timestamp("us")))
    return pc.if_else(pc.fill_null(over, False), pa.scalar(None, values.type), values)  # noqa: FBT003  # Arrow's value

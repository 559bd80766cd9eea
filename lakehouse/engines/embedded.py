"""The embedded engine: one process, numpy kernel, DuckDB for reading.

What belongs here: fetching what a feature set needs and handing it to the kernel. Not: the kernel (features/windows).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.duration import DAY, days_touched, microseconds
from lakehouse.features.feature_set import CalendarFeature, FeatureSet, WindowAggregate
from lakehouse.features.windows import Ints, Spine, Timeline, encode, window_totals
from lakehouse.tables.days import between, days_filter
from lakehouse.tables.read import plan, read_plan

_FLOAT_SLACK = 1e-6
_LARGEST_EXACT = 18


class EmbeddedEngine:
    """Computes feature sets in this process."""

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """The rows of the spine's `days` (None: all), sorted by (event time, row key). See engines.protocol."""
        time_column = feature_set.event_time
        where = days_filter(time_column, days) if days is not None else None
        spine_plan = plan(lake, feature_set.spine, at=pins[feature_set.spine], where=where)
        same = feature_set.source == feature_set.spine and days is None
        wanted = feature_set.spine_columns()
        if same:
            wanted = list(dict.fromkeys([*wanted, *feature_set.source_columns()]))
        spine = read_plan(spine_plan, wanted)
        events = spine
        if feature_set.aggregates and not same:
            reach = _reach(feature_set, days)
            events = read_plan(
                plan(lake, feature_set.source, at=pins[feature_set.source], where=reach), feature_set.source_columns()
            )
        return compute_rows(feature_set, events, spine)


def compute_rows(feature_set: FeatureSet, events: pa.Table, spine: pa.Table) -> pa.Table:
    """The feature set's rows for `spine`, from `events`, sorted by (event time, row key).

    When `events` is the very table `spine`, the sort is shared.
    """
    key, time_column, row_key = feature_set.entity.key, feature_set.event_time, feature_set.row_key
    spine_time = _times(spine, time_column)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        row_key: spine.column(row_key),
        time_column: spine.column(time_column),
        key: spine.column(key),
    }
    if feature_set.aggregates:
        if events is spine:
            (codes,), entities = encode(_keys(spine, key))
            timeline = Timeline(codes, spine_time, entities)
            places = Spine(timeline, codes, spine_time)
        else:
            (event_codes, spine_codes), entities = encode(_keys(events, key), _keys(spine, key))
            timeline = Timeline(event_codes, _times(events, time_column), entities)
            places = Spine(timeline, spine_codes, spine_time)
        columns.update(_aggregates(feature_set, events, timeline, places))
    for feature in feature_set.features:
        if isinstance(feature, CalendarFeature):
            columns[feature.column] = pa.array(_calendar(feature, spine_time))
    rows = pa.table({name: columns[name] for name in [*dict.fromkeys([row_key, time_column, key]), *feature_set.columns]})
    return rows.take(pc.sort_indices(rows, [(time_column, "ascending"), (row_key, "ascending")]))


def _aggregates(
    feature_set: FeatureSet, events: pa.Table, timeline: Timeline, places: Spine
) -> dict[str, pa.Array]:
    delay = microseconds(feature_set.delay, where=feature_set.name)
    edges: dict[int, Ints] = {}

    def edge(before: int) -> Ints:
        if before not in edges:
            edges[before] = places.edge(before)
        return edges[before]

    totals: dict[tuple[str, int], Ints] = {}
    counts: dict[str, Ints] = {}
    columns: dict[str, pa.Array] = {}
    for one in feature_set.aggregates:
        scale = 0
        if one.aggregation != "count":
            values, scale = _measure(events.column(one.measure), one, feature_set.name)
            if (one.measure, scale) not in totals:
                totals[one.measure, scale] = timeline.running(values)
        for window, feature in zip(one.windows, one.features(), strict=True):
            if window not in counts:
                start, end = edge(delay + microseconds(window, where=feature_set.name)), edge(delay)
                # The running total of ones is the position itself.
                counts[window] = end - start
            events_in = counts[window]
            if one.aggregation == "count":
                columns[feature.column] = pa.array(places.scatter(events_in))
                continue
            start, end = edge(delay + microseconds(window, where=feature_set.name)), edge(delay)
            sums = window_totals(totals[one.measure, scale], start, end)
            columns[feature.column] = _finish(one, places, sums, events_in, scale)
    return columns


def _finish(one: WindowAggregate, places: Spine, sums: Ints, events_in: Ints, scale: int) -> pa.Array:
    """From exact integers to the declared number: one division, at the very end."""
    if one.aggregation == "sum":
        return pa.array(places.scatter(sums / 10**scale if scale else sums))
    empty = events_in == 0
    divisor = np.where(empty, 1, events_in) * float(10**scale)
    values = sums / divisor
    if one.default is not None:
        values[empty] = one.default
        return pa.array(places.scatter(values))
    return pa.array(places.scatter(values), mask=places.scatter(empty))


def _measure(column: pa.ChunkedArray, one: WindowAggregate, set_name: str) -> tuple[Ints, int]:
    """The measure as integers, and how many of their digits are decimals."""
    where = f"feature set {set_name}, {one.aggregation}({one.measure!r})"
    if column.null_count:
        raise SlipwayError(
            f"The measure has {column.null_count} nulls.", where=where, fix="Let the source's contract refuse nulls."
        )
    kind = column.type
    if pa.types.is_decimal(kind):
        if kind.precision > _LARGEST_EXACT:
            raise SlipwayError(
                f"A {kind} does not fit into 64 bits.", where=where, nearest=f"decimal({_LARGEST_EXACT}, {kind.scale})"
            )
        return _unscaled(column), kind.scale
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.int64()).to_numpy(), 0
    if not pa.types.is_floating(kind):
        raise SlipwayError(f"A {kind} cannot be aggregated.", where=where, nearest="a number")
    scaled = column.to_numpy() * 10.0**one.scale
    whole = np.rint(scaled)
    if len(scaled) and not np.abs(scaled - whole).max() < _FLOAT_SLACK * max(1.0, float(np.abs(whole).max())):
        raise SlipwayError(
            f"The measure has more than {one.scale} decimals.",
            where=where,
            nearest=f"scale={one.scale + 2}",
            fix="Declare how many decimals the measure has: it is summed exactly.",
        )
    return whole.astype(np.int64), one.scale


def _unscaled(column: pa.ChunkedArray) -> Ints:
    """The integers behind a decimal column, read from memory: each is 16 bytes, of which 18 digits fill the low 8."""
    parts = []
    for chunk in column.cast(pa.decimal128(_LARGEST_EXACT, column.type.scale)).chunks:
        words = np.frombuffer(chunk.buffers()[1], dtype=np.int64)
        parts.append(words[2 * chunk.offset : 2 * (chunk.offset + len(chunk)) : 2])
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _keys(table: pa.Table, key: str) -> np.ndarray:
    column = table.column(key)
    if column.null_count:
        raise SlipwayError(
            f"The key {key!r} has {column.null_count} nulls.", where=key, fix="Let the source's contract refuse them."
        )
    if pa.types.is_integer(column.type):
        return column.to_numpy()
    return column.to_numpy(zero_copy_only=False).astype(str)


def _times(table: pa.Table, column: str) -> Ints:
    return table.column(column).cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()


def _calendar(feature: CalendarFeature, time: Ints) -> Ints:
    if feature.part == "is_weekend":
        # 1970-01-01 was a Thursday; Monday is 0.
        return ((time // DAY + 3) % 7 >= 5).astype(np.int64)
    hour = time % DAY // (DAY // 24)
    return ((hour >= feature.first_hour) & (hour <= feature.last_hour)).astype(np.int64)


def _reach(feature_set: FeatureSet, days: Sequence[date] | None) -> str | None:
    """The filter for the events that can matter on the days."""
    if not days:
        return None
    first = min(days) - timedelta(days=days_touched(feature_set.reach))
    return days_filter(feature_set.event_time, between(first, max(days)))

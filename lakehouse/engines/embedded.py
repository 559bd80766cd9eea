"""The embedded engine: one process, numpy kernel, DuckDB for reading.

What belongs here: fetching what a feature set needs and handing it to the kernel. Not: the kernel (features/windows).
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.columns import entity_codes, event_times
from lakehouse.features.duration import DAY, days_touched, microseconds
from lakehouse.features.feature_set import CalendarFeature, FeatureSet, WindowAggregate
from lakehouse.features.windows import Block, Ints, Spine, Timeline, window_totals
from lakehouse.tables.days import between, days_filter
from lakehouse.tables.read import plan, read_plan

_FLOAT_SLACK = 1e-6
_FLOAT_STEP = 4 * np.finfo(np.float64).eps
_TOO_LARGE = 2.0**63
_LARGEST_EXACT = 18
"""So many decimal digits fit into 64 bits."""
_SATURDAY = 5
"""Monday is 0."""


class EmbeddedEngine:
    """Computes feature sets in this process."""

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """The rows of the spine's `days` (None: all), sorted by (event time, row key). See engines.base."""
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

    When `events` is the very table `spine`, the sort is shared. Raises SlipwayError for keys and times that are
    missing, and for measures that cannot be summed exactly.
    """
    key, time_column, row_key = feature_set.entity.key, feature_set.event_time, feature_set.row_key
    shared = events is spine
    spine = _in_order(spine, time_column, row_key)
    spine_time = event_times(spine, time_column)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: spine.column(name) for name in (row_key, time_column, key)}
    if feature_set.aggregates:
        if shared:
            events, event_time = spine, spine_time
            (codes,), entities = _codes(feature_set, spine)
            event_codes = spine_codes = codes
        else:
            event_time = event_times(events, time_column)
            (event_codes, spine_codes), entities = _codes(feature_set, events, spine)
        timeline = Timeline(event_codes, event_time, entities)
        columns.update(_aggregates(feature_set, events, timeline, Spine(timeline, spine_codes, spine_time)))
    for feature in feature_set.features:
        if isinstance(feature, CalendarFeature):
            columns[feature.column] = pa.array(_calendar(feature, spine_time))
    return pa.table(
        {name: columns[name] for name in [*dict.fromkeys([row_key, time_column, key]), *feature_set.columns]}
    )


def _in_order(spine: pa.Table, time_column: str, row_key: str) -> pa.Table:
    """The spine sorted by (time, row key).

    Tables by day come as a few long runs in order of time, which a stable sort by time alone only has to merge. Row
    keys are looked at where times are equal, and sorted by only when that order is not theirs.
    """
    time, keys = event_times(spine, time_column), spine.column(row_key)
    order = np.argsort(time, kind="stable")
    ties = np.flatnonzero(time[order[1:]] == time[order[:-1]])
    before, after = keys.take(pa.array(order[ties])), keys.take(pa.array(order[ties + 1]))
    if not pc.all(pc.less_equal(before, after), skip_nulls=False).as_py():
        return spine.take(pc.sort_indices(spine, [(time_column, "ascending"), (row_key, "ascending")]))
    return spine if (order[1:] > order[:-1]).all() else spine.take(pa.array(order))


def _aggregates(feature_set: FeatureSet, events: pa.Table, timeline: Timeline, places: Spine) -> dict[str, pa.Array]:
    where = f"feature set {feature_set.name}"
    delay = microseconds(feature_set.delay, where=where)
    totals: dict[tuple[str, int], Ints] = {}
    decimals: dict[tuple[str, int], int] = {}
    numbers: dict[str, np.ndarray] = {}
    for one in feature_set.aggregates:
        measure = (one.measure, one.scale)
        if one.aggregation != "count" and measure not in totals:
            values, decimals[measure] = _measure(events.column(one.measure), one, feature_set.name)
            totals[measure] = timeline.running(values)
        whole = one.aggregation == "count" or (one.aggregation == "sum" and not decimals[measure])
        for feature in one.features():
            numbers[feature.column] = np.empty(len(places.time), np.int64 if whole else np.float64)

    def fill(block: Block) -> None:
        end = block.edge(delay)
        starts: dict[str, Ints] = {}
        for one in feature_set.aggregates:
            for window, feature in zip(one.windows, one.features(), strict=True):
                if window not in starts:
                    starts[window] = block.edge(delay + microseconds(window, where=where))
                start = starts[window]
                # The running total of ones is the position itself.
                values = end - start
                if one.aggregation != "count":
                    sums = window_totals(totals[one.measure, one.scale], start, end)
                    values = _finish(one, sums, values, decimals[one.measure, one.scale])
                numbers[feature.column][block.rows] = values

    # Blocks don't touch each other's rows, and numpy lets go of Python's lock: each core takes one after the other.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, places.blocks()))
    return {column: pa.array(values, from_pandas=True) for column, values in numbers.items()}


def _finish(one: WindowAggregate, sums: Ints, events_in: Ints, scale: int) -> np.ndarray:
    """From exact integers to the declared number: one division, at the very end. NaN where there is no value."""
    if one.aggregation == "sum":
        return sums / 10**scale if scale else sums
    empty = events_in == 0
    values = sums / (np.maximum(events_in, 1) * float(10**scale))
    values[empty] = np.nan if one.default is None else one.default
    return values


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
    return _scaled(column.to_numpy(), one.scale, where), one.scale


def _decimals(values: np.ndarray) -> int:
    """The fewest decimals that hold every value, at most 9."""
    return next((scale for scale in range(9) if np.allclose(values, values.round(scale), rtol=0, atol=1e-10)), 9)


def _scaled(values: np.ndarray, scale: int, where: str) -> Ints:
    """Binary floating point numbers as integers of `scale` decimals; only the error of their own format is let pass."""
    scaled = values * 10.0**scale
    if not np.isfinite(scaled).all():
        raise SlipwayError(
            "The measure has values that are infinite or not a number.",
            where=where,
            fix="Let the source's contract refuse them.",
        )
    whole = np.rint(scaled)
    if (np.abs(scaled - whole) > np.maximum(_FLOAT_SLACK, np.abs(scaled) * _FLOAT_STEP)).any():
        raise SlipwayError(
            f"The measure has more than {scale} decimals.",
            where=where,
            nearest=f"scale={_decimals(values)}",
            fix="Declare how many decimals the measure has: it is summed exactly.",
        )
    if (np.abs(whole) >= _TOO_LARGE).any():
        raise SlipwayError(
            f"A value of the measure with {scale} decimals does not fit into 64 bits.",
            where=where,
            fix="Declare the measure with a smaller scale.",
        )
    return whole.astype(np.int64)


def _unscaled(column: pa.ChunkedArray) -> Ints:
    """The integers behind a decimal column, read from memory: each is 16 bytes, of which 18 digits fill the low 8."""
    wide = (
        column if pa.types.is_decimal128(column.type) else column.cast(pa.decimal128(_LARGEST_EXACT, column.type.scale))
    )
    parts = [np.zeros(0, np.int64)]
    for chunk in wide.chunks:
        words = np.frombuffer(chunk.buffers()[1], dtype=np.int64)
        parts.append(words[2 * chunk.offset : 2 * (chunk.offset + len(chunk)) : 2])
    return np.concatenate(parts)


def _codes(feature_set: FeatureSet, *tables: pa.Table) -> tuple[list[Ints], int]:
    """Entity codes of the tables; a row without an entity belongs nowhere and is an error."""
    key = feature_set.entity.key
    where = f"feature set {feature_set.name}, key {key!r}"
    for table in tables:
        if table.column(key).null_count:
            raise SlipwayError(
                f"The key {key!r} has {table.column(key).null_count} nulls.",
                where=where,
                fix="Let the source's contract refuse them.",
            )
    return entity_codes(*(table.column(key) for table in tables), where=where)


def _calendar(feature: CalendarFeature, time: Ints) -> Ints:
    if feature.part == "is_weekend":
        # 1970-01-01 was a Thursday.
        return ((time // DAY + 3) % 7 >= _SATURDAY).astype(np.int64)
    hour = time % DAY // (DAY // 24)
    return ((hour >= feature.first_hour) & (hour <= feature.last_hour)).astype(np.int64)


def _reach(feature_set: FeatureSet, days: Sequence[date] | None) -> str | None:
    """The filter for the events that can matter on the days."""
    if not days:
        return None
    first = min(days) - timedelta(days=days_touched(feature_set.reach))
    return days_filter(feature_set.event_time, between(first, max(days)))

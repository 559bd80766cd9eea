"""Computing a feature set's rows from tables in memory: the one kernel that every engine carries to the data.

What belongs here: which events each window holds, and putting the columns together. Not: reading tables (engines), and
the aggregations themselves (aggregates.py). What each number means stands in reference.py.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError
from lakehouse.features.aggregates import TAKE_EMPTY, Answer, Answering, Layout, Windows, in_parts, prepare, spread
from lakehouse.features.aggregation import PICKS, Value, WindowAggregate, window_length
from lakehouse.features.column_reading import Reading
from lakehouse.features.columns import entity_codes, event_times
from lakehouse.features.events import Events
from lakehouse.features.expressions import is_true
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.row_features import Attribute
from lakehouse.features.row_values import calendar_values, derived_values, used_features
from lakehouse.features.windows import Block, Ints, Spine, Timeline

_PAIRS = 1 << 21
"""So many pairs of a row and an event are looked at together where availability decides."""


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


@dataclass(frozen=True)
class _History:
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
    def of(cls, feature_set: FeatureSet, events: Events, table: pa.Table, spine: pa.Table, time: Ints) -> "_History":
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


def _from_events(
    feature_set: FeatureSet, events: Events, table: pa.Table, spine: pa.Table, time: Ints
) -> dict[str, pa.Array]:
    """All columns that are made of one table of events."""
    history = _History.of(feature_set, events, table, spine, time)
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
        made.update(_windows(history, timeline, layout, members))
    for one in feature_set.attributes:
        if feature_set.events_of(one) == events:
            made[one.column] = _attribute(history, one)
    return made


@dataclass
class _Column:
    """A column in the making. `there` says which rows have a value, where that is not what the default says."""

    one: WindowAggregate
    reading: Reading
    values: np.ndarray
    there: np.ndarray | None

    @classmethod
    def of(cls, one: WindowAggregate, reading: Reading, rows: int) -> "_Column":
        values = np.full(rows, one.default or 0, _kind(one, reading))
        return cls(one, reading, values, np.zeros(rows, bool) if one.default is None else None)

    def put(self, rows: Ints, found: np.ndarray, some: np.ndarray | None) -> None:
        """Set the values of some rows; where there is `some`, only those."""
        if self.there is not None:
            self.values[rows] = found
            self.there[rows] = True if some is None else some
        else:
            self.values[rows] = found if some is None else np.where(some, found, self.one.default or 0)

    def finished(self) -> pa.Array:
        """The column: values, the default where a window was empty, else null."""
        if self.there is None:
            if not np.isfinite(self.values.sum()):  # a number is exact, but too large for a float64
                self.values[~np.isfinite(self.values)] = self.one.default
            return pa.array(self.values)
        if self.one.aggregation not in PICKS:
            return pa.array(self.values, mask=~(self.there & np.isfinite(self.values)))
        picked = pa.array(self.values, mask=~self.there)
        return picked if isinstance(self.reading, _Rows) else _taken(self.reading.column, picked)


@dataclass(frozen=True)
class _Asked:
    """The columns that one aggregation gives over one window, a rank each."""

    one: WindowAggregate
    reading: Reading
    answering: Answering | None
    window: str
    columns: Sequence[_Column]


def _windows(
    history: _History,
    timeline: Timeline,
    layout: Layout,
    members: Sequence[tuple[WindowAggregate, Value | None, Reading]],
) -> dict[str, pa.Array]:
    """The columns of all aggregations that look at the same events."""
    columns: dict[str, _Column] = {}
    asked: list[_Asked] = []
    for one, value, reading in members:
        answering = prepare(one, reading, layout) if history.available is None else None
        for window in one.windows:
            names = [each.column for each in one.features() if each.window == window and each.by == value]
            columns |= {name: _Column.of(one, reading, len(history.spine.time)) for name in names}
            asked.append(_Asked(one, reading, answering, window, [columns[name] for name in names]))
    # Blocks don't touch each other's rows, and numpy lets go of Python's lock: each core takes one after the other.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # Made once, before several threads ask for them.
        sorting = pool.submit(lambda: history.spine.arranged)
        _ = timeline.packed, sorting.result()
        list(pool.map(lambda block: _fill(history, timeline, layout, asked, block), history.spine.blocks()))
    return {name: column.finished() for name, column in columns.items()}


def _fill(history: _History, timeline: Timeline, layout: Layout, asked: Sequence[_Asked], block: Block) -> None:
    """Set the values of a block's rows in all columns."""
    late = history.events.late
    end = block.edge(timeline, late if history.feature_set.own_events else late + 1)
    starts: dict[str, Ints] = {}
    for each in asked:
        if each.window not in starts:
            length = window_length(each.window, where=f"feature set {history.feature_set.name}")
            starts[each.window] = block.edge(timeline, None if length is None else length + late)
        # An open upper end may lie before the lower one of a window that is all open.
        start = np.minimum(starts[each.window], end)
        windows = Windows(start, end, block.time - late, block.entity)
        for places, answer in _answered(history, each.one, each.reading, layout, each.answering, windows):
            rows = block.rows if places is None else block.rows[places]
            for column, (found, some) in zip(each.columns, answer, strict=True):
                column.put(rows, found, some)


def _answered(
    history: _History,
    one: WindowAggregate,
    reading: Reading,
    layout: Layout,
    answering: Answering | None,
    windows: Windows,
) -> Iterator[tuple[Ints | None, Answer]]:
    """Answers for the windows that hold an event, with their places in the block (None: all of it)."""
    if answering is None:
        assert history.available is not None  # noqa: S101  # without it, all events are prepared for at once
        for places, visible, chosen in _visible(history.available, layout, windows):
            yield places, prepare(one, reading, visible)(chosen)
        return
    some = windows.end > windows.start
    if one.aggregation in TAKE_EMPTY or some.all():
        yield None, answering(windows)
        return
    places = np.flatnonzero(some)
    if len(places):
        yield places, answering(_chosen(windows, places))


def _chosen(windows: Windows, places: Ints) -> Windows:
    return Windows(*(one[places] for one in (windows.start, windows.end, windows.now, windows.entity)))


def _visible(available: Ints, layout: Layout, windows: Windows) -> Iterator[tuple[Ints, Layout, Windows]]:
    """Windows again, each with a layout of its own events that were available by its time.

    What was available is no stretch of the events in order of time, so the events of each window are gone through.
    """
    for part in in_parts(windows.events, _PAIRS):
        row, event = spread(windows.start[part], windows.end[part])
        now = windows.now[part]
        seen = available[layout.rows[event]] <= now[row]
        row, event = row[seen], event[seen]
        number = np.bincount(row, minlength=len(now))
        places = np.flatnonzero(number)
        if not len(places):
            continue
        end = np.cumsum(number)
        # Each window is an entity of its own: nothing is shared between two.
        visible = Layout(layout.rows[event], row, layout.time[event])
        asked = Windows((end - number)[places], end[places], now[places], places)
        yield places + (part.start or 0), visible, asked


def _attribute(history: _History, one: Attribute) -> pa.Array:
    """The newest row's value, whatever it holds."""
    reading = history.reading(one.source, None, f"attribute({one.source!r})")
    newest = WindowAggregate("last", one.source, (one.ttl,), events=one.events)
    known = history.codes >= 0
    timeline, layout = history.timeline(None if known.all() else known)
    until = history.reading(one.until, None, f"attribute({one.source!r})") if one.until else None
    made = _windows(history, timeline, layout, [(newest, None, _Rows(reading, until))])
    rows = next(iter(made.values()))
    values = _taken(reading.column, rows)
    if until is None:
        return values
    ends = history.table.column(one.until).take(rows).cast(pa.timestamp("us"))
    over = pc.less_equal(ends, pa.array(history.spine.time, pa.timestamp("us")))
    return pc.if_else(pc.fill_null(over, False), pa.scalar(None, values.type), values)  # noqa: FBT003  # Arrow's value


def _taken(column: pa.ChunkedArray, rows: pa.Array) -> pa.Array:
    """The column's values in these rows; of the two zeros of floating point there is one."""
    taken = column.take(rows)
    if pa.types.is_floating(taken.type):
        taken = pc.add(taken, pa.scalar(0.0, taken.type))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


class _Rows(Reading):
    """A column of which the events' places are wanted; peers are told apart by when they end as well."""

    def __init__(self, reading: Reading, until: Reading | None) -> None:
        super().__init__(reading.column, None, reading.where)
        self.__dict__["ranks"] = reading.ranks
        if until is not None:
            most = len(until.values)
            end = np.where(until.ranks < 0, most, until.ranks)  # what never ends holds longest
            self.__dict__["ranks"] = reading.ranks * (most + 1) + end


def _kind(one: WindowAggregate, reading: Reading) -> type:
    """Of what the values are while they are made: for picks the event's row."""
    if one.aggregation in PICKS or one.aggregation in {"count", "distinct", "approx_distinct"}:
        return np.int64
    if one.aggregation == "sum":
        return np.int64 if reading.measure.counts else np.float64
    if one.aggregation in {"min", "max", "quantile"}:
        return reading.numbers.dtype.type
    return np.float64


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

"""The columns of window aggregations: which events each window holds, and its value.

What belongs here: the windows of all spine rows, block by block, and the columns that they fill. Not: the aggregations
(aggregates.py), and reading events (event_history.py).
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.features.aggregates import TAKE_EMPTY, prepare
from lakehouse.features.aggregation import PICKS, Value, WindowAggregate, window_length
from lakehouse.features.column_reading import Reading
from lakehouse.features.event_history import EventHistory
from lakehouse.features.layout import Answer, Answering, Layout, Windows, in_parts, spread
from lakehouse.features.windows import Block, Ints, Timeline

_PAIRS = 1 << 21
"""The number of pairs of a row and an event that are processed at once if events have an arrival time."""


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
        return picked if isinstance(self.reading, RowPlaces) else taken_rows(self.reading.column, picked)


@dataclass(frozen=True)
class _Asked:
    """The columns that one aggregation gives over one window, a rank each."""

    one: WindowAggregate
    reading: Reading
    answering: Answering | None
    window: str
    columns: Sequence[_Column]


def window_columns(
    history: EventHistory,
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


def _fill(history: EventHistory, timeline: Timeline, layout: Layout, asked: Sequence[_Asked], block: Block) -> None:
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
    history: EventHistory,
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


def taken_rows(column: pa.ChunkedArray, rows: pa.Array) -> pa.Array:
    """The column's values in these rows; of the two zeros of floating point there is one."""
    taken = column.take(rows)
    if pa.types.is_floating(taken.type):
        taken = pc.add(taken, pa.scalar(0.0, taken.type))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


class RowPlaces(Reading):
    """A column of which the events' places are wanted; ties are told apart by when they end as well."""

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

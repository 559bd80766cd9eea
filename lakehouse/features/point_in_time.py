"""Point-in-time joins: for each spine row, the values that were the newest at its time.

What belongs here: joining tables to a spine as of the spine's times. Not: windows (windows.py) and training sets.
Every spine row comes out once, in order. No value yet means null. Of rows with the same entity and time the one with
the largest row key counts.

A table is arranged once, by entity and time, and then looked up in for any number of spine blocks. Each entity's time
is divided into as many cells as it has rows. A look-up goes straight to its cell, in which one row lies on average, and
halves what is in there: so its cost does not grow with the table, whatever the order of the spine, and rows that crowd
in one cell cost their logarithm.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.features.columns import KnownKeys, check_kinds, event_times
from lakehouse.features.windows import Ints

Places: TypeAlias = npt.NDArray[np.signedinteger]
"""Row numbers, in 32 bits where that is enough."""

_BLOCK = 1 << 15
"""Look-ups that are made together: what they need stays in the processor's cache."""
_SHORT, _NARROW = 1 << 16, 1 << 30


def as_of_join(
    spine: pa.Table,
    table: pa.Table,
    *,
    entity: str | Sequence[str],
    time: str,
    row_key: str,
    columns: Mapping[str, str],
    where: str = "point-in-time join",
) -> pa.Table:
    """The spine with the columns of `table` (name there -> name here) as they stood at each spine row's time.

    Both tables hold the columns `entity` (one or several) and `time`; `table` also holds `row_key`, which decides
    between ties. Raises SlipwayError, which says `where`, when a column or a time is missing or the keys are of
    different kinds.
    """
    keys = [entity] if isinstance(entity, str) else list(entity)
    for name, side, needed in (
        ("the spine", spine, [*keys, time]),
        ("the joined table", table, [*keys, time, row_key, *columns]),
    ):
        check_present(side.schema, needed, where=name)
    for key in keys:
        check_kinds(table.schema.field(key).type, spine.schema.field(key).type, where=f"key {key!r}")
    history = History.of(table, entity=keys, time=time, row_key=row_key, where=f"{where}, the joined table")
    times = event_times(spine, time, where=f"{where}, the spine")
    found = history.find([spine.column(key) for key in keys], times)
    out = spine
    for name, values in zip(columns.values(), history.take(list(columns), found), strict=True):
        out = out.append_column(name, values)
    return out


def check_present(schema: pa.Schema, needed: Sequence[str], *, where: str) -> None:
    """Raises SlipwayError, naming the nearest there is, for a column that is not in the schema."""
    for column in needed:
        if column not in schema.names:
            raise SlipwayError(
                f"There is no column {column!r} in {where}.",
                where=where,
                nearest=nearest_name(column, schema.names),
                fix="Use one of: " + ", ".join(schema.names) + ".",
            )


@dataclass(frozen=True)
class History:
    """A table's rows arranged by (entity, time, row key), to be looked up in.

    `order` are the rows' places in `table`, `time` their times; `starts` says where each entity's rows begin, shape
    (entities + 1,), `cells` where the rows of each cell begin. Cells count from `first`, the earliest time, and
    `pace` is how much of the whole time a microsecond is.
    """

    table: pa.Table
    keys: KnownKeys
    order: Places
    time: Ints
    starts: Places
    cells: Places
    first: int
    pace: float

    @classmethod
    def of(cls, table: pa.Table, *, entity: Sequence[str], time: str, row_key: str, where: str) -> "History":
        """Arrange the rows of `table`. Raises SlipwayError, which says `where`, for rows without a time."""
        table = table.combine_chunks()
        keys = KnownKeys.of([table.column(key) for key in entity])
        times = event_times(table, time, where=where)
        order, codes = _arranged(keys.codes, times, table.column(row_key))
        ordered = times[order]
        first, last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        # Half as wide, twice as much of it stays in the processor's cache.
        width: type[np.signedinteger] = np.int32 if len(times) + keys.entities < _NARROW else np.int64
        starts = _totals(codes, keys.entities, width)
        bare = cls(table, keys, order.astype(width), ordered, starts, starts, first, 1 / (last - first + 1))
        cells = _totals(bare._cell(codes, ordered), len(order) + keys.entities, width)
        return replace(bare, cells=cells)

    @property
    def until(self) -> int | None:
        """The newest time there is, in microseconds; None without rows."""
        return int(self.time.max()) if len(self.time) else None

    def find(self, key: Sequence[pa.ChunkedArray], time: Ints, max_age: int | None = None) -> Places:
        """The table's row that was the newest of each key at each time, -1 where there was none, shape (m,).

        A row that is more than `max_age` microseconds older than the time does not count.
        """
        codes = self.keys.code(key)
        found = np.full(len(time), -1, self.order.dtype)
        if not len(self.order):
            return found

        def fill(start: int) -> None:
            part = slice(start, start + _BLOCK)
            found[part] = self._newest(codes[part], time[part], max_age)

        _all(fill, range(0, len(time), _BLOCK))
        return found

    def take(self, columns: Sequence[str], found: Places) -> list[pa.Array]:
        """The values of each column in the rows that were found, null where none was."""
        missing = found < 0
        if not len(self.order):
            return [pa.nulls(len(found), self.table.schema.field(name).type) for name in columns]
        # Looking for nulls at every step would take twice the time: some row stands in, and is struck out afterwards.
        places = pa.array(np.where(missing, 0, found))
        struck = np.packbits(~missing, bitorder="little") if missing.any() else None
        values: list[pa.Array] = [pa.nulls(0)] * len(columns)

        def fill(number: int) -> None:
            taken = self.table.column(columns[number]).chunk(0).take(places)
            values[number] = taken if struck is None else _strike_out(taken, struck, missing)

        _all(fill, range(len(columns)))
        return values

    def _newest(self, codes: Ints, time: Ints, max_age: int | None) -> Places:
        """The same as `find`, for codes and few enough rows."""
        entity = np.maximum(codes, 0)
        cell = self._cell(entity, time)
        low, high = self.cells[cell], self.cells[cell + 1]
        # Rows before `low` are not later than the time, rows from `high` on are later.
        open_ = np.flatnonzero(low < high)
        while len(open_):
            middle = (low[open_] + high[open_]) >> 1
            known = self.time[middle] <= time[open_]
            low[open_] = np.where(known, middle + 1, low[open_])
            high[open_] = np.where(known, high[open_], middle)
            open_ = open_[low[open_] < high[open_]]
        last = low - 1
        none = (last < self.starts[entity]) | (codes < 0)
        last[none] = 0
        if max_age is not None:
            none |= self.time[last] < time - max_age
        return np.where(none, -1, self.order[last])

    def _cell(self, entity: Ints, time: Ints) -> Places:
        """The cell of each (entity, time): the same for equal times, and never a lower one for a later time."""
        start = self.starts[entity]
        width = self.starts[entity + 1] - start
        share = (time - self.first) * self.pace
        np.clip(share, 0.0, 1.0, out=share)
        share *= width
        # An entity of n rows has n + 1 cells, the last of which is for the very end.
        start += entity
        start += share.astype(np.int64)
        return start


def _arranged(codes: Ints, time: Ints, row_key: pa.ChunkedArray) -> tuple[Ints, Ints]:
    """The places of the rows that have an entity, by (entity, time, row key), and their entities' codes.

    Tables by day come in order of time and row key: then only the entity is to be sorted by, together with the place
    that a row has, which makes one number of both.
    """
    by_time = None if (time[1:] >= time[:-1]).all() else np.argsort(time, kind="stable")
    number = codes if by_time is None else codes[by_time]
    kept = None if not len(number) or number.min() >= 0 else np.flatnonzero(number >= 0)
    number = number if kept is None else number[kept]
    place, entity = _sorted(number)
    place = place if kept is None else kept[place]
    order = place if by_time is None else by_time[place]
    ordered = time[order]
    tied = (entity[1:] == entity[:-1]) & (ordered[1:] == ordered[:-1])
    ties = np.flatnonzero(tied)
    if len(ties):
        before, after = row_key.take(pa.array(order[ties])), row_key.take(pa.array(order[ties + 1]))
        if not pc.all(pc.less_equal(before, after), skip_nulls=False).as_py():
            _order_ties(order, tied, row_key)
    return order, entity


def _sorted(codes: Ints) -> tuple[Ints, Ints]:
    """The places of codes (0 or more) in order, and the codes in order; equal ones keep theirs."""
    if len(codes) and codes.max() < _SHORT:
        place = np.argsort(codes.astype(np.uint16), kind="stable")  # for so few numbers it only counts them
        return place, codes[place]
    bits = len(codes).bit_length()
    number = (codes << bits) | np.arange(len(codes))
    number.sort()
    return number & ((1 << bits) - 1), number >> bits


def _totals(codes: Places, most: int, width: type[np.signedinteger]) -> Places:
    """How many codes are below each of 0 to `most`, shape (most + 1,)."""
    totals = np.zeros(most + 1, width)
    np.cumsum(np.bincount(codes, minlength=most), out=totals[1:])
    return totals


def _order_ties(order: Ints, tied: np.ndarray, row_key: pa.ChunkedArray) -> None:
    """Put the rows that share entity and time with a neighbour in the order of their row keys."""
    among = np.flatnonzero(np.append(tied, False) | np.insert(tied, 0, False))
    # Which rows tie: a new group begins where a row is not tied to the one before it.
    group = np.cumsum(~np.insert(tied, 0, False)[among])
    rows = order[among]
    rank = np.empty(len(rows), np.int64)
    rank[pc.sort_indices(row_key.take(pa.array(rows))).to_numpy()] = np.arange(len(rows))
    order[among] = rows[np.lexsort((rank, group))]


def _strike_out(values: pa.Array, kept: np.ndarray, missing: np.ndarray) -> pa.Array:
    """The values with nulls where they are missing; `kept` is the same as bits, as Arrow has them."""
    if values.type.num_fields:  # lists and structs have values below them
        return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)
    present, *rest = values.buffers()
    if present is not None:
        kept = kept & np.frombuffer(present, np.uint8)[: len(kept)]
    return pa.Array.from_buffers(values.type, len(values), [pa.py_buffer(kept), *rest])


def _all(work: Callable[[int], None], numbers: Sequence[int]) -> None:
    """Do the work for all the numbers, on as many cores as there are: numpy and Arrow let go of Python's lock."""
    if len(numbers) < 2:  # noqa: PLR2004  # nothing to share
        for number in numbers:
            work(number)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, numbers))

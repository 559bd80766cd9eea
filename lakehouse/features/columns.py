"""From table columns to the kernel's numbers: keys to entity codes, event times to microseconds.

What belongs here: the one reading of keys and times that windows and joins share. Not: measures (the engines) and the
kernel itself (windows.py), which knows numbers only.

A key is one column or several (a composite entity). A row whose key has a null in any of its columns belongs to no
entity: it has the code -1 and matches nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError
from lakehouse.features.windows import Ints

Key: TypeAlias = pa.ChunkedArray | Sequence[pa.ChunkedArray]
"""The key of one side: its column, or the columns of a composite one."""

_CLOSE = 1 << 24
"""Integer keys over at most so many numbers are their own codes."""


def entity_codes(*keys: Key, where: str) -> tuple[list[Ints], int]:
    """Codes for the keys of several sides (events, spine), each of its side's length, and how many codes there are.

    Equal keys have equal codes from 0 on; a null is -1. Raises SlipwayError when the keys are of different kinds.
    """
    sides = [_columns(key) for key in keys]
    columns = list(zip(*sides, strict=True))
    for one in columns:
        for other in one[1:]:
            check_kinds(one[0].type, other.type, where=where)
    parts, entities = _number(columns[0])
    for one in columns[1:]:
        more, size = _number(one)
        parts, entities = _fold(parts, more, entities, size)
    for part, side in zip(parts, sides, strict=True):
        for column in side:
            if column.null_count:
                part[pc.is_null(column).to_numpy()] = -1
    return parts, entities


@dataclass(frozen=True)
class KnownKeys:
    """The keys of one table, numbered once, so that many blocks of a spine can be told their codes."""

    codes: Ints
    entities: int
    code: Callable[[Sequence[pa.ChunkedArray]], Ints]
    """The codes of a spine's key columns, shape (rows,): -1 for a null, -1 or no row's for what no row has."""

    @classmethod
    def of(cls, columns: Sequence[pa.ChunkedArray]) -> "KnownKeys":
        """Number the keys of a table, given its key columns."""
        first, *rest = (_numbering(column) for column in columns)
        codes, entities = first(columns[0]), first.size
        folds: list[tuple[_Numbering, Ints | None]] = []
        for numbering, column in zip(rest, columns[1:], strict=True):
            codes = _pair(codes, numbering(column), numbering.size)
            entities *= numbering.size
            known = None
            if entities >= _CLOSE:
                # As pairs they are too many to be their own codes: only those that are there are numbered.
                known = np.unique(codes[codes >= 0])
                codes, entities = _place(known, codes), len(known)
            folds.append((numbering, known))

        def code(spine: Sequence[pa.ChunkedArray]) -> Ints:
            found = first(spine[0])
            for (numbering, known), column in zip(folds, spine[1:], strict=True):
                found = _pair(found, numbering(column), numbering.size)
                found = found if known is None else _place(known, found)
            return found

        return cls(codes, entities, code)


def event_times(table: pa.Table, column: str, *, where: str) -> Ints:
    """The times of a timestamp column in microseconds since 1970 UTC, shape (rows,), nanoseconds rounded down.

    `where` says whose column it is. Raises SlipwayError for nulls and for a column that holds no times.
    """
    times = table.column(column)
    if not pa.types.is_timestamp(times.type):
        raise SlipwayError(
            f"The time {column!r} is {times.type}, not a timestamp.",
            where=f"{where}, {column}",
            nearest="timestamp[us], UTC",
            fix="Make it a timestamp: a text or a day is not a point in time.",
        )
    if times.null_count:
        raise SlipwayError(
            f"The time {column!r} is missing in {times.null_count} rows.",
            where=f"{where}, {column}",
            fix="Let the source's contract reject rows without a time.",
        )
    # A zone is only how a time is shown: the number below it counts from 1970 in UTC.
    if times.type.unit == "ns":
        return times.cast(pa.int64()).to_numpy() // 1_000
    return times.cast(pa.timestamp("us", times.type.tz)).cast(pa.int64()).to_numpy()


def check_kinds(table: pa.DataType, spine: pa.DataType, *, where: str) -> None:
    """Raises SlipwayError, naming both types, unless keys of the two types can be equal."""
    if _kind(table) != _kind(spine):
        raise SlipwayError(
            f"The keys of the two sides have different types: {table} and {spine}.",
            where=where,
            nearest=str(table),
            fix="Give both sides keys of one type.",
        )


def _columns(key: Key) -> Sequence[pa.ChunkedArray]:
    return [key] if isinstance(key, pa.ChunkedArray) else key


def _kind(type_: pa.DataType) -> pa.DataType:
    """Keys of one kind can be compared: integers of any width are one kind, texts another."""
    plain = type_.value_type if isinstance(type_, pa.DictionaryType) else type_
    if pa.types.is_integer(plain):
        return pa.int64()
    text = pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain)
    return pa.string() if text else plain


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as its kind's own type."""
    kind = _kind(column.type)
    try:
        return column if column.type.equals(kind) else column.cast(kind)
    except pa.ArrowInvalid as error:
        raise SlipwayError(
            f"A key of {column.type} does not fit into 64 bits with a sign.",
            where=f"key of {column.type}",
            nearest="int64",
            fix="Give keys that large as texts, on both sides.",
        ) from error


def _integers(column: pa.ChunkedArray) -> Ints:
    """Integer keys as numbers, 0 where there is none."""
    return pc.fill_null(_plain(column), 0).to_numpy()


@dataclass(frozen=True)
class _Numbering:
    """How one key column is numbered: integers that lie close together by their distance from the lowest, others by
    their place among the distinct ones.
    """

    low: int
    size: int
    distinct: pa.Array | None

    def __call__(self, column: pa.ChunkedArray) -> Ints:
        """The codes of a column, -1 for what is null or not known."""
        if self.distinct is not None:
            found = pc.index_in(_plain(column), value_set=self.distinct, skip_nulls=True)
            return pc.fill_null(found, -1).to_numpy().astype(np.int64)
        codes = _integers(column) - self.low
        codes[(codes < 0) | (codes >= self.size)] = -1
        if column.null_count:
            codes[pc.is_null(column).to_numpy()] = -1
        return codes


def _numbering(column: pa.ChunkedArray) -> _Numbering:
    plain = _plain(column)
    if pa.types.is_integer(plain.type) and plain.null_count < len(plain):
        edges = pc.min_max(plain).as_py()
        if edges["max"] - edges["min"] < _CLOSE:
            return _Numbering(edges["min"], edges["max"] - edges["min"] + 1, None)
    distinct = pc.unique(plain).drop_null()
    return _Numbering(0, len(distinct), distinct)


def _pair(first: Ints, second: Ints, size: int) -> Ints:
    """One code for two; -1 where either is."""
    both = first * size + second
    both[(first < 0) | (second < 0)] = -1
    return both


def _place(known: Ints, codes: Ints) -> Ints:
    """The place of each code among the sorted `known` ones, -1 for others."""
    if not len(known):
        return np.full(len(codes), -1, np.int64)
    place = np.searchsorted(known, codes)
    place[place == len(known)] = 0
    place[known[place] != codes] = -1
    return place


def _number(columns: Sequence[pa.ChunkedArray]) -> tuple[list[Ints], int]:
    """Common codes for one key column of several sides; what stands for a null is not told."""
    if pa.types.is_integer(_kind(columns[0].type)):
        return _number_integers([_integers(column) for column in columns])
    return _number_others([_plain(column) for column in columns])


def _number_integers(columns: list[np.ndarray]) -> tuple[list[Ints], int]:
    lows = [int(column.min()) for column in columns if len(column)]
    highs = [int(column.max()) for column in columns if len(column)]
    low, high = (min(lows), max(highs)) if lows else (0, 0)
    if high - low < _CLOSE:
        return [column - low for column in columns], high - low + 1
    known, codes = np.unique(np.concatenate(columns), return_inverse=True)
    return _split(codes, [len(column) for column in columns]), len(known)


def _number_others(columns: list[pa.ChunkedArray]) -> tuple[list[Ints], int]:
    """Numbered in the order in which they first appear."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    together = pc.dictionary_encode(pa.chunked_array(chunks, columns[0].type)).unify_dictionaries()
    codes = [np.zeros(0, np.int64), *(pc.fill_null(chunk.indices, 0).to_numpy() for chunk in together.chunks)]
    entities = len(together.chunk(0).dictionary) if together.num_chunks else 0
    return _split(np.concatenate(codes), [len(column) for column in columns]), entities


def _fold(parts: list[Ints], more: list[Ints], entities: int, size: int) -> tuple[list[Ints], int]:
    """Codes of a composite key from those of its first columns and of the next one."""
    pairs = [part * size + other for part, other in zip(parts, more, strict=True)]
    if entities * size < _CLOSE:
        return pairs, entities * size
    known, codes = np.unique(np.concatenate(pairs), return_inverse=True)
    return _split(codes, [len(part) for part in pairs]), len(known)


def _split(codes: np.ndarray, lengths: Sequence[int]) -> list[Ints]:
    edges = [0, *np.cumsum(lengths)]
    return [codes[start:end].astype(np.int64) for start, end in pairwise(edges)]

"""From table columns to the kernel's numbers: keys to entity codes, event times to microseconds.

What belongs here: the one reading of keys and times that windows and joins share. Not: measures (the engines) and the
kernel itself (windows.py), which knows numbers only.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError
from lakehouse.features.windows import Ints

_CLOSE = 1 << 24
"""Integer keys over at most so many numbers are their own codes."""


def entity_codes(*columns: pa.ChunkedArray, where: str) -> tuple[list[Ints], int]:
    """Codes for several columns of one key (events, spine), each of its column's length, and how many codes there are.

    Equal keys have equal codes from 0 on; a null is -1. Raises SlipwayError when the columns are of different kinds.
    """
    kinds = [_kind(column.type) for column in columns]
    for column, kind in zip(columns, kinds, strict=True):
        if kind != kinds[0]:
            raise SlipwayError(
                f"The keys of the two sides are of different kinds: {columns[0].type} and {column.type}.",
                where=where,
                nearest=str(columns[0].type),
                fix="Give both sides keys of one type.",
            )
    if kinds[0] is pa.int64():
        parts, entities = _number_integers([pc.fill_null(column.cast(pa.int64()), 0).to_numpy() for column in columns])
    else:
        parts, entities = _number_others([column.cast(kinds[0]) for column in columns])
    for column, part in zip(columns, parts, strict=True):
        if column.null_count:
            part[pc.is_null(column).to_numpy()] = -1
    return parts, entities


def event_times(table: pa.Table, column: str) -> Ints:
    """The times of a timestamp column in microseconds since 1970 UTC, shape (rows,). Raises SlipwayError for nulls."""
    times = table.column(column)
    if times.null_count:
        raise SlipwayError(
            f"The time {column!r} is missing in {times.null_count} rows.",
            where=column,
            fix="Let the source's contract refuse rows without a time.",
        )
    return times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()


def _kind(type_: pa.DataType) -> pa.DataType:
    """Keys of one kind can be compared: integers of any width are one kind, texts another."""
    if pa.types.is_integer(type_):
        return pa.int64()
    text = pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    return pa.string() if text else type_


def _number_integers(columns: list[np.ndarray]) -> tuple[list[Ints], int]:
    lows = [int(column.min()) for column in columns if len(column)]
    highs = [int(column.max()) for column in columns if len(column)]
    low, high = (min(lows), max(highs)) if lows else (0, 0)
    if high - low < _CLOSE:
        return [column - low for column in columns], high - low + 1
    known, codes = np.unique(np.concatenate(columns), return_inverse=True)
    return _split(codes, columns), len(known)


def _number_others(columns: list[pa.ChunkedArray]) -> tuple[list[Ints], int]:
    """Numbered in the order in which they first appear."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    together = pc.dictionary_encode(pa.chunked_array(chunks, columns[0].type)).unify_dictionaries()
    codes = [np.zeros(0, np.int64), *(pc.fill_null(chunk.indices, 0).to_numpy() for chunk in together.chunks)]
    entities = len(together.chunk(0).dictionary) if together.num_chunks else 0
    return _split(np.concatenate(codes), columns), entities


def _split(codes: np.ndarray, columns: list) -> list[Ints]:
    edges = np.cumsum([len(column) for column in columns])[:-1]
    return [part.astype(np.int64) for part in np.split(codes, edges)]

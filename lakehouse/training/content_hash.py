"""Content hashes: the SHA-256 of rows, independent of the engine that computed them and of their storage.

What belongs here: the canonical form of rows and its SHA-256. Not: which rows are hashed, and why.

The canonical form knows columns by name and kind, rows by their order, values by their bits. It does not know chunks,
row groups, files, string encodings and the width of integers: these differ between engines that agree on every value.

- Rows come in groups of 65,536; the last group may be smaller.
- Of each column and group: one bit a row, 1 where there is a value (least significant bit first, padded with 0 to a
  byte); then the values in order, 0 or empty where there is none.
- Integers, days, times and booleans are 8 bytes (two's complement), floats their IEEE 754 bits (4 or 8 bytes), decimals
  16 bytes, all little-endian. A text (UTF-8), a binary, a list is its length in 8 bytes; the bytes of all texts, or the
  elements of all lists in this same form, follow the lengths of the group. A struct is its fields one after the other.
- Each column has the SHA-256 of its groups. The content hash is the SHA-256 of a JSON list of [name, kind, that hash]
  of each column, in order, and of the number of rows.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError

GROUP = 1 << 16
"""Rows in a group of the canonical form."""


class ContentHash:
    """The content hash of rows of `schema`, added block by block."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._hashes = [hashlib.sha256() for _ in schema]
        self._rest = schema.empty_table()
        self._rows = 0

    def update(self, block: pa.Table) -> None:
        """The next rows, in columns of the schema. Raises SlipwayError for a type that has no canonical form."""
        whole = pa.concat_tables([self._rest, block]) if len(self._rest) else block
        ready = len(whole) - len(whole) % GROUP
        self._take(whole.slice(0, ready))
        self._rest = whole.slice(ready)

    def hexdigest(self) -> str:
        """The content hash of all rows so far, after which none can be added: 64 hexadecimal digits."""
        self._take(self._rest)
        self._rest = self._schema.empty_table()
        columns = [
            [field.name, kind(field.type), digest.hexdigest()]
            for field, digest in zip(self._schema, self._hashes, strict=True)
        ]
        return hashlib.sha256(json.dumps([columns, self._rows]).encode()).hexdigest()

    def _take(self, rows: pa.Table) -> None:
        if not len(rows):
            return
        self._rows += len(rows)

        def column(number: int) -> None:
            values = rows.column(number).combine_chunks()
            for start in range(0, len(values), GROUP):
                for part in _canonical(values.slice(start, GROUP)):
                    self._hashes[number].update(part.data)

        # Each column has a hash of its own, and hashing lets go of Python's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(column, range(len(self._hashes))))


def content_hash(rows: pa.Table) -> str:
    """The content hash of rows that are all there: 64 hexadecimal digits."""
    content = ContentHash(rows.schema)
    content.update(rows)
    return content.hexdigest()


def content_hashes_by_day(blocks: Iterable[pa.Table], time: str) -> Iterator[tuple[date, str]]:
    """Each day and the content hash of its rows, of rows that come block by block in order of `time`."""
    begun: tuple[date, ContentHash] | None = None
    for block in blocks:
        days, start = pc.run_end_encode(pc.cast(block.column(time), pa.date32()).combine_chunks()), 0
        for day, end in zip(days.values.to_pylist(), days.run_ends.to_pylist(), strict=True):
            if begun is None or begun[0] != day:
                if begun is not None:
                    yield begun[0], begun[1].hexdigest()
                begun = day, ContentHash(block.schema)
            begun[1].update(block.slice(start, end - start))
            start = end
    if begun is not None:
        yield begun[0], begun[1].hexdigest()


def kind(type_: pa.DataType) -> str:
    """What a type is called in the canonical form: types of one name hold the same values in the same form."""
    named = str(type_)
    if isinstance(type_, pa.DictionaryType):
        named = kind(type_.value_type)
    elif pa.types.is_integer(type_):
        named = "integer"
    elif pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        named = "string"
    elif pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_) or pa.types.is_binary_view(type_):
        named = "binary"
    elif pa.types.is_decimal(type_):
        named = f"decimal({type_.scale})"
    elif _is_list(type_):
        named = f"list<{kind(type_.value_type)}>"
    elif pa.types.is_struct(type_):
        named = f"struct<{', '.join(f'{field.name}: {kind(field.type)}' for field in type_)}>"
    return named


def _canonical(values: pa.Array) -> Iterator[np.ndarray]:
    """The parts of one column's group, one after the other."""
    type_ = values.type
    yield np.packbits(pc.is_valid(values).to_numpy(zero_copy_only=False), bitorder="little")
    if pa.types.is_null(type_):
        return
    if isinstance(type_, pa.DictionaryType):
        values, type_ = values.cast(type_.value_type), type_.value_type
    if pa.types.is_struct(type_):
        for number in range(type_.num_fields):
            yield from _canonical(pc.struct_field(values, number))
    elif _is_list(type_):
        yield _numbers(pc.list_value_length(values))
        yield from _canonical(pc.list_flatten(values))
    elif _is_bytes(type_):
        texts = pc.fill_null(values.cast(pa.large_binary()), b"")
        yield _numbers(pc.binary_length(texts))
        yield _bytes(texts)
    elif pa.types.is_decimal(type_):
        wide = values if pa.types.is_decimal128(type_) else values.cast(pa.decimal128(38, type_.scale))
        yield _bytes(pc.if_else(pc.is_valid(wide), wide, pa.scalar(Decimal(0), wide.type)), width=16)
    elif pa.types.is_floating(type_):
        yield np.ascontiguousarray(pc.fill_null(values, pa.scalar(0.0).cast(type_)).to_numpy())
    else:
        yield _numbers(values)


def _numbers(values: pa.Array) -> np.ndarray:
    """Whole numbers, and what is kept as such, as 64 bits."""
    type_ = values.type
    try:
        if pa.types.is_date32(type_) or pa.types.is_time32(type_):
            values = values.cast(pa.int32())
        whole = values.view(pa.int64()) if pa.types.is_uint64(type_) else values.cast(pa.int64())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise SlipwayError(
            f"Rows with a column of {type_} have no content hash.",
            where=str(type_),
            nearest="int64, float64, string, timestamp",
            fix="Leave the column out, or give it another type.",
        ) from error
    return np.ascontiguousarray(pc.fill_null(whole, 0).to_numpy())


def _bytes(values: pa.Array, width: int | None = None) -> np.ndarray:
    """What lies in memory behind the values: `width` bytes each, or as many as offsets tell."""
    buffers = values.buffers()
    memory = np.frombuffer(buffers[-1] or b"", np.uint8)
    if width is not None:
        return memory[values.offset * width : (values.offset + len(values)) * width]
    offsets = np.frombuffer(buffers[1], np.int64)[values.offset : values.offset + len(values) + 1]
    return memory[offsets[0] : offsets[-1]] if len(values) else memory[:0]


def _is_list(type_: pa.DataType) -> bool:
    return pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)


def _is_bytes(type_: pa.DataType) -> bool:
    return kind(type_) in {"string", "binary"}

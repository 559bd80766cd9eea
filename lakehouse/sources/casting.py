"""Casting: delivered columns in the contract's types, by way of the source's mappings.

What belongs here: from values as delivered to values of the contract, and which of them could not be read. Not: opening
files (file_formats.py), and whether a delivery is rejected for it (reading.py). Texts are cast by DuckDB; a value is
never guessed: what does not say a value of the type is unreadable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.columns import ARROW_TYPES, Column
from lakehouse.sources.cast_sql import value_sql
from lakehouse.sources.mapping_types import Absent, ColumnMapping, Ignored, Reencoded, Renamed, Swapped
from lakehouse.tables.duck import borrow, quoted

_FIRST_TIME, _LAST_TIME = datetime.min, datetime.max  # noqa: DTZ901  # what can be shown to people
_INTEGERS = {"int16": 16, "int32": 32, "int64": 64}


@dataclass
class Cast:
    """Columns of n rows in the contract's types, and masks (n,) of the given values that could not be read.

    `mistyped`: typed columns whose type is another than the contract's, with that type; they were read by what their
    values say.
    """

    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    unreadable: dict[str, np.ndarray] = field(default_factory=dict)
    mistyped: dict[str, pa.DataType] = field(default_factory=dict)

    def put(self, name: str, values: pa.ChunkedArray, bad: np.ndarray | None) -> None:
        """Add a column."""
        self.columns[name] = values
        if bad is not None and bad.any():
            self.unreadable[name] = bad


def cast_columns(
    delivered: pa.Table,
    wanted: Sequence[Column],
    mappings: Sequence[ColumnMapping],
    *,
    naive: bool,
    texts: bool,
    times: pa.ChunkedArray | None = None,
) -> Cast:
    """The wanted columns of `delivered`, whose columns have the contract's names already.

    `naive`: times without a zone are UTC; else they are unreadable. `times`: the rows' event times, which say on which
    rows a mapping holds; None when every mapping holds on all of them.
    """
    nested = {name for name in delivered.column_names if not has_text(delivered.column(name).type)}
    valued = [
        one for one in mappings if not isinstance(one, Renamed | Ignored | Absent) and not nested & set(one.touched())
    ]
    cast = Cast()
    as_texts: list[Column] = []
    for column in wanted:
        values = delivered.column(column.name)
        if column.name in nested:
            cast.mistyped[column.name] = values.type
            nothing = pa.chunked_array([pa.nulls(len(values), ARROW_TYPES[column.type])])
            cast.put(column.name, nothing, _mask(pc.is_valid(values)))
        elif texts or any(column.name in one.touched() for one in valued):
            as_texts.append(column)
        elif not _is_of_kind(values.type, column.type):
            cast.mistyped[column.name] = values.type
            as_texts.append(column)
        else:
            cast.put(column.name, *_cast_typed(values, column.type, naive=naive))
    if as_texts:
        _cast_texts(delivered, as_texts, valued, cast, naive=naive, times=times)
    return cast


def holds(mapping: ColumnMapping, times: pa.ChunkedArray) -> pa.ChunkedArray:
    """The rows on which a mapping holds, by their event times; not those without one."""
    begin = datetime.combine(mapping.since or date.min, datetime.min.time())
    held = pc.greater_equal(times, pa.scalar(begin, pa.timestamp("us")))
    if mapping.until:
        end = datetime.combine(mapping.until + timedelta(days=1), datetime.min.time())
        held = pc.and_(held, pc.less(times, pa.scalar(end, pa.timestamp("us"))))
    return pc.fill_null(held, fill_value=False)


def has_text(kind: pa.DataType) -> bool:
    """Whether values of a type can be written as texts: not nested ones, nor bytes, which may be anything."""
    if pa.types.is_dictionary(kind):
        return has_text(kind.value_type)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return not (binary or pa.types.is_binary_view(kind) or pa.types.is_nested(kind))


def as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Typed values as the texts that say exactly them; times in ISO form, with Z where they have a zone."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return as_text(values.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        naive = values.cast(pa.timestamp(kind.unit))
        unit = "us" if kind.unit == "s" else kind.unit
        written = pc.strftime(naive.cast(pa.timestamp(unit)), format="%Y-%m-%dT%H:%M:%S")
        return pc.binary_join_element_wise(written, "Z", "") if kind.tz else written
    return values.cast(pa.string())


def _is_of_kind(kind: pa.DataType, declared: str) -> bool:
    """Whether a type is of the contract's kind; widths may differ as long as every value fits."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    fits = {
        "float64": pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind),
        "text": pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind),
        "bool": pa.types.is_boolean(kind),
        "timestamp": pa.types.is_timestamp(kind),
    }
    return pa.types.is_null(kind) or fits.get(declared, pa.types.is_integer(kind))


def _cast_typed(values: pa.ChunkedArray, declared: str, *, naive: bool) -> tuple[pa.ChunkedArray, np.ndarray | None]:
    """Values of the contract's kind in its type, null where they do not fit, and which those are."""
    kind, target = values.type, ARROW_TYPES[declared]
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        return _cast_times(values, naive=naive)
    if declared == "float64" and pa.types.is_decimal(kind):
        values = values.cast(pa.string())  # Arrow's own cast is off by the last bit in one value of seven
    try:
        return values.cast(target), None
    except pa.ArrowInvalid:
        if declared == "float64":
            bent = values.cast(target, safe=False)
            wrong = pc.not_equal(bent.cast(kind, safe=False), values)
            # The largest whole numbers come back through a float only by overflowing.
            bad = pc.or_(wrong, pc.greater_equal(pc.abs(bent), pa.scalar(2.0**63)))
        else:
            most = 2 ** (_INTEGERS[declared] - 1)
            bad = pc.greater(values, pa.scalar(most - 1, kind))
            if pa.types.is_signed_integer(kind):
                bad = pc.or_(bad, pc.less(values, pa.scalar(-most, kind)))
    bad = pc.fill_null(bad, fill_value=False)
    return pc.if_else(bad, pa.scalar(None, kind), values).cast(target), _mask(bad)


def _cast_times(values: pa.ChunkedArray, *, naive: bool) -> tuple[pa.ChunkedArray, np.ndarray]:
    kind = values.type
    if kind.tz is None and not naive:
        return pa.chunked_array([pa.nulls(len(values), pa.timestamp("us"))]), _mask(pc.is_valid(values))
    # Zoned Arrow timestamps are UTC inside.
    numbers = values.cast(pa.timestamp(kind.unit)).cast(pa.int64())
    each = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}[kind.unit]
    limits = [int(one.cast(pa.int64()).as_py()) for one in (_micros(_FIRST_TIME), _micros(_LAST_TIME))]
    finer = 1_000 if kind.unit == "ns" else 1
    low, high = (limit * finer // each for limit in limits)
    bad = pc.or_(pc.less(numbers, max(low, -(2**63))), pc.greater(numbers, min(high, 2**63 - 1)))
    if finer > 1:
        bad = pc.or_(bad, pc.not_equal(pc.multiply(pc.divide(numbers, finer), finer), numbers))
    bad = pc.fill_null(bad, fill_value=False)
    kept = pc.if_else(bad, pa.scalar(None, pa.int64()), numbers)
    micros = pc.divide(kept, finer) if finer > 1 else pc.multiply(kept, each)
    return micros.cast(pa.timestamp("us")), _mask(bad)


def _micros(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us"))


def _cast_texts(
    delivered: pa.Table,
    columns: Sequence[Column],
    mappings: Sequence[ColumnMapping],
    cast: Cast,
    *,
    naive: bool,
    times: pa.ChunkedArray | None,
) -> None:
    """Add the columns, read by the texts that their values are or can be written as."""
    given: dict[str, pa.ChunkedArray] = {}
    conditions: dict[ColumnMapping, str] = {}
    names = {column.name for column in columns}
    relevant = [one for one in mappings if names & set(one.touched())]
    partners = [name for one in relevant if isinstance(one, Swapped) for name in one.touched()]
    for name in dict.fromkeys([*names, *partners]):
        given[f"given {name}"] = as_text(delivered.column(name))
    for place, mapping in enumerate(relevant):
        if times is not None and (mapping.since or mapping.until):
            conditions[mapping] = f"holds {place}"
            given[f"holds {place}"] = holds(mapping, times)
        if isinstance(mapping, Reencoded):
            undone = _reencode(given[f"given {mapping.column}"], mapping.encoding)
            before = given[f"given {mapping.column}"]
            held = given.get(conditions.get(mapping, ""))
            given[f"given {mapping.column}"] = undone if held is None else pc.if_else(held, undone, before)
    texts, values = [], []
    for column in columns:
        chosen = [one for one in relevant if column.name in one.touched()]
        text, value, bad = value_sql(column, chosen, conditions, naive=naive)
        texts.append(f"{text} as {quoted(column.name)}")
        values += [f"{value} as {quoted(f'value {column.name}')}", f"{bad} as {quoted(f'bad {column.name}')}"]
    with borrow(in_order=True) as connection:
        connection.register("delivered", pa.table(given))
        kept = "".join(f", {quoted(name)}" for name in given)
        rows = connection.sql(
            f"select {', '.join(values)} from (select {', '.join(texts)}{kept} from delivered)"
        ).to_arrow_table()
    for column in columns:
        found = rows.column(f"value {column.name}").cast(ARROW_TYPES[column.type])
        cast.put(column.name, found, _mask(rows.column(f"bad {column.name}")))


def _reencode(values: pa.ChunkedArray, encoding: str) -> pa.ChunkedArray:
    """Texts that are UTF-8 read in `encoding`, read aright; others as they are. Each different text once."""
    encoded = pc.dictionary_encode(values.combine_chunks())
    words = [_undo(word, encoding) for word in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(words, pa.string()).take(encoded.indices)])


def _undo(word: str, encoding: str) -> str:
    try:
        return word.encode(encoding).decode("utf-8")
    except UnicodeError:
        return word


def _mask(values: pa.ChunkedArray | pa.Array) -> np.ndarray:
    found = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    return np.asarray(found, bool)

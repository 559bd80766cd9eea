"""Reading one delivered file into the contract's columns, or a clear error.

What belongs here: which delivered column is which of the contract, and when a file is rejected for its columns. Not:
opening files (file_formats.py), casting values (casting.py), which files to read (deliveries.py), judging rows
(contracts/audit.py), and naming changes by what is in the columns (drift/).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import ARROW_TYPES, Column
from lakehouse.errors import DeliveryError, SlipwayError
from lakehouse.profiling.issues import Issue
from lakehouse.sources.casting import Cast, cast_columns
from lakehouse.sources.file_formats import FORMATS, check_readable, format_of, of_the_machine, open_delivery
from lakehouse.sources.mapping_types import ColumnMapping, FileEncoding, Ignored, Renamed, Swapped
from lakehouse.sources.source import Source
from lakehouse.sources.structure import StructureError, name_faults, value_fault

_DAY_IN_NAME = re.compile(r"(?<!\d)(20\d\d|19\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True)
class Read:
    """A delivery as it was read: n rows, in file order.

    `rows` has the contract's columns and types, null where a value was given and could not be read; `unreadable` marks
    those by column (boolean masks of n). `delivered` are the rows as delivered, under the delivered names. `structure`
    lists why the file is rejected as it is: columns added, removed or of another type. `added` are additional columns
    that the contract accepts with a warning. `texts`: every value was delivered as text (CSV, JSON).
    """

    rows: pa.Table
    delivered: pa.Table
    unreadable: Mapping[str, np.ndarray] = field(default_factory=dict)
    structure: tuple[Issue, ...] = ()
    added: tuple[str, ...] = ()
    texts: bool = False


def read_delivery(source: Source, path: Path, columns: Sequence[str] | None = None) -> Read:
    """The file's rows in file order, in the contract's columns and types (or the chosen `columns` of them).

    Values that were given and say no value of the column's type are null and marked. Raises DeliveryError for a file
    that is missing, empty, damaged, or has other columns than the contract, and for one that has no value of a column
    in its type.
    """
    return _read(source, path, columns, strict=True)


def read_leniently(source: Source, path: Path) -> Read:
    """The same, where the columns are not the contract's: `structure` says how, and what is missing is null.

    Raises DeliveryError for a file that is missing, empty or damaged, or has two columns of one name.
    """
    return _read(source, path, None, strict=False)


def recast(source: Source, read: Read, columns: Sequence[str]) -> Read:
    """Columns of a delivery that was read, as another declaration of the source (with other mappings) reads them.

    Columns that are not there are null.
    """
    names, _ = _match(source, read.delivered.column_names)
    wanted = [column for column in source.contract.columns if column.name in columns]
    cast = _cast(source, read.delivered, names, wanted, texts=read.texts, name="")
    return Read(_table(wanted, cast, len(read.rows)), read.delivered, cast.unreadable, texts=read.texts)


def delivered_name(source: Source, read: Read, column: str) -> str:
    """The name under which a column of the contract was delivered."""
    return _match(source, read.delivered.column_names)[0][column]


def _read(source: Source, path: Path, columns: Sequence[str] | None, *, strict: bool) -> Read:
    try:
        return _read_file(source, path, columns, strict=strict)
    except (SlipwayError, MemoryError):
        raise
    except Exception as error:
        if of_the_machine(error):
            raise
        # Whatever a library raises, it is the fault of this one file: others land.
        raise DeliveryError(
            f"The file cannot be read ({type(error).__name__}).",
            where=str(path),
            fix="Have it delivered again in another format, or remove it; nothing of it was published.",
        ) from error


def _read_file(source: Source, path: Path, columns: Sequence[str] | None, *, strict: bool) -> Read:
    contract = source.contract
    encoding = next((one.encoding for one in source.mappings if isinstance(one, FileEncoding)), "utf-8")
    with open_delivery(path, encoding) as opened:
        names, unknown = _match(source, opened.names)
        faults = name_faults(source, opened, names, unknown)
        if strict and faults:
            raise faults[0].error(path)
        wanted = [column for column in contract.columns if columns is None or column.name in columns]
        taken = list(opened.names) if columns is None else _needed(source, wanted, names)
        delivered = opened.columns(taken)
    if not len(delivered):
        raise DeliveryError("The file holds no rows.", where=str(path), fix="Have it delivered again, or remove it.")
    cast = _cast(source, delivered, names, wanted, texts=opened.texts, name=path.name)
    for column in wanted:
        fault = value_fault(source, column, cast, delivered, names, texts=opened.texts)
        if fault and strict:
            raise fault.error(path)
        if fault:
            faults.append(fault)
    warned = tuple(name for name in unknown if contract.on_added(name) == "warn")
    structure = tuple(fault.issue for fault in faults)
    return Read(_table(wanted, cast, len(delivered)), delivered, cast.unreadable, structure, warned, opened.texts)


def _match(source: Source, found: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The contract's columns with the delivered names, and delivered names that nobody knows."""
    present = set(found)
    names = {column.name: column.name for column in source.contract.columns if column.name in present}
    taken = set(names)
    for mapping in source.mappings:
        if isinstance(mapping, Renamed) and mapping.delivered in present:
            if mapping.column not in names:
                names[mapping.column] = mapping.delivered
            taken.add(mapping.delivered)
        if isinstance(mapping, Ignored):
            taken.add(mapping.delivered)
    return names, [name for name in found if name not in taken]


def _needed(source: Source, wanted: Sequence[Column], names: Mapping[str, str]) -> list[str]:
    """The delivered columns that the wanted ones are read from: themselves, swapped ones, the time of a mapping."""
    needed = {column.name for column in wanted}
    for mapping in source.mappings:
        if needed & set(mapping.touched()):
            needed.update(mapping.touched() if isinstance(mapping, Swapped) else ())
            needed.update((source.event_time,) if mapping.since or mapping.until else ())
    return [names[column.name] for column in source.contract.columns if column.name in needed and column.name in names]


def _cast(
    source: Source,
    delivered: pa.Table,
    names: Mapping[str, str],
    wanted: Sequence[Column],
    *,
    texts: bool,
    name: str,
) -> Cast:
    """The wanted columns that are there. Mappings of the event time hold or not for the delivery as a whole."""
    given = set(delivered.column_names)
    there = pa.table({column: delivered.column(found) for column, found in names.items() if found in given})
    known = set(there.column_names)
    present = [column for column in wanted if column.name in known]
    naive = source.time_zone is not None
    of_time = [one for one in source.mappings if source.event_time in one.touched()]
    others = [one for one in source.mappings if source.event_time not in one.touched()]
    times, cast = None, Cast()
    dated = any(one.since or one.until for one in others)
    if source.event_time in known and (dated or any(one.name == source.event_time for one in present)):
        declared = [column for column in source.contract.columns if column.name == source.event_time]
        cast = cast_columns(there, declared, of_time, naive=naive, texts=texts)
        if any(one.since or one.until for one in of_time):
            kept = _holding(of_time, name, cast.columns[source.event_time])
            cast = cast_columns(there, declared, kept, naive=naive, texts=texts)
        times = cast.columns[source.event_time]
    rest = [column for column in present if column.name != source.event_time]
    further = cast_columns(there, rest, others, naive=naive, texts=texts, times=times)
    return Cast(
        {**further.columns, **cast.columns},
        {**further.unreadable, **cast.unreadable},
        {**further.mistyped, **cast.mistyped},
    )


def _holding(mappings: Sequence[ColumnMapping], name: str, times: pa.ChunkedArray) -> list[ColumnMapping]:
    """The mappings of the event time that hold for a delivery: by the day in its name, or that of most of its times."""
    found = _DAY_IN_NAME.search(name)
    day = None
    if found:
        try:
            day = date(*map(int, found.groups()))
        except ValueError:  # the thirtieth of February is no day
            day = None
    if day is None:
        counts = pc.value_counts(pc.drop_null(times).cast(pa.date32())).to_pylist()
        day = max(counts, key=lambda one: (one["counts"], one["values"]))["values"] if counts else date.max
    return [one for one in mappings if (one.since or date.min) <= day <= (one.until or date.max)]


def _table(wanted: Sequence[Column], cast: Cast, rows: int) -> pa.Table:
    """The columns in the contract's order; what was not delivered is null."""
    columns = {
        column.name: cast.columns.get(column.name, pa.chunked_array([pa.nulls(rows, ARROW_TYPES[column.type])]))
        for column in wanted
    }
    return pa.table(columns, schema=pa.schema([pa.field(one.name, ARROW_TYPES[one.type]) for one in wanted]))


__all__ = [
    "FORMATS",
    "Read",
    "StructureError",
    "check_readable",
    "delivered_name",
    "format_of",
    "read_delivery",
    "read_leniently",
    "recast",
]

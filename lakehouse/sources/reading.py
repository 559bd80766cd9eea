"""Reading one delivered file into the contract's columns, or saying clearly why that is not possible.

What belongs here: Parquet, CSV and JSON lines (plain or gzip) to Arrow. Not: which files to read (deliveries.py) and
judging rows (contracts/audit.py). DuckDB reads; text formats come as text and are cast here, so that a value that
does not fit is named instead of guessed.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.contracts.contract import ARROW_TYPES, Contract
from lakehouse.errors import DeliveryError, nearest_name
from lakehouse.sources.source import Source
from lakehouse.tables.read import connect, literal, quoted

FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
}

_SQL_TYPES = {
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "text": "VARCHAR",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}

_EXAMPLES = {"timestamp": "2018-04-01T00:00:31Z", "bool": "true", "float64": "12.5"}

# What a text must look like, where DuckDB would take more: 5.7 as the integer 6, or `infinity` as a time.
_INTEGER = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
_TIME = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6}0*)?)?( ?([Zz]|[+-]\d\d(:?\d\d)?))?)?$"
_ZONED = r"([Zz]|:.*[+-]\d\d(:?\d\d)?)$"
_FIRST_TIME, _LAST_TIME = datetime.min, datetime.max  # noqa: DTZ901  # what can be shown to people


def format_of(path: Path) -> str | None:
    """The format that the file's name ends on; None for a file that is no delivery."""
    name = path.name.lower()
    return next((kind for ending, kind in FORMATS.items() if name.endswith(ending)), None)


def read_delivery(source: Source, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The file's rows in file order, in the contract's columns and types (or the chosen `columns` of them).

    Raises DeliveryError for a file that is missing, empty, damaged, or has other columns or types than the contract.
    """
    check_readable(path)
    kind = format_of(path)
    if kind is None:
        raise DeliveryError(
            "The file's name ends on no known format.",
            where=str(path),
            nearest=".parquet",
            fix=f"Use {', '.join(FORMATS)}.",
        )
    try:
        if path.name.lower().endswith(".gz"):
            _check_gzip(path)
        read = _read_parquet if kind == "parquet" else _read_csv if kind == "csv" else _read_json
        rows = read(source, path, columns)
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError, duckdb.Error) as error:
        raise _damaged(path, kind, str(error)) from error
    if not len(rows):
        raise DeliveryError("The file holds no rows.", where=str(path), fix="Have it delivered again, or remove it.")
    return rows


def check_readable(path: Path) -> None:
    """Raises DeliveryError for a file that is not there, cannot be opened or is empty."""
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise DeliveryError("The file does not exist.", where=str(path), fix="Check the path.") from None
    except OSError as error:
        raise DeliveryError(
            f"The file cannot be opened: {error.strerror}.",
            where=str(path),
            fix="Give the user that runs Slipway the right to read it.",
        ) from error
    if empty:
        raise DeliveryError(
            "The file is empty (0 bytes).", where=str(path), fix="Have it delivered again, or remove it."
        )


def _check_gzip(path: Path) -> None:
    """Raises what gzip raises. DuckDB does not compare the checksum: changed bytes could become other values."""
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def _damaged(path: Path, kind: str, says: str) -> DeliveryError:
    line = re.search(r"CSV Error on Line: (\d+)|in line (\d+)", says)
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", says)
    reason = f"{columns.group(2)} columns instead of {columns.group(1)}" if columns else says.splitlines()[0][:200]
    return DeliveryError(
        f"The file cannot be read as {kind}: it is damaged, cut off or of another format ({reason}).",
        where=f"{path}, line {line.group(1) or line.group(2)}" if line else str(path),
        fix="Have it delivered again, or remove it from the folder; nothing of it was published.",
    )


def _check_names(contract: Contract, found: Sequence[str], path: Path) -> None:
    known = [column.name for column in contract.columns]
    for name in known:
        if name not in found:
            raise DeliveryError(
                f"The column {name!r} is missing.",
                where=str(path),
                nearest=nearest_name(name, [one for one in found if one not in known]),
                fix=f"Have it delivered with the columns of the contract {contract.table}: {', '.join(known)}.",
            )
    for name in found:
        if name not in known:
            raise DeliveryError(
                f"The column {name!r} is unknown.",
                where=str(path),
                nearest=nearest_name(name, known),
                fix=f"Declare it in the contract {contract.table}, or have it delivered without.",
            )
        if list(found).count(name) > 1:
            raise DeliveryError(f"The column {name!r} is there twice.", where=str(path), fix="Have it delivered once.")


def _read_parquet(source: Source, path: Path, columns: Sequence[str] | None) -> pa.Table:
    with pq.ParquetFile(path) as file:
        _check_names(source.contract, file.schema_arrow.names, path)
        wanted = [column.name for column in source.contract.columns if columns is None or column.name in columns]
        rows = file.read(columns=wanted)
    return pa.table({name: _fit(source, rows.column(name), name, path) for name in wanted})


def _fit(source: Source, column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    """A Parquet column in the contract's type: kinds must agree, widths may differ as long as every value fits."""
    declared = next(one.kind for one in source.contract.columns if one.name == name)
    target = ARROW_TYPES[declared]
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    fits = (
        (declared.startswith("int") and pa.types.is_integer(kind))
        or (
            declared == "float64"
            and (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))
        )
        or (declared == "text" and (pa.types.is_string(kind) or pa.types.is_large_string(kind)))
        or (declared == "bool" and pa.types.is_boolean(kind))
        or (declared == "timestamp" and pa.types.is_timestamp(kind))
        or pa.types.is_null(kind)
    )
    if not fits:
        raise DeliveryError(
            f"The column {name!r} is {kind}, but the contract says {declared}.",
            where=str(path),
            nearest=declared,
            fix="Have it delivered in the contract's type.",
        )
    if declared == "timestamp" and pa.types.is_timestamp(kind):
        return _as_utc(source, column, name, path)
    if declared == "float64" and pa.types.is_decimal(kind):
        column = column.cast(pa.string())  # Arrow's own cast is off by the last bit in one value of seven
    try:
        return column.cast(target)
    except pa.ArrowInvalid as error:
        raise DeliveryError(
            f"A value of {name!r} does not fit into {declared}: {str(error)[:120]}.",
            where=str(path),
            fix="Have it delivered in the contract's type.",
        ) from error


def _as_utc(source: Source, column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    if column.type.tz is None and source.time_zone is None:
        raise _naive(source, name, path)
    try:
        # Zoned Arrow timestamps are UTC inside.
        times = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.timestamp("us"))
        limits = pa.array([_FIRST_TIME, _LAST_TIME], pa.timestamp("us"))
        outside = pc.or_(pc.less(times, limits[0]), pc.greater(times, limits[1]))
        if not pc.any(outside).as_py():
            return times
        says = f"row {pc.index(outside, pa.scalar(value=True)).as_py() + 1} lies outside of the years 1 to 9999"
    except pa.ArrowInvalid as error:
        says = str(error)[:120]
    raise DeliveryError(
        f"A time in {name!r} is out of range or finer than a microsecond: {says}.",
        where=str(path),
        fix="Deliver times between the years 1 and 9999, in microseconds or coarser.",
    )


def _naive(source: Source, name: str, path: Path) -> DeliveryError:
    return DeliveryError(
        f"The times in {name!r} have no time zone.",
        where=str(path),
        nearest="2018-04-01T00:00:31Z",
        fix=f'Deliver them with an offset, or declare time_zone="UTC" in the source {source.name}.',
    )


def _read_csv(source: Source, path: Path, columns: Sequence[str] | None) -> pa.Table:
    """Nothing is guessed but the delimiter: a line that does not fit is an error, never a sign of another dialect."""
    unpack = gzip.open if path.name.lower().endswith(".gz") else open
    with unpack(path, "rt", encoding="utf-8-sig", newline="") as file:
        header = file.readline()
    delimiter = max(",;\t|", key=header.count)
    found = next(csv.reader([header], delimiter=delimiter), [])
    _check_names(source.contract, found, path)
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in found)
    options = f"header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"', columns = {{{types}}}"
    item = f"read_csv({literal(str(path))}, auto_detect = false, {options})"
    return _cast_texts(source, path, columns, item)


def _read_json(source: Source, path: Path, columns: Sequence[str] | None) -> pa.Table:
    objects = f"read_ndjson_objects({literal(str(path))})"
    with connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        kinds = connection.sql(f"select json_type(json) as kind from {objects}").to_arrow_table()
        odd = pc.index(pc.equal(kinds.column("kind"), "OBJECT"), pa.scalar(value=False)).as_py()
        if odd >= 0:
            raise DeliveryError(
                f"The row is a JSON {kinds.column('kind')[odd].as_py().lower()}, not an object.",
                where=f"{path}, row {odd + 1}",
                nearest='{"column": value}',
                fix="Have it delivered with one JSON object in each line.",
            )
        keys = connection.sql(f"select distinct unnest(json_keys(json)) from {objects}").fetchall()
    found = [key for (key,) in keys]
    _check_names(source.contract, found, path)
    picked = ", ".join(f"json ->> {literal(name)} as {quoted(name)}" for name in found)
    return _cast_texts(source, path, columns, f"(select {picked} from {objects})")


def _cast_texts(source: Source, path: Path, columns: Sequence[str] | None, item: str) -> pa.Table:
    """The FROM item's texts in the contract's types."""
    wanted = [column for column in source.contract.columns if columns is None or column.name in columns]
    with connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        picked = ", ".join(quoted(column.name) for column in wanted)
        texts = connection.sql(f"select {picked} from {item}").to_arrow_table()
        cast = ", ".join(_cast_sql(column.name, column.kind) for column in wanted)
        connection.register("texts", texts)
        rows = connection.sql(f"select {cast} from texts").to_arrow_table()
    for column in wanted:
        _check_cast(source, column.name, column.kind, texts, rows, path)
    return rows.cast(pa.schema([pa.field(column.name, ARROW_TYPES[column.kind]) for column in wanted]))


def _cast_sql(name: str, kind: str) -> str:
    if kind == "timestamp":
        # A text with an offset becomes UTC; one without is taken as UTC, which _check_cast only lets pass if declared.
        return f"(try_cast({quoted(name)} as TIMESTAMPTZ) at time zone 'UTC') as {quoted(name)}"
    return f"try_cast({quoted(name)} as {_SQL_TYPES[kind]}) as {quoted(name)}"


def _check_cast(source: Source, name: str, kind: str, texts: pa.Table, rows: pa.Table, path: Path) -> None:
    text, value = texts.column(name), rows.column(name)
    lost = pc.and_(pc.is_valid(text), pc.is_null(value))
    form = _INTEGER if kind.startswith("int") else _TIME if kind == "timestamp" else None
    if form:
        lost = pc.or_(lost, pc.fill_null(pc.invert(pc.match_substring_regex(text, form)), fill_value=False))
    if pc.any(lost).as_py():
        row = pc.index(lost, pa.scalar(value=True)).as_py()
        raise DeliveryError(
            f"{text[row].as_py()!r} in column {name!r} is not {kind}.",
            where=f"{path}, row {row + 1}",
            nearest=_EXAMPLES.get(kind, kind),
            fix="Have it delivered in the contract's type.",
        )
    if kind == "timestamp" and source.time_zone is None:
        zoned = pc.match_substring_regex(text, _ZONED)
        if not pc.all(zoned).as_py():
            raise _naive(source, name, path)

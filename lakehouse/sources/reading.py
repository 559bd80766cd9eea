"""Reading one delivered file into the contract's columns, or saying clearly why that is not possible.

What belongs here: Parquet, CSV and JSON lines (plain or gzip) to Arrow. Not: which files to read (deliveries.py) and
judging rows (contracts/audit.py). DuckDB reads; text formats come as text and are cast here, so that a value that
does not fit is named instead of guessed.
"""

from collections.abc import Mapping, Sequence
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


def format_of(path: Path) -> str | None:
    """The format that the file's name ends on; None for a file that is no delivery."""
    name = path.name.lower()
    return next((kind for ending, kind in FORMATS.items() if name.endswith(ending)), None)


def read_delivery(source: Source, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The file's rows in file order, in the contract's columns and types (or the chosen `columns` of them).

    Raises DeliveryError for a file that is missing, empty, damaged, or has other columns or types than the contract.
    """
    if not path.exists():
        raise DeliveryError("The file does not exist.", where=str(path), fix="Check the path.")
    if path.stat().st_size == 0:
        raise DeliveryError("The file is empty (0 bytes).", where=str(path), fix="Have it delivered again, or remove it.")
    kind = format_of(path)
    if kind is None:
        raise DeliveryError(
            "The file's name ends on no known format.", where=str(path), nearest=".parquet", fix=f"Use {', '.join(FORMATS)}."
        )
    try:
        if kind == "parquet":
            rows = _read_parquet(source, path, columns)
        else:
            rows = _read_text(source, path, kind, columns)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError, duckdb.Error) as error:
        first = str(error).splitlines()[0][:200]
        raise DeliveryError(
            f"The file cannot be read as {kind}: it is damaged, cut off or of another format ({first}).",
            where=str(path),
            fix="Have it delivered again, or remove it from the folder; nothing of it was published.",
        ) from error
    if not len(rows):
        raise DeliveryError("The file holds no rows.", where=str(path), fix="Have it delivered again, or remove it.")
    return rows


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
        or (declared == "float64" and (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)))
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
        # Zoned Arrow timestamps are UTC inside; the cast to microseconds checks the range.
        return column.cast(pa.timestamp("us", column.type.tz)).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise DeliveryError(
            f"A time in {name!r} is out of range or finer than a microsecond: {str(error)[:120]}.",
            where=str(path),
            fix="Deliver times between the years 1678 and 2262, in microseconds or coarser.",
        ) from error


def _naive(source: Source, name: str, path: Path) -> DeliveryError:
    return DeliveryError(
        f"The times in {name!r} have no time zone.",
        where=str(path),
        nearest="2018-04-01T00:00:31Z",
        fix=f'Deliver them with an offset, or declare time_zone="UTC" in the source {source.name}.',
    )


def _read_text(source: Source, path: Path, kind: str, columns: Sequence[str] | None) -> pa.Table:
    with connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        if kind == "csv":
            item = f"read_csv({literal(str(path))}, all_varchar = true, header = true, null_padding = false)"
            found = connection.sql(f"select * from {item} limit 0").columns  # noqa: S608
        else:
            objects = f"read_ndjson_objects({literal(str(path))})"
            keys = connection.sql(f"select distinct unnest(json_keys(json)) from {objects}").fetchall()  # noqa: S608
            found = [key for (key,) in keys]
            picked = ", ".join(f"json ->> {literal(name)} as {quoted(name)}" for name in found) or "1 as nothing"
            item = f"(select {picked} from {objects})"
        _check_names(source.contract, found, path)
        wanted = [column for column in source.contract.columns if columns is None or column.name in columns]
        picked = ", ".join(quoted(column.name) for column in wanted)
        texts = connection.sql(f"select {picked} from {item}").to_arrow_table()  # noqa: S608
        cast = ", ".join(_cast_sql(column.name, column.kind) for column in wanted)
        connection.register("texts", texts)
        rows = connection.sql(f"select {cast} from texts").to_arrow_table()  # noqa: S608
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
    if pc.any(lost).as_py():
        row = pc.index(lost, pa.scalar(value=True)).as_py()
        raise DeliveryError(
            f"{text[row].as_py()!r} in column {name!r} is not {kind}.",
            where=f"{path}, row {row + 1}",
            nearest=kind,
            fix="Have it delivered in the contract's type.",
        )
    if kind == "timestamp" and source.time_zone is None:
        zoned = pc.match_substring_regex(text, r"([Zz]|[+-]\d\d(:?\d\d)?)$")
        if not pc.all(zoned).as_py():
            raise _naive(source, name, path)

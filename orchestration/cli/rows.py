"""Query results as a table on the terminal, CSV, JSON or Parquet.

What belongs here: writing rows, whole files or a stream. Not: where the rows come from (lakehouse/query).
Rows are written as they are read: no format holds all of them, but the terminal's, which shows the first ones only.
"""

import csv
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.errors import SlipwayError
from orchestration.cli.output import console

if TYPE_CHECKING:
    from lakehouse.query.run import QueryResult

SHOWN = 100
"""Rows that are shown in a terminal."""

_UNLIMITED = 100_000


def write_parquet(answer: "QueryResult", output: Path) -> int:
    """Write all rows to the file `output`; how many there are."""
    import pyarrow.parquet as pq

    rows = 0
    with _beside(output) as path, pq.ParquetWriter(path, answer.schema, compression="zstd") as file:
        for batch in answer.batches:
            file.write_batch(batch)
            rows += len(batch)
    return rows


def write_text(answer: "QueryResult", form: str, output: Path | None) -> int:
    """Write all rows as `csv` or `json` to the file `output`, or to standard output; how many there are."""
    write: Callable[[QueryResult, IO[str]], int] = {"csv": _write_csv, "json": _write_json}[form]
    if output is None:
        return write(answer, sys.stdout)
    with _beside(output) as path, path.open("w", encoding="utf-8", newline="") as file:
        return write(answer, file)


def show(answer: "QueryResult") -> int:
    """Show the first rows as a table, or one value a line where columns are too many; how many rows there are."""
    shown: list[tuple[Any, ...]] = []
    total = 0
    for batch in answer.batches:
        if len(shown) < SHOWN:
            shown += _rows(batch.slice(0, SHOWN - len(shown)))
        total += len(batch)
    names = answer.schema.names
    screen = console if console.is_terminal else Console(width=_UNLIMITED)
    table = _table(names, shown, [_is_number(one.type) for one in answer.schema])
    if screen.measure(table).maximum <= screen.width:
        screen.print(table)
    else:
        lines = [(name, value) for row in shown for name, value in [*zip(names, row, strict=True), ("", "")]]
        screen.print(_table(["column", "value"], lines, [False, False]))
    return total


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[bool]) -> Table:
    table = Table(header_style="bold cyan")
    for name, number in zip(names, numbers, strict=True):
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row))
    return table


def _write_csv(answer: "QueryResult", file: IO[str]) -> int:
    rows = 0
    out = csv.writer(file, lineterminator="\n")
    for number, batch in enumerate(_at_least_one(answer)):
        if number == 0:
            out.writerow(answer.schema.names)
        out.writerows([_text(value) for value in row] for row in _rows(batch))
        rows += len(batch)
    return rows


def _write_json(answer: "QueryResult", file: IO[str]) -> int:
    """One array, with an object for each row."""
    names = answer.schema.names
    rows = 0
    for number, batch in enumerate(_at_least_one(answer)):
        if number == 0:
            file.write("[")
        for row in _rows(batch):
            record = {name: _plain(value) for name, value in zip(names, row, strict=True)}
            file.write((",\n " if rows else "\n ") + json.dumps(record, ensure_ascii=False))
            rows += 1
    file.write("\n]\n" if rows else "]\n")
    return rows


def _at_least_one(answer: "QueryResult") -> Iterator[Any]:
    """The batches; an empty one when there are none. Nothing is written before the first one was read without fault."""
    import pyarrow as pa

    first = next(answer.batches, None)
    yield first if first is not None else pa.RecordBatch.from_pylist([], schema=answer.schema)
    yield from answer.batches


def _rows(batch: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  # a record batch; pyarrow is imported where it is used
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _is_number(kind: Any) -> bool:  # noqa: ANN401  # an Arrow type
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _plain(value: Any) -> Any:  # noqa: ANN401  # any value of a table to any value of JSON
    """The value as JSON has it. A decimal is a number where a float holds it exactly, else a text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        whole = value.as_tuple().exponent == 0
        near = int(value) if whole else float(value)
        return near if Decimal(repr(near)) == value else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int) else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401  # any value of a table
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict | list | tuple):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A file to write beside `output`, which takes its place when all went well."""
    if not output.parent.is_dir():
        raise SlipwayError(
            "There is no such folder.",
            where=str(output.parent),
            fix="Create it, or choose another file with --output.",
        )
    if output.is_dir():
        raise SlipwayError(
            "The output path is a folder.",
            where=str(output),
            nearest=str(output / "answer.csv"),
            fix="Specify a file name.",
        )
    beside = output.with_name(f".{output.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield beside
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)

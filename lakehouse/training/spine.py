"""The spine of a training frame: rows of entity keys and times, read in blocks from a frame, a file or SQL.

What belongs here: reading frames of Polars, pandas, Arrow and DuckDB, files, and SQL over the lakehouse; finding the
time column. Not: joining anything to it (frame.py).

Rows keep their order. Those in memory stay there; those of files and of SQL are read block by block as they are needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.query.run import run_query, tables_of
from lakehouse.tables.read import Pin, resolve
from lakehouse.training.spine_files import read_texts

if TYPE_CHECKING:
    import pandas as pd

Given: TypeAlias = "pl.DataFrame | pl.LazyFrame | pd.DataFrame | pa.Table | duckdb.DuckDBPyRelation | Path | str"
"""A frame, a file (Parquet, CSV, JSON lines), or SQL over the lakehouse's tables; a table's bare name is SQL, too."""

BLOCK_ROWS = 1 << 19
_TEXTS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_SUFFIXES = (".parquet", *_TEXTS)


@dataclass(frozen=True)
class Spine:
    """Rows of `schema`. `blocks` reads them from the first on, each time it is called.

    `rows` are they themselves, where they are in memory. `name` says in errors where they are from, `pins` at which
    snapshots the tables were read that they are from.
    """

    name: str
    schema: pa.Schema
    blocks: Callable[[], Iterator[pa.Table]]
    rows: pa.Table | None = None
    input_snapshots: Mapping[str, int] = field(default_factory=dict)

    def time_column(self, given: str | None) -> str:
        """The column that says as of when: the one that is `given`, else the only one of a timestamp type.

        Raises SlipwayError when there is none, or more than one to choose from, or the one given is no timestamp.
        """
        times = [one.name for one in self.schema if pa.types.is_timestamp(one.type)]
        if given is not None:
            if given not in self.schema.names:
                raise self._no_time(f"There is no column {given!r} in {self.name}.", given)
            if given not in times:
                raise self._no_time(
                    f"The time {given!r} is {self.schema.field(given).type}, not a timestamp.", given, times
                )
            return given
        if len(times) > 1:
            raise SlipwayError(
                f"{self.name} has {len(times)} columns of times: {', '.join(times)}.",
                where="time",
                nearest=times[0],
                fix="Name the one to compute features as of: time= in Python, --time on the command line.",
            )
        if not times:
            raise self._no_time(f"{self.name} has no column of times, so features cannot be known as of anything.")
        return times[0]

    def _no_time(self, what: str, given: str = "", times: list[str] | None = None) -> SlipwayError:
        shown = ", ".join(f"{one.name} ({one.type})" for one in self.schema)
        return SlipwayError(
            what,
            where="time",
            nearest=nearest_name(given, self.schema.names if times is None else times) or "timestamp[us], UTC",
            fix=f"Give a timestamp column: convert a text first. The columns are: {shown}.",
        )


def read_spine(
    lake: Lakehouse,
    given: Given,
    *,
    input_snapshots: Callable[[Sequence[str]], Mapping[str, Pin]],
    texts: frozenset[str],
) -> Spine:
    """The spine that is `given`; `pins` tells at which snapshots the tables are read that an SQL statement names.

    A CSV file doesn't say whether its keys are texts: columns of the names `texts` are. Raises SlipwayError for what is
    no spine, a file that is not there or cannot be read, and two columns of one name.
    """
    if isinstance(given, pl.LazyFrame):
        given = given.collect()
    if isinstance(given, pl.DataFrame):
        spine = _in_memory("the spine", given.to_arrow(compat_level=pl.CompatLevel.oldest()))
    elif isinstance(given, pa.Table):
        spine = _in_memory("the spine", given)
    elif isinstance(given, duckdb.DuckDBPyRelation):
        spine = _in_memory("the spine", given.to_arrow_table())
    elif isinstance(given, Path) or (isinstance(given, str) and _is_file(given)):
        spine = _from_file(Path(given), texts)
    elif isinstance(given, str):
        sql = f"from {given}" if re.fullmatch(r"\w+\.\w+", given) else given
        spine = _from_sql(lake, sql, input_snapshots)
    elif type(given).__module__.startswith("pandas."):
        spine = _in_memory("the spine", pa.Table.from_pandas(given, preserve_index=False))
    else:
        raise SlipwayError(
            f"A {type(given).__name__} cannot be a spine.",
            where="spine",
            nearest="a Polars DataFrame",
            fix="Give a frame of Polars, pandas, Arrow or DuckDB, a file, or SQL over the lakehouse's tables.",
        )
    doubled = sorted({name for name in spine.schema.names if spine.schema.names.count(name) > 1})
    if doubled:
        raise SlipwayError(f"Columns appear twice: {', '.join(doubled)}.", where=spine.name, fix="Name each once.")
    return spine


def _is_file(text: str) -> bool:
    return "\n" not in text and (
        text.lower().endswith(_SUFFIXES) or (not re.search(r"\s", text) and Path(text).exists())
    )


def _in_memory(name: str, rows: pa.Table) -> Spine:
    def blocks() -> Iterator[pa.Table]:
        for start in range(0, len(rows), BLOCK_ROWS):
            yield rows.slice(start, BLOCK_ROWS)

    return Spine(name, rows.schema, blocks, rows)


def _from_file(path: Path, texts: frozenset[str]) -> Spine:
    if not path.is_file():
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest_name(path.name, beside)
        raise SlipwayError(
            "There is no such file.", where=str(path), nearest=str(path.with_name(near)) if near else None
        )
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            schema = pq.read_schema(path)
            return Spine(path.name, schema, lambda: _parquet_blocks(path))
        if path.name.lower().endswith(_TEXTS):
            return _in_memory(path.name, read_texts(path, texts))
    except pa.ArrowInvalid as error:
        raise SlipwayError(
            f"The file cannot be read: {str(error).splitlines()[0]}", where=str(path), fix="Check what is in it."
        ) from error
    raise SlipwayError(
        f"A spine is not read from {suffix or 'a file without an ending'}.",
        where=str(path),
        nearest=str(path.with_suffix(".parquet")),
        fix="Use one of: " + ", ".join(_SUFFIXES) + ".",
    )


def _parquet_blocks(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BLOCK_ROWS):
            yield pa.Table.from_batches([batch])


def _from_sql(lake: Lakehouse, sql: str, asked: Callable[[Sequence[str]], Mapping[str, Pin]]) -> Spine:
    names = tables_of(lake, sql)
    input_snapshots = {name: resolve(lake.table(name), pin) for name, pin in asked(names).items() if name in names}
    with run_query(lake, sql, at=input_snapshots) as answer:
        schema = answer.schema

    def blocks() -> Iterator[pa.Table]:
        with run_query(lake, sql, at=input_snapshots) as answer:
            held: list[pa.RecordBatch] = []
            for batch in answer.batches:
                held.append(batch)
                if sum(map(len, held)) >= BLOCK_ROWS:
                    yield pa.Table.from_batches(held)
                    held = []
            if held:
                yield pa.Table.from_batches(held)

    return Spine("the spine's SQL", schema, blocks, input_snapshots=input_snapshots)

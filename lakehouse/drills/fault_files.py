"""A delivered file's rows as texts, and texts as a file of the same format.

What belongs here: what a drill needs to take a file apart and put it together again. Not: reading deliveries for real
(lakehouse/sources/reading.py), which is strict where this is not.
"""

import gzip
import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from lakehouse.errors import SlipwayError

_TIME = "%Y-%m-%dT%H:%M:%S%.6f"


def read_texts(path: Path) -> tuple[pl.DataFrame, Mapping[str, pl.DataType]]:
    """The file's rows, every value a text, and the types that they had (empty for a format without types)."""
    if path.suffix == ".parquet":
        rows = pl.read_parquet(path)
        return as_texts(rows), dict(rows.schema)
    name, raw = path.name.removesuffix(".gz"), path.read_bytes()
    content = io.BytesIO(gzip.decompress(raw) if path.name.endswith(".gz") else raw)
    if name.endswith(".csv"):
        separator = max(",;\t|", key=content.getvalue().split(b"\n", 1)[0].decode("utf-8-sig").count)
        return pl.read_csv(content, separator=separator, infer_schema=False, try_parse_dates=False), {}
    return as_texts(pl.read_ndjson(content)), {}


def as_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with every value as a text; times in ISO form."""
    return rows.with_columns(
        pl.col(name).dt.strftime(_TIME) if isinstance(kind, pl.Datetime) else pl.col(name).cast(pl.String)
        for name, kind in rows.schema.items()
    )


def write_texts(rows: pl.DataFrame, path: Path, kinds: Mapping[str, pl.DataType], encoding: str = "utf-8") -> None:
    """Put rows of texts into a file of the format that its name says.

    A typed format gets each column in the type that it had, where all of its values still fit, else as texts. The file
    appears whole. Raises SlipwayError for an encoding of a format that has none.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        if encoding != "utf-8":
            raise SlipwayError(
                "A Parquet file has no encoding that could change.",
                where=path.name,
                nearest="text_truncated",
                fix="Choose another fault, or a source with text files.",
            )
        buffer = io.BytesIO()
        rows.with_columns(_typed(rows[one], kinds.get(one)) for one in rows.columns).write_parquet(buffer)
        content = buffer.getvalue()
    else:
        content = (rows.write_csv() if name.endswith(".csv") else rows.write_ndjson()).encode(encoding)
    beside = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(gzip.compress(content, mtime=0) if path.name.endswith(".gz") else content)
    beside.replace(path)


def _typed(values: pl.Series, kind: pl.DataType | None) -> pl.Series:
    if kind is None:
        return values
    try:
        return values.str.to_datetime(_TIME).cast(kind) if isinstance(kind, pl.Datetime) else values.cast(kind)
    except PolarsError:
        pass
    try:  # a number that no longer fits: the vendor's program takes a wider type
        return values.cast(pl.Int64 if kind.is_integer() else pl.Float64) if kind.is_numeric() else values
    except PolarsError:
        return values

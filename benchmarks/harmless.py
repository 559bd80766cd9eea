"""Harmless changes: the same rows in another file, which nobody may be alarmed by.

What belongs here: ways to write one frame that all mean the same. Not: changes of what is in it (corruptions.py).
"""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.delivered import write_file

WAYS = (
    "byte_order_mark",
    "carriage_returns",
    "everything_quoted",
    "column_order",
    "semicolons",
    "tabs",
    "gzip",
    "no_last_newline",
    "blank_last_line",
    "json_lines",
    "times_with_blank",
    "times_with_zone",
    "trailing_zeros",
    "parquet_wide_types",
    "parquet_dictionaries",
)


def write_harmless(rows: pl.DataFrame, way: str, folder: Path, name: str, seed: int = 0) -> Path:
    """A file in `folder` that holds the rows, written in another way than as a plain CSV file."""
    if way == "parquet_wide_types":
        wide = rows.with_columns(pl.selectors.integer().cast(pl.Int64))
        return write_file(
            wide.with_columns(pl.selectors.datetime().cast(pl.Datetime("ns"))), folder / f"{name}.parquet"
        )
    if way == "parquet_dictionaries":
        table = rows.to_arrow()
        for place, field in enumerate(table.schema):
            if pa.types.is_large_string(field.type):
                table = table.set_column(place, field.name, table.column(place).dictionary_encode())
        pq.write_table(table, folder / f"{name}.parquet", compression="gzip")
        return folder / f"{name}.parquet"
    if way == "json_lines":
        rows.with_columns(pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")).write_ndjson(
            folder / f"{name}.jsonl"
        )
        return folder / f"{name}.jsonl"
    content = _csv(rows, way, seed).encode()
    if way == "byte_order_mark":
        content = b"\xef\xbb\xbf" + content
    path = folder / (f"{name}.csv.gz" if way == "gzip" else f"{name}.csv")
    path.write_bytes(gzip.compress(content, mtime=0) if way == "gzip" else content)
    return path


def _csv(rows: pl.DataFrame, way: str, seed: int) -> str:
    if way == "column_order":
        rows = rows.select(np.random.default_rng(seed).permutation(rows.columns).tolist())
    times = {"times_with_blank": "%Y-%m-%d %H:%M:%S%.6f", "times_with_zone": "%Y-%m-%dT%H:%M:%S%.6fZ"}
    texts = rows.with_columns(
        pl.selectors.datetime().dt.strftime(times.get(way, "%Y-%m-%dT%H:%M:%S%.6f")),
        pl.selectors.numeric().cast(pl.String),
    )
    if way == "trailing_zeros":
        whole = [name for name, kind in rows.schema.items() if kind.is_integer()]
        texts = texts.with_columns(pl.col(whole) + ".0")
    written = io.StringIO()
    writer = csv.writer(
        written,
        delimiter={"semicolons": ";", "tabs": "\t"}.get(way, ","),
        lineterminator="\r\n" if way == "carriage_returns" else "\n",
        quoting=csv.QUOTE_ALL if way == "everything_quoted" and hasattr(csv, "QUOTE_NOTNULL") else csv.QUOTE_MINIMAL,
    )
    writer.writerow(texts.columns)
    writer.writerows(texts.iter_rows())
    content = written.getvalue()
    if way == "no_last_newline":
        return content.rstrip("\r\n")
    return content + "\n" if way == "blank_last_line" else content

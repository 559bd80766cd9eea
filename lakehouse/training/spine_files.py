"""Spines in files: the same readers as for deliveries, with types that hold for every value of a column.

What belongs here: reading a file without a contract. Not: frames and SQL (spine.py).
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.columns import ARROW_TYPES, Column, ColumnType
from lakehouse.errors import SlipwayError
from lakehouse.sources.casting import cast_columns
from lakehouse.sources.file_formats import open_delivery
from lakehouse.sources.json_files import keys_of_strings

# A type is taken only when every value is written in one of its usual ways: an identifier like 007 is a text, and
# 04/06/2018 as well, because it can mean two days.
_FORMS: dict[ColumnType, str] = {
    "int64": r"^-?(0|[1-9][0-9]*)$",
    "float64": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$",
    "bool": r"^(?i:true|false)$",
    "timestamp": r"[ T]",  # and cast_columns takes ISO form only
}
_DAY = r"^\d{4}-\d\d-\d\d$"


def read_texts(path: Path, texts: frozenset[str]) -> pa.Table:
    """The rows of a CSV or JSON lines file, in order; columns of the names `texts` stay texts.

    Times without an offset are UTC. Raises DeliveryError for a file that is damaged, and for a column that appears
    twice.
    """
    with open_delivery(path) as opened:
        doubled = sorted({name for name in opened.names if list(opened.names).count(name) > 1})
        if doubled:
            raise SlipwayError(f"Columns appear twice: {', '.join(doubled)}.", where=path.name, fix="Name each once.")
        rows = opened.columns(opened.names)
        strings = keys_of_strings(path) if opened.kind == "json" else frozenset()
    columns = {
        name: rows.column(name) if name in texts else _typed(name, rows.column(name), name in strings)
        for name in rows.column_names
    }
    return pa.table(columns)


def _typed(name: str, values: pa.ChunkedArray, strings: bool) -> pa.ChunkedArray:  # noqa: FBT001
    given = pc.drop_null(values)
    if not len(given):
        return values
    for kind, form in _FORMS.items():
        if (strings and kind != "timestamp") or not pc.all(pc.match_substring_regex(given, form)).as_py():
            continue
        cast = cast_columns(pa.table({name: values}), [Column(name, kind, name)], [], naive=True, texts=True)
        return values if name in cast.unreadable else cast.columns[name].cast(ARROW_TYPES[kind])
    if pc.all(pc.match_substring_regex(given, _DAY)).as_py():
        try:
            return values.cast(pa.date32())
        except pa.ArrowInvalid:
            return values
    return values

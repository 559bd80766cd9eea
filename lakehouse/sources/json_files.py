"""Delivered JSON lines: the keys of all rows, and their values as texts.

What belongs here: how JSON lines are read. Not: the other formats (csv_files.py, file_formats.py), errors of damaged
files (file_formats.py).
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import DeliveryError
from lakehouse.sources.text_files import LONGEST_LINE, Reader
from lakehouse.tables.duck import borrow, literal


def open_json(path: Path, shown: Path) -> tuple[Sequence[str], Reader]:
    """The keys in the order of the first rows, and a function that reads the values of some of them.

    Raises DeliveryError for a row that is no object or has a key twice; errors name the path `shown`.
    """
    objects = _objects(path)
    keys_of = "case when json_type(json) = 'OBJECT' then json_keys(json) else [] end"
    with borrow(in_order=True) as connection:
        kinds = connection.sql(
            f"select json_type(json) as kind, len({keys_of}) > len(list_distinct({keys_of})) as repeated from {objects}"
        ).to_arrow_table()
        odd = pc.index(pc.equal(kinds.column("kind"), "OBJECT"), pa.scalar(value=False)).as_py()
        if odd >= 0:
            raise DeliveryError(
                f"The row is a JSON {kinds.column('kind')[odd].as_py().lower()}, not an object.",
                where=f"{shown}, row {odd + 1}",
                nearest='{"column": value}',
                fix="Have it delivered with one JSON object in each line.",
            )
        repeated = pc.index(kinds.column("repeated"), pa.scalar(value=True)).as_py()
        if repeated >= 0:
            keys = f"select json_keys(json) from {objects} limit 1 offset {repeated}"
            names = Counter(connection.sql(keys).fetchall()[0][0])
            raise DeliveryError(
                f"The row has the key {names.most_common(1)[0][0]!r} twice.",
                where=f"{shown}, row {repeated + 1}",
                fix="Have it delivered with each key once in a row.",
            )
        first = connection.sql(f"select unnest(json_keys(json)) from {objects} limit 1000").fetchall()
        keys = connection.sql(f"select distinct unnest(json_keys(json)) as key from {objects} order by key").fetchall()
    names = list(dict.fromkeys(key for (key,) in [*first, *keys]))

    def read(wanted: Sequence[str]) -> pa.Table:
        # Columns go by their places: DuckDB does not tell small letters from capital ones in names.
        picked = ", ".join(f"json ->> {literal(_pointer(name))} as c{place}" for place, name in enumerate(wanted))
        with borrow(in_order=True) as connection:
            return connection.sql(f"select {picked} from {objects}").to_arrow_table().rename_columns(list(wanted))

    return names, read


def keys_of_strings(path: Path) -> frozenset[str]:
    """The keys that have a string in some row."""
    with borrow() as connection:
        rows = f"select unnest(json_keys(json)) as key, json from {_objects(path)}"
        pointer = "'/' || replace(replace(key, '~', '~0'), '/', '~1')"
        found = connection.sql(
            f"select distinct key from ({rows}) where json_type(json, {pointer}) = 'VARCHAR'"
        ).fetchall()
    return frozenset(key for (key,) in found)


def _objects(path: Path) -> str:
    # A path is a glob to DuckDB: brackets take the special characters of a name as they are.
    exactly = re.sub(r"[*?\[]", r"[\g<0>]", str(path))
    return f"read_ndjson_objects({literal(exactly)}, maximum_object_size = {LONGEST_LINE})"


def _pointer(name: str) -> str:
    """The JSON pointer (RFC 6901) to an object's member. A bare name that begins with $ or / would be a path."""
    return "/" + name.replace("~", "~0").replace("/", "~1")

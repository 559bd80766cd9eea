"""Table shapes: the columns, partitioning and documentation that a table is declared with.

What belongs here: a declared shape, and how it differs from a table. Not: rows (rows.py) and writing (write.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema

from lakehouse.errors import DeclarationError, nearest_name


@dataclass(frozen=True)
class TableShape:
    """What a table looks like: its columns (Arrow schema), the column whose day partitions it, its documentation.

    `day_column` must be a timestamp; without one the table is written whole. `column_docs` become Iceberg column docs.
    """

    name: str
    schema: pa.Schema
    day_column: str | None = None
    description: str = ""
    column_docs: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""

    def __post_init__(self) -> None:
        """Raises DeclarationError for a day column or a documented column that is not in the schema."""
        known = self.schema.names
        for column in [*([self.day_column] if self.day_column else []), *self.column_docs]:
            if column not in known:
                raise DeclarationError(
                    f"The table has no column {column!r}.", where=self.name, nearest=nearest_name(column, known)
                )


def iceberg_schema(shape: TableShape) -> Schema:
    """The Iceberg schema of a shape: fields numbered from 1, all optional, with their docs."""
    numbered = [
        one.with_metadata({"PARQUET:field_id": str(number)}).with_nullable(nullable=True)
        for number, one in enumerate(shape.schema, start=1)
    ]
    bare = pyarrow_to_schema(pa.schema(numbered))
    return Schema(*(one.model_copy(update={"doc": shape.column_docs.get(one.name)}) for one in bare.fields))


def schema_change(present: Schema, shape: TableShape) -> str:
    """How the shape's columns differ from those of the schema `present`, in words; empty if they do not."""
    have = {one.name: str(one.field_type) for one in present.fields}
    want = {one.name: str(one.field_type) for one in iceberg_schema(shape).fields}
    words = [f"{name} is new" for name in want if name not in have]
    words += [f"{name} is gone" for name in have if name not in want]
    words += [
        f"{name} was {have[name]} and is now {want[name]}" for name in want if name in have and have[name] != want[name]
    ]
    return ", ".join(words)

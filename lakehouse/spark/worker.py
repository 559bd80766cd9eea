"""What runs in Spark's Python workers, around the functions that are applied there.

What belongs here: rows from Spark as the tables that a function takes, and its errors on their way back. Not: anything
that imports Iceberg or Spark: a worker has to import all that this module does before it can begin.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import errors
from lakehouse.errors import SlipwayError

SIDE = "_side"
"""In a tagged union, the column of the table's number; table n is in the struct column `_n`."""

_MARK = "slipway-error:"
_CARRIED = re.compile(rf"{_MARK}([A-Za-z0-9+/=]+)")

BuildPlan = Callable[[Mapping[str, pa.Table], pa.Table], pa.Table]
"""From tables by name and a spine to rows."""


@contextmanager
def on_worker() -> Iterator[None]:
    """Around what runs in a worker: a SlipwayError goes on in a form that survives Java."""
    try:
        yield
    except SlipwayError as error:
        packed = base64.b64encode(json.dumps(error.as_dict()).encode()).decode()
        raise RuntimeError(f"{_MARK}{packed}") from None


def raised_error(text: str) -> SlipwayError | None:
    """The error that a worker raised, found in the text of Spark's."""
    found = _CARRIED.search(text)
    if not found:
        return None
    parts = json.loads(base64.b64decode(found.group(1)))
    kind = getattr(errors, parts["error"], SlipwayError)
    return kind(parts["what"], where=parts["where"], nearest=parts["nearest"], fix=parts["fix"])


@dataclass(frozen=True)
class Part:
    """Runs `work` on one part: `schemas` are those of its tables by name, `spine` that of its spine."""

    work: BuildPlan
    schemas: Mapping[str, pa.Schema]
    spine: pa.Schema
    out: pa.Schema

    def alone(self, spine: pa.Table) -> pa.Table:
        """The part's rows, when there is no other table."""
        return self._run(dict, spine)

    def beside_one(self, rows: pa.Table, spine: pa.Table) -> pa.Table:
        """The part's rows, when there is one other table."""
        ((name, schema),) = self.schemas.items()
        return self._run(lambda: {name: as_schema(rows, schema)}, spine)

    def beside_many(self, rows: pa.Table, spine: pa.Table) -> pa.Table:
        """The part's rows, when the other tables come as a tagged union."""
        return self._run(lambda: _untagged(rows, self.schemas), spine)

    def _run(self, tables: Callable[[], dict[str, pa.Table]], spine: pa.Table) -> pa.Table:
        with on_worker():
            if not spine.num_rows:
                return self.out.empty_table()
            return self.work(tables(), as_schema(spine, self.spine)).cast(self.out)


@dataclass(frozen=True)
class Stream:
    """Runs `work` on a partition's rows, block by block in the order in which they come."""

    work: Callable[[Iterable[pa.Table]], Iterable[pa.Table]]
    schema: pa.Schema
    out: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that the work gives."""
        with on_worker():
            for rows in self.work(as_schema(pa.Table.from_batches([batch]), self.schema) for batch in batches):
                yield from rows.cast(self.out).to_batches()


def as_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows from Spark in the schema: without the part's number, and with texts as wide as elsewhere."""
    return rows.select(schema.names).cast(schema) if rows.num_rows else schema.empty_table()


def _untagged(rows: pa.Table, schemas: Mapping[str, pa.Schema]) -> dict[str, pa.Table]:
    found = {}
    for number, (name, schema) in enumerate(schemas.items()):
        mine = [
            pa.RecordBatch.from_struct_array(batch.column(f"_{number}").filter(pc.equal(batch.column(SIDE), number)))
            for batch in rows.to_batches()
        ]
        found[name] = as_schema(pa.Table.from_batches(mine), schema) if mine else schema.empty_table()
    return found

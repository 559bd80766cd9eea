"""The quarantine: where rows that break a contract wait, with the reason.

What belongs here: a source's quarantine table and writing to it. Not: judging rows (audit.py).
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog import Lakehouse
from lakehouse.contracts.audit import RULE
from lakehouse.tables.pins import Provenance
from lakehouse.tables.publish import Published, publish
from lakehouse.tables.read import literal, read
from lakehouse.tables.write import TableShape, write_draft

SUFFIX = "__quarantine"


def quarantine_name(table: str) -> str:
    """The name of a table's quarantine."""
    return f"{table}{SUFFIX}"


def quarantine_shape(landed: TableShape) -> TableShape:
    """The quarantine of a landed table: its columns as delivered, and the names of the broken rules."""
    return TableShape(
        quarantine_name(landed.name),
        landed.schema.append(pa.field(RULE, pa.string())),
        description=f"Rows delivered for {landed.name} that break its contract, with the names of the rules.",
        column_docs={**landed.column_docs, RULE: "The names of the broken rules."},
        owner=landed.owner,
    )


def keep_in_quarantine(
    lake: Lakehouse, shape: TableShape, broken: pa.Table, fingerprints: Sequence[str], provenance: Provenance
) -> Published | None:
    """Put broken rows of these deliveries into quarantine. The same rows delivered again are kept once.

    Returns None when there is nothing to keep and nothing to take back.
    """
    table_exists = lake.has(shape.name)
    if not len(broken) and not table_exists:
        return None
    chosen = f"_fingerprint in ({', '.join(literal(one) for one in fingerprints)})"
    held = read(lake, shape.name, where=chosen) if table_exists else shape.schema.empty_table()
    if not len(broken) and not len(held):
        return None
    # A delivery can be landed day by day: its rows of other days, held already, stay.
    again = {(row["_fingerprint"], row["_row"]) for row in broken.select(["_fingerprint", "_row"]).to_pylist()}
    kept = pa.array(
        [(row["_fingerprint"], row["_row"]) not in again for row in held.select(["_fingerprint", "_row"]).to_pylist()],
        pa.bool_(),
    )
    others = held.filter(kept)
    if not len(broken):
        return None
    rows = pa.concat_tables([others.select(shape.schema.names).cast(shape.schema), broken.cast(shape.schema)])
    rows = rows.take(pc.sort_indices(rows, [("_fingerprint", "ascending"), ("_row", "ascending")]))
    if len(held) == len(rows) and held.select(["_fingerprint", "_row", RULE]).sort_by("_row").equals(
        rows.select(["_fingerprint", "_row", RULE]).sort_by("_row")
    ):
        return None
    return publish(lake, write_draft(lake, shape, rows, provenance, chosen))

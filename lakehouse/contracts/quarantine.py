"""The quarantine: where rows that break a contract wait, with the reason.

What belongs here: a source's quarantine table and writing to it. Not: judging rows (audit.py).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date

import pyarrow as pa

from lakehouse.catalog import Lakehouse
from lakehouse.contracts.audit import RULE
from lakehouse.tables.pins import Provenance
from lakehouse.tables.publish import Published, publish
from lakehouse.tables.read import literal, read, resolve
from lakehouse.tables.write import TableShape, ensure_table, write_draft

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
    lake: Lakehouse,
    shape: TableShape,
    event_time: str,
    broken: pa.Table,
    landing: Mapping[str, Collection[date]],
    provenance: Provenance,
    possible: Callable[[Iterable[date]], list[date]],
) -> Published | None:
    """Hold the broken rows in place of what was held of these deliveries (fingerprint -> days that are landed now).

    Rows of other days stay, rows without a `possible` day come with each. Returns None when nothing changes.
    """
    if not len(broken) and not lake.has(shape.name):
        return None
    base = resolve(ensure_table(lake, shape))
    chosen = f"_fingerprint in ({', '.join(literal(one) for one in landing)})"
    held = read(lake, shape.name, at=base, where=chosen).select(shape.schema.names).cast(shape.schema)
    days = held.column(event_time).cast(pa.date32()).to_pylist()
    dated = set(possible({day for day in days if day is not None}))
    stays = [
        day in dated and day not in landing[fingerprint]
        for fingerprint, day in zip(held.column("_fingerprint").to_pylist(), days, strict=True)
    ]
    rows = pa.concat_tables([held.filter(pa.array(stays, pa.bool_())), broken.cast(shape.schema)])
    rows = rows.sort_by([("_fingerprint", "ascending"), ("_row", "ascending")])
    same = ["_fingerprint", "_row", RULE]
    if rows.select(same).equals(held.sort_by([("_fingerprint", "ascending"), ("_row", "ascending")]).select(same)):
        return None
    return publish(lake, write_draft(lake, shape, rows, provenance, chosen, base))

"""The quarantine: rows that failed a contract, with the reason, as they were delivered.

What belongs here: a source's quarantine table, writing to it and taking rows out. Not: judging rows (audit.py) and
running them again (ingestion/retry.py). A dropped row stays in the table with the reason: nothing is lost, and it is
never published.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.check_result import RULE, CheckResult
from lakehouse.tables.draft_checks import check_row_count
from lakehouse.tables.duck import literal
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import Published, needs_schema_change
from lakehouse.tables.read import count_rows, plan, read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import Draft, ensure_table
from lakehouse.tables.write_audit_publish import write_audit_publish

SUFFIX = "__quarantine"
DELIVERED, QUARANTINED_AT, DROPPED = "_delivered", "_quarantined_at", "_dropped"
_OWN = pa.schema(
    [
        pa.field(RULE, pa.string()),
        pa.field(DELIVERED, pa.string()),
        pa.field(QUARANTINED_AT, pa.timestamp("us")),
        pa.field(DROPPED, pa.string()),
    ]
)
_DOCS = {
    RULE: "The names of the failed rules.",
    DELIVERED: "The row as it was delivered (JSON), before mappings and types.",
    QUARANTINED_AT: "When the row was quarantined (UTC).",
    DROPPED: "Why the row was dropped; null while it is in quarantine.",
}
_KEY = ["_fingerprint", "_row"]


def quarantine_name(table: str) -> str:
    """The name of a table's quarantine."""
    return f"{table}{SUFFIX}"


def quarantine_shape(landed: TableShape) -> TableShape:
    """The quarantine of a landed table: its columns, the broken rules, and the row as delivered."""
    return TableShape(
        quarantine_name(landed.name),
        pa.schema([*landed.schema, *_OWN]),
        description=f"Rows delivered for {landed.name} that failed its contract, with the names of the failed rules.",
        column_docs={**landed.column_docs, **_DOCS},
        owner=landed.owner,
    )


def quarantined(lake: Lakehouse, shape: TableShape, *, at: int | None = None, where: str | None = None) -> pa.Table:
    """The rows in quarantine, dropped ones included, in the columns of `shape`, by delivery and row.

    What was put there in other columns is null where it cannot be said in these; it stays in the row as delivered.
    """
    if not lake.has(shape.name):
        return shape.schema.empty_table()
    rows = read(lake, shape.name, at=at, where=where)
    columns = [_as_kept(rows, field) for field in shape.schema]
    return pa.table(columns, schema=shape.schema).sort_by([(name, "ascending") for name in _KEY])


def _as_kept(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in rows.schema.names:
        return pa.chunked_array([pa.nulls(len(rows), field.type)])
    column = rows.column(field.name)
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array([pa.nulls(len(rows), field.type)])


def waiting_rows(lake: Lakehouse, landed: TableShape) -> int:
    """How many rows of a landed table wait in quarantine, dropped ones not among them."""
    rows = quarantined(lake, quarantine_shape(landed))
    return rows.column(DROPPED).null_count


def none_broken(landed: pa.Schema) -> pa.Table:
    """No rows, in the columns of broken ones."""
    own = [_OWN.field(name) for name in (RULE, DELIVERED)]
    return pa.schema([*landed, *own]).empty_table()


def of_deliveries(fingerprints: Collection[str]) -> str:
    """The filter for the rows of these deliveries."""
    return f"_fingerprint in ({', '.join(literal(one) for one in fingerprints)})" if fingerprints else "false"


def dropped_rows(rows: pa.Table) -> dict[str, dict[int, str]]:
    """The dropped ones among quarantined rows: fingerprint -> row -> reason."""
    dropped: dict[str, dict[int, str]] = {}
    for fingerprint, row, reason in zip(*(rows.column(name).to_pylist() for name in [*_KEY, DROPPED]), strict=True):
        if reason is not None:
            dropped.setdefault(fingerprint, {})[row] = reason
    return dropped


def keep_in_quarantine(
    lake: Lakehouse,
    shape: TableShape,
    event_time: str,
    failed_rows: pa.Table,
    landing: Mapping[str, Collection[date]],
    provenance: Provenance,
    possible: Callable[[Iterable[date]], list[date]],
) -> Published | None:
    """Hold the broken rows in place of what was held of these deliveries (fingerprint -> days that are landed now).

    Rows of other days stay, rows without a `possible` day come with each; what was dropped stays dropped. Returns None
    when nothing changes.
    """
    if not len(failed_rows) and not lake.has(shape.name):
        return None
    base = resolve(ensure_table(lake, shape))
    chosen = of_deliveries(landing)
    held = quarantined(lake, shape, at=base, where=chosen)
    days = held.column(event_time).cast(pa.date32()).to_pylist()
    dated = set(possible({day for day in days if day is not None}))
    stays = [
        day in dated and day not in landing[fingerprint]
        for fingerprint, day in zip(held.column("_fingerprint").to_pylist(), days, strict=True)
    ]
    rows = pa.concat_tables([held.filter(pa.array(stays, pa.bool_())), _marked(failed_rows, shape, dropped_rows(held))])
    rows = rows.sort_by([(name, "ascending") for name in _KEY])
    same = [*_KEY, RULE]
    if rows.select(same).equals(held.select(same)):
        return None
    return _replace(lake, shape, rows, chosen, base, provenance)


def take_out(lake: Lakehouse, shape: TableShape, published: pa.Table, provenance: Provenance) -> Published | None:
    """Take rows out that are published now (columns `_fingerprint` and `_row`). None when none of them is there."""
    base = resolve(ensure_table(lake, shape))
    held = quarantined(lake, shape, at=base)
    rows = held.join(published.select(_KEY), keys=_KEY, join_type="left anti").select(shape.schema.names)
    return None if len(rows) == len(held) else _replace(lake, shape, rows, None, base, provenance)


def take_back(lake: Lakehouse, shape: TableShape, fingerprints: Collection[str], provenance: Provenance) -> None:
    """Take out what waits of these deliveries, of which nothing was published; what was dropped stays."""
    if not fingerprints or not lake.has(shape.name):
        return
    base = resolve(ensure_table(lake, shape))
    chosen = of_deliveries(fingerprints)
    held = quarantined(lake, shape, at=base, where=chosen)
    dropped = held.filter(pc.is_valid(held.column(DROPPED)))
    if len(dropped) < len(held):
        _replace(lake, shape, dropped, chosen, base, provenance)


def drop_rows(lake: Lakehouse, shape: TableShape, rule: str | None, reason: str, provenance: Provenance) -> int:
    """Mark waiting rows (of one rule, or all) as dropped, with the reason; returns how many."""
    base = resolve(ensure_table(lake, shape))
    held = quarantined(lake, shape, at=base)
    chosen = pc.is_null(held.column(DROPPED))
    if rule is not None:
        named = [rule in names.split(", ") for names in held.column(RULE).to_pylist()]
        chosen = pc.and_(chosen, pa.array(named, pa.bool_()))
    number = pc.sum(chosen).as_py() or 0
    if number:
        marked = pc.if_else(chosen, pa.scalar(reason), held.column(DROPPED))
        rows = held.set_column(shape.schema.get_field_index(DROPPED), shape.schema.field(DROPPED), marked)
        _replace(lake, shape, rows, None, base, provenance)
    return number


def _marked(failed_rows: pa.Table, shape: TableShape, dropped: Mapping[str, Mapping[int, str]]) -> pa.Table:
    """Broken rows in the quarantine's columns; without a `_delivered` of their own it stays null."""
    now = pa.scalar(clock.stored_now(), pa.timestamp("us"))
    pairs = zip(*(failed_rows.column(name).to_pylist() for name in _KEY), strict=True)
    reasons = [dropped.get(fingerprint, {}).get(row) for fingerprint, row in pairs]
    own = {QUARANTINED_AT: pa.repeat(now, len(failed_rows)), DROPPED: pa.array(reasons, pa.string())}
    if DELIVERED not in failed_rows.schema.names:
        own[DELIVERED] = pa.nulls(len(failed_rows), pa.string())
    for name, values in own.items():
        failed_rows = failed_rows.append_column(name, values)
    return failed_rows.select(shape.schema.names).cast(shape.schema)


def _replace(
    lake: Lakehouse, shape: TableShape, rows: pa.Table, chosen: str | None, base: int, provenance: Provenance
) -> Published:
    """Publish the rows in place of the `chosen` ones (None: of all)."""
    others = count_rows(plan(lake, shape.name, at=base)) - len(quarantined(lake, shape, at=base, where=chosen))
    expected = others + len(rows)
    if chosen and needs_schema_change(lake, shape):  # the source's contract has other columns now
        rows = pa.concat_tables([quarantined(lake, shape, at=base, where=f"not ({chosen})"), rows])

    def audit(lake: Lakehouse, draft: Draft) -> list[CheckResult]:
        return [check_row_count(lake, draft, expected)]

    return write_audit_publish(lake, shape, rows, provenance, chosen, audit, base).published

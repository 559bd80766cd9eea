"""Retries: rows in quarantine are checked again, after the contract or the mappings were fixed.

What belongs here: from quarantined rows, as they were delivered, to published ones. Not: evaluating whole deliveries
(landing.py): for a rejected one a retry is requested here, and the next landing evaluates it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from lakehouse.catalog.home import scratch_folder
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit import sort_rows
from lakehouse.contracts.quarantine import DELIVERED, DROPPED, quarantine_shape, quarantined, take_out
from lakehouse.contracts.referenced_tables import read_referenced
from lakehouse.errors import ContractError, DeliveryError, PublishConflictError
from lakehouse.ingestion.ingestion_log import Status, all_lines, latest_entries, record
from lakehouse.ingestion.recording import missing_entries, record_and_release
from lakehouse.ingestion.row_counts import load_row_counts
from lakehouse.sources.circuit_breaker import State, breaker_status
from lakehouse.sources.reading import read_delivery
from lakehouse.sources.source import METADATA, Source
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.draft_checks import check_row_count
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import Provenance, last_published
from lakehouse.tables.publish import needs_schema_change
from lakehouse.tables.read import attach, plan, read, resolve
from lakehouse.tables.write import Draft, ensure_table
from lakehouse.tables.write_audit_publish import write_audit_publish

_KEY = ["_fingerprint", "_row"]


@dataclass(frozen=True)
class Retried:
    """How many rows were published, how many still fail, and which rejected deliveries are evaluated again."""

    published: int
    waiting: int
    again: Sequence[str]


def retry_quarantined(lake: Lakehouse, source: Source, *, run_id: str) -> Retried:
    """Check every waiting row again, publish those that pass now, and request a retry of rejected deliveries.

    Raises ContractError while the breaker is open: nothing of the source is published then.
    """
    breaker = breaker_status(lake, source.name, source.breaker, source.definition())
    if breaker.state is State.OPEN:
        raise ContractError(
            f"{breaker.message} While it is open, no row of the source is published.",
            where=source.name,
            nearest=f"slipway circuit-breaker {source.name} --close --reason '...'",
            fix="Close the breaker first, or wait until its cool-down is over.",
        )

    @retry(retry=retry_if_exception_type(PublishConflictError), stop=stop_after_attempt(3), reraise=True)
    def attempt() -> tuple[int, int]:
        return _retry(lake, source, run_id)

    published, waiting = attempt()
    log = all_lines(lake, source.name)
    missing = missing_entries(source, latest_entries(log), load_row_counts(lake, source))
    log += record_and_release(lake, source, missing, missing.entries, run_id)
    rejected = [
        line for line in latest_entries(log).values() if line.status in {Status.REJECTED, Status.RETRY_REQUESTED}
    ]
    record(
        lake,
        [replace(line, status=Status.RETRY_REQUESTED) for line in rejected if line.status is Status.REJECTED],
        run_id,
    )
    return Retried(published, waiting, [line.delivery for line in rejected])


def _retry(lake: Lakehouse, source: Source, run_id: str) -> tuple[int, int]:
    shape = quarantine_shape(source.shape)
    # The table first: what a landing changes after that, in either of the two, is a conflict when it comes to publish.
    base = resolve(ensure_table(lake, source.shape))
    held = quarantined(lake, shape)
    held = held.filter(pc.is_null(held.column(DROPPED)))
    made = last_published(lake, source.name)
    # The rows that were published before are still of the definition that they were checked by.
    definition = made.definition if made else source.definition()
    provenance = Provenance(run_id, definition, {}, source.contract.version)
    if not len(held):
        return 0, 0
    there = _already_published(lake, source, held, base)
    if len(there):  # left by a process that was killed before it took them out
        take_out(lake, shape, there, provenance)
        held = held.join(there, keys=_KEY, join_type="left anti").select(shape.schema.names)
    good = _good_again(lake, source, held, base)
    if len(good):
        if needs_schema_change(lake, source.shape):
            raise ContractError(
                f"{source.name} does not have the columns of its contract yet, so {len(good)} rows that pass now "
                "cannot be published.",
                where=source.name,
                fix=f"Land a delivery with this contract first: `slipway materialize {source.name}`.",
            )
        days = source.possible(pc.unique(good.column(source.event_time).cast(pa.date32())).to_pylist())
        where = days_filter(source.event_time, days)
        retained = read(lake, source.name, at=base, where=where).select(good.schema.names).cast(good.schema)
        rows = pa.concat_tables([retained, good])
        order = [(source.event_time, "ascending"), ("_file", "ascending"), ("_row", "ascending")]

        def audit(lake: Lakehouse, draft: Draft) -> list[CheckResult]:
            return [check_row_count(lake, draft, len(rows), where, name="conservation")]

        write_audit_publish(lake, source.shape, rows.sort_by(order), provenance, where, audit, base)
        take_out(lake, shape, good, provenance)
    return len(good) + len(there), len(held) - len(good)


def _already_published(lake: Lakehouse, source: Source, held: pa.Table, base: int) -> pa.Table:
    """The keys of quarantined rows that the table has, too."""
    with borrow() as connection:
        landed = attach(connection, plan(lake, source.name, at=base), "landed")
        connection.register("held", held.select(_KEY))
        return connection.sql(
            f"select _fingerprint, _row from held semi join {landed} using (_fingerprint, _row)"
        ).to_arrow_table()


def _good_again(lake: Lakehouse, source: Source, held: pa.Table, base: int) -> pa.Table:
    """The rows that pass now, in the source table's columns; their keys are new to the table."""
    columns = source.shape.schema
    shape = columns.append(pa.field(DELIVERED, pa.string()))
    rows, flags = [], []
    with scratch_folder(lake.home.work, "retry") as folder:
        frame = pl.DataFrame(pl.from_arrow(held))
        for (fingerprint,), of_one in frame.group_by("_fingerprint", maintain_order=True):
            table = of_one.to_arrow().select(shape.names).cast(shape)
            # Mappings of the event time go by the day in a file's name.
            named = Path(folder) / fingerprint / f"{Path(of_one['_file'][0]).name}.jsonl"
            again, unreadable = _read_again(source, table, named)
            rows.append(again)
            flags.append(unreadable)
    together = pa.concat_tables([columns.empty_table(), *(one.cast(columns) for one in rows)])
    unreadable = pa.concat_arrays([pa.array([], pa.bool_()), *flags])
    good = sort_rows(
        source.contract, together.filter(pc.invert(unreadable)), read_referenced(lake, source.contract)
    ).good
    possible = source.possible(pc.unique(good.column(source.event_time).cast(pa.date32())).to_pylist())
    good = good.filter(pc.is_in(good.column(source.event_time).cast(pa.date32()), pa.array(possible, pa.date32())))
    for key in source.contract.unique_keys():
        names = ", ".join(quoted(name) for name in key)
        with borrow() as connection:
            landed = attach(connection, plan(lake, source.name, at=base), "landed")
            connection.register("good", good)
            good = connection.sql(f"select good.* from good anti join {landed} using ({names})").to_arrow_table()
    return good.select(columns.names).cast(columns)


def _read_again(source: Source, held: pa.Table, path: Path) -> tuple[pa.Table, pa.Array]:
    """One delivery's rows, read again from what was delivered; and which of them still cannot be read."""
    texts = held.column(DELIVERED).to_pylist()
    nothing = pa.repeat(pa.scalar(value=False), len(held))
    if any(text is None for text in texts):  # put there by an older version, as it was read then
        return held.drop_columns([DELIVERED]), nothing
    path.parent.mkdir()
    path.write_text("".join(f"{json.dumps(json.loads(text))}\n" for text in texts))
    try:
        found = read_delivery(source, path)
    except DeliveryError:
        return held.drop_columns([DELIVERED]), pa.repeat(pa.scalar(value=True), len(held))
    rows = found.rows
    for field in METADATA:
        rows = rows.append_column(field, held.column(field.name))
    for mask in found.unreadable.values():
        nothing = pc.or_(nothing, pa.array(mask))
    return rows, nothing

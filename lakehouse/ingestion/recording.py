"""Recording: what landing writes to the ingestion log and the audit log, after the fact.

What belongs here: the entries of both logs. Not: deciding (decisions.py). A crash before they are written leaves
entries out; what was published shows in the tables, and the next landing adds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit_log import audit_lines, record_audits
from lakehouse.ingestion.decisions import Decided
from lakehouse.ingestion.ingestion_log import Entry, Status, record
from lakehouse.ingestion.pending import Pending, is_replaced
from lakehouse.ingestion.row_counts import RowCounts, load_row_counts
from lakehouse.ingestion.state import IngestionState
from lakehouse.sources.deliveries import let_go
from lakehouse.sources.source import Source


@dataclass(frozen=True)
class Missing:
    """The entries that an ingestion log lacks, and the deliveries of which no copy is kept any longer."""

    entries: tuple[Entry, ...]
    released: tuple[str, ...]


def record_landing(
    lake: Lakehouse,
    state: IngestionState,
    pending: Pending,
    decided: Decided,
    branches: Mapping[str, str],
    run_id: str,
) -> list[Entry]:
    """Record what was decided and what is published now; returns the log, the new entries at its end.

    `branches` are the audit branches of blocked deliveries, by name.
    """
    source = state.source
    new = []
    for decision in decided.blocked:
        one = decision.evaluation.delivery
        reason = decision.reason.what if decision.reason else "The breaker is open."
        entry = _entry(source, one.name, one.fingerprint, decision.status, reason)
        remedy = (decision.reason.fix if decision.reason else None) or ""
        new.append(replace(entry, rows=decision.evaluation.delivered, branch=branches[one.name], remedy=remedy))
    for delivery, original in pending.copies:
        message = f"It has the content of {original}."
        new.append(_entry(source, delivery.name, delivery.fingerprint, Status.COPY, message))
    # In the order in which they were decided: how many were rejected in a row is read from it.
    keys = [(one.evaluation.delivery.fingerprint, one.evaluation.delivery.name) for one in decided.decisions]
    order = {key: place for place, key in enumerate(keys)}
    # Of what is published the table is the truth: it is counted, not taken from what was decided.
    missing = missing_entries(source, state.entries, load_row_counts(lake, source), new, state.present)
    entries = sorted([*new, *missing.entries], key=lambda entry: order.get(entry.key, -1))
    stored = record_and_release(lake, source, missing, entries, run_id)
    audits = [
        line
        for one in decided.decisions
        for line in audit_lines(
            source.name,
            source.contract.version,
            one.evaluation.delivery.name,
            one.evaluation.delivery.fingerprint,
            one.evaluation.rows,
            one.check_results,
            run_id,
        )
    ]
    record_audits(lake, audits, run_id)
    return [*state.log, *stored]


def record_missing(lake: Lakehouse, state: IngestionState, run_id: str) -> list[Entry]:
    """Record what the ingestion log lacks of what is published; returns the log, the new entries at its end.

    A run that was killed after publishing left them out, or a blocked delivery was replaced by a published file.
    """
    missing = missing_entries(state.source, state.entries, state.rows, present=state.present)
    return [*state.log, *record_and_release(lake, state.source, missing, missing.entries, run_id)]


def record_and_release(
    lake: Lakehouse, source: Source, missing: Missing, entries: Sequence[Entry], run_id: str
) -> list[Entry]:
    """Record the entries, and delete the copies that are no longer needed; returns the entries as they are stored."""
    for fingerprint in missing.released:
        let_go(lake.home, source.name, fingerprint)
    return record(lake, entries, run_id)


def missing_entries(
    source: Source,
    known: Mapping[tuple[str, str], Entry],
    rows: RowCounts,
    new: Sequence[Entry] = (),
    present: Mapping[str, str] | None = None,
) -> Missing:
    """The entries that the log lacks of what is published and of what was replaced.

    `known` are the entries that hold, `rows` is what the tables hold, `new` the entries that are recorded beside the
    result, `present` the fingerprints of the files in the drop folder, by name. A delivery that was blocked is so until
    all of its rows are in the tables; until then its copy is kept, too.
    """
    kept_out = [one for one in (*known.values(), *new) if one.blocked or one.status is Status.DROPPED]
    blocked = {one.key: one for one in kept_out}
    entries: list[Entry] = []
    released: list[str] = []
    for fingerprint in dict.fromkeys([*rows.published, *rows.quarantined]):
        entry = _landed_entry(source, rows, fingerprint, blocked)
        before = known.get(entry.key)
        if before is None or replace(before, at=None, run_id="") != entry:
            entries.append(entry)
            released += [] if entry.blocked else [fingerprint]
    decided = [one for one in entries if one.key not in known or not one.repeats(known[one.key])]
    newest = {one.delivery: one.fingerprint for one in [*known.values(), *new, *decided]}
    for entry in known.values():
        landed_once = entry.status is Status.PUBLISHED
        gone = entry.fingerprint not in rows.landed if landed_once else newest[entry.delivery] != entry.fingerprint
        gone = gone or is_replaced(entry, present or {}, rows.landed)
        if gone and entry.status not in {Status.SUPERSEDED, Status.COPY, Status.DROPPED}:
            entries.append(replace(entry, status=Status.SUPERSEDED, reason="Another file came under its name."))
            released.append(entry.fingerprint)
    return Missing(tuple(entries), tuple(released))


def _landed_entry(source: Source, rows: RowCounts, fingerprint: str, blocked: Mapping[tuple[str, str], Entry]) -> Entry:
    """The entry of a delivery that has rows in the tables; it stays blocked while others of its rows are in none."""
    published, quarantined = rows.published.get(fingerprint), rows.quarantined.get(fingerprint)
    here, there = published.total if published else 0, quarantined.total if quarantined else 0
    some = published or quarantined
    entry = _entry(source, some.file if some else "", fingerprint, Status.PUBLISHED)
    entry = replace(entry, rows=here + there, published=here, quarantined=there)
    held = blocked.get(entry.key)
    if held is not None and here + there < held.rows:
        return replace(held, published=here, quarantined=there, at=None, run_id="")
    return entry


def _entry(source: Source, name: str, fingerprint: str, status: Status, reason: str = "") -> Entry:
    return Entry(source.name, name, fingerprint, status, 0, 0, 0, source.definition(), reason)

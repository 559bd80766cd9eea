"""Bookkeeping: what landing writes down of its deliveries, after the fact.

What belongs here: the lines of the ledger and of the journal of audits, and giving back held copies. Not: deciding.
A crash before the books are written leaves lines out; what was published shows in the tables, and the next landing
adds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit_log import audit_lines, record_audits
from lakehouse.ingestion.decisions import Decided
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.ingestion.ingestion_log import Entry, Status, record
from lakehouse.ingestion.pending import Pending, is_replaced, published_rows, quarantined_rows
from lakehouse.sources.deliveries import let_go
from lakehouse.sources.source import Source


def write_down(  # all that is known at the end
    lake: Lakehouse,
    source: Source,
    pending: Pending,
    evaluations: Sequence[DeliveryEvaluation],
    decided: Decided,
    branches: Mapping[str, str],
    run_id: str,
) -> None:
    """Bring ledger and audits up to what is published, and to what was decided on the arrivals."""
    new = []
    for evaluation, decision in zip(evaluations, decided.decisions, strict=True):
        if decision.status is not Status.PUBLISHED:
            one = evaluation.delivery
            reason = decision.reason.what if decision.reason else "The breaker is open."
            line = _entry(source, one.name, one.fingerprint, decision.status, reason)
            remedy = (decision.reason.fix if decision.reason else None) or ""
            new.append(replace(line, rows=evaluation.delivered, branch=branches[one.name], remedy=remedy))
    for delivery, original in pending.copies:
        says = f"It has the content of {original}."
        new.append(_entry(source, delivery.name, delivery.fingerprint, Status.COPY, says))
    new += bring_up_to_date(lake, source, pending.lines, new, pending.present)
    # In the order in which they were decided: how many were refused in a row is read from it.
    places = {(one.delivery.fingerprint, one.delivery.name): place for place, one in enumerate(evaluations)}
    record(lake, sorted(new, key=lambda line: places.get(line.key, -1)), run_id)
    told = [
        line
        for one in evaluations
        for line in audit_lines(
            source.name,
            source.contract.version,
            one.delivery.name,
            one.delivery.fingerprint,
            one.rows,
            one.check_results,
            run_id,
        )
    ]
    record_audits(lake, told, run_id)


def bring_up_to_date(
    lake: Lakehouse,
    source: Source,
    lines: Mapping[tuple[str, str], Entry],
    known_now: Sequence[Entry] = (),
    present: Mapping[str, str] | None = None,
) -> list[Entry]:
    """The lines that the ledger lacks of what is published and of what was replaced.

    `lines` are those that it has, `known_now` those that are being written beside the result, `present` the fingerprint
    of what lies in the drop folder, by name. A delivery that was held
    back is so until all of its rows are in the tables; until then its copy is kept, too.
    """
    published, waiting = published_rows(lake, source), quarantined_rows(lake, source)
    kept_out = [line for line in (*lines.values(), *known_now) if line.blocked or line.status is Status.DROPPED]
    blocked = {line.key: line for line in kept_out}
    new, nothing = [], _entry(source, "", "", Status.PUBLISHED)
    for fingerprint in dict.fromkeys([*published, *waiting]):
        name = (published.get(fingerprint) or waiting[fingerprint])[0]
        here = sum(published[fingerprint][1].values()) if fingerprint in published else 0
        there = sum(waiting[fingerprint][1].values()) if fingerprint in waiting else 0
        line = replace(
            nothing, delivery=name, fingerprint=fingerprint, rows=here + there, published=here, quarantined=there
        )
        known, held = lines.get(line.key), blocked.get(line.key)
        if held is not None and here + there < held.rows:
            line = replace(held, published=here, quarantined=there, at=None, run_id="")
        if known is None or replace(known, at=None, run_id="") != line:
            new.append(line)
            if not line.blocked:
                let_go(lake.home, source.name, fingerprint)
    landed = {*published, *waiting}
    decided = [line for line in new if line.key not in lines or not line.repeats(lines[line.key])]
    newest = {line.delivery: line.fingerprint for line in [*lines.values(), *known_now, *decided]}
    for line in lines.values():
        landed_once = line.status is Status.PUBLISHED
        gone = line.fingerprint not in landed if landed_once else newest[line.delivery] != line.fingerprint
        gone = gone or is_replaced(line, present or {}, landed)
        if gone and line.status not in {Status.SUPERSEDED, Status.COPY, Status.DROPPED}:
            new.append(replace(line, status=Status.SUPERSEDED, reason="Another file came under its name."))
            let_go(lake.home, source.name, line.fingerprint)
    return new


def _entry(source: Source, name: str, fingerprint: str, status: Status, reason: str = "") -> Entry:
    return Entry(source.name, name, fingerprint, status, 0, 0, 0, source.definition(), reason)

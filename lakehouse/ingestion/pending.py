"""What is still to be landed: which deliveries are new, and which rows of older ones are to go.

What belongs here: comparing what lies in the drop folder with what was landed, refused or waits. Not: landing
(landing.py). A file is known by its fingerprint, day by day: landing it again changes nothing. A file that comes again
under its name with other content takes the place of the old one.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.ingestion.ingestion_log import Entry, Status, known_deliveries
from lakehouse.sources.circuit_breaker import Standing, State, breaker_status
from lakehouse.sources.deliveries import Delivery, inspect
from lakehouse.sources.source import Source
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import attach, changed_days, plan, resolve
from lakehouse.tables.write import storage_guard

RowsByDay = dict[date, int]
CountedRows = dict[date | None, int]
"""Rows by day; None counts those whose time is missing or impossible."""


@dataclass(frozen=True)
class Pending:
    """What is to be landed.

    `deliveries` holds new ones with the days to land, in order, `faulty` those whose days cannot be told, `copies`
    those with the content of another file (its name). `superseded` holds the days of rows that are to go, by
    fingerprint, each with the fingerprint that came under its name. `standing` and `lines` are the breaker and the
    ledger that it was decided by. `present` holds the fingerprint of what lies there now, by name, `replaced` names
    deliveries that were held back and in whose place a file lies that is published already.
    """

    standing: Standing
    lines: Mapping[tuple[str, str], Entry]

    deliveries: Mapping[str, tuple[Delivery, tuple[date, ...]]]
    superseded: Mapping[str, tuple[str, tuple[date, ...]]]
    faulty: Sequence[Delivery] = ()
    copies: Sequence[tuple[Delivery, str]] = ()
    present: Mapping[str, str] = field(default_factory=dict)
    replaced: Sequence[str] = ()

    @property
    def days(self) -> list[date]:
        """All days that landing would write."""
        arriving = [day for _, days in self.deliveries.values() for day in days]
        leaving = [day for _, days in self.superseded.values() for day in days]
        return sorted({*arriving, *leaving})

    @property
    def anything(self) -> bool:
        """Whether there is anything to do or to say."""
        return bool(self.days or self.faulty or self.copies)

    @property
    def to_land(self) -> bool:
        """Whether landing would do anything, if only in the ledger."""
        return self.anything or bool(self.replaced)

    @property
    def content(self) -> list[str]:
        """The fingerprints of all that is new, sorted."""
        odd = [*(one.fingerprint for one in self.faulty), *(f"{one.fingerprint} {one.name}" for one, _ in self.copies)]
        return sorted([*self.deliveries, *odd, *(f"replaced {name}" for name in self.replaced)])


def find_pending(lake: Lakehouse, source: Source, asked: Sequence[date] | None = None) -> Pending:
    """What has been delivered and not been decided yet, on the `asked` days (None: on any).

    What was refused is pending again when the contract, the mappings or the file are others, or when a person said so.
    Raises DeliveryError where there is no place to look at, or nothing at all in it.
    """
    definition = source.definition()
    deliveries = inspect(lake.home, source)
    lines = known_deliveries(lake, source.name)
    standing = breaker_status(lake, source.name, source.breaker, definition)
    made = last_published(lake, source.name)
    # Under a changed contract every delivery that is still there is judged anew, whatever days were asked for.
    judged = made is None or made.definition == definition
    landed = landed_rows_by_day(lake, source)
    wanted = None if asked is None or not judged else set(asked)
    pending: dict[str, tuple[Delivery, tuple[date, ...]]] = {}
    faulty, copies = [], []
    dropped = {line.fingerprint for line in lines.values() if line.status is Status.DROPPED}
    originals = _originals(deliveries, landed)
    for delivery in deliveries:
        if delivery.fingerprint in dropped or _settled(
            lines.get((delivery.fingerprint, delivery.name)), standing, definition
        ):
            continue
        original = originals[delivery.fingerprint]
        if original is not delivery:
            copies.append((delivery, original.name))
            continue
        if delivery.fault is not None:
            faulty.append(delivery)
            continue
        known = landed.get(delivery.fingerprint, (delivery.name, {}))[1]
        # All rows of a day or none count as landed: a run that was killed may have left only those in quarantine.
        days = tuple(
            day
            for day, rows in delivery.days.items()
            if (known.get(day) != rows or not judged) and (wanted is None or day in wanted)
        )
        if days:
            pending[delivery.fingerprint] = (delivery, days)
    superseded = _superseded(deliveries, landed, set(pending), wanted)
    present = {delivery.name: delivery.fingerprint for delivery in deliveries}
    replaced = [line.delivery for line in lines.values() if is_replaced(line, present, landed)]
    return Pending(standing, lines, pending, superseded, faulty, copies, present, replaced)


def is_replaced(line: Entry, present: Mapping[str, str], landed: Collection[str]) -> bool:
    """Whether a delivery was held back, and in its place lies a file whose content was landed."""
    here = present.get(line.delivery, line.fingerprint)
    return line.blocked and here != line.fingerprint and here in landed and line.fingerprint not in landed


def _originals(deliveries: Iterable[Delivery], landed: Mapping[str, tuple[str, RowsByDay]]) -> dict[str, Delivery]:
    """Of files with one content, the one that was landed under its name, else the first."""
    originals: dict[str, Delivery] = {}
    for delivery in deliveries:
        held = originals.setdefault(delivery.fingerprint, delivery)
        if held is not delivery and landed.get(delivery.fingerprint, ("",))[0] == delivery.name:
            originals[delivery.fingerprint] = delivery
    return originals


def _settled(line: Entry | None, standing: Standing, definition: str) -> bool:
    """Whether the delivery was decided under the present definition, and the decision still holds."""
    if line is None or line.definition != definition:
        return False
    waits = line.status is Status.WAITING and standing.state is State.OPEN
    return waits or line.status in {Status.REJECTED, Status.COPY}


def _superseded(
    deliveries: Iterable[Delivery],
    landed: Mapping[str, tuple[str, RowsByDay]],
    arriving: set[str],
    wanted: set[date] | None,
) -> dict[str, tuple[str, tuple[date, ...]]]:
    """Landed rows in whose file's place another one came, which is landed too or about to be."""
    present = {delivery.name: delivery.fingerprint for delivery in deliveries}
    # A file that was only renamed is still there, whatever came under its old name.
    there = set(present.values())
    return {
        fingerprint: (present[name], tuple(day for day in days if wanted is None or day in wanted))
        for fingerprint, (name, days) in landed.items()
        if fingerprint not in there and present.get(name) is not None and present[name] in {*arriving, *landed}
    }


def landed_rows_by_day(lake: Lakehouse, source: Source) -> dict[str, tuple[str, RowsByDay]]:
    """What was landed: fingerprint -> (file name, rows by possible day), quarantined rows included."""
    landed = {
        name: (file, {day: rows for day, rows in days.items() if day is not None})
        for name, (file, days) in published_rows(lake, source).items()
    }
    for fingerprint, (file, days) in quarantined_rows(lake, source).items():
        known = landed.setdefault(fingerprint, (file, {}))[1]
        for day, rows in days.items():
            if day is not None:
                known[day] = known.get(day, 0) + rows
    return landed


def published_rows(lake: Lakehouse, source: Source) -> dict[str, tuple[str, CountedRows]]:
    """The published rows: fingerprint -> (file name, rows by day).

    Counting them takes longer the more there are, so the counts are kept in the home's scratch space with the snapshot
    that they hold for, and only days that changed since are counted again.
    """
    if last_published(lake, source.name) is None:
        return {}
    table = lake.table(source.name)
    now, uuid = resolve(table), str(table.metadata.table_uuid)
    kept = lake.home.work / f"landed.{source.name}.json"
    try:
        notes = json.loads(kept.read_text())
        days = changed_days(lake, source.name, int(notes["snapshot"]), now) if notes["table"] == uuid else None
        counted = {name: (file, _dated(rows)) for name, (file, rows) in notes["landed"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        days, counted = None, {}
    if days is None:
        counted = _count(lake, source, source.name, None)
    elif days := list(days):
        counted = {
            name: (file, {day: number for day, number in rows.items() if day not in days})
            for name, (file, rows) in counted.items()
        }
        for name, (file, rows) in _count(lake, source, source.name, days_filter(source.event_time, days)).items():
            counted.setdefault(name, (file, {}))[1].update(rows)
        counted = {name: (file, rows) for name, (file, rows) in counted.items() if rows}
    else:
        return counted
    texts = {name: (file, {str(day): number for day, number in rows.items()}) for name, (file, rows) in counted.items()}
    beside = kept.with_suffix(f".{os.getpid()}")
    with storage_guard(str(kept)):
        beside.write_text(json.dumps({"table": uuid, "snapshot": str(now), "landed": texts}))
        beside.replace(kept)
    return counted


def quarantined_rows(lake: Lakehouse, source: Source) -> dict[str, tuple[str, CountedRows]]:
    """The rows in quarantine, dropped ones included: fingerprint -> (file name, rows by day)."""
    name = quarantine_name(source.name)
    if last_published(lake, name) is None:
        return {}
    return _count(lake, source, name, None)


def _count(lake: Lakehouse, source: Source, name: str, where: str | None) -> dict[str, tuple[str, CountedRows]]:
    with borrow() as connection:
        rows = attach(connection, plan(lake, name, where=where), "counted")
        found = connection.execute(
            f"select _fingerprint, any_value(_file), {quoted(source.event_time)}::date as day, count(*) from {rows} "
            "group by _fingerprint, day"
        ).fetchall()
    counted: dict[str, tuple[str, CountedRows]] = {}
    for fingerprint, file, day, number in found:
        days = counted.setdefault(fingerprint, (file, {}))[1]
        shown = day if day is not None and source.possible([day]) else None
        days[shown] = days.get(shown, 0) + number
    return counted


def _dated(rows: Mapping[str, int]) -> CountedRows:
    return {date.fromisoformat(day): number for day, number in rows.items()}

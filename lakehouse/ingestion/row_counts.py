"""Row counts: how many rows of each delivery are published or in quarantine, by day.

What belongs here: counting them in the tables, and keeping the counts. Not: what the ingestion log says (state.py
holds both), and comparing the two (reconciliation.py).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.sources.source import Source
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import attach, changed_days, plan, resolve
from lakehouse.tables.write import storage_guard

CountedRows = Mapping[date | None, int]
"""Rows by day; None counts those whose time is missing or impossible."""


@dataclass(frozen=True)
class DeliveryRows:
    """The rows of one delivery: its file's name, and how many rows each day has."""

    file: str
    days: CountedRows

    @property
    def total(self) -> int:
        """Rows of all days."""
        return sum(self.days.values())


@dataclass(frozen=True)
class RowCounts:
    """Rows by the fingerprint of their delivery, in the table and in its quarantine (dropped ones included)."""

    published: Mapping[str, DeliveryRows]
    quarantined: Mapping[str, DeliveryRows]

    @cached_property
    def landed(self) -> Mapping[str, DeliveryRows]:
        """Published and quarantined rows together, by possible day."""
        landed: dict[str, DeliveryRows] = {}
        for counts in (self.published, self.quarantined):
            for fingerprint, rows in counts.items():
                known = landed.get(fingerprint, DeliveryRows(rows.file, {}))
                days = {day: known.days.get(day, 0) + number for day, number in rows.days.items() if day is not None}
                landed[fingerprint] = DeliveryRows(known.file, {**known.days, **days})
        return landed

    def total(self, fingerprint: str) -> int:
        """All rows of the delivery, wherever they are."""
        counts = (self.published, self.quarantined)
        return sum(one[fingerprint].total for one in counts if fingerprint in one)


def load_row_counts(lake: Lakehouse, source: Source) -> RowCounts:
    """Count the rows of the source's table and of its quarantine, as they are published now."""
    return RowCounts(_counts(lake, source, source.name), _counts(lake, source, quarantine_name(source.name)))


def _counts(lake: Lakehouse, source: Source, name: str) -> dict[str, DeliveryRows]:
    """The counts of one table.

    Counting takes longer the more rows there are, so the counts are kept in the home's scratch space with the snapshot
    that they hold for, and only days that changed since are counted again.
    """
    if last_published(lake, name) is None:
        return {}
    table = lake.table(name)
    now, uuid = resolve(table), str(table.metadata.table_uuid)
    kept = lake.home.work / f"landed.{name}.json"
    try:
        notes = json.loads(kept.read_text())
        days = changed_days(lake, name, int(notes["snapshot"]), now) if notes["table"] == uuid else None
        counted = {key: DeliveryRows(file, _dated(rows)) for key, (file, rows) in notes["landed"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        days, counted = None, {}
    if days is None:
        counted = _count(lake, source, name, None)
    elif days := set(days):
        changed = _count(lake, source, name, days_filter(source.event_time, days))
        same = {
            key: DeliveryRows(rows.file, {day: number for day, number in rows.days.items() if day not in days})
            for key, rows in counted.items()
        }
        together = {
            key: DeliveryRows(rows.file, {**(same[key].days if key in same else {}), **rows.days})
            for key, rows in changed.items()
        }
        counted = {key: rows for key, rows in {**same, **together}.items() if rows.days}
    else:
        return counted
    texts = {key: (one.file, {str(day): number for day, number in one.days.items()}) for key, one in counted.items()}
    beside = kept.with_suffix(f".{os.getpid()}")
    with storage_guard(str(kept)):
        beside.write_text(json.dumps({"table": uuid, "snapshot": str(now), "landed": texts}))
        beside.replace(kept)
    return counted


def _count(lake: Lakehouse, source: Source, name: str, where: str | None) -> dict[str, DeliveryRows]:
    with borrow() as connection:
        rows = attach(connection, plan(lake, name, where=where), "counted")
        found = connection.execute(
            f"select _fingerprint, any_value(_file), {quoted(source.event_time)}::date as day, count(*) from {rows} "
            "group by _fingerprint, day"
        ).fetchall()
    counted: dict[str, tuple[str, dict[date | None, int]]] = {}
    for fingerprint, file, day, number in found:
        days = counted.setdefault(fingerprint, (file, {}))[1]
        shown = day if day is not None and source.possible([day]) else None
        days[shown] = days.get(shown, 0) + number
    return {fingerprint: DeliveryRows(file, days) for fingerprint, (file, days) in counted.items()}


def _dated(rows: Mapping[str, int]) -> CountedRows:
    return {None if day == "None" else date.fromisoformat(day): number for day, number in rows.items()}

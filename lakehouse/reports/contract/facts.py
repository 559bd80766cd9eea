"""The facts on a contract's page: contract, versions, audits, deliveries, reconciliation, circuit breaker, profiles.

What belongs here: reading them from the lakehouse's system tables. Not: drawing (drawing.py), writing (page.py).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit_log import audits_of
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.versions import Kept, versions_of
from lakehouse.ingestion.ingestion_log import Entry, Status, known_deliveries
from lakehouse.ingestion.reconciliation import Reconciliation, reconciliation_of
from lakehouse.profiling.anomalies import before_after
from lakehouse.profiling.column_profile import merge_columns
from lakehouse.profiling.history import published_history
from lakehouse.profiling.profile import DeliveryProfile
from lakehouse.sources.circuit_breaker import Standing, breaker_status, history
from lakehouse.sources.source import Source

SHOWN = 60
"""Deliveries that the plots hold, and the newest whose audits are listed."""
_MOST_COMPARED = 5
_COMPARED = 30
_DETECTORS = ("changes", "anomalies")


@dataclass(frozen=True)
class Audited:
    """The check results of one delivery, failures first."""

    delivery: str
    at: datetime
    version: str
    rows: int
    check_results: Sequence[Mapping[str, Any]]

    @property
    def failed(self) -> Sequence[Mapping[str, Any]]:
        """The failed checks."""
        return [one for one in self.check_results if not one["passed"]]

    @property
    def failed_share(self) -> float:
        """The share of rows that failed a check, of the check that most rows failed."""
        return max((one["share"] for one in self.check_results), default=0.0)


@dataclass(frozen=True)
class Compared:
    """A column with an issue, compared with previous deliveries. `series`: see Issue."""

    delivery: str
    column: str
    message: str
    series: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Facts:
    """The facts of a source. Deliveries, audits and transitions are newest first, profiles oldest."""

    source: Source
    versions: Sequence[Kept]
    audits: Sequence[Audited]
    deliveries: Sequence[Entry]
    reconciliation: Reconciliation
    breaker: Standing
    transitions: Sequence[Mapping[str, Any]]
    profiles: Sequence[DeliveryProfile]
    compared: Sequence[Compared]

    @property
    def contract(self) -> Contract:
        """The current contract."""
        return self.source.contract


def facts_of(lake: Lakehouse, source: Source) -> Facts:
    """Read the facts of a source; without deliveries there is only the contract."""
    lines = [one for one in known_deliveries(lake, source.name).values() if one.status is not Status.COPY]
    audits = _audits(lake, source.name)
    profiles = published_history(lake, source.name, [one.fingerprint for one in lines])
    profiles.sort(key=lambda one: (one.first_day or date.max, one.delivery))
    published = {one.fingerprint for one in lines if one.status is Status.PUBLISHED}
    return Facts(
        source=source,
        versions=versions_of(lake, source.name)[::-1],
        audits=audits[:SHOWN],
        deliveries=_newest_first(lines, profiles),
        reconciliation=reconciliation_of(lake, source),
        breaker=breaker_status(lake, source.name, source.breaker, source.definition()),
        transitions=history(lake, source.name).reverse().to_dicts(),
        profiles=profiles[-SHOWN:],
        compared=_compared(audits, profiles, published),
    )


def _newest_first(lines: Sequence[Entry], profiles: Sequence[DeliveryProfile]) -> list[Entry]:
    """Sort by the day in the file's name, or else the first day of its rows; not by the time of evaluation."""
    first_days = {one.fingerprint: one.first_day for one in profiles if one.first_day}

    def day(one: Entry) -> tuple[str, str]:
        named = re.search(r"\d{4}-\d\d(-\d\d)?", one.delivery)
        begins = first_days.get(one.fingerprint) or (one.at.date() if one.at else date.min)
        return (named.group() if named else begins.isoformat(), one.delivery)

    return sorted(lines, key=day, reverse=True)


def _audits(lake: Lakehouse, table: str) -> list[Audited]:
    """The last audit of each delivery, newest first."""
    found: dict[tuple[datetime, str], list[dict[str, Any]]] = {}
    for line in audits_of(lake, table).to_pylist():
        found.setdefault((line["at"], line["delivery"]), []).append(line)
    newest: dict[str, Audited] = {}
    for (at, delivery), check_results in found.items():
        check_results.sort(key=lambda one: one["passed"])
        newest.pop(delivery, None)
        newest[delivery] = Audited(
            delivery, at, check_results[0]["contract_version"], check_results[0]["rows"], check_results
        )
    return sorted(newest.values(), key=lambda one: (one.at, one.delivery), reverse=True)


def _compared(audits: Sequence[Audited], profiles: Sequence[DeliveryProfile], published: set[str]) -> list[Compared]:
    """The first column with an issue in each of the newest deliveries that have one."""
    by_name = {one.delivery: one for one in profiles}
    found: list[Compared] = []
    for audit in audits:
        now = by_name.get(audit.delivery)
        for check_result in audit.failed:
            if now is None or check_result["rule"] not in _DETECTORS or len(found) == _MOST_COMPARED:
                continue
            column = json.loads(check_result["measured"]).get("columns", "").split(", ")[0]
            before = [one for one in profiles if one.fingerprint in published and _earlier(one, now)]
            series = _series(column, before[-_COMPARED:], now)
            if series:
                found.append(Compared(audit.delivery, column, check_result["message"], series))
    return found


def _earlier(one: DeliveryProfile, other: DeliveryProfile) -> bool:
    return None not in {one.first_day, other.first_day} and str(one.first_day) < str(other.first_day)


def _series(column: str, before: Sequence[DeliveryProfile], now: DeliveryProfile) -> Mapping[str, Sequence[Any]]:
    after = now.columns.get(column)
    columns = [one.columns[column] for one in before if column in one.columns]
    if after is None or not columns:
        return {}
    merged = merge_columns(columns)
    return before_after(merged, after) if merged.kind == after.kind else {}

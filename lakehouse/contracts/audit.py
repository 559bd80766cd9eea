"""Check results of a contract: from rows that were checked to one result for each rule.

What belongs here: naming, counting and wording results. Not: checking rows (row_checks.py, table_checks.py), what
happens to rows that failed (quarantine.py) and publishing (tables/write_audit_publish.py).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import FRESHNESS, QUARANTINE_SHARE, VOLUME, Contract
from lakehouse.contracts.declaration_checks import Action
from lakehouse.contracts.row_checks import SAMPLE_ROWS, Sorted, readable_rules, sort_rows
from lakehouse.features.duration import MICROSECONDS, microseconds
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import ONE_DAY

LEAST_DAYS = 5
"""Days that the volume check needs."""
LEAST_WEEKDAYS = 5
"""Days of a weekday below which its days are compared with all days."""


def row_check_results(contract: Contract, parted: Sorted) -> list[CheckResult]:
    """One check result per row rule, blocking where the contract says so, and one for the share of rows in quarantine.

    Rows that another check flagged count in the share; that check reports them.
    """
    rows = len(parted.good) + len(parted.failed_rows)
    described = {**readable_rules(contract), **contract.row_rules()}
    check_results = []
    for rule, text in contract.row_rules().items():
        number, sample = parted.counts.get(rule, 0), parted.samples.get(rule, ())
        check_results.append(rule_check_result(rule, text, contract.action(rule), number, rows, sample))
    share = len(parted.failed_rows) / rows if rows else 0.0
    # Of few rows a single one is more than a small share; it is no reason to refuse all.
    rejected = len(parted.failed_rows) > math.ceil(contract.quarantine_share * rows)
    worst = max(parted.counts, key=parted.counts.__getitem__) if len(parted.failed_rows) else None
    text = f"{share:.2%} of {rows} rows fail a rule; the limit is {contract.quarantine_share:.2%}."
    if rejected and worst:
        text += f" Most frequent: {described.get(worst, worst)}"
    check_results.append(
        CheckResult(
            QUARANTINE_SHARE,
            not rejected,
            text,
            blocking=contract.action(QUARANTINE_SHARE) == "block",
            measured={"share": share, "rows": rows, "rows_quarantined": len(parted.failed_rows)},
            sample=parted.failed_rows.slice(0, SAMPLE_ROWS).to_pylist(),
        )
    )
    return check_results


def rule_check_result(
    name: str, message: str, action: Action, failed_rows: int, rows: int, sample: Sequence[Mapping[str, Any]] = ()
) -> CheckResult:
    """The check result of one row rule that `failed_rows` of `rows` rows break."""
    if failed_rows:
        what_then = {
            "quarantine": " and were quarantined",
            "block": ", which blocks the write",
            "warn": ", which is only a warning",
        }
        message += f" {failed_rows} rows failed{what_then[action]}."
    measured = {"rows": rows, "failed_rows": failed_rows, "share": failed_rows / rows if rows else 0.0}
    blocking, quarantines = action == "block", action == "quarantine"
    return CheckResult(name, failed_rows == 0, message, blocking, measured, sample, quarantines)


def freshness_check_result(contract: Contract, event_time: str, rows: pa.Table, days: Sequence[Any]) -> CheckResult:
    """Whether the newest event is as new as the newest day that was delivered."""
    limit = microseconds(contract.freshness, where=f"contract of {contract.table}")
    newest = pc.max(rows.column(event_time)).as_py() or datetime.min  # noqa: DTZ901  # no row is infinitely old
    end = datetime.combine(max(days) + ONE_DAY, time.min) if days else newest
    age = (end - newest).total_seconds()
    passed = age * MICROSECONDS <= limit
    message = f"The newest event is {age / 3600:.1f} h older than the end of the newest delivered day"
    measured = {"newest_event": newest.isoformat(), "hours": round(age / 3600, 2)}
    message = f"{message}; the limit is {contract.freshness}."
    return CheckResult(FRESHNESS, passed, message, blocking=contract.action(FRESHNESS) == "block", measured=measured)


def volume_check_result(
    contract: Contract, delivered: Mapping[date, int], published: Mapping[date, int]
) -> CheckResult:
    """Whether each delivered day has about as many rows as the days before and beside it (or those of its weekday)."""
    others = {**published, **delivered}
    typical = {day: _typical(contract, day, others) for day in delivered}
    low, high = contract.volume
    odd = {day: number for day, number in delivered.items() if not low * typical[day] <= number <= high * typical[day]}
    enough = len(others) >= LEAST_DAYS
    passed = not (odd and enough)
    middle = float(median(others.values())) if others else 0.0
    message = f"The median is {middle:g} rows per day; the limits are {low:g} and {high:g} times the median"
    message += " of the weekday." if contract.volume_by == "weekday" else "."
    if not passed:
        named = [f"{day} with {count} (typical: {typical[day]:g})" for day, count in list(odd.items())[:SAMPLE_ROWS]]
        message += " Failed: " + ", ".join(named) + "."
    if not enough:
        message = f"Not checked: the volume check needs {LEAST_DAYS} days."
    measured = {"typical_rows": middle, "odd_days": len(odd)}
    return CheckResult(VOLUME, passed, message, blocking=contract.action(VOLUME) == "block", measured=measured)


def _typical(contract: Contract, day: date, counts: Mapping[date, int]) -> float:
    """The median of the days that a day is compared with: its weekday's, once enough of them are known."""
    alike = [number for other, number in counts.items() if other.weekday() == day.weekday()]
    by_weekday = contract.volume_by == "weekday" and len(alike) >= LEAST_WEEKDAYS
    return float(median(alike if by_weekday else counts.values()))


__all__ = [
    "SAMPLE_ROWS",
    "Sorted",
    "freshness_check_result",
    "row_check_results",
    "rule_check_result",
    "sort_rows",
    "volume_check_result",
]

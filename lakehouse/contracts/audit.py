"""Auditing: judging rows against a contract, and drafts before they are published.

What belongs here: verdicts. Not: what happens to broken rows (quarantine.py) and publishing (tables/publish.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.contracts.contract import Column, Contract
from lakehouse.errors import ContractError
from lakehouse.features.duration import MICROSECONDS, microseconds
from lakehouse.tables.days import ONE_DAY

SAMPLE_ROWS = 5
RULE = "_rule"
"""The column of a quarantine table that names the broken rules."""


@dataclass(frozen=True)
class Verdict:
    """One check's result. `blocking` verdicts that failed keep the write from being published."""

    name: str
    passed: bool
    says: str
    blocking: bool = True
    measured: Mapping[str, float | int | str] = field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] = ()


class AuditError(ContractError):
    """A draft that was refused; carries all verdicts."""

    def __init__(self, table: str, verdicts: Sequence[Verdict], branch: str | None = None) -> None:
        self.verdicts = list(verdicts)
        failed = [verdict for verdict in verdicts if verdict.blocking and not verdict.passed]
        # Rows that go to quarantine are on no branch: the first of them are shown right here.
        rows = [row for verdict in failed for row in verdict.sample if "_row" in row][:3]
        shown = "".join(f"\n  row {row['_row']} of {row['_file']} breaks {row.get(RULE, '')}" for row in rows)
        super().__init__(
            f"The audit of {table} failed, nothing was published: "
            + " ".join(verdict.says for verdict in failed)
            + shown,
            where=f"{table}, check {', '.join(verdict.name for verdict in failed)}",
            fix=f"Look at the draft with `slipway query 'select * from {table}' --at {branch}`, mend the cause and "
            "run again."
            if branch
            else "Mend the delivery (or the contract, if it is wrong) and run again.",
        )


def require(table: str, verdicts: Sequence[Verdict], branch: str | None = None) -> None:
    """Raises AuditError when a blocking verdict failed."""
    if any(verdict.blocking and not verdict.passed for verdict in verdicts):
        raise AuditError(table, verdicts, branch)


@dataclass(frozen=True)
class Sorted:
    """Rows parted by a contract's row rules. `broken` has the column `_rule`; `counts` are rows by rule."""

    good: pa.Table
    broken: pa.Table
    counts: dict[str, int]


def sort_rows(contract: Contract, rows: pa.Table) -> Sorted:
    """Part the rows by the contract's row rules, with pandera. A row that breaks several names them all."""
    import pandera.polars as pandera

    frame = pl.DataFrame(pl.from_arrow(rows))
    broken: dict[int, list[str]] = {}
    counts = dict.fromkeys(contract.row_rules(), 0)
    for column in contract.columns:
        schema = pandera.DataFrameSchema({column.name: _pandera_column(column)})
        try:
            schema.validate(frame.select(column.name), lazy=True)
        except pandera.errors.SchemaErrors as errors:
            cases = errors.failure_cases.select("check", "index").unique(maintain_order=True)
            for check, index in cases.iter_rows():
                rule = check if check in counts else f"{column.name}_not_null"
                if index is None:
                    raise ContractError(
                        f"The column cannot be judged: {check}.", where=f"{contract.table}.{column.name}"
                    ) from errors
                counts[rule] += 1
                broken.setdefault(int(index), []).append(rule)
    flagged = np.zeros(len(rows), dtype=bool)
    places = sorted(broken)
    flagged[places] = True
    reasons = pa.array([", ".join(broken[place]) for place in places], pa.string())
    return Sorted(
        good=rows.filter(pa.array(~flagged)),
        broken=rows.take(pa.array(places, pa.int64())).append_column(RULE, reasons),
        counts=counts,
    )


def _pandera_column(column: Column) -> Any:  # noqa: ANN401  # pandera has no public type for it
    import pandera.polars as pandera

    checks = []
    if column.unique:
        # The first of equal values is good: what breaks the rule is its repetition.
        checks.append(
            pandera.Check(
                lambda data: data.lazyframe.select(pl.col(data.key).is_first_distinct() | pl.col(data.key).is_null()),
                name=f"{column.name}_unique",
                error=f"{column.name}_unique",
            )
        )
    if column.at_least is not None or column.at_most is not None:
        checks.append(
            pandera.Check(
                lambda data: data.lazyframe.select(_within(pl.col(data.key), column)),
                name=f"{column.name}_in_range",
                error=f"{column.name}_in_range",
            )
        )
    if column.one_of:
        rule = f"{column.name}_one_of"
        checks.append(pandera.Check.isin(list(column.one_of), name=rule, error=rule))
    return pandera.Column(checks=checks, nullable=column.nullable)


def _within(value: pl.Expr, column: Column) -> pl.Expr:
    """In range; NaN is not, null is another rule's matter."""
    inside = pl.lit(value=True)
    if column.at_least is not None:
        inside = inside & (value >= column.at_least)
    if column.at_most is not None:
        inside = inside & (value <= column.at_most)
    if column.kind == "float64":
        inside = inside & value.is_not_nan()
    return inside.fill_null(value=True)


def row_verdicts(contract: Contract, parted: Sorted) -> list[Verdict]:
    """One verdict for each row rule (not blocking: its rows are quarantined), and one for their share (blocking)."""
    verdicts = []
    rules = contract.row_rules()
    for rule, number in parted.counts.items():
        sample = []
        if number:
            names_rule = pl.col(RULE).str.split(", ").list.contains(rule)
            sample = pl.DataFrame(pl.from_arrow(parted.broken)).filter(names_rule).head(SAMPLE_ROWS).to_dicts()
        says = rules[rule] if not number else f"{rules[rule]} Not so in {number} rows, which went to quarantine."
        measured = {"rows_quarantined": number}
        verdicts.append(Verdict(rule, number == 0, says, blocking=False, measured=measured, sample=sample))
    rows = len(parted.good) + len(parted.broken)
    share = len(parted.broken) / rows if rows else 0.0
    refused = share > contract.quarantine_share
    worst = max(parted.counts, key=parted.counts.__getitem__) if len(parted.broken) else None
    says = f"{share:.2%} of {rows} rows break a rule; up to {contract.quarantine_share:.2%} are tolerated."
    if refused and worst:
        says += f" Most often: {rules[worst]}"
    sample = parted.broken.slice(0, SAMPLE_ROWS).to_pylist()
    measured = {"share": share, "rows": rows, "rows_quarantined": len(parted.broken)}
    verdicts.append(Verdict("quarantine_share", not refused, says, measured=measured, sample=sample))
    return verdicts


def freshness_verdict(contract: Contract, event_time: str, rows: pa.Table, days: Sequence[Any]) -> Verdict:
    """Whether the newest event is as new as the newest day that was delivered."""
    limit = microseconds(contract.freshness, where=f"contract of {contract.table}")
    newest = max(rows.column(event_time).to_pylist()[-1:] or [datetime.min])  # noqa: DTZ901  # rows are sorted by time
    end = datetime.combine(max(days) + ONE_DAY, time.min) if days else newest
    age = (end - newest).total_seconds()
    passed = age * MICROSECONDS <= limit
    says = f"The newest event is {age / 3600:.1f} h older than the end of the newest delivered day"
    measured = {"newest_event": newest.isoformat(), "hours": round(age / 3600, 2)}
    return Verdict("freshness", passed, f"{says}; {contract.freshness} are allowed.", measured=measured)


def volume_verdict(contract: Contract, delivered: Mapping[Any, int], published: Mapping[Any, int]) -> Verdict:
    """Whether each delivered day has about as many rows as the days before and beside it."""
    others = sorted({**published, **delivered}.items())
    typical = median(count for _, count in others) if others else 0
    low, high = contract.volume
    odd = {str(day): count for day, count in delivered.items() if not low * typical <= count <= high * typical}
    enough = len(others) >= 5  # noqa: PLR2004  # fewer days have no typical one
    passed = not (odd and enough)
    says = f"A typical day has {typical:g} rows; a day may have {low:g} to {high:g} times as many."
    if not passed:
        says += " Not so: " + ", ".join(f"{day} with {count}" for day, count in list(odd.items())[:SAMPLE_ROWS]) + "."
    if not enough:
        says = "Fewer than 5 days are known, so no day's volume is judged yet."
    return Verdict("volume", passed, says, measured={"typical_rows": float(typical), "odd_days": len(odd)})

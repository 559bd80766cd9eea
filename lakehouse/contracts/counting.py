"""Counts over a whole table for a contract, and the check results from them.

What belongs here: the statement that DuckDB and Spark both run. Not: running it (table_checks.py, engines/spark), and
what each rule counts (rules/).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from pyiceberg.conversions import from_bytes
from pyiceberg.types import IntegerType, LongType

from lakehouse.contracts.audit import rule_check_result
from lakehouse.contracts.compile import compile_rules
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.row_checks import SAMPLE_ROWS
from lakehouse.contracts.rules.row_rule import FAILED_RULE, PythonRule, RowRule
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.read import Plan

MOST_BITS = 1 << 29
BITS_A_ROW = 64

ROWS = "rows"
Ask: TypeAlias = Callable[[str], Sequence[dict[str, Any]]]
"""Run an SQL statement (DuckDB dialect) and return its rows."""
InPython: TypeAlias = Mapping[str, tuple[int, Sequence[Mapping[str, Any]]]]
"""By rule that Python evaluates: the number of failed rows, and a sample."""


@dataclass(frozen=True)
class Counting:
    """What is counted in one pass over a table: label -> DuckDB's aggregate.

    Labels are `rows`, and `<name of a rule>/<label of its own>`.
    """

    contract: Contract
    rules: Sequence[RowRule]
    aggregates: Mapping[str, str]

    def joined_sql(self, views: Mapping[str, str] | None = None) -> str:
        """Return the FROM item: the scanned rows with what rules join to them; `views` name the tables referred to."""
        return "scanned" + "".join(rule.joined(views or {}) for rule in self.rules)

    def python_rules(self) -> list[PythonRule]:
        """Return the rules that Python judges."""
        return [rule for rule in self.rules if isinstance(rule, PythonRule)]

    def check_results(
        self,
        counts: Mapping[str, int],
        ask: Ask,
        views: Mapping[str, str] | None = None,
        in_python: InPython | None = None,
    ) -> list[CheckResult]:
        """Return the check results from the counts, with a few of the rows that fail each rule.

        `views` are those of `joined_sql`. Rows of a rule are joined with what that rule refers to alone.
        """
        from_python = in_python or {}
        failed = {
            rule.name: from_python[rule.name][0]
            if isinstance(rule, PythonRule)
            else rule.failed(_own(counts, rule.name))
            for rule in self.rules
        }
        shown: dict[str, list[Mapping[str, Any]]] = {
            name: list(from_python[name][1]) if name in from_python else [] for name in failed
        }
        odd = [rule for rule in self.rules if failed[rule.name] and rule.name not in from_python]
        if odd:
            samples = [rule.sample_sql(f"scanned{rule.joined(views or {})}", SAMPLE_ROWS) for rule in odd]
            for row in ask(" union all ".join(f"({sql})" for sql in samples)):
                shown[row.pop(FAILED_RULE)].append(row)
        found = [
            rule_check_result(one.name, one.description, one.action, failed[one.name], counts[ROWS], shown[one.name])
            for one in self.rules
        ]
        return found + [
            one.result(counts[ROWS], _own(counts, one.name), blocking=self.contract.action(one.name) == "block")
            for one in self.contract.distributions
            if one.is_counted
        ]


def counting(contract: Contract, planned: Plan | None = None) -> Counting:
    """Return what is counted for all rules and distributions of the contract; faster for planned files."""
    rules = compile_rules(contract)
    aggregates = {ROWS: "count(*)"}
    for rule in rules:
        own = rule.aggregates(lambda column: _bounds(planned, column) if planned else None)
        aggregates |= {f"{rule.name}/{label}": sql for label, sql in own.items()}
    # "As the live model's" needs that model's rows, which are not read here.
    for one in contract.distributions:
        if one.is_counted:
            aggregates |= {
                f"{one.name}/{label}": f"count_if({condition})" for label, condition in one.counts(contract).items()
            }
    return Counting(contract, rules, aggregates)


def check_in_python(rules: Sequence[PythonRule], batches: Iterable[pl.DataFrame]) -> InPython:
    """Return how many rows of the batches fail each rule, with a few of them."""
    found: dict[str, tuple[int, list[Mapping[str, Any]]]] = {rule.name: (0, []) for rule in rules}
    for batch in batches:
        for rule in rules:
            failing = rule.failing_rows(batch)
            number, rows = found[rule.name]
            more = batch[np.flatnonzero(failing)[: SAMPLE_ROWS - len(rows)]].to_dicts()
            found[rule.name] = number + int(failing.sum()), [*rows, *more]
    return found


def _own(counts: Mapping[str, int], name: str) -> dict[str, int]:
    begin = f"{name}/"
    return {label.removeprefix(begin): number for label, number in counts.items() if label.startswith(begin)}


def _bounds(planned: Plan, column: str) -> tuple[int, int] | None:
    """Between which whole numbers a column lies, by the files' statistics; None where a bit for each is too many.

    A bit for each number that there can be counts distinct ones ten times as fast as a hash table does.
    """
    field = planned.schema.find_field(column)
    low, high = [], []
    for task in planned.tasks:
        file = task.file
        bounds = [(one or {}).get(field.field_id) for one in (file.lower_bounds, file.upper_bounds)]
        if not isinstance(field.field_type, IntegerType | LongType) or None in bounds:
            return None
        low.append(from_bytes(field.field_type, bounds[0]))
        high.append(from_bytes(field.field_type, bounds[1]))
    if not low or max(high) - min(low) > min(MOST_BITS, 1_000 + BITS_A_ROW * planned.rows):
        return None
    return min(low), max(high)

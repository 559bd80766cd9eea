"""Checks of any draft: its columns, and its number of rows.

What belongs here: what needs no knowledge of the rows. Not: contracts, and the checks of features or training sets.
"""

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.read import count_rows, plan
from lakehouse.tables.shape import TableShape, schema_change
from lakehouse.tables.write import Draft


def check_columns_match(lake: Lakehouse, draft: Draft, shape: TableShape, name: str = "schema") -> CheckResult:
    """Whether the draft has the columns and types of `shape`, no more and no fewer."""
    change = schema_change(plan(lake, draft.name, at=draft.branch).schema, shape)
    return CheckResult(
        name, not change, f"The columns and types are not those declared: {change}." if change else MATCH
    )


MATCH = "The columns and types are those declared."


def check_row_count(
    lake: Lakehouse, draft: Draft, expected: int, where: str | None = None, name: str = "row_count"
) -> CheckResult:
    """Whether the draft holds `expected` rows that meet the filter `where` (None: rows in all)."""
    found = count_rows(plan(lake, draft.name, at=draft.branch, where=where))
    message = f"{found:,} rows are on the audit branch, {expected:,} were written."
    return CheckResult(name, found == expected, message, measured={"rows": found, "expected": expected})

"""Check results, and the error that a failed audit raises.

What belongs here: the result of one check, whoever ran it. Not: the checks (contracts/, engines/, training/, models/)
and publishing what passed (write_audit_publish.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lakehouse.errors import ContractError

RULE = "_rule"
"""The column of a sample row, and of a quarantine table, that names the rules the row failed."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. A failed `blocking` check keeps the write from being published.

    `measured` holds the metrics of the check; for a row rule `rows`, `failed_rows` and `share` are among them. `sample`
    holds some of the rows that failed.
    """

    name: str
    passed: bool
    message: str
    blocking: bool = True
    measured: Mapping[str, float | int | str] = field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] = ()
    quarantines: bool = False

    @property
    def action(self) -> Literal["block", "quarantine", "warn"]:
        """What happens when the check fails."""
        return "block" if self.blocking else "quarantine" if self.quarantines else "warn"


class AuditError(ContractError):
    """A failed audit: nothing was published. Carries the results of all checks."""

    def __init__(
        self, table: str, check_results: Sequence[CheckResult], branch: str | None = None, remedy: str | None = None
    ) -> None:
        self.check_results = list(check_results)
        failed = [check_result for check_result in check_results if check_result.blocking and not check_result.passed]
        # Rows that go to quarantine are on no branch: the first of them are shown right here.
        rows = [row for check_result in failed for row in check_result.sample if "_row" in row][:3]
        shown = "".join(f"\n  row {row['_row']} of {row['_file']} failed {row.get(RULE, '')}" for row in rows)
        super().__init__(
            f"The audit of {table} failed, nothing was published: "
            + " ".join(check_result.message for check_result in failed)
            + shown,
            where=f"{table}, check {', '.join(check_result.name for check_result in failed)}",
            fix=_what_to_do(table, branch, remedy),
        )


def _what_to_do(table: str, branch: str | None, remedy: str | None) -> str:
    look = f"`slipway query 'select * from {table}' --at {branch}`"
    if remedy:
        return f"{remedy} See the draft with {look}." if branch else remedy
    if branch:
        return f"See the draft with {look}, fix the cause and run again."
    return "Fix the delivery (or the contract, if it is wrong) and run again."


def require(table: str, check_results: Sequence[CheckResult], branch: str | None = None) -> None:
    """Raise AuditError if a blocking check failed."""
    if any(check_result.blocking and not check_result.passed for check_result in check_results):
        raise AuditError(table, check_results, branch)

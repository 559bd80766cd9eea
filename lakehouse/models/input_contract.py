"""The contract of a model's inputs, checked before training and before scoring.

What belongs here: the declaration for one input, and judging rows by it. Not: contracts of sources (contracts/), whose
engine judges here, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.row_checks import sort_rows
from lakehouse.errors import DeclarationError
from lakehouse.tables.check_result import AuditError, CheckResult


@dataclass(frozen=True)
class Expected:
    """What a model relies on in one input.

    `at_least` and `at_most` are inclusive bounds, `one_of` the only values; of the rows with a value the share
    `outside_share` may lie outside. `null_share` is the largest share of rows without a value (NaN is none).
    Raises DeclarationError for bounds that nothing can meet.
    """

    name: str
    at_least: float | None = None
    at_most: float | None = None
    one_of: Sequence[int] = ()
    null_share: float = 0.0
    outside_share: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "one_of", tuple(self.one_of))
        for field in ("null_share", "outside_share"):
            share = getattr(self, field)
            if not 0 <= share <= 1:
                nearest = str(min(max(share, 0), 1))
                raise DeclarationError(
                    f"{share} is not a share.", where=f"Expected({self.name!r}).{field}", nearest=nearest
                )
        self.column()

    @property
    def check(self) -> str:
        """The name of its check."""
        return f"{self.name}_as_expected"

    @property
    def description(self) -> str:
        """What the check says."""
        parts = [rule.description(self.name).rstrip(".") for rule in self.column().row_rules.values()]
        parts += [f"up to {self.outside_share:.2%} are not"] if parts and self.outside_share else []
        parts += [f"at most {self.null_share:.2%} of its rows have no value"]
        return "; ".join(parts) + "."

    def column(self) -> Column:
        """The same as a contract's column."""
        return Column(
            self.name,
            "float64",
            description=f"The input {self.name}.",
            nullable=True,
            at_least=self.at_least,
            at_most=self.at_most,
            one_of=tuple(self.one_of),
        )


def expected_checks(expects: Sequence[Expected]) -> dict[str, str]:
    """The checks of a model's inputs: name -> what it says."""
    return {one.check: one.description for one in expects}


def check_expected(expects: Sequence[Expected], frame: pl.DataFrame, name: str) -> list[CheckResult]:
    """One check result per declared input over all rows of the frame; `name` is the asset that is being built.

    Raises AuditError when one of them is not as expected.
    """
    if not expects:
        return []
    inputs = frame.select(pl.col(one.name).cast(pl.Float64).fill_nan(None) for one in expects)
    contract = Contract(table=name, version="1.0.0", columns=[one.column() for one in expects], owner="model")
    counts = sort_rows(contract, inputs.to_arrow(compat_level=pl.CompatLevel.oldest())).counts
    check_results = []
    for one in expects:
        nulls = inputs[one.name].null_count()
        # A value that breaks two rules is counted for the one that more break.
        outside = max((counts[rule] for rule in one.column().row_rules), default=0)
        check_results.append(_check_result(one, inputs.height, nulls, outside))
    if any(not check_result.passed for check_result in check_results):
        error = AuditError(name, check_results)
        error.fix = "Find out why the inputs changed, and mend them, or what the model `expects` of them."
        raise error
    return check_results


def _check_result(one: Expected, rows: int, nulls: int, outside: int) -> CheckResult:
    given = rows - nulls
    shares = {"null_share": nulls / rows if rows else 0.0, "outside_share": outside / given if given else 0.0}
    passed = shares["null_share"] <= one.null_share and shares["outside_share"] <= one.outside_share
    found = (
        f" Of {rows} rows {shares['null_share']:.2%} have none, {shares['outside_share']:.2%} of the others are not so."
    )
    measured = {"rows": rows, "failed_rows": outside, "share": outside / rows if rows else 0.0, **shares}
    return CheckResult(one.check, passed, one.description + found, measured=measured)

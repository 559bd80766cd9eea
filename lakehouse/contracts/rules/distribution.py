"""The rule that a column's values are distributed as declared, over all rows of a write together.

What belongs here: the declaration, what is counted for it, and the check result. Not: counting rows in memory and the
comparison with the live model's training rows (distributions.py).

Whether a quantile lies in a range is decided by counting: the q-quantile of n values is the k-th smallest, k the
smallest whole number that is at least q times n (and 1), so it lies between two bounds when fewer than k values are
below the lower one and at least k are not above the upper one. That is exact, needs no sorting, and is the same in
every engine.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lakehouse.contracts.declaration_checks import Action, Range, check_action, pairs
from lakehouse.contracts.rules.registry import table_rule
from lakehouse.contracts.rules.table_rule import TableRule
from lakehouse.contracts.sql import sql_value
from lakehouse.errors import DeclarationError
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import quoted

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract


@table_rule
@dataclass(frozen=True)
class Distribution(TableRule):
    """How a column's values are distributed over all rows of a write together.

    `null_share` is the largest share of rows without a value (NaN is none). `quantiles` gives a range for each
    quantile (0.5: (10, 60)), `shares` one for the share of each value among those that are given. `like_champion` asks
    for values as in the snapshot that the live model was trained on (distributions.like_reference). Writes with fewer
    rows than `least_rows` are not judged.
    """

    column: str
    null_share: float | None = None
    quantiles: Mapping[float, Range] | Sequence[tuple[float, Range]] = ()
    shares: Mapping[int | str, Range] | Sequence[tuple[int | str, Range]] = ()
    like_champion: bool = False
    action: Action = "block"
    least_rows: int = 100

    kind: ClassVar[str] = "distribution"
    order: ClassVar[int] = 40
    field: ClassVar[str] = "distributions"
    on_rows: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Raise DeclarationError for shares and ranges that nothing can meet."""
        where = f"distribution of {self.column}"
        for field in ("quantiles", "shares"):
            object.__setattr__(
                self, field, tuple((key, (low, high)) for key, (low, high) in pairs(getattr(self, field)))
            )
        if self.null_share is None and not (self.quantiles or self.shares or self.like_champion):
            raise DeclarationError(
                "The distribution has no bounds.",
                where=where,
                nearest="null_share=0.05",
                fix="Give null_share, quantiles, shares or like_champion.",
            )
        for share in [self.null_share, *(quantile for quantile, _ in pairs(self.quantiles))]:
            if share is not None and not 0 <= share <= 1:
                raise DeclarationError(
                    f"{share} is not a share: it must lie between 0 and 1.",
                    where=where,
                    nearest=str(min(max(share, 0), 1)),
                )
        for key, (low, high) in [*pairs(self.quantiles), *pairs(self.shares)]:
            if not low <= high or math.isnan(low) or math.isnan(high):
                raise DeclarationError(
                    f"No value lies between {low} and {high} ({key}).", where=where, nearest=f"({high}, {low})"
                )
        for value, (low, high) in pairs(self.shares):
            if not 0 <= low <= high <= 1:
                raise DeclarationError(
                    f"The share of {value!r} cannot lie between {low} and {high}.", where=where, nearest="(0.0, 1.0)"
                )
        check_action(self.action, ("block", "warn"), f"{where}, action")

    def validate(self, contract: "Contract", where: str) -> None:
        """Raise DeclarationError for a column that is missing or of another type than the bounds."""
        where = f"{where}, distribution of {self.column}"
        type_ = contract.column(self.column, where).type
        if self.quantiles and not type_.startswith(("int", "float")):
            raise DeclarationError(f"Values of type {type_} have no quantiles.", where=where, nearest="shares")
        values = [value for value, _ in pairs(self.shares)]
        if any(isinstance(value, str) != (type_ == "text") for value in values):
            raise DeclarationError(
                f"{values[0]!r} is not a valid value of a column of type {type_}.", where=f"{where}, shares"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    @property
    def name(self) -> str:
        """The name of the check."""
        return f"{self.column}_distribution"

    @property
    def description(self) -> str:
        """What the check says."""
        parts = [f"at most {self.null_share:.2%} null"] if self.null_share is not None else []
        parts += [
            f"{quantile:g}-quantile between {low:g} and {high:g}" for quantile, (low, high) in pairs(self.quantiles)
        ]
        parts += [f"{low:.1%} to {high:.1%} equal to {value}" for value, (low, high) in pairs(self.shares)]
        parts += ["similar to the live model's training rows"] if self.like_champion else []
        return f"Distribution of {self.column}: {'; '.join(parts)}."

    @property
    def is_counted(self) -> bool:
        """Whether counting alone decides something of it."""
        return self.null_share is not None or bool(self.quantiles or self.shares)

    def counts(self, contract: "Contract") -> dict[str, str]:
        """Return what is counted of the rows: label -> DuckDB's condition of a counted row."""
        name = quoted(self.column)
        number = contract.column(self.column).type == "float64"
        found = {"absent": f"{name} is null" + (f" or coalesce(isnan({name}), false)" if number else "")}
        for place, (_, (low, high)) in enumerate(pairs(self.quantiles)):
            # NaN is above every number, in DuckDB and in Spark.
            found[f"below_{place}"] = f"{name} < {sql_value(float(low))}"
            found[f"up_to_{place}"] = f"{name} <= {sql_value(float(high))}"
        for place, (value, _) in enumerate(pairs(self.shares)):
            found[f"value_{place}"] = f"{name} = {sql_value(value)}"
        return found

    def result(self, rows: int, counts: Mapping[str, int], *, blocking: bool) -> CheckResult:
        """Return the check result from the counts that `counts` asks for, among `rows` rows."""
        measured: dict[str, float | int | str] = {"rows": rows}
        if rows < self.least_rows:
            message = (
                f"Not checked: the distribution of {self.column} needs {self.least_rows} rows, and there are {rows}."
            )
            return CheckResult(self.name, passed=True, message=message, blocking=blocking, measured=measured)
        given = rows - counts["absent"]
        faults = []
        measured["null_share"] = counts["absent"] / rows
        if self.null_share is not None and counts["absent"] > self.null_share * rows:
            faults.append(f"{counts['absent'] / rows:.2%} null")
        for place, (quantile, (low, high)) in enumerate(pairs(self.quantiles) if given else ()):
            rank = max(1, math.ceil(round(quantile * given, 6)))
            below, up_to = counts[f"below_{place}"] / given, counts[f"up_to_{place}"] / given
            measured |= {f"share_below_{low:g}": below, f"share_up_to_{high:g}": up_to}
            if counts[f"below_{place}"] >= rank:
                faults.append(f"the {quantile:g}-quantile is below {low:g} ({below:.2%} of the values are)")
            if counts[f"up_to_{place}"] < rank:
                faults.append(
                    f"the {quantile:g}-quantile is above {high:g} (only {up_to:.2%} of the values are at most {high:g})"
                )
        for place, (value, (low, high)) in enumerate(pairs(self.shares) if given else ()):
            share = counts[f"value_{place}"] / given
            measured[f"share_of_{value}"] = share
            if not low <= share <= high:
                faults.append(f"{share:.2%} equal to {value}")
        message = self.description + (f" Failed: {'; '.join(faults)}." if faults else "")
        return CheckResult(self.name, not faults, message, blocking=blocking, measured=measured)

    @classmethod
    def from_quality(cls, quality: Mapping[str, Any]) -> Any | None:  # noqa: ANN401  # JSON values
        """Return the distribution of a custom check that this product wrote."""
        written = quality.get("implementation") if quality.get("engine") == "slipway" else None
        return written if isinstance(written, dict) and "rule" not in written and "column" in written else None

    def promise(self) -> str:
        """Return what it says, and from how many rows on."""
        return f"{self.description} Checked from {self.least_rows} rows on."

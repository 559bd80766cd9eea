"""Judging how values lie: what a contract declares of a column's distribution, and "as in a reference".

What belongs here: counts that decide a declared distribution, and the comparison with rows that are good by
definition. Not: the declaration (rules.py), and finding odd deliveries without one (lakehouse/monitoring).

Whether a quantile lies in a range is decided by counting: the q-quantile of n values is the k-th smallest, k the
smallest whole number that is at least q times n (and 1), so it lies between two bounds when fewer than k values are
below the lower one and at least k are not above the upper one. That is exact, needs no sorting, and is the same in
every engine.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.contracts.compile import sql_value
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.rules import Distribution, pairs
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import borrow, quoted

LIMIT = 0.25
"""The population stability index from which on a shift is usually called large."""
_BINS = 10
_CATEGORIES = 20


def counts_of(contract: Contract, one: Distribution) -> dict[str, str]:
    """What has to be counted of the rows: label -> DuckDB's condition, to be true of the counted rows."""
    name = quoted(one.column)
    number = contract.column(one.column).type == "float64"
    absent = f"{name} is null" + (f" or coalesce(isnan({name}), false)" if number else "")
    found = {"absent": absent}
    for place, (_, (low, high)) in enumerate(pairs(one.quantiles)):
        # NaN is above every number, in DuckDB and in Spark.
        found[f"below_{place}"] = f"{name} < {_bound(low)}"
        found[f"up_to_{place}"] = f"{name} <= {_bound(high)}"
    for place, (value, _) in enumerate(pairs(one.shares)):
        found[f"value_{place}"] = f"{name} = {sql_value(value)}"
    return found


def judge_counts(one: Distribution, rows: int, counts: Mapping[str, int], *, blocking: bool) -> CheckResult:
    """The verdict, from the counts that `counts_of` asks for among `rows` rows."""
    measured: dict[str, float | int | str] = {"rows": rows}
    if rows < one.least_rows:
        says = f"{rows} rows are fewer than the {one.least_rows} from which on {one.column} is judged."
        return CheckResult(one.name, passed=True, says=says, blocking=blocking, measured=measured)
    given = rows - counts["absent"]
    faults = []
    measured["null_share"] = counts["absent"] / rows
    if one.null_share is not None and counts["absent"] > one.null_share * rows:
        faults.append(f"{counts['absent'] / rows:.2%} are not given")
    for place, (quantile, (low, high)) in enumerate(pairs(one.quantiles) if given else ()):
        rank = max(1, math.ceil(round(quantile * given, 6)))
        below, up_to = counts[f"below_{place}"] / given, counts[f"up_to_{place}"] / given
        measured |= {f"share_below_{low:g}": below, f"share_up_to_{high:g}": up_to}
        if counts[f"below_{place}"] >= rank:
            faults.append(f"the {quantile:g}-quantile is below {low:g}: {below:.2%} are")
        if counts[f"up_to_{place}"] < rank:
            faults.append(f"the {quantile:g}-quantile is above {high:g}: only {up_to:.2%} are not")
    for place, (value, (low, high)) in enumerate(pairs(one.shares) if given else ()):
        share = counts[f"value_{place}"] / given
        measured[f"share_of_{value}"] = share
        if not low <= share <= high:
            faults.append(f"{share:.2%} are {value}")
    says = one.description + (f" Not so: {'; '.join(faults)}." if faults else "")
    return CheckResult(one.name, not faults, says, blocking=blocking, measured=measured)


def distribution_check_results(contract: Contract, rows: pa.Table) -> list[CheckResult]:
    """The verdicts on rows in memory, of all declared distributions but those that ask for the champion's."""
    declared = [one for one in contract.distributions if one.null_share is not None or one.quantiles or one.shares]
    if not declared:
        return []
    wanted = [counts_of(contract, one) for one in declared]
    sql = ", ".join(f"count_if({condition})" for one in wanted for condition in one.values())
    with borrow() as connection:
        connection.register("rows", rows.select([one.column for one in declared]))
        found = iter(connection.execute(f"select {sql} from rows").fetchall()[0])
    return [
        judge_counts(one, len(rows), {label: int(next(found) or 0) for label in labels}, blocking=one.action == "block")
        for one, labels in zip(declared, wanted, strict=True)
    ]


def like_reference(contract: Contract, rows: pa.Table, reference: pa.Table) -> list[CheckResult]:
    """Whether the columns with `like_champion` lie as in `reference`: the rows that the champion was trained on.

    The measure is the population stability index over the reference's tenths (or its most frequent values), null a
    value of its own. Chance alone makes (bins - 1) * (1/n + 1/m) of it on average (Yurdakul, Statistical properties of
    the population stability index, 2018); the double of that is added to the usual limit.
    """
    check_results = []
    for one in contract.distributions:
        if not one.like_champion:
            continue
        blocking = contract.action(one.name) == "block"
        if len(rows) < one.least_rows or len(reference) < one.least_rows:
            says = f"Fewer than {one.least_rows} rows to compare, so {one.column} is not judged."
            check_results.append(CheckResult(one.name, passed=True, says=says, blocking=blocking))
            continue
        before, after = _shares(_series(reference, one.column), _series(rows, one.column))
        index = float(np.sum((after - before) * np.log(after / before)))
        limit = LIMIT + 2 * (len(before) - 1) * (1 / len(rows) + 1 / len(reference))
        says = (
            f"{one.column} differs from what the champion learned from by a PSI of {index:.3f}; {limit:.3f} is allowed."
        )
        measured = {"psi": index, "limit": limit, "rows": len(rows), "reference_rows": len(reference)}
        check_results.append(
            CheckResult(one.name, passed=index <= limit, says=says, blocking=blocking, measured=measured)
        )
    return check_results


def _series(rows: pa.Table, column: str) -> pl.Series:
    found = pl.Series(column, rows.column(column))
    found = found.to_physical() if found.dtype.is_temporal() else found
    return found.fill_nan(None) if found.dtype.is_float() else found


def _shares(before: pl.Series, after: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The shares of both in the same bins; none is zero, as half a row is added to each."""
    if before.dtype.is_numeric():
        inner = before.drop_nulls().to_numpy()
        tenths = np.linspace(0, 1, _BINS + 1)[1:-1]
        edges = np.unique(np.quantile(inner, tenths, method="inverted_cdf")) if len(inner) else np.array([])
        placed = [np.searchsorted(edges, one.drop_nulls().to_numpy()) for one in (before, after)]
        counted = [
            [*np.bincount(bins, minlength=len(edges) + 1), one.null_count()]
            for bins, one in zip(placed, (before, after), strict=True)
        ]
    else:
        top: Sequence[object] = before.drop_nulls().value_counts(sort=True)[before.name].head(_CATEGORIES).to_list()
        counted = []
        for one in (before, after):
            known = [int((one == value).sum()) for value in top]
            counted.append([*known, len(one) - one.null_count() - sum(known), one.null_count()])
    first, second = (np.array(one, dtype=float) + 0.5 for one in counted)
    return first / first.sum(), second / second.sum()


def _bound(value: float) -> str:
    return sql_value(float(value))

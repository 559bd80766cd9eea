"""Check results on the distribution of rows in memory: as declared, and as in the live model's training rows.

What belongs here: counting, and the comparison with rows that are good by definition. Not: the declaration
(rules/distribution.py), and anomalies against history (lakehouse/profiling).
"""

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.contracts.contract import Contract
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import borrow

LIMIT = 0.25
"""The population stability index (PSI) above which a shift is usually called large."""
_BINS = 10
_CATEGORIES = 20


def distribution_check_results(contract: Contract, rows: pa.Table) -> list[CheckResult]:
    """Return the check results of the distributions that counting the rows decides."""
    declared = [one for one in contract.distributions if one.is_counted]
    if not declared:
        return []
    wanted = [one.counts(contract) for one in declared]
    sql = ", ".join(f"count_if({condition})" for one in wanted for condition in one.values())
    with borrow() as connection:
        connection.register("rows", rows.select([one.column for one in declared]))
        found = iter(connection.execute(f"select {sql} from rows").fetchall()[0])
    return [
        one.result(
            len(rows),
            {label: int(next(found) or 0) for label in labels},
            blocking=contract.action(one.name) == "block",
        )
        for one, labels in zip(declared, wanted, strict=True)
    ]


def like_reference(contract: Contract, rows: pa.Table, reference: pa.Table) -> list[CheckResult]:
    """Compare the columns with `like_champion` with `reference`, the rows that the live model was trained on.

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
            message = f"{one.column} is not checked: fewer than {one.least_rows} rows to compare."
            check_results.append(CheckResult(one.name, passed=True, message=message, blocking=blocking))
            continue
        before, after = _shares(_series(reference, one.column), _series(rows, one.column))
        index = float(np.sum((after - before) * np.log(after / before)))
        limit = LIMIT + 2 * (len(before) - 1) * (1 / len(rows) + 1 / len(reference))
        message = (
            f"The PSI of {one.column} against the live model's training rows is {index:.3f}; the limit is {limit:.3f}."
        )
        measured = {"psi": index, "limit": limit, "rows": len(rows), "reference_rows": len(reference)}
        check_results.append(
            CheckResult(one.name, passed=index <= limit, message=message, blocking=blocking, measured=measured)
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
        top: list[object] = before.drop_nulls().value_counts(sort=True)[before.name].head(_CATEGORIES).to_list()
        counted = []
        for one in (before, after):
            known = [int((one == value).sum()) for value in top]
            counted.append([*known, len(one) - one.null_count() - sum(known), one.null_count()])
    first, second = (np.array(one, dtype=float) + 0.5 for one in counted)
    return first / first.sum(), second / second.sum()

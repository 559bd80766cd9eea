"""Distances of two distributions: PSI, Jensen-Shannon, Wasserstein, Kolmogorov-Smirnov.

What belongs here: the definitions, on shares and on grids of quantiles, and all of them for two profiles of a column.
Not: how far is too far (anomalies.py, shift.py).
"""

from collections.abc import Sequence

import numpy as np

from lakehouse.profiling.column_profile import SHARES, ColumnProfile

_GRID = np.array(SHARES)
_BINS = 10
_LEAST_SHARE = 1e-4
"""What PSI takes for a share of nothing, whose logarithm it could not have; as is usual."""

Shares = Sequence[float] | np.ndarray


def psi(before: Shares, after: Shares) -> float:
    """The population stability index of two lists of shares of the same bins: sum of (a - b) ln(a / b).

    Source: Siddiqi, "Credit Risk Scorecards" (2006). It is the symmetric divergence of Jeffreys (1946).
    """
    first, second = (np.maximum(np.asarray(one, float), _LEAST_SHARE) for one in (before, after))
    return float(((second - first) * np.log(second / first)).sum())


def jensen_shannon(before: Shares, after: Shares) -> float:
    """The Jensen-Shannon distance of two lists of shares: the root of the divergence in bits, from 0 to 1.

    Source: Lin, "Divergence Measures Based on the Shannon Entropy" (1991); its root: Endres, Schindelin (2003).
    """
    first, second = (np.asarray(one, float) / max(float(np.sum(one)), 1e-300) for one in (before, after))
    middle = (first + second) / 2
    divergence = 0.0
    for one in (first, second):
        there = one > 0
        divergence += float((one[there] * np.log2(one[there] / middle[there])).sum()) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def wasserstein(before: Sequence[float], after: Sequence[float]) -> float:
    """The Wasserstein-1 distance of two grids, in the values' unit: the area between their quantiles.

    Source: Vallender, "Calculation of the Wasserstein Distance Between Probability Distributions on the Line" (1974).
    """
    apart = np.abs(np.asarray(after, float) - np.asarray(before, float))
    return float(np.trapezoid(apart, _GRID))


def kolmogorov_smirnov(before: Sequence[float], after: Sequence[float]) -> float:
    """The largest difference of the shares below any value, of two grids; from 0 to 1.

    Source: Smirnov, "Table for Estimating the Goodness of Fit of Empirical Distributions" (1948).
    """
    values = np.union1d(before, after)
    return float(np.abs(shares_below(before, values) - shares_below(after, values)).max())


def shares_below(grid: Sequence[float], values: np.ndarray | Sequence[float]) -> np.ndarray:
    """The shares of values that are at most each of `values`, by a grid; between its points they grow evenly."""
    points = np.asarray(grid, float)
    wanted = np.asarray(values, float)
    places = np.searchsorted(points, wanted, side="right")
    low, high = np.maximum(places - 1, 0), np.minimum(places, len(points) - 1)
    width = points[high] - points[low]
    step = np.where(width > 0, (wanted - points[low]) / np.where(width > 0, width, 1), 0.0)
    found = _GRID[low] + step * (_GRID[high] - _GRID[low])
    return np.where(places == 0, 0.0, np.where(places == len(points), 1.0, found))


def shares_below_all(grids: np.ndarray, values: np.ndarray | Sequence[float]) -> np.ndarray:
    """`shares_below` of T grids at once, shape (T, points), NaN where a grid is: shape (T, values)."""
    wanted = np.asarray(values, float)
    places = (grids[:, :, None] <= wanted).sum(axis=1)
    last = grids.shape[1] - 1
    low, high = np.maximum(places - 1, 0), np.minimum(places, last)
    below, above = np.take_along_axis(grids, low, axis=1), np.take_along_axis(grids, high, axis=1)
    width = above - below
    step = np.where(width > 0, (wanted - below) / np.where(width > 0, width, 1), 0.0)
    found = _GRID[low] + step * (_GRID[high] - _GRID[low])
    found = np.where(places == 0, 0.0, np.where(places > last, 1.0, found))
    return np.where(np.isnan(grids[:, :1]), np.nan, found)


def shares_of(before: ColumnProfile, after: ColumnProfile) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Labels of bins and the shares of two profiles in them: of numbers and times tenths of `before`, of texts their
    categories; what has no value is a bin of its own.
    """
    if before.grid and after.grid:
        cuts = np.unique(np.interp(np.arange(1, _BINS) / _BINS, _GRID, before.grid))
        labels = [f"<= {cut:g}" for cut in cuts] + [f"> {cuts[-1]:g}"]
        first, second = (np.diff(shares_below(one.grid, cuts), prepend=0.0, append=1.0) for one in (before, after))
    else:
        tables = [dict(one.top) for one in (before, after)]
        names = list(dict.fromkeys([*tables[0], *tables[1]]))
        labels = [*map(str, names), "all others"]
        counts = [np.array([table.get(name, 0) for name in names], float) for table in tables]
        first, second = (
            np.append(count, max(one.finite - count.sum(), 0)) / max(one.finite, 1)
            for count, one in zip(counts, (before, after), strict=True)
        )
    if before.finite < before.rows or after.finite < after.rows:
        shares = [one.finite / one.rows if one.rows else 0.0 for one in (before, after)]
        labels = [*labels, "no value"]
        first, second = (
            np.append(bins * share, 1 - share) for bins, share in zip((first, second), shares, strict=True)
        )
    return labels, first, second


def distances(before: ColumnProfile, after: ColumnProfile) -> dict[str, float]:
    """All distances that two profiles of a column have, by name; `wasserstein` in the values' unit (times: seconds),
    and `wasserstein_in_deviations` of `before`.
    """
    _, first, second = shares_of(before, after)
    found = {"psi": psi(first, second), "jensen_shannon": jensen_shannon(first, second)}
    if before.grid and after.grid:
        apart = wasserstein(before.grid, after.grid)
        found["ks"] = kolmogorov_smirnov(before.grid, after.grid)
        found["wasserstein"] = apart / 1e6 if before.kind == "time" else apart
        if before.std:
            found["wasserstein_in_deviations"] = apart / before.std
    return {name: round(value, 6) for name, value in found.items()}

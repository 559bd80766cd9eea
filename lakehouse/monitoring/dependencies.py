"""How columns of a delivery depend on each other, where that is cheap: rank correlations and functional dependencies.

What belongs here: measuring them on a sample of rows. Not: whether they changed (anomalies.py).
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lakehouse.monitoring.column_values import Bits, Values

SAMPLE = 1_000
"""Rows at most: those with the smallest hashes, so that the sample does not depend on the rows' order."""
COLUMNS = 10
"""Columns of each sort at most, in the contract's order: the number of pairs grows with the square."""
_FEWEST = 20
_REPEATED = 2


def sample_of(row_hashes: Bits, rows: np.ndarray) -> np.ndarray:
    """The numbers of the rows to look at, of the given ones."""
    if len(rows) <= SAMPLE:
        return rows[np.argsort(row_hashes[rows], kind="stable")]
    hashes = row_hashes[rows]
    chosen = np.argpartition(hashes, SAMPLE)[:SAMPLE]
    return rows[chosen[np.argsort(hashes[chosen], kind="stable")]]


def dependencies(columns: Sequence[Values], sample: np.ndarray) -> dict[str, tuple[float, int]]:
    """Of pairs of columns: how strong, and of how many rows.

    `a ~ b`: Spearman's rank correlation of two columns of numbers or times, of rows that have both. `a > b`: whether
    rows of one a have one b, of rows whose a comes more than once. Where b is text, the share of rows with the b that
    is most frequent beside their a (one less the error g3 of Kivinen and Mannila, "Approximate Inference of Functional
    Dependencies", 1995). Where b is a number, the intraclass correlation of its ranks (Fisher, "Statistical Methods
    for Research Workers", 1925).
    """
    return {**_correlations(columns, sample), **_decided(columns, sample)}


def _correlations(columns: Sequence[Values], sample: np.ndarray) -> dict[str, tuple[float, int]]:
    found = {}
    chosen = [one for one in columns if one.numbers is not None][:COLUMNS]
    usable = {one.name: one.given[sample] & np.isfinite(one.numbers[sample]) for one in chosen}  # type: ignore[index]
    whole = {one.name: _ranks(one.numbers[sample]) for one in chosen if usable[one.name].all()}  # type: ignore[index]
    for one, other in combinations(chosen, 2):
        both = usable[one.name] & usable[other.name]
        rows = int(both.sum())
        if rows < _FEWEST:
            continue
        pair = [
            whole[each.name] if each.name in whole and rows == len(sample) else _ranks(each.numbers[sample][both])  # type: ignore[index]
            for each in (one, other)
        ]
        size = float(np.sqrt((pair[0] @ pair[0]) * (pair[1] @ pair[1])))
        if size > 0:
            found[f"{one.name} ~ {other.name}"] = (float(pair[0] @ pair[1]) / size, rows)
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks about zero; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place] - (len(values) + 1) / 2


def _decided(columns: Sequence[Values], sample: np.ndarray) -> dict[str, tuple[float, int]]:
    codes: dict[str, np.ndarray] = {}
    ranks = {}
    for one in columns:
        _, found = np.unique(one.hashes[sample], return_inverse=True)
        if 1 < found.max(initial=0) + 1 <= len(sample) - _FEWEST // _REPEATED and len(codes) < COLUMNS:
            codes[one.name] = found
            if one.numbers is not None:
                ranks[one.name] = _ranks(np.where(one.given[sample], one.numbers[sample], -np.inf))
    measured = {}
    for decider, groups in codes.items():
        counts = np.bincount(groups)
        repeated = counts[groups] >= _REPEATED
        rows = int(repeated.sum())
        if rows < _FEWEST:
            continue
        together = groups[repeated]
        for decided, codes_of in codes.items():
            if decided == decider:
                continue
            if decided in ranks:
                strength = _intraclass(together, ranks[decided][repeated])
            else:
                strength = _most_frequent_share(together, codes_of[repeated])
            if strength is not None:
                measured[f"{decider} > {decided}"] = (strength, rows)
    return measured


def _most_frequent_share(groups: np.ndarray, values: np.ndarray) -> float:
    wide = int(values.max()) + 1
    pairs, times = np.unique(groups * wide + values, return_counts=True)
    most = np.zeros(int(groups.max()) + 1, np.int64)
    np.maximum.at(most, pairs // wide, times)
    return float(most.sum() / len(groups))


def _intraclass(groups: np.ndarray, ranks: np.ndarray) -> float | None:
    """The share of the variance that lies between groups; None where there is no variance, or one group only."""
    counts = np.bincount(groups)
    number = int((counts > 0).sum())
    centred = ranks - ranks.mean()
    total = float(centred @ centred)
    if number < _REPEATED or total <= 0 or len(groups) == number:
        return None
    sums = np.bincount(groups, centred)
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    size = (len(groups) - np.square(counts).sum() / len(groups)) / (number - 1)
    mean_between, mean_within = between / (number - 1), (total - between) / (len(groups) - number)
    return float((mean_between - mean_within) / (mean_between + (size - 1) * mean_within))

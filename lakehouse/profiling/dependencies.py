"""Dependencies between columns of a delivery, where they are cheap: rank correlations, functional dependencies.

What belongs here: measuring them on a sample of rows. Not: whether they changed (anomalies.py).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from lakehouse.profiling.column_values import Bits, Values

SAMPLE = 1_000
"""Rows at most: those with the smallest hashes, so that the sample does not depend on the rows' order."""
COLUMNS = 10
"""Columns of each sort at most, in the contract's order: the number of pairs grows with the square."""
_FEWEST = 20
_REPEATED = 2
_CERTAIN = 0.95
"""Where so many groups have one value by chance, one value says nothing."""


def sample_of(row_hashes: Bits, rows: np.ndarray) -> np.ndarray:
    """The numbers of the rows to look at, of the given ones."""
    if len(rows) <= SAMPLE:
        return rows[np.argsort(row_hashes[rows], kind="stable")]
    hashes = row_hashes[rows]
    chosen = np.argpartition(hashes, SAMPLE)[:SAMPLE]
    return rows[chosen[np.argsort(hashes[chosen], kind="stable")]]


def dependencies(columns: Sequence[Values], sample: np.ndarray) -> dict[str, tuple[float, int]]:
    """Of pairs of columns: how strong, and of how many rows or groups.

    `a ~ b`: Spearman's rank correlation of two columns of numbers or times, of rows that have both. The others look at
    groups: the rows of one a, of those whose a is there and comes more than once. `a => b`: the share of groups that
    have one b, beyond the share that chance would give (as Cohen's kappa, "A Coefficient of Agreement for Nominal
    Scales", 1960): a few wrong rows break many groups, where one group that is different as a whole breaks none.
    `a > b`, of numbers and times: the intraclass correlation of the ranks of b (Fisher, "Statistical Methods for
    Research Workers", 1925).
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
    given, ranks = {}, {}
    for one in columns:
        _, found = np.unique(one.hashes[sample], return_inverse=True)
        if 1 < found.max(initial=0) + 1 <= len(sample) - _FEWEST // _REPEATED and len(codes) < COLUMNS:
            codes[one.name], given[one.name] = found, one.given[sample]
            if one.numbers is not None:
                ranks[one.name] = _ranks(np.where(one.given[sample], one.numbers[sample], -np.inf))
    alike = _Alike(codes)
    measured = {}
    for decider, groups in codes.items():
        counts = np.bincount(groups, given[decider])
        repeated = np.flatnonzero((counts[groups] >= _REPEATED) & given[decider])
        if len(repeated) < _FEWEST:
            continue
        together = groups[repeated]
        order = repeated[np.argsort(together, kind="stable")]
        begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
        for decided in codes.keys() - {decider}:
            if decided in ranks:
                strength = _intraclass(together, ranks[decided][repeated])
                if strength is not None:
                    measured[f"{decider} > {decided}"] = (strength, len(repeated))
            strength = _one_each(codes[decided][order], begins, alike, decided)
            if strength is not None:
                measured[f"{decider} => {decided}"] = (strength, len(begins))
    return dict(sorted(measured.items()))


class _Alike:
    """The chance that so many rows have the same value of a column."""

    def __init__(self, codes: Mapping[str, np.ndarray]) -> None:
        self._shares = {name: np.bincount(one) / len(one) for name, one in codes.items()}
        self._known: dict[tuple[str, int], float] = {}

    def __call__(self, name: str, rows: int) -> float:
        if (name, rows) not in self._known:
            self._known[name, rows] = float((self._shares[name] ** rows).sum())
        return self._known[name, rows]


def _one_each(values: np.ndarray, begins: np.ndarray, alike: _Alike, name: str) -> float | None:
    """The share of groups with one value, beyond chance; None where chance alone makes nearly all of them so."""
    sizes, times = np.unique(np.diff(np.append(begins, len(values))), return_counts=True)
    chance = float(np.average([alike(name, size) for size in sizes.tolist()], weights=times))
    if chance >= _CERTAIN:
        return None
    one_only = np.minimum.reduceat(values, begins) == np.maximum.reduceat(values, begins)
    return max((float(one_only.mean()) - chance) / (1 - chance), 0.0)


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

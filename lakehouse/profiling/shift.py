"""Feature drift: how far a model's inputs now are from its training data, weighted by feature importance.

What belongs here: comparing one delivery, or a table of features, with a training snapshot. Not: comparing deliveries
with those before them (anomalies.py), and what a model's weights are (lakehouse/models).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lakehouse.profiling.anomalies import before_after
from lakehouse.profiling.column_profile import ColumnProfile
from lakehouse.profiling.distances import distances, shares_of
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile

LEVEL = 0.01
"""How often some feature may be called shifted where none is."""


@dataclass(frozen=True)
class Shift:
    """How far all features are shifted together, from 0 to 1: the weighted mean of their Jensen-Shannon distances, and
    `by_chance`, what samples of these sizes have from each other when nothing is shifted. `findings`: the features that
    are shifted by more than chance, those that concern the model most first; `size` is the feature's distance times its
    weight, in units of the mean weight and of the distance by chance. `psi`: by feature (of one that is missing,
    infinite), and `psi_together` their weighted mean.
    """

    total: float
    by_chance: float
    issues: list[Issue]
    psi: Mapping[str, float]
    psi_together: float


def shift_of(now: DeliveryProfile, baseline: DeliveryProfile, weights: Mapping[str, float]) -> Shift:
    """How far `now` lies from `baseline`.

    `weights`: how much the model uses each feature, in any unit, 0 or more; those that it does not name do not count.

    Raises ValueError when no weight is above 0.
    """
    used = {name: max(float(weight), 0.0) for name, weight in weights.items()}
    total = sum(used.values())
    if total <= 0:
        raise ValueError("No feature has a weight above 0.")
    issues, together, by_chance = [], 0.0, 0.0
    psi: dict[str, float] = {}
    for name, weight in used.items():
        before, after = baseline.columns.get(name), now.columns.get(name)
        if before is None or after is None or not before.rows or not after.rows:
            message = f"{name} is not there{'' if after is None else ' in the training data'}, and the model uses it."
            issues.append(Issue("feature_missing", (name,), message, size=100.0 * weight / total * len(used)))
            together += weight / total
            psi[name] = np.inf
            continue
        measured = distances(before, after)
        chance = _by_chance(before, after)
        psi[name] = measured["psi"]
        together += weight / total * measured["jensen_shannon"]
        by_chance += weight / total * chance
        if _differs(before, after, LEVEL / len(used)):
            issues.append(_issue_of(before, after, measured, weight / total * len(used), chance))
    psi_together = sum(weight / total * psi[name] for name, weight in used.items() if weight)
    return Shift(together, by_chance, sorted(issues, key=lambda one: -one.size), psi, psi_together)


def _issue_of(
    before: ColumnProfile, after: ColumnProfile, measured: Mapping[str, float], weight: float, chance: float
) -> Issue:
    if before.grid and after.grid:
        middle = len(before.grid) // 2
        words = f"its median was {before.grid[middle]:.6g} and is {after.grid[middle]:.6g}"
    else:
        labels, first, second = shares_of(before, after)
        most = int(np.argmax(np.abs(second - first)))
        words = f"{labels[most]!r} had {first[most]:.2%} and has {second[most]:.2%}"
    return Issue(
        "shifted",
        (before.name,),
        f"{before.name} is not as in training: {words}; Jensen-Shannon distance {measured['jensen_shannon']:.3f}, "
        f"PSI {measured['psi']:.3f}; the model uses it {weight:.2f} times as much as the mean feature.",
        size=round(measured["jensen_shannon"] / chance * weight, 3),
        measured={**measured, "weight": round(weight, 6)},
        series=before_after(before, after),
    )


def _by_chance(before: ColumnProfile, after: ColumnProfile) -> float:
    """The Jensen-Shannon distance that samples of one distribution have: n times its square is about chi-square
    distributed (Menendez and others, "The Jensen-Shannon Divergence", 1997).
    """
    bins = len(shares_of(before, after)[0])
    rows = before.rows * after.rows / (before.rows + after.rows)
    return float(np.sqrt(max(bins - 1, 1) / (8 * np.log(2) * rows)))


def _differs(before: ColumnProfile, after: ColumnProfile, level: float) -> bool:
    """Whether two samples differ by more than chance: Pearson's chi-square test of homogeneity on the bins."""
    from scipy.stats import chi2

    _, first, second = shares_of(before, after)
    there = first + second > 0
    rows = before.rows * after.rows / (before.rows + after.rows)
    pooled = (first * before.rows + second * after.rows) / (before.rows + after.rows)
    statistic = rows * float(((first - second)[there] ** 2 / pooled[there]).sum())
    return statistic > float(chi2.isf(level, max(int(there.sum()) - 1, 1)))

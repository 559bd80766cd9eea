"""Alarm levels: how surprising a delivery may be, by what is usual among those before it.

What belongs here: arithmetic that controls false alarms over all metrics together. Not: metrics (metrics.py), their
forecasts (forecasts.py), words (anomalies.py).

Metrics of one kind in one column are a family. How much a family tells against a delivery is minus the logarithm of
the share of good ones that surprise as much, as its own history has it: few deliveries say little about a tail, so
what they showed is drawn towards what a normal distribution would. A column's score is the mean of the two families
that tell most, since what is wrong shows in several and what is chance in one. A delivery's limit is drawn from
history's own scores in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_TOGETHER = 2
"""Families of a column that count together."""
_SETTLED = 8
"""Deliveries at the beginning whose own forecasts had little to go by."""
_TAIL = 0.75
"""Surprises to this power fall off evenly: 2 is a normal distribution's tail, 1 an even one's. What happens in the
world falls off more slowly (stretched exponentials: Laherrere, Sornette, "Stretched Exponential Distributions in Nature
and Economy", 1998): days have reasons of their own."""
_SPARED = 0.05
"""The share of history's largest that counts as no more than the next: a bad delivery does not hide another."""
_SCALE = 0.5
"""Before history is known, their mean above the middle; a normal distribution's is 0.44."""
_WIDER = 1.25
"""How many times as slowly a tail falls off as what lies before it tells."""
_WORTH = 10
"""So many deliveries that counts as, beside those of history."""
_SCORES_WORTH = 60
"""So many deliveries the scale that scores have by what they mean counts as, beside what history's had."""
_LEARNS_FROM = 20
"""Values from which on a tail is drawn from them alone."""

Family = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Assessment:
    """Families of metrics with their sizes (1: at the limit), and columns (the empty name: the delivery as a whole)
    with their scores; a delivery with a score above 1 is an anomaly.
    """

    families: dict[Family, float]
    scores: dict[str, float]


def weigh(families: Sequence[Family], surprise: np.ndarray, level: float, event_time: str = "") -> Assessment:
    """Evaluate the last of T deliveries. `families`: of each of S metrics; `surprise`: shape (T, S); `level`: the share
    of good deliveries that may be alarmed by; `event_time`: the column whose times tell which part of a delivery may
    be missing.
    """
    names = list(dict.fromkeys(families))
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([place[one] for one in families])
    most = np.zeros((len(surprise), len(names)))
    np.maximum.at(most.T, codes, np.nan_to_num(surprise, nan=0.0).T)
    settled = slice(min(_SETTLED, (len(most) - 1) // 3), len(most) - 1)
    evidence = _evidence(most, settled, np.bincount(codes))
    concerned: dict[str, list[int]] = {}
    for number, (columns, _) in enumerate(names):
        for column in columns or ("",):
            concerned.setdefault(column, []).append(number)
    times = [number for number in concerned.get(event_time, ()) if len(names[number][0]) == 1]
    scores = np.column_stack(
        [_score(evidence, own, () if column else times) for column, own in concerned.items()],
    )
    limit = _limit(scores.max(axis=1)[settled], level, len(concerned))
    return Assessment(
        dict(zip(names, (evidence[-1] / limit).tolist(), strict=True)),
        dict(zip(concerned, (scores[-1] / limit).tolist(), strict=True)),
    )


def _evidence(most: np.ndarray, settled: slice, many: np.ndarray) -> np.ndarray:
    """How much each family tells against each delivery, in natural units of information: (T, F) to (T, F).

    `many`: how many metrics each family has. Above its middle a family's surprise, to the power, is taken to fall off
    as an exponential distribution does.
    """
    powers = most**_TAIL
    past = powers[settled]
    count = len(past)
    # The middle of the largest of so many normal deviates' sizes.
    middle = np.array([NormalDist().inv_cdf((1 + 0.5 ** (1 / one)) / 2) for one in many.tolist()]) ** _TAIL
    scale = _SCALE
    if count:
        seen = np.median(past, axis=0)
        middle = (count * seen + _WORTH * middle) / (count + _WORTH)
        scale = (_above(past, seen) + _WORTH / 2 * _SCALE) / (count / 2 + _WORTH / 2)
    return _drawn(np.maximum(np.log(2) + (powers - middle) / (_WIDER * scale), 0.0), count + _WORTH)


def drawn_out(past: np.ndarray, share: float) -> np.ndarray:
    """What a `share` of values exceeds, by the middle and the largest tenth of those before: along the first axis.

    Between these two and beyond them the logarithm of the share that exceeds is taken to fall evenly. A tenth of bad
    values changes little. That the fall is known from n values only lengthens the tail: n (share^(-1/n) - 1) takes the
    place of -ln(share), as in `_drawn`.
    """
    middle, large = np.quantile(past, [0.5, 0.9], axis=0)
    known = max(len(past), _LEARNS_FROM)
    return middle + (large - middle) / np.log(5) * known * np.expm1(np.log(0.5 / share) / known)


def _limit(past: np.ndarray, level: float, columns: int) -> float:
    """The score that a share `level` of good deliveries exceeds, by the scores of those before.

    Scores are in natural units: they fall off with scale 1, from a middle that grows with the number of columns, unless
    history says otherwise.
    """
    count = len(past)
    middle, scale = np.log(columns), 1.0
    if count:
        seen = np.median(past)
        middle = (count * seen + _WORTH * middle) / (count + _WORTH)
        scale = (float(_above(past, seen)) + _SCORES_WORTH / 2) / (count / 2 + _SCORES_WORTH / 2)
    known = count + _WORTH
    return float(middle + scale * known * np.expm1(np.log(0.5 / level) / known))


def _above(past: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """How far all of them together lie above the middle, the very largest cut, along the first axis."""
    largest = np.sort(past, axis=0)[-1 - int(np.ceil(_SPARED * len(past)))] if len(past) > 1 else past[0]
    return np.maximum(np.minimum(past, largest) - middle, 0).sum(axis=0)


def _drawn(evidence: np.ndarray, known: int) -> np.ndarray:
    """What an exponential distribution's fall tells when its scale is known from so many values only: the predictive
    distribution is Pareto's (Geisser, "Predictive Inference", 1993).
    """
    return known * np.log1p(evidence / known)


def _score(evidence: np.ndarray, own: Sequence[int], backing: Sequence[int]) -> np.ndarray:
    """A column's scores, shape (T,), by its families and by others that back them: of those that count together, one
    must be its own.
    """
    ordered = np.sort(evidence[:, [*own, *backing]], axis=1)[:, -_TOGETHER:]
    largest = evidence[:, own].max(axis=1)
    return np.minimum(ordered.sum(axis=1), ordered[:, 1:].sum(axis=1) + largest) / _TOGETHER

"""From surprises to alarms: how surprising a delivery may be at all, by what is usual among those before it.

What belongs here: arithmetic that controls false alarms over all readings together. Not: readings (readings.py), their
forecasts (expectation.py), words (anomalies.py).

Readings of one kind in one column are a family. Chance alone makes some reading of many surprising, and real data do so
more often than the normal distribution says, so each family's limit is where its history's surprises, drawn out, say
that one in so many deliveries comes. A column's score is the mean of its most surprising families in units of their
limits, and a delivery's limit is drawn out in the same way from history's own scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_TOGETHER = 3
"""Families of a column that count together: what is wrong shows in several, what is chance in one."""
_LEARNS_FROM = 20
"""Deliveries from which on limits are drawn from history alone; before, a normal distribution's are the least."""
_FEW = 3
_SETTLED = 8
"""Deliveries at the beginning whose own forecasts had little to go by."""
_LEAST = 1.2
_TAIL = 1.5
"""Surprises to this power fall off evenly: 1 is a heavy tail, 2 a normal distribution's."""

Family = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Judgement:
    """Families of readings with their sizes (1: at the limit), and columns (the empty name: the delivery as a whole)
    with their scores; a delivery with a score above 1 is an anomaly.
    """

    families: dict[Family, float]
    scores: dict[str, float]


def weigh(families: Sequence[Family], surprise: np.ndarray, level: float, event_time: str = "") -> Judgement:
    """Judge the last of T deliveries. `families`: of each of S readings; `surprise`: shape (T, S); `level`: the share
    of good deliveries that may be alarmed by; `event_time`: the column whose times tell which part of a delivery may
    be missing.
    """
    names = list(dict.fromkeys(families))
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([place[one] for one in families])
    known = np.nan_to_num(surprise, nan=0.0)
    most = np.zeros((len(known), len(names)))
    np.maximum.at(most.T, codes, known.T)
    settled = slice(min(_SETTLED, (len(known) - 1) // 3), len(known) - 1)
    learns = settled.stop - settled.start >= _LEARNS_FROM
    share = level / len(names)
    past = most[settled]
    if learns:
        limits = np.maximum(drawn_out(past, share, _TAIL), np.sort(past, axis=0)[-2])
        limits = np.maximum(limits, _LEAST)
    else:
        limits = np.array([-NormalDist().inv_cdf(share / many / 2) for many in np.bincount(codes)])
        if len(past) >= _FEW:
            limits = np.maximum(limits, drawn_out(past, share, _TAIL))
    ratios = most / limits
    concerned: dict[str, list[int]] = {}
    for number, (columns, _) in enumerate(names):
        for column in columns or ("",):
            concerned.setdefault(column, []).append(number)
    times = [number for number in concerned.get(event_time, ()) if len(names[number][0]) == 1]
    scores = np.column_stack(
        [_scores(ratios, own, () if column else times, together=learns) for column, own in concerned.items()]
    )
    own = scores.max(axis=1)[settled]
    limit = float(drawn_out(own, level, 1.0)) if len(own) >= _FEW else 1.0
    limit = limit if learns else max(limit, 1.0)
    return Judgement(
        dict(zip(names, (ratios[-1] / limit).tolist(), strict=True)),
        dict(zip(concerned, (scores[-1] / limit).tolist(), strict=True)),
    )


def drawn_out(past: np.ndarray, share: float, tail: float) -> np.ndarray:
    """What a `share` of deliveries exceeds, by the middle and the largest tenth of those before: along the first axis.

    Between these two and beyond them the logarithm of the share that exceeds is taken to fall evenly with the value to
    the power of `tail`. A tenth of bad deliveries in history changes little. That the fall is known from n deliveries
    only lengthens the tail: n (share^(-1/n) - 1) takes the place of -ln(share), the predictive distribution of an
    exponential one (Geisser, "Predictive Inference", 1993).
    """
    middle, large = np.quantile(past, [0.5, 0.9], axis=0) ** tail
    known = max(len(past), _LEARNS_FROM)
    falls = known * np.expm1(np.log(0.5 / share) / known)
    return (middle + (large - middle) / np.log(5) * falls) ** (1 / tail)


def _scores(ratios: np.ndarray, own: Sequence[int], backing: Sequence[int], *, together: bool) -> np.ndarray:
    """A column's scores, shape (T,), by its families and by others that back them: of those that count together, one
    must be its own.
    """
    largest = ratios[:, own].max(axis=1)
    if not together:
        return largest
    ordered = np.sort(ratios[:, [*own, *backing]], axis=1)[:, -_TOGETHER:]
    return np.minimum(ordered.sum(axis=1), ordered[:, 1:].sum(axis=1) + largest) / _TOGETHER

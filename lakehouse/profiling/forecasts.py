"""Forecasts of the next delivery's metrics, and how surprising the delivered values are.

What belongs here: arithmetic on a matrix of metrics; it knows nothing of columns and kinds. Not: which metrics there
are (metrics.py), what is said about them (anomalies.py).

Each metric has several plain forecasts. What history was off by tells how much each of them counts in one of all, and
how far off that usually is; nothing is set by hand but the level of false alarms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LONG, SHORT, WEEKDAY, STEPS = 28, 5, 5, 8
"""Deliveries that a forecast looks at: all, the newest, those of the weekday, and the newest steps."""
_WEEKDAYS = 3
"""Deliveries of a weekday that there must be before it is told apart."""
_AT_ONCE = 2_000
"""Metrics, so that memory stays small."""
_NEARLY = 1.5
"""Forecasts count that were off by at most this many times the best one's."""
_CENTRES = ((0.5, 0.6745), (0.75, 1.1503), (0.9, 1.6449), (0.95, 1.96))
"""Shares of a normal distribution's absolute values, and the numbers that they lie below."""
_SPARED = 0.05
_CERTAIN = 20.0
_LEAST = 1e-12


@dataclass(frozen=True)
class Forecasts:
    """Metrics of T deliveries, S of them, evaluated. `expected` (S,): of the last delivery. `surprise` (T, S): how far
    each was off, as a standard normal variable would be that is as rare; NaN where it could not be evaluated.
    """

    expected: np.ndarray
    surprise: np.ndarray


def forecast(values: np.ndarray, noise: np.ndarray, weekdays: Sequence[int | None]) -> Forecasts:
    """Evaluate the last of T deliveries, and those before in the same way; `values` and `noise` have shape (T, S)."""
    cuts = range(_AT_ONCE, values.shape[1], _AT_ONCE)
    parts = zip(np.split(values, cuts, axis=1), np.split(noise, cuts, axis=1), strict=True)
    found = [_forecast(*part, weekdays) for part in parts]
    return Forecasts(
        np.concatenate([one.expected for one in found]),
        np.concatenate([one.surprise for one in found], axis=1),
    )


def _forecast(values: np.ndarray, noise: np.ndarray, weekdays: Sequence[int | None]) -> Forecasts:
    past = slice(0, len(values) - 1)
    forecasts, factors = _forecasts(values, weekdays)
    expected, sampling = _combined(values, forecasts, noise * factors, past)
    off = np.abs(values - expected)
    spread = _spread(off[None], sampling[None], past)[0]
    known = np.isfinite(off[past]).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # what could not be evaluated
        freedom = (known - 1) * (spread**2 / np.maximum(spread**2 - sampling**2, 1e-12 * spread**2)) ** 2
        surprise = normal_of_t(off / spread, np.clip(freedom, 1.0, known + _CERTAIN))
    return Forecasts(expected[-1], np.where(np.isfinite(surprise), surprise, np.nan))


def _combined(
    values: np.ndarray, forecasts: np.ndarray, sampling: np.ndarray, past: slice
) -> tuple[np.ndarray, np.ndarray]:
    """One forecast of several, and the noise of sampling in its errors, (T, S) each: NaN where there is none.

    Weighted by the inverse square of how far off each usually was; those that were much further off than the best are
    left out. Source: Bates, Granger, "The Combination of Forecasts" (1969).
    """
    off = np.abs(values - forecasts)
    spread = _spread(off, sampling, past)
    usable = np.isfinite(off[:, past]).sum(axis=1) >= min(3, len(values) - 2)
    typical = np.where(usable, np.median(np.where(np.isfinite(spread), spread, np.inf), axis=1), np.inf)
    serves = usable & (typical <= _NEARLY * np.min(typical, axis=0))
    weights = np.where(serves, 1 / np.maximum(typical, _LEAST) ** 2, 0.0)[:, None] * np.isfinite(forecasts)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = weights / weights.sum(axis=0)
    return tuple((weights * np.where(weights > 0, one, 0.0)).sum(axis=0) for one in (forecasts, sampling))  # type: ignore[return-value]


def _spread(off: np.ndarray, sampling: np.ndarray, past: slice) -> np.ndarray:
    """How far off each forecast usually is, shape (forecasts, T, S).

    Either it does not depend on the number of rows, or it is so many times what sampling gives: whichever told
    history's errors with the smaller spread. It is never less than what sampling gives.
    """
    alike = _usual(off[:, past])
    times = _usual(off[:, past] / sampling[:, past])
    known = np.isfinite(off[:, past]) & (sampling[:, past] > 0)
    level = np.where(known, np.log(np.where(known, sampling[:, past], 1.0)), 0.0)
    usual = np.exp(level.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    chosen = np.where((times * usual < alike)[:, None], times[:, None] * sampling, alike[:, None])
    return np.maximum(chosen, sampling)


def normal_of_t(size: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """The standard normal deviate that is as rare as a deviate of Student's t.

    Source: Wallace, "Bounds on Normal Approximations to Student's and the Chi-Square Distributions" (1959).
    """
    return np.sqrt(freedom * np.log1p(size**2 / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)


def _forecasts(values: np.ndarray, weekdays: Sequence[int | None]) -> tuple[np.ndarray, np.ndarray]:
    """What each way expected of each delivery from those before it, (4, T, S), and what noise that adds, (4, T, 1)."""
    count = len(values)
    places = np.arange(count)[:, None]
    long, short = places - 1 - np.arange(LONG), places - 1 - np.arange(SHORT)
    same = np.full((count, WEEKDAY), -1)
    for place, weekday in enumerate(weekdays):
        before = [other for other in range(place) if weekdays[other] == weekday and weekday is not None]
        same[place, : len(before[-WEEKDAY:])] = before[-WEEKDAY:]
    steps = np.vstack([np.full_like(values[:1], np.nan), np.diff(values, axis=0)])
    drift = _median_of(steps, long[:, :STEPS])
    previous = np.vstack([np.full_like(values[:1], np.nan), values[:-1]])
    forecasts = np.stack(
        [
            _median_of(values, long),
            _median_of(values, short),
            np.where((same >= 0).sum(axis=1)[:, None] >= _WEEKDAYS, _median_of(values, same), np.nan),
            previous + np.nan_to_num(drift),
        ]
    )
    seen = np.stack([(one >= 0).sum(axis=1) for one in (long, short, same)])
    factors = np.sqrt(1 + np.pi / 2 / np.maximum(seen, 1))
    return forecasts, np.concatenate([factors, np.full((1, count), np.sqrt(2 + 2 / STEPS))])[:, :, None]


def _median_of(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The medians of rows of a matrix: (T, S) by places (T, k), those below 0 left out. NaN where none is given."""
    padded = np.vstack([values, np.full((1, values.shape[1]), np.nan)]).T.copy()
    # What is sorted lies side by side: five times as fast.
    chosen = np.sort(padded[:, np.where(places < 0, len(values), places)], axis=2)  # (S, T, k); NaN comes last
    given = np.isfinite(chosen).sum(axis=2)
    low, high = (
        np.take_along_axis(chosen, np.maximum(one, 0)[:, :, None], axis=2)[:, :, 0]
        for one in ((given - 1) // 2, given // 2)
    )
    return np.where(given > 0, (low + high) / 2, np.nan).T


def _usual(off: np.ndarray) -> np.ndarray:
    """The standard deviation that errors tell, (forecasts, T, S) to (forecasts, S).

    The largest that any part of them tells, since real errors have heavy tails, but for the very largest: one bad
    delivery in history does not hide the next.
    """
    ordered = np.sort(off, axis=1)
    given = np.isfinite(ordered).sum(axis=1)
    spared = np.maximum(np.ceil(given * _SPARED), (given > 4).astype(int))  # noqa: PLR2004  # of four, none
    ratios = []
    for share, size in _CENTRES:
        place = np.minimum(np.ceil(share * given), given - spared).astype(int) - 1
        found = np.take_along_axis(ordered, np.clip(place, 0, None)[:, None], axis=1)[:, 0]
        ratios.append(np.where(given > 0, found / size, np.nan))
    return np.max(ratios, axis=0)

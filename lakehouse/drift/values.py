"""Number drift: another unit or scale, the sign, a value that stands for null.

What belongs here: columns of numbers that could be read. Not: codes and texts (texts.py), times
(times.py). A change is named when the column does not fit what it was, and fixed does.
"""

import re

import numpy as np

from lakehouse.drift.case import Case, percent
from lakehouse.profiling.distribution_fit import ColumnHistory, Shape, farthest, mixture
from lakehouse.profiling.issues import Issue
from lakehouse.sources.mappings import null_spellings, scaled

_FACTORS = (0.01, 100, 0.001, 1000, 0.1, 10, 1e-6, 1_000_000, 0.0001, 10_000, 60, 3600, -1)
_SENTINEL = re.compile(r"-?(9{2,}|9{2,}\.0)|-1(\.0)?|-9(\.0)?")
_PARTS = (0.01, 100, 0.001, 1000, 0.1, 10, -1)
"""Factors that are looked for in a share of the rows."""
_KNOWN = 3
_MOST = 0.7
_LITTLE = 0.02
_SPREAD = 2
"""A column with fewer different values has no shape."""
_TAIL = 1.5


def find_unit(case: Case, name: str) -> Issue | None:
    """Numbers of a column are all, or in a share of the rows, a round factor larger or smaller than ever."""
    before, now = case.before[name], case.profile.columns[name]
    delivered = Shape.of(now)
    if not delivered or not before.shape or now.kind != "number" or now.distinct < _SPREAD:
        return None
    if before.moves and not case.in_order:
        return None
    whole = _whole(delivered, before)
    if whole:
        factor, far, near = whole
        mapping = scaled(name, factor, since=case.since)
        tried = case.tried([mapping], [name])
        if tried and tried.unreadable.get(name, 0.0) <= _LITTLE + case.unreadable(name):
            return _unit(name, factor, 1.0, (far, near), mapping.line())
    part = None if before.moves or len(before.profiles) < _KNOWN else _part(delivered, before)
    return _unit(name, part[0], part[1], part[2:], None) if part else None


def _unit(name: str, factor: float, share: float, distances: tuple[float, float], proposal: str | None) -> Issue:
    rows = "" if share == 1.0 else f" in {percent(share)} of the rows"
    measured = {"factor": factor, "ks_as_it_is": round(distances[0], 4), "ks_mended": round(distances[1], 4)}
    if factor == -1:
        return Issue(
            "sign_flipped", (name,), f"`{name}` has the other sign{rows}.", 2 + share, share, proposal, measured
        )
    how = f"{1 / factor:g} times as large" if factor < 1 else f"{factor:g} times as small"
    message = f"`{name}` is {how} as it was{rows}: another unit or scale."
    return Issue("unit_changed", (name,), message, 2 + share, share, proposal, measured)


def misfit(delivered: Shape, before: ColumnHistory) -> float:
    """The distance from which on a column does not look as it did: far beyond what clean deliveries do."""
    apart = 0.0 if before.moves else before.apart
    return max(0.25, 1.4 * apart, 2.5 * before.chance(delivered.count))


def _whole(delivered: Shape, before: ColumnHistory) -> tuple[float, float, float] | None:
    """The factor that makes the column fit, with the distances before and after; None when it fits, or none does."""
    as_it_is, limit = _distance(delivered, before), misfit(delivered, before)
    if as_it_is < limit:
        return None
    apart = 0.0 if before.moves else before.apart
    near = max(0.12, 1.3 * apart, 1.7 / np.sqrt(delivered.count))
    found = [(_distance(delivered.times(factor), before), factor) for factor in _FACTORS]
    best, factor = min(found)
    if best > near or best > as_it_is / 2:
        return None
    return factor, as_it_is, best


def _distance(delivered: Shape, before: ColumnHistory) -> float:
    """How far from what was; of a column that moves, about its median, and 1 when that is nowhere near."""
    if not before.shape:
        return 1.0
    if not before.moves:
        return farthest(delivered, before.shape)
    expected, near = before.next_middle
    if abs(delivered.middle - expected) > near or not before.centred:
        return 1.0
    return farthest(delivered.moved(-delivered.middle), before.centred)


def _part(delivered: Shape, before: ColumnHistory) -> tuple[float, float, float, float] | None:
    """Factor, share and the distances, where a share of the numbers is of another scale."""
    known = before.shape
    if known is None:
        return None
    apart = farthest(delivered, known)
    clear = apart >= max(0.05, 2 * before.apart, 2.5 / np.sqrt(delivered.count))
    best: tuple[float, float, float] | None = None
    for factor in _PARTS:
        # Clean deliveries have next to nothing where the changed numbers lie.
        beyond = _beyond(delivered, before, factor)
        if beyond < max(_LITTLE, 5 / delivered.count, 10 * before.chance(delivered.count) ** 2):
            continue
        share, left = mixture(delivered, known, known.times(1 / factor))
        seen = beyond >= 0.5 * share
        enough = (clear and left <= apart / 3) or (seen and left <= max(apart / 2, 1.3 * before.apart))
        if enough and seen and share >= _LITTLE and (best is None or left < best[2]):
            best = (factor, share, left)
    return (best[0], best[1], apart, best[2]) if best else None


def _beyond(delivered: Shape, before: ColumnHistory, factor: float) -> float:
    """The share of numbers beyond all that clean deliveries had, on the side where the factor would put them."""

    def share(shape: Shape, limit: float, *, above: bool) -> float:
        below = shape.share_below(limit)
        return 1 - below if above else below

    if factor == -1:
        negative = before.shape is not None and before.shape.middle < 0
        limit = 0.0 if negative else -1e-12
        found = share(delivered, limit, above=negative)
        if found < _LITTLE:
            return 0.0
        most = max(share(one, limit, above=negative) for one in before.shapes)
        return found - most if found >= 3 * most + _LITTLE else 0.0
    above = factor < 1
    limit = before.largest * _TAIL if above else before.smallest / _TAIL
    if limit <= 0:
        return 0.0
    found = share(delivered, limit, above=above) - (0.0 if above else share(delivered, 1e-12, above=False))
    if found < _LITTLE:
        return 0.0
    most = max(
        share(one, limit, above=above) - (0.0 if above else share(one, 1e-12, above=False)) for one in before.shapes
    )
    return found - most if found >= 5 * most else 0.0


def find_sentinel(case: Case, name: str) -> Issue | None:
    """A number such as -1 or 9999 that comes as often as never before: it stands for null."""
    before, now = case.before[name], case.profile.columns[name]
    if now.kind != "number" or now.distinct < _SPREAD or not before.shape or before.moves:
        return None
    fewer_nulls = min(one.null_share for one in before.profiles) - now.null_share
    spellings, share = [], 0.0
    for value, count in now.top:
        here = count / now.rows
        in_place = fewer_nulls > _LITTLE and 0.3 * here <= fewer_nulls
        plausible = (in_place and value == 0) or _SENTINEL.fullmatch(str(value)) is not None
        if not plausible or count < 4:  # noqa: PLR2004  # fewer are no habit
            continue
        most, low, high = before.largest_share(value), before.shape.grid[0], before.shape.grid[-1]
        outside = not low <= value <= high  # type: ignore[operator]
        if float(value) < 0 and count < _MOST * now.marks.get("negative", 0):
            continue  # one of many numbers below zero
        # Where such a number is possible anyway, it must stand out far more.
        enough = 0.01 if outside or in_place else max(0.03, 3 * most + 0.02)
        if here >= max(enough, 3 * most):
            spellings.append(value)
            share += here
    if not spellings:
        return None
    shown = " and ".join(f"{one:g}" for one in spellings)
    message = f"`{name}` is {shown} in {percent(share)} of the rows, as never before: null in another spelling."
    proposal = null_spellings(name, *spellings, since=case.since).line()
    measured = {"null_share": round(now.null_share, 4), "null_share_before": round(before.pooled.null_share, 4)}
    return Issue("null_respelt", (name,), message, 1 + share, share, proposal, measured)

"""Column drift: renamed columns, and two that changed places.

What belongs here: telling by its values which column it is. Not: what changed within a column (values.py,
times.py).
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations

import numpy as np

from lakehouse.drift.case import Case, percent
from lakehouse.profiling.column_profile import ColumnProfile
from lakehouse.profiling.distribution_fit import ColumnHistory, Shape, differing, farthest, mixture, shares_of
from lakehouse.profiling.issues import Issue
from lakehouse.sources.mappings import renamed, swapped

_ALIKE = 0.5
_READABLE = 0.05
_NAMES_COUNT = 0.15
"""What equal names are worth beside equal distributions."""
_FIRST_LOOK = 0.3
_LEAST_OF_A_SWAP = 0.04
"""Columns that lie nearer to what they were are no part of a swap."""


def find_renamed(case: Case) -> list[Issue]:
    """Missing columns that came under another name: the assignment in which all of them look most alike."""
    unknown = [name for one in case.read.structure if one.kind == "column_added" for name in one.columns]
    missing = [name for name in case.missing if name in case.before]
    if not unknown or not missing:
        return []
    from scipy.optimize import linear_sum_assignment

    alike = np.zeros((len(missing), len(unknown)))
    names = np.zeros_like(alike)
    for row, name in enumerate(missing):
        for place, delivered in enumerate(unknown):
            tried = case.tried([renamed(delivered, name)], [name])
            if tried and tried.unreadable.get(name, 0.0) <= _READABLE:
                alike[row, place] = similarity(tried.columns[name], case.before[name])
            names[row, place] = SequenceMatcher(None, name.lower(), delivered.lower()).ratio()
    issues = []
    for row, place in zip(*linear_sum_assignment(-(alike + _NAMES_COUNT * names)), strict=True):
        name, delivered, size = missing[row], unknown[place], float(alike[row, place])
        if size < _ALIKE:
            continue
        message = f"`{delivered}` looks like `{name}`: {percent(size)} same distribution."
        issues.append(
            Issue(
                "column_renamed",
                (name, delivered),
                message,
                size=1 + size,
                share=1.0,
                proposal=renamed(delivered, name).line(),
                measured={"similarity": round(size, 4), "similarity_of_names": round(float(names[row, place]), 4)},
            )
        )
    return issues


def similarity(found: ColumnProfile, before: ColumnHistory) -> float:
    """How alike, from 0 to 1: one less the distance; what clean deliveries lie apart counts for nothing."""
    if not found.given or found.kind != before.kind:
        return 0.0
    nulls = abs(found.null_share - before.null_share) / 2
    shape = Shape.of(found)
    if shape and before.shape:
        if before.moves or found.kind == "time":
            return _similarity_of_moving(shape, before) * (1 - nulls)
        apart = farthest(shape, before.shape)
        allowed = min(before.apart, 0.3) if len(before.profiles) > 2 else 0.0  # noqa: PLR2004  # a known spread
        return max(0.0, 1 - max(0.0, apart - allowed)) * (1 - nulls)
    return max(0.0, 1 - _texts_apart(found, before)) * (1 - nulls)


def _texts_apart(found: ColumnProfile, before: ColumnHistory) -> float:
    """From 0 to 1: how unlike texts are in their lengths, their marks, and the closer of their shapes and values."""
    pooled = before.pooled
    lengths = _lengths_apart(found, pooled)
    marks = [abs(found.share(mark) - pooled.share(mark)) for mark in ("upper", "lower", "numeric", "beyond_ascii")]
    shapes = differing(_shares(found.shapes), _shares(pooled.shapes))
    values = differing(shares_of(found), before.categories) if before.few_values else 1 - _known(found, before)
    return 0.4 * lengths + 0.3 * max(marks) + 0.3 * min(shapes, values)


def _known(found: ColumnProfile, before: ColumnHistory) -> float:
    """The share of the different values, as far as sketches tell, that came before."""
    known = {one for profile in before.profiles for one in profile.sketch}
    highest = min((profile.sketch[-1] for profile in before.profiles if profile.sketch), default=0)
    comparable = [one for one in found.sketch if one <= highest]
    return sum(one in known for one in comparable) / len(comparable) if comparable else 0.0


def _similarity_of_moving(shape: Shape, before: ColumnHistory) -> float:
    expected, near = before.next_middle
    if not before.centred:
        return 0.0
    far = abs(shape.middle - expected)
    spread = farthest(shape.moved(-shape.middle), before.centred)
    return (1 - spread) * (1.0 if far <= near or not near else near / far)


def _shares(counts: Sequence[tuple[str, int]]) -> dict:
    total = sum(count for _, count in counts) or 1
    return {value: count / total for value, count in counts}


def _lengths_apart(found: ColumnProfile, pooled: ColumnProfile) -> float:
    if not found.lengths or not pooled.lengths:
        return 1.0
    return farthest(Shape(np.array(found.lengths), found.given), Shape(np.array(pooled.lengths), pooled.given))


def find_swapped(case: Case) -> list[Issue]:
    """Pairs of columns that fit better when they change places, in all rows or in a share of them."""
    odd = {column.name: _odd(case, column.name) for column in case.present if column.name != case.source.event_time}
    issues, taken = [], set()
    for one, other in combinations([name for name, size in odd.items() if size > 0], 2):
        if {one, other} & taken:
            continue
        found = _whole_swap(case, one, other, odd) or _part_swap(case, one, other)
        if found:
            issues.append(found)
            taken |= {one, other}
    return issues


def _odd(case: Case, name: str) -> float:
    """How little a column looks as it did, from 0 to 1; 0 where it is too near for any swap."""
    now, before = case.profile.columns[name], case.before[name]
    if case.unreadable(name) > _FIRST_LOOK:
        return 1.0
    if not case.enough(name):
        return 0.0
    shape = Shape.of(now)
    if shape and before.shape and now.kind == before.kind:
        apart = farthest(shape, before.shape) + abs(now.null_share - before.null_share) / 2
        if apart < _LEAST_OF_A_SWAP:  # of most columns this is all that is asked
            return 0.0
        if before.moves and not case.in_order:
            return 0.0
    return 1 - similarity(now, before)


def _whole_swap(case: Case, one: str, other: str, odd: dict[str, float]) -> Issue | None:
    if min(odd[one], odd[other]) < _FIRST_LOOK / 3 or odd[one] + odd[other] < 2 * _FIRST_LOOK:
        return None
    mapping = swapped(one, other, since=case.since)
    tried = case.tried([mapping], [one, other])
    if not tried or max(tried.unreadable.values(), default=0.0) > _READABLE:
        return None
    swapped_distances = {name: 1 - similarity(tried.columns[name], case.before[name]) for name in (one, other)}
    if sum(swapped_distances.values()) > (odd[one] + odd[other]) / 2.5 or any(
        swapped_distances[name] > odd[name] for name in swapped_distances
    ):
        return None
    message = f"`{one}` and `{other}` have changed places: each fits what the other was, and not what it was itself."
    measured = {f"distance_{name}": round(odd[name], 4) for name in swapped_distances}
    measured |= {f"distance_{name}_swapped": round(size, 4) for name, size in swapped_distances.items()}
    return Issue(
        "columns_swapped", (one, other), message, 2 + odd[one], 1.0, proposal=mapping.line(), measured=measured
    )


def _part_swap(case: Case, one: str, other: str) -> Issue | None:
    """A share of the rows: both columns are mixtures of the two, with the same share."""
    shares = []
    for name, partner in ((one, other), (other, one)):
        known, strange = case.before[name], case.before[partner]
        delivered = Shape.of(case.profile.columns[name])
        if not delivered or not known.shape or not strange.shape or known.moves or strange.moves:
            return None
        apart = farthest(delivered, known.shape)
        if apart < max(_LEAST_OF_A_SWAP, 1.5 * known.apart, 2.5 / np.sqrt(delivered.count)):
            return None
        share, left = mixture(delivered, known.shape, strange.shape)
        if left > apart / 3 or farthest(known.shape, strange.shape) < _FIRST_LOOK:
            return None
        shares.append(share)
    if min(shares) < 0.04 or max(shares) > 1.5 * min(shares):  # noqa: PLR2004  # of two estimates of one share
        return None
    share = float(np.mean(shares))
    message = f"`{one}` and `{other}` have changed places in {percent(share)} of the rows."
    return Issue("columns_swapped", (one, other), message, 1 + share, share)

"""Code matching: which new code stands for which old one, by frequency and by how it is written.

What belongs here: the matching. Not: whether a column was recoded at all (texts.py).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lakehouse.profiling.column_profile import Category

_MOSTLY = 0.8
_IN_ORDER = 0.08
_MANY = 15
_LIKE_WORDS = 0.02
"""What an equal way of writing is worth beside a difference in shares: it decides between codes that come as often."""


@dataclass(frozen=True)
class Matched:
    """What each new code means, and how far the shares lie apart then (total variation).

    `sure`: told by order or by how they are written as well, not by how often they come alone.
    """

    codes: Mapping[Category, Category]
    apart: float
    sure: bool = True


def match_codes(
    sent: Mapping[Category, float] | Mapping[str, float], known: Mapping[Category, float], rows: int
) -> Matched | None:
    """The assignment of codes to known values that makes their shares most alike; None when there are more codes."""
    codes, values = sorted(sent, key=lambda code: (-sent[code], str(code))), list(known)  # type: ignore[index, arg-type]
    if not codes or not values:
        return None
    from scipy.optimize import linear_sum_assignment

    in_order = _in_order(sent, known, rows)
    if in_order:
        return in_order
    share = np.array([sent[code] for code in codes])  # type: ignore[index]
    before = np.array([known[value] for value in values])
    noise = np.sqrt(np.maximum(before, 0.5 / rows) / rows) + 0.05 * before + 1e-9
    # Differences in units of chance, so that rare codes are told apart as carefully as frequent ones.
    cost = np.abs(share[:, None] - before[None, :]) / (noise[None, :] + 0.02 * share[:, None])
    written = np.array([[_alike(code, value) for value in values] for code in codes])
    cost = np.minimum(cost, 1e3) - 1e4 * (written == 1) - written / _LIKE_WORDS
    chosen = linear_sum_assignment(cost)
    pairs = {codes[row]: values[place] for row, place in zip(*chosen, strict=True)}
    matched = {codes[row]: values[place] for row, place in zip(*chosen, strict=True) if written[row, place] == 1}
    if sum(sent[code] for code in matched) >= _MOSTLY:  # type: ignore[index]
        # The words are the same in other letters: what never came before is written back in the same way.
        back = _way_back({str(code): str(means) for code, means in matched.items()})
        pairs = {**matched, **({code: back(str(code)) for code in codes if code not in matched} if back else {})}
        left = sum(known[value] for value in values if value not in matched.values())
        apart = sum(abs(sent[code] - known[value]) for code, value in matched.items()) + left  # type: ignore[index]
        return Matched(pairs, 0.5 * float(apart))
    if len(codes) > _MANY:
        return None  # so many can always be laid side by side by how often they come
    left = sum(known[value] for value in set(values) - set(pairs.values()))
    apart = 0.5 * (sum(abs(sent[code] - known[value]) for code, value in pairs.items()) + left)  # type: ignore[index]
    return Matched(pairs, float(apart), sure=False)


def _in_order(sent: Mapping, known: Mapping[Category, float], rows: int) -> Matched | None:
    """As many codes as values, in the order of the values: what somebody numbered or lettered from scratch."""
    if len(sent) != len(known):
        return None
    codes, values = sorted(sent, key=_natural), sorted(known, key=_natural)
    for pairs in (dict(zip(codes, values, strict=True)), dict(zip(reversed(codes), values, strict=True))):
        apart = 0.5 * sum(abs(sent[code] - known[value]) for code, value in pairs.items())
        # Each code must come about as often as its value: rare ones may come twice as often, or half.
        usual = all(
            abs(sent[code] - known[value]) * rows <= 3 * np.sqrt(known[value] * rows) + 0.6 * known[value] * rows + 2
            for code, value in pairs.items()
        )
        if usual and apart <= max(_IN_ORDER, 1 / np.sqrt(rows)) and any(code != value for code, value in pairs.items()):
            return Matched(pairs, float(apart))
    return None


def _natural(code: Category) -> tuple:
    """The order in which people count: 2 before 10, `code 2` before `code 10`."""
    if not isinstance(code, str):
        return ((0, code, ""),)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", code) if part)


def _way_back(matched: Mapping[str, str]) -> Callable[[str], str] | None:
    """The change of letters that makes all codes what they mean; None when there is none."""
    for way in (str.title, str.upper, str.lower, str.capitalize, str.strip):
        if all(way(code) == means for code, means in matched.items()):
            return way
    return None


def _alike(code: Category, value: Category) -> float:
    """1 for the same word in other letters, less for an abbreviation, 0 for anything else."""
    if not isinstance(code, str) or not isinstance(value, str):
        return 0.0
    one, other = code.strip().casefold(), value.strip().casefold()
    if one == other:
        return 1.0
    words = other.replace("-", " ").split()
    initials = "".join(word[0] for word in words)
    short = min(len(one), 3)
    return 0.5 if one == initials or (short and other.startswith(one[:short])) else 0.0

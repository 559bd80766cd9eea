"""Repeated deliveries: one that came before, yesterday's under a new name, rows that came twice.

What belongs here: comparing sketches of rows. Not: columns (the other changes_of_*.py).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from lakehouse.drift.case import Case, percent
from lakehouse.profiling.column_profile import ColumnProfile
from lakehouse.profiling.distribution_fit import FEW_ROWS
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile

_MOSTLY, _WHOLE = 0.5, 0.99
_KNOWN = 3
"""So many deliveries tell that a column's values never come twice."""
_FIRST = 32
"""Of two deliveries that share half of their values, the chance that none of so many smallest hashes is shared is
below 1 in 10^9."""
_NEVER = 0.1
_REPEATED = 0.05


def find_repeated(case: Case) -> list[Issue]:
    """A delivery whose rows, or all columns but the times, were delivered before; and rows that stand there twice."""
    distinctive = _distinctive(case)
    plain = [name for name, one in case.profile.columns.items() if one.kind != "time"]
    first = frozenset(case.profile.row_sketch[:_FIRST])
    for one in reversed(case.history) if case.rows >= FEW_ROWS else ():
        if one.fingerprint == case.profile.fingerprint:
            continue
        named = one.delivery or "an earlier delivery"
        # The cheap question first: it is asked of all that ever came.
        alike = not first.isdisjoint(one.row_sketch[:_FIRST])
        share = _common(case.profile.row_sketch, one.row_sketch) if alike else 0.0
        if share >= _MOSTLY:
            whole = share > _WHOLE
            kind, how = ("delivery_repeated", "has the rows of") if whole else ("delivery_stale", "repeats rows of")
            message = f"The delivery {how} {named}: {percent(share)} of all rows are the same."
            return [Issue(kind, (), message, 3 + share, share, measured={"same_rows": round(share, 4)})]
        stale = _stale(case, one, plain, distinctive)
        if stale:
            message = f"The delivery is {named} once more, with other times: {stale}."
            return [Issue("delivery_stale", (), message, 3.0, 1.0)]
    most = max((one.repeated / one.rows for one in case.history if one.rows), default=0.0)
    share = case.profile.repeated / case.rows if case.rows else 0.0
    if (
        not case.history
        or case.missing
        or share < max(_REPEATED, 2 * most + 0.03)
        or case.profile.repeated < FEW_ROWS // 4
    ):
        return []
    message = f"{percent(share)} of the rows equal another row before them; so far at most {percent(most)} did."
    return [Issue("rows_duplicated", (), message, 1 + share, share, measured={"repeated": case.profile.repeated})]


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The share of values in common (Jaccard), from the smallest hashes. Source: Broder, "On the resemblance and
    containment of documents" (1997).
    """
    kept = min(len(one), len(other))
    both = set(one) & set(other)
    if not both:
        return 0.0
    union = sorted({*one, *other})[:kept]
    return len(both.intersection(union)) / len(union)


def _distinctive(case: Case) -> dict[str, frozenset[int]]:
    """The columns of many values, none of which came twice so far, such as a number of its own: their first hashes."""
    found = {}
    for name, one in case.profile.columns.items():
        if one.kind == "time" or one.distinct < max(FEW_ROWS, case.rows // 20):
            continue
        first = frozenset(one.sketch[:_FIRST])
        again = any(
            name in old.columns and not first.isdisjoint(old.columns[name].sketch[:_FIRST]) for old in case.history
        )
        # Only where something came again it is asked whether that never happened before.
        if again and not _came_again(case, name):
            found[name] = first
    return found


def _came_again(case: Case, name: str) -> bool:
    """Whether values of a column came in two deliveries, one after the other, before; true where too few are known."""
    known = [one.columns[name] for one in case.history if name in one.columns]
    known = [one.sketch for one in known if one.distinct >= FEW_ROWS]
    return len(known) < _KNOWN or any(_common(first, second) > _NEVER for first, second in pairwise(known))


def _stale(case: Case, old: DeliveryProfile, plain: Sequence[str], distinctive: Mapping[str, frozenset[int]]) -> str:
    """Why it is an old delivery with other times; empty when it is not."""
    if plain and all(name in old.columns and _same(case.profile.columns[name], old.columns[name]) for name in plain):
        many = any(case.profile.columns[name].distinct >= max(FEW_ROWS, case.rows // 20) for name in plain)
        if many and not _alike_before(case, plain):
            return "every column but the times is the same"
    for name, first in distinctive.items():
        if name not in old.columns or first.isdisjoint(old.columns[name].sketch[:_FIRST]):
            continue
        share = _common(case.profile.columns[name].sketch, old.columns[name].sketch)
        if share >= _MOSTLY:
            return f"{percent(share)} of the values of {name}, which never came twice, are the same"
    return ""


def _same(one: ColumnProfile, other: ColumnProfile) -> bool:
    return (
        one.rows == other.rows
        and one.distinct == other.distinct
        and one.nulls == other.nulls
        and one.grid == other.grid
        and one.sketch == other.sketch
    )


def _alike_before(case: Case, names: Sequence[str]) -> bool:
    """Whether two deliveries before were the same in all these columns, so that it means nothing."""
    return any(
        all(name in one.columns and name in two.columns and one.columns[name] == two.columns[name] for name in names)
        for one, two in pairwise(case.history)
    )

"""Changes of a delivery as a whole: one that came before, yesterday's under a new name, rows that came twice.

What belongs here: comparing sketches of rows. Not: columns (the other changes_of_*.py).
"""

from itertools import pairwise

from lakehouse.monitoring.findings import Finding
from lakehouse.monitoring.profile import DeliveryProfile
from lakehouse.sources.change_case import Case, percent

_MOSTLY, _WHOLE = 0.5, 0.99
_FEW_ROWS = 20
_NEVER = 0.1
_REPEATED = 0.05


def find_repeated(case: Case) -> list[Finding]:
    """A delivery whose rows, or all columns but the times, were delivered before; and rows that stand there twice."""
    for one in reversed(case.history):
        if one.fingerprint == case.profile.fingerprint:
            continue
        named = one.delivery or "an earlier delivery"
        share = _common(case.profile.row_sketch, one.row_sketch)
        if share >= _MOSTLY and case.rows >= _FEW_ROWS:
            whole = share > _WHOLE
            kind, how = ("delivery_repeated", "has the rows of") if whole else ("delivery_stale", "repeats rows of")
            says = f"The delivery {how} {named}: {percent(share)} of all rows are the same."
            return [Finding(kind, (), says, 3 + share, share, measured={"same_rows": round(share, 4)})]
        stale = _stale(case, one)
        if stale:
            says = f"The delivery is {named} once more, with other times: {stale}."
            return [Finding("delivery_stale", (), says, 3.0, 1.0)]
    most = max((one.repeated / one.rows for one in case.history if one.rows), default=0.0)
    share = case.profile.repeated / case.rows if case.rows else 0.0
    if (
        not case.history
        or case.missing
        or share < max(_REPEATED, 2 * most + 0.03)
        or case.profile.repeated < _FEW_ROWS // 4
    ):
        return []
    says = f"{percent(share)} of the rows equal another row before them; so far at most {percent(most)} did."
    return [Finding("rows_duplicated", (), says, 1 + share, share, measured={"repeated": case.profile.repeated})]


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The share of values in common (Jaccard), from the smallest hashes. Source: Broder, "On the resemblance and
    containment of documents" (1997).
    """
    kept = min(len(one), len(other))
    if set(one).isdisjoint(other):
        return 0.0
    union = sorted({*one, *other})[:kept]
    return len(set(one) & set(other) & set(union)) / len(union)


def _stale(case: Case, old: DeliveryProfile) -> str:
    """Why it is an old delivery with other times; empty when it is not."""
    plain = [name for name, one in case.profile.columns.items() if one.kind != "time" and name in old.columns]
    if not plain or case.rows < _FEW_ROWS:
        return ""
    telling = [name for name in plain if case.profile.columns[name].distinct >= max(_FEW_ROWS, case.rows // 20)]
    same = all(
        (new.rows, new.nulls, new.distinct, new.grid, new.sketch)
        == (before.rows, before.nulls, before.distinct, before.grid, before.sketch)
        for new, before in ((case.profile.columns[name], old.columns[name]) for name in plain)
    )
    if same and telling and not _alike_before(case, plain):
        return "every column but the times is the same"
    for name in telling:
        share = _common(case.profile.columns[name].sketch, old.columns[name].sketch)
        if share < _MOSTLY:
            continue
        # A column whose values are new in each delivery, such as a number of its own, and now are not.
        known = [one.columns[name].sketch for one in case.history if name in one.columns]
        natural = max((_common(first, second) for first, second in pairwise(known)), default=1.0)
        if natural <= _NEVER:
            return f"{percent(share)} of the values of {name}, which never came twice, are the same"
    return ""


def _alike_before(case: Case, names: list[str]) -> bool:
    """Whether two deliveries before were the same in all these columns, so that it means nothing."""
    pairs = pairwise(case.history)
    return any(
        all(one.columns.get(name) is not None and one.columns[name] == two.columns.get(name) for name in names)
        for one, two in pairs
    )

"""One name for one feature: feature sets that compute the same, and successors of deprecated ones.

What belongs here: checks over all declared sets together. Not: a set's own checks (feature_set.py), and features that
merely turn out equal on the data (feature_tables/equal_values.py).
"""

import warnings
from collections.abc import Iterable, Sequence

from lakehouse.errors import DeclarationError, SlipwayWarning, nearest_name
from lakehouse.features.feature_set import FeatureSet


def warn(sentences: Iterable[str]) -> None:
    """Say each as a SlipwayWarning to whoever called the caller."""
    for description in sentences:
        warnings.warn(description, SlipwayWarning, stacklevel=3)


def check_together(feature_sets: Sequence[FeatureSet]) -> None:
    """Check what declared sets, of all domains, say of each other.

    Raises DeclarationError for a feature that two sets compute under whatever names, unless one of the two is
    deprecated, and for a deprecated set whose successor does not exist or is deprecated itself.
    """
    by_name = {one.name: one for one in feature_sets}
    for one in feature_sets:
        if one.deprecated:
            _check_successor(one, by_name)
    seen: dict[tuple, tuple[FeatureSet, str]] = {}
    for one in feature_sets:
        if one.deprecated:
            continue
        for form, column in one.forms():
            other, there = seen.setdefault(form, (one, column))
            if other is not one:
                raise DeclarationError(
                    f"{one.name}.{column} computes the same as {other.name}.{there}.",
                    where=f"feature set {one.name}",
                    nearest=f"{other.name}.{there}",
                    fix=f"Use that one, or deprecate a set in favour of the other: "
                    f'deprecated="{other.name}" in {one.name}.',
                )


def deprecations(user: str, feature_sets: Sequence[FeatureSet]) -> list[str]:
    """What to tell those who use feature sets that are deprecated, one sentence for each."""
    return [
        f"{user} uses {one.name}, which is deprecated: use {one.deprecated}." for one in feature_sets if one.deprecated
    ]


def _check_successor(one: FeatureSet, by_name: dict[str, FeatureSet]) -> None:
    where = f"feature set {one.name}, deprecated"
    others = [name for name, other in by_name.items() if name != one.name and not other.deprecated]
    if one.deprecated not in by_name:
        raise DeclarationError(
            f"The successor {one.deprecated!r} does not exist.",
            where=where,
            nearest=nearest_name(one.deprecated, others),
            fix="Name the set to use instead" + (f", one of: {', '.join(others)}." if others else "."),
        )
    if by_name[one.deprecated].deprecated:
        further = by_name[one.deprecated].deprecated
        raise DeclarationError(
            f"The successor {one.deprecated} is deprecated itself.",
            where=where,
            nearest=further if further in others else None,
            fix="Name a feature set that is not deprecated.",
        )

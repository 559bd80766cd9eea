"""Checks of a feature set's declaration: names, windows, derived features, columns of tables.

What belongs here: errors in a declaration, each naming the set and the field. Not: the declaration (feature_set.py).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.aggregation import window_length
from lakehouse.features.duration import microseconds
from lakehouse.settings import ENGINES

if TYPE_CHECKING:
    from lakehouse.features.feature_set import FeatureSet


def check_declaration(declared: "FeatureSet") -> None:
    """Raises DeclarationError for a declaration that contradicts itself; tables are not looked at."""
    where = f"feature set {declared.name}"
    if declared.name.count(".") != 1:
        raise DeclarationError(
            f"{declared.name!r} is not a table name.", where=where, nearest=f"domain.{declared.name.replace('.', '_')}"
        )
    microseconds(declared.delay, where=f"{where}, delay")
    _ = declared.main
    if declared.engine and declared.engine not in ENGINES:
        raise DeclarationError(
            f"Unknown engine {declared.engine!r}.",
            where=f"{where}, engine",
            nearest=nearest_name(declared.engine, ENGINES),
            fix="Supported engines: " + ", ".join(ENGINES) + ".",
        )
    if not declared.features:
        raise DeclarationError("The feature set has no features.", where=where, fix="Declare at least one.")
    _check_windows(declared, where)
    _check_names(declared, where)
    later = [one.column for one in declared.derivations]
    for one in declared.derivations:
        for name in one.reads:
            if name in later:
                raise DeclarationError(
                    f"{one.column!r} reads {name!r}, which is not declared before it.",
                    where=where,
                    fix="Declare a derived feature after the features that it reads; it cannot read itself.",
                )
        later.remove(one.column)


def _check_windows(declared: "FeatureSet", where: str) -> None:
    for one in declared.aggregates:
        place = f"{where}, {one.place}"
        if not one.windows:
            raise DeclarationError(
                "The aggregation has no window.", where=place, nearest='.over("7d")', fix="Name the windows."
            )
        for window in one.windows:
            window_length(window, where=f"{place}, window")


def _check_names(declared: "FeatureSet", where: str) -> None:
    names = [*declared.spine_keys(), *declared.columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DeclarationError(
            f"Two columns have the same name: {', '.join(doubled)}.",
            where=where,
            fix="Declare each window and measure once (`named=` distinguishes two), and name no feature like a key "
            "or time column.",
        )
    seen: dict[tuple, str] = {}
    for form, feature in declared.forms():
        if form in seen:
            raise DeclarationError(
                f"{feature!r} computes the same as {seen[form]!r}.",
                where=where,
                nearest=seen[form],
                fix="Declare it once.",
            )
        seen[form] = feature
    named = [name.casefold() for name in declared.columns]
    if len(set(named)) < len(named):
        raise DeclarationError(
            "Two columns differ in upper and lower case only, which SQL does not distinguish.",
            where=where,
            fix="Rename one of them.",
        )


def check_columns(feature_set: "FeatureSet", tables: Mapping[str, Sequence[str]]) -> None:
    """Raises DeclarationError when the declaration names a column that its tables (name -> columns) do not have."""
    brought = {name: one.column for one in feature_set.derivations for name in one.reads}
    for table in feature_set.inputs():
        known = tables[table]
        # What an expression names can be a feature that another mistake keeps from being there: it is looked at last.
        for column in sorted(feature_set.columns_of(table), key=lambda name: name in brought):
            if column not in known:
                derived = column in brought and table == feature_set.spine
                near = [*known, *feature_set.columns] if derived else known
                raise DeclarationError(
                    f"{table} has no column {column!r}.",
                    where=f"feature set {feature_set.name}" + (f", derived({brought[column]!r})" if derived else ""),
                    nearest=nearest_name(column, near),
                    fix="Use one of: " + ", ".join(near) + ".",
                )

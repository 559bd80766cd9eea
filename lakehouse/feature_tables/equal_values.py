"""Features that turn out equal on the data, under two names.

What belongs here: comparing published columns, and remembering what was found until declarations are loaded again. Not:
features that are declared alike (features/sameness.py), which is an error before there are any data.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import attach, plan, published_days

CHECK = "no_feature_twice"
DESCRIPTION = "No feature of another set has the same values (the newest days are compared)."
_NUMBERS = ("int", "long", "float", "double", "decimal", "boolean")
_NEWEST = 7
"""So many days are compared when one table is new: what that takes does not grow with the history."""


@dataclass(frozen=True)
class Equal:
    """Features with the same value in each of `rows` spine rows, which are those of the days that all have."""

    features: Sequence[str]
    rows: int

    @property
    def sets(self) -> set[str]:
        """The feature sets that they are of."""
        return {name.rpartition(".")[0] for name in self.features}

    def __str__(self) -> str:
        first, *others = self.features
        return f"{', '.join(others)} had the same values as {first} in each of {self.rows:,} rows."


@dataclass
class _Column:
    """A published column: by day, the number of rows and a hash of keys with values. `varied`: two values or more."""

    name: str
    days: dict[date, tuple[int, int]] = field(default_factory=dict)
    varied: bool = False


def equal_features(
    lake: Lakehouse, feature_sets: Sequence[FeatureSet], days: Sequence[date] | None = None
) -> list[Equal]:
    """Published features over one spine whose values are equal, row by row, on `days` (None: all).

    Deprecated sets are left out. Rows are compared by sums of hashes of key and value, a column and day each, so a
    table is read once and memory does not grow with it. A column that has only one value is equal to others by chance,
    and left out.
    """
    found: list[Equal] = []
    spines: dict[tuple[str, str], list[FeatureSet]] = {}
    for one in feature_sets:
        if not one.deprecated and last_published(lake, one.name) is not None:
            spines.setdefault((one.spine, one.row_key), []).append(one)
    for sets in spines.values():
        columns = [column for one in sets for column in _columns(lake, one, days) if column.varied]
        found += _groups(columns)
    return sorted(found, key=lambda one: list(one.features))


def twice_check_result(lake: Lakehouse, feature_set: FeatureSet, others: Sequence[FeatureSet]) -> CheckResult:
    """Whether a published set has features with the values of another one's; what is found is remembered."""
    days = published_days(lake, feature_set.name)[-_NEWEST:]
    beside = [one for one in others if (one.spine, one.row_key) == (feature_set.spine, feature_set.row_key)]
    found = equal_features(lake, [*beside, feature_set], days) if beside and days else []
    # Windows of one set may all hold the same events as long as there is little history.
    found = [one for one in found if feature_set.name in one.sets and len(one.sets) > 1]
    _file(lake, feature_set).write_text(json.dumps([[list(one.features), one.rows] for one in found]))
    message = " ".join([*map(str, found), "Use one, or deprecate the set of the other."]) if found else "None does."
    return CheckResult(CHECK, passed=not found, message=message, blocking=False)


def remembered(lake: Lakehouse, feature_sets: Sequence[FeatureSet]) -> list[Equal]:
    """What was found when the sets' tables were made, as far as the features are still declared and not deprecated."""
    declared = {f"{one.name}.{column}" for one in feature_sets if not one.deprecated for column in one.columns}
    found = {}
    for one in feature_sets:
        for names, rows in _noted(lake, one):
            still = Equal([name for name in names if name in declared], rows)
            if len(still.sets) > 1:
                found[str(still)] = still
    return list(found.values())


def _noted(lake: Lakehouse, feature_set: FeatureSet) -> list[tuple[list[str], int]]:
    try:
        return json.loads(_file(lake, feature_set).read_text())
    except (OSError, ValueError):
        return []  # never compared, or half written by a process that was killed


def _file(lake: Lakehouse, feature_set: FeatureSet) -> Path:
    return lake.home.work / f"equal-{feature_set.name}.json"


def _groups(columns: Sequence[_Column]) -> list[Equal]:
    """Columns that are equal to one another: each is compared with the first of each group that there is."""
    groups: list[list[_Column]] = []
    for column in columns:
        fitting = next((group for group in groups if _equal_rows(group[0], column)), None)
        if fitting is None:
            groups.append([column])
        else:
            fitting.append(column)
    return [
        Equal([one.name for one in group], min(_equal_rows(group[0], one) for one in group[1:]))
        for group in groups
        if len(group) > 1
    ]


def _equal_rows(one: _Column, other: _Column) -> int:
    """In how many rows the two are equal: those of all days that both have, or none."""
    days = one.days.keys() & other.days.keys()
    return sum(one.days[day][0] for day in days) if all(one.days[day] == other.days[day] for day in days) else 0


def _columns(lake: Lakehouse, one: FeatureSet, days: Sequence[date] | None) -> list[_Column]:
    planned = plan(lake, one.name, where=None if days is None else days_filter(one.event_time, days))
    kinds = {each.name: str(each.field_type) for each in planned.schema.fields if each.name in one.columns}
    if not kinds:
        return []
    # A count and a share may be the same number in two types.
    values = {
        name: f"{quoted(name)}::double" if kind.startswith(_NUMBERS) else f"{quoted(name)}::varchar"
        for name, kind in kinds.items()
    }
    hashes = ", ".join(
        f"sum(hash({quoted(one.row_key)}, {value})::hugeint), min({value}), max({value})" for value in values.values()
    )
    found = [_Column(f"{one.name}.{name}") for name in values]
    with borrow() as connection:
        rows = attach(connection, planned, "compared")
        counted = connection.execute(
            f"select {quoted(one.event_time)}::date, count(*), {hashes} from {rows} group by 1 order by 1"
        ).fetchall()
    for place, column in enumerate(found):
        ends = set()
        for day, number, *figures in counted:
            content, least, most = figures[3 * place : 3 * place + 3]
            column.days[day] = (number, int(content))
            ends |= {least, most}
        column.varied = len(ends) > 1
    return found

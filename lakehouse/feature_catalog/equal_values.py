"""Features that turn out equal on the data, under two names.

What belongs here: comparing published columns. Not: features that are declared alike (features/sameness.py), which is
an error before there are any data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from lakehouse.catalog import Lakehouse
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.read import attach, connect, plan, quoted
from lakehouse.tables.upkeep import last_made

_NUMBERS = ("int", "long", "float", "double", "decimal", "boolean")


@dataclass(frozen=True)
class Equal:
    """Features with the same value in each of `rows` spine rows, which are those of the days that all have."""

    features: Sequence[str]
    rows: int


@dataclass
class _Column:
    """A published column: by day, the number of rows and a hash of keys with values. `varied`: two values or more."""

    name: str
    days: dict[date, tuple[int, int]] = field(default_factory=dict)
    varied: bool = False


def equal_features(lake: Lakehouse, feature_sets: Sequence[FeatureSet]) -> list[Equal]:
    """Published features over one spine whose values are equal, row by row; deprecated sets apart.

    Rows are compared by sums of hashes of key and value, a column and day each, so a table is read once and memory does
    not grow with it. A column that has only one value is equal to others by chance, and left out.
    """
    found: list[Equal] = []
    spines: dict[tuple[str, str], list[FeatureSet]] = {}
    for one in feature_sets:
        if not one.deprecated and last_made(lake, one.name) is not None:
            spines.setdefault((one.spine, one.row_key), []).append(one)
    for sets in spines.values():
        columns = [column for one in sets for column in _columns(lake, one) if column.varied]
        found += _groups(columns)
    return sorted(found, key=lambda one: list(one.features))


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


def _columns(lake: Lakehouse, one: FeatureSet) -> list[_Column]:
    planned = plan(lake, one.name)
    kinds = {each.name: str(each.field_type) for each in planned.schema.fields if each.name in one.columns}
    # A count and a share may be the same number in two types.
    values = {
        name: f"{quoted(name)}::double" if kind.startswith(_NUMBERS) else f"{quoted(name)}::varchar"
        for name, kind in kinds.items()
    }
    hashes = ", ".join(
        f"sum(hash({quoted(one.row_key)}, {value})::hugeint), min({value}), max({value})" for value in values.values()
    )
    found = [_Column(f"{one.name}.{name}") for name in values]
    with connect() as connection:
        rows = attach(connection, planned, "compared")
        told = connection.execute(
            f"select {quoted(one.event_time)}::date, count(*), {hashes} from {rows} group by 1 order by 1"
        ).fetchall()
    for place, column in enumerate(found):
        ends = set()
        for day, number, *figures in told:
            content, least, most = figures[3 * place : 3 * place + 3]
            column.days[day] = (number, int(content))
            ends |= {least, most}
        column.varied = len(ends) > 1
    return found

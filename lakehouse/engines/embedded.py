"""The embedded engine: one process, DuckDB for reading.

What belongs here: fetching what a feature set needs and handing it to the kernel. Not: the kernel (features/compute).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from lakehouse.catalog import Lakehouse
from lakehouse.features.compute import compute_rows
from lakehouse.features.duration import days_touched
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.days import ONE_DAY, days_filter
from lakehouse.tables.read import plan, read_plan


class EmbeddedEngine:
    """Computes feature sets in this process."""

    name = "embedded"

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """The rows of the spine's `days` (None: all), sorted by (event time, row key). See engines.base."""
        where = days_filter(feature_set.event_time, days) if days is not None else None
        one, whole = feature_set, days is None
        wanted = one.columns_of(one.spine) if whole else one.spine_columns()
        spine = read_plan(plan(lake, one.spine, at=pins[one.spine], where=where), wanted)
        tables = {
            name: spine
            if whole and name == one.spine
            else read_plan(plan(lake, name, at=pins[name], where=reaching(one, name, days)), one.columns_of(name))
            for name in one.tables_read()
        }
        return compute_rows(feature_set, tables, spine)


def reaching(feature_set: FeatureSet, table: str, days: Sequence[date] | None) -> str | None:
    """The filter for the rows of `table` that can matter on `days`; None for all of them."""
    if not days:
        return None
    last = f"< '{(max(days) + ONE_DAY).isoformat()}T00:00:00'"
    times, reach = feature_set.times_of(table), feature_set.reach(table)
    if len(times) != 1:  # read by two times of which either may matter
        return None
    if reach is None:
        return f'"{times[0]}" {last}'
    first = min(days) - timedelta(days=days_touched(reach))
    return f'"{times[0]}" >= \'{first.isoformat()}T00:00:00\' and "{times[0]}" {last}'

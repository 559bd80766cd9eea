"""Features, computed in this process: DuckDB reads, the kernel computes.

What belongs here: reading what a feature set needs and handing it to the kernel. Not: the kernel (features/compute.py),
and rows that memory does not hold (in_parts.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded.in_parts import Side, buckets_needed, compute_in_parts
from lakehouse.features.compute import compute_rows
from lakehouse.features.duration import days_touched
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import ONE_DAY, days_filter
from lakehouse.tables.on_disk import RowsOnDisk
from lakehouse.tables.read import plan, read, read_plan
from lakehouse.tables.rows import Rows
from lakehouse.tables.sizes import COPIES, memory_left, row_bytes


def compute_features(
    lake: Lakehouse,
    feature_set: FeatureSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    limit: int | None = None,
    buckets: int | None = None,
) -> pa.Table:
    """Return the features of the spine's rows on `days`. See Engine.compute_features."""
    made = computed(lake, feature_set, input_snapshots, days, limit, buckets)
    return made.to_arrow() if isinstance(made, RowsOnDisk) else made


def feature_rows(
    lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan, limit: int | None = None, buckets: int | None = None
) -> Rows:
    """Return the rows to write for `work`, on the disk when memory does not hold them. See Engine.feature_rows."""
    if work.only is None or work.before is None:
        return computed(lake, feature_set, work.input_snapshots, work.days, limit, buckets)
    where = None if work.days is None else days_filter(feature_set.event_time, work.days)
    stored = plan(lake, feature_set.name, at=work.before.snapshot_id, where=where)
    if stored.rows * row_bytes(stored.schema.as_arrow()) * COPIES > (limit or memory_left(lake.settings)):
        return computed(lake, feature_set, work.input_snapshots, work.days, limit, buckets)
    made = computed(lake, feature_set, work.input_snapshots, work.days, limit, buckets, work.only)
    if isinstance(made, RowsOnDisk):
        return made
    published = read_plan(stored, made.column_names)
    spine = read(
        lake, feature_set.spine, [feature_set.row_key], at=work.input_snapshots[feature_set.spine], where=where
    )
    keys = published.column(feature_set.row_key)
    stays = pc.and_not(pc.is_in(keys, spine.column(0)), pc.is_in(keys, work.only))
    rows = pa.concat_tables([published.filter(stays).cast(made.schema), made])
    order = [(feature_set.event_time, "ascending"), (feature_set.row_key, "ascending")]
    return rows.take(pc.sort_indices(rows, order))


def computed(
    lake: Lakehouse,
    one: FeatureSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    limit: int | None = None,
    buckets: int | None = None,
    only: pa.Array | None = None,
) -> pa.Table | RowsOnDisk:
    """Compute the features of all rows on `days`, or of those with the row keys `only` when memory holds them.

    `limit` is how many bytes rows may take (default: what SLIPWAY_MEMORY leaves), `buckets` how many parts entities are
    divided into (default: as many as the limit needs). Rows in several parts are returned on the disk.
    """
    spine, sides = _sides(lake, one, input_snapshots, days)
    limit = limit or memory_left(lake.settings)
    buckets = buckets or buckets_needed(one, spine, sides, limit)
    if buckets > 1:
        return compute_in_parts(one, spine, sides, buckets=buckets, limit=limit, scratch=lake.home.work)
    rows = read_plan(spine.planned, spine.columns)
    tables = {name: rows if side is spine else read_plan(side.planned, side.columns) for name, side in sides.items()}
    if only is not None:
        rows = rows.filter(pc.is_in(rows.column(one.row_key), only))
    return compute_rows(one, tables, rows)


def _sides(
    lake: Lakehouse, one: FeatureSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
) -> tuple[Side, dict[str, Side]]:
    """The spine's rows of `days`, and the rows of each table of events that can reach them."""
    where = days_filter(one.event_time, days) if days is not None else None
    whole = days is None
    keys = {name: {one.keys_of(events) for events in one.events if events.table == name} for name in one.tables_read()}
    for used in one.uses:
        keys[used.name].add(used.entity.keys)
    # Rows are cut by the entity's keys where these, or columns that stand for them, are in the table.
    cut = {name: next(iter(found)) if len(found) == 1 else () for name, found in keys.items()}
    for used in one.uses:
        if used.entity.keys != one.entity.keys:
            cut[used.name] = ()
    columns = one.columns_of(one.spine) if whole else one.spine_columns()
    spine = Side(
        "spine",
        plan(lake, one.spine, at=input_snapshots[one.spine], where=where),
        columns,
        one.entity.keys,
        [one.event_time],
        one.reach(one.spine),
    )
    sides = {}
    for name in one.tables_read():
        times = one.times_of(name)
        if whole and name == one.spine and cut[name] == one.entity.keys and times == [one.event_time]:
            sides[name] = spine
            continue
        planned = plan(lake, name, at=input_snapshots[name], where=reaching(one, name, days))
        reach = one.reach(name) if len(times) == 1 else None
        sides[name] = Side(name, planned, one.columns_of(name), cut[name], times, reach)
    return spine, sides


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

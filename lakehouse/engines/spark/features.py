"""Features, computed on Spark by the kernel that the embedded engine uses.

What belongs here: which rows a feature set needs, and handing them to the kernel on Spark. Not: the kernel
(features/compute.py), and how a function gets to Spark's workers (lakehouse/spark).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded.features import reaching
from lakehouse.features.compute import compute_rows
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.row_values import used_features
from lakehouse.spark.distributed import apply_by_entity, apply_to_rows
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.parts import Side, fits
from lakehouse.spark.resources import tasks_at_once, worker_bytes
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import Pinned, SparkRows, pinned
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import days_filter

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def compute_features(
    lake: Lakehouse,
    feature_set: FeatureSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    tasks: int | None = None,
    limit: int | None = None,
) -> pa.Table:
    """Return the features of the spine's rows on `days`, in this process. See Engine.compute_features."""
    return computed(lake, feature_set, input_snapshots, days, tasks, limit).to_arrow()


def feature_rows(
    lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan, tasks: int | None = None, limit: int | None = None
) -> SparkRows:
    """Return the rows to write for `work`, on Spark. See Engine.feature_rows."""
    if work.only is None or work.before is None:
        return computed(lake, feature_set, work.input_snapshots, work.days, tasks, limit)
    with spark_errors(f"feature set {feature_set.name} on Spark"):
        key = feature_set.row_key
        only = spark_of(lake).createDataFrame(pa.table({key: work.only}))
        made = computed(lake, feature_set, work.input_snapshots, work.days, tasks, limit, only)
        where = None if work.days is None else days_filter(feature_set.event_time, work.days)
        published = pinned(lake, feature_set.name, made.schema.names, at=work.before.snapshot_id, where=where)
        spine = pinned(lake, feature_set.spine, [key], at=work.input_snapshots[feature_set.spine], where=where)
        stays = published.frame.join(only, key, "left_anti").join(spine.frame, key, "left_semi")
        return replace(made, frame=made.frame.unionByName(stays), counted=[])


def computed(
    lake: Lakehouse,
    one: FeatureSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    tasks: int | None = None,
    limit: int | None = None,
    only: "DataFrame | None" = None,
) -> SparkRows:
    """Compute the features of all rows on `days`, or of those whose row keys are in `only`.

    `tasks` is the number of tasks to divide the work for (default: as many as Spark runs at once), `limit` how many
    bytes a part may take in a worker (default: what SLIPWAY_MEMORY leaves for it).
    """
    tasks = tasks or tasks_at_once(lake.settings)
    limit = limit or worker_bytes(lake.settings)
    where = f"feature set {one.name} on Spark"

    def table(reads: FeatureSet, name: str) -> Pinned:
        return pinned(lake, name, one.columns_of(name), at=input_snapshots[name], where=reaching(reads, name, days))

    with spark_errors(where):
        # The features of used sets are brought first; to the kernel they are columns of the spine.
        kernel = replace(one, uses=())
        names = dict.fromkeys(events.table for events in one.events)
        together = all(len(_keys_of(one, name)) == 1 for name in names)
        sides = {
            name: _side(kernel, name, table(kernel, name), together=together) for name in names if name != one.spine
        }
        used = {
            keys: {each.name: Side(table(one, each.name), keys, each.event_time, None) for each in sets}
            for keys, sets in _by_keys(one.uses).items()
        }
        spine, shared = _spine(lake, one, input_snapshots, days, used, sides, limit)
        if one.spine in names and not shared:
            sides[one.spine] = _side(kernel, one.spine, table(kernel, one.spine), together=together)
        if only is not None:
            chosen = spine.frame.join(only, one.row_key, "left_semi").select(*spine.frame.columns)
            spine = replace(spine, frame=chosen)
        rows = spine
        for keys, beside in used.items():
            rows = _carried(
                _BringUsed(one), rows, Side(rows, keys, one.event_time, 0, spine.frame), beside, tasks, limit
            )
        work = _Compute(kernel, shared=shared)
        if not names:
            schema = work({}, rows.schema.empty_table()).schema
            frame = apply_to_rows(rows, _Alone(work), schema)
            return SparkRows(frame, schema, [one.event_time, one.row_key], where)
        entity = one.entity.keys if together else ()
        made = _carried(work, rows, Side(rows, entity, one.event_time, 0, spine.frame), sides, tasks, limit)
    return SparkRows(made.frame, made.schema, [one.event_time, one.row_key], where)


def _spine(
    lake: Lakehouse,
    one: FeatureSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    used: Mapping[tuple[str, ...], Mapping[str, Side]],
    sides: Mapping[str, Side],
    limit: int,
) -> tuple[Pinned, bool]:
    """The spine's rows, and whether they are the events of its table as well, which then do not travel twice.

    They are when all of them are asked for, events count by the spine's own keys and times, and no part has to be
    cut by days: then events of earlier days are needed beside the spine's rows.
    """
    where = days_filter(one.event_time, days) if days is not None else None
    by = {(one.keys_of(events), events.event_time) for events in one.events if events.table == one.spine}
    if days is None and by == {(one.entity.keys, one.event_time)}:
        spine = pinned(lake, one.spine, one.columns_of(one.spine), at=input_snapshots[one.spine])
        schema = spine.schema
        for beside in used.values():
            schema = _schema_of(_BringUsed(one), schema, beside)
        rows = Side(replace(spine, schema=schema), one.entity.keys, one.event_time)
        if fits([rows, *sides.values()], len(one.spine_keys()) + len(one.columns), limit):
            return spine, True
    return pinned(lake, one.spine, one.spine_columns(), at=input_snapshots[one.spine], where=where), False


@dataclass(frozen=True)
class _Compute:
    """The kernel, for a spine that is one of the tables of events itself (`shared`) or is not."""

    feature_set: FeatureSet
    shared: bool

    def __call__(self, tables: Mapping[str, pa.Table], spine: pa.Table) -> pa.Table:
        own = {self.feature_set.spine: spine} if self.shared else {}
        return compute_rows(self.feature_set, {**tables, **own}, spine)


@dataclass(frozen=True)
class _Alone:
    """The kernel for a feature set that reads nothing but its spine's rows."""

    work: _Compute

    def __call__(self, spine: pa.Table) -> pa.Table:
        return self.work({}, spine)


@dataclass(frozen=True)
class _BringUsed:
    """The spine with the features of other sets, as of each row's time."""

    feature_set: FeatureSet

    def __call__(self, tables: Mapping[str, pa.Table], spine: pa.Table) -> pa.Table:
        for name, values in used_features(self.feature_set, tables, spine).items():
            spine = spine.append_column(name, values)
        return spine


def _carried(
    work: _Compute | _BringUsed, rows: Pinned, spine: Side, sides: Mapping[str, Side], tasks: int, limit: int
) -> Pinned:
    """The rows that the work gives on Spark, as many as the spine has."""
    schema = _schema_of(work, rows.schema, sides)
    return Pinned(apply_by_entity(spine, sides, work, schema, tasks=tasks, limit=limit), schema, rows.rows)


def _schema_of(work: _Compute | _BringUsed, spine: pa.Schema, sides: Mapping[str, Side]) -> pa.Schema:
    """The columns of what the work gives; what it gives for no rows says them."""
    empty = {name: side.rows.schema.empty_table() for name, side in sides.items()}
    return work(empty, spine.empty_table()).schema


def _side(one: FeatureSet, name: str, rows: Pinned, *, together: bool) -> Side:
    """A table of events. Read by several times, any of its rows may matter; by several keys, all to each entity."""
    times = one.times_of(name)
    reach = one.reach(name) if len(times) == 1 else None
    return Side(rows, next(iter(_keys_of(one, name))) if together else (), times[0], reach, times=tuple(times))


def _keys_of(one: FeatureSet, table: str) -> set[tuple[str, ...]]:
    return {one.keys_of(events) for events in one.events if events.table == table}


def _by_keys(used: Sequence[FeatureSet]) -> dict[tuple[str, ...], list[FeatureSet]]:
    found: dict[tuple[str, ...], list[FeatureSet]] = {}
    for one in used:
        found.setdefault(one.entity.keys, []).append(one)
    return found

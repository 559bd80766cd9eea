"""Which rows of a feature set are affected by changed inputs: these are recomputed, and no others.

What belongs here: from the snapshots' difference to the rows of the spine. Not: which days changed
(tables/build_plan.py), and computing features. The kernel decides: a row is affected when a window over the changed
events is not empty.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.aggregation import LIFETIME
from lakehouse.features.compute import compute_rows
from lakehouse.features.events import Events
from lakehouse.features.feature_set import Entity, FeatureSet, count
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.read import Plan, arrow_field, attach, changed_days, day_column, plan, read_plan
from lakehouse.tables.sizes import COPIES, memory_left, row_bytes


def narrowed(lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan) -> BuildPlan:
    """The same work with the rows only that changed inputs reach, and their days only.

    Returns `work` unchanged when everything is rebuilt, and when the changes cannot be determined.
    """
    if work.days is None or not work.days or work.before is None:
        return work
    changed: dict[str, pa.Table] = {}
    for name in feature_set.inputs():
        found = changed_rows(
            lake, name, feature_set.columns_of(name), work.before.input_snapshots[name], work.input_snapshots[name]
        )
        if found is None:
            return work
        changed[name] = found
    one = feature_set
    keys = list(dict.fromkeys([*one.spine_keys(), *(key for used in one.uses for key in used.entity.keys)]))
    planned = plan(lake, one.spine, at=work.input_snapshots[one.spine], where=days_filter(one.event_time, work.days))
    if not _fits(lake, keys, planned):
        return work
    spine = read_plan(planned, keys)
    # The spine's own changed rows come first: a row that left it has a day to be written, and no row to compute.
    own = changed[one.spine].select(one.spine_keys())
    reached = pa.concat_tables([own.select([one.row_key]), *_reached(one, changed, spine)])
    only = pc.unique(reached.column(one.row_key))
    touched = spine.filter(pc.is_in(spine.column(one.row_key), only)).column(one.event_time)
    days = {*_days(touched), *_days(own.column(one.event_time))}
    return replace(work, days=tuple(day for day in work.days if day in days), only=only)


def changed_rows(lake: Lakehouse, name: str, columns: Sequence[str], since: int, until: int) -> pa.Table | None:
    """The rows that one of two snapshots has more of than the other, both ways.

    None when they cannot be determined, and when memory does not hold them.
    """
    days = changed_days(lake, name, since, until)
    if days is None:
        return None
    cut_by = day_column(lake.table(name))
    if not days or cut_by is None:
        return _schema(plan(lake, name, at=until), columns).empty_table()
    before, after = (plan(lake, name, at=pin, where=days_filter(cut_by, list(days))) for pin in (since, until))
    if any(column not in before.schema.column_names for column in columns):
        return None
    if _schema(before, columns) != _schema(after, columns) or not _fits(lake, columns, before, after):
        return None
    with borrow() as connection:
        return _difference(connection, before, after, columns)


def _fits(lake: Lakehouse, columns: Sequence[str], *planned: Plan) -> bool:
    """Whether memory holds the planned rows while they are worked on."""
    needed = sum(one.rows * row_bytes(_schema(one, columns)) * COPIES for one in planned)
    return needed <= memory_left(lake.settings)


def _schema(planned: Plan, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([arrow_field(planned.schema, column) for column in columns])


def _difference(connection: duckdb.DuckDBPyConnection, before: Plan, after: Plan, columns: Sequence[str]) -> pa.Table:
    old, new = attach(connection, before, "before"), attach(connection, after, "after")
    chosen = ", ".join(quoted(column) for column in columns)
    return connection.sql(
        f"(select {chosen} from {old} except all select {chosen} from {new}) union all "
        f"(select {chosen} from {new} except all select {chosen} from {old})"
    ).to_arrow_table()


def _reached(one: FeatureSet, changed: dict[str, pa.Table], spine: pa.Table) -> list[pa.Table]:
    """The keys of the spine's rows that changed events reach, by table of events."""
    probes = [_probe(one, one.entity, events, one.longest(events)) for events in one.events]
    probes += [
        _probe(one, used.entity, Events(used.name, used.event_time, keys=used.entity.keys), LIFETIME)
        for used in one.uses
    ]
    found = []
    for probe in probes:
        (events,) = probe.events
        if len(changed[events.table]):
            counted = compute_rows(probe, {events.table: changed[events.table]}, spine)
            hit = pc.greater(counted.column(probe.columns[0]), 0)
            found.append(counted.filter(hit).select([one.row_key]))
    return found


def _probe(one: FeatureSet, entity: Entity, events: Events, window: str) -> FeatureSet:
    """How many changed events a window holds. Own events count here in any case: they can only be too many."""
    return FeatureSet(
        name=one.name,
        entity=entity,
        source=events.table,
        spine=one.spine,
        event_time=one.event_time,
        row_key=one.row_key,
        features=[count("reached").of(events).over(window)],
        description="Which rows changed events reach.",
        owner=one.owner,
    )


def _days(times: pa.ChunkedArray) -> set[date]:
    return set(pc.unique(pc.cast(times, pa.date32())).to_pylist())

"""Joining a training set's spine, features and label, point in time correct.

What belongs here: spine + label + features -> rows, and which days that concerns. Not: fitting models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.point_in_time import as_of_join
from lakehouse.tables.build_plan import BuildPlan, Input, plan_build
from lakehouse.tables.days import ONE_DAY, days_filter
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import arrow_field, plan, published_days, read, read_plan
from lakehouse.tables.shape import TableShape
from lakehouse.training.labels import days_of_labels, label_filter, label_input
from lakehouse.training.on_demand import OnDemandFeatures, on_demand_features
from lakehouse.training.selection import Chosen
from lakehouse.training.training_set import TrainingSet

AS_OF = "as-of"
"""Key in a snapshot's summary: the time up to which labels were known."""


def data_clock(lake: Lakehouse, training_set: TrainingSet, pin: int) -> datetime:
    """The moment up to which data exists: the end of the spine's newest day. Nothing later is known."""
    days = published_days(lake, training_set.spine, at=pin)
    if not days:
        raise SlipwayError(
            f"{training_set.spine} has no rows yet.", where=training_set.name, fix="Land a delivery first."
        )
    return datetime.combine(max(days) + ONE_DAY, time.min)


def plan_training_build(
    lake: Lakehouse, training_set: TrainingSet, *, asked: Sequence[date] = (), rebuild: bool = False
) -> BuildPlan:
    """The days to assemble: those that inputs changed, and those whose labels became known since the last time."""
    time, label = training_set.event_time, training_set.label
    inputs = {
        training_set.spine: Input(training_set.spine, times=[time]),
        label.source: label_input(lake, training_set),
    }
    for one in training_set.feature_sets:
        # A row of another spine stands for its entity until a newer one comes.
        own = one.spine == training_set.spine and one.event_time == time
        inputs[one.name] = Input(one.name, 0 if own else None)
    inputs = [inputs[table] for table in training_set.inputs()]
    definition = training_set.fingerprint()
    work = plan_build(lake, training_set.name, inputs, definition, asked=asked, rebuild=rebuild)
    if work.days is None or not work.needed:
        return work
    known_before = _noted_clock(lake, training_set.name)
    if known_before is None:
        return plan_build(lake, training_set.name, inputs, definition, rebuild=True, drafts=work.input_snapshots)
    ripened = _days_with_labels_known_between(
        lake,
        training_set,
        work.input_snapshots,
        known_before,
        data_clock(lake, training_set, work.input_snapshots[training_set.spine]),
    )
    if not ripened:
        return work
    because = "requested, or labels became known" if asked else "labels became known"
    days = sorted({*asked, *ripened})
    # From the same snapshots: labels that become known between two plans would be taken for built.
    pinned = work.input_snapshots
    return plan_build(lake, training_set.name, inputs, definition, asked=days, asked_because=because, drafts=pinned)


def assemble(
    lake: Lakehouse,
    training_set: TrainingSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    clock: datetime,
) -> pa.Table:
    """The rows of the spine's `days` (None: all), sorted by (event time, row key), each exactly once.

    A label that became known after `clock` is null. Features come from the pinned tables as of each row's time.
    """
    rows = with_features(lake, training_set, input_snapshots, days)
    label = training_set.label
    where = label_filter(lake, training_set, days)
    labels = read(
        lake, label.source, [label.row_key, label.column, label.known_at], at=input_snapshots[label.source], where=where
    )
    labels = labels.filter(pc.less_equal(labels.column(label.known_at), pa.scalar(clock, pa.timestamp("us"))))
    if len(pc.unique(labels.column(label.row_key))) != len(labels):
        raise SlipwayError(
            "A row has more than one label.",
            where=label.source,
            fix=f"Make {label.row_key!r} unique in {label.source}.",
        )
    found = pc.index_in(rows.column(training_set.row_key), labels.column(label.row_key).combine_chunks())
    rows = rows.append_column(label.column, labels.column(label.column).take(found))
    return rows.select(training_set.columns)


def with_features(
    lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
) -> pa.Table:
    """The spine's rows of `days` with their features and without a label: what a model is asked about."""
    ts = training_set
    where = days_filter(ts.event_time, days) if days is not None else None
    planned = plan(lake, ts.spine, at=input_snapshots[ts.spine], where=where)
    joins = joins_of(ts, pa.schema([arrow_field(planned.schema, name) for name in planned.schema.column_names]))
    rows = read_plan(planned, spine_columns(ts, joins))
    rows = rows.take(pc.sort_indices(rows, [(ts.event_time, "ascending"), (ts.row_key, "ascending")]))
    for join in joins:
        one = join.one
        table = read(lake, one.name, join.columns_read, at=input_snapshots[one.name], where=where if join.own else None)
        rows = join(table, rows)
    return rows.drop_columns([name for name in spine_columns(ts, joins) if name not in spine_columns(ts, ())])


@dataclass(frozen=True)
class Join:
    """How the features of a set come to a training set's rows: as they stood at each row's time.

    What the set makes of the columns of a row (`made`), it makes of those of the training set's own row.
    """

    training_set: TrainingSet
    one: FeatureSet
    made: OnDemandFeatures | None

    @property
    def own(self) -> bool:
        """Whether the set has a row at each row's own time. Another one may have had its newest row long before."""
        return self.one.spine == self.training_set.spine and self.one.event_time == self.training_set.event_time

    @property
    def columns_read(self) -> list[str]:
        """The columns of the set's table that are needed."""
        return list(dict.fromkeys([*self.one.spine_keys(), *self.one.columns]))

    def __call__(self, table: pa.Table, rows: pa.Table) -> pa.Table:
        """The rows with the set's features, called as the training set calls them."""
        one, time = self.one, self.training_set.event_time
        if one.event_time != time:
            table = table.rename_columns([time if name == one.event_time else name for name in table.column_names])
        wanted = self.training_set.feature_columns(one)
        on_demand = self.made.one.columns if self.made else []
        stored = {column: here for column, here in wanted.items() if column not in on_demand}
        joined = as_of_join(rows, table, entity=one.entity.keys, time=time, row_key=one.row_key, columns=stored)
        if self.made:
            known = {column: joined.column(stored[column]) for column in self.made.inputs}
            for column, values in self.made.values(known, rows, table.schema).items():
                joined = joined.append_column(wanted[column], values)
        return joined


def joins_of(training_set: TrainingSet, spine: pa.Schema) -> list[Join]:
    """The joins of a training set whose spine has the columns `spine`.

    Raises SlipwayError for a column that a feature needs and the spine does not have.
    """
    return [
        Join(training_set, one, on_demand_features(Chosen(one, tuple(one.columns)), spine, where=training_set.spine))
        for one in training_set.feature_sets
    ]


def spine_columns(training_set: TrainingSet, joins: Sequence[Join]) -> list[str]:
    """The columns of the spine that are needed: what names a row, what is carried along, what features are made of."""
    brought = [name for join in joins if join.made for name in join.made.brings]
    return list(dict.fromkeys([training_set.row_key, training_set.event_time, *training_set.carry, *brought]))


def training_shape(training_set: TrainingSet, schema: pa.Schema) -> TableShape:
    """The table of a training set, documented from the declarations."""
    docs = {
        training_set.feature_columns(one)[feature.column]: f"{one.entity}: {feature.description}"
        + (f", known after {one.delay}" if one.delay != "0d" else "")
        for one in training_set.feature_sets
        for feature in one.described()
    }
    docs[training_set.label.column] = f"Label; null until it is known ({training_set.label.known_at})."
    return TableShape(
        training_set.name, schema, training_set.event_time, training_set.description, docs, training_set.owner
    )


def _noted_clock(lake: Lakehouse, name: str) -> datetime | None:
    made = last_published(lake, name)
    snapshot = lake.table(name).snapshot_by_id(made.snapshot_id) if made else None
    if snapshot is None or snapshot.summary is None:
        return None
    noted = snapshot.summary.additional_properties.get(f"slipway.{AS_OF}")
    return datetime.fromisoformat(noted) if noted else None


def _days_with_labels_known_between(
    lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int], after: datetime, until: datetime
) -> list[date]:
    """The spine days whose labels became known from one clock to the other, or are no longer, when it went back."""
    label = training_set.label
    after, until = sorted((after, until))
    where = f"\"{label.known_at}\" > '{after.isoformat()}' and \"{label.known_at}\" <= '{until.isoformat()}'"
    return days_of_labels(lake, training_set, input_snapshots, where)

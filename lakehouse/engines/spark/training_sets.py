"""Training rows, put together on Spark by the as-of join that the embedded engine uses.

What belongs here: running the joins of training/assemble.py on Spark. Not: the join itself (features/point_in_time.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.spark.distributed import apply_by_entity
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.parts import Side
from lakehouse.spark.resources import tasks_at_once, worker_bytes
from lakehouse.spark.tables import Pinned, SparkRows, identifier, pinned
from lakehouse.tables.days import days_filter
from lakehouse.training.assemble import Join, joins_of, spine_columns
from lakehouse.training.labels import label_filter
from lakehouse.training.training_set import TrainingSet


def training_rows(
    lake: Lakehouse,
    training_set: TrainingSet,
    input_snapshots: Mapping[str, int],
    days: Sequence[date] | None,
    labels_until: datetime,
) -> SparkRows:
    """Return the training set's rows, still on Spark. See Engine.training_rows."""
    one, time = training_set, training_set.event_time
    where = f"training set {one.name} on Spark"
    chosen = days_filter(time, days) if days is not None else None
    with spark_errors(where):
        spine_schema = pinned(lake, one.spine, at=input_snapshots[one.spine], where=chosen).schema
        joins = joins_of(one, spine_schema)
        spine = pinned(lake, one.spine, spine_columns(one, joins), at=input_snapshots[one.spine], where=chosen)
        rows = spine
        for keys, together in _by_keys(joins).items():
            tables = {join.one.name: _table(lake, join, input_snapshots, chosen) for join in together}
            sides = {
                join.one.name: Side(tables[join.one.name], keys, time, 0 if join.own else None) for join in together
            }
            work = _Joins(tuple(together))
            schema = work(
                {name: table.schema.empty_table() for name, table in tables.items()}, rows.schema.empty_table()
            ).schema
            frame = apply_by_entity(
                Side(rows, keys, time, weighed=spine.frame),
                sides,
                work,
                schema,
                tasks=tasks_at_once(lake.settings),
                limit=worker_bytes(lake.settings),
            )
            rows = Pinned(frame, schema, spine.rows)
        labelled = _with_labels(lake, one, rows, input_snapshots, label_filter(lake, one, days), labels_until)
    return SparkRows(labelled.frame, labelled.schema, [time, one.row_key], where)


def _by_keys(joins: Sequence[Join]) -> dict[tuple[str, ...], list[Join]]:
    """Feature sets of one entity are joined together: their rows travel once."""
    found: dict[tuple[str, ...], list[Join]] = {}
    for join in joins:
        found.setdefault(join.one.entity.keys, []).append(join)
    return found


def _table(lake: Lakehouse, join: Join, input_snapshots: Mapping[str, int], chosen: str | None) -> Pinned:
    """A feature set's rows, their times called as the training set calls them."""
    one, time = join.one, join.training_set.event_time
    table = pinned(lake, one.name, join.columns_read, at=input_snapshots[one.name], where=chosen if join.own else None)
    if one.event_time == time:
        return table
    names = [time if name == one.event_time else name for name in join.columns_read]
    schema = pa.schema([field.with_name(name) for field, name in zip(table.schema, names, strict=True)])
    return Pinned(table.frame.toDF(*names), schema, table.rows)


@dataclass(frozen=True)
class _Joins:
    """The joins of feature sets of one entity, one after the other."""

    joins: tuple[Join, ...]

    def __call__(self, tables: Mapping[str, pa.Table], spine: pa.Table) -> pa.Table:
        for join in self.joins:
            spine = join(tables[join.one.name], spine)
        return spine


def _with_labels(
    lake: Lakehouse,
    training_set: TrainingSet,
    rows: Pinned,
    input_snapshots: Mapping[str, int],
    where: str | None,
    labels_until: datetime,
) -> Pinned:
    """The rows with the labels that were known at `labels_until`, in the training set's columns."""
    from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it

    label = training_set.label
    table = pinned(
        lake,
        label.source,
        [label.row_key, label.column, label.known_at],
        at=input_snapshots[label.source],
        where=where,
    )
    until = F.lit(labels_until.isoformat()).cast("timestamp_ntz")
    known = table.frame.where(F.col(identifier(label.known_at)) <= until)
    labels = known.select(
        F.col(identifier(label.row_key)).alias("_labelled"), F.col(identifier(label.column)).alias("_label")
    )
    if labels.groupBy("_labelled").count().where("count > 1").limit(1).count():
        raise SlipwayError(
            "A row has more than one label.",
            where=label.source,
            fix=f"Make {label.row_key!r} unique in {label.source}.",
        )
    key = F.col(identifier(training_set.row_key))
    joined = rows.frame.join(labels, key == F.col("_labelled"), "left").withColumn(label.column, F.col("_label"))
    schema = rows.schema.append(table.schema.field(label.column))
    ordered = pa.schema([schema.field(name) for name in training_set.columns])
    return Pinned(joined.select(*[identifier(name) for name in ordered.names]), ordered, rows.rows)

"""Putting a training set's rows together on Spark: the same as-of join, carried to the data.

What belongs here: Spark's counterpart of assemble.py. Not: the join itself (features/point_in_time.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import pyarrow as pa

from lakehouse.catalog import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.point_in_time import as_of_join
from lakehouse.spark.carried import carry
from lakehouse.spark.parts import Side
from lakehouse.spark.resources import tasks_at_once, worker_bytes
from lakehouse.spark.tables import Pinned, SparkRows, identifier, pinned
from lakehouse.spark.words import in_words
from lakehouse.tables.days import days_filter
from lakehouse.training.training_set import TrainingSet


def assemble_on_spark(
    lake: Lakehouse, training_set: TrainingSet, pins: Mapping[str, int], days: Sequence[date] | None, clock: datetime
) -> SparkRows:
    """The rows that assemble.assemble gives, still on Spark."""
    one, time = training_set, training_set.event_time
    where = f"training set {one.name} on Spark"
    chosen = days_filter(time, days) if days is not None else None
    with in_words(where):
        spine = pinned(
            lake, one.spine, list(dict.fromkeys([one.row_key, time, *one.carry])), at=pins[one.spine], where=chosen
        )
        rows = spine
        for keys, sets in _by_keys(one.feature_sets).items():
            tables = {each.name: _table(lake, one, each, pins, chosen) for each in sets}
            # A feature set on the same spine has a row at each row's own time; another one, perhaps long before.
            sides = {
                each.name: Side(tables[each.name], keys, time, 0 if each.spine == one.spine else None) for each in sets
            }
            work = _joins(one, sets)
            schema = work(
                {name: table.schema.empty_table() for name, table in tables.items()}, rows.schema.empty_table()
            ).schema
            frame = carry(
                Side(rows, keys, time, weighed=spine.frame),
                sides,
                work,
                schema,
                tasks=tasks_at_once(lake.settings),
                limit=worker_bytes(lake.settings),
            )
            rows = Pinned(frame, schema, spine.rows)
        labelled = _with_labels(lake, one, rows, pins, chosen, clock)
    return SparkRows(labelled.frame, labelled.schema, [time, one.row_key], where)


def _by_keys(feature_sets: Sequence[FeatureSet]) -> dict[tuple[str, ...], list[FeatureSet]]:
    """Feature sets of one entity are joined together: their rows travel once."""
    found: dict[tuple[str, ...], list[FeatureSet]] = {}
    for one in feature_sets:
        found.setdefault(one.entity.keys, []).append(one)
    return found


def _table(
    lake: Lakehouse, training_set: TrainingSet, one: FeatureSet, pins: Mapping[str, int], chosen: str | None
) -> Pinned:
    """A feature set's rows, their times called as the training set calls them."""
    columns = list(dict.fromkeys([one.row_key, one.event_time, *one.entity.keys, *one.columns]))
    needed = chosen if one.spine == training_set.spine else None
    table = pinned(lake, one.name, columns, at=pins[one.name], where=needed)
    if one.event_time == training_set.event_time:
        return table
    names = [training_set.event_time if name == one.event_time else name for name in columns]
    schema = pa.schema([field.with_name(name) for field, name in zip(table.schema, names, strict=True)])
    return Pinned(table.frame.toDF(*names), schema, table.rows)


def _joins(training_set: TrainingSet, sets: Sequence[FeatureSet]):  # noqa: ANN202  # what carry takes
    asked = [(one.name, one.entity.keys, one.row_key, training_set.feature_columns(one)) for one in sets]
    time = training_set.event_time

    def work(tables: Mapping[str, pa.Table], spine: pa.Table) -> pa.Table:
        for name, entity, row_key, columns in asked:
            spine = as_of_join(spine, tables[name], entity=entity, time=time, row_key=row_key, columns=columns)
        return spine

    return work


def _with_labels(
    lake: Lakehouse,
    training_set: TrainingSet,
    rows: Pinned,
    pins: Mapping[str, int],
    chosen: str | None,
    clock: datetime,
) -> Pinned:
    """The rows with the labels that were known at `clock`, in the training set's columns."""
    from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it

    label = training_set.label
    table = pinned(
        lake, label.source, [label.row_key, label.column, label.known_at], at=pins[label.source], where=chosen
    )
    known = table.frame.where(F.col(identifier(label.known_at)) <= F.lit(clock.isoformat()).cast("timestamp_ntz"))
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

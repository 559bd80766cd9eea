"""Functions of Arrow tables that run in Spark's workers, for one partition of the entities at a time.

What belongs here: bringing the rows of several tables with the same entities into one worker. Not: the functions (the
feature kernel, the as-of join), what surrounds them in a worker (worker.py), and how partitions are cut (parts.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.spark.parts import PART, Parts, Side, cut
from lakehouse.spark.tables import Pinned, identifier, spark_schema
from lakehouse.spark.worker import SIDE, BuildPlan, Part, Stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def apply_by_entity(
    spine: Side, others: Mapping[str, Side], work: BuildPlan, schema: pa.Schema, *, tasks: int, limit: int
) -> "DataFrame":
    """Apply `work` to each part of the entities; returns the rows of all parts, in columns of `schema` and no order.

    `work` is called with a part's rows of the other tables and of the spine, each with the Arrow schema of its side; it
    must give the same rows for a part as for the whole. Parts without spine rows are left out. Parts are cut so that
    none needs more than `limit` bytes of a worker's memory, and enough of them for `tasks` at once.
    Raises SlipwayError when that is not possible.
    """
    parts = cut([spine, *others.values()], len(schema), tasks=tasks, limit=limit)
    part = Part(work, {name: side.rows.schema for name, side in others.items()}, spine.rows.schema, schema)
    kinds = spark_schema(schema)
    grouped = parts.number_rows(spine, 0).groupBy(PART)
    # Spark asks a function for its arguments' names, so methods are handed over as functions of rows.
    if not others:
        return grouped.applyInArrow(lambda rows: part.alone(rows), kinds)  # noqa: PLW0108
    if len(others) == 1:
        beside = parts.number_rows(next(iter(others.values())), 1)
        together = beside.groupBy(PART).cogroup(grouped)
        return together.applyInArrow(lambda rows, spine_rows: part.beside_one(rows, spine_rows), kinds)  # noqa: PLW0108
    beside = _tagged_union(list(others.values()), parts)
    together = beside.groupBy(PART).cogroup(grouped)
    return together.applyInArrow(lambda rows, spine_rows: part.beside_many(rows, spine_rows), kinds)  # noqa: PLW0108


def apply_to_rows(rows: Pinned, work: Callable[[pa.Table], pa.Table], schema: pa.Schema) -> "DataFrame":
    """Apply a function of single rows; rows are not moved."""
    return apply_to_partitions(rows, lambda blocks: map(work, blocks), schema)


def apply_to_partitions(
    rows: Pinned, work: Callable[[Iterable[pa.Table]], Iterable[pa.Table]], schema: pa.Schema
) -> "DataFrame":
    """Apply a function to the rows of each Spark partition, block by block, in their order."""
    stream = Stream(work, rows.schema, schema)
    return rows.frame.mapInArrow(lambda batches: stream(batches), spark_schema(schema))  # noqa: PLW0108


def _tagged_union(sides: Sequence[Side], parts: Parts) -> "DataFrame":
    """Several tables in one frame: the part, the side, and a struct column for each side, null in others' rows."""
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it

    frames = []
    for number, side in enumerate(sides):
        structs = [
            F.struct(*[identifier(name) for name in one.rows.schema.names]).alias(f"_{place}")
            if place == number
            else F.lit(None).cast(spark_schema(one.rows.schema)).alias(f"_{place}")
            for place, one in enumerate(sides)
        ]
        frame = parts.number_rows(side, number + 1)
        frames.append(frame.select(PART, F.lit(number).cast("byte").alias(SIDE), *structs))
    return reduce(DataFrame.unionByName, frames)

"""A function of tables, carried to the data: run for one part of the entities at a time, wherever Spark has them.

What belongs here: bringing the rows of several tables that belong together into one worker. Not: the function (the
feature kernel, the as-of join), what is around it in a worker (worker.py), and how parts are cut (parts.py).
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


def carry(
    spine: Side, others: Mapping[str, Side], work: BuildPlan, schema: pa.Schema, *, tasks: int, limit: int
) -> "DataFrame":
    """The rows of `work` for all parts together: columns of `schema`, in no promised order.

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


def carry_rows(rows: Pinned, work: Callable[[pa.Table], pa.Table], schema: pa.Schema) -> "DataFrame":
    """The same for a function that looks at each row by itself: rows stay where they are."""
    return carry_stream(rows, lambda blocks: map(work, blocks), schema)


def carry_stream(
    rows: Pinned, work: Callable[[Iterable[pa.Table]], Iterable[pa.Table]], schema: pa.Schema
) -> "DataFrame":
    """The same for a function that looks at the rows of each partition block by block, in their order."""
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

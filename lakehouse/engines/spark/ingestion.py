"""Landed rows, joined with retained ones on Spark and written to the audit branch from there.

What belongs here: handing evaluated rows to Spark, and the rows that a draft is made of. Not: reading deliveries,
which is done once, to evaluate them (lakehouse/ingestion). Workers must see the home's work folder under the same
path.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.catalog.home import scratch_folder
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded import ingestion
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.sources.source import Source
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import SparkRows, identifier, pinned, spark_schema
from lakehouse.tables.rows import Rows
from lakehouse.tables.write import storage_guard

_ROW_GROUP = 100_000
"""Rows that one of Spark's tasks reads at least."""


def source_rows(
    lake: Lakehouse,
    source: Source,
    accepted: Sequence[DeliveryEvaluation],
    *,
    base: int,
    where: str | None,
    leaving: pa.Table,
) -> Rows:
    """Return the rows of a source's table after landing, still on Spark. See Engine.source_rows.

    The accepted rows lie in a file of the home's work folder until the rows are released.
    """
    if where is None:  # the whole table in new columns: Spark cannot change columns and rows in one commit
        return ingestion.source_rows(lake, source, accepted, base=base, where=where, leaving=leaving)
    from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it

    shape, session = source.shape, spark_of(lake)
    time, columns = identifier(source.event_time), [identifier(name) for name in shape.schema.names]
    scratch = scratch_folder(lake.home.work, "landing")
    file = Path(scratch.name, "rows.parquet")
    with storage_guard(str(file)), pq.ParquetWriter(file, shape.schema) as writer:
        for one in accepted:
            writer.write_table(one.good.cast(shape.schema), _ROW_GROUP)
    good = session.read.schema(spark_schema(shape.schema)).parquet(file.as_uri())
    held = pinned(lake, source.name, at=base, where=where).frame.withColumn("day", F.to_date(F.col(time)))
    retained = held.join(F.broadcast(session.createDataFrame(leaving)), ["_fingerprint", "day"], "left_anti")
    together = retained.select(*columns).unionByName(good.select(*columns))
    order = [source.event_time, "_file", "_row"]
    return SparkRows(together, shape.schema, order, f"source {source.name} on Spark", scratch=scratch)

"""Landed rows, read by Spark's workers and written to the audit branch from there.

What belongs here: running the reader of deliveries in workers, and the rows that a draft is made of. Not: which
deliveries are accepted (lakehouse/ingestion). Workers must see the drop folder under the same path.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeliveryError
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.sources.delivered_rows import landed_rows
from lakehouse.sources.deliveries import Delivery
from lakehouse.sources.source import Source
from lakehouse.spark.resources import tasks_at_once
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import SparkRows, identifier, pinned, spark_schema
from lakehouse.spark.worker import on_worker

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def source_rows(
    lake: Lakehouse, source: Source, accepted: Sequence[DeliveryEvaluation], base: int, where: str, leaving: pa.Table
) -> SparkRows:
    """Return the rows of a source's table after landing, still on Spark. See Engine.source_rows."""
    from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it

    shape = source.shape
    good = _delivered(lake, source, [(one.delivery, one.days) for one in accepted], clock.stored_now())
    session, time = good.sparkSession, identifier(source.event_time)
    columns = [identifier(name) for name in shape.schema.names]
    broken = pa.concat_tables([one.broken.select(["_fingerprint", "_row"]) for one in accepted]) if accepted else ()
    if len(broken):
        good = good.join(F.broadcast(session.createDataFrame(broken)), ["_fingerprint", "_row"], "left_anti")
    held = pinned(lake, source.name, at=base, where=where).frame.withColumn("day", F.to_date(F.col(time)))
    staying = held.join(F.broadcast(session.createDataFrame(leaving)), ["_fingerprint", "day"], "left_anti")
    together = staying.select(*columns).unionByName(good.select(*columns))
    order = [source.event_time, "_file", "_row"]
    return SparkRows(together, shape.schema, order, f"source {source.name} on Spark")


def _delivered(
    lake: Lakehouse, source: Source, deliveries: Sequence[tuple[Delivery, Sequence[date]]], now: datetime
) -> "DataFrame":
    """The rows of the deliveries' days, as `landed_rows` gives them, read by workers each time that they are used."""
    schema = source.shape.schema
    chosen = list(deliveries)

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with on_worker():
            for batch in batches:
                for place in batch.column(0).to_pylist():
                    delivery, days = chosen[place]
                    rows = landed_rows(source, delivery, days, now).rows
                    _check_unchanged(delivery)
                    yield from rows.cast(schema).to_batches()

    numbers = spark_of(lake).range(0, len(chosen), 1, min(max(len(chosen), 1), 4 * tasks_at_once(lake.settings)))
    return numbers.mapInArrow(read, spark_schema(schema))


def _check_unchanged(delivery: Delivery) -> None:
    """A file is read for its audit and once more to be written: in between it must not have changed."""
    with delivery.path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()[: len(delivery.fingerprint)]
    if found != delivery.fingerprint:
        raise DeliveryError(
            "The file changed while it was being landed.",
            where=str(delivery.path),
            fix="Run it again when the delivery is complete; nothing was published.",
        )

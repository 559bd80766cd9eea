"""Landing on Spark: deliveries are read where Spark works, and written to the audit branch from there.

What belongs here: carrying our reader to the deliveries, and the rows that a draft is made of. Not: which deliveries
are new, and their audit (landing.py). Workers have to see the drop folder under the same path.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeliveryError
from lakehouse.sources.delivered_rows import landed_rows
from lakehouse.sources.deliveries import Delivery
from lakehouse.sources.source import Source
from lakehouse.spark.resources import tasks_at_once
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import SparkRows, identifier, pinned, spark_schema
from lakehouse.spark.worker import on_worker

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class DeliveredOnSpark:
    """Rows of deliveries, read by Spark's workers each time that they are asked for."""

    lake: Lakehouse
    source: Source
    frame: "DataFrame"

    def draft_rows(self, broken: pa.Table | None, base: int, where: str, places: pa.Table) -> SparkRows:
        """The rows of a draft: those that stay of snapshot `base`, and the delivered ones without the `broken`.

        `where` are the days that are landed; rows of the deliveries and days in `places` do not stay.
        """
        from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it

        shape = self.source.shape
        session, time = self.frame.sparkSession, identifier(self.source.event_time)
        good, columns = self.frame, [identifier(name) for name in shape.schema.names]
        if broken is not None and len(broken):
            pairs = session.createDataFrame(broken.select(["_fingerprint", "_row"]))
            good = good.join(F.broadcast(pairs), ["_fingerprint", "_row"], "left_anti")
        held = pinned(self.lake, self.source.name, at=base, where=where).frame.withColumn("day", F.to_date(F.col(time)))
        staying = held.join(F.broadcast(session.createDataFrame(places)), ["_fingerprint", "day"], "left_anti")
        together = staying.select(*columns).unionByName(good.select(*columns))
        where_ = f"source {self.source.name} on Spark"
        return SparkRows(together, shape.schema, [self.source.event_time, "_file", "_row"], where_)


def read_on_spark(
    lake: Lakehouse, source: Source, deliveries: Sequence[tuple[Delivery, Sequence[date]]], now: datetime
) -> DeliveredOnSpark:
    """The rows of the deliveries' days, as `landed_rows` gives them, on Spark."""
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
    return DeliveredOnSpark(lake, source, numbers.mapInArrow(read, spark_schema(schema)))


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

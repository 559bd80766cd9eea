"""Landed rows, put together in memory.

What belongs here: retained and accepted rows as one table. Not: which deliveries are accepted (lakehouse/ingestion).
"""

from collections.abc import Sequence

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.ingestion.retained_rows import with_retained_rows
from lakehouse.sources.source import Source


def source_rows(
    lake: Lakehouse,
    source: Source,
    accepted: Sequence[DeliveryEvaluation],
    *,
    base: int,
    where: str | None,
    leaving: pa.Table,
) -> pa.Table:
    """Return the rows of a source's table after landing. See Engine.source_rows."""
    arriving = pa.concat_tables([source.shape.schema.empty_table(), *(one.good for one in accepted)])
    return with_retained_rows(lake, source, arriving, base, where, leaving)

"""Three published feature tables of random numbers, and spines to join them to.

What belongs here: the world that the benchmarks of training frames share. Not: measuring.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.feature_tables.build import feature_shape
from lakehouse.features.feature_set import Entity, FeatureSet, count, mean
from lakehouse.settings import Settings
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.write import write_draft

DAYS = 180
MICROSECONDS = DAYS * 86_400_000_000
BEGIN = 1_522_540_800_000_000
"""2018-04-01, in microseconds."""

feature_sets = [
    FeatureSet(
        name=f"bench.{name}",
        entity=Entity("customer_id"),
        source="bench.events",
        event_time="at",
        row_key="event_id",
        features=[count("tx").over("1d", "7d"), mean("amount").over("1d", "7d")],
        description="Random numbers.",
        owner="team:bench",
    )
    for name in ("spend", "risk", "habit")
]


@contextmanager
def published(rows: int, entities: int) -> Iterator[Lakehouse]:
    """A lakehouse with the feature sets' tables, of so many rows each, partitioned by day as all of them are."""
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        lake = open_lakehouse(Settings.from_environment({}, home=Path(folder, "home")))
        for seed, one in enumerate(feature_sets):
            table = _features(one, rows, entities, seed)
            provenance = Provenance("benchmark", one.fingerprint())
            publish(lake, write_draft(lake, feature_shape(one, table.schema), table, provenance))
        yield lake


def spine(rows: int, entities: int, first: int = 0) -> pa.Table:
    """So many rows at random times of the tables' days, numbered from `first` on."""
    random = np.random.default_rng(1_000 + first)
    return pa.table(
        {
            "row": np.arange(first, first + rows),
            "customer_id": random.integers(0, entities, rows),
            "at": pa.array(BEGIN + random.integers(0, MICROSECONDS, rows), pa.timestamp("us")),
        }
    )


def _features(one: FeatureSet, rows: int, entities: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    values = [
        pa.array(random.integers(0, 40, rows)) if "count" in column else pa.array(random.random(rows) * 100)
        for column in one.columns
    ]
    named = {
        "event_id": np.arange(rows),
        "at": pa.array(np.sort(BEGIN + random.integers(0, MICROSECONDS, rows)), pa.timestamp("us")),
        "customer_id": random.integers(0, entities, rows),
    }
    return pa.table({**named, **dict(zip(one.columns, values, strict=True))})

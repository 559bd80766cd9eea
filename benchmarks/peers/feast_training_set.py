"""Feast's historical features of a spine, with one of its offline stores. Run by Feast's own Python, not by ours.

What belongs here: what a user of Feast would write. Not: choosing sizes and judging (benchmarks/training_set.py).

Usage: feast_training_set.py FOLDER STORE, where STORE is `duckdb` or `dask` (its default). FOLDER holds spine.parquet
and, for each feature set, table_<name>.parquet with the columns event_id, at, customer_id and features. Writes
feast_STORE.parquet there, and prints seconds and rows as JSON.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64

KEYS = ["event_id", "at", "customer_id"]


def main(folder: Path, store_type: str) -> None:
    """Register the tables, ask for the spine's features, write them down."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{store_type}.db"),
        offline_store={"type": store_type},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    views, wanted = [], []
    for file in sorted(folder.glob("table_*.parquet")):
        columns = [one for one in pq.read_schema(file) if one.name not in KEYS]
        name = file.stem.removeprefix("table_")
        views.append(
            FeatureView(
                name=name,
                entities=[customer],
                ttl=timedelta(0),  # no limit
                schema=[Field(name=one.name, dtype=Int64 if str(one.type) == "int64" else Float64) for one in columns],
                source=FileSource(path=str(file), timestamp_field="at", file_format=ParquetFormat()),
            )
        )
        wanted += [f"{name}:{one.name}" for one in columns]
    store.apply([customer, *views])
    spine = pd.read_parquet(folder / "spine.parquet").rename(columns={"at": "event_timestamp"})
    began = time.perf_counter()
    found = store.get_historical_features(entity_df=spine, features=wanted, full_feature_names=True).to_arrow()
    seconds = time.perf_counter() - began
    pq.write_table(found, folder / f"feast_{store_type}.parquet")
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": len(found)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

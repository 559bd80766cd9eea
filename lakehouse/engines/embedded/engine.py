"""The embedded engine's implementation of the protocol, a module for each computation.

What belongs here: handing each call to its module. Not: computing.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded import audits, content_hashes, features, ingestion, training_sets, transforms
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.rows import Rows
from lakehouse.tables.shape import TableShape
from lakehouse.training.training_set import TrainingSet
from lakehouse.transforms.project import TransformModel


class EmbeddedEngine:
    """Computes in this process.

    `limit` is the bytes that rows may take while features are computed (default: what SLIPWAY_MEMORY leaves for them),
    `buckets` the number of parts that entities are divided into (default: as many as the limit needs).
    """

    name = "embedded"
    sql_engine = "duckdb"
    kinds: Mapping[str, Sequence[str]] = {
        "ingestion": (),
        "transforms": ("duckdb",),
        "features": ("numpy",),
        "training_sets": ("numpy",),
    }

    source_rows = staticmethod(ingestion.source_rows)
    audit = staticmethod(audits.audit)
    training_rows = staticmethod(training_sets.training_rows)
    hash_snapshot = staticmethod(content_hashes.hash_snapshot)

    def __init__(self, limit: int | None = None, buckets: int | None = None) -> None:
        self.limit = limit
        self.buckets = buckets

    def model_rows(
        self,
        lake: Lakehouse,
        model: TransformModel,
        sql: str,
        input_snapshots: Mapping[str, int],
        connection: duckdb.DuckDBPyConnection,
        replace: str | None,
    ) -> Rows:
        """See Engine.model_rows."""
        return transforms.model_rows(model, sql, connection, replace)

    def compute_features(
        self, lake: Lakehouse, feature_set: FeatureSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """See Engine.compute_features."""
        return features.compute_features(lake, feature_set, input_snapshots, days, self.limit, self.buckets)

    def feature_rows(self, lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan) -> Rows:
        """See Engine.feature_rows."""
        return features.feature_rows(lake, feature_set, work, self.limit, self.buckets)

    def hash_rows(self, training_set: TrainingSet, rows: Rows, shape: TableShape) -> dict[date, str]:
        """See Engine.hash_rows."""
        return content_hashes.hash_rows(training_set, rows)

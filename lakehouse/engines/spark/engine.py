"""The Spark engine's implementation of the protocol, a module for each computation.

What belongs here: handing each call to its module. Not: computing, and Spark's session (lakehouse/spark).
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.spark import audits, content_hashes, features, ingestion, training_sets, transforms
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.rows import Rows


class SparkEngine:
    """Computes on Spark. The rows are the embedded engine's, to the bit, for any number of parts.

    `tasks` is the number of tasks that features are divided for (default: as many as Spark runs at once), `limit` the
    bytes that a part may take in a worker (default: what SLIPWAY_MEMORY leaves for it).
    """

    name = "spark"
    sql_engine = "spark"
    kinds: Mapping[str, Sequence[str]] = dict.fromkeys(
        ("ingestion", "transforms", "features", "training_sets"), ("spark",)
    )

    source_rows = staticmethod(ingestion.source_rows)
    audit = staticmethod(audits.audit)
    model_rows = staticmethod(transforms.model_rows)
    training_rows = staticmethod(training_sets.training_rows)
    hash_rows = staticmethod(content_hashes.hash_rows)
    hash_snapshot = staticmethod(content_hashes.hash_snapshot)

    def __init__(self, tasks: int | None = None, limit: int | None = None) -> None:
        self.tasks = tasks
        self.limit = limit

    def compute_features(
        self, lake: Lakehouse, feature_set: FeatureSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """See Engine.compute_features."""
        return features.compute_features(lake, feature_set, input_snapshots, days, self.tasks, self.limit)

    def feature_rows(self, lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan) -> Rows:
        """See Engine.feature_rows."""
        return features.feature_rows(lake, feature_set, work, self.tasks, self.limit)

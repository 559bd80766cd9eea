"""The embedded engine's implementation of the protocol, a module for each computation.

What belongs here: handing each call to its module. Not: computing.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import duckdb
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.contract import Contract
from lakehouse.engines.embedded import audits, content_hashes, features, ingestion, training_sets, transforms
from lakehouse.features.feature_set import FeatureSet
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.sources.source import Source
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.read import Pin
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

    def __init__(self, limit: int | None = None, buckets: int | None = None) -> None:
        self.limit = limit
        self.buckets = buckets

    def source_rows(
        self,
        lake: Lakehouse,
        source: Source,
        accepted: Sequence[DeliveryEvaluation],
        *,
        base: int,
        where: str | None,
        leaving: pa.Table,
    ) -> Rows:
        """See Engine.source_rows."""
        return ingestion.source_rows(lake, source, accepted, base, where, leaving)

    def audit(
        self,
        lake: Lakehouse,
        contract: Contract,
        *,
        at: Pin = None,
        where: str | None = None,
        input_snapshots: Mapping[str, int] | None = None,
    ) -> list[CheckResult]:
        """See Engine.audit."""
        return audits.audit(lake, contract, at=at, where=where, input_snapshots=input_snapshots)

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

    def training_rows(
        self,
        lake: Lakehouse,
        training_set: TrainingSet,
        input_snapshots: Mapping[str, int],
        days: Sequence[date] | None,
        labels_until: datetime,
    ) -> Rows:
        """See Engine.training_rows."""
        return training_sets.training_rows(lake, training_set, input_snapshots, days, labels_until)

    def hash_rows(self, training_set: TrainingSet, rows: Rows, shape: TableShape) -> dict[date, str]:
        """See Engine.hash_rows."""
        return content_hashes.hash_rows(training_set, rows)

    def hash_snapshot(
        self, lake: Lakehouse, training_set: TrainingSet, pin: int, days: Sequence[date] | None
    ) -> dict[date, str]:
        """See Engine.hash_snapshot."""
        return content_hashes.hash_snapshot(lake, training_set, pin, days)

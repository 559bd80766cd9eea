"""The protocol of engines: everything that the embedded engine computes and that Spark can compute instead.

What belongs here: signatures, and what every implementation promises. Not: an implementation, and which one is used
(choice.py). An engine computes rows; audit branches, checks and publishing are the same for all engines (tables/).
The same input snapshots give the same rows on every engine, to the bit (tests/conformance).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.read import Pin
from lakehouse.tables.rows import Rows
from lakehouse.tables.shape import TableShape

if TYPE_CHECKING:
    import duckdb

    from lakehouse.contracts.contract import Contract
    from lakehouse.features.feature_set import FeatureSet
    from lakehouse.ingestion.evaluation import DeliveryEvaluation
    from lakehouse.sources.source import Source
    from lakehouse.training.training_set import TrainingSet
    from lakehouse.transforms.project import TransformModel


class Engine(Protocol):
    """Computes rows from table snapshots. Cheap to create: a server or session is started when it is first needed."""

    @property
    def name(self) -> str:
        """Return the engine's name, as in SLIPWAY_ENGINE."""
        ...

    @property
    def sql_engine(self) -> str:
        """Return the name of what runs dbt models' SQL: `duckdb` or `spark`."""
        ...

    @property
    def kinds(self) -> Mapping[str, Sequence[str]]:
        """Return the kinds that Dagster shows for the assets of each computation.

        Computations: `ingestion`, `transforms`, `features`, `training_sets`.
        """
        ...

    def source_rows(
        self,
        lake: Lakehouse,
        source: "Source",
        accepted: Sequence["DeliveryEvaluation"],
        *,
        base: int,
        where: str | None,
        leaving: pa.Table,
    ) -> Rows:
        """Return the rows of a source's table after landing: retained rows of snapshot `base`, and accepted good rows.

        `where` filters the retained rows (None: all of the table). Rows of the deliveries (`_fingerprint`) and days
        (`day`) in `leaving` are not retained. Sorted by event time, file and row.
        """
        ...

    def audit(
        self,
        lake: Lakehouse,
        contract: "Contract",
        *,
        at: Pin = None,
        where: str | None = None,
        input_snapshots: Mapping[str, int] | None = None,
    ) -> list[CheckResult]:
        """Check a table at the snapshot `at` against a contract.

        `input_snapshots` are the snapshots of referenced tables.
        """
        ...

    def model_rows(
        self,
        lake: Lakehouse,
        model: "TransformModel",
        sql: str,
        input_snapshots: Mapping[str, int],
        connection: "duckdb.DuckDBPyConnection",
        replace: str | None,
    ) -> Rows:
        """Return the rows of a dbt model's compiled SQL that meet the filter `replace` (None: all).

        `connection` has the model's inputs attached at `input_snapshots`. Raises SlipwayError for SQL that the engine
        cannot run with the same meaning.
        """
        ...

    def compute_features(
        self,
        lake: Lakehouse,
        feature_set: "FeatureSet",
        input_snapshots: Mapping[str, int],
        days: Sequence[date] | None,
    ) -> pa.Table:
        """Return the features of the spine's rows on `days` (None: all), sorted by (event time, row key).

        Columns: the row key, the event time, the entity's keys, then the features.
        """
        ...

    def feature_rows(self, lake: Lakehouse, feature_set: "FeatureSet", work: BuildPlan) -> Rows:
        """Return the feature set's rows to write for an incremental build: recomputed rows, and rows that stay."""
        ...

    def training_rows(
        self,
        lake: Lakehouse,
        training_set: "TrainingSet",
        input_snapshots: Mapping[str, int],
        days: Sequence[date] | None,
        labels_until: datetime,
    ) -> Rows:
        """Return the training set's rows on `days` (None: all), point in time correct, sorted by (event time, row key).

        Labels that became known after `labels_until` are null.
        """
        ...

    def hash_rows(self, training_set: "TrainingSet", rows: Rows, shape: TableShape) -> dict[date, str]:
        """Return the content hash of each day of a training set's rows, before they are written as `shape`.

        `rows` are those that `training_rows` returned; they can still be written afterwards.
        """
        ...

    def hash_snapshot(
        self, lake: Lakehouse, training_set: "TrainingSet", pin: int, days: Sequence[date] | None
    ) -> dict[date, str]:
        """Return the content hash of each day in `days` (None: all) of a training set's snapshot.

        Raises UnknownNameError when the snapshot lacks a column that the training set declares now.
        """
        ...

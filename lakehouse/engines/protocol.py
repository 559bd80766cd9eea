"""The seam between feature sets and what computes them.

What belongs here: the protocol that every engine keeps. Not: any engine, and which one is used (choice.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.rows import Rows


class Engine(Protocol):
    """Computes a feature set's rows from pinned tables."""

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """The rows of the spine's `days` (None: all), sorted by (event time, row key).

        Columns: the row key, the event time, the entity's keys, then the features. The same pins give the same bits.
        """
        ...

    def rows(self, lake: Lakehouse, feature_set: FeatureSet, work: BuildPlan) -> Rows:
        """The rows to write for `work`, wherever they are: those that it wants made anew and those that stay."""
        ...

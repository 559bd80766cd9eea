"""The seam between feature sets and what computes them.

What belongs here: the protocol that every engine keeps. Not: any engine.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

import pyarrow as pa

from lakehouse.catalog import Lakehouse
from lakehouse.features.feature_set import FeatureSet


class Engine(Protocol):
    """Computes a feature set's rows from pinned tables."""

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """The rows of the spine's `days` (None: all), sorted by (event time, row key).

        Columns: the row key, the event time, the entity's key, then the features. The same pins give the same bits.
        """
        ...

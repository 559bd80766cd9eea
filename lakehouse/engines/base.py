"""The seam between feature sets and what computes them.

What belongs here: the protocol that every engine keeps. Not: any engine, and which one is used (choice.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol, runtime_checkable

import pyarrow as pa

from lakehouse.catalog import Lakehouse
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.write import Rows, RowsElsewhere


class Engine(Protocol):
    """Computes a feature set's rows from pinned tables."""

    def compute(
        self, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
    ) -> pa.Table:
        """The rows of the spine's `days` (None: all), sorted by (event time, row key).

        Columns: the row key, the event time, the entity's keys, then the features. The same pins give the same bits.
        """
        ...


@runtime_checkable
class EngineElsewhere(Protocol):
    """An engine that does not work in this process: its rows can be written without coming here."""

    def rows(
        self, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
    ) -> RowsElsewhere:
        """The rows that `compute` gives, where they are computed."""
        ...


def rows_of(
    engine: Engine, lake: Lakehouse, feature_set: FeatureSet, pins: Mapping[str, int], days: Sequence[date] | None
) -> Rows:
    """The engine's rows, ready to be written: in this process only when the engine works in it."""
    if isinstance(engine, EngineElsewhere):
        return engine.rows(lake, feature_set, pins, days)
    return engine.compute(lake, feature_set, pins, days)

"""Which engine computes what: a declaration's own word, else the setting.

What belongs here: the choice. Not: engines.
"""

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded import EmbeddedEngine
from lakehouse.engines.protocol import Engine
from lakehouse.features.feature_set import FeatureSet
from lakehouse.settings import Settings


def engine_name(settings: Settings, feature_set: FeatureSet | None = None) -> str:
    """`embedded` or `spark`: what the feature set says, else the setting SLIPWAY_ENGINE."""
    return (feature_set.engine if feature_set else "") or settings.engine


def engine_of(lake: Lakehouse, feature_set: FeatureSet | None = None) -> Engine:
    """The engine for a feature set. Spark itself is started when it is first needed."""
    if engine_name(lake.settings, feature_set) == "spark":
        from lakehouse.engines.spark import SparkEngine

        return SparkEngine()
    return EmbeddedEngine()

"""Which engine computes: the one that a declaration names, else the setting SLIPWAY_ENGINE.

What belongs here: the choice, and creating the engine. Not: the protocol (protocol.py), and implementations.
"""

from functools import cache

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.protocol import Engine
from lakehouse.errors import unknown_name
from lakehouse.settings import ENGINES


def engine_of(lake: Lakehouse, declared: str = "") -> Engine:
    """Return the engine for a declaration that names `declared` ("": the one of the lakehouse's settings)."""
    return engine_named(declared or lake.settings.engine)


@cache
def engine_named(name: str) -> Engine:
    """Return the engine `name`. Raises UnknownNameError for another name than `embedded` or `spark`."""
    if name == "embedded":
        from lakehouse.engines.embedded.engine import EmbeddedEngine

        return EmbeddedEngine()
    if name == "spark":
        from lakehouse.engines.spark.engine import SparkEngine

        return SparkEngine()
    raise unknown_name("engine", name, ENGINES, where="SLIPWAY_ENGINE")

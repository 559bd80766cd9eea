"""OpenLineage's listener in Spark, when it is switched on: its configuration, and what it must not write.

What belongs here: its properties, and the file that it writes to. Not: its jar (jars.py), and what becomes of what it
wrote (lineage/spark/files.py).
It writes into a file of the home: that needs no server, and loses nothing when nobody listens. It reads its properties
once, when Spark starts, so that it knows the application and nothing of the steps that this serves.
"""

import logging
import os
from pathlib import Path

from lakehouse import clock
from lakehouse.catalog.home import Home
from lakehouse.settings import Settings

APPLICATION = "slipway"
"""What the names of its jobs begin with."""
_CLASS = "io.openlineage.spark.agent.OpenLineageSparkListener"
_KEPT_BACK = (
    # Texts that can hold values of rows, or secrets.
    *("sql", "errorMessage", "spark.exception", "spark.logicalPlan", "spark_unknown", "debug"),
    *("spark_properties", "environment-properties", "spark_jobDetails"),
    # What Slipway tells by itself, and knows better.
    *("columnLineage", "schema"),
)
"""Facets that it is not to make; what is taken up is chosen once more by name (lineage/spark_events.py)."""
_BEGAN = round(clock.now().timestamp() * 1e6)
_log = logging.getLogger("slipway.lineage")


def listened(lineage: Path) -> Path:
    """The folder of what listeners wrote, in a home's folder for lineage."""
    return lineage / "spark"


def events_file(lineage: Path) -> Path:
    """Where this process's Spark tells of its queries, an event a line."""
    return listened(lineage) / f"{os.getpid()}-{_BEGAN}.jsonl"


def listener_properties(settings: Settings, home: Home, others: str) -> dict[str, str]:
    """What Spark is to start with, beside the listeners `others`; nothing when the listener is switched off.

    The file lies in one home, so a process whose Spark listens serves one home.
    """
    if not settings.spark_listener or settings.spark_master.startswith("sc://"):
        return {}
    own = {
        "namespace": "slipway",
        "appName": APPLICATION,
        "transport.type": "file",
        "transport.location": str(events_file(home.lineage)),
        # It would add the draft's random name to the job's.
        "jobName.appendDatasetName": "false",
        "filter.rddEventsDisabled": "true",
        "vendors.iceberg.metricsReporterDisabled": "true",
        **{f"facets.{name}.disabled": "true" for name in _KEPT_BACK},
    }
    listeners = ",".join(filter(None, (others, _CLASS)))
    return {"spark.extraListeners": listeners, **{f"spark.openlineage.{name}": text for name, text in own.items()}}


def warn_of_connect(settings: Settings) -> None:
    """A server's listeners are the server's: say so to who switched one on here."""
    if settings.spark_listener:
        _log.warning(
            "SLIPWAY_SPARK_LISTENER is without effect on Spark Connect: whoever starts the server decides on its "
            "listeners. What runs there is reported from Python."
        )

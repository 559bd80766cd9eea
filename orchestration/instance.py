"""Dagster's own storage, under the home.

What belongs here: opening the instance. Not: the lakehouse's home itself (lakehouse/home.py).
"""

import dagster as dg

from lakehouse.catalog import Lakehouse

_CONFIG = """\
# Written by Slipway when the home was made; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
# One run after the other: each starts from what the one before published.
concurrency:
  runs:
    max_concurrent_runs: 1
# A bad delivery is told of within seconds, so a run does not wait for Dagster's usual five before it starts.
run_coordinator:
  module: dagster._core.run_coordinator.queued_run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
"""


def open_instance(lake: Lakehouse) -> dg.DagsterInstance:
    """The instance of the lakehouse's home, the one that `slipway up` shows."""
    lake.settings.export()
    config = lake.home.dagster / "dagster.yaml"
    if not config.exists():
        config.write_text(_CONFIG)
    return dg.DagsterInstance.from_config(str(lake.home.dagster))

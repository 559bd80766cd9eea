"""Dagster's own storage, under the home.

What belongs here: opening the instance. Not: the lakehouse's home itself (lakehouse/catalog/home.py).
"""

import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from orchestration.lineage.event_log import LineageEventLogStorage

_CONFIG = """\
# Created by Slipway with the home; you may edit it.
telemetry:
  enabled: false
nux:
  enabled: false
# One run at a time: each starts from what the previous one published.
concurrency:
  runs:
    max_concurrent_runs: 1
# A bad delivery is reported within seconds, so a run does not wait for Dagster's usual five before it starts.
run_coordinator:
  module: dagster._core.run_coordinator.queued_run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
"""
_LINEAGE = """\
# Dagster's event log storage, extended by the lineage listener. It finds this home by DAGSTER_HOME.
event_log_storage:
  module: orchestration.lineage.event_log
  class: LineageEventLogStorage
  config:
    dagster_home:
      env: DAGSTER_HOME
"""
_STORAGE = re.compile(r"^(storage|event_log_storage)\s*:", re.MULTILINE)


def open_instance(lake: Lakehouse) -> dg.DagsterInstance:
    """The instance of the lakehouse's home, the one that `slipway up` shows."""
    lake.settings.export()
    config = lake.home.dagster / "dagster.yaml"
    if not config.exists():
        _write(config, _CONFIG + _LINEAGE)
    elif not _STORAGE.search(text := config.read_text()):
        # A home from before there was lineage. A storage that somebody chose is theirs.
        with suppress(OSError):
            _write(config, f"{text.rstrip()}\n{_LINEAGE}")
    instance = dg.DagsterInstance.from_config(str(lake.home.dagster))
    if isinstance(instance.event_log_storage, LineageEventLogStorage):
        instance.event_log_storage.listen_for(lake)
    return instance


def _write(config: Path, text: str) -> None:
    """Write a new file and rename it, so that the old content survives a full disk and a kill."""
    config = config.resolve()
    beside = config.with_name(f".{config.name}.{uuid.uuid4().hex[:8]}")
    try:
        beside.write_text(text)
        with suppress(FileNotFoundError):
            shutil.copymode(config, beside)
        beside.replace(config)
    finally:
        beside.unlink(missing_ok=True)

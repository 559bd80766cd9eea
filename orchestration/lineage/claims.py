"""Claims: which process works on a run, recorded before the run's start is stored.

What belongs here: claims, and whether their process still exists. Not: what follows from it (reconcile.py).

Dagster's log names the process of a run only after the run's start. To detect a kill in between, the start first
writes a small file, `<home>/lineage/running/<run id>`. Process ids are valid on one machine, or in one container: for
a run of another one, it is unknown whether its process is gone.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil

from lakehouse.catalog.lakehouse import Lakehouse
from orchestration.lineage import spark as lineage_spark

NOTED = lineage_spark.STEPS | {dg.DagsterEventType.RUN_START}
"""Types of Dagster's events for which a note is written before they are stored."""
_CLOCKS = 5.0
"""Seconds by which the clocks of processes and of events may differ."""
_SAME = 0.5
"""Seconds by which two readings of one process's start may differ."""


def note(lake: Lakehouse, entry: dg.EventLogEntry) -> None:
    """Note what this process starts or ends, before Dagster stores it."""
    if entry.dagster_event is not None and entry.dagster_event.event_type is dg.DagsterEventType.RUN_START:
        claim(lake.home.lineage, entry.run_id)
    else:
        lineage_spark.note(lake, entry)


def claim(lineage: Path, run_id: str) -> None:
    """Record that this process works on the run. A folder that cannot be written does not stop the run."""
    with suppress(OSError, psutil.Error):
        folder = lineage / "running"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / run_id).write_text(f"{os.getpid()} {psutil.Process().create_time()} {_machine()}")


def release(lineage: Path, run_id: str) -> None:
    """Remove the claim of a run whose end was emitted."""
    with suppress(OSError):
        (lineage / "running" / run_id).unlink(missing_ok=True)


def is_gone(lineage: Path, run_id: str, noted: Mapping[int, float]) -> bool:
    """Whether no process of the run exists any more; False if they are unknown or on another machine.

    `noted` are the processes that Dagster's log names, and when.
    """
    claimed = _claimed(lineage, run_id)
    if claimed is None and not noted:
        return False
    if claimed is not None and (claimed[2] != _machine() or _is_there(claimed[0], claimed[1] + _SAME)):
        return False
    return not any(_is_there(pid, at + _CLOCKS) for pid, at in noted.items())


def _claimed(lineage: Path, run_id: str) -> tuple[int, float, str] | None:
    try:
        pid, began, machine = (lineage / "running" / run_id).read_text().split(maxsplit=2)
        return int(pid), float(began), machine
    except (OSError, ValueError):
        return None


def _machine() -> str:
    """The scope of process ids: the machine's name, and on Linux the PID namespace of the container."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return f"{socket.gethostname()} {numbers}".strip()


def _is_there(pid: int, latest: float) -> bool:
    """Whether a process with this id exists that started by then; its id may have been reused since."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= latest and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True

"""Which process works on a run, written down before the run says that it began.

What belongs here: claims, and whether who made them is still there. Not: what follows from it (reconcile.py).
Dagster's log names the process of a run only after the run's start: killed in between, nobody could tell that it is
gone. So the start waits for one small file, `<home>/lineage/running/<run id>`. Numbers of processes are those of one
machine, or of one container: of a run that another one works on nobody here can tell that it is gone.
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
"""Dagster's events of which something is written down before they are stored."""
_CLOCKS = 5.0
"""Seconds by which the clock of processes and that of events may differ."""
_SAME = 0.5
"""Seconds by which one process's start may be read differently."""


def note(lake: Lakehouse, entry: dg.EventLogEntry) -> None:
    """Write down what this process begins or ends, before Dagster stores it."""
    if entry.dagster_event is not None and entry.dagster_event.event_type is dg.DagsterEventType.RUN_START:
        claim(lake.home.lineage, entry.run_id)
    else:
        lineage_spark.note(lake, entry)


def claim(lineage: Path, run_id: str) -> None:
    """Write down that this process works on the run. A folder that cannot be written is no reason not to run."""
    with suppress(OSError, psutil.Error):
        folder = lineage / "running"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / run_id).write_text(f"{os.getpid()} {psutil.Process().create_time()} {_machine()}")


def release(lineage: Path, run_id: str) -> None:
    """The run ended, and that was told."""
    with suppress(OSError):
        (lineage / "running" / run_id).unlink(missing_ok=True)


def is_gone(lineage: Path, run_id: str, noted: Mapping[int, float]) -> bool:
    """Whether no process that worked on the run is there any more; not where its processes are unknown, or elsewhere.

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
    """Where this process's number means this process: the machine's name, and on Linux the container's numbers."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return f"{socket.gethostname()} {numbers}".strip()


def _is_there(pid: int, latest: float) -> bool:
    """Whether the process is there that began at the latest then: another one may have got its number since."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= latest and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True

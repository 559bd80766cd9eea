"""The number of concurrent Spark tasks, and the memory limit of each.

What belongs here: from settings to these numbers. Not: using them (session.py, parts.py).
"""

import os
import re

import psutil

from lakehouse.errors import SettingsError
from lakehouse.settings import Settings

_MEGABYTE = 1 << 20
_LEAST_HEAP = 640
"""Megabytes; Spark refuses to start below 450, and Iceberg wants some."""
_BESIDE_HEAP = 1.3
"""What a JVM takes of the machine, of each megabyte of its heap."""
_THIS_PROCESS = 300
_BARE_WORKER = 200
"""Megabytes of a worker's Python with what the kernel imports, before it has any rows."""
_LEAST_ROWS = 64
_CLUSTER_WORKER = 512
"""Megabytes for rows in a worker on a cluster, whose machines are not known here."""
_CLUSTER_TASKS = 16
"""On a cluster of unknown size; Spark joins small partitions by itself."""


def tasks_at_once(settings: Settings) -> int:
    """Return how many tasks run at once, as far as the master's text shows."""
    master = settings.spark_master
    numbers = _numbers(master)
    if master.startswith("local-cluster"):
        return numbers[0] * numbers[1]
    if master.startswith("local"):
        return numbers[0] if numbers else (os.cpu_count() or 1) if "*" in master else 1
    return _CLUSTER_TASKS


def driver_megabytes(settings: Settings) -> int:
    """The heap of this process's JVM: with a local master it does all of Spark's work."""
    return max(_LEAST_HEAP, int(_megabytes(settings) * 0.35))


def worker_bytes(settings: Settings) -> int:
    """How much memory the rows in one task's Python may take.

    Raises SettingsError when the tasks that run at once don't fit into SLIPWAY_MEMORY.
    """
    if not settings.spark_master.startswith("local"):
        return _CLUSTER_WORKER * _MEGABYTE
    tasks = tasks_at_once(settings)
    taken = driver_megabytes(settings) * _BESIDE_HEAP + _THIS_PROCESS
    if settings.spark_master.startswith("local-cluster"):
        executors, _, each = _numbers(settings.spark_master)
        taken += executors * each
    left = int((_megabytes(settings) - taken) / tasks) - _BARE_WORKER
    if left < _LEAST_ROWS:
        needed = (taken + tasks * (_BARE_WORKER + _LEAST_ROWS)) / 1024
        raise SettingsError(
            f"{_megabytes(settings)} MB of memory are not enough for {tasks} concurrent tasks on Spark.",
            where=f"SLIPWAY_MEMORY, SLIPWAY_SPARK_MASTER={settings.spark_master}",
            nearest=f"{needed + 0.1:.1f}g",
            fix="Give it more memory or, with local[N], fewer tasks.",
        )
    return left * _MEGABYTE


def _numbers(master: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", master)]


def _megabytes(settings: Settings) -> int:
    return (settings.memory or psutil.virtual_memory().total // 2) // _MEGABYTE

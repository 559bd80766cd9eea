"""The watch over memory: it counts this process and its children, and nothing of the time outside."""

import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from orchestration.memory import MemoryWatch

HELD, PATIENCE = 300, 60
"""Megabytes; seconds, after which it is lost."""
HOLDS = f"held = b'1' * ({HELD} * 1024**2); print('holds', flush=True); input()"


def others(child: int) -> float:
    """Megabytes of this process and its children but for `child`: a Spark of earlier tests may be among them."""
    me = psutil.Process()
    found = [one for one in (me, *me.children(recursive=True)) if one.pid != child]
    return sum(one.memory_info().rss for one in found) / 1024**2


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end, "it was never seen"
        time.sleep(0.02)


def test_a_child_counts_and_none_when_it_is_gone() -> None:
    with MemoryWatch() as watch:
        with subprocess.Popen(
            [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout
            assert child.stdout.readline() == "holds\n"
            # This process's own memory may fall and rise meanwhile.
            until(lambda: watch.samples[-1][1] > others(child.pid) + HELD - 20)
            child.communicate("\n")
        until(lambda: watch.samples[-1][1] < others(child.pid) + HELD / 2)


def test_a_time_without_a_sample_has_the_nearest_ones() -> None:
    watch = MemoryWatch(samples=[(1.0, 100.0), (2.0, 300.0), (3.0, 200.0)])
    assert watch.peak_mb() == 300
    assert watch.peak_mb(2.5, 3.5) == 200
    assert watch.peak_mb(3.2, 3.4) == 200
    assert MemoryWatch().peak_mb() == 0

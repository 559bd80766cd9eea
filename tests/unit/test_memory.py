"""The watch over memory: it counts this process and its children, and nothing of the time outside."""

import subprocess
import sys
import time

from orchestration.memory import MemoryWatch

HOLDS = "held = b'1' * 300_000_000; print('holds', flush=True); input()"


def test_a_child_counts_and_none_when_it_is_gone() -> None:
    with MemoryWatch() as watch:
        before = time.time()
        with subprocess.Popen(
            [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout
            assert child.stdout.readline() == "holds\n"
            began = time.time()
            while watch.peak_mb(began) < watch.peak_mb(0, before) + 290:
                time.sleep(0.05)
                assert time.time() < began + 60, "the child was never seen"
            child.communicate("\n")
        after = time.time()
        while watch.samples[-1][0] <= after:
            time.sleep(0.05)
    assert watch.samples[-1][1] < watch.peak_mb(began, after) - 250


def test_a_time_without_a_sample_has_the_nearest_ones() -> None:
    watch = MemoryWatch(samples=[(1.0, 100.0), (2.0, 300.0), (3.0, 200.0)])
    assert watch.peak_mb() == 300
    assert watch.peak_mb(2.5, 3.5) == 200
    assert watch.peak_mb(3.2, 3.4) == 200
    assert MemoryWatch().peak_mb() == 0

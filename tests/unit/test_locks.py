"""Locks between processes: one holder at a time, freed with the process, known by who holds them.

What belongs here: lakehouse/catalog/locks.py. Not: what is protected by them (test_settings_and_home.py for the work
lock, test_lineage_outbox.py for the outbox).
"""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehouse.catalog.locks import LockHeldError, lock

TOP = Path(__file__).resolve().parents[2]

HOLDER = """
import os, sys
from pathlib import Path
from lakehouse.catalog.locks import lock
held = lock(Path(sys.argv[1]), "publish", holder="somebody else")
if sys.argv[2] == "exec":
    held.keep_across_exec()
    os.execv(sys.executable, [sys.executable, "-c", "import sys; print('holding', flush=True); sys.stdin.read()"])
print("holding", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(folder, how="stay"):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(folder), how]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["stay", "exec"])
def test_a_lock_is_held_by_one_process_until_it_is_killed(tmp_path, how):
    with holder(tmp_path, how) as process:
        with pytest.raises(LockHeldError) as caught:
            lock(tmp_path, "publish")
        assert caught.value.holder == "somebody else"
        lock(tmp_path, "another").release()
        process.kill()
        process.wait()
        lock(tmp_path, "publish").release()


def test_who_waits_acquires_it_when_it_is_released(tmp_path):
    for wait in (None, 60.0):
        held = lock(tmp_path, "publish")
        threading.Timer(0.1, held.release).start()
        with lock(tmp_path, "publish", wait=wait):
            assert held._handle is None


def test_who_waits_gives_up_in_time(tmp_path):
    began = time.monotonic()
    with lock(tmp_path, "publish", holder="a"), pytest.raises(LockHeldError, match="held by a"):
        lock(tmp_path, "publish", wait=0.1)
    assert time.monotonic() - began >= 0.1


def test_a_lock_is_free_after_its_block_whatever_happened_in_it(tmp_path):
    with pytest.raises(ZeroDivisionError), lock(tmp_path, "publish", holder="a long description of who it was"):
        raise ZeroDivisionError
    with lock(tmp_path, "publish", holder="b") as held:
        assert held.path.read_text() == "b"
        held.describe_holder("c")
        assert held.path.read_text() == "c"


def test_a_removed_lock_leaves_no_file_and_no_two_holders(tmp_path):
    first = lock(tmp_path, "publish")
    second = []
    waiting = threading.Thread(target=lambda: second.append(lock(tmp_path, "publish", wait=None)))
    waiting.start()
    time.sleep(0.05)
    first.remove()
    waiting.join(60)
    with pytest.raises(LockHeldError):  # the one that waited holds the name, not the file that was removed
        lock(tmp_path, "publish")
    second[0].remove()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        lock(tmp_path / "nowhere", "publish")

"""Locks between processes: a name in a folder of the home, held by one process at a time.

What belongs here: acquiring, releasing and removing locks. Not: what they protect, and locks between threads of one
process. The operating system frees a lock when its process dies, so there is nothing to clean up after a crash.
"""

import fcntl  # noqa: TID251  # the one place that locks files
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_POLL_SECONDS = 0.02


class LockHeldError(Exception):
    """Another process holds the lock. `holder` is the text that it gave, empty when it gave none."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}")
        self.holder = holder


@dataclass
class Lock:
    """An acquired lock. Use it as a context manager, or release it; it ends with the process in any case."""

    path: Path
    _handle: int | None

    def release(self) -> None:
        """Let others acquire the lock. Releasing twice is fine."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle = None

    def remove(self) -> None:
        """Delete the lock's file and release the lock: for names that are not used again."""
        self.path.unlink(missing_ok=True)
        self.release()

    def describe_holder(self, text: str) -> None:
        """Set the text that a process reads which fails to acquire the lock. Raises OSError."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, text.encode(), 0)

    def keep_across_exec(self) -> None:
        """Hold the lock on when this process becomes another program (os.exec)."""
        if self._handle is not None:
            os.set_inheritable(self._handle, True)  # noqa: FBT003  # takes no keyword

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def lock(folder: Path, name: str, *, wait: float | None = 0.0, holder: str = "") -> Lock:
    """Acquire the lock `name` of a folder that exists, trying for `wait` seconds (0: once; None: until it is free).

    `holder` is shown to those who fail to acquire it. Raises LockHeldError when another holds it, and OSError when the
    folder cannot be written.
    """
    path = folder / f"{name}.lock"
    until = None if wait is None else time.monotonic() + wait
    while True:
        acquired = _try(path)
        if isinstance(acquired, Lock):
            break
        if until is not None and time.monotonic() >= until:
            raise LockHeldError(path, acquired)
        time.sleep(_POLL_SECONDS)
    if holder:
        try:
            acquired.describe_holder(holder)
        except OSError:
            acquired.release()
            raise
    return acquired


def _try(path: Path) -> Lock | str:
    """The lock, or the holder's text."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, handle):
                return Lock(path, handle)
        except BlockingIOError:
            text = os.pread(handle, 1_000, 0).decode(errors="replace").strip()
            os.close(handle)
            return text
        except OSError:
            os.close(handle)
            raise
        os.close(handle)  # its file was removed meanwhile: a lock on it would be a lock for nobody


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False

"""The lineage listener: a queue of Dagster's event log entries, and the thread that converts them.

What belongs here: the queue, the thread, its end, and forks. Not: converting an entry (emitter.py), and the storage
that enqueues entries (event_log.py).

A step must never wait for lineage nor fail because of it: storing an entry only enqueues it. An error is logged once
and counted; Dagster's log still has all entries.
"""

import logging
import os
import threading
import time
from collections import deque
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from orchestration.lineage.emitter import Emitter
from orchestration.lineage.events import RUN_ENDS

if TYPE_CHECKING:
    from dagster._core.storage.event_log import EventLogStorage

MOST_WAITING = 20_000
"""Entries in the queue, at most; further ones count as lost until they are reconciled."""
AT_RUN_END, AT_EXIT = 2.0, 10.0
"""Seconds to wait for the queue, at most, when a run and when the process ends."""
_log = logging.getLogger("slipway.lineage")
_listeners: dict[Path, "Listener"] = {}
_guard = threading.Lock()
_inherited: list["Listener"] = []
"""Listeners of the process that this one was forked from. They are kept, because this process must not close them."""


def listener_of(lake: Lakehouse) -> "Listener":
    """The listener of a home in this process."""
    with _guard:
        if lake.home.root not in _listeners:
            _listeners[lake.home.root] = Listener(lake)
        return _listeners[lake.home.root]


def is_inherited(listener: "Listener") -> bool:
    """Whether the listener belongs to the process that this one was forked from."""
    return listener in _inherited


def _after_fork() -> None:
    """Start without listeners: a forked process has no threads of its parent, and must not use its connections."""
    global _guard  # noqa: PLW0603  # the parent may have held it
    _guard = threading.Lock()
    _inherited.extend(_listeners.values())
    _listeners.clear()


os.register_at_fork(after_in_child=_after_fork)


class Listener:
    """Converts entries in a thread of its own. `lost` counts entries that were not converted."""

    def __init__(self, lake: Lakehouse) -> None:
        self.lake = lake
        self.lost = 0
        self._queue: deque[tuple[dg.EventLogEntry, EventLogStorage]] = deque()
        self._wake = threading.Condition()
        self._busy = False
        self._ended = False
        self._thread: threading.Thread | None = None
        self._emitter: Emitter | None = None
        self._logged: set[str] = set()
        # Children of Dagster's multiprocess executor end without atexit, but not without this.
        Finalize(self, Listener.close, args=(self,), exitpriority=100)

    def enqueue(self, entry: dg.EventLogEntry, storage: "EventLogStorage") -> None:
        """Add an entry to the queue, which takes microseconds. The end of a run waits briefly for the queue."""
        if self._ended or len(self._queue) >= MOST_WAITING:
            self.count_lost("the process ends" if self._ended else "the queue is full")
            return
        self._queue.append((entry, storage))
        with self._wake:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
                self._thread.start()
            self._wake.notify()
        if entry.dagster_event is not None and entry.dagster_event.event_type in RUN_ENDS:
            self.settle(AT_RUN_END)

    def settle(self, seconds: float) -> bool:
        """Wait up to `seconds` until all entries are in the outbox. Return False on timeout."""
        until = time.monotonic() + seconds
        while self._queue or self._busy:
            if time.monotonic() >= until or self._thread is None or not self._thread.is_alive():
                return False
            time.sleep(0.002)
        return True

    def flush(self, seconds: float = AT_EXIT) -> bool:
        """Wait up to `seconds` until every available receiver has all events. Return False on timeout."""
        until = time.monotonic() + seconds
        if not self.settle(seconds):
            return False
        if self._emitter is None:
            return True
        try:
            return self._emitter.relay.wait(max(0.0, until - time.monotonic()))
        except Exception as error:  # noqa: BLE001  # the process ends in any case
            self.count_lost("events could not be delivered", error)
            return False

    def close(self) -> None:
        """Flush, within bounds, and end the threads, when the process ends."""
        self.flush()
        self._ended = True
        with self._wake:
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(1.0)
        if self._emitter is not None:
            self._emitter.relay.stop()
            self._emitter.outbox.shut()

    def count_lost(self, what: str, error: BaseException | None = None) -> None:
        """Count an entry that is not converted, and log the first one of each reason."""
        self.lost += 1
        reason = f"{what}: {type(error).__name__}" if error is not None else what
        _log.debug("Lineage: %s", what, exc_info=error)
        if reason not in self._logged:
            self._logged.add(reason)
            _log.warning(
                "Lineage events were not emitted (%s). The run continues; `slipway lineage reconcile` emits them from "
                "Dagster's log.",
                reason,
            )

    def _work(self) -> None:
        while not self._ended:
            with self._wake:
                while not self._queue and not self._ended:
                    self._wake.wait()
                if not self._queue:
                    return
                # Set before the entry leaves the queue, so that `settle` sees one of the two.
                self._busy = True
                entry, storage = self._queue.popleft()
            try:
                if self._emitter is None:
                    self._emitter = Emitter(self.lake)
                self._emitter.emit(entry, storage)
            except Exception as error:  # noqa: BLE001  # no run may fail because of lineage
                self.count_lost("an event could not be converted", error)
            finally:
                self._busy = False

"""Deliver the outbox: each receiver gets every event, in order.

What belongs here: one thread per receiver, its back-off, and waiting for it. Not: receivers (transports.py). A receiver
that is down does not delay the others; its events wait in the outbox.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from lakehouse.catalog.locks import LockHeldError, lock
from lakehouse.lineage.emit.outbox import Outbox
from lakehouse.lineage.emit.transports import Receiver, Rejected

LONGEST_WAIT = 60.0
"""Maximum seconds between two attempts to reach a receiver that is down."""
_BATCH = 100
_BUSY_SECONDS = 0.1
_GATHERING = 0.5
"""Seconds that a delivery thread waits for more events to send at once, unless `hurry` was called."""
_log = logging.getLogger("slipway.lineage")


def deliver(outbox: Outbox, receiver: Receiver, stop: threading.Event | None = None) -> int:
    """Send all waiting events to the receiver and return how many it accepted.

    Raises the receiver's error when it is down.
    """
    sent = 0
    while stop is None or not stop.is_set():
        waiting = outbox.waiting(receiver.name, _BATCH)
        if not waiting:
            break
        try:
            receiver.send([one.body for one in waiting])
        except Rejected as rejected:
            one = waiting[rejected.place]
            outbox.reject(receiver.name, one.key, rejected.why)
            outbox.delivered(receiver.name, one.seq)
            _log.warning("The lineage receiver %s rejected an event permanently: %s", receiver.name, rejected.why)
            sent += rejected.place
        else:
            outbox.delivered(receiver.name, waiting[-1].seq)
            sent += len(waiting)
    return sent


class _ElsewhereError(Exception):
    """Another process is delivering to the receiver."""


@dataclass
class DeliveryThread:
    """A thread that delivers the outbox to one receiver. Only one process delivers to it at a time."""

    outbox: Outbox
    receiver: Receiver
    longest_wait: float = LONGEST_WAIT
    down: bool = False
    """Whether the last attempt failed."""
    _wake: threading.Event = field(default_factory=threading.Event, repr=False)
    _hurry: threading.Event = field(default_factory=threading.Event, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def wake(self) -> None:
        """Start delivering: there are new events."""
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"lineage-{self.receiver.name}", daemon=True)
            self._thread.start()

    def hurry(self) -> None:
        """Deliver without waiting for more events."""
        self._hurry.set()

    def done(self) -> bool:
        """Whether every event is delivered, or the receiver is down."""
        return self.down or (not self._wake.is_set() and self.outbox.left(self.receiver.name) == 0)

    def stop(self) -> None:
        """Ask the thread to stop after the current attempt."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait until the thread has stopped, at most `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._hurry.wait(_GATHERING)
            self._hurry.clear()
            self._wake.clear()
            again = Retrying(
                retry=retry_if_exception_type(Exception),
                wait=wait_random_exponential(multiplier=0.5, max=self.longest_wait),
                stop=lambda _: self._stop.is_set(),
                sleep=self._rest,
                before_sleep=self._log_down,
                retry_error_callback=lambda _: None,
            )
            again(self._deliver)

    def _rest(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _deliver(self) -> None:
        mine, sent = True, 0
        try:
            with lock(self.outbox.path.parent, self.receiver.name):
                sent = deliver(self.outbox, self.receiver, self._stop)
        except LockHeldError:
            mine = False
            time.sleep(_BUSY_SECONDS)
        left = self.outbox.left(self.receiver.name)
        if left and not mine:
            # Another process is delivering. Try again for events that it may have missed: at once, or after the
            # back-off if the receiver was down at the last attempt.
            if self.down:
                raise _ElsewhereError
            self._wake.set()
        if self.down and (sent or not left):
            self.down = False
            _log.warning("The lineage receiver %s accepts events again.", self.receiver.name)

    def _log_down(self, state: RetryCallState) -> None:
        if not self.down:
            self.down = True
            error = state.outcome.exception() if state.outcome else None
            _log.warning(
                "The lineage receiver %s is not reachable (%s). Events wait in the outbox.",
                self.receiver.name,
                type(error).__name__,
            )


@dataclass
class Relay:
    """The delivery threads of an outbox."""

    threads: Sequence[DeliveryThread]

    def wake(self) -> None:
        """Start delivering: there are new events."""
        for one in self.threads:
            one.wake()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` until every receiver that is not down has all events; return whether they have."""
        until = time.monotonic() + seconds
        while late := [one for one in self.threads if not one.done()]:
            if time.monotonic() >= until:
                return False
            for one in late:
                one.hurry()
            time.sleep(0.01)
        return True

    def stop(self) -> None:
        """Stop the threads, and wait half a second for each."""
        for one in self.threads:
            one.stop()
        for one in self.threads:
            one.join(0.5)

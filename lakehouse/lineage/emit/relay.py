"""Delivering the outbox: each receiver gets every event, in order, whenever it can take it.

What belongs here: couriers in threads of their own, their back-off, and waiting for them. Not: receivers
(transports.py). A receiver that is down keeps nothing from the others, and its events wait on the disk.
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
"""Seconds between two attempts at a receiver that is down, at most."""
_BATCH = 100
_BUSY_SECONDS = 0.1
_GATHERING = 0.5
"""Seconds that a courier waits for more to bring at once, unless somebody waits: a way costs more than a load."""
_log = logging.getLogger("slipway.lineage")


def deliver(outbox: Outbox, receiver: Receiver, stop: threading.Event | None = None) -> int:
    """Hand everything that waits to the receiver; how many events it took.

    Raises what the receiver raises when it is down.
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
            outbox.refuse(receiver.name, one.key, rejected.why)
            outbox.delivered(receiver.name, one.seq)
            _log.warning("The lineage receiver %s rejected an event permanently: %s", receiver.name, rejected.why)
            sent += rejected.place
        else:
            outbox.delivered(receiver.name, waiting[-1].seq)
            sent += len(waiting)
    return sent


class _ElsewhereError(Exception):
    """Another process tries the receiver."""


@dataclass
class Courier:
    """A thread that brings the outbox to one receiver. Of several processes one brings at a time."""

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
        """There is something to bring."""
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"lineage-{self.receiver.name}", daemon=True)
            self._thread.start()

    def hurry(self) -> None:
        """Somebody waits for what it brings."""
        self._hurry.set()

    def done(self) -> bool:
        """Whether there is nothing left to bring, or nobody to bring it to."""
        return self.down or (not self._wake.is_set() and self.outbox.left(self.receiver.name) == 0)

    def stop(self) -> None:
        """End the thread, when it next looks up."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, so long at most."""
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
                before_sleep=self._told_down,
                retry_error_callback=lambda _: None,
            )
            again(self._bring)

    def _rest(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _bring(self) -> None:
        mine, sent = True, 0
        try:
            with lock(self.outbox.path.parent, self.receiver.name):
                sent = deliver(self.outbox, self.receiver, self._stop)
        except LockHeldError:
            mine = False
            time.sleep(_BUSY_SECONDS)
        left = self.outbox.left(self.receiver.name)
        if left and not mine:
            # Another process is at it. What came too late for it is looked at again; where the receiver was down when
            # it was tried last, after the rest that is due.
            if self.down:
                raise _ElsewhereError
            self._wake.set()
        if self.down and (sent or not left):
            self.down = False
            _log.warning("The lineage receiver %s takes events again.", self.receiver.name)

    def _told_down(self, state: RetryCallState) -> None:
        if not self.down:
            self.down = True
            error = state.outcome.exception() if state.outcome else None
            _log.warning(
                "The lineage receiver %s does not take events (%s): they wait in the outbox.",
                self.receiver.name,
                type(error).__name__,
            )


@dataclass
class Relay:
    """All couriers of an outbox."""

    couriers: Sequence[Courier]

    def wake(self) -> None:
        """There is something to bring."""
        for one in self.couriers:
            one.wake()

    def wait(self, seconds: float) -> bool:
        """Wait until every receiver that is not down has everything, so long at most; whether they have."""
        until = time.monotonic() + seconds
        while late := [one for one in self.couriers if not one.done()]:
            if time.monotonic() >= until:
                return False
            for one in late:
                one.hurry()
            time.sleep(0.01)
        return True

    def stop(self) -> None:
        """End the couriers, and wait a moment for those that are not held up by a receiver."""
        for one in self.couriers:
            one.stop()
        for one in self.couriers:
            one.join(0.5)

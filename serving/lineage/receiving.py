"""Group commit: events of many senders that arrive together are stored in one durable transaction.

What belongs here: collecting events while the previous commit runs. Not: storing them (lakehouse/lineage/store).
A sender is answered after the commit of its event, so an event answered with 201 is on disk.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.lineage.store.store import Store
from lakehouse.lineage.store.validation import Checked

_MOST_TOGETHER = 1_000
"""Events in one commit."""


@dataclass
class _Waiting:
    events: Sequence[Checked]
    answer: asyncio.Future[int]
    loop: asyncio.AbstractEventLoop


class Receiver:
    """Writes events on one thread of its own. `end` waits for all accepted events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._arrived = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="lineage receiver", daemon=True)
        self._thread.start()

    async def receive(self, events: Sequence[Checked]) -> int:
        """Store the events, all or none; return how many were new, once they are durable."""
        loop = asyncio.get_running_loop()
        one = _Waiting(events, loop.create_future(), loop)
        with self._arrived:
            if self._ended:
                raise RuntimeError("The receiver is closed.")
            self._waiting.append(one)
            self._arrived.notify()
        return await one.answer

    def end(self) -> None:
        """Write all waiting events, then stop."""
        with self._arrived:
            self._ended = True
            self._arrived.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._arrived:
                while not self._waiting and not self._ended:
                    self._arrived.wait()
                if not self._waiting:
                    return
                taken, size = [], 0
                while self._waiting and (not taken or size + len(self._waiting[0].events) <= _MOST_TOGETHER):
                    taken.append(self._waiting.pop(0))
                    size += len(taken[-1].events)
            self._write(taken)

    def _write(self, taken: list[_Waiting]) -> None:
        try:
            new = self._store.receive_checked([event for one in taken for event in one.events])
        except Exception as error:  # noqa: BLE001  # any error is returned to the senders
            if len(taken) == 1:
                _answer(taken[0], error)
                return
            for one in taken:  # one at a time, so that no sender fails for another's events
                self._write([one])
            return
        place = 0
        for one in taken:
            _answer(one, sum(new[place : place + len(one.events)]))
            place += len(one.events)


def _answer(waiting: _Waiting, result: int | Exception) -> None:
    def give() -> None:
        if waiting.answer.done():
            return  # the sender disconnected
        if isinstance(result, Exception):
            waiting.answer.set_exception(result)
        else:
            waiting.answer.set_result(result)

    waiting.loop.call_soon_threadsafe(give)

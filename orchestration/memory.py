"""The memory use of this process and its children while steps run.

What belongs here: sampling. Not: deciding anything by it.
"""

from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil

from lakehouse import clock

_INTERVAL = 0.05
_LOOK_FOR_CHILDREN = 20
"""Samples from one look for children to the next: each look reads about every process of the machine."""
_MEGABYTE = 1024 * 1024


@dataclass
class MemoryWatch:
    """Samples the resident memory of all of this process's processes, twenty times a second, inside a `with`.

    A child is seen a second after it began, at the latest.
    """

    samples: list[tuple[float, float]] = field(default_factory=list)
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sampling."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def peak_mb(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """The most megabytes between two times (seconds since 1970); the nearest sample when none lies between."""
        within = [size for at, size in self.samples if begin <= at <= end]
        if not within and self.samples:
            within = [min(self.samples, key=lambda sample: abs(sample[0] - begin))[1]]
        return round(max(within, default=0.0), 1)

    def _watch(self) -> None:
        me = psutil.Process()
        ours = [me]
        for number in count():
            if number % _LOOK_FOR_CHILDREN == 0:
                ours = [me, *me.children(recursive=True)]
            self.samples.append((clock.now().timestamp(), sum(_resident(one) for one in ours)))
            if self._stop.wait(_INTERVAL):
                return


def _resident(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / _MEGABYTE
    except psutil.NoSuchProcess:
        return 0.0

"""The clock: the current time for everything that is recorded, compared or aged.

What belongs here: asking for a point in time, and replacing the clock in tests. Not: measuring how long something
takes, which `time.perf_counter` and `time.monotonic` do. Ruff rejects every other way to ask for the current time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def _system_time() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the one place that asks


_source: Callable[[], datetime] = _system_time


def now() -> datetime:
    """Return the current time in UTC, with microseconds."""
    return _source()


def stored_now() -> datetime:
    """Return the current time as tables store times: in UTC, without a time zone, with microseconds."""
    return now().replace(tzinfo=None)


def epoch_ms() -> int:
    """Return the current time in milliseconds since 1970, as Iceberg and MLflow count it."""
    return int(now().timestamp() * 1000)


@contextmanager
def fixed(at: datetime) -> Iterator[None]:
    """Stop the clock at a time that has a time zone, for every thread of this process. For tests.

    Iceberg's snapshots keep the system's time: pyiceberg sets it.
    """
    global _source  # noqa: PLW0603  # one clock for all threads
    before, moment = _source, at.astimezone(UTC)
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: give one, e.g. tzinfo=UTC.")
    _source = lambda: moment  # noqa: E731
    try:
        yield
    finally:
        _source = before

"""Errors of Spark as SlipwayErrors; a SlipwayError that a worker raised is raised unchanged.

What belongs here: what Spark's errors mean. Not: sending errors out of a worker (worker.py), and a Spark that does not
start (session.py).
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from lakehouse.catalog.home import storage_error
from lakehouse.errors import SlipwayError
from lakehouse.spark.worker import raised_error

_LOST = (
    "Python worker exited unexpectedly",
    "Python worker failed to connect back",
    "ExecutorLostFailure",
    "Remote RPC client disassociated",
    "Worker crashed",
)
_JVM_GONE = (
    "Py4JNetworkError",
    "ConnectionRejectedError",
    "SparkContext was shut down",
    "UNAVAILABLE",
    "stopped Spark",
)
_OUT_OF_MEMORY = ("OutOfMemoryError", "OUT_OF_MEMORY", "MemoryError")


@contextmanager
def spark_errors(where: str) -> Iterator[None]:
    """Raise errors of a Spark computation as SlipwayError; wrap every call that makes Spark compute."""
    try:
        yield
    except SlipwayError:
        raise
    except Exception as error:
        raise _as_error(error, where) from error


def _as_error(error: Exception, where: str) -> SlipwayError:
    text = f"{type(error).__name__}: {error}"
    raised = raised_error(text)
    if raised:
        return raised
    if "No space left on device" in text:
        return storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), where)
    more_memory = "Give it more memory with SLIPWAY_MEMORY (on a cluster: spark.executor.memory in "
    more_memory += "SLIPWAY_SPARK_PROPERTIES), then run it again; nothing was published."
    if any(word in text for word in _OUT_OF_MEMORY):
        return SlipwayError("Spark ran out of memory.", where=where, fix=more_memory)
    if any(word in text for word in _LOST):
        return SlipwayError("A Spark worker died.", where=where, fix=more_memory)
    if any(word in text for word in _JVM_GONE):
        return SlipwayError("Spark has stopped.", where=where, fix=f"Run it again in a new process. {more_memory}")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of a Java error the first line only says that there is one; the next begins with the class.
    of_java = (line.lstrip(": ").partition(": ")[2] for line in lines if line.startswith(": "))
    message = next(of_java, lines[0] if lines else type(error).__name__)
    return SlipwayError(
        f"Spark failed: {message}", where=where, fix="Its log is in the home, in the folder work/spark."
    )

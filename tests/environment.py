"""The environment of this process, with something on top for a while.

What belongs here: leaving it as it was. Not: what is put there.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(more: Mapping[str, str] | None = None) -> Iterator[None]:
    """`more` on top of the environment, which is as before in the end: commands tell theirs to child processes."""
    before = dict(os.environ)
    os.environ.update(more or {})
    try:
        yield
    finally:
        if dict(os.environ) != before:
            os.environ.clear()
            os.environ.update(before)

"""DuckDB connections: in memory, in UTC, one for a process where the work is small.

What belongs here: connections and SQL's quotes. Not: which files are read (read.py).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import duckdb

_LEAST_MEMORY = 256 << 20
"""With less, DuckDB cannot write to many files at once."""

_OPEN: dict[tuple[int, bool], duckdb.DuckDBPyConnection] = {}
_numbers = count()


def connect(limit: int | None = None, scratch: str = "") -> duckdb.DuckDBPyConnection:
    """A DuckDB connection of our own: in memory, UTC, row order not kept (it costs memory and nobody asks for it).

    With a `limit` it takes no more than so many bytes (or what it needs at least) and spills to the folder `scratch`.
    """
    connection = duckdb.connect()
    if limit:
        connection.execute(f"set memory_limit = '{max(limit, _LEAST_MEMORY)}B'")
        connection.execute(f"set temp_directory = {literal(scratch)}")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set enable_progress_bar = false")  # it would draw into whatever the caller prints
    return connection


@contextmanager
def borrow(*, in_order: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to this process's own DuckDB, with names of its own, for work that is small.

    Opening a DuckDB (`connect`) takes 13 ms, which is longer than most questions to it. What is set for all of it
    (memory, access, threads) must not be set here. `in_order` keeps the order of rows.
    """
    key = os.getpid(), in_order  # what a forked process got from its parent has no threads any more
    connection = _opened(key).cursor()
    name = f"borrowed_{next(_numbers)}"
    try:
        # One after the other of what a session has for itself.
        connection.execute(f"set TimeZone = 'UTC'; set enable_progress_bar = false; attach ':memory:' as {name}")
        connection.execute(f"use {name}")
        yield connection
    except (duckdb.FatalException, duckdb.InternalException):
        _OPEN.pop(key, None)  # it answers nobody any more
        raise
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"use memory; detach {name}")
        connection.close()


def _opened(key: tuple[int, bool]) -> duckdb.DuckDBPyConnection:
    known = _OPEN.get(key)
    if known is None:
        opened = connect()
        opened.execute(f"set preserve_insertion_order = {str(key[1]).lower()}")
        opened.execute("set enable_external_file_cache = false")  # it would hold what was read for good
        known = _OPEN.setdefault(key, opened)
    return known


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"

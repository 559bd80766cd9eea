"""Text files as bytes: plain or gzip, and the limit of a line.

What belongs here: what the readers of CSV and JSON share. Not: the readers (csv_files.py, json_files.py).
"""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pyarrow as pa

LONGEST_LINE = 64 << 20
"""Bytes of the longest line of a text file that is read."""
CHUNK = 1 << 20

Reader: TypeAlias = Callable[[Sequence[str]], pa.Table]
"""Reads some of a file's columns by name: all rows in file order."""


def unpacked(path: Path) -> BinaryIO:
    """The file, opened for reading; without its compression."""
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]

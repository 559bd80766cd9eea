"""File formats: reading a delivered Parquet, CSV or JSON file unchanged.

What belongs here: opening files (plain or gzip, in any encoding), their column names, their columns as delivered. Not:
the contract's columns and types (reading.py, casting.py) and which files to read (deliveries.py).
"""

import codecs
import csv
import errno
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import DeliveryError
from lakehouse.sources.csv_files import open_csv
from lakehouse.sources.json_files import open_json
from lakehouse.sources.text_files import CHUNK, LONGEST_LINE, Reader, unpacked

FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
}
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class EncodingError(DeliveryError):
    """A text file that is not in the encoding it should be in. `encoding` is what it looks like."""

    def __init__(self, what: str, *, where: str, encoding: str, fix: str) -> None:
        self.encoding = encoding
        super().__init__(what, where=where, nearest=encoding, fix=fix)


@dataclass(frozen=True)
class Delivered:
    """An opened delivery: the names of its columns in order, and whether its values are texts (CSV, JSON)."""

    path: Path
    kind: str
    names: Sequence[str]
    _read: Reader

    @property
    def texts(self) -> bool:
        """Whether every value comes as a text."""
        return self.kind != "parquet"

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some of the columns, all rows in file order; texts or typed, as delivered."""
        with _clear_faults(self.path, self.kind):
            return self._read(names)


def format_of(path: Path) -> str | None:
    """The format that the file's name ends on; None for a file that is no delivery."""
    name = path.name.lower()
    return next((kind for ending, kind in FORMATS.items() if name.endswith(ending)), None)


def check_readable(path: Path) -> None:
    """Raises DeliveryError for a file that is not there, cannot be opened or is empty."""
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise DeliveryError("The file does not exist.", where=str(path), fix="Check the path.") from None
    except OSError as error:
        raise DeliveryError(
            f"The file cannot be opened: {error.strerror}.",
            where=str(path),
            fix="Give the user that runs Slipway the right to read it.",
        ) from error
    if empty:
        raise DeliveryError(
            "The file is empty (0 bytes).", where=str(path), fix="Have it delivered again, or remove it."
        )


@contextmanager
def open_delivery(path: Path, encoding: str = "utf-8") -> Iterator[Delivered]:
    """The file, opened. Raises DeliveryError when it is missing, empty, damaged, or of no known format."""
    check_readable(path)
    kind = format_of(path)
    if kind is None:
        raise DeliveryError(
            "The file's extension is not that of a known format.",
            where=str(path),
            nearest=".parquet",
            fix=f"Use {', '.join(FORMATS)}.",
        )
    if kind == "parquet":
        with _clear_faults(path, kind), pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
        yield Delivered(path, kind, names, lambda wanted: _read_parquet(path, wanted))
        return
    with _clear_faults(path, kind):
        _check_lines(path)
    with _in_utf8(path, kind, encoding) as readable:
        with _clear_faults(path, kind):
            names, read = open_csv(readable, path) if kind == "csv" else open_json(readable, path)
        yield Delivered(path, kind, names, read)


def _read_parquet(path: Path, names: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read(columns=list(names)).select(list(names))


def _check_lines(path: Path) -> None:
    """Raises DeliveryError for a line that is too long, and what gzip raises for a file that is damaged.

    DuckDB does not compare the checksum of gzip: changed bytes could become other values. And a line much longer than
    it can hold may go missing without a word.
    """
    if not path.name.lower().endswith(".gz") and path.stat().st_size <= LONGEST_LINE:
        return
    running = 0
    with unpacked(path) as file:
        while chunk := file.read(CHUNK):
            ends = [place for place in (chunk.find(b"\n"), chunk.find(b"\r")) if place >= 0]
            running += min(ends, default=len(chunk))
            if running > LONGEST_LINE:
                raise _too_long(path)
            if ends:
                running = len(chunk) - 1 - max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))


def _too_long(path: Path) -> DeliveryError:
    return DeliveryError(
        f"A line of the file is longer than {LONGEST_LINE >> 20} MiB.",
        where=str(path),
        fix="Have it delivered as Parquet, or with the long text in a file of its own.",
    )


@contextmanager
def _in_utf8(path: Path, kind: str, encoding: str) -> Iterator[Path]:
    """The file in UTF-8, JSON without a byte order mark: itself, or a copy for as long as it is needed."""
    if codecs.lookup(encoding).name == "utf-8":
        with _clear_faults(path, kind), unpacked(path) as packed:
            marked = kind == "json" and packed.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        if not marked:
            yield path
            return
        encoding = "utf-8-sig"
    with TemporaryDirectory(prefix="slipway-delivery-") as folder:
        copy = Path(folder, f"copy.{kind}")
        with _clear_faults(path, kind):
            reader = codecs.getreader(encoding)
            with unpacked(path) as packed, copy.open("w", encoding="utf-8", newline="") as file:
                shutil.copyfileobj(reader(packed), file, CHUNK)
        yield copy


def of_the_machine(error: Exception) -> bool:
    """Whether an error is no fault of the file: a full disk, too many open files, no memory."""
    return isinstance(error, OSError) and error.errno in _OF_THE_MACHINE


@contextmanager
def _clear_faults(path: Path, kind: str) -> Iterator[None]:
    """What libraries say of a damaged file, as one DeliveryError."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError, csv.Error, duckdb.Error) as error:
        if of_the_machine(error):
            raise
        if isinstance(error, UnicodeError) or re.search(r"(?i)unicode|utf-8|utf8", str(error)):
            raise _other_encoding(path, kind) from error
        raise _damaged(path, kind, str(error)) from error


def _other_encoding(path: Path, kind: str) -> DeliveryError:
    with unpacked(path) as file:
        begin = file.read(4)
    utf16 = begin[:2] in {codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE} or b"\0" in begin
    looks = "utf-16" if utf16 else "latin-1"
    return EncodingError(
        f"The file cannot be read as {kind}: it is not in utf-8, and looks like {looks}.",
        where=str(path),
        encoding=looks,
        fix=f'Have it delivered in UTF-8, or declare file_encoding("{looks}") in the source\'s mappings.',
    )


def _damaged(path: Path, kind: str, message: str) -> DeliveryError:
    """The fault of a damaged file. The message of a library may hold values of rows, and is not shown."""
    if re.search(r"(?i)maximum[_ ](line|object)[_ ]size|straddl|block_size|increase block", message):
        return _too_long(path)
    row = re.search(r"CSV parse error: Row #(\d+)", message)  # the header is the first
    line = re.search(r"in line (\d+)", message)
    place = f", row {int(row.group(1)) - 1}" if row else f", line {line.group(1)}" if line else ""
    columns = re.search(r"Expected (\d+) columns, got (\d+)", message)
    reason = f"{columns.group(2)} columns instead of {columns.group(1)}" if columns else message.splitlines()[0][:200]
    return DeliveryError(
        f"The file cannot be read as {kind}: it is damaged, cut off or of another format ({reason}).",
        where=f"{path}{place}",
        fix="Have it delivered again, or remove it from the folder; nothing of it was published.",
    )

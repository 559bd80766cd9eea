"""File formats: reading a delivered Parquet, CSV or JSON file unchanged.

What belongs here: opening files (plain or gzip, in any encoding), their column names, their columns as delivered. Not:
the contract's columns and types (reading.py, casting.py) and which files to read (deliveries.py).
"""

import codecs
import csv
import gzip
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.errors import DeliveryError
from lakehouse.tables.duck import borrow, literal

FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
}
LONGEST_LINE = 64 << 20
"""Bytes of the longest line of a text file that is read."""
_CHUNK = 1 << 20
_DELIMITERS = ",;\t|"


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
    item: str = ""
    """What DuckDB reads texts from."""

    @property
    def texts(self) -> bool:
        """Whether every value comes as a text."""
        return self.kind != "parquet"

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some of the columns, all rows in file order; texts or typed, as delivered."""
        with _clear_faults(self.path, self.kind):
            if not self.texts:
                with pq.ParquetFile(self.path) as file:
                    return file.read(columns=list(names)).select(list(names))
            with borrow(in_order=True) as connection:
                # Columns go by their places: DuckDB does not tell small letters from capital ones in names.
                picked = ", ".join(f"c{self.names.index(name)}" for name in names)
                return connection.sql(f"select {picked} from {self.item}").to_arrow_table().rename_columns(list(names))


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
        yield Delivered(path, kind, names)
        return
    with _clear_faults(path, kind):
        _check_lines(path)
    with _in_utf8(path, kind, encoding) as readable:
        with _clear_faults(path, kind):
            names, item = _csv(readable) if kind == "csv" else _json(readable, path)
        yield Delivered(path, kind, names, item)


def _check_lines(path: Path) -> None:
    """Raises DeliveryError for a line that is too long, and what gzip raises for a file that is damaged.

    DuckDB does not compare the checksum of gzip: changed bytes could become other values. And a line much longer than
    it can hold may go missing without a word.
    """
    if not path.name.lower().endswith(".gz") and path.stat().st_size <= LONGEST_LINE:
        return
    running = 0
    with _unpacked(path) as file:
        while chunk := file.read(_CHUNK):
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
    """The file in UTF-8: itself, or a copy for as long as it is needed."""
    if codecs.lookup(encoding).name == "utf-8":
        yield path
        return
    with TemporaryDirectory(prefix="slipway-delivery-") as folder:
        copy = Path(folder, path.name.lower().removesuffix(".gz"))
        with _clear_faults(path, kind):
            reader = codecs.getreader(encoding)
            with _unpacked(path) as packed, copy.open("w", encoding="utf-8", newline="") as file:
                shutil.copyfileobj(reader(packed), file, _CHUNK)
        yield copy


def _unpacked(path: Path) -> BinaryIO:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _csv(path: Path) -> tuple[Sequence[str], str]:
    """Nothing is guessed but the delimiter: a line that does not fit is an error, never a sign of another dialect."""
    with _unpacked(path) as file:
        line = file.readline(LONGEST_LINE)
    header = line.decode("utf-8-sig")
    delimiter = max(_DELIMITERS, key=header.count)
    found = next(csv.reader([header], delimiter=delimiter), [])
    types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(found)))
    dialect = f"header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"'"
    options = f"{dialect}, max_line_size = {LONGEST_LINE}"
    return found, f"read_csv({literal(str(path))}, auto_detect = false, {options}, columns = {{{types}}})"


def _json(path: Path, shown: Path) -> tuple[Sequence[str], str]:
    objects = f"read_ndjson_objects({literal(str(path))}, maximum_object_size = {LONGEST_LINE})"
    with borrow(in_order=True) as connection:
        kinds = connection.sql(f"select json_type(json) as kind from {objects}").to_arrow_table()
        odd = pc.index(pc.equal(kinds.column("kind"), "OBJECT"), pa.scalar(value=False)).as_py()
        if odd >= 0:
            raise DeliveryError(
                f"The row is a JSON {kinds.column('kind')[odd].as_py().lower()}, not an object.",
                where=f"{shown}, row {odd + 1}",
                nearest='{"column": value}',
                fix="Have it delivered with one JSON object in each line.",
            )
        first = connection.sql(f"select unnest(json_keys(json)) from {objects} limit 1000").fetchall()
        keys = connection.sql(f"select distinct unnest(json_keys(json)) as key from {objects} order by key").fetchall()
    names = list(dict.fromkeys(key for (key,) in [*first, *keys]))
    picked = ", ".join(f"json ->> {literal(_pointer(name))} as c{place}" for place, name in enumerate(names))
    return names, f"(select {picked} from {objects})"


def _pointer(name: str) -> str:
    """The JSON pointer (RFC 6901) to an object's member. A bare name that begins with $ or / would be a path."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


@contextmanager
def _clear_faults(path: Path, kind: str) -> Iterator[None]:
    """What libraries say of a damaged file, as one DeliveryError."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError, duckdb.Error) as error:
        if isinstance(error, UnicodeError) or re.search(r"(?i)unicode|utf-8|utf8", str(error)):
            raise _other_encoding(path, kind) from error
        raise _damaged(path, kind, str(error)) from error


def _other_encoding(path: Path, kind: str) -> DeliveryError:
    with _unpacked(path) as file:
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
    if re.search(r"(?i)maximum[_ ](line|object)[_ ]size", message):
        return _too_long(path)
    line = re.search(r"CSV Error on Line: (\d+)|in line (\d+)", message)
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    reason = f"{columns.group(2)} columns instead of {columns.group(1)}" if columns else message.splitlines()[0][:200]
    return DeliveryError(
        f"The file cannot be read as {kind}: it is damaged, cut off or of another format ({reason}).",
        where=f"{path}, line {line.group(1) or line.group(2)}" if line else str(path),
        fix="Have it delivered again, or remove it from the folder; nothing of it was published.",
    )

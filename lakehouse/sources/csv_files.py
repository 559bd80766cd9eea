"""Delivered CSV files: the names of the header, and the columns as texts.

What belongs here: how a CSV file is read. Not: the other formats (json_files.py, file_formats.py), and
errors of damaged files (file_formats.py).
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from lakehouse.errors import DeliveryError
from lakehouse.sources.text_files import CHUNK, LONGEST_LINE, Reader, unpacked

_BLOCK = 8 << 20
_DELIMITERS = ",;\t|"


def open_csv(path: Path, shown: Path) -> tuple[Sequence[str], Reader]:
    """Nothing is guessed but the delimiter: a line that does not fit is an error, never a sign of another dialect.

    A line ends with CR LF, LF or CR, each line as it does; a quoted name or value may contain any of them. Raises
    DeliveryError for a quoted value that never ends; errors name the path `shown`.
    """
    with unpacked(path) as file:
        first = file.read(CHUNK)
        quotes = first.count(b'"') + sum(chunk.count(b'"') for chunk in iter(lambda: file.read(CHUNK), b""))
    if quotes % 2:
        raise DeliveryError(
            "A quoted value of the file never ends: it has an odd number of quotes.",
            where=str(shown),
            fix='Have it delivered again: a value with a quote is quoted, and the quote doubled ("5"" pipe").',
        )
    begin = first.decode("utf-8-sig", "replace")
    # Quoted names may contain delimiters and line breaks.
    header = re.split(r"[\r\n]", re.sub(r'"(?:[^"]|"")*"', "", begin.lstrip("\r\n")), maxsplit=1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    with unpacked(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        names = next((line for line in csv.reader(text, delimiter=delimiter) if line), [])
    return names, lambda wanted: _read_csv(path, delimiter, names, wanted)


def _read_csv(path: Path, delimiter: str, names: Sequence[str], wanted: Sequence[str]) -> pa.Table:
    """The wanted columns as texts; an empty field is null."""
    places = [f"f{place}" for place in range(len(names))]
    chosen = [places[names.index(name)] for name in wanted]

    def read(block: int, *, threads: bool) -> pa.Table:
        packed = "gzip" if path.name.lower().endswith(".gz") else None
        with path.open("rb") as file, pa.input_stream(file, compression=packed) as stream:
            return pa_csv.read_csv(
                stream,
                # The header comes as a row like any other, by the same rules for quotes and line ends.
                read_options=pa_csv.ReadOptions(autogenerate_column_names=True, block_size=block, use_threads=threads),
                parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(places, pa.string()),
                    include_columns=chosen,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )

    try:
        rows = read(_BLOCK, threads=True)
    except pa.ArrowInvalid:
        # A line may be longer than a block; and only one thread names the row that does not fit.
        rows = read(LONGEST_LINE, threads=False)
    return rows.slice(1).rename_columns(list(wanted))

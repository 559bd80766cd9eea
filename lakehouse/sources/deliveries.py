"""Deliveries: which files lie in a drop folder, what they are (fingerprint) and which days they hold.

What belongs here: finding, inspecting and holding files. Not: landing them. What an inspection found is kept in the
home's work folder by path, size and modification time, so that a file is only read again when it changed. A delivery
that was not published is held: a copy of its file stays in the home until it is, whatever becomes of the drop folder.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.home import Home
from lakehouse.errors import DeliveryError
from lakehouse.sources.reading import FORMATS, check_readable, format_of, read_delivery
from lakehouse.sources.source import Source
from lakehouse.tables.write import storage_guard


@dataclass(frozen=True)
class Delivery:
    """A delivered file: its name below the drop folder, its fingerprint, and its rows by day of the event time.

    `fault` holds the parts of the error of a file whose days cannot be told; then it has none.
    """

    path: Path
    name: str
    fingerprint: str
    days: Mapping[date, int]
    fault: Mapping[str, str | None] | None = None

    @property
    def order(self) -> tuple[date, str]:
        """Deliveries are taken up in the order of their first days, then of their names."""
        return min(self.days, default=date.max), self.name

    def error(self) -> DeliveryError:
        """The fault as an error."""
        known = dict(self.fault or {})
        what = known.pop("what", None) or "The file cannot be read."
        return DeliveryError(what, where=known.get("where"), nearest=known.get("nearest"), fix=known.get("fix"))


def find_files(home: Home, source: Source) -> list[tuple[Path, str]]:
    """The files of known formats at the source's place, with their names, sorted by name.

    Raises DeliveryError when the place does not exist or holds no such file.
    """
    place = home.delivered_at(source.name)
    if place.is_file():
        return [(place, place.name)]
    if not place.exists():
        raise DeliveryError(
            "There is no such file or folder.",
            where=str(place),
            fix=f"Put the files of {source.name} there, or name another place with --source.",
        )
    found = [(path, _name(path.relative_to(place))) for path in sorted(place.rglob("*")) if _is_delivery(path, place)]
    if not found:
        raise DeliveryError(
            "There is no file to land.",
            where=str(place),
            nearest="transactions_2018-04-01.parquet",
            fix=f"Deliver files with an extension of {', '.join(FORMATS)}.",
        )
    return found


def _is_delivery(path: Path, place: Path) -> bool:
    """Whether a file is one to land: Spark's and other programs' temporary files begin with `_` or `.`.

    A symbolic link that leads out of the place is not followed.
    """
    return (
        format_of(path) is not None
        and not any(part.startswith((".", "_")) for part in path.relative_to(place).parts)
        and path.is_file()
        and (not path.is_symlink() or path.resolve().is_relative_to(place.resolve()))
    )


def _name(path: Path) -> str:
    """The path as a text, with escape sequences for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def inspect(home: Home, source: Source) -> list[Delivery]:
    """Every delivery at the source's place and those that are held, in order. A file that cannot be read has a fault.

    Raises DeliveryError when the place does not exist or holds no file, and nothing is held either.
    """
    notes_file = _notes_file(home, source)
    notes = _read_notes(notes_file)
    kept: dict[str, dict] = {}
    deliveries = []
    for path, name, stamp in _stamped(home, source, _files(home, source)):
        note = kept[stamp] = notes.get(stamp) or _look_into(source, path)
        counts = {date.fromisoformat(day): rows for day, rows in note["days"].items()}
        # A mistyped time makes no day: its row comes with the delivery's other days, and goes to quarantine.
        days = {day: counts[day] for day in source.possible(counts)}
        fault = note.get("fault")
        if not days and fault is None:
            fault = DeliveryError(
                f"No row has a {source.event_time} within the contract's bounds.",
                where=str(path),
                nearest=str(min(counts, default="")) or None,
                fix="Have it delivered again with the right times, or correct the bounds in the contract.",
            ).as_dict()
        deliveries.append(Delivery(path, name, note["fingerprint"], days, fault))
    if kept != notes:
        # With the process in its name, two that look at once don't take each other's file away.
        beside = notes_file.with_suffix(f".{os.getpid()}")
        with storage_guard(str(notes_file)):
            beside.write_text(json.dumps(kept))
            beside.replace(notes_file)
    return sorted(deliveries, key=lambda one: one.order)


def new_files(home: Home, source: Source) -> list[str]:
    """The files that no inspection has opened yet, each as its path, size and modification time. Opens none."""
    notes = _read_notes(_notes_file(home, source))
    try:
        files = _files(home, source)
    except DeliveryError:
        return []
    return [stamp for _, _, stamp in _stamped(home, source, files) if stamp not in notes]


def stamps(home: Home, source: Source, deliveries: Iterable[Delivery]) -> list[str]:
    """The same for deliveries that were inspected: path, size and modification time of each file now."""
    return [stamp for _, _, stamp in _stamped(home, source, ((one.path, one.name) for one in deliveries))]


def _stamped(home: Home, source: Source, files: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, str, str]]:
    """Path, name and what tells whether a file changed since it was inspected under the source's definition.

    A path in the home is relative to it, so that a moved or copied home knows its files.
    """
    definition = source.definition()
    for path, name in files:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # removed meanwhile
        shown = path.relative_to(home.root) if path.is_relative_to(home.root) else path
        yield path, name, f"{shown}|{status.st_size}|{status.st_mtime_ns}|{definition}"


def _notes_file(home: Home, source: Source) -> Path:
    return home.work / f"deliveries.{source.name}.json"


def _read_notes(file: Path) -> dict[str, dict]:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return {}


class ChangedFileError(DeliveryError):
    """A delivered file that is not what it was when it was inspected."""


def content_hash(path: Path) -> str:
    """The fingerprint of the file's content as it is now. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def require_unchanged(delivery: Delivery) -> None:
    """Raise ChangedFileError if the file has another content than was inspected: call it after reading the file."""
    try:
        unchanged = content_hash(delivery.path) == delivery.fingerprint
    except OSError:
        unchanged = False
    if not unchanged:
        raise ChangedFileError(
            "The file changed while it was landed.",
            where=str(delivery.path),
            fix="Nothing of it was published. The next run lands what it holds then.",
        )


def hold(home: Home, source: str, delivery: Delivery) -> None:
    """Keep a copy of a delivery that is not published, so that nothing is lost with the drop folder."""
    held = home.held(source) / delivery.fingerprint / delivery.name
    if held.exists() or held == delivery.path:
        return
    with storage_guard(str(held)):
        held.parent.mkdir(parents=True, exist_ok=True)
        beside = held.with_name(f".{os.getpid()}")  # a name may be as long as the file system allows
        shutil.copyfile(delivery.path, beside)
        if content_hash(beside) == delivery.fingerprint:
            beside.replace(held)
        else:  # it changed since: the next run finds it as another delivery
            beside.unlink()


def let_go(home: Home, source: str, fingerprint: str) -> None:
    """Give back the held copy of a delivery that was published, or replaced by a corrected one."""
    shutil.rmtree(home.held(source) / fingerprint, ignore_errors=True)


def _files(home: Home, source: Source) -> list[tuple[Path, str]]:
    """The files at the source's place, and the held ones that are not there any more."""
    held = [
        (path, str(path.relative_to(folder)))
        for folder in sorted(home.held(source.name).glob("*"))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    try:
        delivered = find_files(home, source)
    except DeliveryError:
        if not held:
            raise
        delivered = []
    there = {name for _, name in delivered}
    return [*delivered, *(one for one in held if one[1] not in there)]


def _look_into(source: Source, path: Path) -> dict:
    """The fingerprint and the rows by day; where they cannot be told, the parts of the error."""
    fingerprint = ""
    try:
        check_readable(path)
        fingerprint = content_hash(path)
        times = read_delivery(source, path, [source.event_time]).rows.column(source.event_time)
    except DeliveryError as error:
        # A file that may not be opened has no content to be known by.
        known = fingerprint or hashlib.sha256(str(path).encode()).hexdigest()[:32]
        return {"fingerprint": known, "days": {}, "fault": error.as_dict()}
    counts = pc.value_counts(pc.drop_null(times).cast(pa.date32()))
    days = {entry["values"].isoformat(): entry["counts"] for entry in counts.to_pylist()}
    if days:
        return {"fingerprint": fingerprint, "days": dict(sorted(days.items()))}
    fault = DeliveryError(
        f"No row has a time in {source.event_time!r}.",
        where=str(path),
        fix="Have it delivered again, or remove it from the folder; nothing of it was published.",
    )
    return {"fingerprint": fingerprint, "days": {}, "fault": fault.as_dict()}

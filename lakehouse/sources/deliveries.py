"""Deliveries: which files lie in a drop folder, what they are (fingerprint) and which days they hold.

What belongs here: finding and inspecting files. Not: landing them. What an inspection found is kept in the home's
work folder by path, size and modification time, so that a file is only read again when it changed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import DeliveryError
from lakehouse.home import Home
from lakehouse.sources.reading import FORMATS, check_readable, format_of, read_delivery
from lakehouse.sources.source import Source
from lakehouse.tables.write import storage_guard


@dataclass(frozen=True)
class Delivery:
    """A delivered file: its name below the drop folder, its fingerprint, and its rows by day of the event time."""

    path: Path
    name: str
    fingerprint: str
    days: Mapping[date, int]


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
    found = [
        (path, str(path.relative_to(place)))
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and format_of(path)
        and not any(part.startswith(".") for part in path.relative_to(place).parts)
    ]
    if not found:
        raise DeliveryError(
            "There is no file to land.",
            where=str(place),
            nearest="transactions_2018-04-01.parquet",
            fix=f"Deliver files that end on {', '.join(FORMATS)}.",
        )
    return found


def inspect(home: Home, source: Source, *, skip_broken: bool = False) -> list[Delivery]:
    """Every delivery at the source's place. A file that cannot be read raises DeliveryError, or is left out."""
    notes_file = home.work / f"deliveries.{source.name}.json"
    try:
        notes = json.loads(notes_file.read_text())
    except (OSError, ValueError):
        notes = {}
    try:
        files = find_files(home, source)
    except DeliveryError:
        if skip_broken:
            return []
        raise
    kept: dict[str, dict] = {}
    deliveries = []
    for path, name in files:
        status = path.stat()
        stamp = f"{path}|{status.st_size}|{status.st_mtime_ns}|{source.contract.fingerprint()}"
        try:
            kept[stamp] = notes.get(stamp) or _look_into(source, path)
        except DeliveryError:
            if skip_broken:
                continue
            raise
        note = kept[stamp]
        counts = {date.fromisoformat(day): rows for day, rows in note["days"].items()}
        # A mistyped time makes no day: its row comes with the delivery's other days, and goes to quarantine.
        days = {day: counts[day] for day in source.possible(counts)}
        if not days and not skip_broken:
            raise DeliveryError(
                f"No row has a {source.event_time} within the contract's bounds.",
                where=str(path),
                nearest=str(min(counts, default="")) or None,
                fix="Have it delivered again with the right times, or mend the bounds in the contract.",
            )
        deliveries.append(Delivery(path, name, note["fingerprint"], days))
    if kept != notes:
        # With the process in its name, two that look at once don't take each other's file away.
        beside = notes_file.with_suffix(f".{os.getpid()}")
        with storage_guard(str(notes_file)):
            beside.write_text(json.dumps(kept))
            beside.replace(notes_file)
    return deliveries


def check_no_duplicates(deliveries: list[Delivery]) -> None:
    """Raises DeliveryError when one file was delivered twice under two names."""
    seen: dict[str, Delivery] = {}
    for delivery in deliveries:
        other = seen.setdefault(delivery.fingerprint, delivery)
        if other is not delivery:
            raise DeliveryError(
                f"{delivery.name} has the same content as {other.name}: one delivery came twice.",
                where=str(delivery.path),
                nearest=other.name,
                fix="Remove one of the two; nothing was published.",
            )


def _look_into(source: Source, path: Path) -> dict:
    check_readable(path)
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    times = read_delivery(source, path, [source.event_time]).column(source.event_time)
    counts = pc.value_counts(pc.drop_null(times).cast(pa.date32()))
    days = {entry["values"].isoformat(): entry["counts"] for entry in counts.to_pylist()}
    if not days:
        raise DeliveryError(
            f"No row has a time in {source.event_time!r}.",
            where=str(path),
            fix="Have it delivered again, or remove it from the folder; nothing of it was published.",
        )
    return {"fingerprint": fingerprint, "days": dict(sorted(days.items()))}

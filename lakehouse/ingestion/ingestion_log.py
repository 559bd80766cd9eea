"""The ingestion log: what became of each delivery, in the system table `slipway.deliveries`.

What belongs here: appending to it and reading it. Not: deciding (decisions.py). A delivery is known by its content's
fingerprint and its name; its newest entry holds. Of what is published the table itself is the truth: after a crash the
log can lack an entry, which the next landing adds. An entry with the decision of the one before, with other numbers,
is no new decision: the delivery keeps its place among the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl
import pyarrow as pa

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.duck import literal
from lakehouse.tables.system_table import SystemTable, append, entries

DELIVERIES = SystemTable(
    "slipway.deliveries",
    pa.schema(
        [
            ("at", pa.timestamp("us")),
            ("source", pa.string()),
            ("delivery", pa.string()),
            ("fingerprint", pa.string()),
            ("status", pa.string()),
            ("rows", pa.int64()),
            ("published", pa.int64()),
            ("quarantined", pa.int64()),
            ("definition", pa.string()),
            ("reason", pa.string()),
            ("branch", pa.string()),
            ("run_id", pa.string()),
            ("remedy", pa.string()),
        ]
    ),
    "The status of each delivery: published, rejected, waiting (circuit breaker open), or superseded by another file.",
    {
        "at": "When it was decided (UTC).",
        "delivery": "The file, by its path below the drop folder.",
        "fingerprint": "The hash of its content.",
        "status": "published, rejected, waiting, superseded, copy, retry_requested or dropped.",
        "rows": "Rows that it has; 0 where it could not be read.",
        "published": "Rows of it that are published.",
        "quarantined": "Rows of it that are in quarantine.",
        "definition": "The fingerprint of the contract and the mappings that it was evaluated by.",
        "reason": "Why it was not published, or why a person dropped it.",
        "remedy": "What would fix it.",
        "branch": "The audit branch that holds its rows, where there is one.",
    },
)


class Status(StrEnum):
    """What became of a delivery.

    `COPY`: it has the content of another file, so there was nothing to land. `RETRY_REQUESTED`: a person asked that it
    is evaluated again. `DROPPED`: a person dropped it; its content is never evaluated again, under any name.
    """

    PUBLISHED = "published"
    REJECTED = "rejected"
    WAITING = "waiting"
    SUPERSEDED = "superseded"
    COPY = "copy"
    RETRY_REQUESTED = "retry_requested"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Entry:
    """One entry of the log; `at` is set when it is stored."""

    source: str
    delivery: str
    fingerprint: str
    status: Status
    rows: int
    published: int
    quarantined: int
    definition: str
    reason: str = ""
    branch: str = ""
    run_id: str = ""
    at: datetime | None = None
    remedy: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What the delivery is known by."""
        return self.fingerprint, self.delivery

    @property
    def blocked(self) -> bool:
        """Whether it was not published, or not all of it."""
        return self.status in {Status.REJECTED, Status.WAITING, Status.RETRY_REQUESTED}

    @property
    def elsewhere(self) -> int:
        """Its rows that are in no table."""
        return self.rows - self.published - self.quarantined

    def repeats(self, other: "Entry") -> bool:
        """Whether both are the same decision, each with the numbers of its time."""
        same = self.status is other.status
        return same and (self.status is Status.PUBLISHED or self.definition == other.definition)


def record(lake: Lakehouse, entries_: Iterable[Entry], run_id: str) -> list[Entry]:
    """Append the entries in their order; returns them as they are stored, with time and run."""
    now = clock.stored_now()
    stored = [
        replace(entry, at=now + timedelta(microseconds=place), run_id=run_id) for place, entry in enumerate(entries_)
    ]
    if stored:
        append(lake, DELIVERIES, [asdict(entry) for entry in stored], run_id)
    return stored


def all_lines(lake: Lakehouse, source: str) -> list[Entry]:
    """Every entry of the source's deliveries, oldest first."""
    found = pl.DataFrame(pl.from_arrow(entries(lake, DELIVERIES, f"source = {literal(source)}"))).sort("at")
    return [
        Entry(**{**row, "status": Status(row["status"]), "remedy": row["remedy"] or ""})
        for row in found.iter_rows(named=True)
    ]


def known_deliveries(lake: Lakehouse, source: str) -> dict[tuple[str, str], Entry]:
    """The entry that holds of each delivery of the source, in the order in which they were decided, with that time."""
    return latest_entries(all_lines(lake, source))


def latest_entries(log: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    """Of a log, oldest first, the entry that holds of each delivery, in the order of the decisions, with their time."""
    lines: dict[tuple[str, str], Entry] = {}
    for line in log:
        known = lines.get(line.key)
        if known is not None and line.repeats(known):
            lines[line.key] = replace(line, at=known.at)
            continue
        lines.pop(line.key, None)
        lines[line.key] = line
    return lines


def failures_in_a_row(lines: Mapping[tuple[str, str], Entry], since: datetime | None) -> int:
    """How many of the deliveries decided last were rejected, one after the other, after the time `since`."""
    number = 0
    for line in reversed(list(lines.values())):
        if line.status is Status.PUBLISHED or (since is not None and line.at is not None and line.at <= since):
            break
        number += line.status is Status.REJECTED
    return number

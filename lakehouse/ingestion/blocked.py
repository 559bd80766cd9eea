"""Blocked deliveries: rejected or waiting ones, since when, why, and what would fix them; and discarding them.

What belongs here: whole deliveries that are not published. Not: deciding (decisions.py), and single rows in quarantine
(contracts/quarantine.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import UnknownNameError, nearest_name
from lakehouse.ingestion.ingestion_log import Entry, Status, all_lines, known_deliveries, latest_entries, record
from lakehouse.sources.deliveries import let_go
from lakehouse.sources.source import Source


@dataclass(frozen=True)
class BlockedDelivery:
    """A delivery that is rejected or waiting.

    `since` is when it was blocked first, `evaluated` how many times it was rejected, each time under another contract
    or mapping or because a retry was requested; `run_id` the run that decided it last. `remedy` is what would fix it,
    `branch` the audit branch with its rows; both are empty where there is none.
    """

    source: str
    delivery: str
    waits: bool
    since: datetime | None
    evaluated: int
    rows: int
    reason: str
    remedy: str
    branch: str
    run_id: str

    @property
    def status(self) -> str:
        """Whether it is rejected or waiting, and since when."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        if self.waits:
            return f"waits{since}"
        return f"is rejected{since}" + (f", evaluated {self.evaluated} times" if self.evaluated > 1 else "")

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, for `--json`."""
        return {name: value for name, value in asdict(self).items() if name != "waits"}


def blocked_deliveries(lake: Lakehouse, source: str) -> list[BlockedDelivery]:
    """Load the blocked deliveries of the source, in the order in which they were decided."""
    return blocked_in(all_lines(lake, source))


def blocked_in(log: Sequence[Entry]) -> list[BlockedDelivery]:
    """The blocked deliveries of an ingestion log (oldest first), in the order in which they were decided."""
    known = [entry for entry in latest_entries(log).values() if entry.blocked]
    return [_blocked(entry, [one for one in log if one.key == entry.key]) for entry in known]


def _blocked(line: Entry, lines: list[Entry]) -> BlockedDelivery:
    since, evaluated, run_id = line.at, 0, line.run_id
    before: Entry | None = None
    # It may have been published, or replaced, before.
    ended = max((place for place, one in enumerate(lines) if not one.blocked), default=-1)
    for one in lines[ended + 1 :]:
        # An entry with the same decision only brings numbers up to date.
        decided = before is None or not one.repeats(before)
        if decided and one.status is not Status.RETRY_REQUESTED:
            run_id = one.run_id
            evaluated += one.status is Status.REJECTED
        since = one.at if before is None else since
        before = one
    return BlockedDelivery(
        source=line.source,
        delivery=line.delivery,
        waits=line.status is Status.WAITING,
        since=since,
        evaluated=evaluated,
        rows=line.elsewhere,
        reason=line.reason,
        remedy=line.remedy,
        branch=line.branch,
        run_id=run_id,
    )


def discard(lake: Lakehouse, source: Source, delivery: str, reason: str, run_id: str) -> Sequence[Entry]:
    """Discard the blocked delivery of that name: the reason is recorded, and its held copy is deleted.

    Raises UnknownNameError if no delivery of that name is rejected or waiting.
    """
    blocked = [line for line in known_deliveries(lake, source.name).values() if line.blocked]
    chosen = [line for line in blocked if line.delivery == delivery]
    if not chosen:
        names = [line.delivery for line in blocked]
        raise UnknownNameError(
            f"No delivery named {delivery!r} of {source.name} is rejected or waiting.",
            where="--delivery",
            nearest=nearest_name(delivery, names),
            fix=f"Choose one of: {', '.join(names)}." if names else "None of its deliveries is rejected or waiting.",
        )
    dropped = [replace(line, status=Status.DROPPED, reason=reason, remedy="") for line in chosen]
    record(lake, dropped, run_id)
    for line in dropped:
        let_go(lake.home, source.name, line.fingerprint)
    return dropped

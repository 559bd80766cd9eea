"""Deliveries that were not let through: which, since when, why, and what would mend it; told from the ledger.

What belongs here: what people are told of refused and waiting deliveries, whoever asks. Not: deciding (decisions.py)
and writing it down (bookkeeping.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.ingestion.ingestion_log import Entry, Status, all_lines, latest_entries


@dataclass(frozen=True)
class BlockedDelivery:
    """A delivery that was not let through.

    `since` is when it was held back first, `judged` how many times it was refused, each time under another contract or
    mapping or because somebody asked; `run_id` the run that decided it last. `remedy` is what would mend it, `branch`
    the audit branch with its rows; both are empty where there is none.
    """

    source: str
    delivery: str
    waits: bool
    since: datetime | None
    judged: int
    rows: int
    reason: str
    remedy: str
    branch: str
    run_id: str

    @property
    def says(self) -> str:
        """What became of it, and since when."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        if self.waits:
            return f"waits{since}"
        return f"is refused{since}" + (f", judged {self.judged} times" if self.judged > 1 else "")

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
    since, judged, run_id = line.at, 0, line.run_id
    before: Entry | None = None
    # It may have been published, or replaced, earlier on.
    ended = max((place for place, one in enumerate(lines) if not one.blocked), default=-1)
    for one in lines[ended + 1 :]:
        # A line that says the same once more only brings numbers up to date.
        decided = before is None or not one.repeats(before)
        if decided and one.status is not Status.AGAIN:
            run_id = one.run_id
            judged += one.status is Status.REJECTED
        since = one.at if before is None else since
        before = one
    return BlockedDelivery(
        source=line.source,
        delivery=line.delivery,
        waits=line.status is Status.WAITING,
        since=since,
        judged=judged,
        rows=line.elsewhere,
        reason=line.reason,
        remedy=line.remedy,
        branch=line.branch,
        run_id=run_id,
    )

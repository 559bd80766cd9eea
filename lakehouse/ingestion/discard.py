"""Giving deliveries up: what is refused or waits and will never be good is dropped, with the reason.

What belongs here: whole deliveries. Not: single rows in quarantine (contracts/quarantine.py).
"""

from collections.abc import Sequence
from dataclasses import replace

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import UnknownNameError, nearest_name
from lakehouse.ingestion.ingestion_log import Entry, Status, known_deliveries, record
from lakehouse.sources.deliveries import let_go
from lakehouse.sources.source import Source


def give_up(lake: Lakehouse, source: Source, delivery: str, reason: str, run_id: str) -> Sequence[Entry]:
    """Drop the delivery of that name, refused or waiting: it is written down, and its held copy goes.

    Raises UnknownNameError where none of that name is refused or waits.
    """
    blocked = [line for line in known_deliveries(lake, source.name).values() if line.blocked]
    chosen = [line for line in blocked if line.delivery == delivery]
    if not chosen:
        names = [line.delivery for line in blocked]
        raise UnknownNameError(
            f"No delivery named {delivery!r} of {source.name} is refused or waits.",
            where="--delivery",
            nearest=nearest_name(delivery, names),
            fix=f"Use one of: {', '.join(names)}." if names else "Nothing of it is refused or waits.",
        )
    dropped = [replace(line, status=Status.DROPPED, reason=reason, remedy="") for line in chosen]
    record(lake, dropped, run_id)
    for line in dropped:
        let_go(lake.home, source.name, line.fingerprint)
    return dropped

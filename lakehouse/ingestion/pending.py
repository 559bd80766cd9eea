"""Pending work of a landing: new deliveries, and rows of earlier ones that have to be removed.

What belongs here: comparing what lies in the drop folder with what was published, rejected or waits. Not: loading that
(state.py) and landing (landing.py). A file is known by its fingerprint, day by day: landing it again changes nothing. A
file that comes again under its name with other content takes the place of the old one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.ingestion.ingestion_log import Entry, Status
from lakehouse.ingestion.state import IngestionState, load_state
from lakehouse.sources.circuit_breaker import State
from lakehouse.sources.deliveries import Delivery
from lakehouse.sources.source import Source

Days = tuple[date, ...]
DaysByDelivery = Mapping[str, Days]
"""Days of the rows that are added, replaced or removed, by the fingerprint of their delivery."""


@dataclass(frozen=True)
class Pending:
    """What is to be landed.

    `deliveries` holds new ones with the days to land, in order, `faulty` those whose days cannot be told, `copies`
    those with the content of another file (its name). `superseded` holds the days of rows that are to go, by
    fingerprint, each with the fingerprint that came under its name. `replaced` names blocked deliveries in whose place
    a file lies that is published already.
    """

    deliveries: Mapping[str, tuple[Delivery, Days]]
    superseded: Mapping[str, tuple[str, Days]]
    faulty: Sequence[Delivery] = ()
    copies: Sequence[tuple[Delivery, str]] = ()
    replaced: Sequence[str] = field(default=())

    @property
    def days(self) -> list[date]:
        """All days that landing would write."""
        arriving = [day for _, days in self.deliveries.values() for day in days]
        leaving = [day for _, days in self.superseded.values() for day in days]
        return sorted({*arriving, *leaving})

    @property
    def anything(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self.days or self.faulty or self.copies)

    @property
    def to_land(self) -> bool:
        """Whether landing would do anything, if only in the ingestion log."""
        return self.anything or bool(self.replaced)

    @property
    def content(self) -> list[str]:
        """The fingerprints of all that is new, sorted."""
        odd = [*(one.fingerprint for one in self.faulty), *(f"{one.fingerprint} {one.name}" for one, _ in self.copies)]
        return sorted([*self.deliveries, *odd, *(f"replaced {name}" for name in self.replaced)])

    def changes(self, accepted: DaysByDelivery) -> DaysByDelivery:
        """The days whose rows change if the `accepted` deliveries are published and the others are not.

        What a delivery would replace that is not accepted stays.
        """
        others = {*self.deliveries, *(one.fingerprint for one in self.faulty)} - set(accepted)
        leaving = {name: days for name, (by, days) in self.superseded.items() if by not in others}
        return {**leaving, **accepted}

    def replaces(self, fingerprint: str, day: date | None) -> bool:
        """Whether the rows that the delivery has of this day would go or come again."""
        _, landing = self.deliveries.get(fingerprint, (None, ()))
        _, leaving = self.superseded.get(fingerprint, (None, ()))
        return day in (landing or leaving)


def find_pending(lake: Lakehouse, source: Source, asked: Sequence[date] | None = None) -> Pending:
    """Load the source's state and find what was delivered and not decided yet, on the `asked` days (None: on any).

    Raises DeliveryError if the drop folder does not exist or is empty.
    """
    return pending_of(load_state(lake, source), asked)


def pending_of(state: IngestionState, asked: Sequence[date] | None = None) -> Pending:
    """What has been delivered and not been decided yet, on the `asked` days (None: on any).

    What was rejected is pending again when the contract, the mappings or the file are others, or a retry was requested.
    """
    # Under a changed contract every delivery that is still there is evaluated again, whatever days were asked for.
    current = state.table is None or state.table.definition == state.definition
    wanted = None if asked is None or not current else set(asked)
    pending: dict[str, tuple[Delivery, Days]] = {}
    faulty, copies = [], []
    dropped = {entry.fingerprint for entry in state.entries.values() if entry.status is Status.DROPPED}
    originals = _originals(state)
    for delivery in state.files:
        if delivery.fingerprint in dropped or _settled(state, delivery):
            continue
        original = originals[delivery.fingerprint]
        if original is not delivery:
            copies.append((delivery, original.name))
        elif delivery.fault is not None:
            faulty.append(delivery)
        elif days := _days_to_land(state, delivery, wanted, current=current):
            pending[delivery.fingerprint] = (delivery, days)
    landed = state.rows.landed
    replaced = [one.delivery for one in state.entries.values() if is_replaced(one, state.present, landed)]
    return Pending(pending, _superseded(state, set(pending), wanted), tuple(faulty), tuple(copies), tuple(replaced))


def is_replaced(entry: Entry, present: Mapping[str, str], landed: Collection[str]) -> bool:
    """Whether the delivery was blocked, and a file whose content was landed lies in its place.

    `present` are the fingerprints of the files in the drop folder, by name.
    """
    here = present.get(entry.delivery, entry.fingerprint)
    return entry.blocked and here != entry.fingerprint and here in landed and entry.fingerprint not in landed


def _days_to_land(state: IngestionState, delivery: Delivery, wanted: Collection[date] | None, *, current: bool) -> Days:
    landed = state.rows.landed.get(delivery.fingerprint)
    known = landed.days if landed else {}
    # All rows of a day or none count as landed: a run that was killed may have left only those in quarantine.
    return tuple(
        day
        for day, rows in delivery.days.items()
        if (known.get(day) != rows or not current) and (wanted is None or day in wanted)
    )


def _originals(state: IngestionState) -> dict[str, Delivery]:
    """Of files with one content, the one that was landed under its name, else the first."""
    originals: dict[str, Delivery] = {}
    for delivery in state.files:
        first = originals.setdefault(delivery.fingerprint, delivery)
        landed = state.rows.landed.get(delivery.fingerprint)
        if first is not delivery and landed is not None and landed.file == delivery.name:
            originals[delivery.fingerprint] = delivery
    return originals


def _settled(state: IngestionState, delivery: Delivery) -> bool:
    """Whether the delivery was decided under the present definition, and the decision still holds."""
    entry = state.entries.get((delivery.fingerprint, delivery.name))
    if entry is None or entry.definition != state.definition:
        return False
    waits = entry.status is Status.WAITING and state.breaker.state is State.OPEN
    return waits or entry.status in {Status.REJECTED, Status.COPY}


def _superseded(
    state: IngestionState, arriving: set[str], wanted: Collection[date] | None
) -> dict[str, tuple[str, Days]]:
    """Landed rows in whose file's place another one came, which is landed too or about to be."""
    # A file that was only renamed is still there, whatever came under its old name.
    there = set(state.present.values())
    landed = state.rows.landed
    return {
        fingerprint: (
            state.present[rows.file],
            tuple(day for day in rows.days if day is not None and (wanted is None or day in wanted)),
        )
        for fingerprint, rows in landed.items()
        if fingerprint not in there and state.present.get(rows.file) in {*arriving, *landed}
    }

"""The circuit breaker of a source: after too many rejected deliveries in a row it blocks all until one passes.

What belongs here: the declaration, the states and their log `slipway.breakers`. Not: evaluating deliveries and landing
them (landing.py). Closed: deliveries pass. Open: they wait on audit branches, in order. Half-open: the next one is
tried alone; it closes the breaker or opens it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl
import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeclarationError, HomeError, PublishConflictError
from lakehouse.features.duration import microseconds
from lakehouse.tables.duck import literal
from lakehouse.tables.provenance import built_from
from lakehouse.tables.system_table import SystemTable, append, entries, state

BREAKERS = SystemTable(
    "slipway.breakers",
    pa.schema(
        [
            ("at", pa.timestamp("us")),
            ("source", pa.string()),
            ("state", pa.string()),
            ("before", pa.string()),
            ("reason", pa.string()),
            ("delivery", pa.string()),
            ("definition", pa.string()),
            ("by", pa.string()),
            ("run_id", pa.string()),
        ]
    ),
    "Every transition of every source's circuit breaker.",
    {
        "state": "closed, open or half_open: the new state.",
        "before": "What it was.",
        "delivery": "The delivery that decided it; empty where a person did.",
        "definition": "The fingerprint of the contract and mappings then.",
        "by": "landing, or person.",
    },
)


class State(StrEnum):
    """The three states of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Breaker:
    """When a source's circuit breaker opens (rejected deliveries in a row), and after which time it accepts a trial."""

    failures: int = 3
    cool_down: str = "1h"

    def __post_init__(self) -> None:
        """Raises DeclarationError for numbers that make no sense."""
        if not isinstance(self.failures, int) or isinstance(self.failures, bool) or self.failures < 1:
            raise DeclarationError(
                f"A circuit breaker opens after 1 or more rejected deliveries, not {self.failures!r}.",
                where="Breaker.failures",
                nearest="3",
                fix="Give a whole number.",
            )
        microseconds(self.cool_down, where="Breaker.cool_down")

    @property
    def rest(self) -> timedelta:
        """How long it stays open."""
        return timedelta(microseconds=microseconds(self.cool_down, where="Breaker.cool_down"))


@dataclass(frozen=True)
class Standing:
    """A breaker's state: since when (None: it never opened), why, by which delivery."""

    source: str
    state: State
    since: datetime | None = None
    reason: str = ""
    delivery: str = ""
    definition: str = ""

    @property
    def passes(self) -> bool:
        """Whether deliveries go on."""
        return self.state is State.CLOSED

    @property
    def message(self) -> str:
        """The state in words."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"The breaker of {self.source} is {self.state.replace('_', '-')}{since}. {self.reason}".strip()


@dataclass(frozen=True)
class Transition:
    """A change of state, and why."""

    source: str
    before: State
    state: State
    reason: str
    delivery: str = ""
    definition: str = ""
    by: str = "landing"


def breaker_status(
    lake: Lakehouse, source: str, declared: Breaker, definition: str, now: datetime | None = None
) -> Standing:
    """The breaker's state at the time `now` (UTC, default: the clock's).

    An open breaker becomes half-open when its cool-down is over, or when contract or mappings are others than when it
    opened. Raises HomeError for a log with an unknown state.
    """
    where = f"source = {literal(source)}"
    lines = pl.DataFrame(pl.from_arrow(entries(lake, BREAKERS, where))).sort("at")
    if lines.is_empty():
        return Standing(source, State.CLOSED)
    last = lines.row(-1, named=True)
    if last["state"] not in set(State) or last["at"] is None:
        raise HomeError(
            f"The breaker's state cannot be read: {last['state']!r}.",
            where=f"{BREAKERS.name}, source {source}",
            nearest=", ".join(State),
            fix=f"Inspect the source, then run `slipway circuit-breaker {source} --close --reason '...'` or --open.",
        )
    found = Standing(source, State(last["state"]), last["at"], last["reason"], last["delivery"], last["definition"])
    moment = (now or clock.now()).replace(tzinfo=None)
    by_hand = last["by"] == "person"
    rested = found.since is not None and moment - found.since >= declared.rest
    if found.state is State.OPEN and not by_hand and (rested or found.definition != definition):
        return replace(found, state=State.HALF_OPEN)
    return found


def transit(lake: Lakehouse, steps: Sequence[Transition], run_id: str, after: int | None) -> None:
    """Append the transitions. Raises PublishConflictError when another process appended after snapshot `after`."""
    now = clock.stored_now()
    rows = [
        {**vars(step), "state": str(step.state), "before": str(step.before), "run_id": run_id}
        | {"at": now + timedelta(microseconds=place)}
        for place, step in enumerate(steps)
    ]
    try:
        append(lake, BREAKERS, rows, run_id, after)
    except CommitFailedException as error:
        raise PublishConflictError(
            "Another process changed a circuit breaker in the meantime.",
            where=BREAKERS.name,
            fix="Nothing was changed. Run it again.",
        ) from error


def state_table(lake: Lakehouse) -> int:
    """The log's current snapshot, by which `transit` sees whether another writer appended since it was read."""
    return state(lake, BREAKERS)


def set_by_hand(lake: Lakehouse, source: str, state: State, reason: str, definition: str, run_id: str) -> Transition:
    """Open or close the breaker because a person says so; what was written before need not be readable."""
    lines = pl.DataFrame(pl.from_arrow(entries(lake, BREAKERS, f"source = {literal(source)}"))).sort("at")
    recorded = lines.row(-1, named=True)["state"] if len(lines) else State.CLOSED
    before = State(recorded) if recorded in set(State) else State.OPEN
    step = Transition(source, before, state, reason, definition=definition, by="person")
    transit(lake, [step], run_id, None)
    return step


def blocked(lake: Lakehouse, tables: Iterable[str]) -> str:
    """Why and since when the tables are stale because a source's circuit breaker is open; else an empty text."""
    lines = pl.DataFrame(pl.from_arrow(entries(lake, BREAKERS))).sort("at")
    last = lines.group_by("source", maintain_order=True).last().filter(pl.col("state") != str(State.CLOSED))
    if last.is_empty():
        return ""
    behind = built_from(lake, tables)
    return " ".join(
        f"Deliveries of {row['source']} are blocked since {_moment(row['at'])}: {row['reason']}"
        for row in last.iter_rows(named=True)
        if row["source"] in behind
    )


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "nobody knows when"


def history(lake: Lakehouse, source: str) -> pl.DataFrame:
    """Every transition of the source's breaker, oldest first."""
    return pl.DataFrame(pl.from_arrow(entries(lake, BREAKERS, f"source = {literal(source)}"))).sort("at")

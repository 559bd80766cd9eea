"""The declaration of a source.

What belongs here: the frozen declaration and the landed table's shape. Not: finding, reading or landing files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from lakehouse.contracts.contract import Contract, check_as_declared
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.sources.circuit_breaker import Breaker
from lakehouse.sources.mapping_types import ColumnMapping
from lakehouse.sources.mappings import check_mappings, fingerprint
from lakehouse.tables.shape import TableShape

METADATA = pa.schema(
    [
        pa.field("_file", pa.string()),
        pa.field("_row", pa.int64()),
        pa.field("_fingerprint", pa.string()),
        pa.field("_arrived_at", pa.timestamp("us")),
    ]
)
_METADATA_DOCS = {
    "_file": "The delivered file, by its path below the drop folder.",
    "_row": "The row's number in the file, from 1.",
    "_fingerprint": "SHA-256 of the file's bytes (first 32 digits).",
    "_arrived_at": "When Slipway first read the row (UTC).",
}


@dataclass(frozen=True)
class Source:
    """Files of one kind that somebody delivers.

    `time_zone` is the zone of times that come without one: only "UTC" can be declared; None refuses such times.
    `breaker` says when its circuit breaker opens. `mappings` say how deliveries of another format are read
    (mappings.py).
    """

    name: str
    event_time: str
    contract: Contract
    description: str
    owner: str
    time_zone: str | None = None
    breaker: Breaker = Breaker()  # noqa: RUF009  # it is frozen
    mappings: tuple[ColumnMapping, ...] = ()

    def __post_init__(self) -> None:
        """Raises DeclarationError when the contract or the event time do not belong to the source."""
        where = f"source {self.name}"
        if self.name.count(".") != 1:
            raise DeclarationError(
                f"{self.name!r} is not a table name.", where=where, nearest=f"domain.{self.name.replace('.', '_')}"
            )
        if self.contract.table != self.name:
            raise DeclarationError(
                f"The contract is for {self.contract.table}.", where=f"{where}, contract", nearest=self.name
            )
        check_as_declared(self.contract)
        columns = {column.name: column for column in self.contract.columns}
        if self.event_time not in columns:
            raise DeclarationError(
                f"The contract has no column {self.event_time!r}.",
                where=f"{where}, event_time",
                nearest=nearest_name(self.event_time, columns),
            )
        if columns[self.event_time].type != "timestamp" or columns[self.event_time].nullable:
            raise DeclarationError(
                "The event time must be a timestamp and given in each row.",
                where=f"{where}, event_time",
                fix=f"Declare {self.event_time!r} as a timestamp that is not nullable.",
            )
        for check in (f"{self.event_time}_not_null", f"{self.event_time}_in_range"):
            if check in self.contract.row_rules() and self.contract.action(check) == "warn":
                raise DeclarationError(
                    f"Rows that break {check} have no day, so they cannot be published.",
                    where=f"{where}, contract, then[{check!r}]",
                    nearest="quarantine",
                )
        if self.time_zone not in {None, "UTC"}:
            raise DeclarationError(
                f"Times are stored in UTC; {self.time_zone!r} cannot be declared.",
                where=f"{where}, time_zone",
                nearest="UTC",
                fix="Deliver times with their offset, or in UTC.",
            )
        object.__setattr__(self, "mappings", tuple(self.mappings))
        check_mappings(self.mappings, self.contract, f"{where}, mappings")

    def definition(self) -> str:
        """A short hash of what decides what a delivery becomes: the contract, and the mappings if there are any."""
        if not self.mappings:
            return self.contract.fingerprint()
        return f"{self.contract.fingerprint()}-{fingerprint(self.mappings)}"

    def possible(self, days: Iterable[date]) -> list[date]:
        """Those of the days that lie inside the contract's bounds of the event time, sorted."""
        column = next(one for one in self.contract.columns if one.name == self.event_time)
        first = column.at_least.date() if isinstance(column.at_least, datetime) else date.min
        last = column.at_most.date() if isinstance(column.at_most, datetime) else date.max
        return [day for day in sorted(days) if first <= day <= last]

    @property
    def shape(self) -> TableShape:
        """The landed table: the delivered columns and where each row came from."""
        docs = {column.name: column.description for column in self.contract.columns}
        return TableShape(
            self.name,
            pa.schema([*self.contract.schema, *METADATA]),
            self.event_time,
            self.description,
            {**docs, **_METADATA_DOCS},
            self.owner,
        )

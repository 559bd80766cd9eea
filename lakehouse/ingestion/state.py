"""Ingestion state: everything that a landing depends on, loaded once.

What belongs here: the drop folder, the ingestion log, the circuit breaker and the tables as they are at one time. Not:
what follows from them (pending.py and those after it). Nothing of it changes: what a landing does shows in the next
state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.ingestion.ingestion_log import Entry, all_lines, latest_entries
from lakehouse.ingestion.row_counts import RowCounts, load_row_counts
from lakehouse.sources.circuit_breaker import Standing, breaker_status
from lakehouse.sources.deliveries import Delivery, inspect
from lakehouse.sources.source import Source
from lakehouse.tables.provenance import SnapshotProvenance, last_published


@dataclass(frozen=True)
class IngestionState:
    """The state of a source.

    `definition` is the fingerprint of its contract and mappings now, `table` what its table's published snapshot says
    (None: nothing was published), `files` what lies in the drop folder, `log` all entries, oldest first.
    """

    source: Source
    definition: str
    table: SnapshotProvenance | None
    breaker: Standing
    log: tuple[Entry, ...]
    rows: RowCounts
    files: tuple[Delivery, ...]

    @cached_property
    def entries(self) -> Mapping[tuple[str, str], Entry]:
        """The entry that holds of each delivery, by fingerprint and name, in the order of the decisions."""
        return latest_entries(self.log)

    @cached_property
    def present(self) -> Mapping[str, str]:
        """The fingerprints of the files in the drop folder, by name."""
        return {delivery.name: delivery.fingerprint for delivery in self.files}


def load_state(lake: Lakehouse, source: Source) -> IngestionState:
    """Load the state of a source.

    Raises DeliveryError if the drop folder does not exist or is empty.
    """
    files = tuple(inspect(lake.home, source))
    definition = source.definition()
    return IngestionState(
        source=source,
        definition=definition,
        table=last_published(lake, source.name),
        breaker=breaker_status(lake, source.name, source.breaker, definition),
        log=tuple(all_lines(lake, source.name)),
        rows=load_row_counts(lake, source),
        files=files,
    )

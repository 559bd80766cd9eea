"""Reconciliation of a source: every row that was ever delivered is accounted for.

What belongs here: counting. Not: deciding (decisions.py). Delivered = published + in quarantine (waiting or dropped) +
in rejected deliveries + in deliveries that wait. A discarded delivery counts as dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import DROPPED, quarantine_shape, quarantined
from lakehouse.ingestion.ingestion_log import Status, known_deliveries
from lakehouse.ingestion.row_counts import load_row_counts
from lakehouse.sources.source import Source


@dataclass(frozen=True)
class Reconciliation:
    """Rows by where they are. `rejected` and `waiting` name deliveries (rejected: with the reason), in order.

    `missing` names deliveries whose rows, as the ingestion log has them, are not all found in the tables.
    """

    delivered: int
    published: int
    quarantined: int
    dropped: int
    rejected_rows: int
    waiting_rows: int
    rejected: Mapping[str, str]
    waiting: Sequence[str]
    missing: Sequence[str]

    @property
    def balanced(self) -> bool:
        """Whether every delivered row is somewhere, once."""
        found = self.published + self.quarantined + self.dropped + self.rejected_rows + self.waiting_rows
        return not self.missing and found == self.delivered

    @property
    def message(self) -> str:
        """The reconciliation in a sentence."""
        return (
            f"{self.delivered:,} rows delivered = {self.published:,} published + {self.quarantined:,} in quarantine + "
            f"{self.dropped:,} dropped + {self.rejected_rows:,} in rejected deliveries + {self.waiting_rows:,} waiting."
        )


def reconciliation_of(lake: Lakehouse, source: Source) -> Reconciliation:
    """Count the source's rows: what the ingestion log says was delivered, and what the tables hold."""
    lines = list(known_deliveries(lake, source.name).values())
    counts = load_row_counts(lake, source)
    shape = quarantine_shape(source.shape)
    rows = quarantined(lake, shape)
    dropped = len(rows) - rows.column(DROPPED).null_count
    landed = [line for line in lines if line.status is Status.PUBLISHED]
    rejected = [line for line in lines if line.status in {Status.REJECTED, Status.RETRY_REQUESTED}]
    waiting = [line for line in lines if line.status is Status.WAITING]
    discarded = [line for line in lines if line.status is Status.DROPPED]
    return Reconciliation(
        delivered=sum(line.rows for line in [*landed, *rejected, *waiting, *discarded]),
        published=sum(one.total for one in counts.published.values()),
        quarantined=sum(one.total for one in counts.quarantined.values()) - dropped,
        dropped=dropped + sum(line.elsewhere for line in discarded),
        rejected_rows=sum(line.elsewhere for line in rejected),
        waiting_rows=sum(line.elsewhere for line in waiting),
        rejected={line.delivery: line.reason for line in rejected},
        waiting=[line.delivery for line in waiting],
        missing=[
            line.delivery
            for line in [*landed, *rejected, *waiting, *discarded]
            if line.rows - line.elsewhere != counts.total(line.fingerprint)
        ],
    )

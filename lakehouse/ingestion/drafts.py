"""What landing writes to audit branches: the rows of the landed days, and deliveries that are held back.

What belongs here: from arrivals to drafts, on either engine. Not: deciding, quarantine and publishing (landing.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.choice import engine_of
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.ingestion.retained_rows import with_retained_rows
from lakehouse.sources.source import Source
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.read import attach, plan
from lakehouse.tables.rows import Rows
from lakehouse.tables.write import Draft, write_draft

Landing = Mapping[str, Sequence[date]]
"""The days whose rows go or are replaced, by fingerprint."""


@dataclass(frozen=True)
class Drafts:
    """Drafts of a source's table that begin at the snapshot `base`.

    `reshaped`: the contract has other columns than the table, so a draft holds all of its rows, in a table of its own.
    """

    lake: Lakehouse
    source: Source
    provenance: Provenance
    base: int
    reshaped: bool

    def rows(self, accepted: Sequence[DeliveryEvaluation], landing: Landing, days: Sequence[date]) -> Rows:
        """The rows of the landed days: what stays of the snapshot that was looked at, and the good ones that came."""
        where = None if self.reshaped else days_filter(self.source.event_time, days)
        engine, leaving = engine_of(self.lake), places(landing)
        return engine.source_rows(self.lake, self.source, accepted, base=self.base, where=where, leaving=leaving)

    def count(self, draft: Draft, accepted: Sequence[DeliveryEvaluation], days: Sequence[date]) -> int:
        """The accepted rows on the draft: read from it, as a reader would after publishing."""
        where = days_filter(self.source.event_time, days)
        with borrow() as connection:
            attach(connection, plan(self.lake, draft.name, at=draft.branch, where=where), "draft")
            connection.register("chosen", places({one.delivery.fingerprint: one.days for one in accepted}))
            found = connection.execute(
                f"select count(*) from draft semi join chosen on draft._fingerprint = chosen._fingerprint "
                f"and {quoted(self.source.event_time)}::date = chosen.day"
            ).fetchone()
        return int(found[0]) if found else 0

    def inspectable(self, evaluation: DeliveryEvaluation) -> str:
        """The audit branch on which a delivery that is not published can be looked at.

        There is none where it has no rows, and for rows in columns that the table does not have yet.
        """
        if not evaluation.rows or self.reshaped:
            return ""
        where = days_filter(self.source.event_time, evaluation.days)
        arriving = pa.concat_tables([evaluation.good, evaluation.broken.select(evaluation.good.schema.names)])
        leaving = places({evaluation.delivery.fingerprint: evaluation.days})
        rows = with_retained_rows(self.lake, self.source, arriving, self.base, where, leaving)
        return write_draft(self.lake, self.source.shape, rows, self.provenance, where, self.base).branch


def places(landing: Landing) -> pa.Table:
    """One row for each delivery's fingerprint and day."""
    pairs = [(fingerprint, day) for fingerprint, days in landing.items() for day in days]
    return pa.table(
        {
            "_fingerprint": pa.array([fingerprint for fingerprint, _ in pairs], pa.string()),
            "day": pa.array([day for _, day in pairs], pa.date32()),
        }
    )

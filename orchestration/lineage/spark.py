"""Events of Spark's own OpenLineage listener, collected and attached to the steps that ran the queries.

What belongs here: noting when steps start and end, when to collect events, and the parent facets of steps. Not: the
files (lakehouse/lineage/spark/files.py), and switching the listener on (lakehouse/spark/listener.py).
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.spark.listener import listened
from orchestration.lineage.events import FOLLOWED, RUN_ENDS, RunLog
from orchestration.lineage.metadata import run_of

if TYPE_CHECKING:
    from openlineage.client.facet_v2 import parent_run

    from lakehouse.lineage.emit.conversion import Conversion
    from lakehouse.lineage.emit.outbox import Outbox
    from lakehouse.lineage.spark.files import SparkFiles

STEP_ENDS = frozenset({dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE})
STEPS = STEP_ENDS | {dg.DagsterEventType.STEP_START}
OF_SPARK = 1.0
"""Seconds to wait for Spark's events about the end of a step's queries, at most. No step waits for them."""
_log = logging.getLogger("slipway.lineage")


def note(lake: Lakehouse, entry: dg.EventLogEntry) -> None:
    """Note a step that starts or ends in this process, if Spark's listener is on."""
    if not lake.settings.spark_listener:
        return
    from lakehouse.lineage.spark.files import note_step

    event = entry.dagster_event
    begins = event is not None and event.event_type is dg.DagsterEventType.STEP_START
    note_step(lake.home.lineage, entry.timestamp, *((entry.run_id, entry.step_key or "") if begins else ()))


@dataclass
class SparkEvents:
    """Events of Spark's listeners in one home. Errors are logged, not raised: lineage of tables does not need them."""

    outbox: "Outbox"
    conversion: "Conversion"
    _files: "SparkFiles | None" = field(default=None, repr=False)

    def collect(self, kind: dg.DagsterEventType | None, instance: dg.DagsterInstance) -> int:
        """Collect events when a step or a run ends, or a run starts; return the number of new events."""
        taken = 0
        if kind in RUN_ENDS or kind in STEP_ENDS:
            taken += self._own(instance)
        if kind in RUN_ENDS or kind is dg.DagsterEventType.RUN_START:
            taken += self.collect_left(instance)
        return taken

    def collect_left(self, instance: dg.DagsterInstance) -> int:
        """Collect events that ended processes left behind; return the number of new events."""
        try:
            if not listened(self.conversion.lake.home.lineage).is_dir():
                return 0  # as in most homes, which then load nothing for it
            return self._of(instance).take_left()
        except Exception as error:  # noqa: BLE001  # the files stay for the next attempt
            return self._not_taken(error)

    def _own(self, instance: dg.DagsterInstance) -> int:
        if not self.conversion.lake.settings.spark_listener:
            return 0
        try:
            return self._of(instance).take(OF_SPARK)
        except Exception as error:  # noqa: BLE001  # the files stay for the next attempt
            return self._not_taken(error)

    def _of(self, instance: dg.DagsterInstance) -> "SparkFiles":
        if self._files is None:
            self._files = _files(instance, self.outbox, self.conversion)
        return self._files

    def _not_taken(self, error: Exception) -> int:
        _log.debug("Spark's listener", exc_info=error)
        _log.warning(
            "Events of Spark's listener could not be processed (%s). `slipway lineage reconcile` tries again.",
            type(error).__name__,
        )
        return 0


def _files(instance: dg.DagsterInstance, outbox: "Outbox", conversion: "Conversion") -> "SparkFiles":
    from lakehouse.lineage.spark.files import SparkFiles

    def under(run_id: str, step: str) -> "parent_run.ParentRunFacet | None":
        run = instance.get_run_by_id(run_id)
        if run is None:
            return None
        log = RunLog(run_of(run))
        for entry in instance.event_log_storage.get_logs_for_run(run_id, of_type=set(FOLLOWED)):
            log.follow(entry)
        one = log.step(step)
        # As for every run below a step: if the step makes one asset, the parent is the run of that asset.
        return conversion.builder.parent_of_step(log.run, one, one.tables[0] if one.own else "")

    return SparkFiles(conversion.lake, outbox, conversion.builder.masking, under)

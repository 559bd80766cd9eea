"""Taking up what Spark's own listener told, under the steps that its queries were for.

What belongs here: noting steps as they begin and end, when to take up, and the facets of steps by Dagster's log. Not:
the files (lakehouse/lineage/spark/files.py), and switching the listener on (lakehouse/spark/listener.py).
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.spark.listener import listened
from orchestration.lineage.events import READ, RUN_ENDS, RunLog
from orchestration.lineage.metadata import run_of

if TYPE_CHECKING:
    from openlineage.client.facet_v2 import parent_run

    from lakehouse.lineage.emit.conversion import Conversion
    from lakehouse.lineage.emit.outbox import Outbox
    from lakehouse.lineage.spark.files import SparkFiles

STEP_ENDS = frozenset({dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE})
STEPS = STEP_ENDS | {dg.DagsterEventType.STEP_START}
OF_SPARK = 1.0
"""Seconds that are waited for Spark to tell how a step's queries ended, at most. No step waits for it."""
_log = logging.getLogger("slipway.lineage")


def note(lake: Lakehouse, entry: dg.EventLogEntry) -> None:
    """Note a step that begins or ends in this process, where a listener is to tell of it."""
    if not lake.settings.spark_listener:
        return
    from lakehouse.lineage.spark.files import note_step

    event = entry.dagster_event
    begins = event is not None and event.event_type is dg.DagsterEventType.STEP_START
    note_step(lake.home.lineage, entry.timestamp, *((entry.run_id, entry.step_key or "") if begins else ()))


@dataclass
class Queries:
    """What Spark's listeners tell in one home. Nothing that goes wrong with it is raised: Python tells of tables."""

    outbox: "Outbox"
    conversion: "Conversion"
    _files: "SparkFiles | None" = field(default=None, repr=False)

    def heard(self, kind: dg.DagsterEventType | None, instance: dg.DagsterInstance) -> int:
        """Take up what there is, when a step or a run ends, or a run begins; how many events were new."""
        taken = 0
        if kind in RUN_ENDS or kind in STEP_ENDS:
            taken += self._own(instance)
        if kind in RUN_ENDS or kind is dg.DagsterEventType.RUN_START:
            taken += self.left(instance)
        return taken

    def left(self, instance: dg.DagsterInstance) -> int:
        """Take up what processes that are gone have left; how many events were new."""
        try:
            if not listened(self.conversion.lake.home.lineage).is_dir():
                return 0  # as in most homes, which then need nothing of what takes it up
            return self._of(instance).take_left()
        except Exception as error:  # noqa: BLE001  # it stays where it is
            return self._not_taken(error)

    def _own(self, instance: dg.DagsterInstance) -> int:
        if not self.conversion.lake.settings.spark_listener:
            return 0
        try:
            return self._of(instance).take(OF_SPARK)
        except Exception as error:  # noqa: BLE001  # it stays where it is
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
        for entry in instance.event_log_storage.get_logs_for_run(run_id, of_type=set(READ)):
            log.note(entry)
        one = log.step(step)
        # As every run below a step: where the step is the making of one asset, that is what it runs for.
        return conversion.teller.parent_of_step(log.run, one, one.tables[0] if one.own else "")

    return SparkFiles(conversion.lake, outbox, conversion.teller.masking, under)

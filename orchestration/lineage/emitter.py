"""Conversion of Dagster's events to lineage events, into the outbox and on to the receivers.

What belongs here: what the listener's thread does with one entry. Not: the thread and its queue (listener.py), what
entries mean (events.py), and the lineage events (lakehouse/lineage).
"""

from contextlib import suppress
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from orchestration.lineage.claims import release
from orchestration.lineage.events import FOLLOWED, RUN_ENDS, RunLog
from orchestration.lineage.metadata import CODE_TAG, run_of
from orchestration.lineage.spark import SparkEvents

if TYPE_CHECKING:
    from dagster._core.storage.event_log import EventLogStorage

    from lakehouse.lineage.emit.outbox import Event

_KEPT_LOGS = 64
_RECONCILED = 20
"""Earlier runs that are reconciled when a run starts; `slipway lineage reconcile` reconciles all."""
_CUT_OFF = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)


class Emitter:
    """The outbox, its delivery threads and the logs of current runs. Used only by the listener's thread."""

    def __init__(self, lake: Lakehouse) -> None:
        from lakehouse.lineage.emit.outbox import Outbox
        from lakehouse.lineage.emit.relay import DeliveryThread, Relay
        from lakehouse.lineage.emit.transports import receivers_of
        from orchestration.lineage.declared import conversion_of

        self.lake = lake
        self.outbox = Outbox(lake.home.lineage / "outbox.db")
        self.relay = Relay([DeliveryThread(self.outbox, one) for one in receivers_of(lake)])
        self.conversion = conversion_of(lake)
        self.spark_events = SparkEvents(self.outbox, self.conversion)
        self._logs: dict[str, RunLog] = {}

    def emit(self, entry: dg.EventLogEntry, storage: "EventLogStorage") -> None:
        """Convert an entry, add its events to the outbox, and wake the delivery threads."""
        kind = entry.dagster_event.event_type if entry.dagster_event else None
        log = self._logs.get(entry.run_id)
        step = (entry.dagster_event.step_key or "") if entry.dagster_event else ""
        crashed = kind is dg.DagsterEventType.STEP_FAILURE and log is not None and step not in log.open_steps
        missed: list[Event] = []
        if log is None or kind in _CUT_OFF or crashed:
            log, before = self._begin(entry, storage)
            for one in before:
                if kind in _CUT_OFF or crashed:
                    # Steps of other processes may be open, too, and a killed one may not have emitted its events.
                    missed += log.convert(one, self.conversion)
                else:
                    log.follow(one)
        try:
            events = [*missed, *log.convert(entry, self.conversion)]
        except Exception:
            log.follow(entry)  # so that later entries can still be converted
            raise
        new = self.outbox.add(entry.run_id, events)
        if kind is dg.DagsterEventType.RUN_START:
            self._reconcile_others(entry.run_id, storage)
        if new + self.spark_events.collect(kind, storage._instance):  # noqa: SLF001  # as in _begin
            self.relay.wake()
        if kind in RUN_ENDS:
            self._logs.pop(entry.run_id, None)
            with suppress(Exception):  # already counted as lost; the next run tries again
                self._emit_missing(entry.run_id, storage)
            release(self.lake.home.lineage, entry.run_id)

    def _begin(self, entry: dg.EventLogEntry, storage: "EventLogStorage") -> tuple[RunLog, list[dg.EventLogEntry]]:
        """A new log of the run, and the run's entries so far, whichever process wrote them."""
        from lakehouse.tables.provenance import code_version

        instance = storage._instance  # noqa: SLF001  # Dagster gives a storage its instance this way
        run = instance.get_run_by_id(entry.run_id)
        if run is None:
            raise LookupError(entry.run_id)
        if CODE_TAG not in run.tags:
            # Dagster stores no code version, and a later reconciliation may run with other code.
            with suppress(Exception):
                instance.add_run_tags(entry.run_id, {CODE_TAG: code_version()})
        log = RunLog(run_of(run, code_version()))
        entries = storage.get_logs_for_run(entry.run_id, of_type=set(FOLLOWED))
        if len(self._logs) > _KEPT_LOGS:
            self._logs.pop(next(iter(self._logs)))
        self._logs[entry.run_id] = log
        return log, [one for one in entries if one.timestamp < entry.timestamp]

    def _emit_missing(self, run_id: str, storage: "EventLogStorage") -> None:
        """Emit what the processes of a run's steps did not emit before they ended."""
        from orchestration.lineage.reconcile import emit_missing

        if emit_missing(storage._instance, run_id, self.outbox, self.conversion):  # noqa: SLF001  # as in _begin
            self.relay.wake()

    def _reconcile_others(self, run_id: str, storage: "EventLogStorage") -> None:
        """Emit what the newest earlier runs did not emit, before this run's first step."""
        from orchestration.lineage.reconcile import fill

        instance = storage._instance  # noqa: SLF001  # as in _begin
        fill(instance, self.outbox, self.conversion, but={run_id}, most=_RECONCILED)
        self.relay.wake()

"""Listening to Dagster: its event log's storage, which tells lineage of what it stored, and who works on that.

What belongs here: the storage that dagster.yaml names, and the thread behind it. Not: what entries mean
(events.py), what is told of them (lakehouse/lineage), and filling gaps (reconcile.py).
A step must never wait for lineage, nor fail by it. Storing an entry puts it into a queue; everything else happens in a
thread of its own. What goes wrong there is logged once and counted; Dagster's log still has it all.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage  # Dagster exports storages only from there
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, NullPool, create_engine

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.settings import Settings
from orchestration.lineage.claims import NOTED, note, release
from orchestration.lineage.events import HEARD, READ, RUN_ENDS, RunLog
from orchestration.lineage.metadata import CODE_TAG, run_of
from orchestration.lineage.spark import Queries

if TYPE_CHECKING:
    from dagster._config.config_schema import UserConfigSchema
    from dagster._serdes import ConfigurableClassData

    from lakehouse.lineage.emit.outbox import Event

MOST_WAITING = 20_000
"""Entries in the queue; more are counted as lost, until they are reconciled."""
AT_RUN_END, AT_EXIT = 2.0, 10.0
"""Seconds that the end of a run, and of the process, waits for what is under way, at most."""
_KEPT_LOGS = 64
_RECONCILED = 20
"""Runs that a new run looks back at; `slipway lineage reconcile` looks at all."""
_CUT_OFF = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
_log = logging.getLogger("slipway.lineage")
_listeners: dict[Path, "Listener"] = {}
_guard = threading.Lock()
_inherited: list["Listener"] = []
"""Listeners of a process that this one was forked from. Kept, since not even closing their files is for this one."""


class LineageEventLogStorage(SqliteEventLogStorage):
    """Dagster's own storage in SQLite, with an ear, and an engine that is kept. All else is the parent's."""

    listener: "Listener | None" = None

    def __init__(self, base_dir: str, inst_data: "ConfigurableClassData | None" = None) -> None:
        # An engine keeps the statements that it compiled; one a connection, as the parent has it, compiles them for
        # each entry anew, which takes a third of the time of storing one. No connection is kept.
        self._engine = lru_cache(maxsize=_KEPT_LOGS)(self._new_engine)
        super().__init__(base_dir, inst_data)

    def _new_engine(self, shard: str) -> Engine:
        return create_engine(
            self.conn_string_for_shard(shard),
            poolclass=NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    @classmethod
    def config_type(cls) -> "UserConfigSchema":
        """What dagster.yaml says: the folder of Dagster's storage."""
        return {"dagster_home": dg.StringSource}

    @classmethod
    def from_config_value(  # type: ignore[override]  # as the parent's own
        cls, inst_data: "ConfigurableClassData | None", config_value: Mapping[str, str]
    ) -> "LineageEventLogStorage":
        """The storage that dagster.yaml asks for, where Dagster's own would be."""
        return cls(str(Path(config_value["dagster_home"], "history", "runs")), inst_data)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an entry, and let lineage know."""
        _event = event.dagster_event
        if _event is not None and _event.event_type in NOTED:
            self._try("what begins or ends was not noted", lambda ear: note(ear.lake, event))
        super().store_event(event)
        # What is reported without a run, by hand or from outside, is nobody's work.
        if _event is not None and _event.event_type in HEARD and (_event.step_key or _event.is_job_event):
            self._try("an event was not heard", lambda ear: ear.hear(event, self))

    def _try(self, what: str, do: Callable[["Listener"], None]) -> None:
        try:
            do(self._ear())
        except Exception as error:  # noqa: BLE001  # no run may ever fail by lineage
            if self.listener is not None:
                self.listener.lose(what, error)
            else:  # the home itself cannot be opened, which whoever runs is told by others
                _log.debug("Lineage: %s", what, exc_info=error)

    def listen_for(self, lake: Lakehouse) -> None:
        """Tell of this lakehouse's runs, by its settings."""
        self.listener = listener_of(lake)

    def _ear(self) -> "Listener":
        if self.listener is not None and self.listener in _inherited:
            self.listener = listener_of(self.listener.lake)
        if self.listener is None:
            # <home>/dagster/history/runs: the home that this log lies in.
            home = Path(self._base_dir).parents[2]
            self.listener = listener_of(open_lakehouse(Settings.from_environment(home=home)))
        return self.listener


def listener_of(lake: Lakehouse) -> "Listener":
    """The one listener of a home in this process."""
    with _guard:
        if lake.home.root not in _listeners:
            _listeners[lake.home.root] = Listener(lake)
        return _listeners[lake.home.root]


def _after_fork() -> None:
    """A forked process has neither the threads of its parent nor a right to its connections."""
    global _guard  # noqa: PLW0603  # it may have been held in the parent
    _guard = threading.Lock()
    _inherited.extend(_listeners.values())
    _listeners.clear()


os.register_at_fork(after_in_child=_after_fork)


class Listener:
    """Converts what it hears, in a thread of its own. `lost` counts entries that could not be told."""

    def __init__(self, lake: Lakehouse) -> None:
        self.lake = lake
        self.lost = 0
        self._queue: deque[tuple[dg.EventLogEntry, LineageEventLogStorage]] = deque()
        self._wake = threading.Condition()
        self._busy = False
        self._ended = False
        self._thread: threading.Thread | None = None
        self._works: Works | None = None
        self._said: set[str] = set()
        # Children of Dagster's multiprocess executor end without atexit, but not without this.
        Finalize(self, Listener.close, args=(self,), exitpriority=100)

    def hear(self, entry: dg.EventLogEntry, storage: LineageEventLogStorage) -> None:
        """Take note of an entry; costs microseconds. The end of a run waits a little for what is under way."""
        if self._ended or len(self._queue) >= MOST_WAITING:
            self.lose("the process ends" if self._ended else "the queue is full")
            return
        self._queue.append((entry, storage))
        with self._wake:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._listen, name="lineage", daemon=True)
                self._thread.start()
            self._wake.notify()
        if entry.dagster_event is not None and entry.dagster_event.event_type in RUN_ENDS:
            self.settle(AT_RUN_END)

    def settle(self, seconds: float) -> bool:
        """Wait until all that was heard is in the outbox, so long at most; whether it is."""
        until = time.monotonic() + seconds
        while self._queue or self._busy:
            if time.monotonic() >= until or self._thread is None or not self._thread.is_alive():
                return False
            time.sleep(0.002)
        return True

    def flush(self, seconds: float = AT_EXIT) -> bool:
        """Wait until all that was heard was delivered to every receiver that takes it, so long at most."""
        until = time.monotonic() + seconds
        if not self.settle(seconds):
            return False
        if self._works is None:
            return True
        try:
            return self._works.relay.wait(max(0.0, until - time.monotonic()))
        except Exception as error:  # noqa: BLE001  # the process ends in any case
            self.lose("delivery cannot be waited for", error)
            return False

    def close(self) -> None:
        """Finish what is under way, within bounds, and end the threads: the process ends."""
        self.flush()
        self._ended = True
        with self._wake:
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(1.0)
        if self._works is not None:
            self._works.relay.stop()
            self._works.outbox.shut()

    def lose(self, what: str, error: BaseException | None = None) -> None:
        """Count something that was not told; the first of its kind is said."""
        self.lost += 1
        kind = f"{what}: {type(error).__name__}" if error is not None else what
        _log.debug("Lineage: %s", what, exc_info=error)
        if kind not in self._said:
            self._said.add(kind)
            _log.warning(
                "Lineage lost events (%s). The run goes on; `slipway lineage reconcile` tells them from Dagster's log.",
                kind,
            )

    def _listen(self) -> None:
        while not self._ended:
            with self._wake:
                while not self._queue and not self._ended:
                    self._wake.wait()
                if not self._queue:
                    return
                # Set before the entry leaves the queue, so that whoever waits sees one of the two.
                self._busy = True
                entry, storage = self._queue.popleft()
            try:
                if self._works is None:
                    self._works = Works(self.lake)
                self._works.take(entry, storage)
            except Exception as error:  # noqa: BLE001  # no run may ever fail by lineage
                self.lose("an event was not kept", error)
            finally:
                self._busy = False


class Works:
    """What converting needs: the declarations, the outbox, the couriers. Made in the listener's thread."""

    def __init__(self, lake: Lakehouse) -> None:
        from lakehouse.lineage.emit.outbox import Outbox
        from lakehouse.lineage.emit.relay import Courier, Relay
        from lakehouse.lineage.emit.transports import receivers_of
        from orchestration.lineage.declared import conversion_of

        self.lake = lake
        self.outbox = Outbox(lake.home.lineage / "outbox.db")
        self.relay = Relay([Courier(self.outbox, one) for one in receivers_of(lake)])
        self.conversion = conversion_of(lake)
        self.queries = Queries(self.outbox, self.conversion)
        self._logs: dict[str, RunLog] = {}

    def take(self, entry: dg.EventLogEntry, storage: LineageEventLogStorage) -> None:
        """Convert an entry, keep its events, and let the couriers know."""
        kind = entry.dagster_event.event_type if entry.dagster_event else None
        log = self._logs.get(entry.run_id)
        step = (entry.dagster_event.step_key or "") if entry.dagster_event else ""
        crashed = kind is dg.DagsterEventType.STEP_FAILURE and log is not None and step not in log.open_steps
        missed: list[Event] = []
        if log is None or kind in _CUT_OFF or crashed:
            log, before = self._begin(entry, storage)
            for one in before:
                if kind in _CUT_OFF or crashed:
                    # Steps of other processes may be open, too; and one that died may not have told what it did.
                    missed += log.tell(one, self.conversion)
                else:
                    log.note(one)
        try:
            events = [*missed, *log.tell(entry, self.conversion)]
        except Exception:
            log.note(entry)  # what could not be told keeps nothing from being told that follows
            raise
        new = self.outbox.add(entry.run_id, events)
        if kind is dg.DagsterEventType.RUN_START:
            self._reconcile_others(entry.run_id, storage)
        if new + self.queries.heard(kind, storage._instance):  # noqa: SLF001  # as in _begin
            self.relay.wake()
        if kind in RUN_ENDS:
            self._logs.pop(entry.run_id, None)
            with suppress(Exception):  # it was counted where it was lost; the next run tries once more
                self._tell_rest(entry.run_id, storage)
            release(self.lake.home.lineage, entry.run_id)

    def _begin(self, entry: dg.EventLogEntry, storage: LineageEventLogStorage) -> tuple[RunLog, list[dg.EventLogEntry]]:
        """A log of the run to follow, and its entries so far, whoever wrote them."""
        from lakehouse.tables.provenance import code_version

        instance = storage._instance  # noqa: SLF001  # Dagster gives a storage its instance so
        run = instance.get_run_by_id(entry.run_id)
        if run is None:
            raise LookupError(entry.run_id)
        if CODE_TAG not in run.tags:
            # Nothing else in Dagster's storage says which code ran: whoever reconciles runs another one.
            with suppress(Exception):
                instance.add_run_tags(entry.run_id, {CODE_TAG: code_version()})
        log = RunLog(run_of(run, code_version()))
        entries = storage.get_logs_for_run(entry.run_id, of_type=set(READ))
        if len(self._logs) > _KEPT_LOGS:
            self._logs.pop(next(iter(self._logs)))
        self._logs[entry.run_id] = log
        return log, [one for one in entries if one.timestamp < entry.timestamp]

    def _tell_rest(self, run_id: str, storage: LineageEventLogStorage) -> None:
        """What the processes of a run's steps had no time to tell: those end before the run does."""
        from orchestration.lineage.reconcile import tell_rest

        if tell_rest(storage._instance, run_id, self.outbox, self.conversion):  # noqa: SLF001
            self.relay.wake()

    def _reconcile_others(self, run_id: str, storage: LineageEventLogStorage) -> None:
        """Before a run's first step tells of itself: what the newest of the earlier runs left untold."""
        from orchestration.lineage.reconcile import fill

        fill(storage._instance, self.outbox, self.conversion, but={run_id}, most=_RECONCILED)  # noqa: SLF001
        self.relay.wake()

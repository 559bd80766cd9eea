"""The event log storage that dagster.yaml names: Dagster's own, which also passes entries to the lineage listener.

What belongs here: the storage. Not: the listener and its thread (listener.py), and filling gaps (reconcile.py).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage  # Dagster exports storages only from there
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, NullPool, create_engine

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.settings import Settings
from orchestration.lineage.claims import NOTED, note
from orchestration.lineage.events import CONVERTED
from orchestration.lineage.listener import is_inherited, listener_of

if TYPE_CHECKING:
    from dagster._config.config_schema import UserConfigSchema
    from dagster._serdes import ConfigurableClassData

    from orchestration.lineage.listener import Listener

_KEPT_ENGINES = 64
_log = logging.getLogger("slipway.lineage")


class LineageEventLogStorage(SqliteEventLogStorage):
    """Dagster's storage in SQLite, with a lineage listener and with cached engines. All else is the parent's."""

    listener: "Listener | None" = None

    def __init__(self, base_dir: str, inst_data: "ConfigurableClassData | None" = None) -> None:
        # An engine caches compiled statements. The parent creates one for each connection, and compiling the
        # statements again takes a third of the time of storing an entry. No connection is kept.
        self._engine = lru_cache(maxsize=_KEPT_ENGINES)(self._new_engine)
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
        """The configuration in dagster.yaml: the folder of Dagster's storage."""
        return {"dagster_home": dg.StringSource}

    @classmethod
    def from_config_value(  # type: ignore[override]  # as in the parent
        cls, inst_data: "ConfigurableClassData | None", config_value: Mapping[str, str]
    ) -> "LineageEventLogStorage":
        """Create the storage that dagster.yaml configures, in the place of Dagster's own."""
        return cls(str(Path(config_value["dagster_home"], "history", "runs")), inst_data)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an entry, and pass it to the listener."""
        dagster_event = event.dagster_event
        if dagster_event is not None and dagster_event.event_type in NOTED:
            self._try("a start or an end was not recorded", lambda listener: note(listener.lake, event))
        super().store_event(event)
        # Entries without a run, reported by hand or from outside, belong to no job.
        if (
            dagster_event is not None
            and dagster_event.event_type in CONVERTED
            and (dagster_event.step_key or dagster_event.is_job_event)
        ):
            self._try("an event was not enqueued", lambda listener: listener.enqueue(event, self))

    def _try(self, what: str, do: Callable[["Listener"], None]) -> None:
        try:
            do(self._open_listener())
        except Exception as error:  # noqa: BLE001  # no run may fail because of lineage
            if self.listener is not None:
                self.listener.count_lost(what, error)
            else:  # the home itself cannot be opened, which other code reports
                _log.debug("Lineage: %s", what, exc_info=error)

    def listen_for(self, lake: Lakehouse) -> None:
        """Emit lineage of this lakehouse's runs, by its settings."""
        self.listener = listener_of(lake)

    def _open_listener(self) -> "Listener":
        if self.listener is not None and is_inherited(self.listener):
            self.listener = listener_of(self.listener.lake)
        if self.listener is None:
            # <home>/dagster/history/runs: the home that contains this log.
            home = Path(self._base_dir).parents[2]
            self.listener = listener_of(open_lakehouse(Settings.from_environment(home=home)))
        return self.listener

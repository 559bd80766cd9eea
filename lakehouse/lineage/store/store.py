"""The lineage store: events and the tables derived from them, in SQLite in the home or in PostgreSQL.

What belongs here: opening the database, receiving events in one transaction. Not: deriving rows (derivation.py),
queries (lakehouse/lineage/graph).
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from lakehouse.catalog.home import open_home, storage_error
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SettingsError
from lakehouse.extras import require
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import Facts
from lakehouse.lineage.store.merging import add_facts
from lakehouse.lineage.store.rebuild import has_current_columns, rebuild
from lakehouse.lineage.store.upsert import in_groups
from lakehouse.lineage.store.validation import BadEventError, Checked, given_event
from lakehouse.settings import Settings, redact

__all__ = ["BadEventError", "Store", "database_error", "open_store"]

_BUSY_SECONDS = 60
_CACHE_KIB = 65_536


class Store:
    """A store of lineage events. Any number of processes may read and write at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def receive(self, event: Mapping[str, Any]) -> bool:
        """Store an event durably. Returns whether it is new; a known event changes nothing.

        Raises BadEventError for an event that is invalid or too large; nothing is stored then.
        """
        return self.receive_many([event]) == 1

    def receive_many(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Store events, all or, if one is rejected, none; return how many were new."""
        return sum(self.receive_checked([given_event(one) for one in events]))

    def receive_checked(self, events: Sequence[Checked]) -> list[bool]:
        """Store validated events; for each, whether it is new."""
        if not events:
            return []
        with self.engine.begin() as connection:
            generation = self._next_generation(connection)
            new = self._unknown(connection, events)
            fresh = [one for one, is_new in zip(events, new, strict=True) if is_new]
            if not fresh:
                # The generation counts changes; nothing changed.
                connection.rollback()
                return new
            facts = Facts()
            for one in fresh:
                facts.add(one)
            rows = [
                {
                    "id": one.identity,
                    "at": one.at,
                    "run": one.run,
                    "body": zlib.compress(one.text, 1),
                    "generation": generation,
                }
                for one in fresh
            ]
            connection.execute(insert(tables.events), rows)
            add_facts(connection, facts, generation)
        return new

    def generation(self) -> int:
        """The number of changes so far, by any process."""
        with self.engine.connect() as connection:
            return connection.execute(select(tables.state.c.generation)).scalar_one()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection whose queries all see the same state."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # SQLite does so by itself
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def _next_generation(self, connection: Connection) -> int:
        """Increment the generation, which also locks out other writers until this transaction ends."""
        state = tables.state
        return connection.execute(
            update(state).values(generation=state.c.generation + 1).returning(state.c.generation)
        ).scalar_one()

    def _unknown(self, connection: Connection, events: Sequence[Checked]) -> list[bool]:
        known: set[str] = set()
        for group in in_groups([one.identity for one in events]):
            known.update(connection.scalars(select(tables.events.c.id).where(tables.events.c.id.in_(group))))
        new = []
        for one in events:
            new.append(one.identity not in known)
            known.add(one.identity)
        return new


def open_store(lake: Lakehouse | Settings | None = None) -> Store:
    """Open the lineage store of a lakehouse or of settings (default: the environment's); create it on first use.

    Raises SettingsError when the database cannot be used, HomeError when the home cannot.
    """
    settings = lake.settings if isinstance(lake, Lakehouse) else lake or Settings.from_environment()
    if settings.lineage_database:
        if settings.lineage_database.startswith("postgresql"):
            require("psycopg2", where="SLIPWAY_LINEAGE_DATABASE")
        address = settings.lineage_database.replace("postgresql://", "postgresql+psycopg2://", 1)
        url, shown = make_url(address), f"SLIPWAY_LINEAGE_DATABASE={redact(address)}"
    else:
        home = lake.home if isinstance(lake, Lakehouse) else open_home(settings)
        url = URL.create("sqlite", database=str(home.lineage / "lineage.db"))
        shown = url.database or ""
    engine = _engine(url, shown)
    try:
        _make(engine, shown)
    except SQLAlchemyError as error:
        raise database_error(error, shown) from None
    return Store(engine)


def _engine(url: URL, shown: str) -> Engine:
    if url.get_backend_name() != "sqlite":
        engine = create_engine(url, pool_pre_ping=True)
    else:
        with suppress(OSError):
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    def explain(context: ExceptionContext) -> None:
        if context.connection is None or context.is_disconnect:
            raise database_error(context.original_exception, shown)
        if "disk is full" in str(context.original_exception):
            raise storage_error(OSError(28, "No space left on device"), shown) from context.original_exception

    event.listen(engine, "handle_error", explain)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  # a driver's connection
    # Without this the driver begins transactions itself, later than SQLAlchemy's own BEGIN.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        # An acknowledged event is on disk, not only in the operating system's cache.
        "synchronous=FULL",
        f"busy_timeout={_BUSY_SECONDS * 1_000}",
        f"cache_size=-{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _make(engine: Engine, shown: str) -> None:
    # Of two processes that start at once, the second finds the tables created.
    with suppress(IntegrityError, OperationalError, ProgrammingError):
        tables.metadata.create_all(engine)
    tables.metadata.create_all(engine)
    with suppress(IntegrityError), engine.begin() as connection:
        if connection.execute(select(tables.state.c.id)).first() is None:
            connection.execute(insert(tables.state), {"id": 1, "format": tables.FORMAT, "generation": 0})
    with engine.connect() as connection:
        found = connection.execute(select(tables.state.c.format)).scalar_one()
    if found > tables.FORMAT:
        raise SettingsError(
            f"The lineage database was written by a newer Slipway (format {found}; this one knows up to "
            f"{tables.FORMAT}).",
            where=shown,
            nearest=f"format {tables.FORMAT}",
            fix="Install the newer Slipway, or configure another database.",
        )
    if found < tables.FORMAT or not has_current_columns(engine):
        rebuild(engine)


def database_error(error: BaseException, shown: str = "the lineage store") -> SettingsError:
    """The error to raise for a failed database, without the driver's text, which may contain the password."""
    return SettingsError(
        f"The lineage database cannot be used ({type(error).__name__}).",
        where=shown,
        fix="Check that it runs and can be written, that the address, user and password are right, and for PostgreSQL "
        "that the extra `postgres` is installed.",
    )

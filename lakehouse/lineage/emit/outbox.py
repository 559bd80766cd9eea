"""The outbox: events on the disk until every receiver has them, each once, in order.

What belongs here: keeping events, and how far each receiver has come. Not: making events (conversion.py) and delivering
them (relay.py). It can always be made anew from Dagster's event log: a file that is broken is set aside, a row that is
broken is taken out, and the next reconciliation fills what is missing.
"""

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lakehouse import clock
from lakehouse.catalog.locks import lock

KEPT_DAYS = 30
"""So long events are kept after they were delivered; their keys are kept for good."""
_BUSY_SECONDS = 10
_SCHEMA = """
create table if not exists events (
    seq integer primary key autoincrement, key text not null unique, root text not null,
    body text, digest text not null, at real not null
);
create index if not exists events_root on events (root);
create table if not exists receivers (name text primary key, delivered integer not null);
create table if not exists refused (receiver text, key text, why text, primary key (receiver, key));
create table if not exists closed (root text primary key);
create table if not exists suspects (root text primary key);
"""
_log = logging.getLogger("slipway.lineage")


class Event(NamedTuple):
    """An event by its key: who knows the key knows the event. `run` is the run whose order it keeps."""

    key: str
    run: str
    body: dict[str, Any]


class Waiting(NamedTuple):
    """An event that a receiver has not got yet."""

    seq: int
    key: str
    body: dict[str, Any]


@dataclass
class Outbox:
    """The outbox in the file `path`. Threads and processes may use it at once. Raises sqlite3.Error, OSError."""

    path: Path
    broken: int = 0
    """Rows, and files, that were found broken and taken out."""
    _connection: sqlite3.Connection | None = field(default=None, repr=False)
    _file: int | None = field(default=None, repr=False)
    """The number of the file that is open: another process may have set it aside, and begun a new one."""
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def add(self, root: str, events: Iterable[Event]) -> int:
        """Keep the events that are not known yet, in one transaction; how many they were.

        `root` is Dagster's run that they belong to.
        """
        rows = []
        for one in events:
            body = json.dumps(one.body, separators=(",", ":"))
            rows.append((one.key, root, body, _digest(one.key, body), clock.now().timestamp()))
        if not rows:
            return 0
        with self._open() as connection:
            before = connection.total_changes
            insert = "insert into events (key, root, body, digest, at) values (?, ?, ?, ?, ?) on conflict do nothing"
            connection.executemany(insert, rows)
            return connection.total_changes - before

    def waiting(self, receiver: str, most: int = 100) -> list[Waiting]:
        """The next events for a receiver, in order. Rows that are broken are taken out on the way."""
        with self._open() as connection:
            rows = connection.execute(
                "select seq, key, root, body, digest from events where body is not null and seq > "
                "coalesce((select delivered from receivers where name = ?), 0) order by seq limit ?",
                (receiver, most),
            ).fetchall()
            found = []
            for seq, key, root, body, digest in rows:
                content = _read(key, body, digest)
                if content is None:
                    self._take_out(connection, seq, root)
                else:
                    found.append(Waiting(seq, key, content))
        # All of them may have been broken: then there may be more behind them.
        return found if found or not rows else self.waiting(receiver, most)

    def delivered(self, receiver: str, seq: int) -> None:
        """The receiver has everything up to `seq`."""
        with self._open() as connection:
            connection.execute(
                "insert into receivers values (?, ?) on conflict (name) do update set delivered = "
                "max(delivered, excluded.delivered)",
                (receiver, seq),
            )

    def deliver_anew(self, receiver: str) -> int:
        """The receiver has nothing: it is another one, or lost what it had. How many events it will not get again,
        since they were let go of (see `forget_old`).
        """
        with self._open() as connection:
            connection.execute("delete from receivers where name = ?", (receiver,))
            return connection.execute("select count(*) from events where body is null").fetchone()[0]

    def refuse(self, receiver: str, key: str, why: str) -> None:
        """The receiver will never take this event: it is written down, and the others go on."""
        with self._open() as connection:
            connection.execute("insert or replace into refused values (?, ?, ?)", (receiver, key, why[:500]))

    def left(self, receiver: str) -> int:
        """How many events the receiver has not got yet, of those that there are still: see `forget_old`."""
        with self._open() as connection:
            where = "body is not null and seq > coalesce((select delivered from receivers where name = ?), 0)"
            return connection.execute(f"select count(*) from events where {where}", (receiver,)).fetchone()[0]

    def keys_of(self, root: str) -> set[str]:
        """The keys of all events of Dagster's run `root`."""
        with self._open() as connection:
            return {key for (key,) in connection.execute("select key from events where root = ?", (root,))}

    def closed(self) -> set[str]:
        """Dagster's runs of which everything is here."""
        with self._open() as connection:
            return {root for (root,) in connection.execute("select root from closed")}

    def suspects(self) -> set[str]:
        """Dagster's runs of which something that was here was broken."""
        with self._open() as connection:
            return {root for (root,) in connection.execute("select root from suspects")}

    def close_run(self, root: str) -> None:
        """Everything of Dagster's run `root` is here: it has ended, and all of its log was converted."""
        with self._open() as connection:
            connection.execute("insert or ignore into closed values (?)", (root,))
            connection.execute("delete from suspects where root = ?", (root,))

    def counts(self) -> dict[str, int]:
        """How many events there are, and how many a receiver refused."""
        with self._open() as connection:
            events = connection.execute("select count(*) from events").fetchone()[0]
            rejected = connection.execute("select count(*) from refused").fetchone()[0]
        return {"events": events, "rejected": rejected}

    def check(self) -> int:
        """Look at every row, and take out those that are broken; how many they were. A broken file is set aside."""
        before = self.broken
        with self._open() as connection:
            if connection.execute("pragma quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("malformed")
            rows = connection.execute("select seq, key, root, body, digest from events where body is not null")
            bad = [(seq, root) for seq, key, root, body, digest in rows if _read(key, body, digest) is None]
            for seq, root in bad:
                self._take_out(connection, seq, root)
        return self.broken - before

    def forget_old(self, receivers: Sequence[str]) -> None:
        """Let go of the bodies of old events that all these receivers have."""
        with self._open() as connection:
            marks = dict(connection.execute("select name, delivered from receivers").fetchall())
            reached = min((marks.get(name, 0) for name in receivers), default=0)
            connection.execute(
                "update events set body = null where seq <= ? and at < ? and body is not null",
                (reached, clock.now().timestamp() - KEPT_DAYS * 86_400),
            )

    def shut(self) -> None:
        """Let go of the file."""
        with self._lock, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection, in a transaction; a file that is no database, or a broken one, is set aside first."""
        with self._lock:
            try:
                connection = self._connect()
                with connection:
                    yield connection
            except sqlite3.DatabaseError as error:
                self.shut()
                if _is_broken(error):
                    self._set_aside()
                raise

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._file == _number(self.path):
            return self._connection
        self.shut()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _number(self.path)
        try:
            self._connection = _opened(self.path)
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            self._set_aside()
            self._connection = _opened(self.path)
            self._file = None
        self._file = self._file or _number(self.path)
        return self._connection

    def _set_aside(self) -> None:
        """Move the file that was found broken out of the way, unless another process did so already: what lies there
        then is the new one, with events in it.
        """
        with lock(self.path.parent, self.path.name, wait=None):
            if self._file is None or self._file != _number(self.path):
                return
            self.broken += 1
            name = f"{self.path.name}.broken-{clock.now():%Y%m%dT%H%M%S%f}"
            _log.warning(
                "The outbox of lineage is broken: it was set aside as %s. `slipway lineage reconcile` makes a new one.",
                name,
            )
            # Before the file itself: those that lie there afterwards are the new one's.
            for beside in ("-wal", "-shm"):
                with suppress(OSError):
                    self.path.with_name(self.path.name + beside).unlink()
            with suppress(OSError):
                self.path.replace(self.path.with_name(name))

    def _take_out(self, connection: sqlite3.Connection, seq: int, root: str) -> None:
        self.broken += 1
        _log.warning(
            "A row of the lineage outbox is broken and was taken out: `slipway lineage reconcile` makes it anew."
        )
        connection.execute("delete from events where seq = ?", (seq,))
        connection.execute("delete from closed where root = ?", (root,))
        connection.execute("insert or ignore into suspects values (?)", (root,))


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    # A killed process loses nothing by it; what a machine that loses its power loses, Dagster's log still has.
    connection.execute("pragma synchronous = normal")
    connection.executescript(_SCHEMA)
    return connection


def _number(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _digest(key: str, body: str) -> str:
    return hashlib.blake2b(f"{key}\n{body}".encode(), digest_size=12).hexdigest()


def _read(key: object, body: object, digest: object) -> dict[str, Any] | None:
    if not isinstance(key, str) or not isinstance(body, str) or _digest(key, body) != digest:
        return None
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _is_broken(error: sqlite3.DatabaseError) -> bool:
    return any(words in str(error) for words in ("malformed", "not a database", "file is encrypted"))

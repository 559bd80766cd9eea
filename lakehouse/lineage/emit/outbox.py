"""The outbox: stores events on disk until every receiver has them, each once, in order.

What belongs here: storing events, and the last event that each receiver has. Not: creating events (conversion.py) and
delivering them (relay.py). The outbox can be rebuilt from Dagster's event log: a corrupt file is renamed, a corrupt row
is deleted, and the next reconciliation adds what is missing.
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
"""Days that the body of a delivered event is kept. Its key is kept forever."""
_BUSY_SECONDS = 10
_SCHEMA = """
create table if not exists events (
    seq integer primary key autoincrement, key text not null unique, root text not null,
    body text, digest text not null, at real not null
);
create index if not exists events_root on events (root);
create table if not exists receivers (name text primary key, delivered integer not null);
create table if not exists rejected (receiver text, key text, why text, primary key (receiver, key));
create table if not exists closed (root text primary key);
create table if not exists suspects (root text primary key);
"""
_log = logging.getLogger("slipway.lineage")


class Event(NamedTuple):
    """An event and its unique key. Events of the same `run` are delivered in order."""

    key: str
    run: str
    body: dict[str, Any]


class Waiting(NamedTuple):
    """An event that is not yet delivered to a receiver."""

    seq: int
    key: str
    body: dict[str, Any]


@dataclass
class Outbox:
    """The outbox in the SQLite file `path`, safe for several threads and processes. Raises sqlite3.Error, OSError."""

    path: Path
    corrupt: int = 0
    """Corrupt rows and files found and removed."""
    _connection: sqlite3.Connection | None = field(default=None, repr=False)
    _file: int | None = field(default=None, repr=False)
    """The inode of the open file: another process may have renamed it and created a new one."""
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def add(self, root: str, events: Iterable[Event]) -> int:
        """Add the events whose keys are new, in one transaction, and return how many were added.

        `root` is the Dagster run that they belong to.
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
        """The next events for a receiver, in order. Corrupt rows are deleted."""
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
                    self._delete_corrupt_row(connection, seq, root)
                else:
                    found.append(Waiting(seq, key, content))
        # If every row was corrupt, there may be more after them.
        return found if found or not rows else self.waiting(receiver, most)

    def delivered(self, receiver: str, seq: int) -> None:
        """Record that the receiver has every event up to `seq`."""
        with self._open() as connection:
            connection.execute(
                "insert into receivers values (?, ?) on conflict (name) do update set delivered = "
                "max(delivered, excluded.delivered)",
                (receiver, seq),
            )

    def redeliver_all(self, receiver: str) -> int:
        """Deliver every event again, to a receiver that is new or lost its events.

        Returns the number of events that cannot be delivered again because `forget_old` deleted their bodies.
        """
        with self._open() as connection:
            connection.execute("delete from receivers where name = ?", (receiver,))
            return connection.execute("select count(*) from events where body is null").fetchone()[0]

    def reject(self, receiver: str, key: str, why: str) -> None:
        """Record that the receiver rejected an event permanently."""
        with self._open() as connection:
            connection.execute("insert or replace into rejected values (?, ?, ?)", (receiver, key, why[:500]))

    def left(self, receiver: str) -> int:
        """The number of events that wait for the receiver, without those that `forget_old` deleted."""
        with self._open() as connection:
            where = "body is not null and seq > coalesce((select delivered from receivers where name = ?), 0)"
            return connection.execute(f"select count(*) from events where {where}", (receiver,)).fetchone()[0]

    def keys_of(self, root: str) -> set[str]:
        """The keys of all events of the Dagster run `root`."""
        with self._open() as connection:
            return {key for (key,) in connection.execute("select key from events where root = ?", (root,))}

    def closed(self) -> set[str]:
        """The Dagster runs whose events are complete."""
        with self._open() as connection:
            return {root for (root,) in connection.execute("select root from closed")}

    def suspects(self) -> set[str]:
        """The Dagster runs that lost an event to a corrupt row."""
        with self._open() as connection:
            return {root for (root,) in connection.execute("select root from suspects")}

    def close_run(self, root: str) -> None:
        """Record that the Dagster run `root` has ended and all of its log was converted."""
        with self._open() as connection:
            connection.execute("insert or ignore into closed values (?)", (root,))
            connection.execute("delete from suspects where root = ?", (root,))

    def counts(self) -> dict[str, int]:
        """The number of events, and of events that a receiver rejected."""
        with self._open() as connection:
            events = connection.execute("select count(*) from events").fetchone()[0]
            rejected = connection.execute("select count(*) from rejected").fetchone()[0]
        return {"events": events, "rejected": rejected}

    def check(self) -> int:
        """Check every row, delete the corrupt ones and return how many they were. A corrupt file is renamed."""
        before = self.corrupt
        with self._open() as connection:
            if connection.execute("pragma quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("malformed")
            rows = connection.execute("select seq, key, root, body, digest from events where body is not null")
            bad = [(seq, root) for seq, key, root, body, digest in rows if _read(key, body, digest) is None]
            for seq, root in bad:
                self._delete_corrupt_row(connection, seq, root)
        return self.corrupt - before

    def forget_old(self, receivers: Sequence[str]) -> None:
        """Delete the bodies of old events that all these receivers have."""
        with self._open() as connection:
            marks = dict(connection.execute("select name, delivered from receivers").fetchall())
            reached = min((marks.get(name, 0) for name in receivers), default=0)
            connection.execute(
                "update events set body = null where seq <= ? and at < ? and body is not null",
                (reached, clock.now().timestamp() - KEPT_DAYS * 86_400),
            )

    def shut(self) -> None:
        """Close the file."""
        with self._lock, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection, in a transaction. A file that is corrupt or not a database is renamed first."""
        with self._lock:
            try:
                connection = self._connect()
                with connection:
                    yield connection
            except sqlite3.DatabaseError as error:
                self.shut()
                if _is_corrupt(error):
                    self._rename_corrupt_file()
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
            if not _is_corrupt(error):
                raise
            self._rename_corrupt_file()
            self._connection = _opened(self.path)
            self._file = None
        self._file = self._file or _number(self.path)
        return self._connection

    def _rename_corrupt_file(self) -> None:
        """Rename the corrupt file, unless another process did so: then `path` is a new file with events in it."""
        with lock(self.path.parent, self.path.name, wait=None):
            if self._file is None or self._file != _number(self.path):
                return
            self.corrupt += 1
            name = f"{self.path.name}.corrupt-{clock.now():%Y%m%dT%H%M%S%f}"
            _log.warning(
                "The lineage outbox is corrupt and was renamed to %s. Run `slipway lineage reconcile` to rebuild it.",
                name,
            )
            # Before the file itself is renamed: side files created afterwards belong to the new file.
            for beside in ("-wal", "-shm"):
                with suppress(OSError):
                    self.path.with_name(self.path.name + beside).unlink()
            with suppress(OSError):
                self.path.replace(self.path.with_name(name))

    def _delete_corrupt_row(self, connection: sqlite3.Connection, seq: int, root: str) -> None:
        self.corrupt += 1
        _log.warning(
            "A corrupt row was deleted from the lineage outbox. Run `slipway lineage reconcile` to restore it."
        )
        connection.execute("delete from events where seq = ?", (seq,))
        connection.execute("delete from closed where root = ?", (root,))
        connection.execute("insert or ignore into suspects values (?)", (root,))


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    # A killed process loses nothing. Events lost in a power failure are restored from Dagster's log.
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


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return any(words in str(error) for words in ("malformed", "not a database", "file is encrypted"))

"""The home: the one folder that holds all state, its format, its layout and its work lock.

What belongs here: where things lie in a home, opening and locking it. Not: what is in the tables (catalog.py).
A home can be deleted to start afresh, moved or copied: `origin` keeps the path it was made at, which is the prefix
that Iceberg metadata carries, and readers map it to where the home is now.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from lakehouse import clock
from lakehouse.catalog.locks import LockHeldError, lock
from lakehouse.errors import HomeError
from lakehouse.settings import Settings

FORMAT = 1
_OF_PROCESS = ".pid-"


@dataclass(frozen=True)
class Home:
    """An opened home folder. `origin` is the absolute path it was created at."""

    root: Path
    origin: Path

    @property
    def catalog_file(self) -> Path:
        """The embedded catalog's database."""
        return self.root / "catalog.db"

    @property
    def warehouse(self) -> Path:
        """Where Iceberg tables' files lie."""
        return self.root / "warehouse"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root / "mlflow"

    @property
    def dagster(self) -> Path:
        """Dagster's storage (DAGSTER_HOME)."""
        return self.root / "dagster"

    @property
    def lineage(self) -> Path:
        """The outbox of lineage events, and the store that they are delivered to."""
        return self.root / "lineage"

    @property
    def work(self) -> Path:
        """Scratch space; can be emptied when nothing runs."""
        return self.root / "work"

    def drop_folder(self, source: str) -> Path:
        """The default folder for deliveries of `source`."""
        return self.root / "drop" / source.replace(".", "/")

    def held(self, source: str) -> Path:
        """Where copies of the source's deliveries are kept that were not published."""
        return self.root / "held" / source.replace(".", "/")

    def delivered_at(self, source: str) -> Path:
        """The file or folder where deliveries of `source` are looked for."""
        chosen = self._read()["sources"].get(source)
        # A place inside the home is kept relative to it, so that it moves along.
        return self.root / chosen if chosen else self.drop_folder(source)

    def remember_source(self, source: str, path: Path | None) -> None:
        """Look for deliveries of `source` at `path` from now on (None: in the drop folder)."""
        with self._changed() as state:
            if path is None:
                state["sources"].pop(source, None)
            else:
                place = path.resolve()
                inside = place.is_relative_to(self.root)
                state["sources"][source] = str(place.relative_to(self.root) if inside else place)

    def recorded(self, key: str) -> str | None:
        """Return a text of the home's description; None when there is none."""
        return self._read().get("notes", {}).get(key)

    def record(self, key: str, text: str) -> None:
        """Store a text in the home's description."""
        with self._changed() as state:
            state.setdefault("notes", {})[key] = text

    @contextmanager
    def _changed(self) -> Iterator[dict]:
        """The home's description, written back at the end; one process at a time changes it."""
        with lock(self.root, "home", wait=None):
            state = self._read()
            yield state
            _write_json(self.root / "home.json", state)

    def _read(self) -> dict:
        return json.loads((self.root / "home.json").read_text())


def scratch_folder(work: Path, kind: str) -> TemporaryDirectory:
    """A folder in a home's scratch space that goes with this process, however it ends (see _sweep)."""
    return TemporaryDirectory(prefix=f"{kind}-", suffix=f"{_OF_PROCESS}{os.getpid()}", dir=work)


def _sweep(work: Path) -> None:
    """Delete what killed processes left in the scratch space: it can be as large as a table."""
    for left in work.glob(f"*{_OF_PROCESS}*"):
        process = left.name.rpartition(_OF_PROCESS)[2]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def open_home(settings: Settings) -> Home:
    """Open the home of `settings`, making it on first use.

    Raises HomeError when the folder cannot be used, is not a home, or was written by a newer version.
    """
    root = settings.home
    marker = root / "home.json"
    try:
        if not marker.exists():
            _make_home(root, marker)
        state = json.loads(marker.read_text())
        version = int(state["format"])
        if version > FORMAT:
            raise HomeError(
                f"A newer version of Slipway wrote the home (format {version}; this version reads up to {FORMAT}).",
                where=str(marker),
                nearest=f"format {FORMAT}",
                fix="Install the newer version, or choose another home with SLIPWAY_HOME.",
            )
        home = Home(root=root, origin=Path(state["origin"]))
        for folder in (home.warehouse, home.mlflow, home.dagster, home.lineage, home.work):
            folder.mkdir(parents=True, exist_ok=True)
        _sweep(home.work)
    except (ValueError, KeyError, TypeError) as error:
        raise HomeError(
            "The home's description file is invalid.",
            where=str(marker),
            fix="Restore the file from a backup, or choose another home with SLIPWAY_HOME.",
        ) from error
    except OSError as error:
        raise storage_error(error, root) from error
    return home


@contextmanager
def at_work(home: Home, task: str) -> Iterator[None]:
    """Hold the home's work lock for the length of `task`; the operating system frees it when the process dies.

    Raises HomeError at once when another process holds it, naming that process and its task.
    """
    holder = f"process {os.getpid()}, `{task}`, since {clock.now():%Y-%m-%d %H:%M:%S} UTC"
    try:
        work_lock = lock(home.root, "at_work", holder=holder)
    except LockHeldError as error:
        raise HomeError(
            f"Another Slipway process uses this home: {error.holder or 'it just started'}.",
            where=str(home.root),
            fix="Wait until it ends, or set SLIPWAY_HOME to another home.",
        ) from None
    except OSError as error:
        raise storage_error(error, home.root / "at_work.lock") from error
    with work_lock:
        yield


def storage_error(error: OSError, where: Path | str) -> HomeError:
    """Return an operating system's error as HomeError."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return HomeError(
            "The disk is full: nothing was published, and tables are unchanged.",
            where=str(error.filename or where),
            fix="Free disk space (`slipway tables` lists all tables) and run the command again.",
        )
    return HomeError(
        f"The folder cannot be used: {error.strerror or error}.",
        where=str(error.filename or where),
        fix="Set --home or SLIPWAY_HOME to a writable folder.",
    )


def _make_home(root: Path, marker: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    ours = {"drop", "warehouse", ".gitignore"}
    # A description that was not renamed is left by a process that was killed, or belongs to one that is at it now.
    strangers = [one.name for one in root.iterdir() if one.name not in ours and not one.name.startswith(".home.json.")]
    if marker.exists():
        return  # another process made the home meanwhile
    if strangers and not (root / "catalog.db").exists():
        strangers.sort()
        raise HomeError(
            f"The folder is neither a Slipway home nor empty (it contains {', '.join(strangers[:5])}).",
            where=str(root),
            fix="Set --home or SLIPWAY_HOME to an empty or new folder.",
        )
    _write_json(marker, {"format": FORMAT, "origin": str(root), "sources": {}})


def _write_json(path: Path, content: dict) -> None:
    # Written beside and renamed, so that a crash leaves the old file or the new one.
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    beside.write_text(json.dumps(content, indent=2))
    beside.replace(path)

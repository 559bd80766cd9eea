"""Files of Spark's OpenLineage listener, moved into the outbox: in order, each event once.

What belongs here: the files, which step a query was for, and what was left behind. Not: what becomes of an event
(events.py).
Beside the file that a process's listener writes to lies one in which the process notes each step that begins and ends.
A process works on one step at a time, so a query belongs to the step at whose time it began; one that began between
steps was nobody's work. While a process lives it takes up its own file, and holds a lock beside it. What a process
left is taken up by others; then the files go. Taken up twice, an event is known by its key.
"""

import errno
import json
import logging
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from openlineage.client.facet_v2 import parent_run

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.catalog.locks import Lock, LockHeldError, lock
from lakehouse.lineage.emit.masking import Masking
from lakehouse.lineage.emit.outbox import Event, Outbox
from lakehouse.lineage.spark.events import ENDS, Places, events_of, is_query, places_of
from lakehouse.lineage.store.validation import BadEventError, read_event
from lakehouse.spark.listener import events_file, listened

_STEPS = ".steps"
_ROUNDED = 1_000
"""Microseconds: Spark tells times without what is below a millisecond."""
_REST = 0.02
"""Seconds between two looks."""
QUIET = 10.0
"""Seconds without a word after which nothing more comes: Spark's Java outlives its Python for a moment."""
_log = logging.getLogger("slipway.lineage")
_notes: dict[Path, IO[bytes]] = {}
_alive: dict[Path, Lock] = {}
"""Held as long as the process lives, beside its notes."""

Under = Callable[[str, str], parent_run.ParentRunFacet | None]
"""The facet for what runs below a step, by Dagster's run and the step; None where there is no such run."""
_Step = tuple[int, str, str]
"""When it began, microseconds since 1970; Dagster's run and the step, both empty where one ended."""


def note_step(lineage: Path, at: float, run_id: str = "", step: str = "") -> None:
    """Note that this process begins a step (without a run: that it ends one), at a time in seconds. Raises OSError."""
    path = events_file(lineage).with_suffix(_STEPS)
    while path not in _notes or not path.exists():
        if path in _notes:
            _notes.pop(path).close()
            _alive.pop(path).release()
        path.parent.mkdir(parents=True, exist_ok=True)
        # The operating system frees it when the process dies: then others take up what is left, and delete it.
        alive = lock(path.parent, path.stem, wait=None)
        try:
            _notes[path] = path.open("ab", buffering=0)
        except OSError:
            alive.release()
            raise
        _alive[path] = alive
    line = json.dumps([round(at * 1e6), run_id, step]).encode() + b"\n"
    end = _notes[path].seek(0, os.SEEK_END)
    if _notes[path].write(line) != len(line):
        _notes[path].truncate(end)  # half a line would take the next one with it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@dataclass
class _Read:
    """How far a file was read, and the queries in it that have not ended yet, by run: their step and what was told."""

    offset: int = 0
    last: str = ""
    begun: dict[str, tuple[_Step, dict[str, Any]]] = field(default_factory=dict)
    strange: int = 0


@dataclass
class SparkFiles:
    """What listeners wrote in one home. `under` finds the facet of a step's own runs."""

    lake: Lakehouse
    outbox: Outbox
    masking: Masking
    under: Under
    _own: _Read = field(default_factory=_Read)
    _reported: set[Path] = field(default_factory=set)
    _waited: set[str] = field(default_factory=set)
    """Queries that were waited for: an end that is lost is waited for once."""

    def take(self, wait: float = 0.0) -> int:
        """Take up what this process's Spark told since the last time; how many events were new.

        Spark tells its listeners a little later: so many seconds are waited for queries that have not ended, at most.
        Raises sqlite3.Error and OSError; then nothing is lost, and it can be done again.
        """
        path = events_file(self.lake.home.lineage)
        until = time.monotonic() + wait
        taken, self._own = self._take(path, self._own)
        while self._own.begun.keys() - self._waited and time.monotonic() < until:
            time.sleep(_REST)
            more, self._own = self._take(path, self._own)
            taken += more
        self._waited = set(self._own.begun) if wait else self._waited
        return taken

    def take_left(self) -> int:
        """Take up what processes left that are gone, and end the queries that went with them; how many were new.

        Raises as `take` does.
        """
        folder, own = listened(self.lake.home.lineage), events_file(self.lake.home.lineage)
        taken, failed = 0, None
        for stem in sorted({path.with_suffix("") for path in folder.glob("*-*.*")} - {own.with_suffix("")}):
            path, notes = stem.with_suffix(".jsonl"), stem.with_suffix(_STEPS)
            try:
                with lock(folder, stem.name) as left:
                    # Spark may have more to tell for a moment: until then nothing is over.
                    over = not _is_fresh(path, notes)
                    taken += self._take(path, _Read(), over=over)[0]
                    if over:
                        path.unlink(missing_ok=True)
                        notes.unlink(missing_ok=True)
                        left.remove()
            except LockHeldError:  # its process lives
                continue
            except OSError as error:  # which keeps nothing from the others
                failed = error
        if failed is not None:
            raise failed
        return taken

    def _take(self, path: Path, before: _Read, *, over: bool = False) -> tuple[int, _Read]:
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return 0, _Read()
        # A file that became shorter is another one: somebody took the first away.
        read = replace(before, begun=dict(before.begun)) if size >= before.offset else _Read()
        if size == read.offset and not over:
            return 0, read
        lines, read.offset = _lines(path, read.offset)
        steps, found = _steps(path.with_suffix(_STEPS)), _Lookups(self.lake, self.under)
        events: list[tuple[str, Event]] = []
        for line in lines:
            events += self._events_in(line, steps, read, found)
        if over:
            events += _cut_off(read)
        taken = 0
        for root in dict.fromkeys(root for root, _ in events):
            taken += self.outbox.add(root, [one for known, one in events if known == root])
        if read.strange and path not in self._reported:
            self._reported.add(path)
            _log.warning("Lineage left out what is no event in %s: Spark's listener wrote it, or somebody.", path.name)
        return taken, read

    def _events_in(self, line: bytes, steps: list[_Step], read: _Read, found: "_Lookups") -> list[tuple[str, Event]]:
        """The event of a line, with Dagster's run that it belongs to."""
        try:
            checked = read_event(line)
            event = checked.event
            if not is_query(event):
                return []
            known = read.begun.get(event["run"]["runId"])
            if known is None and event.get("eventType") in ENDS:
                return []  # it began as nobody's work, or it ended already
            step = known[0] if known else _step_at(steps, checked.at)
            parent = found.parent(step)
            if step is None or parent is None:
                return []
            translated = events_of(event, parent, found.places, self.masking)
        except (BadEventError, KeyError, TypeError, AttributeError):
            read.strange += 1
            return []
        read.last = event["eventTime"]
        if event.get("eventType") in ENDS:
            read.begun.pop(event["run"]["runId"], None)
        elif translated is not None:
            read.begun[event["run"]["runId"]] = (step, translated.body)
        return [(step[1], translated)] if translated is not None else []


class _Lookups:
    """What is looked up once for many events."""

    def __init__(self, lake: Lakehouse, under: Under) -> None:
        self._lake, self._under = lake, under
        self._parents: dict[tuple[str, str], parent_run.ParentRunFacet | None] = {}
        self._places: Places | None = None

    def parent(self, step: _Step | None) -> parent_run.ParentRunFacet | None:
        """The facet for a query of the step."""
        if step is None or not step[1]:
            return None
        key = step[1:]
        if key not in self._parents:
            self._parents[key] = self._under(*key)
        return self._parents[key]

    def places(self) -> Places:
        """Where tables lie; asked for only when a query names a place."""
        if self._places is None:
            self._places = places_of(self._lake)
        return self._places


def _is_fresh(*paths: Path) -> bool:
    """Whether one of the files was written to just now."""
    return any(path.exists() and clock.now().timestamp() - path.stat().st_mtime < QUIET for path in paths)


def _lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """The whole lines from there on, and where they end: the last one may still be written."""
    with path.open("rb") as file:
        file.seek(offset)
        read = file.read()
    end = read.rfind(b"\n") + 1
    return [line for line in read[:end].split(b"\n") if line.strip()], offset + end


def _steps(path: Path) -> list[_Step]:
    """The steps that were noted, in order of time; what is broken is left out."""
    found: list[_Step] = []
    with suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            with suppress(ValueError, TypeError):
                at, run_id, step = json.loads(line)
                found.append((int(at), str(run_id), str(step)))
    return sorted(found, key=lambda one: one[0])


def _step_at(steps: list[_Step], at: int) -> _Step | None:
    place = bisect_right([one[0] for one in steps], at + _ROUNDED)
    return steps[place - 1] if place and steps[place - 1][1] else None


def _cut_off(read: _Read) -> list[tuple[str, Event]]:
    """The ends of queries that went with their process: at the time of the last thing that it told."""
    found = []
    for run, (step, body) in read.begun.items():
        ended: Mapping[str, Any] = {**body, "eventType": "ABORT", "eventTime": read.last, "inputs": [], "outputs": []}
        found.append((step[1], Event(f"{run}/END", run, dict(ended))))
    return found

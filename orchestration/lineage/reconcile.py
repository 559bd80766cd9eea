"""Reconciliation of lineage with Dagster's event log: emit missing events, and end killed runs.

What belongs here: going through Dagster's runs. Not: what their entries mean (events.py). Conversion gives the same
events for the same log each time, so reconciliation can be repeated.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SettingsError
from lakehouse.lineage.emit.run_events import End, Fault
from orchestration.lineage.claims import is_gone, release
from orchestration.lineage.events import BOUNDARIES, FOLLOWED, RunLog
from orchestration.lineage.metadata import run_of
from orchestration.lineage.spark import SparkEvents

if TYPE_CHECKING:
    from lakehouse.lineage.emit.conversion import Conversion
    from lakehouse.lineage.emit.outbox import Outbox

_PAGE = 200
_OVER = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_UNDER_WAY = (
    # Dagster stores the start event before it updates the run's status; a kill in between leaves the old status.
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass
class Reconciled:
    """The result of a reconciliation.

    `runs` were checked, `events` were missing, `aborted` runs were ended because their process is gone, `corrupt` rows
    and files of the outbox were found, `waiting` are the events that each receiver still lacks, `rejected` those that a
    receiver rejected. `unreadable` are runs whose log could not be converted. `expired` events are too old to be sent
    to a new store.
    """

    runs: int = 0
    events: int = 0
    aborted: int = 0
    corrupt: int = 0
    rejected: int = 0
    expired: int = 0
    waiting: dict[str, int] | None = None
    unreadable: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name, for `--json`."""
        return asdict(self)


def reconcile(lake: Lakehouse, instance: dg.DagsterInstance, *, deliver_seconds: float = 60.0) -> Reconciled:
    """Emit all events that Dagster's event log has and the outbox lacks, and send them to the receivers.

    Raises HomeError if the outbox cannot be written.
    """
    from lakehouse.catalog.home import storage_error
    from lakehouse.lineage.emit.outbox import Outbox
    from lakehouse.lineage.emit.relay import DeliveryThread, Relay
    from lakehouse.lineage.emit.transports import STORE, receivers_of
    from orchestration.lineage.declared import conversion_of

    outbox = Outbox(lake.home.lineage / "outbox.db")
    try:
        corrupt = _checked(outbox)
        conversion = conversion_of(lake)
        done = fill(instance, outbox, conversion)
        done.events += SparkEvents(outbox, conversion).collect_left(instance)
        if _is_empty(lake):
            done.expired = outbox.redeliver_all(STORE)
        receivers = receivers_of(lake)
        relay = Relay([DeliveryThread(outbox, one) for one in receivers])
        relay.wake()
        relay.wait(deliver_seconds)
        relay.stop()
        outbox.forget_old([one.name for one in receivers])
        done.waiting = {one.name: outbox.left(one.name) for one in receivers}
        done.rejected = outbox.counts()["rejected"]
    except sqlite3.Error as error:
        raise storage_error(OSError(_errno(error), str(error)), outbox.path) from error
    done.corrupt = corrupt
    return done


def fill(
    instance: dg.DagsterInstance,
    outbox: "Outbox",
    conversion: "Conversion",
    but: Collection[str] = (),
    most: int | None = None,
) -> Reconciled:
    """Add missing events of the `most` newest runs, without those in `but`, to the outbox. Raises sqlite3.Error."""
    done = Reconciled()
    closed, suspects = outbox.closed(), outbox.suspects()
    for run in _runs(instance, most):
        if run.run_id in closed or run.run_id in but:
            continue
        done.runs += 1
        try:
            if run.status in _OVER and run.run_id not in suspects and _is_complete(instance, run, outbox):
                outbox.close_run(run.run_id)
                release(outbox.path.parent, run.run_id)
                continue
            log, events, aborted = _converted(instance, run, conversion, outbox.path.parent)
        except sqlite3.Error:
            raise
        except Exception:  # noqa: BLE001  # one unreadable log must not stop the others
            done.unreadable = (*done.unreadable, run.run_id)
            continue
        done.events += outbox.add(run.run_id, events)
        done.aborted += aborted
        if log.ended:
            outbox.close_run(run.run_id)
            release(outbox.path.parent, run.run_id)
    return done


def emit_missing(instance: dg.DagsterInstance, run_id: str, outbox: "Outbox", conversion: "Conversion") -> int:
    """Add missing events of one run to the outbox; return their number. Raises sqlite3.Error."""
    run = instance.get_run_by_id(run_id)
    if run is None or _is_complete(instance, run, outbox):
        return 0
    return outbox.add(run_id, _converted(instance, run, conversion, outbox.path.parent)[1])


def _runs(instance: dg.DagsterInstance, most: int | None) -> Iterator[dg.DagsterRun]:
    """All runs that were started, newest first."""
    cursor, left = None, most
    while left is None or left > 0:
        page = _PAGE if left is None else min(left, _PAGE)
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=[*_OVER, *_UNDER_WAY]), cursor=cursor, limit=page)
        yield from runs
        if len(runs) < page:
            return
        cursor, left = runs[-1].run_id, None if left is None else left - page


def _is_complete(instance: dg.DagsterInstance, run: dg.DagsterRun, outbox: "Outbox") -> bool:
    """Whether the outbox has all events of an ended run; a cheap check that avoids converting its log again."""
    log = RunLog(run_of(run))
    for entry in instance.event_log_storage.get_logs_for_run(run.run_id, of_type=set(BOUNDARIES)):
        log.follow(entry)
    return log.keys() <= outbox.keys_of(run.run_id)


def _converted(
    instance: dg.DagsterInstance, run: dg.DagsterRun, conversion: "Conversion", lineage: Path
) -> tuple[RunLog, list[Any], bool]:
    log = RunLog(run_of(run))
    events: list[Any] = []
    for entry in instance.event_log_storage.get_logs_for_run(run.run_id, of_type=set(FOLLOWED)):
        events += log.convert(entry, conversion)
    aborted = False
    if not log.ended and log.began is not None and is_gone(lineage, run.run_id, log.pids):
        # The time of the run's last entry, so that every reconciliation gives the same event.
        events += log.end_run(End.ABORT, log.last, conversion, Fault("Killed", "Its process is gone.", "the run"))
        aborted = True
    return log, events, aborted


def _is_empty(lake: Lakehouse) -> bool:
    """Whether the store never received an event: it was lost, or the settings name another one."""
    from lakehouse.lineage.store.store import open_store

    with suppress(SettingsError):  # an unavailable store must not block the other receivers
        store = open_store(lake)
        try:
            return store.generation() == 0
        finally:
            store.close()
    return False


def _checked(outbox: "Outbox") -> int:
    try:
        return outbox.check()
    except sqlite3.DatabaseError:
        # A corrupt file was set aside by the first check; any other error is raised again.
        outbox.check()
        return max(1, outbox.corrupt)


def _errno(error: Exception) -> int:
    import errno

    return errno.ENOSPC if "full" in str(error) else errno.EACCES

"""Runs and a lineage server that are killed at random moments: no lineage event may be lost or doubled.

What belongs here: killing runs, and counting lost and doubled events. Not: killing the server (killed_server.py), and
what a run emits (lineage.py).

A run is killed with SIGKILL at any moment: in a step, or while Dagster or lineage writes. Dagster's log has what was
started, and after `slipway lineage reconcile` the outbox and the store must have exactly one event for each of it. A
parent process that has loaded everything forks each run, so that hundreds take minutes. With `--server` the lineage
server is killed as well.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from benchmarks.killed_server import kill_server

STEPS = 4
"""Assets of the job, two of them in one step."""
LONGEST = 1.2
"""Runs are killed at a moment of so many times what one takes that is left alone."""
SEED = 6


def main() -> int:
    """Kill runs and the server, and print the figures."""
    parser = Arguments("SIGKILLs of runs, and of the lineage server, at random moments: nothing lost, nothing doubled.")
    parser.size("--runs", 200, quick=2, about="runs to kill")
    parser.size("--server", 0, quick=0, full=40, about="times to kill the lineage server while it receives")
    parser.add_argument(
        "--server-command",
        default=f"{sys.executable} -m orchestration.cli lineage --port {{port}} --home {{home}}",
        help="how the server is started; {home} and {port} are filled in",
    )
    given = parser.given()
    with TemporaryDirectory(prefix="slipway-kills-") as folder:
        found = kill_runs(Path(folder, "home"), given.runs, random.Random(SEED))
        figures = [
            Figure("runs started and killed", found["killed"], "runs", None, "", holds=True),
            Figure("of which were running", found["at_work"], "runs", None, "> 0", found["at_work"] > 0),
            Figure("events started and not emitted", found["lost"], "events", 0, "0", not found["lost"]),
            Figure("events emitted twice", found["doubled"], "events", 0, "0", not found["doubled"]),
            Figure("events without a cause", found["invented"], "events", 0, "0", not found["invented"]),
            Figure("runs left open", found["open"], "runs", 0, "0", not found["open"]),
            Figure("runs that differ in the store", found["differs"], "runs", 0, "0", not found["differs"]),
        ]
        if given.server:
            server = kill_server(Path(folder, "home"), given, random.Random(SEED))
            figures += [
                Figure("kills of the server", server["kills"], "kills", None, "", holds=True),
                Figure("events acknowledged and lost by it", server["lost"], "events", 0, "0", not server["lost"]),
                Figure("events doubled by it", server["doubled"], "events", 0, "0", not server["doubled"]),
            ]
    return report(figures, given)


def kill_runs(home: Path, number: int, dice: random.Random) -> dict[str, Any]:
    """Start and kill runs, reconcile, and compare the emitted events with Dagster's log."""
    from lakehouse.catalog.lakehouse import open_lakehouse
    from lakehouse.settings import Settings
    from orchestration.instance import open_instance
    from orchestration.lineage.declared import conversion_of
    from orchestration.lineage.reconcile import reconcile

    lake = open_lakehouse(Settings.from_environment(home=home))
    open_instance(lake).dispose()
    conversion_of(lake)  # dbt parses its project once
    preload()
    began = time.perf_counter()
    os.waitpid(_fork(home), 0)
    longest = LONGEST * (time.perf_counter() - began)
    killed = at_work = 0
    for place in range(number):
        child = _fork(home)
        time.sleep(dice.uniform(0, longest))
        alive, _ = os.waitpid(child, os.WNOHANG)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        if alive == 0:
            at_work += 1
            os.waitpid(child, 0)
        killed += 1
        if place % 20 == 19:
            sys.stderr.write(f"{place + 1} runs killed\n")
    with open_instance(lake) as instance:
        reconcile(lake, instance)
        reconcile(lake, instance)  # again: it must not emit anything
        wanted = started(instance)
        dead = [one.run_id for one in instance.get_runs()]
    reported = reported_in(lake.home.lineage / "outbox.db")
    states = Counter(reported)
    ends = {run for run, state in states if state != "START"}
    begun = {run for run, state in states if state == "START"}
    return {
        "killed": killed,
        "at_work": at_work,
        "runs": len(dead),
        "lost": len(wanted - set(states))
        + len([run for run, state in states if state != "START" and run not in begun]),
        "doubled": sum(states.values())
        - len(states)
        + len([1 for n in Counter(run for run, _ in reported).values() if n > 2]),
        "invented": len(begun - {run for run, _ in wanted}),
        "open": len(begun - ends),
        "differs": store_differs(lake, reported),
    }


def preload() -> None:
    """Load what a run needs, so that a forked one starts at once; no thread may run yet."""
    import lakehouse.lineage.emit.conversion
    import lakehouse.lineage.emit.relay
    import lakehouse.lineage.emit.transports
    import lakehouse.lineage.store.store

    del lakehouse


def graph() -> Any:
    """A job of small steps."""
    import dagster as dg

    @dg.asset(key=["kills", "first"], check_specs=[dg.AssetCheckSpec("fine", asset=["kills", "first"])])
    def first():
        time.sleep(0.05)
        yield dg.AssetCheckResult(passed=True, check_name="fine")
        yield dg.MaterializeResult()

    specs = [dg.AssetSpec(["kills", name], deps=[["kills", "first"]]) for name in ("second", "third")]

    @dg.multi_asset(name="kills_both", specs=specs)
    def both():
        for name in ("second", "third"):
            time.sleep(0.05)
            yield dg.MaterializeResult(asset_key=["kills", name])

    @dg.asset(key=["kills", "last"], deps=[["kills", "third"]])
    def last() -> None:
        time.sleep(0.05)

    job = dg.define_asset_job("kills_main", dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    return dg.Definitions(assets=[first, both, last], jobs=[job]).resolve_job_def("kills_main")


def _fork(home: Path) -> int:
    child = os.fork()
    if child == 0:
        _run_and_exit(home)
    return child


def _run_and_exit(home: Path) -> None:
    """Run in this forked process, and exit."""
    from lakehouse.catalog.lakehouse import open_lakehouse
    from lakehouse.settings import Settings
    from orchestration.instance import open_instance
    from orchestration.lineage.listener import listener_of
    from orchestration.main_job import QUIET

    try:
        os.setsid()
        lake = open_lakehouse(Settings.from_environment(home=home))
        with open_instance(lake) as instance:
            graph().execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)
            listener_of(lake).flush()
    finally:
        os._exit(0)


def started(instance: Any) -> set[tuple[str, str]]:
    """Events that must exist by Dagster's log: the start of every started run and step, as run id and state."""
    import dagster as dg

    from lakehouse.lineage.emit import names

    found = set()
    for run in instance.get_runs():
        planned: dict[str, list[str]] = {}
        for entry in instance.event_log_storage.get_logs_for_run(run.run_id):
            event = entry.dagster_event
            if event is None:
                continue
            kind = event.event_type
            if kind is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                planned.setdefault(event.step_key, []).append(".".join(event.asset_key.path))
            elif kind is dg.DagsterEventType.RUN_START:
                found.add((run.run_id, "START"))
            elif kind is dg.DagsterEventType.STEP_START:
                tables = planned.get(event.step_key, [])
                found |= {(names.step_run(run.run_id, event.step_key, table), "START") for table in tables}
                if tables != [event.step_key.replace("__", ".")]:
                    found.add((names.step_run(run.run_id, event.step_key), "START"))
    return found


def reported_in(outbox: Path) -> list[tuple[str, str]]:
    """Run id and state of every event in the outbox."""
    from lakehouse.lineage.emit.outbox import Outbox

    kept = Outbox(outbox)
    events = [one.body for one in kept.waiting("nobody", 1_000_000)]
    kept.shut()
    return [(one["run"]["runId"], one["eventType"]) for one in events]


def store_differs(lake: Any, reported: list[tuple[str, str]]) -> int:
    """The number of runs whose events in the home's store differ from those in the outbox."""
    from sqlalchemy import select

    from lakehouse.lineage.store import schema as store_schema
    from lakehouse.lineage.store.store import open_store

    store = open_store(lake)
    with store.engine.connect() as connection:
        bodies = connection.execute(select(store_schema.events.c.run)).scalars().all()
    store.close()
    return sum((Counter(run for run, _ in reported) - Counter(bodies)).values()) + sum(
        (Counter(bodies) - Counter(run for run, _ in reported)).values()
    )


if __name__ == "__main__":
    sys.exit(main())

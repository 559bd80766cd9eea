"""Runs that are killed at random moments, and a receiver that is: what lineage tells after `slipway lineage reconcile`.

What belongs here: killing, and counting what was lost and what was doubled. Not: what a run tells (lineage.py).

A run is killed with SIGKILL in the middle of whatever it does: a step, Dagster's own writing, lineage's. Dagster's log
then says what was started, and after reconciling each of it must have been told once, in the outbox and in the store.
A parent process that has loaded everything forks each run, so that hundreds take minutes. With `--server` the same is
done to a receiver (see `kill_receivers`).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report

STEPS = 4
"""Assets of the job, two of them in one step."""
LONGEST = 1.2
"""Runs are killed at a moment of so many times what one takes that is left alone."""
SEED = 6


def main() -> int:
    """Kill and tell."""
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
            Figure("of them at work then", found["at_work"], "runs", None, "> 0", found["at_work"] > 0),
            Figure("events started and not told", found["lost"], "events", 0, "0", not found["lost"]),
            Figure("events told twice", found["doubled"], "events", 0, "0", not found["doubled"]),
            Figure("events that nothing happened for", found["invented"], "events", 0, "0", not found["invented"]),
            Figure("runs left open", found["open"], "runs", 0, "0", not found["open"]),
            Figure("runs that the store tells otherwise", found["differs"], "runs", 0, "0", not found["differs"]),
        ]
        if given.server:
            reported = kill_receivers(Path(folder, "home"), given, random.Random(SEED))
            figures += [
                Figure("kills of the server", reported["kills"], "kills", None, "", holds=True),
                Figure("events acknowledged and lost by it", reported["lost"], "events", 0, "0", not reported["lost"]),
                Figure("events doubled by it", reported["doubled"], "events", 0, "0", not reported["doubled"]),
            ]
    return report(figures, given)


def kill_runs(home: Path, number: int, dice: random.Random) -> dict[str, Any]:
    """Start runs one after the other and kill each; what was told after reconciling, compared with Dagster's log."""
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
        reconcile(lake, instance)  # once more: nothing may come of it
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
    """A run in this process, which is a fork and ends with it."""
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
    """What Dagster's log says that there must be: the start of every run and step that began, by run id and state."""
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
    """Run id and state of every event that was kept."""
    from lakehouse.lineage.emit.outbox import Outbox

    kept = Outbox(outbox)
    events = [one.body for one in kept.waiting("nobody", 1_000_000)]
    kept.shut()
    return [(one["run"]["runId"], one["eventType"]) for one in events]


def store_differs(lake: Any, reported: list[tuple[str, str]]) -> int:
    """How many runs the home's store knows otherwise than the outbox told them."""
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


# The receiver


def kill_receivers(home: Path, given: argparse.Namespace, dice: random.Random) -> dict[str, Any]:
    """Send events to the lineage server over HTTP while it is killed again and again.

    What it acknowledged must be there when it comes back, and what is sent again must not be there twice. Each event is
    sent until it is acknowledged, as the outbox does.
    """
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = given.server_command.format(home=home, port=port).split()
    address = f"http://127.0.0.1:{port}"
    sent: list[str] = []
    kills = 0
    server = _start(words, address)
    number = 0
    while kills < given.server:
        until = time.monotonic() + dice.uniform(0.01, 0.4)
        while time.monotonic() < until:
            sent.append(_send(address, _event(number)))
            number += 1
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        kills += 1
        server = _start(words, address)
        for again in range(max(0, number - 3), number):  # whoever is not sure sends it again
            _send(address, _event(again))
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    from lakehouse.catalog.lakehouse import open_lakehouse
    from lakehouse.settings import Settings

    known = Counter(_of_store(open_lakehouse(Settings.from_environment(home=home))))
    return {
        "kills": kills,
        "lost": len([one for one in sent if one not in known]),
        "doubled": len([one for one in set(sent) if known[one] > 1]),
    }


def _of_store(lake: Any) -> list[str]:
    from sqlalchemy import select

    from lakehouse.lineage.store import schema as store_schema
    from lakehouse.lineage.store.store import open_store

    store = open_store(lake)
    with store.engine.connect() as connection:
        return list(connection.execute(select(store_schema.events.c.run)).scalars())


def _event(number: int) -> Mapping[str, Any]:
    from lakehouse.lineage.emit.names import as_run

    return {
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "producer": "urn:slipway:benchmark",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "eventType": "COMPLETE",
        "run": {"runId": as_run(f"kills-{number}")},
        "job": {"namespace": "benchmark", "name": f"job-{number % 50}"},
        "inputs": [{"namespace": "benchmark", "name": f"table-{number % 50}"}],
        "outputs": [{"namespace": "benchmark", "name": f"table-{number % 50 + 1}"}],
    }


def _send(address: str, event: Mapping[str, Any]) -> str:
    """Send until it is acknowledged; the event's run."""
    _until(lambda: _post(f"{address}/api/v1/lineage", event))
    return event["run"]["runId"]


def _post(address: str, event: Mapping[str, Any]) -> bool:
    from urllib.request import Request, urlopen

    request = Request(address, json.dumps(event).encode(), {"content-type": "application/json"})  # noqa: S310  # ours
    with urlopen(request, timeout=5) as answer:  # noqa: S310
        return answer.status < 300


def _start(words: list[str], address: str) -> subprocess.Popen:
    from urllib.request import urlopen

    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def answers() -> bool:
        with urlopen(f"{address}/api/v1/overview", timeout=5) as answer:  # noqa: S310  # our own server
            return answer.status == 200

    _until(answers)
    return server


def _until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            if done():
                return
        time.sleep(0.02)
    raise SystemExit("The lineage server does not answer.")


if __name__ == "__main__":
    sys.exit(main())

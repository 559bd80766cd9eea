"""What lineage costs the main job, and whether it tells all of it: on all published transactions, or on a small world.

What belongs here: measuring lineage from within the process that runs the job. Not: the server (lineage_server.py) and
kills (kills.py).

Two whole runs of the job differ by more than lineage may cost, so its cost is measured by itself, from above: the
processor time of its threads, what storing an event takes longer, and what the end of the run waits. The two runs are
told beside it. Each is a process of its own, but for `--quick`.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from lakehouse.models.model import Gate, Model

MOST_SHARE, MOST_MILLISECONDS = 1.0, 1.0
_GATES = (Gate("auc_floor", "auc", at_least=0.0, description="A small world's models may be anything."),)
WITHOUT = """\
telemetry:
  enabled: false
event_log_storage:
  module: dagster._core.storage.event_log
  class: SqliteEventLogStorage
  config:
    base_dir: {home}/dagster/history/runs
"""


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("The main job with and without lineage, and whether all of it is told.")
    parser.transactions()
    parser.size("--days", 0, quick=30, about="days to simulate, in place of the published data")
    parser.add_argument("--child", nargs=2, metavar=("HOME", "WITH"), help="(the measured process itself)")
    given = parser.given()
    if given.child:
        sys.stdout.write(json.dumps(measure(Path(given.child[0]), given, listening=given.child[1] == "with")))
        return 0
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        if given.quick:
            found = without = measure(Path(folder, "with"), given, listening=True)
        else:
            found, without = (child(Path(folder, kind), kind, given) for kind in ("with", "without"))
    share = 100 * found["cost"] / found["seconds"]
    enqueue = found["enqueue_ms"]
    missing, invented = len(found["missing"]), len(found["invented"])
    figures = [
        Figure("lineage's share of the main job", share, "%", MOST_SHARE, "<= 1", share <= MOST_SHARE),
        Figure("the main job with lineage", found["seconds"], "s", None, "", holds=True),
        Figure("the main job without", without["seconds"], "s", None, "", holds=True),
        Figure("enqueueing an event, median", enqueue["median"], "ms", MOST_MILLISECONDS, "< 1", enqueue["median"] < 1),
        Figure("enqueueing an event, 99 of 100", enqueue["p99"], "ms", MOST_MILLISECONDS, "< 1", enqueue["p99"] < 1),
        Figure("processor time per event emitted", found["cpu"] / found["events"] * 1000, "ms", None, "", holds=True),
        Figure("waited at the run's end", found["waited"], "s", None, "", holds=True),
        Figure("events emitted", found["events"], "events", None, "", holds=True),
        Figure("events lost", found["lost"], "events", 0, "0", not found["lost"]),
        Figure("edges emitted", found["edges"] - missing, "edges", found["edges"], "all", not missing),
        Figure("edges without a cause", invented, "edges", 0, "0", not invented),
    ]
    return report(figures, given, missing=found["missing"], invented=found["invented"])


def child(home: Path, kind: str, given: Any) -> dict[str, Any]:
    """Measure in a process of its own."""
    words = [sys.executable, "-W", "ignore", "-m", "benchmarks.lineage", "--child", str(home), kind]
    words += ["--transactions", str(given.transactions), "--days", str(given.days)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)  # our own command
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def measure(home: Path, given: Any, *, listening: bool) -> dict[str, Any]:
    """Run the main job in this process."""
    from lakehouse.catalog.lakehouse import open_lakehouse
    from lakehouse.loading import load_domain
    from lakehouse.settings import Settings
    from orchestration.lineage import listener as lineage
    from orchestration.main_job import run_main_job
    from orchestration.memory import MemoryWatch
    from orchestration.progress import Progress

    lake = open_lakehouse(Settings.from_environment(home=home))
    if not listening:
        (lake.home.dagster / "dagster.yaml").write_text(WITHOUT.format(home=lake.home.root))
    domain = load_domain("fraud")
    if given.days:
        from assets.fraud.simulator import Simulation, write_daily_files

        rows = Simulation(days=given.days, customers=50 if given.quick else 400, terminals=800).simulate()
        write_daily_files(rows, lake.home.drop_folder("fraud.transactions"), "parquet")
        most = 1 if given.quick else None
        models = [replace(one, gates=_GATES, candidates=one.candidates[:most]) for one in domain.models]
        domain = domain.with_only(Model, models)
    else:
        lake.home.remember_source("fraud.transactions", given.transactions)
    began = time.perf_counter()
    with MemoryWatch() as watch, _MainThread(lineage) as main_thread:
        run_main_job(lake, domain, Progress(), watch)
    seconds = time.perf_counter() - began
    if not listening:
        return {"seconds": seconds}
    listener = lineage.listener_of(lake)
    if not listener.flush(60):
        raise SystemExit("Lineage events were not delivered within a minute.")
    cpu = _processor_seconds()
    return {
        "seconds": seconds,
        "cpu": cpu,
        "cost": cpu + main_thread.total,
        **main_thread.figures(),
        "lost": listener.lost,
    } | (_reported(lake, domain))


class _MainThread:
    """Measures the time that the main thread spends on lineage."""

    def __init__(self, lineage: Any) -> None:
        self.spent: list[float] = []
        self.waited: list[float] = []
        self._listener = lineage.Listener
        self._originals = enqueue, settle = lineage.Listener.enqueue, lineage.Listener.settle

        def timed_settle(listener: Any, seconds: float) -> bool:
            began = time.perf_counter()
            done = settle(listener, seconds)
            self.waited.append(time.perf_counter() - began)
            return done

        def timed_enqueue(listener: Any, entry: Any, storage: Any) -> None:
            waits = len(self.waited)
            began = time.perf_counter()
            enqueue(listener, entry, storage)
            self.spent.append(time.perf_counter() - began - sum(self.waited[waits:]))

        lineage.Listener.enqueue, lineage.Listener.settle = timed_enqueue, timed_settle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.enqueue, self._listener.settle = self._originals

    @property
    def total(self) -> float:
        """Seconds of the main thread. What it waited for is processor time of the others, and counted there."""
        return sum(self.spent)

    def figures(self) -> dict[str, Any]:
        """The times in figures."""
        in_order = sorted(self.spent)
        return {
            "enqueue_ms": {
                "median": 1000 * statistics.median(in_order),
                "p99": 1000 * in_order[int(0.99 * (len(in_order) - 1))],
            },
            "waited": sum(self.waited),
        }


def _processor_seconds() -> float:
    """The processor time of lineage's threads."""
    import psutil

    ours = {one.native_id for one in threading.enumerate() if one.name.startswith("lineage")}
    return sum(one.user_time + one.system_time for one in psutil.Process().threads() if one.id in ours)


def _reported(lake: Any, domain: Any) -> dict[str, Any]:
    from benchmarks.derived_lineage import compare
    from lakehouse.lineage.emit.outbox import Outbox

    events = [one.body for one in Outbox(lake.home.lineage / "outbox.db").waiting("nobody", 100_000)]
    found = compare(lake, domain, events)
    return {"events": len(events), "edges": found.edges, "missing": found.missing, "invented": found.invented}


if __name__ == "__main__":
    sys.exit(main())

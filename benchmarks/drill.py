"""The fire drill in figures: how much a model loses to bad deliveries, how soon and how rightly they are named.

What belongs here: every fault of `slipway drill` on a home that `slipway demo` made, and the story once more with
Dagster's own daemon. Not: the faults (lakehouse/drills/fault_injection.py) and running the drill
(orchestration/drill.py).

With a daemon the seconds count from the beginning of the sensor's tick that finds the file to the event that tells of
it (a failed check, or a failed step): a run in a process of its own, with all that it imports. How long the file waits
for that tick is the sensor's interval, and is shown beside it.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.arguments import Arguments
from benchmarks.figures import Figure, report
from benchmarks.fraud_tables import build_features, land_and_transform, train_small
from benchmarks.installed import demo
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.domain import Domain
from lakehouse.drills.fault_files import write_texts
from lakehouse.drills.fault_injection import FAULTS, GoodDelivery, inject
from lakehouse.errors import SlipwayError
from lakehouse.loading import load_domain
from lakehouse.settings import Settings
from orchestration.drill import Drill, FaultResult
from orchestration.sensors import delivery_sensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

STORY = "vendor_format_change"
MOST_SECONDS = 10.0
LEAST_NAMED = 0.9
PATIENCE = 240.0
TOP = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("Every fault of `slipway drill`, and the story with Dagster's daemon.")
    parser.add_argument("--domain", default="credit", help="the domain whose source is delivered badly")
    parser.add_argument("--home", type=Path, help="a home in which the domain has a champion (default: a new one)")
    given = parser.given()
    domain = load_domain(given.domain)
    with TemporaryDirectory(prefix="slipway-benchmark-") as folder:
        home = given.home or (_small if given.quick else _demo)(domain, Path(folder, "home"))
        with Drill(_lake(home), domain) as drill:
            faults = [STORY] if given.quick else [*FAULTS]
            results = [one for one in (_run(drill, name) for name in faults) if one is not None]
            waited, seconds = (0.0, 0.0) if given.quick else _with_daemon(drill, Path(folder, "daemon"))
            interval = delivery_sensor(domain).minimum_interval_seconds
            good, alarmed, control = drill.good, [one for one in results if one.alarm.raised], drill.control
    soon = seconds < MOST_SECONDS
    kinds = sum(one.kind_named for one in results) / len(results)
    columns = sum(one.column_named for one in results) / len(results)
    slowest = max(one.alarm.seconds for one in results)
    story = next(one for one in results if one.fault == STORY)
    quiet = control is not None and not control.raised
    without, within = story.without_contracts["accuracy"], story.with_contracts["accuracy"]
    kept = abs(good["accuracy"] - within)
    figures = [
        Figure("faults injected", len(results), "", None, ">= 10", len(results) >= 10),
        Figure("faults that raised an alarm", len(alarmed), "", len(results), "all", len(alarmed) == len(results)),
        Figure("alarms by the good delivery", 0 if quiet else 1, "", 0, "0", quiet),
        Figure("column named first", columns, "share", None, f">= {LEAST_NAMED}", columns >= LEAST_NAMED),
        Figure("kind named first", kinds, "share", None, "reported", holds=True),
        Figure("file to alarm, the slowest", slowest, "s", MOST_SECONDS, f"< {MOST_SECONDS:g}", slowest < MOST_SECONDS),
        Figure("file to alarm, with the daemon", seconds, "s", MOST_SECONDS, f"< {MOST_SECONDS:g}", soon),
        Figure("before that, waiting for the sensor", waited, "s", interval, "at most its interval", holds=True),
        Figure("accuracy as delivered", good["accuracy"], "", None, "reported", holds=True),
        Figure("accuracy without contracts", without, "", good["accuracy"], "lower", without < good["accuracy"]),
        Figure("accuracy with contracts", within, "", good["accuracy"], "within 0.02", kept <= 0.02),
    ]  # fmt: skip
    return report(figures, given, faults=[one.as_dict() for one in results])


def _small(domain: Domain, home: Path) -> Path:
    """A home with the statements of 900 clients and a champion, for `--quick`, which also leaves the daemon out."""
    from assets.credit.simulator import CreditSimulation, write_monthly_files

    lake = _lake(home)
    write_monthly_files(CreditSimulation(clients=900).simulate(), lake.home.drop_folder(domain.sources[0].name))
    land_and_transform(lake, domain)
    build_features(lake, domain)
    train_small(lake, domain)
    return home


def _demo(domain: Domain, home: Path) -> Path:
    """A home that the installed command made."""
    demo(home, "--domain", domain.name)
    return home


def _lake(home: Path) -> Lakehouse:
    return open_lakehouse(Settings.from_environment({"SLIPWAY_PROJECT": str(TOP)}, home=home))


def _run(drill: Drill, name: str) -> FaultResult | None:
    """Inject a fault; None where the source has no column for it."""
    try:
        return drill.run(FAULTS[name])
    except SlipwayError:
        return None


def _with_daemon(drill: Drill, home: Path) -> tuple[float, float]:
    """The story at a copy that Dagster's daemon watches: seconds until the sensor looked, and from then on."""
    from orchestration.instance import open_instance

    shutil.copytree(drill.home, home)
    lake = _lake(home)
    faulty = inject(FAULTS[STORY], GoodDelivery(drill.rows, drill.rows_before, drill.roles))
    file = lake.home.drop_folder(drill.source.name) / drill.delivery
    instance = open_instance(lake)
    environment = {**os.environ, "SLIPWAY_HOME": str(home), "DAGSTER_HOME": str(lake.home.dagster)}
    try:
        with _daemon(environment, f"{drill.domain.name}_new_deliveries"):
            _until(lambda: _ticks(instance))  # the daemon is up, and its sensor has looked once
            write_texts(faulty.rows, file, drill.types, faulty.encoding)
            arrived = time.time()
            alarm = _until(lambda: _alarm(instance))
            looked = max(one for one in _ticks(instance) if one <= alarm)
            looked = max((one for one in _ticks(instance) if arrived - 1 <= one <= alarm), default=looked)
    finally:
        instance.dispose()
    return round(max(looked - arrived, 0.0), 2), round(alarm - max(looked, arrived), 2)


@contextmanager
def _daemon(environment: dict[str, str], sensor: str) -> "Iterator[None]":
    """Dagster's daemon over the project's workspace, with the sensor switched on."""
    dagster = [sys.executable, "-m", "dagster"]
    quiet: dict[str, Any] = {"cwd": TOP, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = subprocess.run([*dagster, "sensor", "start", sensor, "-w", "workspace.yaml"], check=False, **quiet)
    if started.returncode:
        raise SystemExit(f"The sensor {sensor} cannot be switched on.")
    process = subprocess.Popen([sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"], **quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ticks(instance: "dg.DagsterInstance") -> list[float]:
    """When the sensors looked."""
    states = instance.all_instigator_state()
    return [
        tick.timestamp
        for state in states
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=10)
    ]


def _alarm(instance: "dg.DagsterInstance") -> float | None:
    """When the first check or step failed; None while none did."""
    times = [
        entry.timestamp
        for run in instance.get_runs(limit=5)
        for entry in instance.all_logs(run.run_id)
        if entry.dagster_event is not None and _failed(entry.dagster_event)
    ]
    return min(times, default=None)


def _failed(event: "dg.DagsterEvent") -> bool:
    kind = event.event_type_value
    if kind == "ASSET_CHECK_EVALUATION":
        return not event.asset_check_evaluation_data.passed
    return kind == "STEP_FAILURE"


def _until(found: Any) -> Any:  # a call, and what it gives when it gives something
    """Ask until there is an answer. Ends the benchmark when there is none in time."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        answer = found()
        if answer:
            return answer
        time.sleep(0.25)
    raise SystemExit(f"Nothing happened within {PATIENCE:g} s.")


if __name__ == "__main__":
    sys.exit(main())

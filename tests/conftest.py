"""What all tests share: an environment of their own, and homes of the canonical world in several states.

What belongs here: fixtures that more than one file uses. Not: the world itself (scenario.py).
A home that took long to build is built once a session, and each test gets a copy: homes can be copied.
"""

import fcntl
import gc
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadFileScheduling

from lakehouse.catalog.lakehouse import Lakehouse
from tests import scenario
from tests.environment import environment

if TYPE_CHECKING:
    from xdist.remote import Producer

    from orchestration.main_job import JobReport

gc.set_threshold(100_000, 20, 50)  # as for `slipway`

OURS = ("SLIPWAY_", "DAGSTER_", "MLFLOW_", "OPENLINEAGE_")

hypothesis_settings.register_profile(
    "slipway",
    deadline=None,  # the first call of a library takes longer than any fair deadline
    derandomize=bool(os.environ.get("CI")),
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("slipway")


ON_SPARK = ("conformance/test_engines", "conformance/test_audits", "test_spark_engine", "test_spark_sql")
ON_SPARK += ("test_spark_start", "test_spark_world")


class OneSpark(LoadFileScheduling):
    """The tests of a file on one worker, and those on Spark all on one: it takes memory, and time to get warm."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "spark" if file.removesuffix(".py").endswith(ON_SPARK) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> LoadFileScheduling | None:
    """Where `make test` asks for files to be kept together."""
    return OneSpark(config, log) if config.getoption("dist") == "loadfile" else None


LONGEST_FIRST = (*ON_SPARK, "test_main_job", "test_spark_cluster", "test_cli", "test_docs", "test_landing")
LONGEST_FIRST += ("test_bad_deliveries", "test_write_path_crashes", "test_reproduce", "test_credit", "test_new_domain")


SLOW = {"live_home", "spark_lake", "spark_built"}
"""Fixtures whose tests `make test-fast` leaves out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow. The files that take longest come first, so that no worker waits with one for the others."""
    for item in items:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    endings = {name: place for place, name in enumerate(LONGEST_FIRST)}

    def place(item: pytest.Item) -> int:
        file = item.nodeid.split("::")[0].removesuffix(".py")
        return min((place for name, place in endings.items() if file.endswith(name)), default=len(endings))

    items.sort(key=place)


def flush_lineage(lake: Lakehouse) -> None:
    """Wait until what ran in this process is told: a home may be copied then."""
    from orchestration.lineage.listener import listener_of

    assert listener_of(lake).flush(30)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """Whoever runs the tests may have a home of their own; no test may find it. Child processes keep their bytecode."""
    for name in list(os.environ):
        if name.startswith((*OURS, "PYTHONDONTWRITEBYTECODE")):
            del os.environ[name]


@pytest.fixture(scope="module", autouse=True)
def _environment_of_a_module_stays(_no_settings_from_outside: None) -> Iterator[None]:
    """What its fixtures hand to child processes (Settings.export) is gone when the last of its tests ends."""
    with environment():
        yield


@pytest.fixture(autouse=True)
def _environment_stays(_environment_of_a_module_stays: None) -> Iterator[None]:
    """What a test hands to child processes is gone when it ends."""
    with environment():
        yield


@pytest.fixture
def lake(tmp_path: Path) -> Lakehouse:
    """An empty lakehouse."""
    return scenario.make_lake(tmp_path / "home")


def once(tmp_path_factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """The home that `build` makes, once for all workers: whichever comes first makes it, the others wait."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    home, made = top / name / "home", top / name / "made"
    home.parent.mkdir(exist_ok=True)
    with (top / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(home, ignore_errors=True)  # of a worker that was killed while it built
            with environment():
                build(home)
            made.touch()
    return home


@pytest.fixture(scope="session")
def landed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the world delivered and landed. To be copied, never written to."""

    def build(home: Path) -> None:
        lake = scenario.make_lake(home)
        scenario.deliver(lake)
        scenario.land_all(lake)

    return once(tmp_path_factory, "landed", build)


@pytest.fixture(scope="session")
def built_home(landed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all tables of the world up to the training set. To be copied, never written to."""

    def build(home: Path) -> None:
        lake = scenario.make_lake(shutil.copytree(landed_home, home))
        scenario.build_models(lake)
        scenario.build_features(lake)
        scenario.build_training(lake)

    return once(tmp_path_factory, "built", build)


@pytest.fixture(scope="session")
def live_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home on which the main job ran once, through Dagster. To be copied, never written to."""

    def build(home: Path) -> None:
        lake = scenario.make_lake(home)
        scenario.deliver(lake)
        report = scenario.run_main(lake, scenario.small_domain())
        flush_lineage(lake)
        (home.parent / "report.pickle").write_bytes(pickle.dumps(report))

    return once(tmp_path_factory, "live", build)


@pytest.fixture(scope="session")
def live_report(live_home: Path) -> "JobReport":
    """What that run of the main job told."""
    return pickle.loads((live_home.parent / "report.pickle").read_bytes())  # noqa: S301  # our own, of this session


@pytest.fixture(scope="session")
def spark_lake(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse on Spark for whatever tables a test puts there under names of its own."""
    return scenario.make_lake(tmp_path_factory.mktemp("spark") / "home", scenario.SPARK)


@pytest.fixture(scope="session")
def spark_built(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """The world with all tables up to the training set, made on Spark. To be read, never written to."""

    def build(home: Path) -> None:
        lake = scenario.make_lake(home, scenario.SPARK)
        scenario.deliver(lake)
        scenario.land_all(lake)
        scenario.build_models(lake)
        scenario.build_features(lake)
        scenario.build_training(lake)

    return scenario.make_lake(once(tmp_path_factory, "spark-built", build), scenario.SPARK)


@pytest.fixture
def live(live_home: Path, tmp_path: Path) -> Lakehouse:
    """A home of the test's own, on which the main job ran once."""
    return scenario.make_lake(shutil.copytree(live_home, tmp_path / "live"))


@pytest.fixture
def landed(landed_home: Path, tmp_path: Path) -> Lakehouse:
    """The world, delivered and landed, in a home of the test's own."""
    return scenario.make_lake(shutil.copytree(landed_home, tmp_path / "landed"))


@pytest.fixture
def built(built_home: Path, tmp_path: Path) -> Lakehouse:
    """The world with all tables up to the training set, in a home of the test's own."""
    return scenario.make_lake(shutil.copytree(built_home, tmp_path / "built"))

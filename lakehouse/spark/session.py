"""The Spark session: one for a process, on the lakehouse's own catalog.

What belongs here: starting Spark or connecting to it, its properties, and why it cannot be had. Not: tables (tables.py)
and functions in workers (distributed.py). Only what Spark Connect supports is used of a session.
"""

import os
import socket
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.home import Home
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SettingsError
from lakehouse.extras import require
from lakehouse.settings import Settings
from lakehouse.spark.catalog import catalog_properties, on_s3
from lakehouse.spark.jars import jars_of
from lakehouse.spark.java import find_java
from lakehouse.spark.listener import listener_properties, warn_of_connect
from lakehouse.spark.resources import driver_megabytes, tasks_at_once

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
_ANSWERS_WITHIN = 5.0
"""Seconds; Spark itself would try for minutes."""

_lock = Lock()
_started: list[tuple[tuple, Any]] = []
_sessions: dict[tuple, Any] = {}


def spark_of(lake: Lakehouse) -> "SparkSession":
    """The process's Spark, with the catalog of `lake`; started on first use (about 6 seconds).

    Raises SettingsError when pyspark, Java, a jar, the workers' Python or the master is missing or of no use, and when
    the process's Spark was already runs Spark with other settings.
    """
    properties = catalog_properties(lake)
    given = lake.settings
    own = (given.spark_master, given.memory, given.spark_listener)
    key = (*own, *sorted(given.spark_properties.items()), *sorted(properties.items()))
    with _lock:
        if key not in _sessions:
            session = _new_session(lake)
            for name, value in {**_runtime(lake.settings), **properties}.items():
                session.conf.set(name, value)
            _sessions[key] = session
        return _sessions[key]


def _new_session(lake: Lakehouse) -> "SparkSession":
    settings = lake.settings
    require("pyspark", where="SLIPWAY_ENGINE=spark")
    from pyspark.sql import SparkSession

    _check_answers(settings.spark_master)
    if settings.spark_master.startswith("sc://"):
        warn_of_connect(settings)
        with _in_words(settings, None):
            session = SparkSession.builder.remote(settings.spark_master).create()
            _ship(session, lake.home)
        return session
    start = _start_properties(settings)
    start |= listener_properties(settings, lake.home, start.get("spark.extraListeners", ""))
    asked = tuple(sorted(start.items()))
    if not _started:
        _started.append((asked, _start(settings, lake.home, start)))
    elif _started[0][0] != asked:
        changed = sorted({name for name, _ in set(asked) ^ set(_started[0][0])})
        raise SettingsError(
            "This process already runs Spark with other settings.",
            where=", ".join(changed),
            fix="Start another process: these settings cannot change in a running one.",
        )
    return _started[0][1].newSession()


def _start(settings: Settings, home: Home, properties: Mapping[str, str]) -> "SparkSession":
    from pyspark.sql import SparkSession

    java = find_java(settings.java_home, home.work)
    python = _worker_python(settings)
    loopback = {"SPARK_LOCAL_IP": "127.0.0.1"} if settings.spark_master.startswith("local") else {}
    settings.hand_over({"JAVA_HOME": str(java), "PYSPARK_PYTHON": python, **loopback})
    builder = SparkSession.builder.master(settings.spark_master).appName("slipway")  # type: ignore[attr-defined]
    jars = {"spark.jars": ",".join(jars_of(settings, java, on_s3=on_s3(settings)))}
    for name, value in {**jars, **properties}.items():
        builder = builder.config(name, value)
    log = home.work / "spark" / f"spark-{os.getpid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with _in_words(settings, log), _output_to(log):
        session = builder.getOrCreate()
    if not settings.spark_master.startswith("local["):
        _ship(session, home)
    return session


def _start_properties(settings: Settings) -> dict[str, str]:
    """What is fixed when Spark starts."""
    local = settings.spark_master.startswith("local")
    found = {
        "spark.sql.extensions": _EXTENSIONS,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.memory": f"{driver_megabytes(settings)}m",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC -Djava.net.preferIPv4Stack=true",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        # A worker's own threads would fight over the cores that its neighbours work on.
        "spark.executorEnv.POLARS_MAX_THREADS": "1",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
    }
    if settings.spark_master.startswith("local["):
        found["spark.python.daemon.module"] = "lakehouse.spark.daemon"
    if local:
        found |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return {**found, **settings.spark_properties}


def _runtime(settings: Settings) -> dict[str, str]:
    """Settings of each session, started here or connected to."""
    at_once = tasks_at_once(settings)
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.caseSensitive": "false",
        "spark.sql.shuffle.partitions": str(2 * at_once),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }


def _worker_python(settings: Settings) -> str:
    """The Python that runs functions on this machine's workers: this one, unless PYSPARK_PYTHON names another."""
    if not settings.worker_python:
        return sys.executable
    if settings.spark_master.startswith("local"):
        ask = "import sys, numpy, polars, pyarrow; print(*sys.version_info[:2], sep='.')"
        found_version = _answer_of(settings.worker_python, ask)
        wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
        if found_version != wanted:
            raise SettingsError(
                f"It is Python {found_version}, and Spark's workers need {wanted}, as Slipway runs in."
                if found_version
                else "It cannot be run, or lacks numpy, polars or pyarrow.",
                where=f"PYSPARK_PYTHON={settings.worker_python}",
                nearest=sys.executable,
                fix="Unset PYSPARK_PYTHON: the workers then use the Python that Slipway runs in.",
            )
    return settings.worker_python


@cache
def _answer_of(python: str, ask: str) -> str:
    try:
        return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


def _check_answers(master: str) -> None:
    """Whether anything listens at the address of a master or a Connect server."""
    kind, _, rest = master.partition("://")
    if kind not in {"spark", "sc"}:
        return
    host, _, port = rest.partition("/")[0].partition(";")[0].partition(",")[0].partition(":")
    try:
        socket.create_connection((host, int(port or (15002 if kind == "sc" else 7077))), _ANSWERS_WITHIN).close()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"Spark cannot be reached ({error}).",
            where=f"SLIPWAY_SPARK_MASTER={master.partition(';')[0]}",
            nearest="local[*]",
            fix="Start Spark there, correct the address, or run Spark in this process with local[*].",
        ) from None


def _ship(session: "SparkSession", home: Home) -> None:
    """Give this package to workers that do not have it."""
    top = Path(__file__).resolve().parents[1]
    target = home.work / "spark" / f"lakehouse-{os.getpid()}-{uuid.uuid4().hex[:8]}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(top.rglob("*.py")):
            packed.write(path, path.relative_to(top.parent))
    session.addArtifacts(str(target), pyfile=True)


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Redirect the standard error of processes started inside to `log`: a JVM writes much of no use to the user."""
    sys.stderr.flush()
    kept = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _in_words(settings: Settings, log: Path | None) -> Iterator[None]:
    """Raise the reason why Spark does not start as SettingsError."""
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        raise SettingsError(
            f"Spark does not start: {str(error).strip().splitlines()[0]}",
            where=f"SLIPWAY_SPARK_MASTER={settings.spark_master.partition(';')[0]}",
            fix=f"Spark's messages are in {log}." if log else "Look at the server's log.",
        ) from error

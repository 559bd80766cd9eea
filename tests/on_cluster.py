"""A program that works on a Spark cluster and prints what it saw as JSON: what test_spark_cluster.py starts.

What belongs here: the work, in a process of its own, because a process has one Spark. Not: judging it.

    python -m tests.on_cluster cluster FOLDER SETTINGS     on the cluster that the settings (JSON) name
    python -m tests.on_cluster connect FOLDER SETTINGS     the features once more, through Spark Connect
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.spark.engine import SparkEngine
from lakehouse.errors import SlipwayError
from lakehouse.feature_tables.build import feature_shape
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import SparkRows
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from lakehouse.training.reproduce import reproduce
from lakehouse.training.stored_hashes import CONTENT, note
from lakehouse.training.training_tables import build_training_set
from tests import scenario
from tests.integration.test_spark_engine import declared, put, some
from tests.integration.test_spark_world import FEW, TABLES, rows

NUMBERS = pa.schema([("number", pa.int64())])
MADE_BY = Provenance("cluster-run", "test")


def fraud_domain(folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    """The whole main job up to the training set, here and embedded: the tables that differ."""
    first = scenario.payments_on(FEW)
    lakes = scenario.make_lake(folder / "home", settings), scenario.make_lake(folder / "embedded")
    for lake in lakes:
        scenario.deliver(lake, first)
        scenario.land_all(lake, lenient=True)
        scenario.build_models(lake)
        scenario.build_features(lake)
        scenario.build_training(lake)
    ours, theirs = lakes
    proof = reproduce(ours, scenario.training)
    return {
        "rows": {name: len(rows(ours, name)) for name in TABLES},
        "differing": [name for name in TABLES if not rows(ours, name).equals(rows(theirs, name))],
        "reproduced": proof.identical and proof.recorded_hash == proof.rebuilt_hash,
    }


def workers(lake: Lakehouse) -> dict[str, Any]:
    """The executors' process ids, and whether their Python uses the package that was sent along."""

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import lakehouse

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"executor": [executor()], "sent": [".zip" in lakehouse.__file__]})

    frame = spark_of(lake).range(0, 8, 1, 8).mapInArrow(look, "executor long, sent boolean")
    seen = frame.toArrow().to_pylist()
    return {"executors": sorted({row["executor"] for row in seen}), "sent": all(row["sent"] for row in seen)}


def executor() -> int:
    """In a worker: the process id of its executor, which started the daemon that the worker was forked from."""
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(") ")[2].split()[1])


def skew(lake: Lakehouse) -> dict[str, Any]:
    """Events of which half belong to one entity, in so little memory that it is cut by days."""
    input_snapshots = {
        name: put(lake, name, some(seed, 200, hot=0.5)) for seed, name in enumerate(("c.events", "c.spine"))
    }
    one = replace(declared("c.events", "c.spine"), name="c.features")
    expected = EmbeddedEngine().compute_features(lake, one, input_snapshots, None)
    made = SparkEngine(limit=200_000).feature_rows(
        lake, one, BuildPlan(one.name, input_snapshots, one.fingerprint(), None, (), None)
    )
    publish(lake, write_draft(lake, feature_shape(one, made.schema), made, MADE_BY))
    found = read(lake, one.name).sort_by([("at", "ascending"), ("row", "ascending")])
    return {"rows": len(found), "equal": found.equals(expected)}


def deaths(lake: Lakehouse, folder: Path) -> dict[str, Any]:
    """An executor that dies once, and workers that always die, both while Spark writes to an audit branch."""
    shape, marker = TableShape("c.numbers", NUMBERS), folder / "died"

    def once(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            try:
                marker.touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(executor(), signal.SIGKILL)

    def always(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            if batch.column(0)[0].as_py():  # the first partition is written as if nothing were wrong
                os.kill(os.getpid(), signal.SIGKILL)

    def write(work) -> Any:  # what mapInArrow takes
        numbers = spark_of(lake).range(0, 1_000, 1, 2).withColumnRenamed("id", "number")
        return write_draft(lake, shape, SparkRows(numbers.mapInArrow(work, "number long"), NUMBERS, [], "c"), MADE_BY)

    publish(lake, write(once))
    results: dict[str, Any] = {"once": marker.exists(), "whole": read(lake, shape.name)["number"].to_pylist()}
    before = lake.table(shape.name).metadata.refs["main"].snapshot_id
    try:
        write(always)
    except SlipwayError as error:
        results["error"] = error.as_dict()
    references = lake.table(shape.name).metadata.refs
    results["untouched"] = {one.snapshot_id for one in references.values()} == {before}
    results["after"] = spark_of(lake).range(10).count()
    return results


def on_cluster(folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    """Everything, one after the other; the cluster serves Spark Connect meanwhile."""
    results: dict[str, Any] = {"domain": fraud_domain(folder, settings)}
    lake = scenario.make_lake(folder / "home", settings)
    port = json.loads(settings["SLIPWAY_SPARK_PROPERTIES"])["spark.connect.grpc.binding.port"]
    remote = {"SLIPWAY_ENGINE": "spark", "SLIPWAY_SPARK_MASTER": f"sc://127.0.0.1:{port}"}
    words = [sys.executable, "-m", "tests.on_cluster", "connect", str(folder), json.dumps(remote)]
    # The child must not take this process's Spark for its own.
    around = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(words, capture_output=True, text=True, env=around, check=False)
    results["connect"] = json.loads(done.stdout.splitlines()[-1]) if not done.returncode else done.stdout + done.stderr
    return {**results, "workers": workers(lake), "skew": skew(lake), "deaths": deaths(lake, folder)}


def on_connect(folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    """Features and training set of the home rebuilt, by a process without its own Spark."""
    lake = scenario.make_lake(folder / "home", settings)
    names = [one.name for one in scenario.training.feature_sets]
    before = {name: rows(lake, name) for name in [*names, "fraud.training"]}
    content = _content(lake)
    made = scenario.build_features(lake, rebuild=True)
    training = build_training_set(lake, scenario.training, run_id="connect-run", rebuild=True)
    return {
        "recomputed": sorted(one.name for one in [*made, training] if one.recomputed and one.days is None),
        "differing": [name for name, held in before.items() if not rows(lake, name).equals(held)],
        "same_note": _content(lake) == content != "",
    }


def _content(lake: Lakehouse) -> str:
    snapshot = lake.table("fraud.training").current_snapshot()
    return note(lake, "fraud.training", snapshot.snapshot_id, CONTENT) if snapshot else ""


if __name__ == "__main__":
    kind, where, given = sys.argv[1:]
    work = {"cluster": on_cluster, "connect": on_connect}[kind]
    sys.stdout.write(json.dumps(work(Path(where), json.loads(given))) + "\n")

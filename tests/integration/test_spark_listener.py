"""OpenLineage's own listener inside a real Spark: whose its queries are, and that no table gets a second name by it.

What belongs here: what only shows with the real listener, whose events come from a program (tests/with_listener.py).
Not: how events are taken up (unit/test_lineage_spark.py, test_lineage_runs.py).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SettingsError
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.outbox import Outbox
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.store.store import open_store
from lakehouse.settings import Settings
from lakehouse.spark.jars import LISTENER, jars_of
from orchestration.instance import open_instance
from orchestration.lineage.reconcile import reconcile
from tests import scenario
from tests.shell import TOP
from tests.spark_queries import age
from tests.with_listener import SECRET

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A home in which the program ran. Its runs succeeded, though the listener's file is broken in the middle."""
    home = tmp_path_factory.mktemp("listener") / "home"
    words = [sys.executable, "-W", "ignore", "-m", "tests.with_listener", str(home)]
    around = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(words, capture_output=True, text=True, cwd=TOP, env=around, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(json.loads(done.stdout.splitlines()[-1]).values()) == [True, True]
    assert "Lineage left out what is no event" in done.stderr
    return scenario.make_lake(home)


def run_events(lake: Lakehouse) -> Events:
    outbox = Outbox(lake.home.lineage / "outbox.db")
    events = [one.body for one in outbox.waiting("nobody", 100_000)]
    outbox.shut()
    return events


@pytest.fixture(scope="module")
def events(lake: Lakehouse) -> Events:
    """All events of the home."""
    return run_events(lake)


def queries(events: Events) -> Events:
    """What the listener told."""
    return [one for one in events if one["producer"] != names.PRODUCER]


def test_each_query_hangs_under_the_step_that_it_was_for_also_when_one_spark_serves_many(events: Events) -> None:
    own = {one["job"]["name"]: one["run"] for one in events if one["producer"] == names.PRODUCER}
    found = {}
    for one in queries(events):
        parent = one["run"]["facets"]["parent"]
        step = parent["job"]["name"]
        assert parent["run"]["runId"] == own[step]["runId"]
        assert parent["root"]["run"]["runId"] == own[step]["facets"]["parent"]["root"]["run"]["runId"]
        assert parent["root"]["job"]["name"] == ("shop_main" if "shop" in step else "fraud_main")
        assert one["job"]["name"].startswith(f"{step}.")
        found.setdefault(one["job"]["name"], []).append(one["eventType"])
    assert found["fraud.transactions.overwrite_by_expression"] == ["START", "COMPLETE"]
    assert found["shop.broken.map_in_arrow"] == ["START", "FAIL"]  # and not complete, as the listener says after it
    assert set(found) - {"shop.broken.map_in_arrow", "fraud.transactions.overwrite_by_expression"} == {
        f"{step}.execute_insert_into_hadoop_fs_relation_command" for step in ("shop.counted", "shop.broken")
    }  # what ran between the steps is nobody's


def test_no_table_appears_under_two_names(lake: Lakehouse, events: Events) -> None:
    """The listener names a table that is read by its files after the folder of these: the raw file shows it."""
    raw = b"".join(path.read_bytes() for path in (lake.home.lineage / "spark").glob("*.jsonl"))
    assert b"/warehouse/fraud/transactions/data" in raw
    place = names.place_of(lake.table("fraud.transactions").location())
    elsewhere = names.Named("file", str(lake.home.root.parent / "elsewhere"))
    named = {
        (one["namespace"], one["name"]) for event in queries(events) for one in [*event["inputs"], *event["outputs"]]
    }
    assert named == {place, elsewhere}
    store = open_store(lake)
    graph = Graph(store)
    with graph.view() as view:
        shown = [view.naming(node) for node in view.nodes()]
        below = [one.name for one in shown if place.name in one.physical]
        assert below == ["fraud.transactions"]
        assert len({one.physical for one in shown}) == len(shown)
        # Who wrote it last, and of which snapshot it is, stay what Python said.
        node = graph.find(view, name="fraud.transactions")
        own = {one["run"]["runId"] for one in events if one["job"]["name"] == "fraud.transactions"}
        member = next(one for one in graph.index.members[node] if one in graph.index.written)
        assert {graph.index.written[member].run} == own
        snapshot = lake.table("fraud.transactions").current_snapshot()
        assert snapshot is not None
        assert graph.index.versions[member][1] == str(snapshot.snapshot_id)
    store.close()


def test_neither_sql_nor_values_nor_secrets_get_through(lake: Lakehouse, events: Events) -> None:
    assert SECRET not in json.dumps(events)
    for one in queries(events):
        assert set(one["run"]["facets"]) <= {"parent", "processing_engine", "spark_applicationDetails"}
        assert set(one["run"]["facets"].get("spark_applicationDetails", {})) <= {
            *("_producer", "_schemaURL", "applicationId", "deployMode")
        }
        assert set(one["job"]["facets"]) == {"jobType"}
        assert all("facets" not in dataset for dataset in [*one["inputs"], *one["outputs"]])
    for path in (lake.home.lineage / "spark").glob("*.jsonl"):
        assert SECRET.encode() not in path.read_bytes()


def test_taken_up_again_nothing_is_doubled_and_the_files_go(lake: Lakehouse, events: Events) -> None:
    with open_instance(lake) as instance:
        assert list((lake.home.lineage / "spark").iterdir())
        age(lake.home.lineage)
        assert reconcile(lake, instance).events == 0
        assert not list((lake.home.lineage / "spark").iterdir())
        assert reconcile(lake, instance).events == 0
    assert run_events(lake) == events


def test_a_folder_of_jars_has_to_hold_the_listeners(tmp_path: Path) -> None:
    (tmp_path / "iceberg-spark-runtime-4.1_2.13-1.12.0.jar").touch()
    given = {"SLIPWAY_SPARK_JARS": str(tmp_path), "SLIPWAY_SPARK_LISTENER": "on"}
    settings = Settings.from_environment(given, home=tmp_path / "home")
    with pytest.raises(SettingsError, match="does not hold OpenLineage's listener") as caught:
        jars_of(settings, tmp_path, on_s3=False)
    assert caught.value.nearest == "openlineage-spark_2.13-1.53.0.jar"
    assert LISTENER in (caught.value.fix or "")
    (tmp_path / "openlineage-spark_2.13-1.53.0.jar").touch()
    assert len(jars_of(settings, tmp_path, on_s3=False)) == 2

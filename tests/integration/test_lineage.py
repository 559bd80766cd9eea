"""The lineage of the main job: every table, column, model and prediction, and no false edges.

What belongs here: the events of the canonical world's main job. Not: how runs go (test_lineage_runs.py), single edges
(unit/test_lineage_columns.py).
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from benchmarks.derived_lineage import compare
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.lineage.emit.outbox import Outbox
from lakehouse.loading import load_domain
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import resolve
from orchestration.checks import last_evaluation
from orchestration.instance import open_instance
from orchestration.lineage.reconcile import reconcile
from tests import scenario
from tests.conftest import flush_lineage
from tests.test_definitions import GRAPH

SPEC = Path(__file__).resolve().parents[3] / "shared" / "data" / "openlineage_spec"
with_schemas = pytest.mark.skipif(not SPEC.is_dir(), reason="needs: ../shared/data/openlineage_spec")
EXTRA = {"_file", "_row", "_fingerprint", "_arrived_at", "model", "model_version", "input_snapshots", "transactions"}
"""Columns that no column is the origin of: places in files, constants, a count of rows."""


def emitted_events(lake: Lakehouse) -> list[dict[str, Any]]:
    """All events of the home, in their order."""
    outbox = Outbox(lake.home.lineage / "outbox.db")
    events = [one.body for one in outbox.waiting("nobody", 100_000)]
    outbox.shut()
    return events


@pytest.fixture(scope="module")
def events(live_home: Path) -> list[dict[str, Any]]:
    """The events of one main job, from deliveries to predictions."""
    return emitted_events(scenario.make_lake(live_home))


def ends(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last event of each job."""
    return {one["job"]["name"]: one for one in events if one.get("eventType") not in {"START", "RUNNING"}}


def shown(dataset: Mapping[str, Any]) -> str:
    """The name that people see."""
    return dataset["facets"]["symlinks"]["identifiers"][0]["name"]


def output(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The output of that name."""
    return next(one for one in event["outputs"] if shown(one) == name)


# The standard


@cache
def _schemas():
    from referencing import Registry, Resource

    read = [json.loads(path.read_text()) for path in (SPEC / "OpenLineage.json", *SPEC.glob("facets/*.json"))]
    by_name = {one["$id"].rpartition("/")[2]: one for one in read}
    return Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in read]), by_name


def facets(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every facet of an event by its name."""
    holders = [event.get("run", {}), event.get("job", {}), event.get("dataset", {})]
    for one in holders:
        yield from one.get("facets", {}).items()
    for one in [*event.get("inputs", ()), *event.get("outputs", ())]:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from one.get(kind, {}).items()


def faults(event: Mapping[str, Any]) -> list[str]:
    """Violations of the standard's own schemas by an event and its facets."""
    from jsonschema import Draft202012Validator

    registry, by_name = _schemas()
    checker = Draft202012Validator.FORMAT_CHECKER

    def against(reference: str, what: object) -> list[str]:
        found = Draft202012Validator({"$ref": reference}, registry=registry, format_checker=checker).iter_errors(what)
        return [f"{one.json_path}: {one.message}"[:300] for one in found]

    wrong = against(by_name["OpenLineage.json"]["$id"], event)
    for name, facet in facets(event):
        place = facet["_schemaURL"].partition("#")
        file = place[0].rpartition("/")[2]
        if file in by_name:  # the file's version is the specification's here, and may be newer than the client's
            wrong += against(f"{by_name[file]['$id']}#{place[2]}", facet)
            if name not in by_name[file]["properties"]:
                # The standard leaves any key be: a facet under another one is simply found by nobody.
                wrong.append(f"{name}: {file} stands under {', '.join(by_name[file]['properties'])}")
        else:
            assert name.startswith("slipway_"), name
            assert facet["_schemaURL"].startswith("urn:slipway:")
        assert facet["_producer"] == event["producer"]
    return wrong


@with_schemas
def test_every_event_is_the_standards(events: list[dict[str, Any]]) -> None:
    assert len(events) > 60
    for event in events:
        assert not faults(event), event.get("job")


def test_every_run_starts_and_ends_once_under_its_root(events: list[dict[str, Any]]) -> None:
    runs: dict[str, list[str]] = {}
    for event in events:
        runs.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert all(states == ["START", "COMPLETE"] for states in runs.values())
    (root,) = {e["run"]["runId"] for e in events if "parent" not in e["run"]["facets"]}
    for event in events:
        parent = event["run"]["facets"].get("parent")
        if parent:
            assert parent["root"]["run"]["runId"] == root
            assert parent["run"]["runId"] in runs, event["job"]["name"]


# Completeness, derived from SQL and declarations by other means


def test_the_main_job_reports_all_its_edges_and_no_others(events: list[dict[str, Any]], live_home: Path) -> None:
    lake = scenario.make_lake(live_home)
    found = compare(lake, load_domain("fraud"), events)
    assert not found.missing
    assert not found.invented
    assert found.edges > 300
    assert set(found.tables) == {name for name in GRAPH if name.startswith("fraud.")}
    last = ends(events)
    for name in found.tables:
        read = {shown(one) for one in last[name]["inputs"]}
        if name != "fraud.transactions":
            assert read == GRAPH[name], name
        facet = output(last[name], name)["facets"]["columnLineage"]
        for one in (*(edge for made in facet["fields"].values() for edge in made["inputFields"]), *facet["dataset"]):
            assert {way["type"] for way in one["transformations"]} <= {"DIRECT", "INDIRECT"}
    assert len(last["fraud.transactions"]["inputs"]) == scenario.DAYS
    assert all(column in EXTRA for _, column in found.without)


# Facts


def test_versions_rows_owners_and_meanings_are_those_of_the_lakehouse(
    events: list[dict[str, Any]], live_home: Path
) -> None:
    lake = scenario.make_lake(live_home)
    last = ends(events)
    for name in GRAPH:
        if not name.startswith("fraud.") or name == "fraud.scorer":
            continue
        dataset, made, table = output(last[name], name), last_published(lake, name), lake.table(name)
        assert made is not None
        assert dataset["namespace"] == "file"
        assert table.location() == f"file://{dataset['name']}"
        about = dataset["facets"]
        assert about["version"]["datasetVersion"] == str(resolve(table))
        assert about["ownership"]["owners"][0]["name"] == table.properties["owner"]
        assert about["documentation"]["description"]
        assert [one["name"] for one in about["schema"]["fields"]] == table.schema().column_names
        docs = {one.name: one.doc for one in table.schema().fields if one.doc}
        assert {one["name"]: one["description"] for one in about["schema"]["fields"] if "description" in one} == docs
        assert about["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"
        assert about["slipway_snapshot"]["runId"] == made.run_id
        assert about["slipway_stale"]["stale"] is False
        assert dataset["outputFacets"]["outputStatistics"]["rowCount"] == made.rows
        assert about["dataQualityMetrics"]["rowCount"] == made.rows
        code = last[name]["run"]["facets"]["slipway_code"]
        assert (code["version"], code["definition"]) == (made.code_version, made.definition)
        input_snapshots = {shown(one): one["facets"]["version"]["datasetVersion"] for one in last[name]["inputs"]}
        assert {key: pin for key, pin in input_snapshots.items() if key in made.input_snapshots} == {
            key: str(pin) for key, pin in made.input_snapshots.items()
        }
    source = output(last["fraud.transactions"], "fraud.transactions")["facets"]
    assert source["slipway_breaker"]["state"] == "closed"
    assert source["slipway_contract"]["version"]
    assert source["datasetType"]["datasetType"] == "SOURCE"
    nominal = last["fraud.training"]["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"].startswith("2018-04-01T00:00")


def test_every_check_is_reported_with_its_result_and_severity(events: list[dict[str, Any]], live: Lakehouse) -> None:
    last = ends(events)
    with open_instance(live) as instance:
        for name in (name for name in GRAPH if name.startswith("fraud.")):
            facets_ = output(last[name], name)["outputFacets"]
            assertions = facets_["dataQualityAssertions"]["assertions"]
            assert assertions, name
            for one in assertions:
                dagster = last_evaluation(instance, name, one["assertion"])
                assert dagster is not None
                assert dagster.passed == one["success"]
                assert (dagster.severity is dg.AssetCheckSeverity.ERROR) == (one["severity"] == "error")
                assert name == "fraud.scorer" or one["description"], "the world's gates are not those that are declared"
    amounts = output(last["fraud.transactions"], "fraud.transactions")["outputFacets"]["dataQualityAssertions"]
    by_name = {one["assertion"]: one for one in amounts["assertions"]}
    assert by_name["TX_AMOUNT_in_range"]["column"] == "TX_AMOUNT"
    assert by_name["TX_AMOUNT_in_range"]["expected"] == by_name["TX_AMOUNT_in_range"]["actual"] == "0"


def test_a_delivery_is_reported_by_its_fingerprint_and_its_profile_by_counts(events: list[dict[str, Any]]) -> None:
    first = ends(events)["fraud.transactions"]["inputs"][0]
    assert first["facets"]["datasetType"]["datasetType"] == "FILE"
    assert Path(first["name"]).name == f"transactions_{scenario.START}.parquet"
    metrics = first["inputFacets"]["dataQualityMetrics"]
    rows = len(scenario.payments_on([scenario.START]))
    assert metrics["rowCount"] == first["inputFacets"]["inputStatistics"]["rowCount"] == rows
    assert {key for one in metrics["columnMetrics"].values() for key, value in one.items() if value != {}} <= {
        "nullCount",
        "distinctCount",
        "count",
    }


def test_dbts_tests_are_runs_below_the_node_that_they_test(events: list[dict[str, Any]]) -> None:
    last = ends(events)
    test = last["fraud.fraud_reports.unique_fraud_reports_transaction_id"]
    assert test["run"]["facets"]["parent"]["run"]["runId"] == last["fraud.fraud_reports"]["run"]["runId"]
    assert last["fraud.fraud_reports"]["run"]["facets"]["parent"]["job"]["name"] == "fraud_dbt_models"
    assert test["run"]["facets"]["test"]["tests"][0]["status"] == "pass"
    assert shown(test["inputs"][0]) == "fraud.fraud_reports"
    assert last["fraud.fraud_reports"]["job"]["facets"]["sql"]["query"].startswith("select")
    assert last["fraud.fraud_reports"]["job"]["facets"]["sourceCodeLocation"]["path"].endswith("fraud_reports.sql")
    assert last["fraud.fraud_reports"]["run"]["facets"]["processing_engine"]["name"] == "dbt"


def test_models_and_their_trainings_are_reported_under_mlflows_names(
    events: list[dict[str, Any]], live: Lakehouse
) -> None:
    last = ends(events)
    champion = open_registry(live.home).champion("fraud.scorer")
    assert champion is not None
    (made,) = last["fraud.scorer"]["outputs"]
    assert (made["namespace"], made["name"]) == ("mlflow", "fraud.scorer")
    assert made["facets"]["version"]["datasetVersion"] == str(champion.version)
    read = {shown(one): one for one in last["fraud.predictions"]["inputs"]}["fraud.scorer"]
    assert (read["namespace"], read["name"]) == ("mlflow", "fraud.scorer")
    assert read["facets"]["version"]["datasetVersion"] == str(champion.version)
    training = last["fraud.scorer.training"]
    assert training["run"]["runId"].replace("-", "") == champion.run_id
    assert training["run"]["facets"]["externalQuery"] == {
        **training["run"]["facets"]["externalQuery"],
        "externalQueryId": champion.run_id,
        "source": "mlflow",
    }
    assert training["run"]["facets"]["parent"]["run"]["runId"] == last["fraud.scorer"]["run"]["runId"]
    candidate = last[f"fraud.scorer.{champion.candidate}"]
    assert candidate["run"]["facets"]["slipway_metrics"]["metrics"]["auc"] == champion.metrics["auc"]


def test_the_homes_store_has_it_all(events: list[dict[str, Any]], live: Lakehouse) -> None:
    from lakehouse.lineage.store.store import open_store

    store = open_store(live)
    assert store.receive_many(events) == 0
    store.close()


def test_reconciling_a_lost_outbox_emits_identical_events(events: list[dict[str, Any]], live: Lakehouse) -> None:
    """Dagster's log and the lakehouse hold all of it. Only a run's start was reported before its tables existed."""
    for path in live.home.lineage.glob("outbox.db*"):
        path.unlink()
    with open_instance(live) as instance:
        assert reconcile(live, instance).events == len(events)

    def plain(event: dict[str, Any]) -> str:
        kept = dict(event) if event["eventType"] != "START" else {**event, "inputs": [], "outputs": []}
        return json.dumps(kept, sort_keys=True)

    assert sorted(map(plain, emitted_events(live))) == sorted(map(plain, events))


def test_a_training_with_an_undefined_score_is_still_reported(live: Lakehouse) -> None:
    registry = open_registry(live.home)
    champion = registry.champion("fraud.scorer")
    assert champion is not None
    registry.client.log_metric(champion.run_id, "undefined", float("nan"))
    for path in live.home.lineage.glob("outbox.db*"):
        path.unlink()
    with open_instance(live) as instance:
        assert reconcile(live, instance).rejected == 0
    training = ends(emitted_events(live))["fraud.scorer.training"]["run"]["facets"]["slipway_metrics"]["metrics"]
    assert training["undefined"] == "nan"
    assert training["auc"] == champion.metrics["auc"]


def test_reconciling_fills_a_lost_or_another_store(live: Lakehouse, events: list[dict[str, Any]]) -> None:
    from lakehouse.lineage.store.store import open_store

    for path in live.home.lineage.glob("lineage.db*"):
        path.unlink()
    with open_instance(live) as instance:
        assert reconcile(live, instance).events == 0, "the outbox has them all"
    store = open_store(live)
    assert store.receive_many(events) == 0
    store.close()


# Later runs


def test_a_rejected_delivery_fails_the_landing_and_no_value_or_secret_gets_out(live: Lakehouse) -> None:
    secrets = {
        "SLIPWAY_NOTIFY": "json://user:PlantedPassword@127.0.0.1:1/PlantedToken123",
        "SLIPWAY_CATALOG_PROPERTIES": json.dumps({"s3.secret-access-key": "PlantedKey456"}),
        "SLIPWAY_SPARK_PROPERTIES": json.dumps({"spark.password": "PlantedSpark789"}),
    }
    lake = scenario.make_lake(live.home.root, secrets)
    day = scenario.LAST.replace(day=scenario.LAST.day + 1)
    rows = scenario.payments_on([scenario.LAST]).with_columns(
        TX_DATETIME=pl.col("TX_DATETIME").dt.offset_by("1d"),
        TRANSACTION_ID=pl.col("TRANSACTION_ID") + 1_000_000,
        TX_AMOUNT=pl.lit(-98765.43),
    )
    scenario.deliver(lake, rows)
    before = len(emitted_events(lake))
    with pytest.raises(SlipwayError):
        scenario.run_main(lake, scenario.small_domain())
    flush_lineage(lake)
    new = emitted_events(lake)[before:]
    last = ends(new)
    landing = last["fraud.transactions"]
    assert landing["eventType"] == last["fraud_main"]["eventType"] == "FAIL"
    assert shown(landing["inputs"][0]) == f"fraud.transactions/transactions_{day}.parquet"
    assert landing["inputs"][0]["inputFacets"]["slipway_delivery"]["status"] == "rejected"
    made = output(landing, "fraud.transactions")
    assert "version" not in made["facets"], "nothing was published"
    failed = [one for one in made["outputFacets"]["dataQualityAssertions"]["assertions"] if not one["success"]]
    assert "TX_AMOUNT_in_range" in {one["assertion"] for one in failed}
    assert landing["run"]["facets"]["errorMessage"]["message"]
    text = json.dumps(new)
    for planted in ("98765", "Planted"):
        assert planted not in text
    if SPEC.is_dir():
        assert not [fault for event in new for fault in faults(event)]

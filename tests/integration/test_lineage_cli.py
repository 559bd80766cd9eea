"""`slipway lineage` as people and scripts use it.

What belongs here: the commands, their texts and their JSON. Not: the server that `slipway lineage` starts
(test_lineage_server.py), what the graph is (unit/test_lineage_graph.py).
"""

import pytest

from lakehouse.lineage.store.store import open_store
from orchestration.cli.lineage import spelled_out
from tests import sample_events as sample
from tests import scenario
from tests.integration.test_cli import slipway  # noqa: F401  # a fixture


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose lineage is the small world, made twice."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("cli") / "home")
    store = open_store(lake)
    store.receive_many([*sample.world(0), *sample.world(1)])
    store.close()
    return lake.home.root


@pytest.fixture
def lineage(slipway, home):  # noqa: F811  # the fixture
    return lambda *words: slipway("lineage", *words, "--home", home)


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        ([], ["serve"]),
        (["--port", "0"], ["serve", "--port", "0"]),
        (["fraud.training"], ["show", "fraud.training"]),
        (["fraud.training", "--upstream"], ["show", "fraud.training", "--upstream"]),
        (["diff", "a", "b"], ["diff", "a", "b"]),
        (["--help"], ["--help"]),
        (["show", "diff"], ["show", "diff"]),
    ],
)
def test_serve_and_show_are_optional(words, spelled):
    assert spelled_out(words) == spelled


def test_a_table_is_shown_with_upstream_and_downstream(lineage):
    result = lineage("fraud.customer_spend")
    assert result.code == 0
    assert "Upstream of fraud.customer_spend" in result.words
    assert "Downstream of fraud.customer_spend" in result.words
    assert "fraud.transactions/day1.parquet" in result.words
    assert "fraud.scorer" in result.words


@pytest.mark.parametrize(
    ("options", "upstream", "downstream"),
    [
        ([], 3, 2),
        (["--upstream"], 3, None),
        (["--downstream"], None, 2),
        (["--upstream", "--depth", "1"], 1, None),
        (["--upstream", "--depth", "0"], 0, None),
        (["--at", "2026-03-01T09:00:00"], 2, 2),
    ],
)
def test_the_direction_the_depth_and_the_time_can_be_chosen(lineage, options, upstream, downstream):
    found = lineage("fraud.customer_spend", *options, "--json").json
    assert found["name"] == "fraud.customer_spend"
    assert {name: len(found[name]) for name in ("upstream", "downstream") if name in found} == {
        name: number for name, number in (("upstream", upstream), ("downstream", downstream)) if number is not None
    }


def test_a_column_is_followed_down_to_the_delivery(lineage):
    place = "fraud.training.customer_spend__amount_mean_7d"
    found = lineage(place, "--upstream", "--json").json
    assert [(one["name"], one["columns"], one["transformations"], one["jobs"]) for one in found["upstream"]][:2] == [
        ("fraud.customer_spend", ["amount_mean_7d"], ["IDENTITY"], ["fraud.training"]),
        ("fraud.transactions", ["TX_AMOUNT"], ["IDENTITY"], ["fraud.customer_spend"]),
    ]
    assert "(identity)" in lineage(place).words


def test_impact_names_the_owners_to_ask(lineage):
    result = lineage("impact", "fraud.transactions.TX_AMOUNT")
    assert "Owners to ask: team:models (2), team:features (1)." in result.words
    assert [one["name"] for one in lineage("impact", "fraud.training", "--json").json["affected"]] == ["fraud.scorer"]
    assert "Nothing is downstream of fraud.scorer." in lineage("impact", "fraud.scorer").words


def test_two_runs_are_compared(lineage):
    result = lineage("diff", sample.run_id(101), sample.run_id(111))
    assert "fraud.transactions 1.0.0 1.1.0" in result.words
    assert "Code" not in result.words
    assert lineage("diff", sample.run_id(101), sample.run_id(111), "--json").json["inputs"][0]["changed"]
    assert "No differences." in lineage("diff", sample.run_id(101), sample.run_id(101)).words


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["fraud.customer_spent"], "fraud.customer_spend"),
        (["fraud.transactions.tx_amount"], "fraud.transactions.TX_AMOUNT"),
        (["impact", "fraud.trainning"], "fraud.training"),
        (["diff", sample.run_id(101), "00000000-0000-0000-0000-00000000006g"], sample.run_id(0x6B)),
    ],
)
def test_an_unknown_name_gets_the_nearest(lineage, words, nearest):
    result = lineage(*words, "--json")
    assert result.code == 1
    assert (result.json["error"], result.json["nearest"][:-1]) == ("UnknownNameError", nearest[:-1])


def test_a_home_without_runs_gets_a_clear_error(slipway, tmp_path):  # noqa: F811  # the fixture
    result = slipway("lineage", "fraud.training", "--home", tmp_path / "home", "--json")
    assert (result.code, result.json["what"]) == (1, "No lineage events are stored yet.")


def test_a_column_can_be_followed_through_what_decides_about_rows(lineage):
    place = "fraud.training.customer_spend__amount_mean_7d"
    assert lineage(place, "--indirect", "--json").json == lineage(place, "--json").json, "nothing does in this world"


def test_reconciling_a_complete_home_reports_nothing_missing(lineage):
    found = lineage("reconcile", "--json")
    assert (found.code, found.json["events"], found.json["aborted"]) == (0, 0, 0)
    assert "missing events emitted 0" in lineage("reconcile").words

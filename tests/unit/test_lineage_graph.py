"""The lineage graph: names, edges, columns, health, freshness, what was, what a change reaches, two runs compared.

What belongs here: all of lakehouse/lineage that answers questions, on events made by hand. Not: what is let in
(test_lineage_store.py), HTTP (integration/test_lineage_server.py).
"""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import SlipwayError, UnknownNameError
from lakehouse.lineage.graph.comparison import compare_runs
from lakehouse.lineage.graph.details import node_details
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.impact import downstream_impact
from lakehouse.lineage.graph.layout import ACROSS, TALLEST, layout
from lakehouse.lineage.graph.links import Pages
from lakehouse.lineage.graph.paths import lineage_paths
from lakehouse.lineage.graph.runs import run_details, runs
from lakehouse.lineage.graph.search import overview, search
from lakehouse.lineage.graph.subgraph import Selection, subgraph
from lakehouse.lineage.graph.view import microseconds
from lakehouse.lineage.store.store import open_store
from lakehouse.settings import Settings
from tests import sample_events as sample

PAGES = Pages("http://127.0.0.1:3000", "http://127.0.0.1:5000")


@pytest.fixture
def store(tmp_path):
    opened = open_store(Settings.from_environment({}, home=tmp_path / "home"))
    yield opened
    opened.close()


@pytest.fixture
def graph(store):
    return Graph(store)


@pytest.fixture
def asked(graph):
    """Questions to the graph, each of a view of its own."""

    def on_view(question, at=None):
        with graph.view(None if at is None else microseconds(sample.BEGIN + timedelta(minutes=at))) as view:
            return question(view)

    def part(name=None, at=None, **more):
        return on_view(lambda view: subgraph(graph, view, name and graph.find(view, name=name), Selection(**more)), at)

    return SimpleNamespace(
        view=on_view,
        part=part,
        names=lambda *a, **more: sorted(one["name"] for one in part(*a, **more)["nodes"]),
        edges=lambda *a, **more: named_edges(part(*a, **more)),
        node=lambda name, at=None: on_view(
            lambda view: node_details(graph, view, graph.find(view, name=name), PAGES), at
        ),
        impact=lambda name, column=None: on_view(
            lambda view: downstream_impact(graph, view, graph.find(view, name=name), column)
        ),
        search=lambda words, **more: on_view(lambda view: search(graph, view, words, **more)),
        overview=lambda at=None: on_view(lambda view: overview(graph, view), at),
        run=lambda number: on_view(lambda view: run_details(graph, view, sample.run_id(number), PAGES)),
        difference=lambda a, b: on_view(lambda view: compare_runs(graph, view, sample.run_id(a), sample.run_id(b))),
        paths=lambda place, direction, depth=None: on_view(
            lambda view: lineage_paths(graph, view, graph.find_place(view, place), direction, depth)
        ),
    )


def named_edges(part):
    names = {one["id"]: one["name"] for one in part["nodes"]}
    return sorted((names[one["source"]], names[one["target"]]) for one in part["edges"])


def column_edges(part):
    names = {one["id"]: one["name"] for one in part["nodes"]}
    ends = [(edge["source"], edge["target"]) for edge in part["column_edges"]]
    return sorted(tuple(f"{names[end['node']]}.{end['column']}" for end in pair) for pair in ends)


CHAIN = [
    ("fraud.customer_spend", "fraud.training"),
    ("fraud.training", "fraud.scorer"),
    ("fraud.transactions", "fraud.customer_spend"),
    ("fraud.transactions/day0.parquet", "fraud.transactions"),
]


# Nodes and their names.


def test_two_physical_names_with_one_symlink_are_one_node_under_the_name_that_people_know(store, asked):
    moved = sample.dataset("fraud.transactions", version=9)
    moved["name"] = "/elsewhere/transactions"
    store.receive_many(
        [
            *sample.world(),
            sample.event("COMPLETE", "job", 1, 50, [moved], [sample.dataset("fraud.copy")]),
        ]
    )
    node = asked.node("fraud.transactions")
    assert node["name"] == "fraud.transactions"
    assert {one["name"] for one in node["symlinks"]} == {"/lake/fraud/transactions", "/elsewhere/transactions"}
    assert {one["name"] for one in node["downstream"]} == {"fraud.customer_spend", "fraud.copy"}
    assert asked.node("/elsewhere/transactions")["id"] == node["id"]
    assert asked.overview()["datasets"] == 6


def test_a_dataset_without_symlinks_is_called_by_its_own_name(store, asked):
    outside = {"namespace": "postgres://db:5432", "name": "shop.public.orders"}
    store.receive(sample.event("COMPLETE", "load", 1, 1, [outside], [sample.dataset("orders.orders")]))
    node = asked.node("shop.public.orders")
    assert (node["domain"], node["physical"]) == ("postgres://db:5432", "postgres://db:5432/shop.public.orders")
    assert asked.node("orders.orders")["domain"] == "orders"


def test_a_name_that_was_learnt_later_leaves_the_old_id_valid(store, graph):
    store.receive(sample.event("COMPLETE", "load", 1, 1, [], [sample.place("fraud.transactions")]))
    with graph.view() as view:
        before = view.card(graph.find(view, name="/lake/fraud/transactions")).id
    store.receive_many(sample.world())
    with graph.view() as view:
        assert view.card(graph.find(view, id=before)).name == "fraud.transactions"


def test_unknown_names_and_columns_get_the_nearest(store, graph, asked):
    store.receive_many(sample.world())
    with pytest.raises(UnknownNameError) as caught:
        asked.node("fraud.customer_spent")
    assert caught.value.nearest == "fraud.customer_spend"
    with pytest.raises(UnknownNameError) as caught:
        asked.paths("fraud.customer_spend.amount_mean_8d", "upstream")
    assert caught.value.nearest == "fraud.customer_spend.amount_mean_7d"
    with pytest.raises(UnknownNameError), graph.view() as view:
        graph.find(view, id="not an id")
    with pytest.raises(SlipwayError) as caught:
        asked.part("fraud.training", direction="up_stream")
    assert caught.value.nearest == "upstream"


# Edges.


def test_the_graph_goes_from_the_delivered_file_to_the_model(store, asked):
    store.receive_many(sample.world())
    assert asked.edges() == CHAIN
    kinds = {one["name"]: one["kind"] for one in asked.part()["nodes"]}
    assert kinds == {
        "fraud.transactions/day0.parquet": "FILE",
        "fraud.transactions": "SOURCE",
        "fraud.customer_spend": "FEATURE_SET",
        "fraud.training": "TRAINING_SET",
        "fraud.scorer": "MODEL",
    }


@pytest.mark.parametrize(
    ("direction", "depth", "expected"),
    [
        ("upstream", 1, ["fraud.customer_spend", "fraud.transactions"]),
        ("upstream", None, ["fraud.customer_spend", "fraud.transactions", "fraud.transactions/day0.parquet"]),
        ("downstream", 1, ["fraud.customer_spend", "fraud.training"]),
        ("both", 1, ["fraud.customer_spend", "fraud.training", "fraud.transactions"]),
        ("both", 0, ["fraud.customer_spend"]),
    ],
)
def test_a_part_of_the_graph_is_as_deep_as_asked_for(store, asked, direction, depth, expected):
    store.receive_many(sample.world())
    assert asked.names("fraud.customer_spend", direction=direction, depth=depth) == sorted(expected)


def test_what_is_not_shown_is_counted(store, asked):
    store.receive_many(sample.world())
    part = asked.part("fraud.customer_spend", depth=1)
    names = {one["id"]: one["name"] for one in part["nodes"]}
    assert {names[key]: more for key, more in part["more"].items()} == {
        "fraud.transactions": {"up": 1, "down": 0},
        "fraud.training": {"up": 0, "down": 1},
    }
    assert asked.part("fraud.customer_spend", depth=None, limit=2)["truncated"]
    assert asked.part(limit=2)["truncated"]


def test_deliveries_add_up_and_other_inputs_are_those_of_the_newest_run(store, asked):
    store.receive_many([*sample.world(0), *sample.world(1)])
    old = sample.made("fraud.customer_spend", 900, 2, [sample.dataset("fraud.given_up")], version=0)
    store.receive_many(old)
    assert asked.edges("fraud.transactions", direction="upstream") == [
        ("fraud.transactions/day0.parquet", "fraud.transactions"),
        ("fraud.transactions/day1.parquet", "fraud.transactions"),
    ]
    assert ("fraud.given_up", "fraud.customer_spend") not in asked.edges()
    assert ("fraud.given_up", "fraud.customer_spend") in asked.edges(at=3)
    assert ("fraud.given_up", "fraud.customer_spend") not in asked.edges(at=5)
    sources = [edge for edge in column_edges(asked.part()) if edge[1] == "fraud.transactions.TX_AMOUNT"]
    assert [edge[0] for edge in sources] == [
        "fraud.transactions/day0.parquet.TX_AMOUNT",
        "fraud.transactions/day1.parquet.TX_AMOUNT",
    ]


def test_what_a_job_declares_explicitly_counts_more_than_what_its_run_read_and_wrote(store, asked):
    one, two = sample.dataset("a.one"), sample.dataset("a.two")
    from_one = sample.facet(inputs=[{**sample.place("a.one"), "type": "DATASET"}])
    outputs = [sample.dataset("b.one", more={"lineage": from_one}), sample.dataset("b.two")]
    store.receive(sample.event("COMPLETE", "job", 1, 1, [one, two], outputs))
    assert asked.edges() == [("a.one", "b.one"), ("a.one", "b.two"), ("a.two", "b.two")]


def test_a_job_states_its_lineage_in_its_own_facet(store, asked):
    entries = [
        {
            **sample.place("b.one"),
            "type": "DATASET",
            "fields": {"x": {"inputs": [{**sample.place("a.one"), "type": "DATASET", "field": "y"}]}},
        }
    ]
    event = sample.event("COMPLETE", "job", 1, 1, [], [sample.dataset("b.one")])
    event["job"]["facets"] = {"lineage": sample.facet(entries=entries)}
    store.receive_many([event, sample.event("COMPLETE", "other", 2, 1, [], [sample.dataset("a.one")])])
    assert asked.edges() == [("a.one", "b.one")]
    assert column_edges(asked.part()) == [("a.one.y", "b.one.x")]


def test_circles_end(store, asked):
    ring = [f"ring.table{number}" for number in range(6)]
    for number, name in enumerate(ring):
        source = sample.dataset(ring[number - 1])
        built_from = {"x": [(ring[number - 1], "x")]}
        store.receive_many(sample.made(name, number + 1, number, [source], columns={"x": "int"}, built_from=built_from))
    itself = sample.dataset("ring.table0")
    store.receive(sample.event("COMPLETE", "loop", 99, 9, [itself], [itself]))
    part = asked.part("ring.table0", depth=None)
    assert len(part["nodes"]) == len(part["edges"]) == len(part["column_edges"]) == 6
    assert len(asked.impact("ring.table0", "x")["affected"]) == 5
    assert len(asked.paths("ring.table3.x", "upstream")) == 5


# Columns.


def test_a_column_leads_down_to_the_delivery(store, asked):
    store.receive_many(sample.world())
    part = asked.part("fraud.training", column="customer_spend__amount_mean_7d", direction="upstream", depth=None)
    assert column_edges(part) == [
        ("fraud.customer_spend.amount_mean_7d", "fraud.training.customer_spend__amount_mean_7d"),
        ("fraud.transactions.TX_AMOUNT", "fraud.customer_spend.amount_mean_7d"),
        ("fraud.transactions/day0.parquet.TX_AMOUNT", "fraud.transactions.TX_AMOUNT"),
    ]
    assert {edge["subtype"] for edge in part["column_edges"]} == {"IDENTITY"}


def test_a_change_of_a_column_reaches_what_uses_it_and_names_whom_to_ask(store, asked):
    store.receive_many(sample.world())
    found = asked.impact("fraud.transactions", "TX_AMOUNT")
    assert [(one["name"], one["distance"], one["columns"]) for one in found["affected"]] == [
        ("fraud.customer_spend", 1, ["amount_mean_7d"]),
        ("fraud.training", 2, ["customer_spend__amount_mean_7d"]),
        ("fraud.scorer", 3, []),  # nobody said which columns the model uses: it may be any
    ]
    assert found["owners"] == {"team:models": 2, "team:features": 1}
    assert found["affected"][2]["path"][0] == "fraud.transactions"
    # customer_id goes into the feature set, and nothing that is known is made from it there.
    assert [one["name"] for one in asked.impact("fraud.transactions", "CUSTOMER_ID")["affected"]] == [
        "fraud.customer_spend"
    ]


def test_a_column_that_chooses_rows_reaches_every_column(store, asked):
    store.receive_many(sample.world())
    lineage = sample.facet(
        fields={"total": {"inputFields": [{**sample.place("fraud.transactions"), "field": "TX_AMOUNT"}]}},
        dataset=[
            {
                **sample.place("fraud.transactions"),
                "field": "CUSTOMER_ID",
                "transformations": [{"type": "INDIRECT", "subtype": "FILTER", "masking": True}],
            }
        ],
    )
    report = sample.dataset("fraud.report", columns={"total": "double"}, more={"columnLineage": lineage})
    final = sample.dataset("fraud.final", built_from={"sum": [("fraud.report", "total")]})
    store.receive(sample.event("COMPLETE", "r", 1, 30, [sample.dataset("fraud.transactions")], [report]))
    store.receive(sample.event("COMPLETE", "f", 2, 31, [sample.dataset("fraud.report")], [final]))
    found = {one["name"]: one["columns"] for one in asked.impact("fraud.transactions", "CUSTOMER_ID")["affected"]}
    assert found["fraud.final"] == ["sum"]
    up = {one["name"]: one["columns"] for one in asked.paths("fraud.final.sum", "upstream")}
    assert up["fraud.transactions"] == ["CUSTOMER_ID", "TX_AMOUNT"]
    values = asked.part("fraud.final", column="sum", direction="upstream", depth=2, indirect=False)
    assert column_edges(values) == [
        ("fraud.report.total", "fraud.final.sum"),
        ("fraud.transactions.TX_AMOUNT", "fraud.report.total"),
    ]
    masked = [edge for edge in asked.part("fraud.report")["column_edges"] if edge["masking"]]
    assert [(edge["type"], edge["subtype"], edge["target"]["column"]) for edge in masked] == [
        ("INDIRECT", "FILTER", "")
    ]


# What is known of a node.


def test_a_node_is_shown_with_all_that_is_known_of_it(store, asked):
    store.receive_many([*sample.world(0), *sample.world(1)])
    node = asked.node("fraud.transactions")
    assert [(one["snapshot"], one["rows"], one["columns"]) for one in node["versions"]] == [
        ("2", 2_000, 2),
        ("1", 1_000, 2),
    ]
    assert node["owners"] == [{"name": "team:payments", "type": "MAINTAINER"}]
    assert node["description"] == "Card payments as delivered."
    assert node["contract"] == {"version": "1.1.0"}
    assert node["circuit_breaker"]["state"] == "closed"
    assert [one["passed"] for one in node["checks"]] == [False]
    assert node["health"] == "fail"
    assert [one["state"] for one in node["runs"]] == ["COMPLETE", "COMPLETE"]
    assert node["updated"] == "2026-03-01T09:42:00Z"
    assert {one["url"] for one in node["links"]} == {"http://127.0.0.1:3000/assets/fraud/transactions"}
    model = {one["text"]: one["url"] for one in asked.node("fraud.scorer")["links"]}
    assert model["MLflow: version 2"] == "http://127.0.0.1:5000/#/models/fraud.scorer/versions/2"


def test_a_reader_does_not_change_what_the_writer_declared(store, asked):
    store.receive_many(sample.world())
    narrow = sample.dataset("fraud.transactions", columns={"TX_AMOUNT": "double"})
    store.receive(sample.event("COMPLETE", "reader", 1, 60, [narrow]))
    assert [one["name"] for one in asked.node("fraud.transactions")["columns"]] == ["TX_AMOUNT", "CUSTOMER_ID"]


def test_a_facet_that_is_deleted_is_gone(store, asked):
    store.receive_many(sample.world())
    gone = {"ownership": sample.facet(_deleted=True)}
    store.receive(sample.event("COMPLETE", "x", 1, 60, [], [sample.dataset("fraud.transactions", more=gone)]))
    assert asked.node("fraud.transactions")["owners"] == []
    assert asked.node("fraud.transactions", at=30)["owners"]


def test_health_is_that_of_the_newest_result_of_each_check(store, asked):
    store.receive_many(sample.world(0))
    assert asked.node("fraud.transactions")["health"] == "ok"
    assert asked.node("fraud.customer_spend")["health"] == "unknown"
    store.receive_many(sample.world(1))
    assert [one["name"] for one in asked.overview()["unhealthy"]] == ["fraud.transactions"]
    store.receive_many(sample.world(0))
    assert asked.node("fraud.transactions")["health"] == "fail"
    assert asked.node("fraud.transactions", at=50)["health"] == "ok"


def test_a_node_is_stale_when_what_it_was_made_from_has_a_newer_version(store, asked):
    store.receive_many(sample.world(0))
    assert asked.node("fraud.customer_spend")["up_to_date"] is True
    store.receive_many([one for one in sample.world(1) if one["job"]["name"] == "fraud.transactions"])
    node = asked.node("fraud.customer_spend")
    assert (node["up_to_date"], node["stale_reason"]) == (False, "fraud.transactions has a newer version.")
    assert [one["name"] for one in asked.overview()["stale"]] == ["fraud.customer_spend"]
    store.receive_many(sample.world(1))
    assert asked.node("fraud.customer_spend")["up_to_date"] is True


def test_an_open_breaker_needs_somebodys_eye(store, asked):
    store.receive_many(sample.world(0))
    opened = {"slipway_breaker": sample.facet(state="open", since=sample.at(20), why="three rejected")}
    store.receive(sample.event("COMPLETE", "b", 1, 30, [], [sample.dataset("fraud.transactions", more=opened)]))
    assert asked.overview()["unhealthy"][0]["circuit_breaker"] == "open"
    assert asked.node("fraud.transactions")["circuit_breaker"]["reason"] == "three rejected"


# What was.


def test_the_graph_as_it_was(store, asked):
    store.receive_many([*sample.world(0), *sample.world(1)])
    assert asked.names(at=3) == ["fraud.transactions", "fraud.transactions/day0.parquet"]
    assert asked.edges(at=20) == CHAIN
    assert len(asked.edges(at=110)) == len(CHAIN) + 1
    assert asked.names(at=-1) == []
    node = asked.node("fraud.transactions", at=50)
    assert [one["snapshot"] for one in node["versions"]] == ["1"]
    assert node["contract"] == {"version": "1.0.0"}
    assert len(node["runs"]) == 1
    with pytest.raises(UnknownNameError):
        asked.node("fraud.scorer", at=3)


def test_what_comes_late_is_put_where_it_belongs_in_time(store, asked):
    store.receive_many(sample.world(1))
    assert asked.node("fraud.transactions")["contract"] == {"version": "1.1.0"}
    store.receive_many(sample.world(0))
    assert asked.node("fraud.transactions")["contract"] == {"version": "1.1.0"}
    assert asked.node("fraud.transactions", at=50)["contract"] == {"version": "1.0.0"}
    assert asked.edges(at=20) == CHAIN


def test_a_graph_that_follows_is_the_graph_that_is_read_again(store, asked):
    for turn in (0, 2, 1):
        for one in sample.world(turn):
            store.receive(one)
            asked.overview()
    reloaded = Graph(store)
    for at in (None, 20, 120, 230):
        time_ = None if at is None else microseconds(sample.BEGIN + timedelta(minutes=at))
        with reloaded.view(time_) as view:
            expected = subgraph(reloaded, view, None), overview(reloaded, view)
        assert (asked.part(at=at), asked.overview(at=at)) == expected


# Runs.


def test_a_run_is_shown_with_parents_versions_and_error(store, asked):
    failed = sample.facet(message="no such column", programmingLanguage="python", stackTrace="Traceback")
    link = sample.facet(runId="d0c5", stepKey="fraud__training")
    event = sample.event(
        "FAIL",
        "fraud.training",
        500,
        20,
        [sample.dataset("fraud.customer_spend", version=1)],
        [],
        parent=sample.parent(1_000),
        errorMessage=failed,
        slipway_dagster=link,
    )
    store.receive_many([*sample.world(), event])
    run = asked.run(500)
    assert (run["state"], run["error"], run["stack"]) == ("FAIL", "no such column", "Traceback")
    assert (run["parent"]["job"], run["root"]["job"]) == ("fraud_main", "fraud_main")
    assert [(one["name"], one["version"]) for one in run["inputs"]] == [("fraud.customer_spend", "1")]
    assert run["links"] == [{"text": "Dagster: run", "url": "http://127.0.0.1:3000/runs/d0c5"}]
    assert {one["job"] for one in asked.run(1_000)["children"]} >= {"fraud.transactions", "fraud.training"}


def test_runs_are_found_by_job_by_node_and_by_the_beginning_of_their_id(store, graph):
    store.receive_many([*sample.world(0), *sample.world(1)])
    with graph.view() as view:
        node = graph.find(view, name="fraud.customer_spend")
        assert [one["id"] for one in runs(graph, node=node)] == [sample.run_id(111), sample.run_id(101)]
        assert [one["job"] for one in runs(graph, job="fraud_main", limit=1)] == ["fraud_main"]
        with pytest.raises(UnknownNameError) as caught:
            run_details(graph, view, "0000", PAGES)
    assert caught.value.nearest


def test_the_difference_of_two_runs(store, asked):
    events = [*sample.world(0), *sample.world(1)]
    late = sample.made(
        "fraud.training", 700, 300, [sample.dataset("fraud.customer_spend", version=2)], code="c2", version=3
    )
    store.receive_many([*events, *late])
    found = asked.difference(102, 700)
    assert found["inputs"] == [{"name": "fraud.customer_spend", "a": "1", "b": "2", "changed": True}]
    assert found["outputs"] == [{"name": "fraud.training", "a": "1", "b": "3", "changed": True}]
    assert found["code"] == {"name": "code", "a": "c1", "b": "c2", "changed": True}
    assert found["definition"]["changed"] is False
    contracts = asked.difference(101, 111)["contracts"]
    assert contracts == [{"name": "fraud.transactions", "a": "1.0.0", "b": "1.1.0", "changed": True}]
    assert not any(one["changed"] for one in asked.difference(111, 111)["contracts"])


# Searching.


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("customer_spend", "fraud.customer_spend"),
        ("amount_mean", "fraud.customer_spend"),
        ("TRANSACTIONS", "fraud.transactions"),
        ("payments delivered", "fraud.transactions"),
        ("team:models model", "fraud.scorer"),
    ],
)
def test_search_finds_by_name_column_owner_and_description(store, asked, words, first):
    store.receive_many(sample.world())
    assert asked.search(words)["results"][0]["name"] == first


def test_search_can_be_narrowed_and_finds_nothing_where_nothing_is(store, asked):
    store.receive_many(sample.world())
    assert [one["name"] for one in asked.search("", kind="model")["results"]] == ["fraud.scorer"]
    assert asked.search("", domain="fraud", limit=2)["total"] == 5
    assert asked.search("<script>")["total"] == 0


# Places.


def test_data_flows_from_left_to_right_and_nothing_overlaps(store, asked):
    store.receive_many([*sample.world(0), *sample.world(1)])
    part = asked.part()
    places = {one["id"]: (one["x"], one["y"]) for one in part["nodes"]}
    assert all(places[edge["source"]][0] < places[edge["target"]][0] for edge in part["edges"])
    assert len(set(places.values())) == len(places)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=80))
def test_any_graph_has_places_that_do_not_depend_on_the_order_of_its_edges(edges):
    nodes = list(range(31))
    found = layout(nodes, edges)
    assert found == layout(nodes, edges[::-1])
    assert len({(place.x, place.y) for place in found.values()}) == len(nodes)


def test_a_tall_layer_is_folded_and_a_long_chain_is_placed():
    tall = layout(list(range(TALLEST * 3)), [])
    assert {place.x for place in tall.values()} == {0, ACROSS, 2 * ACROSS}
    chain = [(one, one + 1) for one in range(5_000)]
    assert layout(list(range(5_001)), chain)[5_000].layer == 5_000


# Several at once.


def test_questions_while_events_come_in_are_answered_from_a_graph_that_holds_together(store, graph):
    wrong = []

    def ask():
        for _ in range(30):
            with graph.view() as view:
                part = subgraph(graph, view, None)
                shown = {one["id"] for one in part["nodes"]}
                wrong.extend(edge for edge in part["edges"] if not {edge["source"], edge["target"]} <= shown)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for one in askers:
        one.start()
    for turn in range(15):
        store.receive_many(sample.world(turn))
    for one in askers:
        one.join()
    assert not wrong
    with graph.view() as view:
        assert len(view.nodes()) == 4 + 15

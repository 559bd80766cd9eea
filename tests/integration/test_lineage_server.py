"""The lineage server as its own process: other clients, hostile events, kills, tokens, every answer's form.

What belongs here: what only a real server shows. Not: what is in the answers (unit/test_lineage_graph.py), the pages
(test_lineage_pages.py).
"""

import asyncio
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from lakehouse.errors import SettingsError
from lakehouse.kinds.asset import Asset, Icon, Kind
from lakehouse.kinds.registry import registered
from lakehouse.lineage.store.store import open_store
from lakehouse.lineage.store.validation import LARGEST_EVENT
from lakehouse.settings import Settings
from serving.lineage import answers, posts, run_answers
from serving.lineage.app import create_app
from serving.lineage.posts import MOST_IN_BATCH
from serving.lineage.server import is_loopback, serve
from tests import sample_events as sample

TOKEN = "a-token-of-enough-letters"  # noqa: S105  # of a server that lives as long as the test
ROOT = Path(__file__).parents[2]


class Served:
    """A server on a free port, and a client of it."""

    def __init__(self, home, *more, **environment):
        words = [sys.executable, "-m", "orchestration.cli", "lineage", "--home", str(home), "--port", "0", "--json"]
        own = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self.process = subprocess.Popen([*words, *more], stdout=subprocess.PIPE, text=True, env=own, cwd=home.parent)
        text = ""
        while "}" not in text:
            line = self.process.stdout.readline()
            assert line, "the server did not start"
            text += line
        self.address = json.loads(text)["address"]
        self.host, port = self.address.removeprefix("http://").rsplit(":", 1)
        self.port = int(port)

    def request(self, method, path, body=None, **headers):
        """Status, headers and body of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def get(self, path, status=200):
        found, _, text = self.request("GET", f"/api/v1/{path}")
        assert found == status, text
        return json.loads(text)

    def post(self, event, path="lineage", **headers):
        return self.request("POST", f"/api/v1/{path}", event, **{"Content_Type": "application/json", **headers})

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


@contextmanager
def serving(home, *more, **environment):
    server = Served(home, *more, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("lineage") / "home"


@pytest.fixture(scope="module")
def server(home):
    """A server that holds the small world. Tests add what is their own, under names of their own."""
    with serving(home) as started:
        status, _, text = started.post([*sample.world(0), *sample.world(1)], "lineage/batch")
        assert (status, json.loads(text)) == (201, {"received": 22, "new": 22})
        yield started


# Senders.


def test_an_event_is_taken_once(server):
    event = sample.event("COMPLETE", "own.once", 40, 40)
    assert json.loads(server.post(event)[2]) == {"received": 1, "new": 1}
    assert json.loads(server.post(event)[2]) == {"received": 1, "new": 0}


def test_the_standards_own_client_is_understood(server):
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import output_statistics_output_dataset, schema_dataset, symlinks_dataset
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    for compression in (None, "gzip"):
        config = HttpConfig.from_dict({"url": server.address, "endpoint": "api/v1/lineage", "compression": compression})
        client = OpenLineageClient(transport=HttpTransport(config))
        name = f"elsewhere.{compression}"
        facets = {
            "schema": schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields("x", "int")]),
            "symlinks": symlinks_dataset.SymlinksDatasetFacet([symlinks_dataset.Identifier("hive", name, "TABLE")]),
        }
        rows = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=7)
        for minutes, state in ((1, RunState.START), (2, RunState.COMPLETE)):
            event = RunEvent(
                eventType=state,
                eventTime=sample.at(minutes),
                run=Run(sample.run_id(60 + (compression is None))),
                job=Job("airflow", "dag.task"),
                inputs=[InputDataset("postgres://db:5432", "shop.public.orders")],
                outputs=[OutputDataset("s3://lake", name, facets=facets, outputFacets={"outputStatistics": rows})],
                producer="https://127.0.0.1/elsewhere",
            )
            client.emit(event)
        node = server.get(f"nodes/by-name?name={name}")
        assert [one["name"] for one in node["columns"]] == ["x"]
        assert [one["name"] for one in node["upstream"]] == ["shop.public.orders"]
        assert node["runs"][0]["state"] == "COMPLETE"


def test_events_come_packed(server):
    body = gzip.compress(json.dumps(sample.event("COMPLETE", "own.packed", 41, 40)).encode())
    assert server.post(body, Content_Encoding="gzip")[0] == 201


# Bad input.


def with_job(name):
    return sample.event("COMPLETE", name, 42, 41)


HOSTILE = {
    "no JSON": (b"{", 422, "Invalid JSON"),
    "not an object": ([], 422, "JSON object"),
    "nested too deep": (b"[" * 100_000, 422, "Invalid JSON"),
    "no run id": ({**with_job("x"), "run": {}}, 422, "required"),
    "in the future": ({**with_job("x"), "eventTime": "2300-01-01T00:00:00Z"}, 422, "out of range"),
    "10,000 facets": (
        {
            **with_job("x"),
            "run": {
                "runId": sample.run_id(1),
                "facets": {f"f{one}": sample.facet() for one in range(10_000)},
            },
        },
        422,
        "facets",
    ),
    "50 MB": (b" " * (50 << 20), 413, "bytes"),
    "a bomb": (gzip.compress(b" " * (100 << 20)), 413, "bytes"),
    "no gzip": (b"{}", 422, "gzip"),
    "a NUL": (with_job("a\0b"), 422, "NUL"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_events_get_a_reason_and_change_nothing(server, case):
    body, status, message = HOSTILE[case]
    before = server.get("overview")
    packed = {"Content_Encoding": "gzip"} if case in {"a bomb", "no gzip"} else {}
    try:
        found, _, text = server.post(body, **packed)
    except (BrokenPipeError, ConnectionResetError, RemoteDisconnected):
        assert status == 413  # it was answered before all of it was sent, and closed
    else:
        problem = json.loads(text)["error"]
        assert found == status
        assert message in problem["what"]
        assert {"what", "where", "nearest", "fix"} <= problem.keys()
        assert len(text) < 2_000
    assert server.get("overview") == before


def test_of_a_batch_all_or_none_is_taken(server):
    before = server.get("overview")
    good = sample.event("COMPLETE", "own.batch", 43, 40)
    status, _, text = server.post([good, {**good, "producer": None}], "lineage/batch")
    assert (status, json.loads(text)["error"]["where"]) == (422, "[1] producer")
    assert server.post([good] * (MOST_IN_BATCH + 1), "lineage/batch")[0] == 413
    assert server.post(good, "lineage/batch")[0] == 422
    assert server.get("overview") == before
    assert server.post([], "lineage/batch")[0] == 201


def test_a_large_event_that_is_small_enough_is_taken(server):
    event = sample.event("COMPLETE", "own.large", 44, 40, large=sample.facet(text="x" * (LARGEST_EVENT - 2_000)))
    assert server.post(event)[0] == 201


def test_names_of_hostile_events_come_back_as_they_are(server):
    name = "<script>alert(1)</script>'; DROP TABLE lineage_runs; --"
    assert server.post(sample.event("COMPLETE", name, 45, 40, [], [sample.dataset(name)]))[0] == 201
    status, headers, text = server.request("GET", f"/api/v1/nodes/by-name?name={quote(name)}")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(text)["name"] == name
    assert server.get(f"runs?job={quote(name)}")["runs"][0]["job"] == name


@pytest.mark.parametrize(
    ("path", "status", "where"),
    [
        ("nodes/by-name?name=fraud.customer_spent", 404, "the lineage graph"),
        ("nodes/0000", 404, "id"),
        ("nodes/..%2f..%2fetc", 404, None),
        ("runs/nothing", 404, "the lineage store"),
        ("graph?name=fraud.training&column=no", 404, "fraud.training"),
        ("graph?name=fraud.training&direction=sideways", 422, "direction"),
        ("graph?depth=-1", 422, "depth"),
        ("graph?limit=100000", 422, "limit"),
        ("graph?at=yesterday", 422, "at"),
        ("graph?at=2026-03-01T00:00:00", 422, "at"),
        ("nothing", 404, None),
    ],
)
def test_bad_questions_get_a_reason(server, path, status, where):
    problem = server.get(path, status)["error"]
    assert problem["what"]
    assert where is None or problem["where"] == where


# Answers.

QUESTIONS = {
    "kinds": answers.KindsAnswer,
    "overview": answers.Overview,
    "overview?at=2026-03-01T08:30:00Z": answers.Overview,
    "search?q=amount": answers.SearchAnswer,
    "graph": answers.GraphAnswer,
    "graph?name=fraud.training&at=2026-03-01T08:30:00Z": answers.GraphAnswer,
    "graph?name=fraud.customer_spend&column=amount_mean_7d&direction=upstream": answers.GraphAnswer,
    "nodes/by-name?name=fraud.transactions": answers.NodeAnswer,
    "nodes/by-name?name=fraud.scorer": answers.NodeAnswer,
    "impact?name=fraud.transactions&column=TX_AMOUNT": answers.ImpactAnswer,
    "runs?dataset=fraud.training": run_answers.RunsAnswer,
    f"runs/{sample.run_id(101)}": run_answers.RunAnswer,
    f"runs/diff?a={sample.run_id(101)}&b={sample.run_id(111)}": run_answers.DiffAnswer,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_match_their_types(server, question):
    content = server.get(question)
    model = QUESTIONS[question].model_validate(content)
    assert model.model_dump(mode="json") == content


def test_a_kind_of_asset_that_is_registered_is_shown_without_another_file_touched(client):
    topic = Kind(name="topic", plural="topics", dataset_type="TOPIC", icon=Icon("vee", ("M1 1h2",), "#111111"), rank=5)
    before = [one["name"] for one in client.get("/api/v1/kinds").json()["kinds"]]
    with registered(type("Topic", (Asset,), {"kind": topic})):
        found = client.get("/api/v1/kinds").json()["kinds"]
    assert [one["name"] for one in found] == ["FILE", "TOPIC", *before[1:]]
    assert found[1]["color"] == {"light": "#111111", "dark": "#a5afba"}
    assert {"SOURCE", "TABLE", "FEATURE_SET", "TRAINING_SET", "MODEL", "PREDICTIONS", "JOB"} <= set(before)


def test_a_node_and_its_column_are_asked_for_by_id(server):
    node = server.get("nodes/by-name?name=fraud.customer_spend")
    assert server.get(f"nodes/{node['id']}") == node
    column = server.get(f"nodes/{node['id']}/column/amount_mean_7d?direction=upstream")
    assert answers.ColumnAnswer.model_validate(column).column == "amount_mean_7d"
    assert len(column["column_edges"]) == 3
    assert server.get(f"impact?id={node['id']}")["owners"] == {"team:models": 2}


def test_the_api_describes_itself(server):
    paths = server.get("openapi.json")["paths"]
    assert {"/api/v1/graph", "/api/v1/impact", "/api/v1/runs/diff"} <= paths.keys()


# Who may ask.


def test_answers_carry_headers_that_keep_strangers_out(server):
    for path in ("/api/v1/overview", "/nothing"):
        headers = server.request("GET", path)[1]
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "lineage.example.org"}, 421),
        ({"Host": "127.0.0.1.example.org:5050"}, 421),
        ({"Host": "[::"}, 421),
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 422),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 422),
    ],
)
def test_pages_of_strangers_can_neither_read_nor_post(server, headers, status):
    body = json.dumps(sample.event("COMPLETE", "own.stranger", 46, 40)).encode()
    assert (
        server.request("POST", "/api/v1/lineage", body, **{"Content-Type": "application/json", **headers})[0] == status
    )
    assert not server.get("runs?job=own.stranger")["runs"]


@pytest.fixture
def client(tmp_path):
    """An application in this process, asked without a network."""
    settings = Settings(home=tmp_path / "home")
    store = open_store(settings)
    with TestClient(create_app(store, settings), "http://127.0.0.1", raise_server_exceptions=False) as asked:
        asked.store = store
        yield asked
    store.close()


def test_an_origin_that_is_no_address_is_a_strangers(client):
    answer = client.post("/api/v1/lineage", json=sample.world()[0], headers={"Origin": "http://["})
    assert (answer.status_code, answer.json()["error"]["where"]) == (403, "Origin")


def test_a_database_that_breaks_under_the_server_gets_a_clear_error_and_the_sender_may_retry(client):
    with client.store.engine.begin() as connection:
        connection.exec_driver_sql("drop table lineage_events")
    answers = client.post("/api/v1/lineage", json=sample.world()[1]), client.get("/api/v1/overview")
    for answer in answers:
        assert answer.status_code == 503
        assert "lineage database" in answer.json()["error"]["what"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_slow_body_times_out(client, monkeypatch):
    monkeypatch.setattr(posts, "BODY_SECONDS", 0.05)
    sent = []

    async def receive():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/lineage", "headers": headers}
    asyncio.run(client.app({**scope, "query_string": b"", "root_path": ""}, receive, send))
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("token", [None, "short"])
def test_bound_elsewhere_it_needs_a_token(tmp_path, token):
    settings = Settings(home=tmp_path / "home", lineage_token=token)
    with pytest.raises(SettingsError) as caught:
        serve(settings, "0.0.0.0", 0, lambda _: None)  # noqa: S104  # raises before it binds
    assert caught.value.where == "SLIPWAY_LINEAGE_TOKEN"
    assert not settings.home.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "lineage.example.org"])  # noqa: S104  # not bound
def test_addresses_that_others_can_reach_are_not_local(host):
    assert not is_loopback(host)
    assert all(is_loopback(one) for one in ("127.0.0.1", "127.8.8.8", "::1", "localhost"))


def test_with_a_token_only_who_has_it_may_ask_and_send(tmp_path):
    event = sample.event("COMPLETE", "job", 1, 1)
    with serving(tmp_path / "home", "--host", "0.0.0.0", SLIPWAY_LINEAGE_TOKEN=TOKEN) as server:  # noqa: S104  # with a token
        right = {"Authorization": f"Bearer {TOKEN}"}
        for wrong in ({}, {"Authorization": TOKEN}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é"}):
            assert server.post(event, **wrong)[0] == 401
            assert server.request("GET", "/api/v1/overview", **wrong)[0] == 401
        assert server.post(event, **right)[0] == 201
        assert json.loads(server.request("GET", "/api/v1/overview", **right)[2])["events"] == 1
        assert server.request("GET", "/")[0] in {200, 404}, "the pages themselves are open: they ask for the token"
        assert server.end() == 0


# Ends.


def test_a_killed_server_lost_nothing_that_it_acknowledged(tmp_path):
    home, acknowledged, numbers = tmp_path / "home", [], iter(range(1, 100_000))
    picked = random.Random(6)

    def send(server):
        while True:
            number = next(numbers)
            try:
                status = server.post(sample.event("COMPLETE", f"job{number % 7}", number, number / 100))[0]
            except (OSError, HTTPException):  # it was killed before, or in the middle of, its answer
                return
            if status == 201:
                acknowledged.append(sample.run_id(number))

    for _ in range(3):
        server = Served(home)
        senders = [threading.Thread(target=send, args=(server,)) for _ in range(4)]
        for one in senders:
            one.start()
        # Some moment while it takes events: how soon it takes its first depends on what else the machine does.
        enough, until = len(acknowledged) + picked.randint(5, 60), time.monotonic() + 60
        while len(acknowledged) < enough and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(picked.uniform(0, 0.02))
        server.end(signal.SIGKILL)
        for one in senders:
            one.join()
    store = open_store(Settings.from_environment({}, home=home))
    with store.engine.connect() as connection:
        kept = {row.run for row in connection.exec_driver_sql("select run from lineage_events")}
        assert connection.exec_driver_sql("pragma integrity_check").scalar() == "ok"
    store.close()
    assert len(acknowledged) >= 15
    assert set(acknowledged) <= kept


def test_it_ends_on_request_and_what_others_write_meanwhile_is_seen(tmp_path):
    with serving(tmp_path / "home") as server:
        store = open_store(Settings.from_environment({}, home=tmp_path / "home"))
        store.receive_many(sample.world())
        assert server.get("overview")["datasets"] == 5
        store.receive_many(sample.world(1))
        store.close()
        assert server.get("overview")["datasets"] == 6
        assert server.end() == 0


def test_a_port_that_is_taken_is_a_clear_error(server, home):
    words = [sys.executable, "-m", "orchestration.cli", "lineage", "--home", str(home), "--port", str(server.port)]
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert done.returncode == 1
    assert "Cannot listen on" in json.loads(done.stdout)["what"]

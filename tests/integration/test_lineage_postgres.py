"""The lineage store on PostgreSQL, by a setting alone: the same rows and the same graph as in SQLite.

What belongs here: what may differ from the store in the home. Not: what holds on any (unit/test_lineage_store.py).
"""

import random
import threading
from contextlib import closing

import pytest

from lakehouse.errors import SettingsError
from lakehouse.lineage.graph.details import node_details
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.links import Pages
from lakehouse.lineage.graph.runs import run_details
from lakehouse.lineage.graph.search import overview, search
from lakehouse.lineage.graph.subgraph import subgraph
from lakehouse.lineage.graph.view import microseconds
from lakehouse.lineage.store.store import BadEventError, open_store
from lakehouse.settings import Settings
from tests import sample_events as sample
from tests.integration.test_postgres_catalog import Server, nothing_leaks
from tests.unit.test_lineage_store import amounts_to

PAGES = Pages("http://127.0.0.1:3000", "http://127.0.0.1:5000")
EVENTS = [one for turn in range(4) for one in sample.world(turn)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("postgres") / "data")
    yield server
    server.stop()


def open_at(address, home):
    return open_store(Settings.from_environment({"SLIPWAY_LINEAGE_DATABASE": address}, home=home))


def all_answers(store):
    graph = Graph(store)
    found = []
    for at in (None, microseconds(sample.BEGIN), microseconds(sample.BEGIN.replace(hour=10))):
        with graph.view(at) as view:
            found += [subgraph(graph, view, None), overview(graph, view), search(graph, view, "amount")]
            found += [node_details(graph, view, node, PAGES) for node in sorted(view.nodes())]
            found.append(run_details(graph, view, sample.run_id(101), PAGES))
    return found


def test_the_same_events_give_the_same_answers_as_in_the_home(server, tmp_path):
    there = open_at(server.database("same"), tmp_path / "home")
    here = open_store(Settings.from_environment({}, home=tmp_path / "home"))
    shuffled = [*EVENTS, *EVENTS[::5]]
    random.Random(1).shuffle(shuffled)
    assert here.receive_many(EVENTS) == len(EVENTS)
    for place in range(0, len(shuffled), 9):
        there.receive_many(shuffled[place : place + 9])
    assert amounts_to(there) == amounts_to(here)
    assert all_answers(there) == all_answers(here)
    assert not there.receive(EVENTS[3])
    with pytest.raises(BadEventError):
        there.receive(sample.event("COMPLETE", "a\0b", 1, 1))
    there.close()
    here.close()


def test_two_writers_lose_and_double_nothing(server, tmp_path):
    address = server.database("writers")
    taken = []

    def write(events):
        store = open_at(address, tmp_path / "home")
        taken.append(sum(store.receive(one) for one in events))
        store.close()

    writers = [threading.Thread(target=write, args=(events,)) for events in (EVENTS, EVENTS[::-1])]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert sum(taken) == len(EVENTS)
    there = open_at(address, tmp_path / "home")
    here = open_store(Settings.from_environment({}, home=tmp_path / "home"))
    here.receive_many(EVENTS)
    assert amounts_to(there) == amounts_to(here)
    there.close()
    here.close()


def test_tables_of_another_version_are_rebuilt(server, tmp_path):
    address = server.database("another_version")
    with closing(open_at(address, tmp_path / "home")) as store:
        store.receive_many(EVENTS)
        before = amounts_to(store)
        with store.engine.begin() as connection:
            connection.exec_driver_sql("alter table lineage_runs drop column parent_at")
            connection.exec_driver_sql("drop table lineage_edges")
    with closing(open_at(address, tmp_path / "home")) as store:
        assert amounts_to(store) == before


def test_a_login_that_fails_and_a_server_that_is_gone_are_clear_errors_without_the_password(server, tmp_path):
    wrong = "wr@ng-Secret"
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_at(server.address("postgres", wrong), tmp_path / "home")
    assert nothing_leaks(caught, wrong)
    with pytest.raises(SettingsError, match="cannot be used"):
        open_at("postgresql://slipway@/none?host=/nowhere", tmp_path / "home")
    gone = Server(tmp_path / "data")
    store = open_at(gone.database("lineage"), tmp_path / "home")
    store.receive_many(EVENTS[:3])
    gone.stop()
    with pytest.raises(SettingsError, match="cannot be used"):
        store.receive_many(EVENTS[3:6])
    store.close()

"""The outbox and its delivery: nothing lost, nothing doubled, in order, whatever a receiver or the disk does.

What belongs here: the outbox, delivery threads, receivers, masking. Not: whole runs (integration/test_lineage*.py).
"""

import json
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.locks import lock
from lakehouse.lineage.emit.masking import MASK, Masking, masking_of
from lakehouse.lineage.emit.names import as_run, place_of, step_run
from lakehouse.lineage.emit.outbox import Event, Outbox
from lakehouse.lineage.emit.relay import DeliveryThread, deliver
from lakehouse.lineage.emit.transports import Rejected, is_configured, receivers_of
from lakehouse.settings import Settings
from tests import scenario

RUN = "3f5e83fa-3480-44ff-99c5-ff943904e5e8"


def event(number: int, run: str = RUN) -> Event:
    """A small event of the standard."""
    body = {
        "eventTime": f"2026-01-01T00:00:{number % 60:02}.000000Z",
        "producer": "urn:test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "eventType": "START" if number % 2 == 0 else "COMPLETE",
        "run": {"runId": as_run(f"{run}-{number // 2}"), "facets": {}},
        "job": {"namespace": "slipway", "name": f"job-{number // 2}", "facets": {}},
        "inputs": [],
        "outputs": [],
    }
    return Event(f"{run}/{number}", run, body)


class Receiver:
    """Remembers what it was sent; can be down, and can refuse."""

    name = "test"

    def __init__(self) -> None:
        self.got: list[str] = []
        self.down = False
        self.refuses: set[str] = set()

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        if self.down:
            raise ConnectionError
        for place, one in enumerate(events):
            name = one["job"]["name"] + "/" + one["eventType"]
            if name in self.refuses:
                raise Rejected(place, "no")
            self.got.append(name)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    made = Outbox(tmp_path / "lineage" / "outbox.db")
    yield made
    made.shut()


def test_an_event_is_stored_once_however_often_it_is_added(outbox: Outbox) -> None:
    events = [event(number) for number in range(4)]
    assert outbox.add(RUN, events) == 4
    assert outbox.add(RUN, [*events, event(4)]) == 1
    assert [one.key for one in outbox.waiting("test")] == [one.key for one in [*events, event(4)]]


def test_processes_and_threads_write_side_by_side(outbox: Outbox) -> None:
    others = [Outbox(outbox.path) for _ in range(4)]

    def write(number: int) -> None:
        for place in range(20):
            others[number].add(RUN, [event(place), event(100 * (number + 1) + place)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert outbox.counts()["events"] == 20 + 4 * 20


def test_a_receiver_that_was_down_gets_everything_in_order_and_once(outbox: Outbox) -> None:
    receiver = Receiver()
    thread = DeliveryThread(outbox, receiver, longest_wait=0.05)
    receiver.down = True
    outbox.add(RUN, [event(number) for number in range(150)])
    thread.wake()
    until = time.monotonic() + 60
    while not thread.down and time.monotonic() < until:
        time.sleep(0.01)
    assert thread.down
    assert thread.done(), "nobody waits for a receiver that is down"
    outbox.add(RUN, [event(number) for number in range(150, 250)])
    receiver.down = False
    while outbox.left("test") and time.monotonic() < until:
        time.sleep(0.01)
    assert receiver.got == [f"job-{number // 2}/{'START' if number % 2 == 0 else 'COMPLETE'}" for number in range(250)]
    thread.stop()


def test_a_process_that_did_not_try_a_receiver_does_not_take_it_for_recovered(outbox: Outbox) -> None:
    receiver = Receiver()
    receiver.down = True
    outbox.add(RUN, [event(0)])
    thread = DeliveryThread(outbox, receiver, down=True)
    with lock(outbox.path.parent, "test"), pytest.raises(Exception):  # noqa: B017, PT011  # whatever it is, it waits on
        thread._deliver()
    assert thread.down
    thread._stop.set()
    thread._deliver()
    assert thread.down
    thread._stop.clear()
    receiver.down = False
    thread._deliver()
    assert not thread.down
    assert receiver.got == ["job-0/START"]


def test_each_receiver_is_as_far_as_it_has_come(outbox: Outbox) -> None:
    outbox.add(RUN, [event(number) for number in range(3)])
    first, second = Receiver(), Receiver()
    second.name = "other"
    deliver(outbox, first)
    outbox.add(RUN, [event(3)])
    deliver(outbox, first)
    deliver(outbox, second)
    assert first.got == second.got
    assert len(first.got) == 4
    assert deliver(outbox, first) == 0


def test_an_event_that_is_rejected_for_good_does_not_hold_up_the_others(outbox: Outbox) -> None:
    receiver = Receiver()
    receiver.refuses = {"job-1/START"}
    outbox.add(RUN, [event(number) for number in range(6)])
    deliver(outbox, receiver)
    assert len(receiver.got) == 5
    assert outbox.counts()["rejected"] == 1


def test_a_corrupt_row_is_deleted_and_its_run_is_reported_again(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.add(RUN, [event(number) for number in range(3)])
    outbox.close_run(RUN)
    with sqlite3.connect(outbox.path) as raw:
        raw.execute("update events set body = substr(body, 1, 30) where key = ?", (event(1).key,))
    receiver = Receiver()
    deliver(outbox, receiver)
    assert receiver.got == ["job-0/START", "job-1/START"]
    assert outbox.corrupt == 1
    assert "reconcile" in caplog.text
    assert RUN in outbox.suspects()
    assert RUN not in outbox.closed()
    assert outbox.add(RUN, [event(number) for number in range(3)]) == 1, "only the one that was lost"
    deliver(outbox, receiver)
    assert receiver.got[-1] == "job-0/COMPLETE"


def test_a_corrupt_file_is_renamed(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    outbox.add(RUN, [event(0)])
    outbox.shut()
    outbox.path.write_bytes(b"not a database at all, and long enough to look like something " * 100)
    assert outbox.add(RUN, [event(1)]) == 1
    assert "was renamed to" in caplog.text
    assert list(outbox.path.parent.glob("outbox.db.corrupt-*"))


def test_a_file_that_another_process_renamed_is_not_written_to_any_more(outbox: Outbox) -> None:
    outbox.add(RUN, [event(0)])
    other = Outbox(outbox.path)
    other.add(RUN, [event(1)])
    other.shut()
    other._rename_corrupt_file()
    other.add(RUN, [event(2)])
    outbox._rename_corrupt_file()  # it found the first file corrupt, too, and later
    outbox.add(RUN, [event(3)])
    assert [one.key for one in other.waiting("test")] == [event(2).key, event(3).key]
    assert (other.corrupt, outbox.corrupt) == (1, 0)
    other.shut()


def test_an_outbox_that_was_deleted_is_rebuilt(outbox: Outbox) -> None:
    outbox.add(RUN, [event(0)])
    for one in outbox.path.parent.iterdir():
        one.unlink()
    assert outbox.add(RUN, [event(0), event(1)]) == 2


def test_a_folder_that_cannot_be_written_is_an_error_and_no_loss_of_what_was_there(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.add(RUN, [event(0)])
    outbox.shut()
    modes = {path: path.stat().st_mode for path in (tmp_path, *tmp_path.iterdir())}
    for path in sorted(modes, reverse=True):
        path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0))
    try:
        with suppress(sqlite3.Error, OSError):  # root may write anywhere
            outbox.add(RUN, [event(1)])
    finally:
        outbox.shut()
        for path, mode in modes.items():
            path.chmod(mode)
    assert outbox.counts()["events"] >= 1


def test_old_events_that_every_receiver_has_are_deleted_and_never_delivered_again(outbox: Outbox) -> None:
    outbox.add(RUN, [event(number) for number in range(3)])
    deliver(outbox, Receiver())
    with sqlite3.connect(outbox.path) as raw:
        raw.execute("update events set at = 0")
    outbox.forget_old(["test", "other"])
    assert len(outbox.waiting("other")) == 3, "one receiver still wants them"
    outbox.forget_old(["test"])
    assert outbox.waiting("other") == []
    assert outbox.left("other") == 0, "what is gone is not waited for"
    assert outbox.redeliver_all("test") == 3
    assert outbox.add(RUN, [event(number) for number in range(3)]) == 0


# The standard's own receivers


class _Server(ThreadingHTTPServer):
    got: list[dict[str, Any]]
    status: int


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:  # the base class names it so
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.status < 300:
            self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def server() -> Iterator[_Server]:
    """An HTTP receiver on a free port."""
    made = _Server(("127.0.0.1", 0), _Handler)
    made.got, made.status = [], 201
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_without_the_standards_configuration_there_is_only_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    lake = scenario.make_lake(tmp_path / "home")
    assert [one.name for one in receivers_of(lake)] == ["store"]
    (tmp_path / "openlineage.yml").write_text("transport:\n  type: file\n  log_file_path: events.log\n  append: true\n")
    assert [one.name for one in receivers_of(lake)] == ["store", "standard"]
    off = scenario.make_lake(tmp_path / "home", {"OPENLINEAGE_DISABLED": "true", "OPENLINEAGE_URL": "http://h"})
    assert not is_configured(off.settings)


def test_events_go_over_http_as_the_standards_variables_say(
    tmp_path: Path, server: _Server, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"http://127.0.0.1:{server.server_port}"
    lake = scenario.make_lake(tmp_path / "home", {"OPENLINEAGE_URL": address})
    (receiver,) = (one for one in receivers_of(lake) if one.name == "standard")
    outbox.add(RUN, [event(number) for number in range(4)])
    deliver(outbox, receiver)
    assert [one["job"]["name"] for one in server.got] == ["job-0", "job-0", "job-1", "job-1"]
    assert [one["eventType"] for one in server.got] == ["START", "COMPLETE"] * 2
    server.status = 422
    outbox.add(RUN, [event(4)])
    deliver(outbox, receiver)
    assert outbox.counts()["rejected"] == 1
    server.status = 401
    outbox.add(RUN, [event(5)])
    with pytest.raises(Exception, match="401"):
        deliver(outbox, receiver)
    assert outbox.left("standard") == 1, "a wrong key is mended, and then it is sent"


def test_events_go_to_a_file_by_the_standards_own_file(
    tmp_path: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = tmp_path / "events.log"
    (tmp_path / "openlineage.yml").write_text(f"transport:\n  type: file\n  log_file_path: {written}\n  append: true\n")
    receivers = {one.name: one for one in receivers_of(scenario.make_lake(tmp_path / "home"))}
    outbox.add(RUN, [event(number) for number in range(3)])
    deliver(outbox, receivers["standard"])
    sent = [json.loads(line) for line in written.read_text().splitlines()]
    assert [one["run"]["runId"] for one in sent] == [event(number).body["run"]["runId"] for number in range(3)]


@pytest.mark.parametrize(
    "variables",
    [{"OPENLINEAGE_URL": "localhost:5000"}, {"OPENLINEAGE__TRANSPORT__TYPE": "nonsense"}],
    ids=["an address that is none", "a transport that nobody knows"],
)
def test_a_configuration_that_the_standards_client_cannot_read_loses_nothing(
    variables: dict[str, str], tmp_path: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    lake = scenario.make_lake(tmp_path / "home", variables)
    store, standard = receivers_of(lake)
    outbox.add(RUN, [event(number) for number in range(3)])
    assert deliver(outbox, store) == 3, "the store gets everything all the same"
    with pytest.raises((ImportError, ValueError)):
        deliver(outbox, standard)
    assert outbox.left("standard") == 3, "they wait until the configuration is mended"
    assert outbox.counts()["rejected"] == 0


# What must not be told


def test_secrets_and_quoted_values_are_masked_and_names_are_not() -> None:
    settings = Settings.from_environment(
        {
            "SLIPWAY_CATALOG": "postgresql://user:hunter2secret@db/lake",
            "SLIPWAY_CATALOG_PROPERTIES": '{"s3.secret-access-key": "AKIAVERYSECRET", "s3.endpoint": "http://h:9000"}',
            "SLIPWAY_NOTIFY": "slack://TokenA1234567/TokenB1234567/channel",
            "OPENLINEAGE_API_KEY": "key-of-the-receiver",
        },
        home=Path("/nowhere"),
    )
    masking = masking_of(settings, ["TX_AMOUNT", "fraud.transactions"])
    text = masking.text(
        "Column 'TX_AMOUNT' of \"fraud.transactions\": 'Jane Doe' is no number; hunter2secret, AKIAVERYSECRET, "
        "key-of-the-receiver, TokenA1234567, postgresql://me:pass@host/db, https://h/x?token=abc, password=letmein, "
        "s3://me:p@rt/two@host/b, https://ghp_AToken@host/x, Authorization: Bearer eyJhbGciOi.abc-_1"
    )
    assert "s3://***@host/b, https://***@host/x" in text
    for secret in (
        "rt/two",
        "ghp_AToken",
        "eyJhbGciOi",
        "Jane Doe",
        "hunter2",
        "AKIAVERY",
        "key-of",
        "TokenA",
        "pass@",
        "abc",
        "letmein",
    ):
        assert secret not in text
    assert "'TX_AMOUNT'" in text
    assert '"fraud.transactions"' in text
    assert MASK in text
    assert len(Masking().text("x" * 10_000)) < 3_000


def test_names_of_places_hold_no_login() -> None:
    assert place_of("file:///a/b/c") == ("file", "/a/b/c")
    assert place_of("/a/b/c/") == ("file", "/a/b/c")
    assert place_of("s3://key:secret@bucket/a/b") == ("s3://bucket", "a/b")
    assert step_run(RUN, "a", "b") == step_run(RUN, "a", "b") != step_run(RUN, "a")
    assert as_run("0123456789abcdef0123456789abcdef") == "01234567-89ab-cdef-0123-456789abcdef"

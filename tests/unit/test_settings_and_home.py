"""Settings and the home: what can be set, what is never shown, and a folder that can be made, moved, copied and locked.

What belongs here: lakehouse/settings.py, home.py and opening a catalog. Not: what is in the tables (test_tables.py).
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehouse.catalog import home as home_module
from lakehouse.catalog.home import FORMAT, at_work, open_home
from lakehouse.errors import HomeError, SettingsError
from lakehouse.settings import Settings, known_settings, redact
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.write import write_draft
from tests import scenario

TOP = Path(__file__).resolve().parents[2]
NOBODY = 65534
PASSWORD = "s3cr3t-Pass"  # noqa: S105  # a password that must not be seen
DAYS = scenario.EVERY_DAY


@pytest.fixture
def settings(tmp_path):
    return Settings.from_environment({}, home=tmp_path / "home")


def book(lake, days, note="first"):
    """Publish a ledger of these days, replacing all."""
    rows = scenario.ledger_rows(days, note=note)
    return publish(lake, write_draft(lake, scenario.ledger_shape(), rows, scenario.provenance()))


def notes(lake):
    return read(lake, "books.ledger", ["note"]).column("note").unique().to_pylist()


@contextmanager
def without_rights():
    """As a user who owns nothing; root may write anywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# What can be set.


def test_without_settings_the_home_is_in_the_working_folder_and_everything_lies_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    assert settings.home == tmp_path / ".slipway"
    assert settings.catalog_address is None
    assert settings.warehouse is None


def test_a_home_that_is_asked_for_wins_over_the_environment(tmp_path):
    environment = {"SLIPWAY_HOME": str(tmp_path / "from-environment")}
    assert Settings.from_environment(environment).home == tmp_path / "from-environment"
    assert Settings.from_environment(environment, home=tmp_path / "asked").home == tmp_path / "asked"


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("SLIPWAY_HOM", "SLIPWAY_HOME"),
        ("SLIPWAY_CATALOGUE", "SLIPWAY_CATALOG"),
        ("SLIPWAY_CATALOG_PROPERTY", "SLIPWAY_CATALOG_PROPERTIES"),
        ("SLIPWAY_WHEREHOUSE", "SLIPWAY_WAREHOUSE"),
    ],
)
def test_an_unknown_setting_is_rejected_with_the_nearest_one(given, nearest):
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({given: PASSWORD})
    assert caught.value.nearest == nearest
    assert given in str(caught.value)
    assert all(name in (caught.value.fix or "") for name in known_settings())
    assert PASSWORD not in str(caught.value)


def test_names_without_the_prefix_are_nobodys_business(tmp_path):
    Settings.from_environment({"SLIPWAYS_HOME": "x", "MY_SLIPWAY_X": "y", "HOME": "/"}, home=tmp_path)


@pytest.mark.parametrize("address", ["mysql://host/db", "postgres://host/db", "catalog.db", "s3://bucket/x", "://"])
def test_a_catalog_of_an_unknown_kind_is_rejected(address, tmp_path):
    with pytest.raises(SettingsError, match="of no kind that Slipway knows") as caught:
        Settings.from_environment({"SLIPWAY_CATALOG": address}, home=tmp_path)
    assert caught.value.where == "SLIPWAY_CATALOG"
    assert caught.value.nearest


@pytest.mark.parametrize(
    ("text", "message"),
    [(f'{{"s3.secret": "{PASSWORD}"', "not JSON"), (PASSWORD, "not JSON"), (f'["{PASSWORD}"]', "not an object")],
)
def test_catalog_properties_that_are_no_json_object_are_rejected_without_showing_them(text, message, tmp_path):
    with pytest.raises(SettingsError, match=message) as caught:
        Settings.from_environment({"SLIPWAY_CATALOG_PROPERTIES": text}, home=tmp_path)
    assert caught.value.where == "SLIPWAY_CATALOG_PROPERTIES"
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in str(caught.value.as_dict())


def test_catalog_properties_become_texts(tmp_path):
    given = {"SLIPWAY_CATALOG_PROPERTIES": json.dumps({"s3.region": "eu", "retries": 3})}
    assert Settings.from_environment(given, home=tmp_path).catalog_properties == {"s3.region": "eu", "retries": "3"}


# What is never shown.


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://user:{PASSWORD}@host:5432/db",
        f"postgresql+psycopg2://user:{PASSWORD}@/db?host=/run",
        f"postgresql://host/db?user=u&password={PASSWORD}",
        f"postgresql://user:a@{PASSWORD}@host/db",
        f"postgresql://user:{PASSWORD}/x@host/db",
        f"postgresql://user:x/{PASSWORD}@host/db",
        f"postgresql://user:x#{PASSWORD}@host/db",
        f"postgresql://user:{PASSWORD}?x@host/db",
        f"postgresql://user:x?{PASSWORD}@host/db",
        f"postgresql://user:{PASSWORD}@[host/db",
        f"postgresql:/user:{PASSWORD}@host/db",
        f"https://host/catalog?token={PASSWORD}",
        f"https://host/catalog?token=x@{PASSWORD}",
        f"mysql://user:{PASSWORD}@host/db",
    ],
)
def test_a_password_in_an_address_is_shown_nowhere(address, tmp_path):
    environment = {"SLIPWAY_CATALOG": address, "SLIPWAY_WAREHOUSE": f"s3://key:{PASSWORD}@bucket/x"}
    try:
        settings = Settings.from_environment(environment, home=tmp_path)
    except SettingsError as error:
        shown = f"{error} {error!r} {error.as_dict()}"
    else:
        assert settings.catalog_address == address
        shown = f"{settings} {settings!r}"
    assert PASSWORD not in shown + redact(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://user:pw@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql://user@host/db?x=1", "postgresql://user@host/db"),
        ("https://host/catalog?token=t", "https://host/catalog"),
        ("sqlite:////home/me@work/catalog.db?timeout=60", "sqlite:////home/me@work/catalog.db"),
        ("s3://bucket/warehouse", "s3://bucket/warehouse"),
    ],
)
def test_what_is_no_secret_stays_readable(address, shown):
    assert redact(address) == shown


def test_properties_are_not_shown(tmp_path):
    environment = {"SLIPWAY_CATALOG_PROPERTIES": json.dumps({"s3.secret-access-key": PASSWORD})}
    settings = Settings.from_environment(environment, home=tmp_path)
    assert PASSWORD not in f"{settings} {settings!r} {scenario.open_lakehouse(settings)!r}"


def test_a_catalog_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    address = f"postgresql://user:{PASSWORD}@/db?host={tmp_path}"
    lake = scenario.open_lakehouse(Settings.from_environment({"SLIPWAY_CATALOG": address}, home=tmp_path / "home"))
    with pytest.raises(SettingsError, match="cannot be opened") as caught:
        lake.names()
    assert "user:***@" in (caught.value.where or "")
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__, "the driver's own error may show the address"


def test_a_damaged_catalog_file_is_a_clear_error(lake):
    book(lake, DAYS[:1])
    lake.home.catalog_file.write_bytes(b"no database" * 1000)
    with pytest.raises(SettingsError, match="cannot be opened"):
        scenario.make_lake(lake.home.root).names()


# A home is made, opened, refused.


def test_a_home_is_made_on_first_use_and_opened_after(settings):
    first, second = open_home(settings), open_home(settings)
    assert first == second
    assert first.origin == first.root == settings.home
    assert json.loads((settings.home / "home.json").read_text())["format"] == FORMAT


def test_a_home_can_be_deleted_to_start_afresh(lake):
    book(lake, DAYS[:1])
    shutil.rmtree(lake.home.root)
    again = scenario.make_lake(lake.home.root)
    assert again.names() == []
    book(again, DAYS[:2])
    assert len(read(again, "books.ledger")) == 20


def test_a_folder_with_other_peoples_files_is_left_alone(settings):
    settings.home.mkdir()
    (settings.home / "thesis.tex").write_text("years of work")
    with pytest.raises(HomeError, match=r"neither a Slipway home nor empty \(it contains thesis.tex\)") as caught:
        open_home(settings)
    assert caught.value.where == str(settings.home)
    assert [path.name for path in settings.home.iterdir()] == ["thesis.tex"]


def test_a_drop_folder_may_be_there_before_the_home(settings):
    (settings.home / "drop").mkdir(parents=True)
    assert open_home(settings).root == settings.home


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"format": "one", "origin": "/"}', b'{"format": 1}', b"\xff\xfe\x00", b'"1"'],
)
def test_a_damaged_description_is_a_clear_error(settings, content):
    open_home(settings)
    (settings.home / "home.json").write_bytes(content)
    with pytest.raises(HomeError, match="description file is invalid") as caught:
        open_home(settings)
    assert caught.value.where == str(settings.home / "home.json")
    assert (settings.home / "home.json").read_bytes() == content


def test_a_home_of_a_newer_format_is_rejected_and_left_alone(settings):
    settings.home.mkdir()
    newer = json.dumps({"format": FORMAT + 1, "place": "described otherwise"})
    (settings.home / "home.json").write_text(newer)
    with pytest.raises(HomeError, match="newer version of Slipway") as caught:
        open_home(settings)
    assert caught.value.nearest == f"format {FORMAT}"
    assert [path.name for path in settings.home.iterdir()] == ["home.json"]


@pytest.mark.parametrize("part", ["home.json", "work", "warehouse"])
def test_something_else_in_the_place_of_a_part_is_a_clear_error(settings, part):
    open_home(settings)
    place = settings.home / part
    if place.is_dir():
        place.rmdir()
        place.write_text("a file")
    else:
        place.unlink()
        place.mkdir()
    with pytest.raises(HomeError, match="cannot be used") as caught:
        open_home(settings)
    assert caught.value.where == str(place)


def test_a_home_below_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="cannot be used: Not a directory"):
        scenario.make_lake(tmp_path / "file" / "home")


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o555)
    with without_rights(), pytest.raises(HomeError, match="cannot be used: Permission denied") as caught:
        scenario.make_lake(tmp_path / "home")
    tmp_path.chmod(0o755)
    assert "SLIPWAY_HOME" in (caught.value.fix or "")
    assert not list(tmp_path.iterdir())


def test_a_home_that_can_be_read_but_not_written_is_a_clear_error(tmp_path):
    home = scenario.make_lake(tmp_path / "home").home
    (home.root / "work").rmdir()
    home.root.chmod(0o555)
    with without_rights():
        with pytest.raises(HomeError, match="cannot be used: Permission denied"):
            scenario.make_lake(home.root)
        with pytest.raises(HomeError, match="cannot be used: Permission denied"), at_work(home, "test"):
            pass
    home.root.chmod(0o755)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_distinguished_from_other_errors(code):
    error = home_module.storage_error(OSError(code, os.strerror(code), "/data/x"), "here")
    assert "disk is full" in str(error)
    assert error.where == "/data/x"


def test_a_process_that_was_killed_while_it_made_the_home_leaves_no_obstacle(settings, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        open_home(settings)
    monkeypatch.undo()
    assert [path.name.startswith(".home.json.") for path in settings.home.iterdir()] == [True]
    assert open_home(settings).root == settings.home


def test_a_home_that_another_process_makes_at_the_same_time_is_opened(settings, monkeypatch):
    exists = Path.exists
    others = []

    def meanwhile(path, *words, **named):
        there = exists(path, *words, **named)
        if path.name == "home.json" and not others:
            others.append(path)
            open_home(settings)
        return there

    monkeypatch.setattr(Path, "exists", meanwhile)
    assert open_home(settings).root == settings.home
    assert others


# A home is a folder like any other.

ODD_NAMES = [
    "two words",
    "ümläut",
    "per%20cent",
    "hash#1",
    "question?x=1",
    "it's",
    "semi;colon",
    "a+b&c",
    "br[ack]*",
    "{}",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_home_may_have_any_name(tmp_path, name):
    lake = scenario.make_lake(tmp_path / name)
    first = book(lake, DAYS[:1])
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is written beside the home"
    lake.home.root.rename(tmp_path / f"{name} 2")
    moved = scenario.make_lake(tmp_path / f"{name} 2")
    book(moved, DAYS[:2], "second")
    assert len(read(moved, "books.ledger")) == 20
    assert len(read(moved, "books.ledger", at=first.snapshot_id)) == 10
    assert [path.name for path in tmp_path.iterdir()] == [f"{name} 2"]


def test_a_moved_home_is_read_and_written_where_it_is_now(lake, tmp_path):
    first = book(lake, DAYS[:1])
    place = tmp_path / "far" / "away"
    place.parent.mkdir()
    lake.home.root.rename(place)
    moved = scenario.make_lake(place)
    assert moved.home.origin == lake.home.root
    assert notes(moved) == ["first"]
    book(moved, DAYS[:1], "second")
    assert notes(moved) == ["second"]
    assert read(moved, "books.ledger", ["note"], at=first.snapshot_id)["note"].unique().to_pylist() == ["first"]
    assert not lake.home.root.exists(), "nothing is written to where it was made"


def test_a_copy_and_its_original_live_on_side_by_side(lake, tmp_path):
    book(lake, DAYS[:1])
    copy = scenario.make_lake(shutil.copytree(lake.home.root, tmp_path / "copy"))
    book(lake, DAYS[:1], "original")
    book(copy, DAYS[:3], "copy")
    book(lake, DAYS[:2], "original")
    assert (notes(lake), len(read(lake, "books.ledger"))) == (["original"], 20)
    assert (notes(copy), len(read(copy, "books.ledger"))) == (["copy"], 30)
    third = scenario.make_lake(shutil.copytree(copy.home.root, tmp_path / "copy of a copy"))
    shutil.rmtree(lake.home.root)
    shutil.rmtree(copy.home.root)
    assert notes(third) == ["copy"]


def test_a_new_home_where_another_was_made_once_has_nothing_of_it(lake, tmp_path):
    book(lake, DAYS[:1], "old")
    lake.home.root.rename(tmp_path / "moved")
    fresh = scenario.make_lake(lake.home.root)
    assert fresh.names() == []
    book(fresh, DAYS[:2], "new")
    moved = scenario.make_lake(tmp_path / "moved")
    assert (notes(fresh), notes(moved)) == (["new"], ["old"])


def test_processes_that_record_at_once_lose_nothing(lake, tmp_path):
    home = lake.home
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: home.remember_source(f"shop.s{number}", tmp_path / str(number)), range(40)))
    assert [home.delivered_at(f"shop.s{number}") for number in range(40)] == [tmp_path / str(n) for n in range(40)]


def test_where_deliveries_are_looked_for_is_remembered_and_forgotten(lake, tmp_path):
    home = lake.home
    assert home.delivered_at("fraud.transactions") == home.root / "drop" / "fraud" / "transactions"
    home.remember_source("fraud.transactions", tmp_path / "elsewhere")
    assert scenario.make_lake(home.root).home.delivered_at("fraud.transactions") == tmp_path / "elsewhere"
    home.remember_source("fraud.transactions", None)
    assert home.delivered_at("fraud.transactions") == home.drop_folder("fraud.transactions")


# One at work at a time.

HOLDER = """
import sys
from pathlib import Path
from lakehouse.catalog.home import at_work, open_home
from lakehouse.settings import Settings
with at_work(open_home(Settings.from_environment({}, home=Path(sys.argv[1]))), "materialize fraud.scorer"):
    print("holding", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(home):
    """Another process at work in the home."""
    command = [sys.executable, "-c", HOLDER, str(home)]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_rejected_with_the_holder_of_the_lock(settings):
    home = open_home(settings)
    with holder(settings.home) as process:
        with pytest.raises(HomeError) as caught, at_work(home, "demo"):
            pass
        assert f"process {process.pid}, `materialize fraud.scorer`, since 20" in str(caught.value)
        assert caught.value.where == str(settings.home)
        process.communicate("")  # it ends as it should
    with at_work(home, "demo"):
        pass


def test_a_killed_process_leaves_the_lock_free(settings):
    home = open_home(settings)
    with holder(settings.home) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with at_work(home, "demo"):
            holder_text = (home.root / "at_work.lock").read_text()
    assert holder_text.startswith(f"process {os.getpid()}, `demo`")
    assert "fraud.scorer" not in holder_text


def test_two_homes_can_be_at_work_at_once(tmp_path):
    one, two = scenario.make_lake(tmp_path / "one").home, scenario.make_lake(tmp_path / "two").home
    rejected = pytest.raises(HomeError, match=f"process {os.getpid()}")
    with at_work(one, "demo"), at_work(two, "demo"), rejected, at_work(one, "again"):
        pass


def test_the_lock_is_free_after_a_failure(settings):
    home = open_home(settings)
    with pytest.raises(ZeroDivisionError), at_work(home, "demo"):
        raise ZeroDivisionError
    with at_work(home, "demo"):
        pass


# Child processes.


def test_what_is_exported_leads_a_child_process_to_the_same_home(settings):
    settings.export()
    code = "from lakehouse.settings import Settings; print(Settings.from_environment().home)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == str(settings.home)
    assert os.environ["DAGSTER_HOME"] == str(settings.home / "dagster")

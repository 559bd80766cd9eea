"""A disk that fills up anywhere in a landing: a clear error, nothing half-published, and the next run makes it good.

What belongs here: homes on a file system that is too small. Not: other errors of the operating system
(unit/test_settings_and_home.py).

The file system is a tmpfs in a mount namespace of its own, so the test needs no rights and leaves nothing behind. One
child process fills it up to a number of free pages, lands, frees it and lands again, for each number.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from lakehouse.catalog.home import at_work
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.tables.read import read
from tests import scenario
from tests.scenario import EVERY_DAY, lenient_source

TOP = Path(__file__).resolve().parents[2]
PAGE = 4096
# A landing takes about 30 pages: the first numbers stop it at different points of its way, the last one doesn't.
FREE_PAGES = (0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 200)


# In the child.


def ids(lake, name):
    return sorted(read(lake, name, ["TRANSACTION_ID"])["TRANSACTION_ID"].to_pylist())


def state(home):
    """What a reader finds: the landed and the quarantined transactions."""
    lake = scenario.make_lake(home)
    return [ids(lake, lenient_source.name), ids(lake, quarantine_name(lenient_source.name))]


def error_of(work):
    """The error's name and text, or None when the work succeeded."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  # the test judges what it is
        return [type(error).__name__, str(error)]
    return None


def land(home):
    lake = scenario.make_lake(home)
    with at_work(lake.home, "land"):
        scenario.land_all(lake, lenient=True)


def leave_free(disk, pages):
    filler = disk / "filler"
    filler.write_bytes(b"\0" * (shutil.disk_usage(disk).free - pages * PAGE))
    return filler


def fill_up(template, disk, pages):
    home = shutil.copytree(template, disk / "home")
    filler = leave_free(disk, pages)
    found = {"error": error_of(lambda: land(home)), "read_while_full": state(home)}
    filler.unlink()
    found |= {"read_after": state(home), "error_again": error_of(lambda: land(home)), "end": state(home)}
    shutil.rmtree(home)
    return found


def begin(disk, pages):
    """Make a new home on a full disk."""
    filler = leave_free(disk, pages)
    found = {"error": error_of(lambda: scenario.make_lake(disk / "new").names())}
    filler.unlink()
    found["error_again"] = error_of(lambda: scenario.make_lake(disk / "new").names())
    shutil.rmtree(disk / "new")
    return found


def run(template, disk):
    disk = Path(disk)
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], check=True)
    landings = {pages: fill_up(Path(template), disk, pages) for pages in FREE_PAGES}
    beginnings = [begin(disk, pages) for pages in range(6)]
    sys.stdout.write(json.dumps({"landings": landings, "beginnings": beginnings}))


# In the parent.


@pytest.fixture(scope="module")
def on_full_disks(tmp_path_factory):
    """What was found, and the two states that are allowed: before and after."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs: mount namespaces (unshare -rm), to have a small disk")
    folder = tmp_path_factory.mktemp("full")
    lake = scenario.make_lake(folder / "template")
    spoiled = pl.when(pl.int_range(pl.len()).is_in([3, 5])).then(-1.0).otherwise("TX_AMOUNT")
    scenario.deliver(lake, scenario.payments_on(EVERY_DAY[:3]).with_columns(TX_AMOUNT=spoiled))
    scenario.land_all(lake, lenient=True)
    scenario.deliver(lake, scenario.payments_on(EVERY_DAY[3:5]).with_columns(TX_AMOUNT=spoiled))
    code = f"from tests.integration.test_full_disk import run; run({str(lake.home.root)!r}, {str(folder / 'disk')!r})"
    command = ["unshare", "-rm", sys.executable, "-W", "ignore", "-c", code]
    answer = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    before = state(lake.home.root)
    scenario.land_all(lake, lenient=True)
    return json.loads(answer.stdout), before, state(lake.home.root)


@pytest.mark.parametrize("pages", FREE_PAGES)
def test_a_full_disk_is_a_clear_error_and_nothing_is_half_published(on_full_disks, pages):
    found, before, after = on_full_disks
    landing = found["landings"][str(pages)]
    if pages == FREE_PAGES[-1]:
        assert landing["error"] is None
        assert landing["read_after"] == after
        return
    name, text = landing["error"]
    assert (name, text.splitlines()[0]) == (
        "HomeError",
        "The disk is full: nothing was published, and tables are unchanged.",
    )
    assert "Free disk space" in text
    assert landing["read_while_full"] == landing["read_after"], "a full disk can be read"
    good, quarantined = landing["read_after"]
    assert good == before[0]
    assert quarantined in (before[1], after[1])


@pytest.mark.parametrize("pages", FREE_PAGES)
def test_the_next_run_lands_everything_once(on_full_disks, pages):
    found, _, after = on_full_disks
    assert found["landings"][str(pages)]["error_again"] is None
    assert found["landings"][str(pages)]["end"] == after


def test_a_home_cannot_be_created_on_a_full_disk_but_later(on_full_disks):
    beginnings = on_full_disks[0]["beginnings"]
    assert "The disk is full" in beginnings[0]["error"][1]
    for one in beginnings:
        assert one["error"] is None or one["error"][0] == "HomeError"
        assert one["error_again"] is None

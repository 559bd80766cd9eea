"""The clock: one source of the current time, which tests can stop.

What belongs here: lakehouse/clock.py, and that nothing else asks for the time. Not: what is done with a time.
"""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lakehouse import clock
from lakehouse.sources.circuit_breaker import State, history, set_by_hand
from lakehouse.tables.write import expired_branches, write_draft
from tests import scenario

NOON = datetime(2018, 4, 5, 12, 0, 0, 123456, tzinfo=UTC)

ELSEWHERE = """
import time
from datetime import date, datetime
from time import time_ns
times = [datetime.now(), datetime.utcnow(), datetime.today(), date.today(), time.time(), time_ns(), time.gmtime()]
elapsed = [time.perf_counter(), time.monotonic()]
import fcntl
"""


def test_the_time_is_in_utc_with_microseconds():
    before = datetime.now(UTC)
    times = [clock.now() for _ in range(1000)]
    assert before <= times[0] <= times[-1] <= datetime.now(UTC)
    assert all(one.tzinfo is UTC for one in times)
    assert any(one.microsecond % 1000 for one in times)


def test_a_fixed_clock_is_the_same_in_every_form_and_thread():
    found = []
    with clock.fixed(NOON.astimezone(timezone(timedelta(hours=2)))):
        thread = threading.Thread(target=lambda: found.append(clock.now()))
        thread.start()
        thread.join()
        assert clock.now() == NOON == found[0]
        assert clock.now().tzinfo is UTC
        assert clock.stored_now() == NOON.replace(tzinfo=None)
        assert clock.epoch_ms() == 1_522_929_600_123


def test_the_clock_goes_on_after_a_failure_and_clocks_nest():
    with clock.fixed(NOON):
        with pytest.raises(RuntimeError, match="2018-04-06 12:00"), clock.fixed(NOON + timedelta(days=1)):
            raise RuntimeError(clock.now())
        assert clock.now() == NOON
    assert clock.now() > NOON + timedelta(days=1)


def test_a_time_without_a_zone_is_an_error():
    with pytest.raises(ValueError, match="no time zone"), clock.fixed(NOON.replace(tzinfo=None)):
        pass
    assert clock.now() > NOON


def test_what_the_platform_records_has_the_clocks_time(tmp_path):
    lake = scenario.make_lake(tmp_path / "home")
    with clock.fixed(NOON):
        set_by_hand(lake, "fraud.transactions", State.OPEN, "looked odd", "d", "run-1")
    assert history(lake, "fraud.transactions")["at"].to_list() == [NOON.replace(tzinfo=None)]


def test_what_the_platform_ages_follows_the_clock(tmp_path):
    lake = scenario.make_lake(tmp_path / "home")
    rows = scenario.ledger_rows(scenario.EVERY_DAY)
    draft = write_draft(lake, scenario.ledger_shape(), rows, scenario.provenance())
    with clock.fixed(clock.now() + timedelta(days=8)):
        assert expired_branches(lake.table(draft.name), clock.now()) == [draft.branch]
        write_draft(lake, scenario.ledger_shape(), rows, scenario.provenance())
    assert draft.branch not in lake.table(draft.name).metadata.refs


def test_no_other_module_may_ask_for_the_time_or_lock_a_file():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251", "--output-format=json"]
    for room in ("lakehouse", "orchestration", "serving", "assets"):
        checked = subprocess.run(
            [*command, f"--stdin-filename={room}/example.py", "-"],
            input=ELSEWHERE,
            capture_output=True,
            text=True,
            check=False,
        )
        found = [one["location"]["row"] for one in json.loads(checked.stdout)]
        assert found == [4, *[5] * 6, 7], room

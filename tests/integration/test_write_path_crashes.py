"""Processes that are killed at every step of a write: a table reads as before or as after, and the next run just works.

What belongs here: SIGKILL in real processes, at named steps and at random moments. Not: processes that write at the
same time (test_two_writers.py).

A child process counts the calls of one function and kills itself before or after one of them. Children are forked from
a server that has the libraries loaded, so that each takes a fraction of a second.
"""

import functools
import importlib
import inspect
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import time
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.tables.build_plan import Input, plan_build
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.incremental import Computed, bring_up_to_date
from lakehouse.tables.publish import publish
from lakehouse.tables.read import plan, read
from lakehouse.tables.write import AUDIT_PREFIX, write_draft
from tests import scenario
from tests.scenario import EVERY_DAY, ledger_rows, ledger_shape, lenient_source, provenance

CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["pandera.polars", __name__])

COMMIT = "lakehouse.catalog.lakehouse:ManyWritersCatalog.commit_table"
METADATA = "lakehouse.catalog.lakehouse:ManyWritersCatalog._write_metadata"
DATA_FILE = "pyiceberg.io.pyarrow:ParquetFormatWriter.write"
MADE = "books.made"
DAYS = EVERY_DAY[:5]


@dataclass(frozen=True)
class Step:
    """A moment in the life of a process: before or after the nth call of a function."""

    target: str
    when: str
    nth: int = 1

    def __str__(self):
        return f"{self.when} {self.target.partition(':')[2]} {self.nth}"


def before(target, nth=1):
    return Step(target, "before", nth)


def after(target, nth=1):
    return Step(target, "after", nth)


# In the child.


def wrap(target, call):
    """Put `call(original, *arguments)` in the place of the function `target`, module:name or module:class.name."""
    module, _, path = target.partition(":")
    *parents, name = path.split(".")
    owner = functools.reduce(getattr, parents, importlib.import_module(module))
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments, **named):
        return call(original, *arguments, **named)

    static = isinstance(inspect.getattr_static(owner, name), staticmethod)
    setattr(owner, name, staticmethod(wrapped) if static else wrapped)


def perish():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(step, task, home):
    calls = itertools.count(1)  # data files are written by several threads

    def counted(original, *arguments, **named):
        number = next(calls)
        if step.when == "before" and number == step.nth:
            perish()
        result = original(*arguments, **named)
        if step.when == "after" and number == step.nth:
            perish()
        return result

    wrap(step.target, counted)
    task(scenario.make_lake(home))


def just_run(task, home):
    task(scenario.make_lake(home))


def run_child(target, *arguments, kill_after=None):
    """The child's exit code: 0, or minus the signal."""
    child = CHILDREN.Process(target=target, args=arguments)
    child.start()
    child.join(kill_after if kill_after is not None else 60)
    if child.is_alive():
        child.kill()
        child.join()
    return child.exitcode


# What the children do.


def during_audit():
    """A moment of the audit: a step can name it."""


def audit_in(lake):
    """An audit of drafts in `lake`, which reads them."""

    def audit(draft, _):
        rows = read(lake, draft.name, at=draft.branch)
        during_audit()
        return [CheckResult("any_rows", len(rows) > 0, f"{len(rows)} rows.")]

    return audit


def make(lake):
    """Bring `books.made` up to date with the ledger: its rows, marked."""

    def compute(work):
        where = days_filter("at", work.days) if work.days is not None else None
        rows = read(lake, "books.ledger", at=work.input_snapshots["books.ledger"], where=where).sort_by("number")
        notes = pa.array([f"made of {note}" for note in rows["note"].to_pylist()], pa.string())
        return Computed(ledger_shape(MADE), rows.set_column(3, "note", notes))

    find = lambda: plan_build(lake, MADE, [Input("books.ledger")], "made-1")  # noqa: E731
    return bring_up_to_date(lake, find, compute, audit_in(lake), run_id="made-run")


def make_wider(lake):
    """The same in other columns: `amount` is a text, `note` is gone, `page` is new."""
    schema = pa.schema(
        [("number", pa.int64()), ("at", pa.timestamp("us")), ("amount", pa.string()), ("page", pa.int64())]
    )

    def compute(work):
        rows = pl.DataFrame(pl.from_arrow(read(lake, "books.ledger", at=work.input_snapshots["books.ledger"]))).sort(
            "number"
        )
        rows = rows.with_columns(amount=pl.col("amount").cast(pl.String), page=pl.lit(7)).drop("note")
        return Computed(ledger_shape(MADE, schema), rows.to_arrow().cast(schema))

    find = lambda: plan_build(lake, MADE, [Input("books.ledger")], "made-2")  # noqa: E731
    return bring_up_to_date(lake, find, compute, audit_in(lake), run_id="wider-run")


def land(lake):
    return scenario.land_all(lake, lenient=True)


# What they leave.


def rows_of(lake, name):
    """A table as a reader sees it: columns and sorted rows without the times of arrival; None when there is none."""
    if not lake.has(name) or not plan(lake, name).tasks:
        return None
    rows = pl.DataFrame(pl.from_arrow(read(lake, name)))
    return rows.drop("_arrived_at", "_quarantined_at", strict=False).sort(pl.all()).to_dict(as_series=False)


def copy(home, tmp_path):
    return shutil.copytree(home, tmp_path / "home")


def check(task, step, home, tmp_path, table, states):
    """Kill a run at the step, look at the table, run again, look again. `states` are the rows before and after."""
    place = copy(home, tmp_path)
    assert run_child(die_at, step, task, place) == -signal.SIGKILL, "the step was not reached"
    lake = scenario.make_lake(place)
    committed = step.target == COMMIT and step.when == "after" and step.nth >= LAST[task]
    committed = committed or (step.target == METADATA and step.nth > LAST[task])
    published = committed or step == after("lakehouse.tables.write_audit_publish:publish")
    assert rows_of(lake, table) == states[published]
    task(lake)
    assert rows_of(lake, table) == states[1]
    location = lake.table(table).metadata_location
    task(lake)
    assert lake.table(table).metadata_location == location, "nothing is left to do"
    return lake


# A write of two days in a table of five.

# The commits of each run, in order; the last one publishes.
#   make: open the branch, delete and append on it, publish.
LAST = {make: 3}


@pytest.fixture(scope="module")
def home_with_made(tmp_path_factory):
    """`books.made` is made of five days, and two of them have changed since."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("made") / "home")
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    make(lake)
    rows = ledger_rows(DAYS[2:4], note="second")
    publish(lake, write_draft(lake, ledger_shape(), rows, provenance(), days_filter("at", DAYS[2:4])))
    return lake.home.root


@pytest.fixture(scope="module")
def made_states(home_with_made, tmp_path_factory):
    lake = scenario.make_lake(copy(home_with_made, tmp_path_factory.mktemp("states")))
    states = [rows_of(lake, MADE)]
    make(lake)
    states.append(rows_of(lake, MADE))
    assert states[0] != states[1]
    return states


@pytest.mark.parametrize(
    "step",
    [
        before("lakehouse.tables.write:_open_branch"),
        after("lakehouse.tables.write:_open_branch"),
        before(DATA_FILE),
        after(DATA_FILE),  # the file is there without its end
        after(DATA_FILE, 2),
        before(COMMIT, 2),  # files are there that nothing names
        after(METADATA, 2),  # a new state of the table is there that the catalog does not name
        after(COMMIT, 2),
        after("lakehouse.tables.write_audit_publish:write_draft"),
        before("tests.integration.test_write_path_crashes:during_audit"),
        before("lakehouse.tables.write_audit_publish:publish"),
        before(COMMIT, 3),
        after(METADATA, 3),
        after(COMMIT, 3),
        after("lakehouse.tables.write_audit_publish:publish"),
    ],
    ids=str,
)
def test_a_killed_write_leaves_the_table_as_before_or_as_after(step, home_with_made, made_states, tmp_path):
    lake = check(make, step, home_with_made, tmp_path, MADE, made_states)
    left = [name for name in lake.table(MADE).metadata.refs if name.startswith(AUDIT_PREFIX)]
    assert len(left) <= 1, "the killed run's draft may wait for inspection, nothing else"


# The first write of a table.


@pytest.fixture(scope="module")
def home_with_ledger(tmp_path_factory):
    lake = scenario.make_lake(tmp_path_factory.mktemp("ledger") / "home")
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    return lake.home.root


@pytest.mark.parametrize(
    ("step", "published"),
    [
        (before("lakehouse.catalog.lakehouse:ManyWritersCatalog.create_table"), False),
        (after("lakehouse.catalog.lakehouse:ManyWritersCatalog.create_table"), False),
        (before(COMMIT, 1), False),
        (after(COMMIT, 1), False),
        (after(COMMIT, 2), False),
        (after(COMMIT, 3), False),
        (before(COMMIT, 4), False),
        (after(COMMIT, 4), True),
    ],
    ids=str,
)
def test_a_killed_first_write_leaves_no_half_table(step, published, home_with_ledger, tmp_path):
    place = copy(home_with_ledger, tmp_path)
    assert run_child(die_at, step, make, place) == -signal.SIGKILL, "the step was not reached"
    lake = scenario.make_lake(place)
    assert (rows_of(lake, MADE) is not None) == published
    make(lake)
    assert sorted(read(lake, MADE, ["number"])["number"].to_pylist()) == ledger_rows(DAYS)["number"].to_pylist()
    assert make(lake).recomputed is False


# A changed schema.


@pytest.mark.parametrize(
    ("step", "published"),
    [
        (after("lakehouse.tables.write_audit_publish:write_draft"), False),  # the trial is written
        (before("tests.integration.test_write_path_crashes:during_audit"), False),
        (before("lakehouse.tables.write_audit_publish:change_schema"), False),
        (before(COMMIT, 4), False),  # schema and rows are staged
        (after(METADATA, 4), False),
        (after(COMMIT, 4), True),
        (after("lakehouse.tables.write_audit_publish:change_schema"), True),  # the trial is still there
    ],
    ids=str,
)
def test_a_killed_schema_change_leaves_columns_and_rows_together(step, published, home_with_made, tmp_path):
    place = copy(home_with_made, tmp_path)
    old = rows_of(scenario.make_lake(place), MADE)
    assert run_child(die_at, step, make_wider, place) == -signal.SIGKILL, "the step was not reached"
    lake = scenario.make_lake(place)
    found = rows_of(lake, MADE)
    if published:
        assert set(found) == {"number", "at", "amount", "page"}
        assert set(found["page"]) == {7}
        assert len(found["number"]) == 50
    else:
        assert found == old
    assert make_wider(lake).recomputed is not published
    assert set(rows_of(lake, MADE)["page"]) == {7}
    assert make_wider(lake).recomputed is False


# A landing with rows for the quarantine, over a delivery that comes again with other content.


def spoil(rows, places):
    """The rows, with the amounts at these places below zero."""
    spoiled = pl.int_range(pl.len()).is_in(places)
    return rows.with_columns(TX_AMOUNT=pl.when(spoiled).then(-1.0).otherwise("TX_AMOUNT"))


@pytest.fixture(scope="module")
def home_with_deliveries(tmp_path_factory):
    """Four days are landed, two rows in quarantine; one of them comes again, mended in part, with two new days."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("deliveries") / "home")
    scenario.deliver(lake, scenario.payments_on(EVERY_DAY[:3]))
    scenario.deliver(lake, spoil(scenario.payments_on(EVERY_DAY[3:4]), [0, 5]))
    land(lake)
    scenario.deliver(lake, spoil(scenario.payments_on(EVERY_DAY[3:4]), [5, 9]))
    scenario.deliver(lake, spoil(scenario.payments_on(EVERY_DAY[4:6]), [1, 2, 3]))
    return lake.home.root


@pytest.fixture(scope="module")
def landed_states(home_with_deliveries, tmp_path_factory):
    """What a run that is not killed leaves: rows before and after, and the quarantine after."""
    lake = scenario.make_lake(copy(home_with_deliveries, tmp_path_factory.mktemp("states")))
    states = [rows_of(lake, lenient_source.name)]
    land(lake)
    states.append(rows_of(lake, lenient_source.name))
    quarantined = rows_of(lake, quarantine_name(lenient_source.name))
    assert len(quarantined["_row"]) == 5
    total = len(states[1]["_row"]) + len(quarantined["_row"])
    assert total == len(scenario.payments_on(EVERY_DAY[:6]))
    return states, quarantined


# Its commits: the profiles; open the branch, write on it; the same for the quarantine, publish that; publish; the same
# for what leaves the quarantine; ledger, audits. In each there are three moments: nothing done (that is where the one
# before was done), the new metadata written, all done.
LAST[land] = 7


@pytest.mark.parametrize(
    "step",
    [
        before(COMMIT),
        *(after(target, nth) for nth in range(1, 10) for target in (METADATA, COMMIT)),
        after(COMMIT, 10),  # what was replaced has left the quarantine
        after(COMMIT, 11),
        after(DATA_FILE),
        after(DATA_FILE, 4),
        after(DATA_FILE, 5),  # a file of the quarantine
        before("lakehouse.tables.write_audit_publish:require_passed"),
        before("lakehouse.ingestion.publication:keep_in_quarantine"),
    ],
    ids=str,
)
def test_a_killed_landing_is_made_good_by_the_next(step, home_with_deliveries, landed_states, tmp_path):
    states, quarantined = landed_states
    lake = check(land, step, home_with_deliveries, tmp_path, lenient_source.name, states)
    assert rows_of(lake, quarantine_name(lenient_source.name)) == quarantined, "each bad row is there once"
    reconciliation = reconciliation_of(lake, lenient_source)
    assert reconciliation.balanced, reconciliation.message
    assert reconciliation.delivered == len(scenario.payments_on(EVERY_DAY[:6]))


@pytest.mark.parametrize("step", [before("pathlib:Path.replace"), after("lakehouse.catalog.home:_make_home")], ids=str)
def test_a_home_whose_making_was_killed_is_made_by_the_next(step, tmp_path):
    assert run_child(die_at, step, just_open, tmp_path / "home") == -signal.SIGKILL, "the step was not reached"
    assert scenario.make_lake(tmp_path / "home").names() == []


def just_open(lake):
    lake.names()


# Anywhere.


def test_runs_that_are_killed_at_random_moments_lose_and_double_nothing(tmp_path):
    """A delivery arrives, the run that lands it is killed somewhere; now and then a run is let through."""
    dice = random.Random(2018)
    days = EVERY_DAY[:16]
    lake = scenario.make_lake(tmp_path / "home")
    scenario.deliver(lake, scenario.payments_on(days[:1]))
    started = time.monotonic()
    assert run_child(just_run, land, lake.home.root) == 0
    length = time.monotonic() - started

    killed = 0
    for number, day in enumerate(days[1:], start=1):
        before_run = rows_of(scenario.make_lake(lake.home.root), lenient_source.name)
        scenario.deliver(lake, spoil(scenario.payments_on([day]), [number, number + 1]))
        code = run_child(just_run, land, lake.home.root, kill_after=dice.uniform(0.02, length))
        killed += code == -signal.SIGKILL
        found = rows_of(scenario.make_lake(lake.home.root), lenient_source.name)
        new = len(found["_row"]) - len(before_run["_row"])
        per_day = [len(scenario.payments_on([one])) - (2 if place else 0) for place, one in enumerate(days)]
        # All of what was waiting or nothing: after some kills in a row, the rows of several days arrive together.
        waiting = [sum(per_day[start : number + 1]) for start in range(1, number + 1)]
        assert new in {0, *waiting}
        assert {key: len(values) for key, values in found.items()} == dict.fromkeys(
            found, len(before_run["_row"]) + new
        )
    assert killed >= 5, "too few were killed to show anything"

    land(lake)
    found = rows_of(lake, lenient_source.name)
    bad = rows_of(lake, quarantine_name(lenient_source.name))
    everything = scenario.payments_on(days)
    assert sorted(found["TRANSACTION_ID"] + bad["TRANSACTION_ID"]) == everything["TRANSACTION_ID"].to_list()
    assert len(bad["_row"]) == 2 * (len(days) - 1)
    assert land(lake).outcome.recomputed is False
    assert reconciliation_of(lake, lenient_source).balanced

"""Two processes that write at the same time: no row is lost or doubled, and whoever must give way is told so.

What belongs here: real processes on one home or one table. Not: conflicts that can be staged in one process
(unit/test_tables.py), and processes that are killed (test_write_path_crashes.py).

The processes meet at a barrier before each round, so that they really run into each other.
"""

import multiprocessing
import traceback

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.errors import PublishConflictError
from lakehouse.tables import write_audit_publish as steps
from lakehouse.tables.build_plan import Input, plan_build
from lakehouse.tables.days import days_filter
from lakehouse.tables.incremental import Computed, bring_up_to_date
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.write import write_draft
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests import scenario
from tests.scenario import EVERY_DAY, ledger_rows, ledger_shape, lenient_source, provenance

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pandera.polars", __name__])

NAME = "books.ledger"
ROUNDS = 10
PATIENCE = 60  # seconds; a process that waits longer has lost the other


def two_at_once(work, home):
    """Run `work(writer, home, barrier)` in two processes; returns what each returned. Raises what one raised."""
    barrier, answers = PROCESSES.Barrier(2), PROCESSES.Queue()
    writers = [PROCESSES.Process(target=_answer, args=(work, writer, home, barrier, answers)) for writer in (0, 1)]
    for one in writers:
        one.start()
    given = dict(answers.get(timeout=2 * PATIENCE) for _ in writers)
    for one in writers:
        one.join(PATIENCE)
    failures = [text for _, text in given.values() if text]
    assert not failures, "\n".join(failures)
    return [given[writer][0] for writer in (0, 1)]


def _answer(work, writer, home, barrier, answers):
    try:
        answers.put((writer, (work(writer, home, barrier), None)))
    except BaseException:  # noqa: BLE001  # whatever it is, the test must hear of it
        barrier.abort()
        answers.put((writer, (None, traceback.format_exc(limit=-4))))


def accept(*_):
    """An audit without checks."""
    return ()


def tried(write, patient):
    """How often the write conflicted before it succeeded; None when it conflicted and nobody tries again."""
    rejected = 0
    while True:
        try:
            write()
        except PublishConflictError as conflict:
            if "Another process published" not in conflict.what:
                raise
            rejected += 1
            if not patient:
                return None
        else:
            return rejected


def write_days(lake, days, note):
    rows = ledger_rows(days, note=note)
    return write_audit_publish(
        lake, ledger_shape(), rows, provenance(run_id=note), days_filter("at", days), accept
    ).published


def notes_by_day(lake):
    rows = pl.DataFrame(pl.from_arrow(read(lake, NAME)))
    by_day = rows.group_by(pl.col("at").dt.date()).agg("note", numbers=pl.col("number").n_unique())
    return {day: (sorted(set(notes)), len(notes), numbers) for day, notes, numbers in by_day.iter_rows()}


@pytest.fixture
def ledger(lake):
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(EVERY_DAY[:2]), provenance()))
    return lake


# Days of one table.


def write_own_days(writer, home, barrier):
    lake = scenario.make_lake(home)
    rejected = []
    for number in range(ROUNDS):
        barrier.wait(PATIENCE)
        day = EVERY_DAY[5 + 2 * number + writer]
        rejected.append(tried(lambda day=day: write_days(lake, [day], f"writer {writer}"), patient=True))
    return rejected


def test_two_writers_of_different_days_both_succeed(ledger):
    rejected = two_at_once(write_own_days, ledger.home.root)
    assert sum(map(sum, rejected)) > 0, "they never met, so nothing was shown"
    expected = dict.fromkeys(EVERY_DAY[:2], (["first"], 10, 10))
    for number in range(2 * ROUNDS):
        expected[EVERY_DAY[5 + number]] = ([f"writer {number % 2}"], 10, 10)
    assert notes_by_day(ledger) == expected


def write_the_same_day(writer, home, barrier):
    lake = scenario.make_lake(home)
    rejected = []
    for number in range(ROUNDS):
        barrier.wait(PATIENCE)
        day = EVERY_DAY[5 + number]
        rejected.append(tried(lambda day=day: write_days(lake, [day], f"writer {writer}"), patient=False))
    return rejected


def test_of_two_writers_of_one_day_the_rows_of_one_are_there_whole(ledger):
    rejected = two_at_once(write_the_same_day, ledger.home.root)
    found = notes_by_day(ledger)
    assert len(found) == 2 + ROUNDS
    for number, outcomes in enumerate(zip(*rejected, strict=True)):
        notes, rows, numbers = found[EVERY_DAY[5 + number]]
        published = [f"writer {writer}" for writer, outcome in enumerate(outcomes) if outcome is not None]
        assert published, "one of the two always gets through"
        assert (rows, numbers) == (10, 10)
        assert len(notes) == 1
        assert notes[0] in published


def make(lake):
    """Bring `books.made` up to date with the ledger."""

    def compute(work):
        where = days_filter("at", work.days) if work.days is not None else None
        rows = read(lake, NAME, at=work.input_snapshots[NAME], where=where).sort_by("number")
        notes = pa.array([f"made of {note}" for note in rows["note"].to_pylist()], pa.string())
        return Computed(ledger_shape("books.made"), rows.set_column(3, "note", notes))

    find = lambda: plan_build(lake, "books.made", [Input(NAME)], "made-1")  # noqa: E731
    return bring_up_to_date(lake, find, compute, accept, run_id="made-run")


def follow(writer, home, barrier):
    lake = scenario.make_lake(home)
    recomputed = 0
    for number in range(ROUNDS):
        if writer == 0:
            write_days(lake, EVERY_DAY[number : number + 3], f"round {number}")
        barrier.wait(PATIENCE)
        recomputed += make(lake).recomputed
        made = pl.DataFrame(pl.from_arrow(read(lake, "books.made")))
        assert made.filter(pl.col("note") == f"made of round {number}").height == 30
        barrier.wait(PATIENCE)
    return recomputed


def test_two_runs_that_bring_one_table_up_to_date_need_no_help(ledger):
    recomputed = two_at_once(follow, ledger.home.root)
    assert ROUNDS <= sum(recomputed) <= 2 * ROUNDS
    made, source = [
        pl.DataFrame(pl.from_arrow(read(ledger, name))).sort("number", "note") for name in ("books.made", NAME)
    ]
    assert made.equals(source.with_columns(note=pl.lit("made of ") + pl.col("note")))


# Deliveries.


def file_of(round_number, writer):
    """A writer's delivery of a round: half of a day, one row of it broken; the second writer's holds a second day."""
    day = scenario.payments_on([EVERY_DAY[round_number]])
    rows = day.filter(pl.col("TRANSACTION_ID") % 2 == writer)
    if writer:
        rows = pl.concat([rows, scenario.payments_on([EVERY_DAY[20 + round_number]])])
    return rows.with_columns(TX_AMOUNT=pl.when(pl.int_range(pl.len()) == 3).then(-1.0).otherwise("TX_AMOUNT"))


def landed_ids(lake):
    names = (lenient_source.name, quarantine_name(lenient_source.name))
    return [read(lake, name, ["TRANSACTION_ID"])["TRANSACTION_ID"].to_pylist() for name in names]


def deliver_and_land(writer, home, barrier):
    lake = scenario.make_lake(home)
    folder = lake.home.drop_folder(lenient_source.name)
    folder.mkdir(parents=True, exist_ok=True)
    write_draft, waits = steps.write_draft, []

    def after_the_other(*arguments, **named):
        while waits:
            waits.pop()
            barrier.wait(PATIENCE)
        return write_draft(*arguments, **named)

    steps.write_draft = after_the_other
    for number in range(ROUNDS):
        beside = folder / f".{number}-{writer}.parquet"
        file_of(number, writer).write_parquet(beside)
        barrier.wait(PATIENCE)
        # Every other round the second writer has looked at what is there, and writes when the first has published.
        staged = number % 2 == 0
        if staged and writer == 1:
            waits.append(number)
        beside.rename(folder / f"{number}-{writer}.parquet")
        tried(lambda: scenario.land_all(lake, f"run {writer}", lenient=True), patient=True)
        if waits or (staged and writer == 0):
            waits.clear()
            barrier.wait(PATIENCE)
        # A lost row would come back with the next landing, which finds its file to be missing: look at once.
        barrier.wait(PATIENCE)
        good, bad = landed_ids(lake)
        assert len(good) + len(bad) == sum(len(file_of(one, other)) for one in range(number + 1) for other in (0, 1))


def test_two_runs_that_land_deliveries_of_the_same_days_lose_and_double_nothing(lake):
    two_at_once(deliver_and_land, lake.home.root)
    landed = scenario.land_all(lake, lenient=True)
    assert not landed.outcome.recomputed, "what either delivered is landed"
    everything = pl.concat([file_of(number, writer) for number in range(ROUNDS) for writer in (0, 1)])
    good, bad = landed_ids(lake)
    assert sorted(bad) == sorted(everything.filter(pl.col("TX_AMOUNT") < 0)["TRANSACTION_ID"])
    assert sorted(good + bad) == sorted(everything["TRANSACTION_ID"])


# Beginnings.


def begin(writer, home, barrier):
    rejected = 0
    for number in range(ROUNDS // 2):
        barrier.wait(PATIENCE)
        lake = scenario.make_lake(home / f"home {number}")
        rejected += tried(lambda lake=lake: write_days(lake, [EVERY_DAY[writer]], f"writer {writer}"), patient=True)
        shape, rows = ledger_shape(f"writers.own_{writer}"), ledger_rows(EVERY_DAY[:1])
        write_audit_publish(lake, shape, rows, provenance(), None, accept)
    return rejected


def test_two_processes_can_begin_in_one_new_home(tmp_path):
    two_at_once(begin, tmp_path)
    for number in range(ROUNDS // 2):
        lake = scenario.make_lake(tmp_path / f"home {number}")
        assert lake.names() == [NAME, "writers.own_0", "writers.own_1"]
        assert notes_by_day(lake) == {EVERY_DAY[writer]: ([f"writer {writer}"], 10, 10) for writer in (0, 1)}

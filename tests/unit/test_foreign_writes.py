"""Tables that other engines wrote to: a compaction changes nothing, a change of rows is seen and made good."""

import pytest

from lakehouse.tables.build_plan import Input, plan_build
from lakehouse.tables.days import days_filter
from lakehouse.tables.incremental import Computed, bring_up_to_date, unchanged
from lakehouse.tables.provenance import current_snapshots, last_published
from lakehouse.tables.publish import publish
from lakehouse.tables.read import changed_days, read, resolve
from lakehouse.tables.write import write_draft
from tests.foreign_writes import append, compact
from tests.scenario import EVERY_DAY, ledger_rows, ledger_shape, provenance

NAME, MADE = "books.ledger", "books.made"
DAYS = EVERY_DAY[:4]


@pytest.fixture
def ledger(lake):
    """A ledger of four days, and a copy of it that is kept up to date."""
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    bring(lake)
    return lake


def find(lake):
    return plan_build(lake, MADE, [Input(NAME)], "copy-1")


def bring(lake):
    def compute(work):
        where = days_filter("at", work.days) if work.days is not None else None
        return Computed(
            ledger_shape(MADE), read(lake, NAME, at=work.input_snapshots[NAME], where=where).sort_by("number")
        )

    return bring_up_to_date(lake, lambda: find(lake), compute, lambda *_: (), run_id="copy-run")


def rows(lake, name=MADE):
    return read(lake, name).sort_by("number")


def change(lake, days, note):
    """Slipway changes days of the ledger."""
    draft = write_draft(lake, ledger_shape(), ledger_rows(days, note=note), provenance(), days_filter("at", days))
    return publish(lake, draft)


def test_a_compacted_table_is_still_what_slipway_made(ledger):
    made, before = last_published(ledger, MADE), rows(ledger)
    compacted = compact(ledger, MADE)
    assert resolve(ledger.table(MADE)) == compacted != made.snapshot_id
    assert last_published(ledger, MADE) == made
    assert not find(ledger).needed
    assert unchanged(ledger, find(ledger)).snapshot_id == made.snapshot_id, "Dagster sees the same data version"
    assert rows(ledger).equals(before)


def test_compacting_twice_is_passed_over_as_well(ledger):
    made = last_published(ledger, MADE)
    compact(ledger, MADE)
    compact(ledger, MADE)
    assert last_published(ledger, MADE) == made


def test_a_compacted_input_makes_nothing_stale(ledger):
    input_snapshots = current_snapshots(ledger, [NAME])
    compact(ledger, NAME)
    assert current_snapshots(ledger, [NAME]) == input_snapshots
    assert not find(ledger).needed


def test_after_a_compaction_only_what_really_changed_is_recomputed(ledger):
    compact(ledger, NAME)
    change(ledger, DAYS[1:2], "second")
    compact(ledger, NAME)
    work = find(ledger)
    assert work.days == (DAYS[1],)
    assert bring(ledger).rows_written == 10
    assert rows(ledger).equals(rows(ledger, NAME))


def test_a_compaction_between_two_snapshots_changed_no_day(ledger):
    before = resolve(ledger.table(NAME))
    assert list(changed_days(ledger, NAME, before, compact(ledger, NAME))) == []


def test_work_goes_on_upon_a_compacted_table(ledger):
    compact(ledger, MADE)
    change(ledger, DAYS[2:3], "second")
    outcome = bring(ledger)
    assert (outcome.days, outcome.rows) == ((DAYS[2],), 40)
    assert rows(ledger).equals(rows(ledger, NAME))


def test_rows_that_another_writer_appended_lead_to_a_rebuild_with_that_reason(ledger):
    theirs = append(ledger, MADE, ledger_rows(EVERY_DAY[9:10], note="theirs"))
    work = find(ledger)
    assert work.days is None
    (cause,) = work.causes
    assert cause.startswith(f"changed by another writer: append {theirs} of 20")
    assert bring(ledger).rows == 40
    assert rows(ledger).equals(rows(ledger, NAME))
    assert not find(ledger).needed


def test_rows_that_somebody_else_deleted_are_missed_even_behind_a_compaction(ledger):
    ledger.table(MADE).delete("amount > 4")
    compact(ledger, MADE)
    assert find(ledger).causes[0].startswith("changed by another writer: ")
    bring(ledger)
    assert rows(ledger).equals(rows(ledger, NAME))


def test_an_input_that_somebody_else_changed_is_read_as_it_is(ledger):
    theirs = append(ledger, NAME, ledger_rows(EVERY_DAY[9:10], note="theirs"))
    assert current_snapshots(ledger, [NAME]) == {NAME: theirs}
    assert find(ledger).days == (EVERY_DAY[9],)


def test_a_table_that_only_others_wrote_was_never_published(lake):
    lake._catalog.create_namespace_if_not_exists("books")
    lake._catalog.create_table(NAME, schema=ledger_rows(DAYS).schema)
    append(lake, NAME, ledger_rows(DAYS))
    compact(lake, NAME)
    assert last_published(lake, NAME) is None


def test_somebody_else_who_changes_the_table_during_a_write_is_noticed(ledger):
    """The write began on another state: it is repeated from the new one, which has to be rebuilt."""
    change(ledger, DAYS[:1], "second")
    outcome = bring_up_to_date(
        ledger,
        lambda: find(ledger),
        lambda work: (
            append(ledger, MADE, ledger_rows(EVERY_DAY[9:10])) if work.days is not None else None,
            Computed(ledger_shape(MADE), rows(ledger, NAME)),
        )[1],
        lambda *_: (),
        run_id="copy-run",
    )
    assert outcome.days is None
    assert outcome.causes[0].startswith("changed by another writer: append")
    assert rows(ledger).equals(rows(ledger, NAME))

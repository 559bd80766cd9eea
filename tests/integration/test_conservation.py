"""The ingestion log and the reconciliation stay correct after kills, corrected files, changed contracts and overrides.

What belongs here: the ingestion log, the reconciliation and the retained copies over real tables. Not: the breaker by
itself (test_breaker.py) and steps of a write (test_write_path_crashes.py).
"""

from dataclasses import replace

import polars as pl
import pytest

from assets.fraud.sources import transactions
from lakehouse.errors import UnknownNameError
from lakehouse.ingestion import landing as landing_module
from lakehouse.ingestion import retry as retrying
from lakehouse.ingestion.blocked import blocked_deliveries, discard
from lakehouse.ingestion.ingestion_log import known_deliveries
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.pending import find_pending
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.ingestion.retry import retry_quarantined
from lakehouse.sources.circuit_breaker import Breaker, State, set_by_hand
from lakehouse.tables import write_audit_publish as steps
from lakehouse.tables.read import read
from tests import scenario

NAME = transactions.name
DAYS = scenario.EVERY_DAY
SOURCE = scenario.lenient_source


def amended(source, name, **fields):
    """The source under a contract of which that column has these fields."""
    columns = [replace(one, **fields) if one.name == name else one for one in source.contract.columns]
    return replace(source, contract=replace(source.contract, columns=columns, version="2.0.0"))


MENDED = amended(SOURCE, "TX_TIME_SECONDS", at_most=10**9)


def deliver(lake, place, *, bad=0):
    """A day's file, with so many rows that break a rule."""
    rows = scenario.payments_on([DAYS[place]])
    spoiled = pl.int_range(pl.len()) < (len(rows) if bad == "all" else bad)
    return scenario.deliver(lake, rows.with_columns(TX_AMOUNT=pl.when(spoiled).then(-1.0).otherwise("TX_AMOUNT")))[0]


def statuses(lake):
    return {line.delivery[13:23]: str(line.status) for line in known_deliveries(lake, NAME).values()}


def held(lake):
    return sorted(path.name for path in lake.home.held(NAME).rglob("*.parquet"))


def kill_before_publishing(lake, monkeypatch):
    """A landing that ends when the quarantine is written and the table is not."""
    publish = steps.publish

    def killed(lake, draft):
        if draft.name == NAME:
            raise KeyboardInterrupt
        return publish(lake, draft)

    with monkeypatch.context() as patched:
        patched.setattr(steps, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            land(lake, SOURCE, run_id="killed")


@pytest.fixture
def begun(lake):
    """Five good days are landed."""
    for place in range(5):
        deliver(lake, place)
    land(lake, SOURCE, run_id="begin")
    return lake


def test_rows_that_a_killed_landing_left_in_quarantine_wait_with_their_delivery(begun, monkeypatch):
    path = deliver(begun, 5, bad=3)
    rows = len(scenario.payments_on([DAYS[5]]))
    kill_before_publishing(begun, monkeypatch)
    set_by_hand(begun, NAME, State.OPEN, "tonight", SOURCE.definition(), "hand")
    land(begun, SOURCE, run_id="behind")
    assert statuses(begun)[str(DAYS[5])] == "waiting"
    assert held(begun) == [path.name]
    reconciliation = reconciliation_of(begun, SOURCE)
    assert reconciliation.balanced, reconciliation
    assert reconciliation.waiting_rows == rows


def test_a_rejected_correction_stays_rejected_when_the_old_file_is_evaluated_again(begun):
    deliver(begun, 4, bad="all")
    land(begun, SOURCE, run_id="rejected")
    assert statuses(begun)[str(DAYS[4])] == "rejected"
    name = f"transactions_{DAYS[4]}.parquet"
    assert held(begun) == [name]
    deliver(begun, 5)
    land(begun, MENDED, run_id="mended")
    assert held(begun) == [name]
    assert "rejected" in [str(line.status) for line in known_deliveries(begun, NAME).values()]
    (begun.home.drop_folder(NAME) / name).unlink()
    deliver(begun, 6)
    land(begun, MENDED, run_id="next")
    assert held(begun) == [name]


def test_rejected_ones_count_in_the_order_of_deliveries_beside_published_ones(begun):
    source = replace(SOURCE, breaker=Breaker(failures=3))
    deliver(begun, 5)
    deliver(begun, 6, bad="all")
    deliver(begun, 7, bad="all")
    land(begun, source, run_id="two")
    deliver(begun, 8, bad="all")
    landed = land(begun, source, run_id="three")
    assert landed.breaker.state is State.OPEN


def test_a_retry_keeps_a_rejected_correction(begun):
    deliver(begun, 4, bad=3)
    land(begun, SOURCE, run_id="some")
    deliver(begun, 4, bad="all")
    land(begun, SOURCE, run_id="rejected")
    name = f"transactions_{DAYS[4]}.parquet"
    assert held(begun) == [name]
    retry_quarantined(begun, MENDED, run_id="retry")
    assert held(begun) == [name]


def test_a_breaker_that_somebody_opens_during_evaluation_blocks_the_deliveries(begun, monkeypatch):
    source = replace(SOURCE, breaker=Breaker(failures=1))
    load = landing_module.load_state
    calls = []

    def slowly(lake, of):
        found = load(lake, of)
        if not calls:
            set_by_hand(lake, NAME, State.OPEN, "tonight", of.definition(), "hand")
        calls.append(1)
        return found

    monkeypatch.setattr(landing_module, "load_state", slowly)
    deliver(begun, 5)
    landed = land(begun, source, run_id="beside")
    assert landed.waiting
    assert len(read(begun, NAME)) == len(scenario.payments_on(DAYS[:5]))


def test_a_delivery_of_which_one_day_is_rejected_is_counted_once(lake):
    rows = scenario.payments_on(DAYS[:2])
    spoiled = rows["TX_DATETIME"].dt.date() == DAYS[1]
    place = lake.home.drop_folder(NAME)
    place.mkdir(parents=True, exist_ok=True)
    rows.with_columns(TX_AMOUNT=pl.when(pl.lit(spoiled)).then(-1.0).otherwise("TX_AMOUNT")).write_parquet(
        place / "transactions_both.parquet"
    )
    land(lake, SOURCE, run_id="first", asked=DAYS[:1])
    landed = land(lake, SOURCE, run_id="second", asked=DAYS[1:2])
    assert landed.rejected
    reconciliation = reconciliation_of(lake, SOURCE)
    assert reconciliation.balanced, reconciliation
    assert reconciliation.delivered == len(rows)
    again = land(lake, SOURCE, run_id="third")
    assert not again.rejected
    reconciliation = reconciliation_of(lake, SOURCE)
    assert reconciliation.balanced, reconciliation
    assert reconciliation.delivered == len(rows)


def test_rows_that_a_correction_replaces_stay_until_it_is_published(begun, monkeypatch):
    deliver(begun, 5, bad=3)
    land(begun, SOURCE, run_id="some")
    before = reconciliation_of(begun, SOURCE)
    assert (before.quarantined, before.balanced) == (3, True)
    deliver(begun, 5, bad=2)
    kill_before_publishing(begun, monkeypatch)
    set_by_hand(begun, NAME, State.OPEN, "tonight", SOURCE.definition(), "hand")
    land(begun, SOURCE, run_id="behind")
    reconciliation = reconciliation_of(begun, SOURCE)
    assert reconciliation.balanced, reconciliation
    assert reconciliation.quarantined == 3
    set_by_hand(begun, NAME, State.CLOSED, "done", SOURCE.definition(), "hand")
    land(begun, SOURCE, run_id="after")
    reconciliation = reconciliation_of(begun, SOURCE)
    assert reconciliation.balanced, reconciliation
    assert (reconciliation.quarantined, reconciliation.waiting_rows) == (2, 0)
    assert reconciliation.delivered == len(scenario.payments_on(DAYS[:6]))


def test_a_retry_beside_a_landing_brings_back_no_row_that_was_replaced(begun, monkeypatch):
    deliver(begun, 5, bad=3)
    land(begun, SOURCE, run_id="some")
    deliver(begun, 5, bad=2)
    source = amended(SOURCE, "TX_AMOUNT", at_least=-10.0)
    find = retrying.quarantined
    calls = []

    def slowly(lake, *rest, **more):
        found = find(lake, *rest, **more)
        if not calls:
            calls.append(1)
            land(lake, SOURCE, run_id="beside")
        return found

    monkeypatch.setattr(retrying, "quarantined", slowly)
    retry_quarantined(begun, source, run_id="retry")
    rows = pl.DataFrame(pl.from_arrow(read(begun, NAME)))
    assert rows.filter(pl.col("TX_DATETIME").dt.date() == DAYS[5])["_fingerprint"].n_unique() == 1
    assert rows["TRANSACTION_ID"].is_unique().all()
    reconciliation = reconciliation_of(begun, source)
    assert reconciliation.balanced, reconciliation


def test_a_rejected_correction_is_resolved_when_the_published_file_is_back(begun):
    name = deliver(begun, 4, bad="all").name
    land(begun, SOURCE, run_id="rejected")
    (first,) = blocked_deliveries(begun, NAME)
    assert (first.delivery, first.waits, first.evaluated) == (name, False, 1)
    assert first.since is not None
    land(begun, MENDED, run_id="evaluated again")
    (again,) = blocked_deliveries(begun, NAME)
    assert (again.evaluated, again.run_id, again.since) == (2, "evaluated again", first.since)
    deliver(begun, 4)
    assert find_pending(begun, MENDED).to_land
    assert not land(begun, MENDED, run_id="back").blocked
    assert not find_pending(begun, MENDED).to_land
    assert held(begun) == []
    reconciliation = reconciliation_of(begun, MENDED)
    assert (reconciliation.balanced, reconciliation.rejected_rows, reconciliation.delivered) == (
        True,
        0,
        len(scenario.payments_on(DAYS[:5])),
    )


def test_a_discarded_delivery_is_never_evaluated_again(begun):
    path, rows = deliver(begun, 5, bad="all"), len(scenario.payments_on([DAYS[5]]))
    land(begun, SOURCE, run_id="rejected")
    with pytest.raises(UnknownNameError, match="is rejected or waiting") as caught:
        discard(begun, SOURCE, path.name[1:], "a mistake", "r")
    assert caught.value.nearest == path.name
    discard(begun, SOURCE, path.name, "a mistake", "r")
    assert held(begun) == []
    path.rename(path.with_name("again.parquet"))
    for source in (SOURCE, MENDED):
        landed = land(begun, source, run_id="after")
        assert not landed.rejected
        assert not landed.blocked
        reconciliation = reconciliation_of(begun, source)
        assert (reconciliation.balanced, reconciliation.dropped, reconciliation.rejected_rows) == (True, rows, 0)
    # A good file under its name is landed as ever.
    deliver(begun, 5)
    land(begun, MENDED, run_id="good")
    reconciliation = reconciliation_of(begun, MENDED)
    assert (reconciliation.balanced, reconciliation.published) == (True, len(scenario.payments_on(DAYS[:6])))

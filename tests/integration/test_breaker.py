"""The circuit breaker over real tables: open, half-open, closed, two processes, a corrupt state.

What belongs here: landing behind a breaker, and the reconciliation of rows. Not: the decisions alone
(unit/test_breaker_decisions.py).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import polars as pl
import pytest

from assets.fraud.sources import transactions
from lakehouse.errors import ContractError, HomeError, PublishConflictError
from lakehouse.ingestion import landing
from lakehouse.ingestion.ingestion_log import known_deliveries
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.pending import find_pending
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.sources.circuit_breaker import (
    BREAKERS,
    Breaker,
    State,
    Transition,
    blocked,
    breaker_status,
    history,
    set_by_hand,
    state_table,
    transit,
)
from lakehouse.tables.read import read
from lakehouse.tables.system_table import append
from tests import scenario

DAYS = scenario.EVERY_DAY
NAME = transactions.name
SOURCE = replace(scenario.lenient_source, breaker=Breaker(failures=2, cool_down="1h"))


@pytest.fixture
def begun(lake):
    """Five good days are landed."""
    scenario.deliver(lake, scenario.payments_on(DAYS[:5]))
    land(lake, SOURCE, run_id="begin")
    return lake


def deliver(lake, place, *, good=True):
    rows = scenario.payments_on([DAYS[place]])
    return scenario.deliver(lake, rows if good else scenario.broken(rows))[0]


def published(lake):
    days = pl.DataFrame(pl.from_arrow(read(lake, NAME)))["TX_DATETIME"].dt.date().unique().sort()
    return [DAYS.index(day) for day in days]


def standing(lake, source=SOURCE, **after):
    now = datetime.now(UTC) + timedelta(**after)
    return breaker_status(lake, NAME, source.breaker, source.definition(), now)


def status(lake):
    lines = known_deliveries(lake, NAME).values()
    return {line.delivery[13:23]: str(line.status) for line in lines if str(line.status) != "published"}


def opened(lake):
    """Two bad days in a row open the breaker; two good deliveries are waiting."""
    deliver(lake, 5, good=False)
    deliver(lake, 6, good=False)
    deliver(lake, 7)
    deliver(lake, 8)
    landed = land(lake, SOURCE, run_id="opening")
    assert landed.breaker.state is State.OPEN
    return landed


def test_it_opens_and_everything_waits_on_audit_branches_in_order(begun):
    landed = opened(begun)
    assert [one.delivery for one in landed.rejected] == [f"transactions_{DAYS[place]}.parquet" for place in (5, 6)]
    assert landed.waiting == [f"transactions_{DAYS[place]}.parquet" for place in (7, 8)]
    assert published(begun) == [0, 1, 2, 3, 4]
    with pytest.raises(Exception, match="rows fail a rule"):
        landed.raise_if_nothing_passed()
    waiting = known_deliveries(begun, NAME)
    for line in waiting.values():
        if line.delivery in landed.waiting:
            rows = read(begun, NAME, at=line.branch, where=f"_file = '{line.delivery}'")
            assert len(rows) == line.rows > 0
    # Waiting deliveries are not evaluated again, and the next one waits as well.
    assert not find_pending(begun, SOURCE).anything
    deliver(begun, 9)
    later = land(begun, SOURCE, run_id="later")
    assert later.waiting == [f"transactions_{DAYS[9]}.parquet"]
    with pytest.raises(ContractError, match="1 deliveries wait") as caught:
        later.raise_if_nothing_passed()
    assert "slipway circuit-breaker fraud.transactions --close" in caught.value.fix
    assert published(begun) == [0, 1, 2, 3, 4]


def test_after_its_cool_down_the_next_delivery_is_tried_and_closes_it(begun):
    opened(begun)
    assert standing(begun, minutes=59).state is State.OPEN
    assert standing(begun, minutes=61).state is State.HALF_OPEN
    rested = replace(SOURCE, breaker=Breaker(failures=2, cool_down="0s"))
    landed = land(begun, rested, run_id="trial")
    assert landed.breaker.state is State.CLOSED
    assert published(begun) == [0, 1, 2, 3, 4, 7, 8]
    assert [str(one) for one in history(begun, NAME)["state"]] == ["open", "closed"]
    assert status(begun) == {str(DAYS[5]): "rejected", str(DAYS[6]): "rejected"}


def test_a_bad_trial_opens_it_again(begun):
    opened(begun)
    # The first in order is the trial, so the bad one comes under an earlier day.
    deliver(begun, 6, good=False).write_bytes(deliver_bytes(begun))
    rested = replace(SOURCE, breaker=Breaker(failures=2, cool_down="0s"))
    landed = land(begun, rested, run_id="trial")
    assert [one.delivery for one in landed.rejected] == [f"transactions_{DAYS[6]}.parquet"]
    assert landed.breaker.state is not State.CLOSED
    assert published(begun) == [0, 1, 2, 3, 4]
    assert history(begun, NAME)["before"].to_list() == ["closed", "half_open"]


def deliver_bytes(lake):
    """Another bad file for day 6."""
    rows = scenario.broken(scenario.payments_on([DAYS[6]])).with_columns(pl.col("TX_AMOUNT") - 1)
    path = lake.home.root / "other.parquet"
    rows.write_parquet(path)
    return path.read_bytes()


def test_a_changed_contract_makes_it_half_open_and_rejected_deliveries_are_evaluated_again(begun):
    opened(begun)
    columns = [
        replace(column, at_least=None, at_most=None) if column.name == "TX_AMOUNT" else column
        for column in SOURCE.contract.columns
    ]
    contract = replace(SOURCE.contract, columns=columns, version="2.0.0", then={"changes": "warn"})
    mended = replace(SOURCE, contract=contract)
    assert standing(begun, mended).state is State.HALF_OPEN
    land(begun, mended, run_id="mended")
    assert published(begun) == list(range(9))
    assert status(begun) == {}


def test_a_person_opens_and_closes_it(begun):
    step = set_by_hand(begun, NAME, State.OPEN, "the vendor migrates", SOURCE.definition(), "by-hand")
    assert (step.before, step.by) == (State.CLOSED, "person")
    deliver(begun, 5)
    assert land(begun, SOURCE, run_id="r").waiting
    # It stays open until the person closes it, however long that takes.
    assert standing(begun, days=30).state is State.OPEN
    set_by_hand(begun, NAME, State.CLOSED, "migrated", SOURCE.definition(), "by-hand")
    land(begun, SOURCE, run_id="r")
    assert published(begun) == [0, 1, 2, 3, 4, 5]


def test_every_delivered_row_is_reconciled(begun):
    opened(begun)
    reconciliation = reconciliation_of(begun, SOURCE)
    assert reconciliation.balanced, reconciliation.message
    assert reconciliation.delivered == len(scenario.payments_on(DAYS[:9]))
    assert reconciliation.rejected_rows == len(scenario.payments_on(DAYS[5:7]))
    assert reconciliation.waiting_rows == len(scenario.payments_on(DAYS[7:9]))
    assert reconciliation.published == len(scenario.payments_on(DAYS[:5]))


def test_nothing_is_lost_when_the_drop_folder_is_emptied(begun):
    opened(begun)
    for path in begun.home.drop_folder(NAME).iterdir():
        path.unlink()
    set_by_hand(begun, NAME, State.CLOSED, "looked", SOURCE.definition(), "by-hand")
    land(begun, SOURCE, run_id="from-held-copies")
    assert published(begun) == [0, 1, 2, 3, 4, 7, 8]
    assert reconciliation_of(begun, SOURCE).balanced
    # Copies of published deliveries are removed; those of rejected ones stay.
    held = [path.name for path in begun.home.held(NAME).rglob("*") if path.is_file()]
    assert sorted(held) == [f"transactions_{DAYS[place]}.parquet" for place in (5, 6)]


def test_an_unknown_state_gets_a_clear_error_and_can_be_replaced(begun):
    opened(begun)
    now = datetime.now(UTC).replace(tzinfo=None)
    append(begun, BREAKERS, [{"at": now, "source": NAME, "state": "ajar", "by": "landing"}], "r")
    with pytest.raises(HomeError, match="'ajar'") as caught:
        land(begun, SOURCE, run_id="r")
    assert f"slipway circuit-breaker {NAME} --close" in caught.value.fix
    assert published(begun) == [0, 1, 2, 3, 4]
    set_by_hand(begun, NAME, State.CLOSED, "looked", SOURCE.definition(), "by-hand")
    land(begun, SOURCE, run_id="r")
    assert published(begun) == [0, 1, 2, 3, 4, 7, 8]


def test_of_two_that_decide_by_the_same_state_one_has_to_look_again(begun):
    seen = state_table(begun)
    step = Transition(NAME, State.CLOSED, State.OPEN, "two failures")
    transit(begun, [step], "first", seen)
    with pytest.raises(PublishConflictError, match="in the meantime"):
        transit(begun, [step], "second", seen)
    assert len(history(begun, NAME)) == 1


def test_a_conflict_while_publishing_leaves_no_good_delivery_behind_an_open_breaker(begun, monkeypatch):
    deliver(begun, 5)
    for place in (6, 7):
        deliver(begun, place, good=False)
    publish, conflicts = landing.publish_accepted, [PublishConflictError("Another process published.")]

    def once(*words):
        if conflicts:
            raise conflicts.pop()
        return publish(*words)

    monkeypatch.setattr(landing, "publish_accepted", once)
    result = land(begun, SOURCE, run_id="r")
    assert conflicts == []
    assert published(begun) == [0, 1, 2, 3, 4, 5]
    assert (len(result.rejected), result.waiting) == (2, [])
    assert standing(begun).state is State.OPEN


def _land(home, queue):
    lake = scenario.make_lake(home)
    queue.put([one.delivery for one in land(lake, SOURCE, run_id="r").rejected])


def test_a_state_without_a_time_still_blocks_with_its_reason(lake):
    lines = [{"at": None, "source": NAME, "state": "open", "reason": "tonight"}]
    append(lake, BREAKERS, lines, "somebody")
    assert "tonight" in blocked(lake, [NAME])


def test_two_processes_open_it_once(begun):
    deliver(begun, 5, good=False)
    deliver(begun, 6, good=False)
    deliver(begun, 7)
    context = get_context("spawn")
    queue = context.Queue()
    both = [context.Process(target=_land, args=(begun.home.root, queue)) for _ in range(2)]
    for one in both:
        one.start()
    rejected = [queue.get(timeout=120) for _ in both]
    for one in both:
        one.join()
        assert one.exitcode == 0
    assert any(rejected)
    assert history(begun, NAME)["state"].to_list() == ["open"]
    assert standing(begun).state is State.OPEN
    assert published(begun) == [0, 1, 2, 3, 4]
    assert reconciliation_of(begun, SOURCE).balanced

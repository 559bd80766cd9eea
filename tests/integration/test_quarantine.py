"""Rows in quarantine: as delivered, run again after a mend, dropped for good; never published twice.

What belongs here: ingestion/retry.py and contracts/quarantine.py over real tables. Not: which rows get there
(test_landing.py).
"""

import json
from dataclasses import replace

import polars as pl
import pytest

from assets.fraud.sources import transactions
from lakehouse.contracts.quarantine import drop_rows, quarantine_name, quarantine_shape
from lakehouse.errors import ContractError
from lakehouse.ingestion import retry as retrying
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.ingestion.retry import retry_quarantined
from lakehouse.sources.circuit_breaker import State, set_by_hand
from lakehouse.sources.mappings import null_spellings
from lakehouse.tables import write_audit_publish as steps
from lakehouse.tables.read import read
from tests import scenario

NAME = transactions.name
WEEK = scenario.EVERY_DAY[:7]
SOURCE = scenario.lenient_source
BAD = [3, 4, 5]


def table(lake, name=NAME):
    return pl.DataFrame(pl.from_arrow(read(lake, name)))


def numbers(lake, name=NAME):
    return table(lake, name)["TRANSACTION_ID"].sort().to_list()


def changed(**fields):
    """The source whose contract has the fields of TX_AMOUNT changed."""
    columns = [replace(one, **fields) if one.name == "TX_AMOUNT" else one for one in SOURCE.contract.columns]
    return replace(SOURCE, contract=replace(SOURCE.contract, columns=columns, version="2.0.0"))


MENDED = changed(at_least=-1_000_000)


@pytest.fixture
def begun(lake):
    """A week is landed; three amounts below zero wait."""
    hit = pl.col("TRANSACTION_ID").is_in(BAD)
    rows = scenario.payments_on(WEEK).with_columns(
        TX_AMOUNT=pl.when(hit).then(-pl.col("TX_AMOUNT")).otherwise("TX_AMOUNT")
    )
    scenario.deliver(lake, rows)
    land(lake, SOURCE, run_id="begin")
    assert numbers(lake, quarantine_name(NAME)) == BAD
    return lake


def test_a_row_waits_as_it_was_delivered(begun):
    held = table(begun, quarantine_name(NAME)).sort("TRANSACTION_ID")
    delivered = [json.loads(text) for text in held["_delivered"]]
    assert [row["TRANSACTION_ID"] for row in delivered] == BAD
    assert [row["TX_AMOUNT"] for row in delivered] == held["TX_AMOUNT"].to_list()
    assert held["_quarantined_at"].null_count() == 0


def test_rows_are_published_once_after_the_contract_was_mended(begun):
    assert retry_quarantined(begun, SOURCE, run_id="r").published == 0
    done = retry_quarantined(begun, MENDED, run_id="r")
    assert (done.published, done.waiting) == (3, 0)
    everything = scenario.payments_on(WEEK)["TRANSACTION_ID"].sort().to_list()
    assert numbers(begun) == everything
    assert numbers(begun, quarantine_name(NAME)) == []
    times = table(begun).filter(pl.col("TX_DATETIME").dt.date() == WEEK[0])["TX_DATETIME"]
    assert times.is_sorted()
    assert reconciliation_of(begun, MENDED).balanced
    assert retry_quarantined(begun, MENDED, run_id="r").published == 0
    assert numbers(begun) == everything
    # Landing evaluates all of it again under the changed contract, and finds the same rows.
    land(begun, MENDED, run_id="again")
    assert numbers(begun) == everything


def test_nothing_is_published_by_a_retry_while_the_breaker_is_open(begun):
    before = numbers(begun)
    set_by_hand(begun, NAME, State.OPEN, "the vendor migrates", MENDED.definition(), "r")
    with pytest.raises(ContractError, match=r"is open since .* the vendor migrates"):
        retry_quarantined(begun, MENDED, run_id="r")
    assert numbers(begun) == before
    set_by_hand(begun, NAME, State.CLOSED, "they are done", MENDED.definition(), "r")
    assert retry_quarantined(begun, MENDED, run_id="r").published == 3


@pytest.mark.parametrize(("module", "step"), [(retrying, "take_out"), (steps, "publish")])
def test_a_retry_that_is_killed_is_made_good_by_the_next(begun, monkeypatch, module, step):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, step, killed)
        with pytest.raises(KeyboardInterrupt):
            retry_quarantined(begun, MENDED, run_id="killed")
    done = retry_quarantined(begun, MENDED, run_id="next")
    assert (done.published, done.waiting) == (3, 0)
    assert numbers(begun) == scenario.payments_on(WEEK)["TRANSACTION_ID"].sort().to_list()
    assert numbers(begun, quarantine_name(NAME)) == []
    assert reconciliation_of(begun, MENDED).balanced


def test_dropped_rows_stay_with_the_reason_and_are_never_published(begun):
    shape = quarantine_shape(SOURCE.shape)
    assert drop_rows(begun, shape, "TX_FRAUD_one_of", "no such rows", scenario.provenance()) == 0
    assert drop_rows(begun, shape, "TX_AMOUNT_in_range", "test payments", scenario.provenance()) == 3
    assert drop_rows(begun, shape, None, "again", scenario.provenance()) == 0
    reconciliation = reconciliation_of(begun, SOURCE)
    assert (reconciliation.balanced, reconciliation.dropped, reconciliation.quarantined) == (True, 3, 0)
    assert retry_quarantined(begun, MENDED, run_id="r").published == 0
    land(begun, MENDED, run_id="again")
    assert not set(BAD) & set(numbers(begun))
    held = table(begun, quarantine_name(NAME))
    assert set(held["_dropped"]) == {"test payments"}
    assert reconciliation_of(begun, MENDED).balanced


def test_a_value_that_could_not_be_read_is_read_again_by_a_mapping(lake):
    rows = scenario.payments_on(WEEK[:1]).with_columns(pl.col("TX_DATETIME").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    amounts = pl.when(pl.col("TRANSACTION_ID") == 3).then(pl.lit("n/a")).otherwise(pl.col("TX_AMOUNT").cast(pl.String))
    path = lake.home.drop_folder(NAME) / "day.csv"
    path.parent.mkdir(parents=True)
    rows.with_columns(TX_AMOUNT=amounts).write_csv(path)
    land(lake, SOURCE, run_id="begin")
    (held,) = table(lake, quarantine_name(NAME)).to_dicts()
    assert "TX_AMOUNT_readable" in held["_rule"]
    assert json.loads(held["_delivered"])["TX_AMOUNT"] == "n/a"
    mended = replace(changed(nullable=True), mappings=(null_spellings("TX_AMOUNT", "n/a"),))
    assert retry_quarantined(lake, mended, run_id="r").published == 1
    assert table(lake).filter(pl.col("TRANSACTION_ID") == 3)["TX_AMOUNT"].to_list() == [None]
    assert len(table(lake)) == len(rows)

"""The fourteen features of all published transactions are the published ones.

What belongs here: the product's own declarations and kernel on the full published data. Not: models
(test_handbook.py) and small worlds.
"""

from pathlib import Path

import polars as pl
import pytest

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from lakehouse.features.compute import compute_rows

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "fraud_handbook"
ROWS = 1_754_155
# Rows that share customer and time: the published features count them one by one, a window that is closed holds both.
TIES = 29
WINDOWS = (1, 7, 30)

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs: ../shared/data/fraud_handbook")


@pytest.fixture(scope="module")
def compared():
    """Our features beside the published ones, for the rows that the latter are there for."""
    raw = pl.read_parquet(DATA / "transactions.parquet")
    spine = raw.select(
        transaction_id=pl.col("TRANSACTION_ID").cast(pl.Int64),
        tx_datetime=pl.col("TX_DATETIME").dt.cast_time_unit("us"),
        customer_id=pl.col("CUSTOMER_ID").cast(pl.Int64),
        terminal_id=pl.col("TERMINAL_ID").cast(pl.Int64),
        amount=pl.col("TX_AMOUNT").cast(pl.Decimal(12, 2)),
        is_fraud=pl.col("TX_FRAUD").cast(pl.Int64),
    ).to_arrow()
    together = pl.read_parquet(DATA / "features_expected.parquet").cast({"TRANSACTION_ID": pl.Int64})
    for one in (customer_spend, terminal_risk, transaction_time):
        rows = compute_rows(one, dict.fromkeys(one.tables_read(), spine), spine)
        assert len(rows) == len(raw) == ROWS
        ours = pl.DataFrame(pl.from_arrow(rows)).select(
            "transaction_id", *(pl.col(name).alias(f"{one.name}.{name}") for name in one.columns)
        )
        together = together.join(ours, left_on="TRANSACTION_ID", right_on="transaction_id", how="left", validate="1:1")
    assert len(together) == 1_054_055
    assert together.null_count().sum_horizontal()[0] == 0
    return together


def differing(compared, published, ours, within=0.0):
    return compared.select(((pl.col(published) - pl.col(ours)).abs() > within).sum()).item()


@pytest.mark.parametrize("days", WINDOWS)
def test_customers_counts_and_means_are_published_but_for_rows_that_share_customer_and_time(compared, days):
    counts = differing(compared, f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW", f"fraud.customer_spend.tx_count_{days}d")
    means = differing(
        compared, f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW", f"fraud.customer_spend.amount_mean_{days}d", within=1e-9
    )
    assert counts <= TIES
    assert means <= TIES


@pytest.mark.parametrize("days", WINDOWS)
def test_where_a_customers_count_differs_it_is_a_peer_that_we_see_and_they_do_not(compared, days):
    """The published count of the earlier of two ties lacks the later one; no other difference is tolerated."""
    ours, published = pl.col(f"fraud.customer_spend.tx_count_{days}d"), pl.col(f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW")
    assert set(compared.filter(ours != published).select(ours - published).to_series()) <= {1}


@pytest.mark.parametrize("days", WINDOWS)
def test_terminals_counts_and_risks_are_exactly_the_published_ones(compared, days):
    counts = differing(compared, f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW", f"fraud.terminal_risk.tx_count_{days}d")
    risks = differing(compared, f"TERMINAL_ID_RISK_{days}DAY_WINDOW", f"fraud.terminal_risk.is_fraud_rate_{days}d")
    assert (counts, risks) == (0, 0)


def test_weekends_and_nights_are_exactly_the_published_ones(compared):
    weekends = differing(compared, "TX_DURING_WEEKEND", "fraud.transaction_time.is_weekend")
    nights = differing(compared, "TX_DURING_NIGHT", "fraud.transaction_time.is_night")
    assert (weekends, nights) == (0, 0)

"""The five published models on the published data and features: split, fitting and metrics against the handbook.

The features here are the published ones, so that a failure points at the models' side; benchmarks/handbook.py runs the
whole way from the transactions.
"""

from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from assets.fraud.model import fraud_scorer
from benchmarks import published
from lakehouse.models.gates import evaluate
from lakehouse.models.protocol import split
from lakehouse.models.training import choose, fit

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "fraud_handbook"
FILES = [DATA / "transactions.parquet", DATA / "features_expected.parquet"]

pytestmark = pytest.mark.skipif(not all(file.exists() for file in FILES), reason="needs: ../shared/data/fraud_handbook")

COLUMNS = {
    "TRANSACTION_ID": "transaction_id",
    "TX_DATETIME": "tx_datetime",
    "CUSTOMER_ID": "customer_id",
    "TX_AMOUNT": "amount",
    "TX_FRAUD": "is_fraud",
    "TX_DURING_WEEKEND": "transaction_time__is_weekend",
    "TX_DURING_NIGHT": "transaction_time__is_night",
    **{f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW": f"customer_spend__tx_count_{days}d" for days in (1, 7, 30)},
    **{f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW": f"customer_spend__amount_mean_{days}d" for days in (1, 7, 30)},
    **{f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW": f"terminal_risk__tx_count_{days}d" for days in (1, 7, 30)},
    **{f"TERMINAL_ID_RISK_{days}DAY_WINDOW": f"terminal_risk__is_fraud_rate_{days}d" for days in (1, 7, 30)},
}


@pytest.fixture(scope="module")
def parts():
    rows = (
        pl.scan_parquet(FILES[0])
        .join(pl.scan_parquet(FILES[1]), on="TRANSACTION_ID")
        .select(pl.col(old).alias(new) for old, new in COLUMNS.items())
        .with_columns(pl.col("amount").round(2).cast(pl.Decimal(12, 2)))
    )
    return split(rows, fraud_scorer, published.START)


@pytest.fixture(scope="module")
def trained(parts):
    return fit(fraud_scorer, parts)


def test_the_split_has_the_published_rows(parts):
    assert (parts.train.height, parts.train["is_fraud"].sum()) == (67_240, 598)
    assert (parts.test.height, parts.test["is_fraud"].sum()) == (58_264, 385)


@pytest.mark.parametrize("name", published.ONE_WEEK)
def test_each_model_reaches_the_published_figures_and_no_more(trained, name):
    metrics = next(one.metrics for one in trained if one.candidate.name == name)
    for metric, figure in asdict(published.ONE_WEEK[name]).items():
        assert metrics[metric] == pytest.approx(figure, abs=published.TOLERANCE), metric


def test_the_winner_is_the_published_one_and_passes_the_gates(trained):
    winner = choose(fraud_scorer, trained)
    assert winner.candidate.name == "random_forest"
    assert all(result.passed for result in evaluate(fraud_scorer.gates, winner.metrics))

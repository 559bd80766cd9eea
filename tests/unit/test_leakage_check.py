"""The leakage check: inputs that alone predict the label too well are named and prevent promotion.

What belongs here: the single scores and the gate on them. Not: what a model's own gates say (test_models.py).
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assets.fraud.model import fraud_scorer
from assets.fraud.training import training
from lakehouse.errors import DeclarationError
from lakehouse.models.leakage_check import INPUT_CHECK, ceiling, check_inputs, single_scores
from lakehouse.models.model import Candidate, Gate
from lakehouse.models.protocol import Split

MODEL = replace(fraud_scorer, inputs=["amount", "customer_spend__tx_count_1d"])
FLOOR = [Gate("floor", "auc", at_least=0.6)]
values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.none())


@given(st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=60))
def test_a_single_score_is_the_auc_that_scikit_learn_finds(rows):
    from sklearn.metrics import roc_auc_score

    labels = [int(label) for _, label in rows]
    assume(0 < sum(labels) < len(labels))
    frame = pl.DataFrame({"x": [value for value, _ in rows]}, schema={"x": pl.Float64})
    found = single_scores(frame, ["x"], pl.Series(labels))["x"]
    # scikit-learn takes no missing values: below all others they are a number that is.
    theirs = roc_auc_score(labels, [-1e9 if value is None else value for value, _ in rows])
    assert found == pytest.approx(max(theirs, 1 - theirs), abs=1e-12)


def test_nan_counts_as_missing_and_a_single_label_value_decides_nothing():
    frame = pl.DataFrame({"x": [float("nan"), 1.0, 2.0, None]})
    assert single_scores(frame, ["x"], pl.Series([0, 1, 1, 0])) == {"x": 1.0}
    assert single_scores(frame, ["x"], pl.Series([0, 0, 0, 0])) == {"x": 0.5}


def parts(amounts, counts) -> Split:
    """Test rows of which every tenth is fraud."""
    labels = [int(number % 10 == 0) for number in range(100)]
    start = datetime(2018, 4, 15)  # noqa: DTZ001  # table times are UTC without a zone
    rows = pl.DataFrame(
        {
            "is_fraud": labels,
            "amount": amounts(np.array(labels)),
            "customer_spend__tx_count_1d": counts(np.array(labels)),
            "tx_datetime": [start + timedelta(hours=number) for number in range(100)],
        }
    )
    return Split(rows, rows, date(2018, 4, 1), MODEL.protocol, 0)


def honest(labels):
    return np.arange(len(labels)) % 7 + labels


def leaking(labels):
    return labels * 2.0


def test_inputs_as_good_as_honest_data_allow_pass_and_the_best_are_named():
    result = check_inputs(MODEL, parts(honest, lambda labels: labels * 0))
    assert result.passed
    assert result.gate.name == INPUT_CHECK
    assert result.measured is not None
    assert 0.5 < result.measured < 0.95
    assert result.message == (
        f"The best single inputs have AUC amount {result.measured:.3f}, customer_spend__tx_count_1d 0.500; 0.95 is "
        "allowed."
    )


def test_an_input_that_is_too_good_is_named():
    result = check_inputs(MODEL, parts(honest, leaking))
    assert not result.passed
    assert result.measured == 1.0
    assert result.message == (
        "Alone, customer_spend__tx_count_1d 1.000 is above AUC 0.95: an input this good is a leak until you know why."
    )
    both = check_inputs(MODEL, parts(lambda labels: -leaking(labels), leaking))
    assert "amount 1.000, customer_spend__tx_count_1d 1.000 are above" in both.message, "whichever way it points"


def test_a_model_may_allow_more_and_its_own_band_less():
    assert ceiling(replace(MODEL, gates=FLOOR)) == 0.95
    assert ceiling(replace(MODEL, gates=FLOOR, input_ceiling=0.9)) == 0.9
    assert ceiling(replace(MODEL, gates=[Gate("auc_band", "auc", at_most=0.8)])) == 0.8
    allowed = replace(MODEL, gates=FLOOR, input_ceiling=1.0)
    assert check_inputs(allowed, parts(honest, leaking)).passed


@pytest.mark.parametrize("share", [0.5, 0.0, 1.01])
def test_a_ceiling_is_an_auc(share):
    with pytest.raises(DeclarationError, match="is not a valid ceiling") as caught:
        replace(MODEL, input_ceiling=share)
    assert str(caught.value.where).endswith("input_ceiling")


def test_a_ceiling_decides_who_goes_live_and_the_default_one_changes_no_fingerprint():
    assert replace(MODEL, input_ceiling=0.95).fingerprint() == MODEL.fingerprint()
    assert replace(MODEL, input_ceiling=0.9).fingerprint() != MODEL.fingerprint()


def test_dagster_has_the_check():
    from lakehouse.kinds.model import ModelAsset
    from orchestration.kinds.model import model_asset

    asset = model_asset(ModelAsset(fraud_scorer, training))
    (spec,) = [one for one in asset.check_specs if one.name == INPUT_CHECK]
    assert spec.blocking
    assert spec.description == "No single input sorts the test days with an AUC above 0.95: that is a leak."


def test_a_model_with_an_input_that_is_too_good_does_not_go_live(built, monkeypatch):
    """The label under another name, as a join that went wrong would bring it."""
    from assets.fraud.model import logistic_regression
    from lakehouse.models import retraining
    from lakehouse.models.artifact_relocation import open_registry

    rows = retraining.training_rows
    monkeypatch.setattr(
        retraining, "training_rows", lambda *given: rows(*given).with_columns(peek=pl.col("is_fraud").fill_null(0) * 3)
    )
    monkeypatch.setattr(retraining, "draw", lambda *_: retraining_pictures())
    model = replace(
        MODEL,
        inputs=["amount", "peek"],
        candidates=[Candidate("logistic_regression", logistic_regression, "A weighted sum.")],
        gates=[Gate("floor", "auc", at_least=0.1)],
    )
    done = retraining.retrain(built, open_registry(built.home), model, training, run_id="training-run")
    assert done.decision is not None
    assert not done.decision.promoted
    assert done.decision.reason == (
        "Alone, peek 1.000 is above AUC 0.95: an input this good is a leak until you know why."
    )
    assert [(one.gate.name, one.passed) for one in done.gates] == [("floor", True), (INPUT_CHECK, False)]


def retraining_pictures():
    from lakehouse.models.plots import Pictures

    return Pictures({}, {"logistic_regression": {}}, {"amount": 0.0, "peek": 1.0})

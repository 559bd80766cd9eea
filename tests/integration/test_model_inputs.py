"""What a model expects of its inputs: judged before it learns, and before it scores.

What belongs here: declaring it, the check results, and that nothing is built from other inputs. Not: contracts
of sources, and training and scoring themselves.
"""

import math
from dataclasses import replace

import polars as pl
import pytest

from assets.fraud.model import fraud_scorer
from assets.fraud.training import training
from lakehouse.errors import DeclarationError
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.input_contract import Expected, check_expected, expected_checks
from lakehouse.models.model import Gate
from lakehouse.models.predictions import predict
from lakehouse.models.retraining import retrain
from lakehouse.tables.check_result import AuditError

AMOUNT = fraud_scorer.inputs[0]


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: replace(fraud_scorer, expects=[Expected(f"{AMOUNT}s", at_least=0)]), AMOUNT),
        (lambda: Expected("a", at_least=2, at_most=1), "at_least=1, at_most=2"),
        (lambda: Expected("a", null_share=1.5), "1"),
        (lambda: Expected("a", one_of=("x",)), None),
    ],
)
def test_a_wrong_input_contract_is_found_when_it_is_declared(make, nearest):
    with pytest.raises(DeclarationError) as caught:
        make()
    assert caught.value.nearest == nearest


def test_an_input_contract_is_part_of_the_models_definition():
    expecting = replace(fraud_scorer, expects=[Expected(AMOUNT, at_least=0)])
    assert expecting.fingerprint() != fraud_scorer.fingerprint()
    assert expecting.fingerprint() != replace(expecting, expects=[Expected(AMOUNT, at_least=1)]).fingerprint()


@pytest.mark.parametrize(
    ("expected", "passed"),
    [
        (Expected("a", at_least=0, null_share=0.4), True),
        (Expected("a", at_least=0, null_share=0.3), False),
        (Expected("a", at_most=2, null_share=0.5), False),
        (Expected("a", at_most=2, null_share=0.5, outside_share=0.34), True),
        (Expected("a", one_of=(1, 2, 3), null_share=0.4), True),
        (Expected("a", one_of=(1, 2), null_share=0.4), False),
    ],
)
def test_shares_decide_whether_an_input_is_as_expected(expected, passed):
    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0, None, math.nan], "b": [0] * 5})
    if passed:
        (check_result,) = check_expected([expected], frame, "shop.scorer")
    else:
        with pytest.raises(AuditError) as caught:
            check_expected([expected], frame, "shop.scorer")
        (check_result,) = caught.value.check_results
        assert "`expects`" in caught.value.fix
    assert (check_result.passed, check_result.blocking, check_result.name) == (passed, True, "a_as_expected")
    assert check_result.measured["null_share"] == 0.4
    assert {check_result.name} == set(expected_checks([expected]))


def test_no_rows_are_as_expected():
    (check_result,) = check_expected(
        [Expected("a", at_least=0)], pl.DataFrame({"a": pl.Series([], dtype=pl.Int64)}), "a.b"
    )
    assert check_result.passed


def test_nothing_is_learned_or_scored_from_inputs_that_are_not_as_expected(built):
    registry = open_registry(home=built.home)
    quick = [one for one in fraud_scorer.candidates if one.name == "logistic_regression"]
    good = replace(
        fraud_scorer,
        candidates=quick,
        gates=[Gate("auc_floor", "auc", at_least=0.1)],
        expects=[Expected(AMOUNT, at_least=0, at_most=1e6)],
    )
    bad = replace(good, expects=[*good.expects, Expected(fraud_scorer.inputs[-1], at_least=1e6)])
    with pytest.raises(AuditError, match=r"fraud\.scorer failed"):
        retrain(built, registry, bad, training, run_id="bad")
    assert registry.champion(good.name) is None
    done = retrain(built, registry, good, training, run_id="good")
    assert [(one.name, one.passed) for one in done.check_results] == [(f"{AMOUNT}_as_expected", True)]
    with pytest.raises(AuditError, match=r"fraud\.predictions failed"):
        predict(built, registry, bad, training, run_id="bad")
    assert not built.has(good.predictions)
    scored = predict(built, registry, good, training, run_id="good")
    names = [f"{AMOUNT}_as_expected", "inputs_as_in_training", "every_row_scored", "scores_are_probabilities"]
    assert [one.name for one in scored.check_results][:4] == names
    baseline = scored.check_results[1]
    assert not baseline.blocking
    assert set(baseline.measured) >= {"psi", *(f"psi_{name}" for name in good.inputs)}

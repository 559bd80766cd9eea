"""What a model learned from: a day like those of training passes, one that lies elsewhere is named, nothing blocks."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from lakehouse.models.registry import Registry, Version
from lakehouse.models.training_baseline import CHECK, FILE, TrainingBaseline, baseline_of, compare_with_baseline

WEIGHTS = {"amount": 0.3, "weekend": 0.1, "unused": -0.01}
REGISTRY = Registry("sqlite://", "file:///nowhere")


def day(number, rows=400, amount=0.0, unused=0.0):
    """A day of rows: an amount, whether it is a weekend, and something that the model does without."""
    random = np.random.default_rng(number)
    return pl.DataFrame(
        {
            "at": [datetime(2024, 3, 4) + timedelta(days=number, minutes=one) for one in range(rows)],  # noqa: DTZ001
            "amount": random.normal(amount, 1, rows),
            "weekend": [number % 7 > 4] * rows,
            "unused": random.normal(unused, 1, rows),
        }
    )


@pytest.fixture(scope="module")
def baseline():
    return baseline_of(pl.concat(day(one) for one in range(14)), "at", WEIGHTS)


@pytest.fixture
def champion(baseline, tmp_path):
    (tmp_path / FILE).write_text(baseline.text())
    return Version("shop.scorer", 3, "run", "tree", "", str(tmp_path), {}, {}, tuple(WEIGHTS), ("champion",))


def test_what_was_learned_from_survives_being_written_down(baseline):
    assert TrainingBaseline.of_text(baseline.text()) == baseline
    assert baseline.profile.rows == 14 * 400
    assert baseline.weights["unused"] == 0


def test_of_another_version_nothing_is_read(baseline):
    assert TrainingBaseline.of_text(baseline.text().replace('"version":1', '"version":0')) is None


@pytest.mark.parametrize("number", [14, 19, 20])
def test_a_day_like_those_of_training_passes_with_its_distance(champion, number):
    check_result = compare_with_baseline(REGISTRY, champion, day(number))
    assert (check_result.name, check_result.passed, check_result.blocking) == (CHECK, True, False)
    assert {"psi", "psi_amount", "psi_weekend", "psi_unused"} <= set(check_result.measured)


def test_an_input_that_lies_elsewhere_is_named_and_warns(champion):
    check_result = compare_with_baseline(REGISTRY, champion, day(15, amount=2.0))
    assert not check_result.passed
    assert not check_result.blocking
    assert "amount is not as in training" in check_result.message
    assert float(check_result.measured["psi_amount"]) > 1


def test_an_input_that_the_model_does_without_does_not_matter(champion):
    check_result = compare_with_baseline(REGISTRY, champion, day(15, unused=2.0))
    assert check_result.passed
    assert float(check_result.measured["psi_unused"]) > 1


def test_a_version_without_a_training_baseline_passes_with_a_message(champion, tmp_path):
    (tmp_path / FILE).unlink()
    check_result = compare_with_baseline(REGISTRY, champion, day(15))
    assert check_result.passed
    assert "has no training baseline" in check_result.message


def test_without_any_weight_all_inputs_count_the_same_and_few_days_set_no_limit():
    found = baseline_of(day(1), "at", {"amount": 0.0, "weekend": -1.0})
    assert found.weights == {"amount": 1.0, "weekend": 1.0}
    assert found.limits == {}

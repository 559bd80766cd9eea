"""Fitting a model's candidates on one split, measuring them on the days after, and choosing among them.

What belongs here: from rows to fitted pipelines with their scores. Not: dividing rows (protocol.py), the metrics
themselves (metrics.py), keeping the result (recording.py).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse import extras
from lakehouse.errors import DeclarationError, SlipwayError, unknown_name
from lakehouse.models.metrics import METRICS, measure
from lakehouse.models.model import Candidate, Classifier, Model
from lakehouse.models.protocol import Split


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted candidate: its pipeline, its scores of the test rows (in their order) and how good they are.

    `metrics` by name, `parameters` of the estimator, `seconds` of fitting.
    """

    candidate: Candidate
    pipeline: Classifier
    scores: NDArray[np.float64]
    metrics: dict[str, float]
    parameters: dict[str, Any]
    seconds: float


def fit(
    model: Model, split: Split, *, n_jobs: int = 2, on_candidate: Callable[[Trained], None] | None = None
) -> list[Trained]:
    """Fit every candidate of `model` on the training rows and measure it on the test rows, in declared order.

    All candidates see the same: the inputs in declared order, standardised by the training rows' mean and deviation
    (trees too, as in the published protocol). Estimators that were declared with a number of threads (`n_jobs`) get
    `n_jobs` instead, which changes the time and not the result. `on_candidate` is called after each.

    Raises SlipwayError for inputs that cannot be learned from, DeclarationError for a candidate that gives no
    probabilities; what an estimator itself raises carries a note with the candidate's name.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, labels = design(split.train, model.inputs, model.training_set), split.train[model.label].to_numpy()
    test_inputs = design(split.test, model.inputs, model.training_set)
    trained: list[Trained] = []
    for candidate in model.candidates:
        with extras.named(f"Candidate({candidate.name!r}).build"):
            estimator = candidate.build()
        if not hasattr(estimator, "predict_proba"):
            raise DeclarationError(
                f"{type(estimator).__name__} gives no probabilities.",
                where=f"Candidate({candidate.name!r}).build",
                nearest="a classifier with predict_proba",
                fix="Use one that has it, or wrap it in a CalibratedClassifierCV.",
            )
        if estimator.get_params().get("n_jobs") is not None:
            estimator.set_params(n_jobs=n_jobs)
        pipeline = cast("Classifier", Pipeline([("scaler", StandardScaler()), ("estimator", estimator)]))
        started = perf_counter()
        try:
            with _threads(pipeline):
                pipeline.fit(inputs, labels)
            seconds = perf_counter() - started
            scores = probabilities(pipeline, test_inputs)
        except Exception as error:
            error.add_note(f"This happened while the candidate {candidate.name!r} of {model.name} was fitted.")
            raise
        result = Trained(
            candidate=candidate,
            pipeline=pipeline,
            scores=scores,
            metrics=measure_on(model, split, scores),
            parameters=estimator.get_params(),
            seconds=seconds,
        )
        trained.append(result)
        if on_candidate:
            on_candidate(result)
    return trained


def choose(model: Model, trained: Sequence[Trained]) -> Trained:
    """The best of `trained` by the metric `model.select_by`; of equals the one declared first."""
    sign = 1 if METRICS[model.select_by].higher_is_better else -1
    return max(trained, key=lambda one: sign * one.metrics[model.select_by])


def measure_on(model: Model, split: Split, scores: NDArray[np.float64]) -> dict[str, float]:
    """The metrics of any `scores` of the split's test rows, so that old and new models can be compared on the same."""
    test, entity = split.test, model.exclude_known_positives_of
    days = test[model.event_time].dt.date()
    return measure(test[model.label].to_numpy(), scores, days, test[entity], model.precision_at_k)


def probabilities(pipeline: Classifier, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of label 1 for each row of `inputs`, as float64."""
    with _threads(pipeline):
        return np.asarray(pipeline.predict_proba(inputs), dtype=np.float64)[:, 1]


def _threads(pipeline: Classifier) -> AbstractContextManager[object]:
    """One thread for an estimator that cannot be told how many to take (scikit-learn's histogram boosting).

    It would take one for each core, and they wait for each other in a busy loop: 50 times as long on a machine that is
    busy already. The others have been told.
    """
    if any(name.rpartition("__")[2] == "n_jobs" for name in pipeline.get_params()):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")


def design(frame: pl.DataFrame, inputs: Sequence[str], where: str) -> NDArray[np.float64]:
    """The columns `inputs` of `frame`, in that order, as a float64 matrix of rows x inputs.

    Raises UnknownNameError for a missing column, SlipwayError (naming `where`) for columns that are no numbers, and
    for null or infinite values: a model would not notice, or would fail without saying which column it was.
    """
    for name in inputs:
        if name not in frame.columns:
            raise unknown_name("column", name, frame.columns, where=where)
        if not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Boolean):
            raise SlipwayError(
                f"The input {name} is {frame.schema[name]}, and a model takes numbers.",
                where=f"{where}.{name}",
                nearest="Float64",
                fix="Make it a number in the feature set, or take it out of the model's inputs.",
            )
    numbers = frame.select(pl.col(name).cast(pl.Float64) for name in inputs)
    usable = numbers.select(pl.all().is_finite().sum()).row(0)
    lacking = {name: frame.height - count for name, count in zip(inputs, usable, strict=True) if count < frame.height}
    if lacking:
        shown = ", ".join(f"{name} ({count:,})" for name, count in lacking.items())
        raise SlipwayError(
            f"Of {frame.height:,} rows some have no finite value in: {shown}.",
            where=where,
            fix="Declare a default in the feature set (in an expression: coalesce), or leave such rows out.",
        )
    return numbers.to_numpy(order="c")

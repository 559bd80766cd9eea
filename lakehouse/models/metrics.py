"""The metrics of scores, and the importance of each input.

What belongs here: numbers computed from labels and scores. Not: deciding by them (gates.py), drawing them (plots.py).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse.errors import SlipwayError

PRECISION_AT_K = "precision_at_k"
"""The metric that is measured for a model that declares its k."""
DECIDED = 0.5
"""The score from which on a row is taken for label 1, where accuracy is measured."""


@dataclass(frozen=True)
class Metric:
    """A number that a set of scores has. `title` is how a person calls it, `meaning` what it says."""

    name: str
    title: str
    meaning: str
    higher_is_better: bool = True


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("auc", "AUC", "the chance that a row of label 1 gets a higher score than one of label 0"),
        Metric("accuracy", "Accuracy", "the share of rows decided rightly, when a score of 0.5 or more means 1"),
        Metric("average_precision", "Average precision", "precision, averaged over all levels of recall"),
        Metric(
            PRECISION_AT_K,
            "Precision at k",
            "the share of positive entities among the k with the highest scores of a day, averaged over the test days",
        ),
        Metric("log_loss", "Log loss", "how surprising the truth is, given the scores", higher_is_better=False),
        Metric("brier", "Brier score", "the mean squared error of the scores as probabilities", higher_is_better=False),
    )
}


def measure(
    labels: NDArray[np.int64], scores: NDArray[np.float64], days: pl.Series, entities: pl.Series, k: int = 0
) -> dict[str, float]:
    """Return all metrics of `scores`, by name. The first four have one entry per test row, in the same order.

    `labels` are 0 or 1, `scores` probabilities of 1, `days` the day of each row, `entities` whose row it is; `k` is
    that of precision_at_k, 0 leaves it out. Raises SlipwayError where a metric has no value: labels of one class, or a
    score that is not finite.
    """
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    if len(np.unique(labels)) < 2:  # noqa: PLR2004 - both labels
        raise SlipwayError(
            f"All {len(labels)} labels are the same, so no metric can be computed.",
            where="labels of the test days",
            fix="Use test days with both labels.",
        )
    if not np.isfinite(scores).all():
        raise SlipwayError(
            f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not numbers.",
            where="scores of the test days",
            fix="Look for inputs that this estimator does not support.",
        )
    found = {
        "auc": float(roc_auc_score(labels, scores)),
        "accuracy": accuracy(labels, scores),
        "average_precision": float(average_precision_score(labels, scores)),
        "log_loss": float(log_loss(labels, scores)),
        "brier": float(brier_score_loss(labels, scores)),
    }
    return {**found, PRECISION_AT_K: precision_at_k(days, entities, labels, scores, k)} if k else found


def accuracy(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """The share of rows decided rightly; a score of 0.5 or more decides for label 1."""
    return float(((scores >= DECIDED) == (labels == 1)).mean())


def precision_at_k(
    days: pl.Series, entities: pl.Series, labels: NDArray[np.int64], scores: NDArray[np.float64], k: int
) -> float:
    """Return the share of positive entities among the `k` with the highest scores of a day, averaged over the days.

    Each day entities are ranked by their highest score of that day; an entity is positive if any of its rows of that
    day is. Positive entities among the first `k` count as found, are taken out (a card is blocked), and do not appear
    on later days. Divided by `k` even on days with fewer entities. Among equal scores the lower entity comes first: a
    tree of few leaves has many equal scores, and the metric must not depend on the order of the rows.

    Source: Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, chapter 4, "Precision
    top-k metrics" (precision of the k riskiest cards: the definition; this is our own implementation).
    """
    seen = (
        pl.DataFrame({"day": days, "entity": entities, "positive": labels, "score": scores})
        .group_by("day", "entity")
        .agg(pl.col("score").max(), pl.col("positive").max())
        .sort("day", "score", "entity", descending=[False, True, False])
    )
    taken_out = seen.select("entity").clear()
    shares: list[float] = []
    for day in seen.partition_by("day", maintain_order=True):
        looked_at = day.join(taken_out, on="entity", how="anti", maintain_order="left").head(k)
        found = looked_at.filter(pl.col("positive") == 1).select("entity")
        shares.append(found.height / k)
        taken_out = pl.concat([taken_out, found])
    return math.fsum(shares) / len(shares)


def importance(
    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    inputs: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    rows: int = 3_000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """How much average precision is lost when one input is shuffled among the rows; one number per input.

    Zero or less: the model does without it. Measured on at most `rows` rows of `inputs` (rows x inputs), frauds first
    among them, since they are rare and the measure lives on them. Inputs that say the same can stand in for each other
    and then both look unimportant.
    """
    from sklearn.metrics import average_precision_score

    draw = np.random.default_rng(seed)
    frauds = np.flatnonzero(labels == 1)
    genuine = np.flatnonzero(labels == 0)
    kept = draw.permutation(frauds)[: rows // 2]
    sample = np.sort(np.concatenate([kept, draw.permutation(genuine)[: rows - len(kept)]]))
    drawn, truth = inputs[sample], labels[sample]
    # One call for all inputs: an estimator's cost per call outweighs its cost per row here.
    stacked = np.tile(drawn, (drawn.shape[1] + 1, 1)).reshape(drawn.shape[1] + 1, *drawn.shape)
    for column in range(drawn.shape[1]):
        stacked[column + 1, :, column] = draw.permutation(drawn[:, column])
    scores = predict(stacked.reshape(-1, drawn.shape[1])).reshape(len(stacked), -1)
    reached = [float(average_precision_score(truth, of_one)) for of_one in scores]
    return reached[0] - np.array(reached[1:])

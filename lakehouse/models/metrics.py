"""How good scores are: the metrics by name, and what each input contributes.

What belongs here: numbers computed from labels and scores. Not: deciding by them (gates.py), drawing them (plots.py).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse.errors import SlipwayError

CARDS_A_DAY = 100
"""How many cards a day the fraud team of the published protocol can look at."""
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
            "card_precision_100",
            "Card precision at 100",
            "the share of entities with label 1 among the 100 that look worst, averaged over the test days",
        ),
        Metric("log_loss", "Log loss", "how surprising the truth is, given the scores", higher_is_better=False),
        Metric("brier", "Brier score", "the mean squared error of the scores as probabilities", higher_is_better=False),
    )
}


def measure(
    labels: NDArray[np.int64], scores: NDArray[np.float64], days: pl.Series, cards: pl.Series
) -> dict[str, float]:
    """All metrics of `scores`, by name. The four have one entry per test row, in the same order.

    `labels` are 0 or 1, `scores` probabilities of 1, `days` the day of each row, `cards` whose row it is. Raises
    SlipwayError where a metric has no value: only one kind of label, or a score that is no number.
    """
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    if len(np.unique(labels)) < 2:  # noqa: PLR2004 - both labels
        raise SlipwayError(
            f"All {len(labels)} labels are the same, so nothing can be told apart.",
            where="labels of the test days",
            fix="Test on days that have both kinds.",
        )
    if not np.isfinite(scores).all():
        raise SlipwayError(
            f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not numbers.",
            where="scores of the test days",
            fix="Look for inputs that this estimator cannot digest.",
        )
    return {
        "auc": float(roc_auc_score(labels, scores)),
        "accuracy": accuracy(labels, scores),
        "average_precision": float(average_precision_score(labels, scores)),
        f"card_precision_{CARDS_A_DAY}": card_precision_top_k(days, cards, labels, scores),
        "log_loss": float(log_loss(labels, scores)),
        "brier": float(brier_score_loss(labels, scores)),
    }


def accuracy(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """The share of rows decided rightly; a score of 0.5 or more decides for label 1."""
    return float(((scores >= DECIDED) == (labels == 1)).mean())


def card_precision_top_k(
    days: pl.Series,
    cards: pl.Series,
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    k: int = CARDS_A_DAY,
) -> float:
    """The share of compromised cards among the `k` cards that look worst on a day, averaged over the days.

    Each day the cards are ranked by their highest score of that day; a card is compromised when any of its
    transactions of that day is a fraud. Compromised cards among the first `k` count as found, are blocked, and do not
    appear on later days. Divided by `k` even on days with fewer cards. Among equal scores the lower card comes first:
    a tree of few leaves has many equal scores, and the answer must not depend on the order of the rows.

    Source: Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, chapter 4, "Precision
    top-k metrics" (the definition; this is our own implementation).
    """
    seen = (
        pl.DataFrame({"day": days, "card": cards, "compromised": labels, "score": scores})
        .group_by("day", "card")
        .agg(pl.col("score").max(), pl.col("compromised").max())
        .sort("day", "score", "card", descending=[False, True, False])
    )
    blocked = seen.select("card").clear()
    shares: list[float] = []
    for day in seen.partition_by("day", maintain_order=True):
        looked_at = day.join(blocked, on="card", how="anti", maintain_order="left").head(k)
        found = looked_at.filter(pl.col("compromised") == 1).select("card")
        shares.append(found.height / k)
        blocked = pl.concat([blocked, found])
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

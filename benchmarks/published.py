"""The published figures of the fraud models, to hold ours against.

What belongs here: numbers and settings as published, with their source. Not: computing ours (handbook.py).

Source: Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit Card Fraud Detection -
Practical Handbook", ULB 2022. Chapter 3, "Baseline fraud detection system", for one week; chapter 5, "Prequential
validation" and "Model selection", for the means over four weeks. The data are simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from assets.fraud.model import logistic_regression, random_forest
from lakehouse.models.model import Candidate, Classifier

TOLERANCE = 0.005
"""How far a figure of ours may lie from the published one, above as well as below."""


@dataclass(frozen=True)
class Figures:
    """What a model reached on the test days."""

    auc: float
    average_precision: float
    precision_at_k: float


START = date(2018, 7, 25)
"""First day of training of the one-week figures: trained to 2018-07-31, tested 2018-08-08 to 2018-08-14."""

ONE_WEEK: Mapping[str, Figures] = {
    "logistic_regression": Figures(0.871, 0.606, 0.291),
    "decision_tree_2": Figures(0.763, 0.496, 0.241),
    "decision_tree": Figures(0.788, 0.309, 0.243),
    "random_forest": Figures(0.867, 0.658, 0.287),
    "xgboost": Figures(0.862, 0.639, 0.273),
}
"""Chapter 3, with scikit-learn's defaults and those of XGBoost 1.5."""

PREQUENTIAL_STARTS = (date(2018, 7, 25), date(2018, 8, 1), date(2018, 8, 8), date(2018, 8, 15))
"""First days of training of the four weeks that the means are over."""

PREQUENTIAL: Mapping[str, Figures] = {
    "logistic_regression": Figures(0.868, 0.623, 0.297),
    "decision_tree": Figures(0.797, 0.334, 0.258),
    "random_forest": Figures(0.870, 0.672, 0.299),
    "xgboost": Figures(0.872, 0.687, 0.302),
}
"""Chapter 5: means over the four weeks, each model with the settings chosen on earlier weeks."""

PREQUENTIAL_DEVIATIONS: Mapping[str, Figures] = {
    "logistic_regression": Figures(0.015, 0.016, 0.009),
    "decision_tree": Figures(0.005, 0.021, 0.012),
    "random_forest": Figures(0.014, 0.011, 0.013),
    "xgboost": Figures(0.011, 0.011, 0.013),
}
"""Chapter 5: standard deviations between the four weeks."""


def decision_tree_50() -> Classifier:
    """A tree of at most 50 questions in a row."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=50, random_state=0)


def xgboost_50() -> Classifier:
    """50 trees of depth 3 at a learning rate of 0.3; the rest are the defaults of XGBoost 1.5."""
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=50, learning_rate=0.3, max_depth=3, tree_method="exact", base_score=0.5, random_state=0, n_jobs=2
    )


PREQUENTIAL_CANDIDATES = (
    Candidate("logistic_regression", logistic_regression, "C = 1."),
    Candidate("decision_tree", decision_tree_50, "At most 50 deep."),
    Candidate("random_forest", random_forest, "100 unlimited trees."),
    Candidate("xgboost", xgboost_50, "50 trees, learning rate 0.3, depth 3."),
)
"""The settings that chapter 5 chose."""

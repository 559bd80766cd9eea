"""The credit model: three candidates, the protocol that compares them, and the gates in front of going live.

What belongs here: which estimators with which parameters, on which inputs, and what they must show. Sex, education,
marriage and age are delivered and no inputs: who somebody is decides on no credit.
"""

from lakehouse.models.model import Candidate, Classifier, Gate, Model, Protocol

INPUTS = (
    "credit_limit",
    *(f"repayment__pay_status_max_{window}" for window in ("30d", "60d", "90d", "lifetime")),
    *(f"repayment__pay_status_mean_{window}" for window in ("60d", "90d", "lifetime")),
    *(f"repayment__is_late_rate_{window}" for window in ("90d", "lifetime")),
    *(f"balance__utilisation_mean_{window}" for window in ("30d", "90d", "lifetime")),
    "balance__utilisation_max_90d",
    *(f"balance__bill_amount_mean_{window}" for window in ("30d", "90d")),
    *(f"balance__pay_amount_mean_{window}" for window in ("30d", "60d", "90d")),
    "balance__paid_share",
)


def logistic_regression() -> Classifier:
    """scikit-learn's defaults, with steps enough for inputs that say nearly the same."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1_000, random_state=0)


def random_forest() -> Classifier:
    """100 trees, whose leaves hold 20 statements or more."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, min_samples_leaf=20, random_state=0, n_jobs=2)


def boosted_trees() -> Classifier:
    """100 small steps of histogram-based boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, random_state=0)


credit_scorer = Model(
    name="credit.scorer",
    training_set="credit.training",
    predictions="credit.predictions",
    event_time="statement_date",
    # Clients who were late stay clients, so no later row of theirs is left out of the test.
    exclude_known_positives_of="statement_id",
    label="is_late_next",
    key="statement_id",
    inputs=INPUTS,
    candidates=(
        Candidate("logistic_regression", logistic_regression, "A weighted sum of the inputs."),
        Candidate("random_forest", random_forest, "The mean vote of 100 trees."),
        Candidate("boosted_trees", boosted_trees, "100 small trees, each correcting those before."),
    ),
    select_by="auc",
    # Two statements to learn from, one month for their labels to come in, one statement to be tested on.
    protocol=Protocol(train_days=61, delay_days=31, test_days=31, apart_days=31, unlabelled=0.02),
    gates=(
        Gate(
            "auc_band",
            "auc",
            at_least=0.7,
            at_most=0.95,
            description="Better than the limit alone, and not better than honest data allow: payments that are late "
            "today and tomorrow are one thing, but some begin and some end each month.",
        ),
        Gate(
            "accuracy_floor",
            "accuracy",
            at_least=0.8,
            description="Of five decisions four are right. Most clients pay in time: to say so of everybody is right "
            "in 77 to 88 of 100 cases, so this alone is little.",
        ),
        Gate(
            "no_worse_than_champion",
            "auc",
            champion_margin=0.02,
            description="At most a little worse than the present champion on the same statements.",
        ),
    ),
    owner="team:credit-risk",
    description="The probability that a client is late with next month's payment, from how payments and bills went.",
)

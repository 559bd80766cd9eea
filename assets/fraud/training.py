"""The training set of the fraud model."""

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from lakehouse.training.training_set import Label, TrainingSet

training = TrainingSet(
    name="fraud.training",
    spine="fraud.stg_transactions",
    row_key="transaction_id",
    event_time="tx_datetime",
    carry=["customer_id", "terminal_id", "amount"],
    label=Label(source="fraud.fraud_reports", column="is_fraud", row_key="transaction_id", known_at="reported_at"),
    feature_sets=[customer_spend, terminal_risk, transaction_time],
    description="Each payment with what was known at its time, and whether it turned out to be fraud.",
    owner="team:payments",
)

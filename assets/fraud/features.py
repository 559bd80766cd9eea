"""What the fraud models look at: the fourteen features of the Fraud Detection Handbook."""

from lakehouse.features.feature_set import Entity, FeatureSet, count, hour_between, mean, rate, weekend

customer = Entity("customer_id")
terminal = Entity("terminal_id")
transaction = Entity("transaction_id")

customer_spend = FeatureSet(
    name="fraud.customer_spend",
    entity=customer,
    source="fraud.stg_transactions",
    event_time="tx_datetime",
    row_key="transaction_id",
    features=[count("tx").over("1d", "7d", "30d"), mean("amount").over("1d", "7d", "30d")],
    description="How often and how much a customer pays.",
    owner="team:payments",
)

# Whether a payment was fraud is known a week later, so the windows end a week before the payment.
terminal_risk = FeatureSet(
    name="fraud.terminal_risk",
    entity=terminal,
    source="fraud.fraud_reports",
    spine="fraud.stg_transactions",
    event_time="tx_datetime",
    row_key="transaction_id",
    delay="7d",
    features=[count("tx").over("1d", "7d", "30d"), rate("is_fraud").over("1d", "7d", "30d")],
    description="How busy a terminal is and what share of its payments turned out to be fraud.",
    owner="team:payments",
)

transaction_time = FeatureSet(
    name="fraud.transaction_time",
    entity=transaction,
    source="fraud.stg_transactions",
    event_time="tx_datetime",
    row_key="transaction_id",
    features=[weekend("is_weekend"), hour_between(0, 6, "is_night")],
    description="When in the week and the day a payment is made.",
    owner="team:payments",
)

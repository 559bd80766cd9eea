"""The features of the fraud model: the fourteen features of the Fraud Detection Handbook."""

from lakehouse.features.feature_set import Entity, Example, FeatureSet, count, hour_between, mean, rate, weekend

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
    examples=[
        Example(
            description="A payment counts itself, and no longer counts one that was made exactly a day before.",
            given={
                "fraud.stg_transactions": [
                    {"customer_id": 7, "tx_datetime": "2018-04-01 09:00", "amount": 10.0},
                    {"customer_id": 7, "tx_datetime": "2018-04-01 21:00", "amount": 20.0},
                    {"customer_id": 7, "tx_datetime": "2018-04-02 09:00", "amount": 40.0},
                    {"customer_id": 8, "tx_datetime": "2018-04-02 08:00", "amount": 99.0},
                ]
            },
            at={"customer_id": 7, "tx_datetime": "2018-04-02 09:00"},
            expected={"tx_count_1d": 2, "amount_mean_1d": 30.0, "tx_count_7d": 3, "amount_mean_7d": 70 / 3},
        )
    ],
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
    examples=[
        Example(
            description="A fraud is only known, and counts, a week after it happened.",
            given={
                "fraud.fraud_reports": [
                    {"terminal_id": 3, "tx_datetime": "2018-04-01 12:00", "is_fraud": 1},
                    {"terminal_id": 3, "tx_datetime": "2018-04-03 12:00", "is_fraud": 0},
                    {"terminal_id": 3, "tx_datetime": "2018-04-09 12:00", "is_fraud": 1},
                ]
            },
            at={"terminal_id": 3, "tx_datetime": "2018-04-10 12:00"},
            expected={"tx_count_1d": 1, "is_fraud_rate_1d": 0.0, "tx_count_7d": 2, "is_fraud_rate_7d": 0.5},
        ),
        Example(
            description="A terminal that nothing is known of yet has no risk.",
            given={"fraud.fraud_reports": []},
            at={"terminal_id": 4, "tx_datetime": "2018-04-10 12:00"},
            expected={"tx_count_30d": 0, "is_fraud_rate_30d": 0.0},
        ),
    ],
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
    examples=[
        Example(
            description="A Sunday, an hour before the night ends.",
            given={},
            at={"transaction_id": 1, "tx_datetime": "2018-04-01 06:00"},
            expected={"is_weekend": 1, "is_night": 1},
        )
    ],
)

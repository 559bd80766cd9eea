"""The features of the credit model: how late a client was, how much of the limit is used, how much of bills is paid.

A month has 28 to 31 days and statements close on the last: 30 days hold one statement (two at the end of February), 60
days two and 90 days three. All of it stands in statements of that day or before, so nothing here needs a delay.
"""

from lakehouse.features.feature_set import Entity, Example, FeatureSet, derived, largest, mean, rate, total

client = Entity("client_id")

repayment = FeatureSet(
    name="credit.repayment",
    entity=client,
    source="credit.stg_statements",
    event_time="statement_date",
    row_key="statement_id",
    features=[
        largest("pay_status").over("30d", "60d", "90d", "lifetime"),
        mean("pay_status").over("60d", "90d", "lifetime"),
        rate("is_late").over("90d", "lifetime"),
    ],
    description="How late a client was with payments, in months, and how often.",
    owner="team:lending",
    examples=[
        Example(
            description="Sixty days hold this statement and the one before; earlier ones count in longer windows.",
            given={
                "credit.stg_statements": [
                    {"client_id": 7, "statement_date": "2005-04-30", "pay_status": 3, "is_late": 1},
                    {"client_id": 7, "statement_date": "2005-05-31", "pay_status": 2, "is_late": 1},
                    {"client_id": 7, "statement_date": "2005-06-30", "pay_status": -1, "is_late": 0},
                    {"client_id": 8, "statement_date": "2005-06-30", "pay_status": 8, "is_late": 1},
                ]
            },
            at={"client_id": 7, "statement_date": "2005-06-30"},
            expected={
                "pay_status_max_30d": -1,
                "pay_status_max_60d": 2,
                "pay_status_max_90d": 3,
                "pay_status_mean_60d": 0.5,
                "is_late_rate_90d": 2 / 3,
            },
        )
    ],
)

balance = FeatureSet(
    name="credit.balance",
    entity=client,
    source="credit.stg_statements",
    event_time="statement_date",
    row_key="statement_id",
    features=[
        mean("utilisation").over("30d", "90d", "lifetime"),
        largest("utilisation").over("90d"),
        mean("bill_amount").over("30d", "90d"),
        mean("pay_amount").over("30d", "60d", "90d"),
        total("bill_amount").over("60d"),
        total("pay_amount").over("60d"),
        derived("paid_share", "coalesce(pay_amount_sum_60d / nullif(abs(bill_amount_sum_60d), 0), 1)"),
    ],
    description="What a client owes beside the limit, and what is paid of it.",
    owner="team:lending",
    examples=[
        Example(
            description="Whoever owes nothing has paid all of it.",
            given={
                "credit.stg_statements": [
                    {
                        "client_id": 7,
                        "statement_date": "2005-04-30",
                        "utilisation": 0.0,
                        "bill_amount": 0.0,
                        "pay_amount": 0.0,
                    }
                ]
            },
            at={"client_id": 7, "statement_date": "2005-04-30"},
            expected={"utilisation_mean_30d": 0.0, "paid_share": 1.0},
        ),
    ],
)

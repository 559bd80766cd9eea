"""The contracts of the fraud domain's sources."""

from datetime import datetime

from lakehouse.contracts.contract import Column, Contract

transactions_contract = Contract(
    table="fraud.transactions",
    version="1.0.0",
    owner="team:payments",
    columns=[
        Column("TRANSACTION_ID", "int32", description="The payment's number.", unique=True, at_least=0),
        Column(
            "TX_DATETIME",
            "timestamp",
            description="When the card was used (UTC).",
            at_least=datetime(2000, 1, 1),  # noqa: DTZ001  # table times are UTC without a zone
            at_most=datetime(2100, 1, 1),  # noqa: DTZ001
        ),
        Column("CUSTOMER_ID", "int32", description="The card's owner.", at_least=0),
        Column("TERMINAL_ID", "int32", description="The terminal that the card was used at.", at_least=0),
        Column("TX_AMOUNT", "float64", description="The amount paid.", at_least=0, at_most=100_000),
        Column("TX_TIME_SECONDS", "int32", description="Seconds since the first day's midnight.", at_least=0),
        Column("TX_TIME_DAYS", "int16", description="Days since the first day.", at_least=0),
        Column(
            "TX_FRAUD",
            "int16",
            description="1 when the payment was fraud; known a week later.",
            one_of=(0, 1),
            known_after="7d",
        ),
        Column(
            "TX_FRAUD_SCENARIO",
            "int16",
            description="How the fraud was done, 0 when there was none.",
            one_of=(0, 1, 2, 3),
            known_after="7d",
        ),
    ],
    quarantine_share=0.01,
    freshness="24h",
    volume=(0.5, 2.0),
)

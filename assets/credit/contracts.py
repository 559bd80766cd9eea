"""The contracts of the credit domain's sources."""

from datetime import datetime

from lakehouse.contracts.contract import Column, Contract

statements_contract = Contract(
    table="credit.statements",
    version="1.0.0",
    owner="team:lending",
    columns=[
        Column("client_id", "int64", description="The client's number.", at_least=0),
        Column(
            "statement_date",
            "timestamp",
            description="The last day of the month that the statement closes (UTC).",
            at_least=datetime(2000, 1, 1),  # noqa: DTZ001  # table times are UTC without a zone
            at_most=datetime(2100, 1, 1),  # noqa: DTZ001
        ),
        Column(
            "credit_limit",
            "float64",
            description="How much may be owed, in dollars.",
            at_least=1_000,
            at_most=10_000_000,
        ),
        Column("sex", "int16", description="1 man, 2 woman.", one_of=(1, 2)),
        Column(
            "education",
            "int16",
            description="1 graduate school, 2 university, 3 high school, 4 others; 0, 5 and 6 come, too, and nobody "
            "says what for.",
            one_of=(0, 1, 2, 3, 4, 5, 6),
        ),
        Column(
            "marriage",
            "int16",
            description="1 married, 2 single, 3 others; 0 comes, too, and nobody says what for.",
            one_of=(0, 1, 2, 3),
        ),
        Column("age", "int16", description="In years.", at_least=18, at_most=120),
        Column(
            "pay_status",
            "int16",
            description="Months that the payment is late; -1 paid in full. 0 and -2 are not documented: part paid, and "
            "nothing to pay, as it seems.",
            at_least=-2,
            at_most=12,
            known_after="0d",  # the label is made of the next month's; this month's stands in the statement itself
        ),
        Column(
            "bill_amount",
            "float64",
            description="What is owed at the end of the month, in dollars; negative when too much was paid.",
            at_least=-10_000_000,
            at_most=10_000_000,
        ),
        Column(
            "pay_amount",
            "float64",
            description="What was paid in the month, in dollars.",
            at_least=0,
            at_most=10_000_000,
        ),
    ],
    quarantine_share=0.01,
    freshness="24h",
    volume=(0.5, 2.0),
)

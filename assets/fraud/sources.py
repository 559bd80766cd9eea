"""The sources of the fraud domain."""

from assets.fraud.contracts import transactions_contract
from lakehouse.sources.source import Source

transactions = Source(
    name="fraud.transactions",
    event_time="TX_DATETIME",
    time_zone="UTC",
    contract=transactions_contract,
    description="Card transactions as delivered, one row a payment, with the label that is only known a week later.",
    owner="team:payments",
)

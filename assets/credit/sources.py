"""The sources of the credit domain."""

from assets.credit.contracts import statements_contract
from lakehouse.sources.source import Source

statements = Source(
    name="credit.statements",
    event_time="statement_date",
    time_zone="UTC",
    contract=statements_contract,
    description="Credit card statements as delivered once a month, one row a client.",
    owner="team:lending",
)

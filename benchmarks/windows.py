"""The twelve windowed features of all transactions, beside reading the needed columns and sorting them once.

What belongs here: the measurement. Not: whether the values are right (handbook.py, tests).
"""

import sys

import polars as pl

from benchmarks.figures import Figure, median_seconds, options, tell, transactions_option
from benchmarks.fraud_tables import home_with, land_and_transform
from lakehouse.engines.embedded import EmbeddedEngine
from lakehouse.tables.read import plan
from lakehouse.tables.upkeep import current_pins

MOST = 3.0
COLUMNS = ["TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]


def main() -> int:
    """Measure and tell."""
    parser = options("12 windowed features of all transactions, beside one read and one sort.")
    transactions_option(parser)
    given = parser.parse_args()
    with home_with(given.transactions) as (lake, domain):
        land_and_transform(lake, domain)
        windowed = [one for one in domain.feature_sets if one.aggregates]
        names = sorted({name for one in windowed for name in (one.spine, one.source)})
        pins = current_pins(lake, names)
        files = list(plan(lake, "fraud.transactions").local_files or ())
        engine = EmbeddedEngine()

        def features() -> None:
            for one in windowed:
                engine.compute(lake, one, pins, None)

        one_file = median_seconds(
            lambda: pl.read_parquet(given.transactions, columns=COLUMNS).sort("CUSTOMER_ID", "TX_DATETIME")
        )
        same_files = median_seconds(lambda: pl.read_parquet(files, columns=COLUMNS).sort("CUSTOMER_ID", "TX_DATETIME"))
        ours = median_seconds(features)
        rows = plan(lake, "fraud.stg_transactions").rows
    figures = [
        Figure("read and sort once, from one file (Polars)", one_file, "s", None, "reference", holds=True),
        Figure("read and sort once, from the table's files (Polars)", same_files, "s", None, "reference", holds=True),
        Figure(
            f"12 windowed features of {rows:,} rows, read included",
            ours,
            "s",
            one_file,
            f"<= {MOST:g} x",
            ours <= MOST * one_file,
        ),
        Figure(
            "the same, as a multiple of one read and sort",
            ours / one_file,
            "x",
            1.0,
            f"<= {MOST:g}",
            ours <= MOST * one_file,
        ),
    ]
    return tell(figures, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())

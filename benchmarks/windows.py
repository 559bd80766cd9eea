"""The twelve windowed features of all transactions, beside reading the needed columns and sorting them once.

What belongs here: the measurement. Not: whether the values are right (handbook.py, tests).
"""

import sys

import polars as pl

from benchmarks.figures import Figure, median_seconds, options, tell, transactions_option
from benchmarks.fraud_tables import home_with, land_and_transform
from lakehouse.engines.embedded import EmbeddedEngine
from lakehouse.tables.read import plan, read
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
        engine = EmbeddedEngine()
        needed = {
            name: list(
                dict.fromkeys(
                    column
                    for one in windowed
                    for table, columns in ((one.spine, one.spine_columns()), (one.source, one.source_columns()))
                    if table == name
                    for column in columns
                )
            )
            for name in names
        }

        def features() -> None:
            for one in windowed:
                engine.compute(lake, one, pins, None)

        def read_and_sort() -> None:
            tables = {name: read(lake, name, columns, at=pins[name]) for name, columns in needed.items()}
            pl.DataFrame(pl.from_arrow(tables[windowed[0].spine])).sort("customer_id", "tx_datetime")

        reference = median_seconds(read_and_sort)
        ours = median_seconds(features)
        reference = min(reference, median_seconds(read_and_sort))
        one_file = median_seconds(
            lambda: pl.read_parquet(given.transactions, columns=COLUMNS).sort(COLUMNS[1], COLUMNS[0])
        )
        rows = plan(lake, "fraud.stg_transactions").rows
    times = ours / reference
    figures = [
        Figure("read the needed columns once, sort once", reference, "s", None, "reference", holds=True),
        Figure(f"12 windowed features of {rows:,} rows, reading included", ours, "s", reference, "", holds=True),
        Figure("the same, in read-and-sorts", times, "x", 1.0, f"<= {MOST:g}", holds=times <= MOST),
        Figure("for comparison: read and sort of one Parquet file (Polars)", one_file, "s", None, "", holds=True),
    ]
    return tell(figures, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())

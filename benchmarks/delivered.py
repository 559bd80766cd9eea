"""The three published data sets as sources, with their deliveries in order, and a small simulated one.

What belongs here: declarations of these sources, their deliveries, and which column plays which part. Not: corrupting
them (corruptions.py). The contracts say types only, so that a benchmark measures what is found without rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import polars as pl

from benchmarks.figures import HANDBOOK
from lakehouse.contracts.contract import Column, Contract
from lakehouse.sources.source import Source

DATA = HANDBOOK.parent
"""Where the published data lie beside a checkout, when they do."""


@dataclass(frozen=True)
class DataSet:
    """A source, its deliveries in order, and the parts that its columns play.

    `amounts` are measured numbers, `codes` categories with few values, `labels` names or numbers of things, `texts`
    free text; `alike` are pairs of columns that somebody could mistake for each other.
    """

    name: str
    source: Source
    deliveries: Sequence[pl.DataFrame]
    amounts: Sequence[str]
    codes: Sequence[str]
    labels: Sequence[str]
    texts: Sequence[str]
    alike: Sequence[tuple[str, str]]

    @property
    def time(self) -> str:
        """The column of the event time."""
        return self.source.event_time


@cache
def online_retail() -> DataSet:
    """305 days of a web shop, about 2,000 rows each."""
    frame = pl.read_parquet(DATA / "online_retail" / "retail.parquet").sort("file_date", "row_no")
    # CSV cannot tell an empty text from null, and these are daily CSV files.
    frame = frame.with_columns(pl.col("InvoiceDate").cast(pl.Datetime("us")), pl.col("Description").replace("", None))
    days = frame.drop("row_no").partition_by("file_date", maintain_order=True, include_key=False)
    columns = [
        Column("InvoiceNo", "text", description="The invoice's number; C in front is a cancellation."),
        Column("StockCode", "text", description="The article's code."),
        Column("Description", "text", description="The article's name.", nullable=True),
        Column("Quantity", "int32", description="Pieces; below zero when they come back."),
        Column("InvoiceDate", "timestamp", description="When it was invoiced (UTC)."),
        Column("UnitPrice", "float64", description="Pounds a piece."),
        Column("CustomerID", "int32", description="The customer's number.", nullable=True),
        Column("Country", "text", description="The customer's country."),
    ]
    return DataSet(
        "online_retail",
        _source("shop.invoices", "InvoiceDate", columns),
        days,
        amounts=("Quantity", "UnitPrice"),
        codes=("Country",),
        labels=("StockCode", "InvoiceNo", "CustomerID"),
        texts=("Description", "StockCode", "Country"),
        alike=(("Quantity", "UnitPrice"), ("InvoiceNo", "StockCode"), ("Quantity", "CustomerID")),
    )


@cache
def fraud_handbook() -> DataSet:
    """183 days of card payments, about 9,500 rows each; whole numbers, amounts and times only."""
    frame = pl.read_parquet(DATA / "fraud_handbook" / "transactions.parquet")
    # Six amounts of ten thousand have more digits than cents: rounding errors of the simulation, not money.
    return _payments(frame.with_columns(pl.col("TX_AMOUNT").round(2)))


@cache
def small_payments() -> DataSet:
    """30 days of simulated card payments, about 190 rows each."""
    from assets.fraud.simulator import Simulation

    return _payments(Simulation(days=30, customers=100, terminals=50).simulate())


def _payments(frame: pl.DataFrame) -> DataSet:
    from assets.fraud.sources import transactions

    days = frame.with_columns(day=pl.col("TX_DATETIME").dt.date()).partition_by(
        "day", maintain_order=True, include_key=False
    )
    columns = transactions.contract.columns
    return DataSet(
        "fraud_handbook",
        _source(
            "cards.payments",
            "TX_DATETIME",
            [Column(one.name, one.type, description=one.description) for one in columns],
        ),
        days,
        amounts=("TX_AMOUNT", "TX_TIME_SECONDS"),
        codes=("TX_FRAUD_SCENARIO",),
        labels=("CUSTOMER_ID", "TERMINAL_ID"),
        texts=(),
        alike=(("CUSTOMER_ID", "TERMINAL_ID"), ("TX_AMOUNT", "CUSTOMER_ID"), ("TX_TIME_DAYS", "TX_FRAUD")),
    )


@cache
def credit_default_taiwan() -> DataSet:
    """Six months of credit card accounts, 30,000 rows each; codes and whole amounts."""
    frame = pl.read_parquet(DATA / "credit_default_taiwan" / "credit_default.parquet")
    months = [
        frame.select(
            pl.col("ID"),
            pl.lit(datetime(2005, month, 10)).cast(pl.Datetime("us")).alias("STATEMENT_AT"),  # noqa: DTZ001  # UTC
            pl.col("LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE"),
            pl.col(f"PAY_{place if place > 1 else 0}").alias("PAY_STATUS"),
            pl.col(f"BILL_AMT{place}").alias("BILL_AMT"),
            pl.col(f"PAY_AMT{place}").alias("PAY_AMT"),
        )
        for month, place in zip(range(4, 10), range(6, 0, -1), strict=True)
    ]
    message = {
        "ID": "The client's number.",
        "LIMIT_BAL": "Credit given (NT dollars).",
        "SEX": "1 male, 2 female.",
        "EDUCATION": "1 graduate school, 2 university, 3 high school, 4 others, 0, 5 and 6 not documented.",
        "MARRIAGE": "1 married, 2 single, 3 others, 0 not documented.",
        "AGE": "Years.",
        "PAY_STATUS": "Months that the payment is late; 0 and below: none.",
        "BILL_AMT": "The statement's amount (NT dollars).",
        "PAY_AMT": "Paid in the month (NT dollars).",
    }
    columns = [Column(name, "int64", description=text) for name, text in message.items()]
    columns.insert(1, Column("STATEMENT_AT", "timestamp", description="When the statement was made (UTC)."))
    return DataSet(
        "credit_default_taiwan",
        _source("bank.statements", "STATEMENT_AT", columns),
        months,
        amounts=("LIMIT_BAL", "BILL_AMT", "PAY_AMT", "AGE"),
        codes=("SEX", "EDUCATION", "MARRIAGE", "PAY_STATUS"),
        labels=("ID",),
        texts=(),
        alike=(("BILL_AMT", "PAY_AMT"), ("EDUCATION", "MARRIAGE"), ("LIMIT_BAL", "BILL_AMT"), ("SEX", "AGE")),
    )


Loader = Callable[[], DataSet]
DATA_SETS: Mapping[str, Loader] = {
    "online_retail": online_retail,
    "fraud_handbook": fraud_handbook,
    "credit": credit_default_taiwan,
}
SMALL: Mapping[str, Loader] = {"small_payments": small_payments}


def write_file(rows: pl.DataFrame, path: Path) -> Path:
    """The frame as a file of the format that the name ends on: Parquet, or CSV with ISO times."""
    if path.suffix == ".parquet":
        rows.write_parquet(path)
    else:
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    return path


def _source(name: str, event_time: str, columns: Sequence[Column]) -> Source:
    contract = Contract(table=name, version="1.0.0", columns=columns, owner="team:benchmark")
    return Source(name, event_time, contract, f"Published data as {name}.", "team:benchmark", time_zone="UTC")

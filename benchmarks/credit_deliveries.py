"""The published credit card clients as six monthly deliveries of the domain `credit`.

What belongs here: from the data set's one row a client to one row a client and month. Not: measuring (credit.py).

The set holds six months in six times three columns: PAY_0 to PAY_6 (there is no PAY_1), BILL_AMT1 to 6 and PAY_AMT1 to
6, September 2005 first. Its own label, a default in October, stands apart: it is no part of any statement.
"""

from datetime import datetime
from pathlib import Path

import polars as pl

from assets.credit.simulator import SCHEMA, CreditSimulation, write_monthly_files
from benchmarks.figures import HANDBOOK

CLIENTS = HANDBOOK.parent / "credit_default_taiwan" / "credit_default.parquet"
"""Where the published clients lie beside a checkout, when they do."""
LABEL = "default.payment.next.month"
DAYS = [datetime(2005, month, day) for month, day in ((9, 30), (8, 31), (7, 31), (6, 30), (5, 31), (4, 30))]  # noqa: DTZ001
STATUS = ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6")


def statements(file: Path = CLIENTS) -> pl.DataFrame:
    """All statements in the delivered columns and types, in order of month and client: 180,000 rows."""
    clients = pl.read_parquet(file).sort("ID")
    about = {"client_id": "ID", "credit_limit": "LIMIT_BAL"}
    about |= {name: name.upper() for name in ("sex", "education", "marriage", "age")}
    months = [
        clients.select(
            *(pl.col(there).alias(here) for here, there in about.items()),
            pl.lit(day, pl.Datetime("us")).alias("statement_date"),
            pl.col(status).alias("pay_status"),
            pl.col(f"BILL_AMT{number}").alias("bill_amount"),
            pl.col(f"PAY_AMT{number}").alias("pay_amount"),
        )
        for number, (day, status) in enumerate(zip(DAYS, STATUS, strict=True), start=1)
    ]
    return pl.concat(reversed(months)).select(*SCHEMA).cast(SCHEMA)


def defaults(file: Path = CLIENTS) -> pl.DataFrame:
    """The set's own label: client_id and is_default in October 2005."""
    return pl.read_parquet(file).select(pl.col("ID").alias("client_id"), pl.col(LABEL).alias("is_default"))


def simulated_clients(number: int) -> pl.DataFrame:
    """Clients of a simulation in the columns of the published set; a default is a payment that is late in September."""
    rows = CreditSimulation(months=len(DAYS), clients=number).simulate()
    months = rows.partition_by("statement_date", maintain_order=True)[::-1]
    about = ("credit_limit", "sex", "education", "marriage", "age")
    clients = months[0].select(
        pl.col("client_id").alias("ID"),
        *(pl.col(name).alias("LIMIT_BAL" if name == "credit_limit" else name.upper()) for name in about),
        (pl.col("pay_status") > 0).cast(pl.Int64).alias(LABEL),
    )
    for number_of_month, (month, status) in enumerate(zip(months, STATUS, strict=True), start=1):
        columns = {"pay_status": status, "bill_amount": f"BILL_AMT{number_of_month}"}
        columns |= {"pay_amount": f"PAY_AMT{number_of_month}"}
        one = month.select(pl.col("client_id").alias("ID"), *(pl.col(old).alias(new) for old, new in columns.items()))
        clients = clients.join(one, on="ID")
    return clients


def write_deliveries(folder: Path, months: int = 6, file: Path = CLIENTS) -> list[Path]:
    """Write the first `months` of the six deliveries into a folder; the files, oldest first."""
    return write_monthly_files(statements(file).filter(pl.col("statement_date") <= DAYS[-months]), folder)

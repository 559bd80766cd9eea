"""The twelve windowed features of all transactions, beside one read and one sort, DuckDB's windows and Polars' rolling.

What belongs here: the measurement. Not: whether the values are right (handbook.py, tests);
those of other products are compared.
"""

import sys
from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.arguments import Arguments, transactions
from benchmarks.figures import Figure, median_seconds, report
from benchmarks.fraud_tables import home_with, land_and_transform
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.duck import connect
from lakehouse.tables.provenance import current_snapshots
from lakehouse.tables.read import attach, plan, read

MOST = 2.0
DAYS = (1, 7, 30)


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("12 windowed features of all transactions, beside what else computes them.")
    parser.transactions()
    given = parser.given()
    with transactions(given) as file, home_with(file) as (lake, domain):
        land_and_transform(lake, domain)
        windowed = [one for one in domain.feature_sets if one.aggregates]
        input_snapshots = current_snapshots(lake, sorted({name for one in windowed for name in one.inputs()}))
        engine = EmbeddedEngine()
        needed = {
            name: list(dict.fromkeys(column for one in windowed for column in one.columns_of(name)))
            for name in input_snapshots
        }

        def features() -> list[pa.Table]:
            return [engine.compute_features(lake, one, input_snapshots, None) for one in windowed]

        def read_and_sort() -> None:
            tables = {name: read(lake, name, columns, at=input_snapshots[name]) for name, columns in needed.items()}
            pl.DataFrame(pl.from_arrow(tables[windowed[0].spine])).sort("customer_id", "tx_datetime")

        reference = median_seconds(read_and_sort)
        ours = median_seconds(features)
        reference = min(reference, median_seconds(read_and_sort))
        duckdb = median_seconds(lambda: by_duckdb(lake, input_snapshots, windowed), times=1)
        polars = median_seconds(lambda: by_polars(lake, input_snapshots, needed, windowed), times=1)
        expected = [pl.DataFrame(pl.from_arrow(one)).sort("transaction_id") for one in features()]
        same_duckdb = differing(expected, by_duckdb(lake, input_snapshots, windowed))
        same_polars = differing(expected, by_polars(lake, input_snapshots, needed, windowed))
        rows = plan(lake, "fraud.stg_transactions").rows
    times = ours / reference
    figures = [
        Figure("read the needed columns once, sort once", reference, "s", None, "reference", holds=True),
        Figure(f"12 windowed features of {rows:,} rows, reading included", ours, "s", reference, "", holds=True),
        Figure("the same, in read-and-sorts", times, "x", 1.0, f"<= {MOST:g}", holds=times <= MOST),
        Figure("DuckDB's RANGE windows", duckdb, "s", ours, "slower than ours", holds=duckdb > ours),
        Figure("Polars' rolling_*_by", polars, "s", ours, "slower than ours", holds=polars > ours),
        Figure("values that DuckDB has otherwise (beyond 1e-9)", same_duckdb, "", 0, "0", holds=same_duckdb == 0),
        Figure("values that Polars has otherwise (beyond 1e-9)", same_polars, "", 0, "0", holds=same_polars == 0),
    ]
    return report(figures, given)


def _measures(one: FeatureSet) -> tuple[str, str, int]:
    """The entity's key, the measure of the mean or rate, and the delay in days."""
    measure = next(each.measure for each in one.aggregates if each.measured)
    return one.entity.keys[0], measure, one.main.late // 86_400_000_000


def by_duckdb(lake: Lakehouse, input_snapshots: Mapping[str, int], sets: list[FeatureSet]) -> list[pl.DataFrame]:
    """The features as one would write them in SQL."""
    found = []
    for one in sets:
        key, measure, late = _measures(one)
        columns = []
        for days in DAYS:
            window = (
                f"(partition by {key} order by tx_datetime range between interval '{days + late} days' - "
                f"interval 1 microsecond preceding and interval '{late} days' preceding)"
            )
            columns += [f"count(*) over {window} as n{days}", f"avg({measure}::double) over {window} as m{days}"]
        with connect() as connection:
            table = attach(connection, plan(lake, one.source, at=input_snapshots[one.source]), one.source)
            rows = connection.sql(f"select transaction_id, {', '.join(columns)} from {table}").to_arrow_table()
        found.append(pl.DataFrame(pl.from_arrow(rows)))
    return found


def by_polars(
    lake: Lakehouse, input_snapshots: Mapping[str, int], needed: Mapping[str, list[str]], sets: list[FeatureSet]
) -> list[pl.DataFrame]:
    """The features by rolling sums; with a delay as differences of two, as the Handbook does."""
    found = []
    for one in sets:
        key, measure, late = _measures(one)
        columns = list(dict.fromkeys(["transaction_id", *needed[one.source]]))
        frame = pl.DataFrame(pl.from_arrow(read(lake, one.source, columns, at=input_snapshots[one.source])))
        frame = frame.sort(key, "tx_datetime").with_columns(one=pl.lit(1), value=pl.col(measure).cast(pl.Float64))

        def total(column: str, days: int, key: str = key) -> pl.Expr:
            return pl.col(column).rolling_sum_by("tx_datetime", window_size=f"{days}d").over(key)

        def window(column: str, days: int, late: int = late) -> pl.Expr:
            return total(column, days + late) - total(column, late) if late else total(column, days)

        sums = frame.select(
            "transaction_id",
            *(window("one", days).alias(f"n{days}") for days in DAYS),
            *(window("value", days).alias(f"s{days}") for days in DAYS),
        )
        means = [(pl.col(f"s{days}") / pl.col(f"n{days}")).alias(f"m{days}") for days in DAYS]
        found.append(sums.select("transaction_id", *(f"n{days}" for days in DAYS), *means))
    return found


def differing(expected: list[pl.DataFrame], found: list[pl.DataFrame]) -> int:
    """How many values differ by more than 1e-9 of their size; no value counts as 0."""
    wrong = 0
    for mine, theirs in zip(expected, found, strict=True):
        there = theirs.sort("transaction_id").fill_nan(0).fill_null(0)
        ours = mine.select(pl.exclude("transaction_id", "tx_datetime", "customer_id", "terminal_id"))
        for column, name in zip(ours.columns, [f"{kind}{days}" for kind in "nm" for days in DAYS], strict=True):
            a, b = ours[column].to_numpy().astype(float), there[name].to_numpy().astype(float)
            wrong += int((np.abs(a - b) > 1e-9 * np.maximum(1, np.abs(a))).sum())
    return wrong


if __name__ == "__main__":
    sys.exit(main())

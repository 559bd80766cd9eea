"""Hard inputs: unusual deliveries land or are clearly rejected, and every row is reconciled.

What belongs here: landing them, with the reconciliation. Not: invalid files (test_bad_deliveries.py), and what is
read from a value (test_reading.py).
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.sources import file_formats
from lakehouse.sources.source import Source
from lakehouse.tables.read import read

NAME = "lab.readings"
COLUMNS = [
    Column("number", "int64", description="The reading's number.", unique=True),
    Column("at", "timestamp", description="When it was taken."),
    Column("size", "float64", description="How large.", nullable=True),
    Column("level", "int16", description="Which level.", nullable=True),
    Column("note", "text", description="What was said.", nullable=True),
]
START = datetime(2018, 6, 1, 8)  # noqa: DTZ001  # table times are UTC without a zone
ROWS = 60


def metrics_of(*columns, **contract):
    """The source, with further columns."""
    declared = Contract(
        table=NAME,
        version="1.0.0",
        columns=[*COLUMNS, *columns],
        owner="team:lab",
        quarantine_share=0.2,
        volume=(0.0, 1e6),
        **contract,
    )
    return Source(NAME, "at", declared, "Readings of a laboratory.", "team:lab", time_zone="UTC")


SOURCE = metrics_of()


def metrics(day, count=ROWS):
    return pl.DataFrame(
        {
            "number": [1_000 * day + place for place in range(count)],
            "at": [START + timedelta(days=day, minutes=7 * place) for place in range(count)],
            "size": [math.sin(place * (day + 2)) + 2 for place in range(count)],
            "level": [place % 3 for place in range(count)],
            "note": [f"taken by {'ABCD'[(place + day) % 4]}" for place in range(count)],
        },
        schema_overrides={"at": pl.Datetime("us"), "level": pl.Int16},
    )


def put(lake, rows, name):
    path = lake.home.drop_folder(NAME) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        rows.write_parquet(path)
    else:
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    return path


def landed(lake, kind=SOURCE):
    """Land the drop folder. Every row that could be counted is reconciled."""
    result = land(lake, kind, run_id="r")
    reconciliation = reconciliation_of(lake, kind)
    assert reconciliation.balanced, reconciliation.message
    return result, reconciliation


def rejected(result):
    """The error of the only rejected delivery."""
    (found,) = result.rejected
    return found.reason


@pytest.fixture
def begun(lake):
    """Three good days are landed."""
    for day in range(3):
        put(lake, metrics(day), f"day_{day}.parquet")
    assert landed(lake)[1].published == 3 * ROWS
    return lake


ENDINGS = ["csv", "parquet"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_that_is_all_null_lands_where_it_may(lake, ending):
    for day in range(4):
        rows = metrics(day).with_columns(level=pl.lit(None, pl.Int16), note=pl.lit(None, pl.String))
        put(lake, rows, f"day_{day}.{ending}")
    result, reconciliation = landed(lake)
    assert (result.rejected, reconciliation.published) == ([], 4 * ROWS)
    assert read(lake, NAME).column("level").null_count == 4 * ROWS


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_that_is_all_null_where_it_may_not_is_rejected(begun, ending):
    put(begun, metrics(3).with_columns(number=pl.lit(None, pl.Int64)), f"day_3.{ending}")
    result, reconciliation = landed(begun)
    assert reconciliation.published == 3 * ROWS
    assert "number" in str(rejected(result))
    assert (reconciliation.rejected_rows, list(reconciliation.rejected)) == (ROWS, [f"day_3.{ending}"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_rows_are_rejected_and_one_row_lands(begun, ending):
    put(begun, metrics(3, 0), f"day_3.{ending}")
    put(begun, metrics(4, 1), f"day_4.{ending}")
    put(begun, metrics(5), f"day_5.{ending}")
    result, reconciliation = landed(begun)
    assert "holds no rows" in rejected(result).what
    assert reconciliation.published == 4 * ROWS + 1


def test_a_source_of_single_rows_lands_from_the_first_on(lake):
    for day in range(12):
        put(lake, metrics(day, 1), f"day_{day:02}.csv")
    result, reconciliation = landed(lake)
    assert (result.rejected, reconciliation.published) == ([], 12)


@pytest.mark.parametrize("ending", ENDINGS)
def test_ten_thousand_unknown_columns_are_one_clear_rejection(begun, ending):
    put(begun, metrics(3).with_columns(pl.lit(1).alias(f"x{place}") for place in range(10_000)), f"day_3.{ending}")
    result, reconciliation = landed(begun)
    error = rejected(result)
    assert "'x0', 'x1', 'x2' and 9,997 more are unknown" in error.what
    assert len(str(error)) < 2_000
    assert (reconciliation.published, reconciliation.rejected_rows) == (3 * ROWS, ROWS)
    # Where the contract lets them come, they are left where they are.
    let = metrics_of(may_add={"x*": "ignore"})
    assert landed(begun, let)[1].published == 4 * ROWS


def test_hundreds_of_columns_that_the_contract_knows_land(lake):
    wide = [Column(f"x{place}", "float64", description="A reading.", nullable=place % 2 == 0) for place in range(400)]
    rows = metrics(0).with_columns(pl.lit(float(place)).alias(f"x{place}") for place in range(400))
    put(lake, rows.with_columns(x0=pl.lit(None, pl.Float64)), "day_0.parquet")
    result, reconciliation = landed(lake, metrics_of(*wide))
    assert (result.rejected, reconciliation.published) == ([], ROWS)
    assert len(read(lake, NAME).schema.names) >= 405


def test_a_text_that_is_too_long_for_a_line_is_one_clear_rejection(begun, monkeypatch):
    """What a gigabyte in a cell meets, at a lower limit."""
    monkeypatch.setattr(file_formats, "LONGEST_LINE", 1_000_000)
    rows = metrics(3).with_columns(note=pl.when(pl.col("level") == 1).then(pl.lit("x" * 1_200_000)).otherwise("note"))
    path = put(begun, rows.head(2), "day_3.csv")
    result, reconciliation = landed(begun)
    error = rejected(result)
    assert str(path) in str(error.where)
    assert "xxxx" not in str(error)
    assert error.fix
    assert reconciliation.published == 3 * ROWS


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_text_of_a_million_characters_lands(begun, ending):
    rows = metrics(3).with_columns(
        note=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("ä" * 1_000_000)).otherwise("note")
    )
    put(begun, rows, f"day_3.{ending}")
    result, reconciliation = landed(begun)
    assert (result.rejected, reconciliation.published) == ([], 4 * ROWS)
    assert max(len(one) for one in read(begun, NAME).column("note").to_pylist()) == 1_000_000


@pytest.mark.parametrize("ending", ENDINGS)
def test_infinities_and_not_a_number_are_kept_as_they_are_or_quarantined(begun, ending):
    odd = [math.inf, -math.inf, math.nan]
    rows = metrics(3).with_columns(size=pl.Series([*odd, *metrics(3)["size"][3:]]))
    put(begun, rows, f"day_3.{ending}")
    result, reconciliation = landed(begun)
    assert (result.rejected, reconciliation.published) == ([], 4 * ROWS)
    sizes = read(begun, NAME).column("size").to_pylist()
    assert sizes.count(math.inf) == sizes.count(-math.inf) == sum(one != one for one in sizes) == 1  # noqa: PLR0124
    # A contract with bounds quarantines them.
    columns = [replace(one, at_least=0, at_most=10) if one.name == "size" else one for one in COLUMNS]
    bounded = replace(SOURCE, contract=replace(SOURCE.contract, columns=columns, version="2.0.0"))
    result, reconciliation = landed(begun, bounded)
    assert (result.rejected, reconciliation.quarantined) == ([], 3)


def test_mixed_types_in_csv_quarantine_the_rows_without_a_readable_value(begun):
    words = ["1", "2.0", "two", "true", "1e0", "", "0x1", " 1", "32768", "1"]
    rows = metrics(3).with_columns(level=pl.Series([*words, *["0"] * (ROWS - len(words))]))
    put(begun, rows, "day_3.csv")
    result, reconciliation = landed(begun)
    assert result.rejected == []
    held = read(begun, quarantine_name(NAME)).to_pylist()
    assert reconciliation.published + len(held) == 4 * ROWS
    assert {"two", "true", "0x1", "32768"} <= {words[row["_row"] - 1] for row in held}
    assert all("level_readable" in row["_rule"] for row in held)


def test_too_many_values_of_another_type_reject_the_delivery(begun):
    rows = metrics(3).with_columns(level=pl.when(pl.col("level") == 1).then(pl.lit("mid")).otherwise("level"))
    put(begun, rows, "day_3.csv")
    result, reconciliation = landed(begun)
    assert "level" in str(rejected(result))
    assert (reconciliation.published, reconciliation.rejected_rows) == (3 * ROWS, ROWS)

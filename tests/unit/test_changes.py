"""Changes of format are named by what is in a delivery, with the line that undoes them; clean deliveries raise nothing.

What belongs here: a small world of orders and what is found in it. Not: how often, over real data
(benchmarks/format_changes.py), and reading through mappings (integration/test_reading.py).
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from assets.fraud.sources import transactions
from lakehouse.contracts.contract import Column, Contract
from lakehouse.drift.detection import find_changes
from lakehouse.profiling.profile import profile_table
from lakehouse.sources import mappings
from lakehouse.sources.reading import Read, read_delivery, read_leniently
from lakehouse.sources.source import Source
from tests import scenario

ORDERS = Source(
    "shop.orders",
    "at",
    Contract(
        table="shop.orders",
        version="1.0.0",
        columns=[
            Column("order_id", "int64", description="The order's number."),
            Column("at", "timestamp", description="When it was ordered."),
            Column("amount", "float64", description="What it cost."),
            Column("pieces", "int32", description="How many."),
            Column("level", "int16", description="The customer's level.", nullable=True),
            Column("city", "text", description="Where to.", nullable=True),
            Column("remark", "text", description="What the customer said.", nullable=True),
        ],
        owner="team:shop",
    ),
    "Orders.",
    "team:shop",
    time_zone="UTC",
)
ROWS = 400
TODAY = 12
"""The number of the day that is looked at: 9 June 2018."""
FIRST = datetime(2018, 5, 28)  # noqa: DTZ001  # table times are UTC without a zone


@cache
def orders(day):
    """A day's orders, from eight in the morning to eight in the evening."""
    random = np.random.default_rng(day)
    seconds = np.sort((8 + 12 * random.beta(2, 2, ROWS)) * 3600).round()
    words = np.array(["please", "ring", "quickly", "Grüße", "gift", "leave", "door", "thanks"])
    return pl.DataFrame(
        {
            "order_id": np.arange(ROWS) + 1000 * day,
            "at": [FIRST + timedelta(days=day, seconds=float(one)) for one in seconds],
            "amount": random.lognormal(3, 0.8, ROWS).round(2),
            "pieces": random.poisson(3, ROWS) + 1,
            "level": random.choice([1, 2, 3], ROWS, p=[0.6, 0.3, 0.1]),
            "city": random.choice(["Berlin", "Köln", "Zürich", "Wien"], ROWS, p=[0.5, 0.25, 0.15, 0.1]),
            "remark": [" ".join(random.choice(words, int(random.integers(2, 7)))) for _ in range(ROWS)],
        },
        schema_overrides={"at": pl.Datetime("us"), "pieces": pl.Int32, "level": pl.Int16},
    )


def write(folder, rows, name="orders.csv"):
    path = folder / name
    if name.endswith(".parquet"):
        rows.write_parquet(path)
    else:
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    return path


def profiled(day):
    table = orders(day).to_arrow().select(ORDERS.contract.schema.names).cast(ORDERS.contract.schema)
    return profile_table(table, f"fingerprint {day}", event_time="at").named(ORDERS.name, f"day {day}")


@cache
def history(last=TODAY):
    return tuple(profiled(day) for day in range(last))


def found_in(folder, rows, name="orders.csv", before=None):
    return find_changes(ORDERS, read_leniently(ORDERS, write(folder, rows, name)), before or history())


C = pl.col
UNDONE = {
    "renamed": ("column_renamed", "amount", lambda rows: rows.rename({"amount": "x7"})),
    "text renamed": ("column_renamed", "remark", lambda rows: rows.rename({"remark": "field_9"})),
    "cents": ("unit_changed", "amount", lambda rows: rows.with_columns((C("amount") * 100).round())),
    "thousands": ("unit_changed", "amount", lambda rows: rows.with_columns((C("amount") / 1000).round(5))),
    "dozens": ("unit_changed", "pieces", lambda rows: rows.with_columns(C("pieces") * 10)),
    "too large": ("unit_changed", "level", lambda rows: rows.with_columns(C("level").cast(pl.Int64) * 1_000_000)),
    "sign": ("sign_flipped", "amount", lambda rows: rows.with_columns(-C("amount"))),
    "comma": (
        "number_format_changed",
        "amount",
        lambda rows: rows.with_columns(C("amount").cast(pl.String).str.replace(".", ",", literal=True)),
    ),
    "words for codes": (
        "category_recoded",
        "level",
        lambda rows: rows.with_columns(C("level").replace_strict([1, 2, 3], ["gold", "blue", "red"])),
    ),
    "other meanings": (
        "category_recoded",
        "level",
        lambda rows: rows.with_columns(C("level").replace_strict([1, 2, 3], [3, 1, 2])),
    ),
    "capitals": ("category_recoded", "city", lambda rows: rows.with_columns(C("city").str.to_uppercase())),
    "dotted dates": (
        "time_format_changed",
        "at",
        lambda rows: rows.with_columns(C("at").dt.strftime("%d.%m.%Y %H:%M:%S")),
    ),
    "american dates": (
        "time_format_changed",
        "at",
        lambda rows: rows.with_columns(C("at").dt.strftime("%m/%d/%Y %I:%M:%S %p")),
    ),
    "milliseconds": ("time_format_changed", "at", lambda rows: rows.with_columns(C("at").dt.epoch("ms"))),
    "day and month": ("day_month_swapped", "at", lambda rows: rows.with_columns(C("at") + timedelta(days=89))),
    "clock": ("time_zone_changed", "at", lambda rows: rows.with_columns(C("at") + timedelta(hours=5))),
    "mojibake": (
        "encoding_changed",
        "city",
        lambda rows: rows.with_columns(C("city").str.replace("ö", "Ã¶").str.replace("ü", "Ã¼")),
    ),
    "swapped": (
        "columns_swapped",
        "amount",
        lambda rows: rows.rename({"amount": "order_id", "order_id": "amount"}),
    ),
}


TYPED = ["dozens", "words for codes", "milliseconds", "comma", "clock"]


@pytest.mark.parametrize(
    ("change", "name"),
    [*((change, "orders.csv") for change in UNDONE), *((change, "orders.parquet") for change in TYPED)],
)
def test_a_change_is_named_and_its_proposal_undoes_it(tmp_path, change, name):
    kind, column, make = UNDONE[change]
    found = found_in(tmp_path, make(orders(TODAY)), name)
    assert [one.kind for one in found] == [kind]
    assert column in found[0].columns
    assert found[0].share > 0.3
    declared = eval(f"[{found[0].proposal}]", {**vars(mappings), "date": date})  # noqa: S307  # what a person would paste
    read = read_delivery(replace(ORDERS, mappings=declared), tmp_path / name)
    assert read.rows.equals(read_delivery(ORDERS, write(tmp_path, orders(TODAY))).rows)
    assert not find_changes(replace(ORDERS, mappings=declared), read, history())


def in_some(change, share=0.3):
    """The rows with a share of them changed."""

    def make(rows):
        chosen = pl.Series(np.random.default_rng(0).random(ROWS) < share)
        return pl.concat([change(rows.filter(chosen)), rows.filter(~chosen)], how="vertical_relaxed")

    return make


PARTLY = {
    "cents": ("unit_changed", "amount", lambda rows: rows.with_columns((C("amount") * 100).round())),
    "sign": ("sign_flipped", "amount", lambda rows: rows.with_columns(-C("amount"))),
    "no value": ("null_respelt", "pieces", lambda rows: rows.with_columns(pieces=pl.lit(-1))),
    "no word": ("null_respelt", "city", lambda rows: rows.with_columns(city=pl.lit("n/a"))),
    "words in numbers": ("type_changed", "amount", lambda rows: rows.with_columns(amount=pl.lit("see below"))),
    "cut": ("text_truncated", "remark", lambda rows: rows.with_columns(C("remark").str.head(9))),
    "day and month": ("day_month_swapped", "at", lambda rows: rows.with_columns(C("at") + timedelta(days=89))),
    "null as a word": ("null_respelt", "level", lambda rows: rows.with_columns(level=pl.lit("NA"))),
}


@pytest.mark.parametrize("change", PARTLY)
def test_a_change_in_a_share_of_the_rows_is_named_with_the_share(tmp_path, change):
    kind, column, make = PARTLY[change]
    rows = orders(TODAY)
    if change in {"words in numbers", "null as a word"}:
        rows = rows.with_columns(C(column).cast(pl.String))
    found = found_in(tmp_path, in_some(make)(rows))
    assert [(one.kind, one.columns[0]) for one in found] == [(kind, column)]
    assert found[0].share == pytest.approx(0.3, abs=0.1)


def test_several_columns_renamed_at_once_are_distinguished_by_their_values(tmp_path):
    new = {"amount": "a", "order_id": "b", "city": "c", "remark": "d"}
    found = found_in(tmp_path, orders(TODAY).rename(new))
    assert {one.columns for one in found} == set(new.items())
    assert all("same distribution" in one.message for one in found)


def test_a_column_that_is_gone_and_another_that_came_are_not_taken_for_each_other(tmp_path):
    rows = orders(TODAY).drop("city").with_columns(batch=pl.lit(77))
    assert sorted(one.kind for one in found_in(tmp_path, rows)) == ["column_added", "column_removed"]


@pytest.mark.parametrize("moved", [0, 1])
def test_yesterdays_file_again_also_with_its_dates_moved(tmp_path, moved):
    rows = orders(TODAY - 1).with_columns(C("at") + timedelta(days=moved))
    found = found_in(tmp_path, rows)
    assert [one.kind for one in found] == ["delivery_stale" if moved else "delivery_repeated"]
    assert f"day {TODAY - 1}" in found[0].message


def test_a_corrected_file_under_its_old_name_is_no_stale_one(tmp_path):
    read = read_leniently(ORDERS, write(tmp_path, orders(TODAY - 1)))
    own = profile_table(read.rows, "new content", event_time="at").named(ORDERS.name, f"day {TODAY - 1}")
    assert find_changes(ORDERS, read, history(), own) == []


def test_rows_that_come_twice(tmp_path):
    rows = orders(TODAY)
    found = found_in(tmp_path, pl.concat([rows, rows.head(100)]))
    assert [one.kind for one in found] == ["rows_duplicated"]
    assert found[0].share == pytest.approx(0.2)


@pytest.mark.parametrize("known", [1, 2, 12])
def test_clean_days_raise_nothing(tmp_path, known):
    for day in range(known, known + 3):
        read = read_leniently(ORDERS, write(tmp_path, orders(day)))
        assert find_changes(ORDERS, read, [profiled(one) for one in range(day - known, day)]) == []


def test_the_small_world_raises_nothing():
    """Days of about 75 payments, from the second on."""
    schema, before = transactions.contract.schema, []
    for day in scenario.EVERY_DAY[:12]:
        rows = scenario.payments_on([day]).to_arrow().cast(schema)
        assert find_changes(transactions, Read(rows, rows), before) == []
        before.append(profile_table(rows, str(day), event_time="TX_DATETIME"))


def test_without_any_history_only_unreadable_values_are_reported(tmp_path):
    path = write(tmp_path, orders(0).with_columns(C("at").dt.strftime("%d.%m.%Y %H:%M"), C("amount") * 100))
    found = find_changes(ORDERS, read_leniently(ORDERS, path), [])
    assert [one.kind for one in found] == ["time_format_changed"]

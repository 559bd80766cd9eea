"""The simulated world: the same every time, settled day by day, with its share of fraud, delivered without a trace.

What belongs here: Simulation and write_daily_files. Not: what models make of the data; that is measured by benchmarks.
"""

import resource
import signal
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.fraud.simulator import SCHEMA, Simulation, write_daily_files
from lakehouse.errors import DeclarationError, DeliveryError, UnknownNameError

SMALL = Simulation(days=5, customers=60, terminals=120)


@pytest.fixture(scope="module")
def small():
    return SMALL.simulate()


@pytest.fixture(scope="module")
def town():
    """Large enough for shares and averages to mean something."""
    return Simulation(days=70, customers=1_000, terminals=2_000).simulate()


def stamps(folder):
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}


# The world is the same every time, and a day that is over stays.


def test_the_same_seed_gives_the_same_rows_and_another_seed_gives_others(small):
    assert small.equals(SMALL.simulate())
    assert not small.equals(replace(SMALL, seed=1).simulate())


@pytest.mark.parametrize(("customers", "terminals"), [(60, 120), (700, 30), (3, 1)])
def test_a_longer_simulation_begins_with_the_shorter_one(customers, terminals):
    # 45 days: past the end of the cases that were there on the first day, both of terminals and of cards.
    longest = Simulation(45, customers, terminals, seed=3)
    rows = longest.simulate()
    for days in (1, 14, 15, 44):
        assert_frame_equal(rows.filter(pl.col("TX_TIME_DAYS") < days), replace(longest, days=days).simulate())


def test_a_later_start_moves_the_dates_and_nothing_else(small):
    later = replace(SMALL, start=date(2024, 2, 28)).simulate()
    days = later["TX_DATETIME"].dt.date().unique(maintain_order=True)
    assert days.to_list()[:3] == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert_frame_equal(later.drop("TX_DATETIME"), small.drop("TX_DATETIME"))


# The rows are those of the published schema.


def test_columns_types_order_and_bounds(small):
    assert small.columns == list(SCHEMA)
    assert small.schema == SCHEMA
    assert small.null_count().sum_horizontal().item() == 0
    assert small["TRANSACTION_ID"].to_list() == list(range(small.height))
    assert small["CUSTOMER_ID"].is_between(0, 59).all()
    assert small["TERMINAL_ID"].is_between(0, 119).all()
    assert small["TX_AMOUNT"].is_between(0, 5_000).all()
    assert small["TX_AMOUNT"].equals(small["TX_AMOUNT"].round(2))
    assert Simulation(days=9, customers=1, terminals=1).simulate().schema == SCHEMA


def test_three_columns_of_time_agree(small):
    assert small["TX_DATETIME"].is_sorted()
    since = (small["TX_DATETIME"] - datetime(2018, 4, 1)).dt.total_seconds()  # noqa: DTZ001 - the column is naive
    assert since.to_list() == small["TX_TIME_SECONDS"].to_list()
    assert (since // 86_400).to_list() == small["TX_TIME_DAYS"].to_list()


def test_a_customer_without_a_terminal_in_reach_pays_nowhere():
    assert Simulation(days=3, customers=40, terminals=10_000, radius=0.1).simulate()["CUSTOMER_ID"].n_unique() < 20


# Habits and frauds are those described.


def test_habits_on_average(town):
    assert town.height / 70_000 == pytest.approx(2 * 0.969, rel=0.05)
    genuine = town.filter(TX_FRAUD=0)
    assert genuine["TX_AMOUNT"].mean() == pytest.approx(53, rel=0.05)
    second = (town["TX_TIME_SECONDS"] % 86_400).to_numpy()
    assert second.mean() == pytest.approx(43_200, rel=0.01)
    # The standard deviation of a normal distribution of 20,000 that is cut at 43,200 on both sides.
    assert second.std() == pytest.approx(17_890, rel=0.02)


@pytest.mark.parametrize(("terminals", "reached"), [(100, 48), (1_000, 68), (10_000, 75)])
def test_a_customer_has_about_as_many_terminals_in_reach_in_a_world_of_any_size(terminals, reached):
    frame = Simulation(days=300, customers=200, terminals=terminals).simulate()
    # Whoever pays 600 times has used nearly all terminals in reach.
    regulars = frame.group_by("CUSTOMER_ID").agg(pl.len(), pl.col("TERMINAL_ID").n_unique()).filter(pl.col("len") > 600)
    assert regulars["TERMINAL_ID"].mean() == pytest.approx(reached, rel=0.1)


def test_an_amount_is_fraud_over_220_and_scenarios_agree_with_the_flag(town):
    assert town.filter((pl.col("TX_FRAUD") > 0) != (pl.col("TX_FRAUD_SCENARIO") > 0)).is_empty()
    assert town.filter(TX_FRAUD=0)["TX_AMOUNT"].max() <= 220
    by_amount = town.filter(TX_FRAUD_SCENARIO=1)["TX_AMOUNT"]
    assert by_amount.min() > 220
    assert by_amount.len() > 10
    # Only a misused card grows an amount, whatever else is wrong with the payment.
    assert town.filter(pl.col("TX_FRAUD_SCENARIO") < 3)["TX_AMOUNT"].max() < 400


def test_a_compromised_terminal_has_nothing_but_fraud_for_28_days():
    # Few terminals with many payments: every terminal is used every day.
    frame = Simulation(days=100, customers=500, terminals=500, radius=142).simulate()
    days = frame.group_by("TERMINAL_ID", "TX_TIME_DAYS").agg(
        bad=(pl.col("TX_FRAUD_SCENARIO") >= 2).all() & (pl.col("TX_FRAUD_SCENARIO") == 2).any()
    )
    # A day without a payment leaves a hole, so only the span counts; spells that the simulation cuts off do not.
    day = pl.col("TX_TIME_DAYS")
    spells = days.filter("bad").group_by("TERMINAL_ID").agg(first=day.min(), last=day.max())
    lengths = spells.filter(pl.col("first") > 0, pl.col("last") < 99).select(pl.col("last") - pl.col("first") + 1)
    assert lengths.height >= 3
    assert lengths.max().item() == 28
    assert lengths.mean().item() > 26
    genuine = frame.filter(TX_FRAUD_SCENARIO=0).select("TERMINAL_ID", "TX_TIME_DAYS").unique()
    assert days.filter("bad").join(genuine, on=["TERMINAL_ID", "TX_TIME_DAYS"]).is_empty()


def test_a_third_of_a_stolen_cards_payments_in_14_days_is_five_times_as_much(town):
    misused = town.filter(TX_FRAUD_SCENARIO=3)
    assert ((misused["TX_AMOUNT"] * 100).round().cast(pl.Int64) % 5 == 0).all()
    day = pl.col("TX_TIME_DAYS")
    spells = misused.group_by("CUSTOMER_ID").agg(first=day.min(), last=day.max(), frauds=pl.len())
    once = spells.filter(pl.col("last") - pl.col("first") < 14, pl.col("first") >= 14, pl.col("last") < 56)
    assert once.height / spells.height > 0.4
    payments = once.join(town, on="CUSTOMER_ID").filter(day.is_between("first", "last"))
    # Between the first and the last misuse, which lie 14 days apart at most, so somewhat above a third.
    assert 1 / 3 < once["frauds"].sum() / payments.height < 0.6
    usual = town.filter(TX_FRAUD=0).group_by("CUSTOMER_ID").agg(usual=pl.col("TX_AMOUNT").mean())
    compared = misused.join(usual, on="CUSTOMER_ID")
    assert compared["TX_AMOUNT"].sum() / compared["usual"].sum() == pytest.approx(5, rel=0.15)


@pytest.mark.parametrize(
    ("days", "customers", "terminals", "worlds"),
    [(70, 1_000, 2_000, 2), (7, 5_000, 10_000, 2), (40, 200, 400, 20), (40, 100, 4_000, 20), (30, 400, 100, 40)],
)
def test_the_share_of_fraud_is_sensible_in_a_world_of_any_size_and_length(days, customers, terminals, worlds):
    frames = [Simulation(days, customers, terminals, seed=seed).simulate() for seed in range(worlds)]
    assert 0.005 <= sum(frame["TX_FRAUD"].sum() for frame in frames) / sum(frame.height for frame in frames) <= 0.012


# A declaration that cannot mean anything says so.


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [
        ("days", 0, "1"),
        ("days", 100_000, "24855"),
        ("days", 7.5, "7"),
        ("days", "30", "183"),
        ("days", True, "183"),
        ("customers", 2_000_000, "1000000"),
        ("terminals", None, "10000"),
        ("seed", -1, "0"),
        ("radius", 0, "0.1"),
        ("radius", float("inf"), "142.0"),
        ("radius", float("nan"), "5.0"),
        ("start", "2018-04-01", "2018-04-01"),
        ("start", datetime(2020, 5, 6, 7, tzinfo=UTC), "2020-05-06"),
    ],
)
def test_an_impossible_value_names_the_field_and_the_nearest_possible_one(field, value, nearest):
    with pytest.raises(DeclarationError) as caught:
        Simulation(**{field: value})
    assert field in caught.value.what
    assert repr(value) in caught.value.what
    assert caught.value.where == f"Simulation.{field}"
    assert caught.value.nearest == nearest
    assert caught.value.fix


@pytest.mark.parametrize(
    ("others", "days", "nearest"),
    [({"start": date(9999, 12, 1)}, 32, "31"), ({"customers": 1_000_000}, 537, "536")],
)
def test_days_that_do_not_fit_say_how_many_would(others, days, nearest):
    with pytest.raises(DeclarationError) as caught:
        Simulation(days=days, **others)
    assert caught.value.where == "Simulation.days"
    assert caught.value.nearest == nearest
    assert Simulation(days=int(nearest), **others).days == int(nearest)


# Delivery: a file a day, whole, and only where something changes.


def read_csv(path):
    return pl.read_csv(path, schema=SCHEMA)


def read_jsonl(path):
    # Polars 2.1 panics when it is to read 16-bit integers from JSON lines.
    return pl.read_ndjson(path).with_columns(pl.col("TX_DATETIME").str.to_datetime(time_unit="us")).cast(SCHEMA)


READERS = {"parquet": pl.read_parquet, "csv": read_csv, "csv.gz": read_csv, "jsonl": read_jsonl, "jsonl.gz": read_jsonl}


@pytest.mark.parametrize("extension", READERS)
def test_every_format_reads_back_equal(tmp_path, small, extension):
    file_format, _, packed = extension.partition(".")
    reported = []
    folder = tmp_path / "new" / "folder"
    paths = write_daily_files(small, folder, file_format, gzip=bool(packed), on_day=reported.append)
    assert reported == [1, 2, 3, 4, 5]
    assert [path.name for path in paths] == [f"transactions_2018-04-0{day}.{extension}" for day in range(1, 6)]
    assert sorted(folder.iterdir()) == paths
    # A gzip header has the time of writing in these bytes, unless it is left out.
    assert not packed or all(path.read_bytes()[4:8] == bytes(4) for path in paths)
    assert_frame_equal(pl.concat([READERS[extension](path) for path in paths]), small, check_exact=True)


@pytest.mark.parametrize(("file_format", "gzip"), [("parquet", False), ("csv", True)])
def test_a_rerun_touches_nothing_and_a_day_more_adds_one_file(tmp_path, small, file_format, gzip):
    write_daily_files(small, tmp_path, file_format, gzip=gzip)
    before = stamps(tmp_path)
    write_daily_files(SMALL.simulate(), tmp_path, file_format, gzip=gzip)
    assert stamps(tmp_path) == before
    write_daily_files(replace(SMALL, days=6).simulate(), tmp_path, file_format, gzip=gzip)
    after = stamps(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == 6


def test_only_the_day_that_differs_is_written_again(tmp_path, small):
    paths = write_daily_files(small, tmp_path)
    before = stamps(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:100])
    write_daily_files(small, tmp_path)
    assert {name for name, stamp in stamps(tmp_path).items() if stamp != before[name]} == {paths[2].name}
    assert pl.read_parquet(paths[2])["TX_TIME_DAYS"].unique().to_list() == [2]


def test_a_day_without_transactions_has_no_file(tmp_path, small):
    paths = write_daily_files(small.filter(pl.col("TX_TIME_DAYS") != 1), tmp_path)
    assert [path.stem[-2:] for path in paths] == ["01", "03", "04", "05"]
    assert write_daily_files(small.clear(), tmp_path / "none") == []


@pytest.mark.parametrize(
    ("file_format", "gzip", "nearest"),
    [("parket", False, "parquet"), ("parquet", True, "parquet"), ("CSV", True, "csv.gz")],
)
def test_an_unknown_format_names_the_nearest_and_writes_nothing(tmp_path, small, file_format, gzip, nearest):
    with pytest.raises(UnknownNameError) as caught:
        write_daily_files(small, tmp_path / "out", file_format, gzip=gzip)
    assert caught.value.nearest == nearest
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path, small):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(DeliveryError, match="could not be written") as caught:
        write_daily_files(small, tmp_path / "taken")
    assert str(tmp_path / "taken") in str(caught.value)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path, small):
    (tmp_path / "transactions_2018-04-02.parquet").mkdir()
    with pytest.raises(DeliveryError) as caught:
        write_daily_files(small, tmp_path)
    assert caught.value.where == str(tmp_path / "transactions_2018-04-02.parquet")
    first, second = sorted(tmp_path.iterdir())
    assert first.is_file()
    assert second.is_dir()


def test_a_file_for_which_there_is_no_room_leaves_the_old_one(tmp_path, small):
    (path, *_) = write_daily_files(small, tmp_path, "csv")
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(DeliveryError):
            write_daily_files(small, tmp_path, "csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 5

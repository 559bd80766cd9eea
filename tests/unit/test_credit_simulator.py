"""The simulated credit cards: one world for one seed, statements that the contract accepts, a past that tells.

What belongs here: the world of assets/credit/simulator.py and its files. Not: landing and learning from them
(tests/integration/test_credit.py).
"""

from calendar import monthrange
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.credit.contracts import statements_contract
from assets.credit.simulator import DEMO, SCHEMA, CreditSimulation, write_monthly_files
from lakehouse.contracts.audit import sort_rows
from lakehouse.errors import DeclarationError

SMALL = CreditSimulation(months=4, clients=800, seed=3)


@pytest.fixture(scope="module")
def world() -> pl.DataFrame:
    return SMALL.simulate()


def test_one_statement_a_client_and_month_on_its_last_day(world: pl.DataFrame) -> None:
    assert world.schema == SCHEMA
    assert world.height == SMALL.months * SMALL.clients
    assert not world.select("client_id", "statement_date").is_duplicated().any()
    days = [one.date() for one in world["statement_date"].unique().sort()]
    assert days == [date(2005, month, monthrange(2005, month)[1]) for month in (4, 5, 6, 7)]


def test_every_statement_meets_the_contract(world: pl.DataFrame) -> None:
    rows = world.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(statements_contract.schema)
    assert not len(sort_rows(statements_contract, rows).failed_rows)


@settings(max_examples=8)
@given(months=st.integers(1, 14), clients=st.integers(1, 60), seed=st.integers(0, 2**40))
def test_a_longer_simulation_begins_with_the_shorter_one(months: int, clients: int, seed: int) -> None:
    short = CreditSimulation(months=months, clients=clients, seed=seed).simulate()
    long = CreditSimulation(months=months + 2, clients=clients, seed=seed).simulate()
    assert long.head(short.height).equals(short)


def test_another_seed_gives_another_world(world: pl.DataFrame) -> None:
    assert not CreditSimulation(months=4, clients=800, seed=4).simulate().equals(world)


def test_who_a_client_is_stays_from_month_to_month(world: pl.DataFrame) -> None:
    about = ["credit_limit", "sex", "education", "marriage", "age"]
    assert world.group_by("client_id").agg(pl.col(about).n_unique()).select(about).to_numpy().max() == 1


def test_who_is_late_is_often_late_again_and_nobody_else_so_often(world: pl.DataFrame) -> None:
    late = (pl.col("pay_status") >= 1).alias("late")
    months = world.select("client_id", late, month="statement_date").partition_by("month")
    for before, after in pairwise(months):
        both = before.join(after, on="client_id", suffix="_next")
        shares = dict(both.group_by("late").agg(pl.col("late_next").mean()).iter_rows())
        assert shares[True] > 0.5
        assert shares[False] < 0.15


def test_undocumented_codes_come_as_in_the_real_data() -> None:
    rows = CreditSimulation(months=1, clients=5_000).simulate()
    assert {0, 5, 6} <= set(rows["education"])
    assert 0 in set(rows["marriage"])
    assert {-2, -1, 0, 2} <= set(rows["pay_status"])


def test_files_are_written_once_and_hold_the_rows(world: pl.DataFrame, tmp_path: Path) -> None:
    files = write_monthly_files(world, tmp_path)
    assert [file.name for file in files] == [f"statements_2005-0{month}.csv" for month in (4, 5, 6, 7)]
    before = [file.stat().st_mtime_ns for file in files]
    assert write_monthly_files(world, tmp_path) == files
    assert [file.stat().st_mtime_ns for file in files] == before
    again = pl.read_csv(files[0], try_parse_dates=True).with_columns(pl.col("statement_date").cast(pl.Datetime("us")))
    assert again.select(*SCHEMA).cast(SCHEMA).equals(world.head(SMALL.clients))


def test_the_demo_knows_the_names_of_its_files_beforehand(tmp_path: Path) -> None:
    assert [file.name for file in DEMO.write(2, tmp_path)] == list(DEMO.names(2))


@pytest.mark.parametrize(
    ("given_wrongly", "field"),
    [
        ({"months": 0}, "months"),
        ({"clients": 2.5}, "clients"),
        ({"seed": -1}, "seed"),
        ({"start": datetime(2005, 4, 1)}, "start"),  # noqa: DTZ001
        ({"start": date(9999, 10, 1), "months": 6}, "months"),
    ],
)
def test_a_world_that_cannot_be_is_rejected_by_name(given_wrongly: dict, field: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        CreditSimulation(**given_wrongly)
    assert str(caught.value.where).endswith(field)
    assert caught.value.nearest


def test_months_go_on_into_the_next_year() -> None:
    days = CreditSimulation(months=4, start=date(2007, 11, 5)).days()
    assert days == [date(2007, 11, 30), date(2007, 12, 31), date(2008, 1, 31), date(2008, 2, 29)]

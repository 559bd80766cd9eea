"""The canonical small world: 45 days of card payments that every test of the project starts from, and its way through
the main job.

What belongs here: the world's rows, delivering and landing them, building the tables on them. Not: fixtures
(conftest.py), and worlds that a single test needs (they stand in that test).

The world is the project's own simulation, with three things put into it on purpose: payments of one customer at the
same microsecond, payments at one terminal at the same microsecond, and enough fraud for two weeks of training and test.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pyarrow as pa

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from assets.fraud.simulator import SCHEMA, FileFormat, Simulation, write_daily_files
from assets.fraud.sources import transactions as source
from assets.fraud.training import training
from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.domain import Domain
from lakehouse.ingestion.landing import LandingResult, land
from lakehouse.loading import load_domain
from lakehouse.models.model import Gate, Model
from lakehouse.settings import Settings
from lakehouse.tables.incremental import Outcome
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.shape import TableShape

START = date(2018, 4, 1)
DAYS = 45
CUSTOMERS = 40
TERMINALS = 25
SEED = 7
EVERY_DAY = [START + timedelta(days=number) for number in range(DAYS)]
LAST = EVERY_DAY[-1]

# (terminal or customer, first day, last day) of the frauds put in; half of a case's payments are fraud.
COMPROMISED_TERMINALS = ((3, 4, 31), (11, 18, 44))
STOLEN_CARDS = ((5, 2, 15), (17, 20, 33), (29, 31, 44))


# Settings of a lakehouse whose engine is Spark: one small Spark serves all tests of a process.
# Its Java compiles quickly rather than well: tests end before the difference would pay.
SPARK = {
    "SLIPWAY_ENGINE": "spark",
    "SLIPWAY_SPARK_MASTER": "local[2]",
    "SLIPWAY_MEMORY": "2g",
    "SLIPWAY_SPARK_PROPERTIES": json.dumps(
        {"spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
    ),
}


@cache
def payments() -> pl.DataFrame:
    """All rows of the world, in the delivered schema, in order of time; about 3,400."""
    base = Simulation(days=DAYS, customers=CUSTOMERS, terminals=TERMINALS, start=START, seed=SEED).simulate()
    rows = _with_ties(_with_frauds(base)).sort("TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT")
    return rows.drop("TRANSACTION_ID").with_row_index("TRANSACTION_ID").select(*SCHEMA).cast(SCHEMA)


def payments_on(days: Iterable[date]) -> pl.DataFrame:
    """The world's rows of these days."""
    return payments().filter(pl.col("TX_DATETIME").dt.date().is_in(list(days)))


def broken(rows: pl.DataFrame, every: int = 1) -> pl.DataFrame:
    """The rows, with the amount of the first of every `every` rows below zero, which the contract forbids."""
    place = pl.int_range(pl.len())
    amount = pl.when(place % every == 0).then(-pl.col("TX_AMOUNT") - 1).otherwise("TX_AMOUNT")
    return rows.with_columns(TX_AMOUNT=amount)


def deliver(
    lake: Lakehouse, rows: pl.DataFrame | None = None, file_format: FileFormat = "parquet", *, gzip: bool = False
) -> list[Path]:
    """Write rows (default: all) as daily files into the home's drop folder; returns the files, oldest first."""
    chosen = payments() if rows is None else rows
    return write_daily_files(chosen, lake.home.drop_folder(source.name), file_format, gzip=gzip)


# The source with a contract that tolerates what a few short days need: one row in five broken, days of any size.
lenient_source = replace(source, contract=replace(source.contract, quarantine_share=0.2, volume=(0.0, 1e6)))


def make_lake(home: Path, environment: Mapping[str, str] | None = None) -> Lakehouse:
    """A lakehouse in its own home, untouched by the environment of whoever runs the tests but for what is given."""
    return open_lakehouse(Settings.from_environment(environment or {}, home=home))


def land_all(lake: Lakehouse, run_id: str = "landing-run", *, lenient: bool = False) -> LandingResult:
    """Land whatever lies in the drop folder. Raises when there was something and nothing of it could be published."""
    landed = land(lake, lenient_source if lenient else source, run_id=run_id)
    landed.raise_if_nothing_passed()
    return landed


def build_models(lake: Lakehouse, run_id: str = "dbt-run") -> list[Outcome]:
    """Bring all dbt models of the world up to date. Needs the landed table."""
    from lakehouse.transforms.build import build
    from lakehouse.transforms.project import load_project

    lake.settings.export()  # dbt reads the environment
    project = load_project(lake.settings, lake.home)
    tables = [model.table for model in project.models if model.table.startswith("fraud.")]
    results = build(lake, project, tables, run_id=run_id)
    for result in results:
        assert result.outcome is not None, result.failure
    return [result.outcome for result in results if result.outcome]


def build_features(lake: Lakehouse, run_id: str = "feature-run", *, rebuild: bool = False) -> list[Outcome]:
    """Bring all feature sets up to date, or rebuild them. Needs the dbt models."""
    from lakehouse.engines.choice import engine_of
    from lakehouse.feature_tables.build import build_feature_set

    sets = (customer_spend, terminal_risk, transaction_time)
    return [build_feature_set(lake, engine_of(lake, one.engine), one, run_id=run_id, rebuild=rebuild) for one in sets]


def build_training(lake: Lakehouse, run_id: str = "training-run") -> Outcome:
    """Bring the training set up to date. Needs the feature sets."""
    from lakehouse.training.training_tables import build_training_set

    return build_training_set(lake, training, run_id=run_id)


def small_domain(*gates: Gate) -> Domain:
    """The fraud domain with gates for a world of 40 customers, and two quick candidates."""
    fraud = load_domain("fraud")
    model = fraud.models[0]
    quick = tuple(one for one in model.candidates if one.name in {"logistic_regression", "decision_tree_2"})
    chosen = gates or (Gate("auc_floor", "auc", at_least=0.5, description="Better than guessing."),)
    return fraud.with_only(Model, [replace(model, candidates=quick, gates=chosen)])


def run_main(lake: Lakehouse, domain: Domain):
    """The main job as the command line runs it; its report."""
    from orchestration.main_job import run_main_job
    from orchestration.memory import MemoryWatch
    from orchestration.progress import Progress

    with MemoryWatch() as watch:
        return run_main_job(lake, domain, Progress(), watch)


def build_domain(lake: Lakehouse, domain: Domain) -> None:
    """Land what was delivered to any domain and make its tables, up to the training set, without Dagster."""
    from lakehouse.engines.choice import engine_of
    from lakehouse.feature_tables.build import build_feature_set
    from lakehouse.training.training_tables import build_training_set
    from lakehouse.transforms.build import build
    from lakehouse.transforms.project import load_project

    for one in domain.sources:
        land(lake, one, run_id="landing-run")
    lake.settings.export()  # dbt reads the environment
    project = load_project(lake.settings, lake.home)
    tables = [model.table for model in project.models if model.table.startswith(f"{domain.name}.")]
    for result in build(lake, project, tables, run_id="dbt-run"):
        assert result.outcome is not None, result.failure
    for one in domain.feature_sets:
        build_feature_set(lake, engine_of(lake, one.engine), one, run_id="feature-run")
    for one in domain.training_sets:
        build_training_set(lake, one, run_id="training-run")


# A table without a domain, for tests of the write path alone.

LEDGER = pa.schema(
    [("number", pa.int64()), ("at", pa.timestamp("us")), ("amount", pa.float64()), ("note", pa.string())]
)


def ledger_shape(name: str = "books.ledger", schema: pa.Schema = LEDGER) -> TableShape:
    """A small table partitioned by the day of `at`."""
    return TableShape(name, schema, "at", "What was booked.", {"number": "The booking's number."}, "team:books")


def ledger_rows(days: Sequence[date], *, per_day: int = 10, note: str = "first") -> pa.Table:
    """`per_day` bookings on each day, numbered by the day, in order of time."""
    frame = pl.DataFrame(
        {
            "number": [day.toordinal() * 1_000 + place for day in days for place in range(per_day)],
            "at": pl.Series([day for day in days for _ in range(per_day)], dtype=pl.Date).cast(pl.Datetime("us"))
            + pl.Series(
                [timedelta(hours=place % 24) for _ in days for place in range(per_day)], dtype=pl.Duration("us")
            ),
            "amount": [float(place) for _ in days for place in range(per_day)],
            "note": [note] * (len(days) * per_day),
        }
    )
    return frame.to_arrow().cast(LEDGER)


def provenance(run_id: str = "run-12345678", definition: str = "ledger-1") -> Provenance:
    """Who made a snapshot, for tests that don't care."""
    return Provenance(run_id, definition)


def _with_frauds(rows: pl.DataFrame) -> pl.DataFrame:
    day, odd = pl.col("TX_TIME_DAYS"), pl.col("TRANSACTION_ID") % 2 == 1
    scenario = pl.col("TX_FRAUD_SCENARIO")
    for terminal, first, last in COMPROMISED_TERMINALS:
        hit = (pl.col("TERMINAL_ID") == terminal) & day.is_between(first, last) & odd
        scenario = pl.when(hit).then(2).otherwise(scenario)
    amount = pl.col("TX_AMOUNT")
    for customer, first, last in STOLEN_CARDS:
        hit = (pl.col("CUSTOMER_ID") == customer) & day.is_between(first, last) & odd
        scenario = pl.when(hit).then(3).otherwise(scenario)
        amount = pl.when(hit).then((amount * 5).round(2)).otherwise(amount)
    return rows.with_columns(TX_FRAUD_SCENARIO=scenario, TX_AMOUNT=amount).with_columns(
        TX_FRAUD=(pl.col("TX_FRAUD_SCENARIO") > 0).cast(pl.Int16)
    )


def _with_ties(rows: pl.DataFrame) -> pl.DataFrame:
    """One row in 40 gets a second payment of its customer at that microsecond, one in 50 another at its terminal."""
    same_customer = rows.gather_every(40).with_columns(
        TERMINAL_ID=(pl.col("TERMINAL_ID") + 1) % TERMINALS, TX_AMOUNT=(pl.col("TX_AMOUNT") / 2).round(2)
    )
    same_terminal = rows.gather_every(50, offset=7).with_columns(
        CUSTOMER_ID=(pl.col("CUSTOMER_ID") + 1) % CUSTOMERS, TX_AMOUNT=(pl.col("TX_AMOUNT") / 4 + 1).round(2)
    )
    return pl.concat([rows.cast(SCHEMA), same_customer.cast(SCHEMA), same_terminal.cast(SCHEMA)])

"""Contracts from pandera schemas and as such, and custom pandera checks as rules of an audit.

What belongs here: pandera.polars and pandera.pandas, schemas and models, in memory. Not: whole tables and Spark
(conformance/test_audits.py).
"""

import datetime as dt
from dataclasses import replace

import pandas as pd
import pandera.errors
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.contracts.as_json import from_json, to_json
from lakehouse.contracts.as_python import to_python
from lakehouse.contracts.contract import Column, Contract, PanderaCheck, Rule
from lakehouse.contracts.odcs import from_odcs, to_odcs
from lakehouse.contracts.pandera_schema import from_pandera, to_pandera
from lakehouse.contracts.row_checks import sort_rows
from lakehouse.contracts.versions import diff
from lakehouse.errors import ContractError, DeclarationError, SlipwayWarning


class Payments(pandera.polars.DataFrameModel):
    number: int = pandera.polars.Field(ge=0, unique=True, description="Its number.")
    at: pl.Datetime(time_unit="us")
    channel: str = pandera.polars.Field(isin=["card", "cash"], nullable=True)
    amount: float = pandera.polars.Field(gt=0)
    lines: pl.Int16 = pandera.polars.Field(in_range={"min_value": 1, "max_value": 5})

    @pandera.polars.check("amount")
    def small(cls, data):  # noqa: N805  # as pandera has it
        return data.lazyframe.select(pl.col(data.key) < 10)

    @pandera.polars.dataframe_check
    def costs_more_than_its_lines(cls, data):  # noqa: N805  # as pandera has it
        return data.lazyframe.select(pl.col("amount") > pl.col("lines"))


class PaymentsInPandas(pandera.pandas.DataFrameModel):
    number: int = pandera.pandas.Field(ge=0, unique=True, description="Its number.")
    at: pd.Timestamp
    channel: str = pandera.pandas.Field(isin=["card", "cash"], nullable=True)
    amount: float = pandera.pandas.Field(gt=0)
    lines: "pd.Int16Dtype" = pandera.pandas.Field(in_range={"min_value": 1, "max_value": 5})

    @pandera.pandas.check("amount")
    def small(cls, amount):  # noqa: N805
        return amount < 10

    @pandera.pandas.dataframe_check
    def costs_more_than_its_lines(cls, rows):  # noqa: N805
        return rows.amount > rows.lines


POLARS, PANDAS = (from_pandera(model, table="shop.payments") for model in (Payments, PaymentsInPandas))
ROWS = pa.table(
    {
        "number": [1, 2, 3],
        "at": [dt.datetime(2018, 4, 1)] * 3,  # noqa: DTZ001  # as tables have it
        "channel": ["card", "cheque", None],
        "amount": [5.0, 0.0, 20.0],
        "lines": [1, 9, 2],
    },
    POLARS.schema,
)
FAILED = {
    2: "channel_one_of, lines_in_range, amount_greater_than, costs_more_than_its_lines",
    3: "amount_small",
}


def failed(contract, rows=ROWS):
    return {row["number"]: row["_rule"] for row in sort_rows(contract, rows).failed_rows.to_pylist()}


@pytest.mark.parametrize("contract", [POLARS, PANDAS], ids=["polars", "pandas"])
def test_a_model_becomes_a_contract_and_its_own_checks_run_in_the_audit(contract):
    assert list(contract.columns) == [
        Column("number", "int64", description="Its number.", unique=True, at_least=0),
        Column("at", "timestamp", description="at"),
        Column("channel", "text", description="channel", nullable=True, one_of=("card", "cash")),
        Column("amount", "float64", description="amount"),
        Column("lines", "int16", description="lines", at_least=1, at_most=5),
    ]
    assert [(one.name, one.column) for one in contract.rules] == [
        ("amount_greater_than", "amount"),
        ("amount_small", "amount"),
        ("costs_more_than_its_lines", ""),
    ]
    assert failed(contract) == FAILED
    assert contract.libraries() == {"pandera"}


@pytest.mark.parametrize("contract", [POLARS, PANDAS], ids=["polars", "pandas"])
def test_what_is_stored_of_a_check_is_its_import_path_and_it_runs_from_there(contract):
    for stored in (from_json(to_json(contract)), from_odcs(to_odcs(contract))):
        assert stored == contract
        assert failed(replace(stored, rules=stored.rules[:1])) == {
            2: "channel_one_of, lines_in_range, amount_greater_than"
        }
    assert f"{Payments.__module__}:{contract.rules[1].reference.partition(':')[2]}" == contract.rules[1].reference
    names = {}
    exec(to_python(contract, "Test."), names)  # noqa: S102  # what the product wrote itself
    assert [one.reference for one in names["payments_contract"].rules] == [one.reference for one in contract.rules]


def test_a_contract_as_a_schema_fails_the_same_rows():
    declared = replace(POLARS, rules=[*POLARS.rules, Rule("no_twos", "number <> 2", "Not 2.")])
    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        to_pandera(declared).validate(pl.DataFrame(pl.from_arrow(ROWS)), lazy=True)
    found = {}
    for check, index in caught.value.failure_cases.select("check", "index").iter_rows():
        found.setdefault(index + 1, set()).add(check)
    assert found == {2: {*FAILED[2].split(", "), "no_twos"}, 3: {FAILED[3]}}


def test_a_check_whose_code_changed_is_another_contract():
    one, two = (PanderaCheck("odd", function, column="number") for function in (lambda s: s > 1, lambda s: s > 2))
    before, after = (replace(POLARS, rules=[each]) for each in (one, two))
    assert one != two
    assert before.fingerprint() != after.fingerprint()
    assert [change.breaking for change in diff(before, after)] == [True]


def test_nulls_are_not_judged_by_a_check_of_a_column():
    contract = Contract(
        table="shop.t",
        version="1.0.0",
        owner="team:shop",
        columns=[
            Column("number", "int64", description="Number."),
            Column("value", "float64", description="Value.", nullable=True),
        ],
    )
    rows = pa.table({"number": [1, 2, 3], "value": [None, 1.0, -1.0]}, contract.schema)
    for check, backend in (
        (lambda data: data.lazyframe.select(pl.col(data.key) > 0), "polars"),
        (pandera.polars.Check(lambda value: value > 0, element_wise=True), "polars"),
        (lambda values: values > 0, "pandas"),
    ):
        rule = PanderaCheck("above", check, column="value", backend=backend)
        assert failed(replace(contract, rules=[rule]), rows) == {3: "above"}


@pytest.mark.parametrize(
    ("check", "what"),
    [
        (lambda data: data.lazyframe.select(pl.col(data.key).sum() > 0), "one value for all rows"),
        (lambda data: data.lazyframe / 0, "TypeError"),
        ("tests.unit.nothing:here", "cannot be imported"),
    ],
)
def test_a_check_that_does_not_decide_each_row_is_one_clear_error(check, what):
    contract = replace(POLARS, rules=[PanderaCheck("odd", check, column="amount")])
    with pytest.raises(ContractError, match=what) as caught:
        sort_rows(contract, ROWS)
    assert "rule odd" in caught.value.where


def test_what_a_contract_cannot_express_is_reported():
    with pytest.raises(DeclarationError, match="is not a pandera schema"):
        from_pandera(dict, table="shop.t")
    with pytest.raises(DeclarationError, match="No column type of contracts"):
        from_pandera(pandera.polars.DataFrameSchema({"d": pandera.polars.Column(pl.List(pl.Int64))}), table="shop.t")
    zoned = pandera.polars.DataFrameSchema({"t": pandera.polars.Column(pl.Datetime("us", "Europe/Berlin"))})
    with pytest.warns(SlipwayWarning, match="the time zone of t"):
        from_pandera(zoned, table="shop.t")
    with pytest.raises(DeclarationError, match="is not a pandera check"):
        PanderaCheck("odd", 7)

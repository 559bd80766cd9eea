"""A source whose contract gets other columns: the table and its quarantine get them with the next landing.

What belongs here: added, changed and removed columns over real tables. Not: which changes are breaking
(unit/test_contract_versions.py).
"""

from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.contracts.contract import Column, Contract, Reference
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.contracts.table_checks import audit_table
from lakehouse.contracts.versions import versions_of
from lakehouse.errors import ContractError, UnknownNameError
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.ingestion.retry import retry_quarantined
from lakehouse.sources.mappings import absent
from lakehouse.sources.source import Source
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import ensure_table

NAME = "shop.payments"
CONTRACT = Contract(
    table=NAME,
    version="1.0.0",
    owner="team:shop",
    columns=[
        Column("id", "int64", description="Its number.", unique=True),
        Column("at", "timestamp", description="When."),
        Column("value", "text", description="What.", matches="[0-9]+"),
    ],
    quarantine_share=0.5,
    volume=(0.0, 1e6),
)
SOURCE = Source(NAME, "at", CONTRACT, "Payments.", "team:shop", time_zone="UTC")


def under(*columns):
    return replace(SOURCE, contract=replace(CONTRACT, version="2.0.0", columns=columns))


NUMBERS = under(*CONTRACT.columns[:2], Column("value", "int64", description="What."))
NOTED = under(*CONTRACT.columns, Column("note", "text", description="A note.", nullable=True, unique=True))
FEWER = under(*CONTRACT.columns[:2])


def put(lake, day, text):
    place = lake.home.drop_folder(NAME)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{day}.csv").write_text(text)


def rows(lake, name=NAME):
    found = pl.DataFrame(pl.from_arrow(read(lake, name))).sort("id")
    return found.select(name for name in found.columns if not name.startswith("_")).drop("at").rows()


@pytest.fixture
def begun(lake):
    """Two rows are published, one is in quarantine."""
    put(lake, "2018-04-01", "id,at,value\n1,2018-04-01T01:00:00,1\n2,2018-04-01T02:00:00,x\n3,2018-04-01T03:00:00,3\n")
    land(lake, SOURCE, run_id="begin")
    assert rows(lake) == [(1, "1"), (3, "3")]
    return lake


def landed(lake, source):
    found = land(lake, source, run_id="next")
    assert not found.rejected
    reconciliation = reconciliation_of(lake, source)
    assert reconciliation.balanced, reconciliation
    assert not [name for name in lake.names() if "trial" in name]
    assert not land(lake, source, run_id="again").outcome.recomputed
    return reconciliation


def test_a_new_column_is_null_in_rows_whose_file_is_gone(begun):
    (begun.home.drop_folder(NAME) / "2018-04-01.csv").unlink()
    put(begun, "2018-04-02", "id,at,value,note\n4,2018-04-02T01:00:00,4,a\n5,2018-04-02T02:00:00,x,b\n")
    assert landed(begun, NOTED).delivered == 5
    assert rows(begun) == [(1, "1", None), (3, "3", None), (4, "4", "a")]
    assert rows(begun, quarantine_name(NAME)) == [(2, "x", None), (5, "x", "b")]


def test_a_column_of_another_type_is_read_again_where_the_file_still_exists(begun):
    landed(begun, NUMBERS)
    assert rows(begun) == [(1, 1), (3, 3)]
    assert rows(begun, quarantine_name(NAME)) == [(2, None)]


def test_a_column_of_another_type_loses_no_published_value(begun):
    free = replace(
        CONTRACT, version="2.0.0", columns=[*CONTRACT.columns[:2], Column("value", "text", description="What.")]
    )
    assert retry_quarantined(begun, replace(SOURCE, contract=free), run_id="retry").published == 1
    (begun.home.drop_folder(NAME) / "2018-04-01.csv").unlink()
    put(begun, "2018-04-02", "id,at,value\n4,2018-04-02T01:00:00,4\n")
    with pytest.raises(ContractError, match="value was string and is int64 now") as caught:
        land(begun, replace(NUMBERS, contract=replace(NUMBERS.contract, version="3.0.0")), run_id="next")
    assert caught.value.where == f"{NAME}, column value"
    assert rows(begun) == [(1, "1"), (2, "x"), (3, "3")]


def test_a_removed_column_is_dropped(begun):
    put(begun, "2018-04-01", "id,at\n1,2018-04-01T01:00:00\n2,2018-04-01T02:00:00\n3,2018-04-01T03:00:00\n")
    landed(begun, FEWER)
    assert rows(begun) == [(1,), (2,), (3,)]


def test_a_rejected_delivery_with_new_columns_changes_nothing(begun):
    put(begun, "2018-04-02", "id,at,value,note\n1,2018-04-02T01:00:00,4,a\n")
    (begun.home.drop_folder(NAME) / "2018-04-01.csv").unlink()
    assert [one.delivery for one in land(begun, NOTED, run_id="next").rejected] == ["2018-04-02.csv"]
    assert rows(begun) == [(1, "1"), (3, "3")]
    assert reconciliation_of(begun, NOTED).balanced


def test_a_retry_waits_for_the_new_columns(begun):
    wider = under(
        *CONTRACT.columns[:2],
        Column("value", "text", description="What."),
        Column("note", "text", description="N.", nullable=True),
    )
    with pytest.raises(ContractError, match="does not have the columns of its contract yet") as caught:
        retry_quarantined(begun, replace(wider, mappings=(absent("note"),)), run_id="retry")
    assert "slipway materialize shop.payments" in caught.value.fix


# References are checked before a contract is stored.


def referring(column, to_column, table="shop.values", version="1.0.0"):
    references = [Reference(column, table, to_column)]
    return replace(SOURCE, contract=replace(CONTRACT, version=version, references=references))


@pytest.mark.parametrize(
    ("source", "error", "message", "nearest"),
    [
        (referring("value", "nmae"), UnknownNameError, "no column 'nmae'", "name"),
        (referring("value", "number"), ContractError, "value is string and number of shop.values is int64", "name"),
        (referring("value", "name", table="shop.valeus"), UnknownNameError, "no table named", "shop.values"),
    ],
)
def test_a_missing_reference_is_found_before_the_contract_is_stored(lake, source, error, message, nearest):
    ensure_table(lake, TableShape("shop.values", pa.schema([("name", pa.string()), ("number", pa.int64())])))
    put(lake, "2018-04-01", "id,at,value\n1,2018-04-01T01:00:00,1\n")
    with pytest.raises(error, match=message) as caught:
        land(lake, source, run_id="wrong")
    assert caught.value.nearest == nearest
    assert caught.value.where.startswith(f"contract of {NAME}, reference to ")
    with pytest.raises(error):
        audit_table(lake, source.contract)
    assert not versions_of(lake, NAME)
    # Correcting a contract that was never in use breaks nobody, and needs no new version.
    assert not land(lake, SOURCE, run_id="right").rejected
    assert [one.contract.version for one in versions_of(lake, NAME)] == ["1.0.0"]


def test_a_contract_that_could_not_be_audited_is_not_stored(lake):
    put(lake, "2018-04-01", "id,at\n")
    assert land(lake, SOURCE, run_id="nothing").rejected
    assert not versions_of(lake, NAME)

"""A new kind of rule is one module: everything that lists rules finds it.

What belongs here: the registry, shown by a rule of the tests' own. Not: the kinds that the platform has
(test_contract_rules.py), and whole tables on both engines (conformance/test_audits.py).
"""

import subprocess
import sys
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.contracts.as_json import from_json, to_json
from lakehouse.contracts.as_python import to_python
from lakehouse.contracts.audit import row_check_results
from lakehouse.contracts.compile import compile_rules
from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.odcs import from_odcs, to_odcs
from lakehouse.contracts.pandera_schema import to_pandera
from lakehouse.contracts.row_checks import sort_rows
from lakehouse.contracts.versions import diff
from lakehouse.errors import DeclarationError
from tests.own_rule import MultipleOf

PACKS = Contract(
    table="shop.packs",
    version="1.0.0",
    owner="team:shop",
    columns=[Column("pieces", "int64", description="How many.", at_least=0, rules=[MultipleOf(6)])],
    quarantine_share=0.9,
)
ROWS = pa.table({"pieces": [6, 7, -6, 12]})


def test_it_runs_in_the_audit_of_rows():
    parted = sort_rows(PACKS, ROWS)
    assert parted.failed_rows.to_pylist() == [
        {"pieces": 7, "_rule": "pieces_multiple_of"},
        {"pieces": -6, "_rule": "pieces_in_range"},
    ]
    found = {one.name: one for one in row_check_results(PACKS, parted)}
    assert (found["pieces_multiple_of"].passed, found["pieces_multiple_of"].measured["failed_rows"]) == (False, 1)
    assert found["pieces_multiple_of"].message.startswith("pieces is a multiple of 6.")


def test_it_is_compiled_for_spark():
    (rule,) = (one for one in compile_rules(PACKS) if one.name == "pieces_multiple_of")
    assert rule.in_spark == "`pieces` % 6 <> 0"


def test_it_is_among_the_contracts_checks_and_actions():
    assert PACKS.row_rules()["pieces_multiple_of"] == "pieces is a multiple of 6."
    assert PACKS.checks()["pieces_multiple_of"] == ("pieces is a multiple of 6.", False)
    assert replace(PACKS, then={"pieces_multiple_of": "block"}).action("pieces_multiple_of") == "block"
    other = replace(PACKS, columns=[replace(PACKS.columns[0], rules=[MultipleOf(12)])])
    assert other.fingerprint() != PACKS.fingerprint()


def test_nothing_of_it_is_lost_in_json_yaml_and_python():
    assert from_json(to_json(PACKS)) == PACKS
    assert from_odcs(to_odcs(PACKS)) == PACKS
    names = {}
    exec(to_python(PACKS, "Packs."), names)  # noqa: S102  # what the product wrote itself
    assert names["packs_contract"] == PACKS


def test_it_is_a_check_of_the_pandera_schema():
    import pandera.errors

    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        to_pandera(PACKS).validate(pl.DataFrame(pl.from_arrow(ROWS)), lazy=True)
    failed = caught.value.failure_cases.select("check", "index").rows()
    assert sorted(failed) == [("pieces_in_range", 2), ("pieces_multiple_of", 1)]


def test_a_change_of_it_is_judged():
    def with_rules(*rules):
        return replace(PACKS, columns=[replace(PACKS.columns[0], rules=rules)])

    gone, other = with_rules(), with_rules(MultipleOf(12))
    assert [(one.description, one.breaking) for one in diff(PACKS, gone)] == [("pieces_multiple_of was removed.", True)]
    assert [(one.description, one.breaking) for one in diff(gone, PACKS)] == [("pieces_multiple_of was added.", False)]
    assert [(one.description, one.breaking) for one in diff(PACKS, other)] == [
        ("pieces_multiple_of changed from 'pieces is a multiple of 6' to 'pieces is a multiple of 12'.", True)
    ]


def test_a_rule_is_declared_once_and_a_stored_one_has_to_be_registered():
    with pytest.raises(DeclarationError, match="declared twice"):
        Column("pieces", "int64", description="How many.", rules=[MultipleOf(2), MultipleOf(3)])
    with pytest.raises(DeclarationError, match="Unknown rule 'multiple_off'") as caught:
        from_json(to_json(PACKS).replace("multiple_of", "multiple_off"))
    assert caught.value.nearest == "multiple_of"


def test_rules_are_found_without_a_list_and_without_pandera():
    code = (
        "import sys; from lakehouse.contracts.rules.registry import column_rules, table_rules; "
        "print(len(column_rules()), len(table_rules()), 'pandera' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "5", "False"]

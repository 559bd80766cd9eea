"""The life of a contract: what changed, what of it breaks consumers, and that no version is lost.

What belongs here: comparing, keeping, and our own JSON. Not: the command line and the public standard
(integration/test_contract_cli.py).
"""

import json
import warnings
from dataclasses import replace

import pytest

from assets.fraud.contracts import transactions_contract
from lakehouse.contracts.as_json import from_json, to_json
from lakehouse.contracts.as_python import to_python
from lakehouse.contracts.contract import Column, Contract, Distribution, Reference, Rule
from lakehouse.contracts.odcs import from_odcs, to_odcs
from lakehouse.contracts.versions import check_version, diff, keep_version, major, versions_of
from lakehouse.errors import ContractError, DeclarationError, SlipwayWarning
from tests.contracts_in_full import FULL
from tests.reference import moment

BASE = Contract(
    table="shop.orders",
    version="1.0.0",
    owner="team:shop",
    columns=[
        Column("id", "int32", description="Number.", unique=True, at_least=0, at_most=10),
        Column("kind", "text", description="Which.", one_of=("a", "b"), matches="[a-z]", shortest=1, longest=5),
        Column("at", "timestamp", description="When.", nullable=True, at_least=moment("2018-04-01"), known_after="1d"),
    ],
    keys=[("kind", "at")],
    rules=[Rule("r", "id > 1", "More."), Rule("w", "id > 2", "More.", action="warn")],
    references=[Reference("kind", "shop.kinds", "name")],
    distributions=[Distribution("id", null_share=0.1)],
)


def changed(place, **fields):
    columns = list(BASE.columns)
    columns[place] = replace(columns[place], **fields)
    return replace(BASE, columns=columns)


@pytest.mark.parametrize(
    ("new", "breaking"),
    [
        (replace(BASE, columns=BASE.columns[:3][::-1]), None),
        (replace(BASE, columns=[*BASE.columns, Column("new", "bool", description="New.")]), False),
        (changed(0, type="int64"), False),
        (changed(0, type="int16"), True),
        (changed(0, type="int64", at_most=2**31 - 1), True),
        (changed(0, type="float64"), True),
        (changed(0, nullable=True), True),
        (changed(2, nullable=False), False),
        (changed(0, unique=False), True),
        (changed(1, unique=True), False),
        (changed(0, at_least=-1), True),
        (changed(0, at_least=None), True),
        (changed(0, at_least=1), False),
        (changed(0, at_most=11), True),
        (changed(0, at_most=9), False),
        (changed(2, at_least=moment("2017-04-01")), True),
        (changed(1, longest=6), True),
        (changed(1, shortest=2), False),
        (changed(1, one_of=("a",)), False),
        (changed(1, one_of=("a", "b", "c")), True),
        (changed(1, one_of=()), True),
        (changed(1, matches="[a-c]"), True),
        (changed(2, known_after="2d"), True),
        (changed(2, known_after=""), False),
        (changed(2, description="Then."), None),
        (replace(BASE, keys=[]), True),
        (replace(BASE, keys=[*BASE.keys, ("id", "at")]), False),
        (replace(BASE, rules=[BASE.rules[0]]), False),
        (replace(BASE, rules=[BASE.rules[1]]), True),
        (replace(BASE, rules=[*BASE.rules, Rule("s", "id > 3", "More.")]), False),
        (replace(BASE, rules=[Rule("r", "id > 0", "More."), BASE.rules[1]]), True),
        (replace(BASE, references=[]), True),
        (replace(BASE, distributions=[]), True),
        (replace(BASE, distributions=[Distribution("id", null_share=0.2)]), True),
        (replace(BASE, then={"id_in_range": "warn"}), True),
        (replace(BASE, then={"id_in_range": "block"}), False),
        (replace(BASE, then={"id_unique_across_deliveries": "warn"}), True),
        (replace(BASE, then={"changes": "warn"}), True),
        (replace(BASE, then={"schema": "warn"}), True),
        (replace(BASE, then={"anomalies": "block"}), False),
        (replace(BASE, distributions=[Distribution("id", null_share=0.1, action="warn")]), True),
        (replace(BASE, distributions=[Distribution("id", null_share=0.1, least_rows=1_000_000)]), True),
        (replace(BASE, freshness="48h"), True),
        (replace(BASE, freshness="1h"), False),
        (replace(BASE, quarantine_share=0.5), False),
        (replace(BASE, volume=(0.1, 9.0), volume_by="day"), False),
        (replace(BASE, may_add={"*": "ignore"}), False),
        (replace(BASE, owner="team:else"), False),
        (replace(BASE, ordered=True), None),
    ],
)
def test_what_promises_less_breaks_consumers(new, breaking):
    changes = diff(BASE, new)
    assert ([one.breaking for one in changes] or [None])[0] is breaking
    if breaking:
        with pytest.raises(ContractError, match="without a new major version"):
            check_version(BASE, replace(new, version="1.9.0"))
    assert check_version(BASE, replace(new, version="2.0.0")) == changes


def test_changed_rules_under_the_old_version_are_warned_of_with_the_next(lake):
    keep_version(lake, BASE, "run-1")
    with pytest.warns(SlipwayWarning, match=r"its version is still 1\.0\.0: .*Set version=.1\.1\.0.\."):
        keep_version(lake, changed(0, at_most=9), "run-2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keep_version(lake, replace(changed(0, at_most=9), quarantine_share=0.7), "run-3")
        keep_version(lake, replace(changed(0, at_most=8), version="1.1.0"), "run-4")


def test_a_change_is_described_in_whole_sentences():
    other = replace(BASE, references=[replace(BASE.references[0], to_columns=("nmae",))])
    assert [one.description for one in diff(BASE, other)] == [
        "kind_in_shop_kinds changed from 'kind exists in shop.kinds (name)' to 'kind exists in shop.kinds (nmae)'."
    ]


def test_a_wider_kind_breaks_unless_the_bounds_keep_the_values_narrow():
    free = changed(0, at_least=None, at_most=None)
    wide = replace(free, columns=[replace(free.columns[0], type="int64"), *free.columns[1:]])
    assert [one.breaking for one in diff(free, wide)] == [True]


def test_a_column_that_is_gone_and_an_order_that_is_not_kept_break():
    fewer = replace(BASE, columns=BASE.columns[:2], keys=[])
    assert next((one.columns, one.breaking) for one in diff(BASE, fewer)) == (("at",), True)
    ordered = replace(BASE, ordered=True)
    assert diff(ordered, replace(ordered, columns=ordered.columns[::-1]))[0].breaking
    assert diff(ordered, BASE)[0].breaking


def test_every_version_is_kept_once_and_a_break_names_the_models_that_it_hits(lake):
    assert versions_of(lake, BASE.table) == []
    assert keep_version(lake, BASE, "run-1") == []
    assert keep_version(lake, BASE, "run-2") is None
    keep_version(lake, transactions_contract, "run-2")
    stricter = replace(changed(0, at_most=9), version="1.1.0")
    assert [one.breaking for one in keep_version(lake, stricter, "run-3")] == [False]
    with pytest.raises(ContractError) as caught:
        keep_version(lake, replace(BASE, version="1.2.0"), "run-4", consumers=["shop.scorer", "shop.ranker"])
    assert "shop.scorer, shop.ranker" in caught.value.what
    assert "The maximum of id changed from 9 to 10" in caught.value.what
    assert caught.value.nearest == "2.0.0"
    keep_version(lake, replace(BASE, version="2.0.0"), "run-5")
    kept = versions_of(lake, BASE.table)
    assert [(one.contract.version, one.run_id) for one in kept] == [
        ("1.0.0", "run-1"),
        ("1.1.0", "run-3"),
        ("2.0.0", "run-5"),
    ]
    assert kept[0].contract == BASE
    assert kept[2].changes == ("breaking: The maximum of id changed from 9 to 10.",)


@pytest.mark.parametrize(("version", "number"), [("2.3.4", 2), ("v3", 3), ("10", 10), ("draft", 0)])
def test_the_major_version_is_the_first_number(version, number):
    assert major(version) == number


ODD = Contract(
    table="shop.odd",
    version="1",
    owner="team:shop",
    columns=[
        Column("a.b", "text", description=""),
        Column("null", "text", description="No.", one_of=("yes", "~", "1.0")),
    ],
    references=[Reference("a.b", "shop.kinds", "n.m"), Reference(("a.b", "null"), "shop.kinds", ("n.m", "o"))],
)


@pytest.mark.parametrize("contract", [FULL, BASE, ODD, transactions_contract], ids=["full", "base", "odd", "fraud"])
def test_nothing_is_lost_on_the_way_through_json_yaml_and_python(contract):
    assert from_json(to_json(contract)) == contract
    assert to_json(from_json(to_json(contract))) == to_json(contract)
    assert from_odcs(to_odcs(contract)) == contract
    names = {}
    exec(to_python(contract, "Test."), names)  # noqa: S102  # what the product wrote itself
    assert names[f"{contract.table.split('.')[1]}_contract"] == contract


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (
            '{"table": "a.b", "version": "1", "owner": "o", "columns": [{"name": "a", "type": "text"}]}',
            "description is missing",
        ),
        ('{"table": "a.b", "version": "1", "owner": "o", "columns": [], "colums": 1}', "no field 'colums'"),
    ],
)
def test_json_that_is_no_contract_is_one_clear_error(text, what):
    with pytest.raises(DeclarationError, match=what):
        from_json(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [", "not YAML"),
        ("a: b", "not an ODCS data contract"),
        ("kind: DataContract\napiVersion: v2.2.2", "not supported"),
        ("kind: DataContract\napiVersion: v3.1.0\nschema: []", "0 tables"),
    ],
)
def test_yaml_that_is_no_contract_is_one_clear_error(text, what):
    with pytest.raises(DeclarationError, match=what):
        from_odcs(text)


def test_what_others_wrote_is_taken_over_as_far_as_a_contract_can_hold_it():
    whole = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": "x",
        "version": "1.2.0",
        "status": "active",
        "domain": "shop",
        "team": [{"username": "someone@example.org"}],
        "slaProperties": [{"property": "latency", "value": 4, "unit": "d"}],
        "schema": [
            {
                "name": "orders",
                "quality": [{"type": "text", "name": "good", "description": "Be good."}],
                "properties": [
                    {"name": "id", "logicalType": "integer", "primaryKey": True, "required": True},
                    {
                        "name": "at",
                        "logicalType": "timestamp",
                        "logicalTypeOptions": {"minimum": "2018-04-01T00:00:00"},
                    },
                    {"name": "x", "logicalType": "number", "logicalTypeOptions": {"multipleOf": 2}},
                ],
            }
        ],
    }
    with pytest.warns(SlipwayWarning, match=r"latency, quality good") as caught:
        found = from_odcs(json.dumps(whole))
    assert "x.multipleOf" in str(caught[0].message)
    assert (found.table, found.owner, found.version) == ("shop.orders", "someone@example.org", "1.2.0")
    assert found.columns == (
        Column("id", "int64", description="id", unique=True),
        Column("at", "timestamp", description="at", nullable=True, at_least=moment("2018-04-01")),
        Column("x", "float64", description="x", nullable=True),
    )

"""Rows and days checked against a contract: every row is either good or in quarantine, with all rules it breaks.

What belongs here: sort_rows and check results, on Arrow tables. Not: landing (tests/integration/test_landing.py) and
declaring contracts (test_declarations.py).
"""

import math
from collections import Counter
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.audit import (
    SAMPLE_ROWS,
    freshness_check_result,
    row_check_results,
    sort_rows,
    volume_check_result,
)
from lakehouse.contracts.contract import Column, Contract
from lakehouse.tables.check_result import RULE, AuditError, CheckResult, require
from tests.reference import moment

COLUMNS = (
    Column("id", "int64", description="Number.", unique=True, at_least=0),
    Column("at", "timestamp", description="When.", at_least=moment("2000-01-01"), at_most=moment("2100-01-01")),
    Column("amount", "float64", description="Paid.", at_least=0, at_most=100),
    Column("rate", "float64", description="Any number.", nullable=True),
    Column("state", "int16", description="Where it is.", one_of=(0, 1)),
    Column("place", "text", description="Where.", nullable=True, unique=True, one_of=("here", "there", "gone")),
    Column("sure", "bool", description="Whether."),
)


def contract(*columns, **further):
    return Contract(table="shop.payments", version="1.0.0", owner="team:shop", columns=columns or COLUMNS, **further)


def rows(*given, declared=None):
    """Good rows, but for what is given."""
    good = {"at": moment("2018-04-01"), "amount": 5.0, "rate": 0.5, "state": 0, "place": None, "sure": True}
    named = [{"id": number, **good, **row} for number, row in enumerate(given)]
    return pa.Table.from_pylist(named, (declared or contract()).schema)


def broken_rules(*given):
    parted = sort_rows(contract(), rows(*given))
    return [row[RULE] for row in parted.failed_rows.to_pylist()]


def test_good_rows_come_out_as_they_went_in():
    table = rows({}, {"place": "here"}, {"place": "there", "rate": None})
    parted = sort_rows(contract(), table)
    assert parted.good.equals(table)
    assert parted.failed_rows.schema == table.schema.append(pa.field(RULE, pa.string()))
    assert (len(parted.failed_rows), set(parted.counts.values())) == (0, {0})
    assert list(parted.counts) == list(contract().row_rules())


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"id": None}, "id_not_null"),
        ({"id": -1}, "id_in_range"),
        ({"at": None}, "at_not_null"),
        ({"at": moment("1999-12-31T23:59:59.999999")}, "at_in_range"),
        ({"at": moment("2100-01-01T00:00:00.000001")}, "at_in_range"),
        ({"amount": None}, "amount_not_null"),
        ({"amount": -0.01}, "amount_in_range"),
        ({"amount": 100.01}, "amount_in_range"),
        ({"amount": math.inf}, "amount_in_range"),
        ({"amount": -math.inf}, "amount_in_range"),
        ({"state": None}, "state_not_null"),
        ({"state": 2}, "state_one_of"),
        ({"place": "nowhere"}, "place_one_of"),
        ({"sure": None}, "sure_not_null"),
    ],
)
def test_a_row_that_breaks_one_rule_waits_with_its_name(change, rule):
    table = rows({}, change, {"place": "here"})
    parted = sort_rows(contract(), table)
    assert parted.good.equals(pa.concat_tables([table.slice(0, 1), table.slice(2)]))
    assert repr(parted.failed_rows.drop_columns(RULE).to_pylist()) == repr(table.slice(1, 1).to_pylist())
    assert parted.failed_rows.column(RULE).to_pylist() == [rule]
    assert {name: number for name, number in parted.counts.items() if number} == {rule: 1}


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0.0},
        {"amount": -0.0},
        {"amount": 100.0},
        {"at": moment("2000-01-01")},
        {"at": moment("2100-01-01")},
        {"state": 1},
        {"rate": math.nan},
        {"rate": math.inf},
        {"place": None},
    ],
)
def test_values_at_a_bound_and_where_nothing_is_declared_are_good(change):
    assert broken_rules(change) == []


def test_a_float_that_is_not_a_number_is_neither_given_nor_in_range():
    assert broken_rules({"amount": math.nan}) == ["amount_not_null, amount_in_range"]
    optional = contract(
        Column("amount", "float64", description="Paid.", nullable=True, at_least=0),
        Column("id", "int64", description="Number."),
    )
    parted = sort_rows(optional, pa.table({"amount": [math.nan, None, 1.0], "id": [1, 2, 3]}))
    assert parted.failed_rows.select(["id", RULE]).to_pylist() == [{"id": 1, RULE: "amount_in_range"}]


def test_of_equal_values_the_first_is_good():
    parted = sort_rows(contract(), rows({"id": 7}, {"id": 8}, {"id": 7}, {"id": 7, "place": "here"}))
    assert parted.good.column("id").to_pylist() == [7, 8]
    assert parted.failed_rows.column(RULE).to_pylist() == ["id_unique", "id_unique"]
    assert parted.counts["id_unique"] == 2


def test_nulls_are_no_repetition_where_they_are_allowed():
    assert broken_rules({"place": None}, {"place": None}) == []
    assert broken_rules({"id": None}, {"id": None}) == ["id_not_null", "id_not_null"]


def test_a_row_names_every_rule_that_it_breaks():
    found = broken_rules({"id": 1}, {"id": 1, "amount": -1.0, "state": 9, "sure": None, "at": None})
    assert found == ["id_unique, at_not_null, amount_in_range, state_one_of, sure_not_null"]


def test_no_rows_are_no_fault():
    parted = sort_rows(contract(), rows())
    assert (len(parted.good), len(parted.failed_rows)) == (0, 0)
    assert all(check_result.passed for check_result in row_check_results(contract(), parted))


def test_rows_in_several_chunks_are_judged_by_their_place_in_the_whole():
    table = pa.concat_tables([rows({}, {"state": 5}), rows({"id": 10}, {"id": 11, "amount": -1.0})])
    parted = sort_rows(contract(), table)
    assert parted.good.column("id").to_pylist() == [0, 10]
    assert parted.failed_rows.column("id").to_pylist() == [1, 11]
    assert parted.failed_rows.column(RULE).to_pylist() == ["state_one_of", "amount_in_range"]


def breaks(row, seen):
    """The rules that a row breaks, said plainly."""
    found = []
    if row["id"] is None:
        found.append("id_not_null")
    else:
        found += ["id_unique"] * (row["id"] in seen) + ["id_in_range"] * (row["id"] < 0)
    if row["amount"] is None:
        found.append("amount_not_null")
    elif not 0 <= row["amount"] <= 100:
        found += ["amount_not_null"] * math.isnan(row["amount"]) + ["amount_in_range"]
    if row["state"] is None:
        found.append("state_not_null")
    elif row["state"] not in {0, 1}:
        found.append("state_one_of")
    return found


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.one_of(st.none(), st.integers(-1, 4)),
                "amount": st.one_of(
                    st.none(), st.sampled_from([-1.0, -0.0, 0.0, 50.0, 100.0, 100.5, math.nan, math.inf])
                ),
                "state": st.one_of(st.none(), st.integers(-1, 2)),
            }
        ),
        max_size=12,
    )
)
def test_every_row_is_either_good_or_broken_with_all_its_rules(given_rows):
    table = rows(*given_rows).append_column("place_in_file", pa.array(range(len(given_rows)), pa.int64()))
    parted = sort_rows(contract(), table)
    seen, expected = set(), {}
    for place, row in enumerate(given_rows):
        found = breaks(row, seen)
        seen.add(row["id"])
        if found:
            expected[place] = set(found)
    named = {row["place_in_file"]: set(row[RULE].split(", ")) for row in parted.failed_rows.to_pylist()}
    assert named == expected
    good = parted.good.column("place_in_file").to_pylist()
    assert sorted([*good, *named]) == list(range(len(given_rows)))
    assert good == sorted(good)
    counted = Counter(rule for rules in expected.values() for rule in rules)
    assert {rule: number for rule, number in parted.counts.items() if number} == counted


# Check results.


def share_check_result(share, broken, good):
    declared = contract(quarantine_share=share)
    given = [{"amount": -1.0}] * broken + [{}] * good
    return {one.name: one for one in row_check_results(declared, sort_rows(declared, rows(*given)))}


@pytest.mark.parametrize(("broken", "passed"), [(0, True), (5, True), (6, False), (100, False)])
def test_more_broken_rows_than_the_share_allows_refuse_the_write(broken, passed):
    check_results = share_check_result(0.05, broken, 100 - broken)
    assert check_results["quarantine_share"].passed is passed
    assert check_results["quarantine_share"].blocking
    assert check_results["quarantine_share"].measured == {
        "share": broken / 100,
        "rows": 100,
        "rows_quarantined": broken,
    }
    assert check_results["amount_in_range"].passed is (broken == 0)
    assert not check_results["amount_in_range"].blocking
    assert check_results["amount_in_range"].measured == {"rows": 100, "failed_rows": broken, "share": broken / 100}
    assert [row["amount"] for row in check_results["amount_in_range"].sample] == [-1.0] * min(broken, SAMPLE_ROWS)
    if not passed:
        assert "amount is at least 0 and at most 100" in check_results["quarantine_share"].message


def test_a_share_of_nothing_tolerates_no_broken_row():
    assert share_check_result(0, 0, 3)["quarantine_share"].passed
    assert not share_check_result(0, 1, 1_000)["quarantine_share"].passed


def test_a_sample_shows_only_rows_that_break_the_rule():
    parted = sort_rows(contract(), rows({"amount": -1.0}, {"amount": -2.0, "state": 9}, {"state": 7}))
    check_results = {check_result.name: check_result for check_result in row_check_results(contract(), parted)}
    assert [row["amount"] for row in check_results["amount_in_range"].sample] == [-1.0, -2.0]
    assert [row["state"] for row in check_results["state_one_of"].sample] == [9, 7]


@pytest.mark.parametrize(
    ("newest", "freshness", "passed"),
    [
        ("2018-04-02T23:59:59", "1s", True),
        ("2018-04-02T23:59:58", "1s", False),
        ("2018-04-02T18:00", "6h", True),
        ("2018-04-02T17:59:59.999999", "6h", False),
        ("2018-04-01T23:59:59", "24h", False),
    ],
)
def test_the_newest_event_is_as_fresh_as_declared(newest, freshness, passed):
    days = [date(2018, 4, 2), date(2018, 4, 1)]
    check_result = freshness_check_result(contract(freshness=freshness), "at", rows({"at": moment(newest)}), days)
    assert (check_result.passed, check_result.blocking) == (passed, True)
    assert freshness in check_result.message


def test_a_weekday_is_compared_with_its_own_kind_once_five_are_known():
    # Sundays have a tenth of the others' rows.
    counts = {date(2018, 4, 1) + timedelta(days=number): 10 if number % 7 == 0 else 100 for number in range(36)}
    sunday = max(counts)
    assert sunday.weekday() == 6
    by_weekday, by_any_day = contract(), contract(volume_by="day")
    assert volume_check_result(by_weekday, {sunday: 10}, counts).passed
    assert not volume_check_result(by_any_day, {sunday: 10}, counts).passed
    full = volume_check_result(by_weekday, {sunday: 100}, counts)
    assert not full.passed
    assert "typical: 10" in full.message
    assert volume_check_result(by_any_day, {sunday: 100}, counts).passed


def by_day(*counts):
    return {date(2018, 4, 1) + timedelta(days=number): count for number, count in enumerate(counts)}


@pytest.mark.parametrize(
    ("delivered", "published", "odd"),
    [
        ([100, 100, 100, 100, 50], [], 0),
        ([100, 100, 100, 100, 49], [], 1),
        ([100, 100, 100, 100, 200], [], 0),
        ([100, 100, 100, 100, 201], [], 1),
        ([100, 100, 100, 0, 201], [], 2),
        ([0], [100, 100, 100, 100], 1),
        ([100, 100, 100, 0], [], None),
    ],
)
def test_a_day_has_about_as_many_rows_as_others_once_five_are_known(delivered, published, odd):
    later = {day + timedelta(days=10): count for day, count in by_day(*published).items()}
    check_result = volume_check_result(contract(), by_day(*delivered), later)
    assert check_result.blocking
    if odd is None:
        assert check_result.passed
        assert "needs 5 days" in check_result.message
    else:
        assert (check_result.passed, check_result.measured["odd_days"]) == (not odd, odd)


def test_only_delivered_days_are_judged_by_their_volume():
    published = {day + timedelta(days=10): count for day, count in by_day(100, 1, 100, 100, 100, 900).items()}
    assert volume_check_result(contract(), by_day(100), published).passed
    assert not volume_check_result(contract(), by_day(10), published).passed


def test_an_odd_day_is_named_with_its_rows():
    check_result = volume_check_result(contract(), by_day(100, 100, 100, 100, 7), {})
    assert "2018-04-05 with 7" in check_result.message
    assert "median is 100 rows per day" in check_result.message


def test_a_failed_blocking_check_result_refuses_and_names_itself_and_the_branch():
    check_results = [
        CheckResult("fine", passed=True, message="All is well."),
        CheckResult("noted", passed=False, message="Worth knowing.", blocking=False),
        CheckResult("volume", passed=False, message="Too few rows."),
        CheckResult("freshness", passed=False, message="Too old."),
    ]
    require("shop.payments", check_results[:2])
    with pytest.raises(AuditError) as caught:
        require("shop.payments", check_results, "audit-1")
    error = caught.value
    assert error.what == "The audit of shop.payments failed, nothing was published: Too few rows. Too old."
    assert error.where == "shop.payments, check volume, freshness"
    assert "--at audit-1" in error.fix
    assert error.check_results == check_results
    with pytest.raises(AuditError, match="Fix the delivery"):
        require("shop.payments", check_results)

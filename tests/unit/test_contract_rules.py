"""What a contract can declare, and what sorting rows by it makes of them: beside pandera, and rule by rule.

What belongs here: declarations that are found wrong when they are made, rules over several columns, keys, references,
distributions. Not: the rules of single columns by example (test_contracts.py), whole tables
(conformance/test_audits.py) and versions (test_contract_versions.py).
"""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.audit import row_check_results
from lakehouse.contracts.contract import Column, Contract, Distribution, Reference, Rule
from lakehouse.contracts.distributions import distribution_check_results, like_reference
from lakehouse.contracts.pandera_schema import pandera_column, to_pandera
from lakehouse.contracts.row_checks import readable_rules, sort_rows
from lakehouse.errors import ContractError, DeclarationError
from lakehouse.tables.check_result import RULE
from tests.reference import moment

COLUMNS = (
    Column("id", "int64", description="Number.", unique=True),
    Column("line", "int32", description="Line.", nullable=True),
    Column("at", "timestamp", description="When.", nullable=True),
    Column("paid", "timestamp", description="When it was paid.", nullable=True),
    Column("amount", "float64", description="Paid.", nullable=True),
    Column("limit", "int32", description="At most.", nullable=True),
    Column("kind", "text", description="Which.", nullable=True),
)


def contract(*columns, **further):
    return Contract(table="shop.payments", version="1.0.0", owner="team:shop", columns=columns or COLUMNS, **further)


def rows(*given_rows, declared=None):
    named = [{"id": number, **row} for number, row in enumerate(given_rows)]
    return pa.Table.from_pylist(named, (declared or contract()).schema)


def broken(declared, *given_rows, **more):
    """The rules that each row breaks, by its place."""
    parted = sort_rows(declared, rows(*given_rows), **more)
    return {row["id"]: row[RULE] for row in parted.failed_rows.to_pylist()}


# Declarations.


@pytest.mark.parametrize(
    ("make", "what", "nearest"),
    [
        (lambda: contract(rules=[Rule("r", "amuont > 1", "More.")]), "no column amuont", "amount"),
        (lambda: contract(rules=[Rule("r", "amount >", "More.")]), "cannot be parsed", None),
        (lambda: contract(rules=[Rule("r", "amount + 1", "More.")]), "not BOOLEAN", None),
        (lambda: contract(rules=[Rule("r", "kind > 1", "More.")]), "compares a number", "kind > '1'"),
        (lambda: contract(rules=[Rule("r", "1 = 1", "True.")]), "not reference a column", "id"),
        (lambda: contract(rules=[Rule("r", "round(amount) = 1", "Round.")]), "cannot be used", "floor(amount + 0.5)"),
        (lambda: contract(rules=[Rule("r", "wound(amount) = 1", "Wound.")]), "cannot be used", None),
        (lambda: contract(rules=[Rule("r", "amount < 'big'", "Small.")]), "compares a number with a text", None),
        (lambda: contract(rules=[Rule("r", "amount < '5'", "Small.")]), "compares a number", "amount < 5"),
        (lambda: contract(rules=[Rule("r", "kind = 5", "Five.")]), "compares a number", "kind = '5'"),
        (lambda: contract(rules=[Rule("r", "kind = line", "Same.")]), "compares a number with a text", None),
        (lambda: contract(rules=[Rule("r", "amount in (1, 'big')", "Small.")]), "is invalid", None),
        (lambda: contract(rules=[Rule("r", "amount + 1 < 'big'", "Small.")]), "is invalid", None),
        (lambda: contract(rules=[Rule("r", "at < 'soon'", "Early.")]), "is invalid", None),
        (lambda: contract(rules=[Rule("r", "lenght(kind) = 1", "Long.")]), "cannot be used", "length"),
        (lambda: contract(rules=[Rule("r", "amount > (select 1)", "Sub.")]), "cannot be used", None),
        (lambda: contract(rules=[Rule("r", "amount::int = 1", "Whole.")]), "cast", None),
        (lambda: contract(rules=[Rule("r", r"kind like 'a\%'", "Like.")]), "backslash", None),
        (lambda: contract(rules=[Rule("r", "substring(kind, 0, 2) = 'a'", "Sub.")]), "outside of a text", None),
        (lambda: contract(rules=[Rule("r", "substring(kind, line) = 'a'", "Sub.")]), "outside of a text", None),
        (lambda: contract(rules=[Rule("r", "regexp_matches(kind, kind)", "Re.")]), "must be a string literal", None),
        (lambda: contract(rules=[Rule("r", "regexp_matches(kind, '(?m)^a$')", "Re.")]), "means different things", None),
        (
            lambda: contract(Column("sure", "bool", description="S."), rules=[Rule("r", "1 = sure", "Sure.")]),
            "compares a boolean",
            "sure = true",
        ),
        (lambda: Rule("no name", "amount > 1", "More."), "not a valid name", "no_name"),
        (lambda: Rule("r", "amount > 1", "More.", action="blok"), "Invalid", "block"),
        (lambda: contract(rules=[Rule("id_unique", "id > 1", "More.")]), "Two rules", "id_unique_2"),
        (lambda: contract(keys=[("id", "lien")]), "no column 'lien'", "line"),
        (lambda: contract(keys=[("line",)]), "two or more columns", "Column('line', ..., unique=True)"),
        (lambda: contract(references=[Reference("kinds", "shop.kinds")]), "no column 'kinds'", "kind"),
        (lambda: Reference("kind", "kinds"), "not a table name", "domain.kinds"),
        (lambda: Reference(("kind", "line"), "shop.kinds", ("name",)), "columns has 2 names", None),
        (lambda: contract(distributions=[Distribution("amont", null_share=0.1)]), "no column 'amont'", "amount"),
        (lambda: contract(distributions=[Distribution("kind", quantiles={0.5: (1, 2)})]), "no quantiles", "shares"),
        (lambda: contract(distributions=[Distribution("line", shares={"a": (0, 1)})]), "not a valid value", None),
        (lambda: Distribution("amount"), "has no bounds", "null_share=0.05"),
        (lambda: Distribution("amount", null_share=1.5), "not a share", "1"),
        (lambda: Distribution("amount", quantiles={0.5: (3, 2)}), "No value lies between", "(2, 3)"),
        (lambda: Distribution("kind", shares={"a": (0.5, 1.5)}), "cannot lie", None),
        (lambda: Distribution("kind", null_share=0.1, action="quarantine"), "Invalid", "block"),
        (lambda: contract(then={"volum": "warn"}), "no check named 'volum'", "volume"),
        (lambda: contract(then={"volume": "quarantine"}), "Invalid", "block"),
        (lambda: contract(may_add={"*": "ignor"}), "Invalid", "ignore"),
        (lambda: contract(volume_by="month"), "Invalid", "day"),
        (lambda: Column("a", "text", description="A.", matches="[a"), "not a regular expression", None),
        (
            lambda: Column("a", "text", description="A.", matches=r"(?s)a.\C"),
            "means different things",
            "[A-Z]{2}[0-9]+",
        ),
        (lambda: Column("a", "int64", description="A.", matches="a"), "for text columns", "one_of"),
        (lambda: Column("a", "int64", description="A.", shortest=1), "for text columns", "at_least"),
        (lambda: Column("a", "text", description="A.", shortest=3, longest=2), "No text", "shortest=2, longest=3"),
        (lambda: Column("a", "text", description="A.", longest=-1), "not a valid length", "0"),
        (lambda: Column("a", "int64", description="A.", one_of=("1",)), "not a valid value", "1"),
        (lambda: Column("a", "text", description="A.", one_of=(1,)), "not a valid value", "'1'"),
        (lambda: Column("a", "float64", description="A.", at_most=math.inf), "not a valid bound", None),
    ],
)
def test_a_wrong_declaration_is_found_when_it_is_made(make, what, nearest):
    with pytest.raises(DeclarationError) as caught:
        make()
    assert what in caught.value.what.replace('"', "").replace("column 'amuont'", "column amuont")
    assert nearest is None or caught.value.nearest == nearest
    assert caught.value.where or caught.value.nearest


def test_a_contract_lists_its_checks_and_whether_they_block():
    declared = contract(
        keys=[("line", "kind")],
        rules=[Rule("fits", "amount <= limit", "It fits.", action="block")],
        references=[Reference("kind", "shop.kinds", "name", action="warn")],
        distributions=[Distribution("amount", null_share=0.1, action="warn")],
        then={"volume": "warn", "id_not_null": "block"},
    )
    blocking = {name: blocks for name, (_, blocks) in declared.checks().items()}
    assert blocking == {
        "id_not_null": True,
        "id_unique": False,
        "line_kind_unique": False,
        "fits": True,
        "kind_in_shop_kinds": False,
        "quarantine_share": True,
        "schema": True,
        "volume": False,
        "freshness": True,
        "changes": True,
        "anomalies": False,
        "id_unique_across_deliveries": True,
        "line_kind_unique_across_deliveries": True,
        "amount_distribution": False,
    }


def test_columns_that_may_be_added_are_named_by_patterns():
    declared = contract(may_add={"note_*": "ignore", "n*": "warn"})
    assert [declared.on_added(name) for name in ("note_1", "new", "else")] == ["ignore", "warn", "block"]


def test_what_is_not_used_leaves_the_fingerprint_as_it_was():
    plain = contract()
    assert plain.fingerprint() == replace(plain, owner="team:other").fingerprint()
    for further in ({"keys": [("id", "line")]}, {"volume_by": "day"}, {"rules": [Rule("r", "id > 1", "More.")]}):
        assert replace(plain, **further).fingerprint() != plain.fingerprint()


# Rules over several columns.


@pytest.mark.parametrize(
    ("sql", "row", "good"),
    [
        ("amount <= limit", {"amount": 1.0, "limit": 1}, True),
        ("amount <= limit", {"amount": 1.5, "limit": 1}, False),
        ("amount <= limit", {"amount": None, "limit": 1}, True),
        ("amount <= limit", {"amount": math.nan, "limit": 1}, False),
        ("amount <= limit", {"amount": -math.inf, "limit": 1}, True),
        ("amount = 0.1", {"amount": 0.1}, True),
        ("line * limit > 0", {"line": 2**31 - 1, "limit": 2**31 - 1}, True),
        ("line / limit = 0.5", {"line": 1, "limit": 2}, True),
        ("line / nullif(limit, 0) = 0.5", {"line": 1, "limit": 0}, True),
        ("limit <> 0 and line / limit = 0.5", {"line": 1, "limit": 0}, False),
        ("limit = 0 or line / limit = 0.5", {"line": 1, "limit": 0}, True),
        ("paid < at + interval 1 day", {"at": moment("2018-04-01"), "paid": moment("2018-04-02")}, False),
        ("case when kind = 'a' then line is not null else true end", {"kind": "a", "line": None}, False),
        ("case when kind = 'a' then line is not null else true end", {"kind": "b", "line": None}, True),
        ("KIND = 'a' or Kind like 'b%'", {"kind": "bc"}, True),
    ],
)
def test_a_rule_holds_for_a_row_or_does_not(sql, row, good):
    declared = contract(rules=[Rule("holds", sql, "It holds.")])
    assert broken(declared, row) == ({} if good else {0: "holds"})


def test_what_happens_to_a_row_is_the_rules_own():
    declared = contract(
        rules=[
            Rule("small", "amount < 10", "It is small.", action="warn"),
            Rule("positive", "amount > 0", "It is more than nothing.", action="block"),
        ],
        quarantine_share=0.5,
    )
    parted = sort_rows(declared, rows({"amount": 1.0}, {"amount": 20.0}, {"amount": -1.0}))
    assert parted.good.column("id").to_pylist() == [0, 1]
    assert parted.counts["small"] == parted.counts["positive"] == 1
    check_results = {one.name: one for one in row_check_results(declared, parted)}
    assert (check_results["small"].passed, check_results["small"].action) == (False, "warn")
    assert [row["id"] for row in check_results["small"].sample] == [1]
    assert (check_results["positive"].passed, check_results["positive"].blocking) == (False, True)
    assert check_results["positive"].measured == {"rows": 3, "failed_rows": 1, "share": 1 / 3}


@pytest.mark.parametrize(
    ("sql", "row", "fault"),
    [
        ("line / limit > 0", {"line": 1, "limit": 0}, "division by zero"),
        ("amount / limit > 0 and line > 1", {"amount": 1.0, "limit": 0}, "division by zero"),
        ("line % limit = 0", {"line": 1, "limit": 0}, "division by zero"),
        ("id * id * id > 0", {"id": 2**40}, "64 bits"),
        ("kind::double > 0", {"kind": "x"}, "cast"),
    ],
)
def test_a_rule_that_raises_is_one_error_that_names_it(sql, row, fault):
    declared = contract(rules=[Rule("sound", "id >= 0", "Sound."), Rule("raises", sql, "It raises.")])
    with pytest.raises(ContractError) as caught:
        sort_rows(declared, rows({}, row))
    assert "raises" in caught.value.what
    assert fault in caught.value.what
    assert caught.value.where == "contract of shop.payments, rule raises"


# Keys, references, and what was judged elsewhere.


def test_of_equal_keys_the_first_is_good_and_nulls_are_none():
    declared = contract(keys=[("line", "kind")])
    found = broken(
        declared,
        {"line": 1, "kind": "a"},
        {"line": 1, "kind": "b"},
        {"line": 1, "kind": "a"},
        {"line": None, "kind": "a"},
        {"line": None, "kind": "a"},
        {"line": 1, "kind": "a"},
    )
    assert found == {2: "line_kind_unique", 5: "line_kind_unique"}


def test_values_are_looked_up_in_the_table_that_is_referred_to():
    declared = contract(references=[Reference(("kind", "line"), "shop.kinds", ("name", "number"))])
    kinds = pa.table({"number": [1, 2, 2], "name": ["a", "b", "b"]})
    given_rows = [
        {"kind": "a", "line": 1},
        {"kind": "a", "line": 2},
        {"kind": None, "line": 9},
        {"kind": "b", "line": 2},
    ]
    assert broken(declared, *given_rows, referenced={"shop.kinds": kinds}) == {1: "kind_line_in_shop_kinds"}
    with pytest.raises(ContractError, match="were not passed"):
        sort_rows(declared, rows(*given_rows))


def test_what_could_not_be_read_is_a_rule_of_its_own():
    flags = {"amount_readable": np.array([False, True, True])}
    assert set(flags) < set(readable_rules(contract()))
    parted = sort_rows(contract(), rows({}, {}, {"id": None}), flags=flags)
    assert parted.failed_rows.column(RULE).to_pylist() == ["amount_readable", "amount_readable, id_not_null"]
    assert parted.counts["amount_readable"] == 2
    check_results = {one.name: one for one in row_check_results(contract(), parted)}
    assert set(check_results) == {*contract().row_rules(), "quarantine_share"}  # whoever flagged them says so
    assert check_results["quarantine_share"].measured["rows_quarantined"] == 2
    assert "amount can be converted" in check_results["quarantine_share"].message


# Distributions.


def judged(declared, **columns):
    given_rows = pa.table({"id": range(len(next(iter(columns.values())))), **columns})
    full = {field.name: pa.nulls(len(given_rows), field.type) for field in declared.schema}
    full |= {name: given_rows.column(name).cast(declared.schema.field(name).type) for name in given_rows.schema.names}
    return {one.name: one for one in distribution_check_results(declared, pa.table(full, declared.schema))}


@given(
    st.lists(st.one_of(st.none(), st.sampled_from([*range(6), math.nan, math.inf])), max_size=30),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]),
    st.integers(-1, 6),
    st.integers(0, 4),
)
def test_a_quantile_in_its_range_is_numpys(values, quantile, low, width):
    one = Distribution("amount", quantiles={quantile: (low, low + width)}, null_share=0.5, least_rows=1)
    check_result = judged(contract(distributions=[one]), amount=pa.array(values, pa.float64()))["amount_distribution"]
    known = np.array([value for value in values if value is not None and not math.isnan(value)])
    found = np.quantile(known, quantile, method="inverted_cdf") if len(known) else low
    enough = not values or 1 - len(known) / len(values) <= 0.5
    assert check_result.passed is bool(low <= found <= low + width and enough)


def test_shares_of_values_are_judged_among_those_that_are_given():
    one = Distribution("kind", shares={"a": (0.4, 0.6), "b": (0.0, 0.1)}, least_rows=4, action="warn")
    declared = contract(distributions=[one])
    assert judged(declared, kind=["a", "a", "c", "c", None])["kind_distribution"].passed
    check_result = judged(declared, kind=["a", "b", "b", "b", None])["kind_distribution"]
    assert (check_result.passed, check_result.action) == (False, "warn")
    assert "25.00% equal to a; 75.00% equal to b" in check_result.message
    assert "needs 4 rows" in judged(declared, kind=["b", "b"])["kind_distribution"].message


def test_rows_unlike_those_that_the_champion_learned_from_are_found():
    declared = contract(distributions=[Distribution(name, like_champion=True) for name in ("amount", "kind", "at")])
    random = np.random.default_rng(0)

    def world(scale=1.0, shares=(0.5, 0.5), days=30, number=2_000):
        return pa.table(
            {
                "amount": random.lognormal(3, 1, number) * scale,
                "kind": random.choice(["a", "b"], number, p=shares),
                "at": np.datetime64("2018-04-01", "us") + random.integers(0, days * 86_400, number).astype("m8[s]"),
            }
        )

    reference = world()

    def odd(rows_now):
        return [one.name for one in like_reference(declared, rows_now, reference) if not one.passed]

    assert odd(world(number=500)) == []
    assert odd(world(scale=100, number=500)) == ["amount_distribution"]
    assert odd(world(shares=(0.95, 0.05), number=500)) == ["kind_distribution"]
    assert odd(world(days=3, number=500)) == ["at_distribution"]
    assert odd(world(scale=100, number=50)) == []  # too few to tell


# The reference is pandera's own result, on random contracts and rows.

NUMBERS = [-1, 0, 1, 2, 3]
FLOATS = [-math.inf, -1.5, -0.0, 0.0, 0.1, 1.0, 2.5, math.inf, math.nan]
TEXTS = ["", "a", "aa", "ab", "b", "Ä", "it's", "a\\", "a\n"]
TIMES = [moment("1999-12-31T23:59:59.999999"), moment("2000-01-01"), moment("2018-04-01T09:00")]


@st.composite
def random_columns(draw):
    kind = draw(st.sampled_from(["int64", "int16", "float64", "text", "timestamp", "bool"]))
    given_values = {"float64": FLOATS, "text": TEXTS, "timestamp": TIMES, "bool": [True, False]}.get(kind, NUMBERS)
    rules = {"nullable": draw(st.booleans()), "unique": draw(st.booleans())}
    if kind not in {"bool", "text"} and draw(st.booleans()):
        finite = [value for value in given_values if not isinstance(value, float) or math.isfinite(value)]
        low, high = sorted(draw(st.tuples(st.sampled_from(finite), st.sampled_from(finite))))
        rules |= draw(st.sampled_from([{"at_least": low}, {"at_most": high}, {"at_least": low, "at_most": high}]))
    if kind == "text":
        rules |= draw(st.sampled_from([{}, {"shortest": 1}, {"longest": 1}, {"shortest": 1, "longest": 2}]))
        rules |= draw(st.sampled_from([{}, {"matches": "[ab]+"}, {"matches": r"[a-z]*|a\\"}, {"matches": "a.?"}]))
    if kind in {"text", "int64", "int16"} and draw(st.booleans()):
        rules["one_of"] = tuple(draw(st.lists(st.sampled_from(given_values), min_size=1, max_size=3, unique=True)))
    return kind, rules, st.one_of(st.none(), st.sampled_from(given_values))


@st.composite
def contracts_and_rows(draw):
    chosen = draw(st.lists(random_columns(), min_size=1, max_size=3))
    columns = [Column(f"c{place}", kind, description="Any.", **rules) for place, (kind, rules, _) in enumerate(chosen)]
    declared = contract(*columns)
    number = draw(st.integers(0, 8))
    values = {f"c{place}": [draw(one) for _ in range(number)] for place, (_, _, one) in enumerate(chosen)}
    return declared, pa.table(values, declared.schema)


def pandera_keeps(declared, table):
    """Rule -> places of the rows that break it, as pandera finds them."""
    import pandera.polars as pandera

    found = {rule: set() for rule in declared.row_rules()}
    frame = pl.DataFrame(pl.from_arrow(table))
    for column in declared.columns:
        schema = pandera.DataFrameSchema({column.name: pandera_column(column)})
        try:
            schema.validate(frame.select(column.name), lazy=True)
        except pandera.errors.SchemaErrors as errors:
            for check, index in errors.failure_cases.select("check", "index").iter_rows():
                found[check if check in found else f"{column.name}_not_null"].add(index)
    return found


@given(contracts_and_rows())
def test_rows_are_sorted_as_pandera_sorts_them(drawn):
    declared, table = drawn
    expected = pandera_keeps(declared, table)
    parted = sort_rows(declared, table.append_column("place", pa.array(range(len(table)), pa.int64())))
    found = {rule: set() for rule in declared.row_rules()}
    for row in parted.failed_rows.to_pylist():
        for rule in row[RULE].split(", "):
            found[rule].add(row["place"])
    assert found == expected
    assert parted.counts == {rule: len(places) for rule, places in expected.items()}
    assert len(parted.good) + len(parted.failed_rows) == len(table)


def test_a_whole_schema_for_pandera_has_the_same_results_at_once():
    import pandera.errors

    to_pandera(contract()).validate(pl.DataFrame(pl.from_arrow(rows({}, {}))), lazy=True)
    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        to_pandera(contract()).validate(pl.DataFrame(pl.from_arrow(rows({"id": None}))), lazy=True)
    assert caught.value.failure_cases["check"].to_list() == ["not_nullable"]

"""What every engine promises of audits: one contract and one snapshot give the same check results.

What belongs here: audits of whole tables in DuckDB and on Spark. Not: checking rows in memory (tests/unit/).
"""

import math
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from lakehouse.contracts.contract import Column, Contract, Distribution, PanderaCheck, Reference, Rule
from lakehouse.contracts.expressions import in_duckdb, in_spark, understand
from lakehouse.contracts.referenced_tables import read_referenced
from lakehouse.contracts.row_checks import sort_rows
from lakehouse.engines.embedded.engine import EmbeddedEngine
from lakehouse.engines.spark.engine import SparkEngine
from lakehouse.errors import ContractError
from lakehouse.spark.session import spark_of
from lakehouse.tables.duck import connect, literal
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from tests.reference import moment

ENGINES = {"embedded": EmbeddedEngine().audit, "spark": SparkEngine().audit}

ORDERS = Contract(
    table="shop.orders",
    version="1.0.0",
    owner="team:shop",
    columns=[
        Column("id", "int64", description="Number.", unique=True, at_least=0),
        Column("line", "int32", description="Line.", nullable=True),
        Column("at", "timestamp", description="When.", at_least=moment("2000-01-01"), at_most=moment("2100-01-01")),
        Column("paid", "timestamp", description="When it was paid.", nullable=True),
        Column("amount", "float64", description="Paid.", at_least=0.1, at_most=100),
        Column("limit", "int32", description="At most.", nullable=True),
        Column("code", "text", description="What.", nullable=True, matches=r"[A-Z]{2}\d+'?\\?", shortest=3, longest=6),
        Column("state", "int16", description="Where it is.", one_of=(0, 1)),
        Column("kind", "text", description="Which.", nullable=True, one_of=("it's", "b")),
        Column("sure", "bool", description="Whether."),
    ],
    keys=[("line", "kind")],
    rules=[
        Rule("below_limit", "amount <= limit * 1.1", "The amount is below the limit."),
        Rule("paid_in_a_week", "paid <= at + interval 7 day and paid >= at", "Paid within a week.", action="warn"),
        Rule("by_the_line", "line > 0 and amount / line < 50", "The price of a line is below 50."),
        Rule("sure_when_large", "case when amount > 50 then sure else true end", "Large ones are sure."),
        Rule("a_day", "paid::date = at::date or hour(at) in (9, 10)", "Paid on the same day."),
        Rule("worded", "coalesce(lower(code), 'aa1') like 'a%' or isnan(amount)", "Begins with an a."),
        Rule("odd", r"line % 2 = 1 or regexp_matches(code, '\d$')", "Odd lines."),
    ],
    references=[Reference(("kind", "state"), "shop.kinds", ("name", "state"), action="warn")],
    distributions=[
        Distribution("amount", null_share=0.2, quantiles={0.5: (1.0, 10.0), 0.9: (1.0, 2.0)}, least_rows=5),
        Distribution("kind", shares={"b": (0.5, 1.0), "it's": (0.0, 0.1)}, action="warn", least_rows=5),
    ],
)


def orders():
    good = {
        "line": 1, "at": moment("2018-04-01T09:00"), "paid": moment("2018-04-01T10:00"), "amount": 5.0, "limit": 50,
        "code": "AB1", "state": 0, "kind": None, "sure": True,
    }  # fmt: skip
    late = moment("2018-04-01T23:30") + timedelta(days=9)
    changes = [
        {}, {}, {"id": 1_000}, {"at": None}, {"id": None}, {"id": -1}, {"line": None}, {"line": -3},
        {"line": 2, "kind": "b"},
        {"line": 2, "kind": "b", "state": 1}, {"line": 3, "kind": "it's"}, {"kind": "c"}, {"kind": ""},
        {"at": moment("1999-12-31T23:59:59.999999")}, {"paid": None}, {"paid": late}, {"paid": late, "at": late},
        {"amount": math.nan}, {"amount": math.inf}, {"amount": -math.inf}, {"amount": None}, {"amount": 0.1},
        {"amount": math.nextafter(0.1, 0)}, {"amount": -0.0}, {"amount": 55.00000000000001, "sure": False},
        {"limit": None}, {"limit": 2**31 - 1}, {"code": None}, {"code": ""}, {"code": "AB1\n"}, {"code": "AB1'\\"},
        {"code": "xAB12"}, {"code": "ÄÖ1"}, {"state": 2}, {"state": None}, {"sure": None}, {"sure": False},
    ]  # fmt: skip
    rows = [{"id": number + 1_000, **good, **change} for number, change in enumerate(changes)]
    return pa.Table.from_pylist(rows, ORDERS.schema)


@pytest.fixture(scope="module")
def shop(spark_lake):
    """A lakehouse with the orders, and the kinds that they refer to."""
    kinds = pa.table({"name": ["it's", "b", "b"], "state": pa.array([0, 0, 0], pa.int32())})
    tables = {ORDERS.table: orders(), "shop.kinds": kinds, "shop.none": orders().slice(0, 0)}
    for name, rows in tables.items():
        kept = rows.cast(pa.schema([f.with_type(pa.int32()) if f.type == pa.int16() else f for f in rows.schema]))
        draft = write_draft(spark_lake, TableShape(name, kept.schema, None), kept, Provenance("test-run", "test"))
        publish(spark_lake, draft)
    return spark_lake


@pytest.fixture(params=ENGINES)
def audit(request):
    return ENGINES[request.param]


def comparable(check_results):
    """The fields of check results that every engine must agree on."""
    return [(one.name, one.passed, one.message, one.action, dict(one.measured)) for one in check_results]


def test_both_engines_give_the_same_check_results(shop):
    embedded, on_spark = (comparable(audit(shop, ORDERS)) for audit in ENGINES.values())
    assert on_spark == embedded
    where, few = "amount > 1 and state = 0", replace(ORDERS, keys=(), references=(), rules=())
    embedded, on_spark = (comparable(audit(shop, few, where=where)) for audit in ENGINES.values())
    assert on_spark == embedded


def test_a_whole_table_fails_the_rules_that_its_rows_fail_in_memory(shop, audit):
    parted = sort_rows(ORDERS, orders(), read_referenced(shop, ORDERS))
    check_results = {one.name: one for one in audit(shop, ORDERS)}
    counted = {name: check_results[name].measured["failed_rows"] for name in ORDERS.row_rules()}
    assert counted == parted.counts
    assert sum(number > 0 for number in counted.values()) >= 20, counted
    for name, number in counted.items():
        if not name.endswith("_unique"):  # of equal rows a sample shows the first, too
            assert len(check_results[name].sample) == min(number, 5), name


def whole_cents(data):
    import polars as pl

    value = pl.col(data.key)
    return data.lazyframe.select((value * 100 - (value * 100).round()).abs() < 1e-6)


def test_a_custom_pandera_check_and_a_custom_rule_run_on_both_engines(shop):
    from tests.own_rule import MultipleOf

    amount = replace(ORDERS.column("id"), rules=[MultipleOf(7)])
    columns = [amount if one.name == "id" else one for one in ORDERS.columns]
    checks = [
        PanderaCheck("cents", whole_cents, column="amount"),
        PanderaCheck("cheap", lambda frame: frame.amount < 50, backend="pandas", action="warn"),
    ]
    declared = replace(ORDERS, columns=columns, rules=checks)
    embedded, on_spark = (comparable(audit(shop, declared)) for audit in ENGINES.values())
    assert on_spark == embedded
    broken = {name: measured["failed_rows"] for name, _, _, _, measured in embedded if "failed_rows" in measured}
    parted = sort_rows(declared, orders(), read_referenced(shop, declared))
    assert broken == parted.counts
    assert min(broken[name] for name in ("cents", "cheap", "id_multiple_of")) > 0, broken


def test_a_rule_that_raises_is_one_error_that_names_it(shop, audit):
    for sql, fault in (("amount / state < 5", "division by zero"), ("id * id * id * id * id * id * id > 0", "64 bits")):
        with pytest.raises(ContractError) as caught:
            audit(shop, replace(ORDERS, rules=[*ORDERS.rules, Rule("raises", sql, "It raises.")]))
        assert "raises" in caught.value.what
        assert fault in caught.value.what


def test_a_table_without_rows_passes(shop, audit):
    check_results = audit(shop, replace(ORDERS, table="shop.none"))
    assert all(one.passed for one in check_results)
    assert {one.name for one in check_results} > set(ORDERS.row_rules())


def test_a_missing_column_is_the_only_reported_failure(shop, audit):
    wanting = replace(ORDERS, columns=[*ORDERS.columns, Column("more", "int64", description="Not there.")])
    (only,) = audit(shop, wanting)
    assert (only.name, only.passed, only.blocking) == ("schema", False, True)
    assert "more is missing" in only.message


PATTERNS = [
    "^a$",
    "a$",
    ".",
    "^.$",
    r"\s",
    r"^\S+$",
    r"\v",
    r"\bb",
    r"a\B",
    "[[:alpha:]]",
    "[^[:alpha:]]",
    "[[:space:]-]",
    "[a&&b]",
    "[]a]",
    "[^]a]",
    "[[a]",
    r"[\s\S]",
    r"[^\s]",
    "x{,2}",
    "a{1,2}$",
    "a{",
    "(?i)STRASSE",
    "(?i:Ä)b?",
    "(?P<a_b>a)+",
    r"\Qa.b\E$",
    r"\p{L}",
    r"\PL",
    r"\p{^L}",
    r"\p{Greek}",
    r"\x{e4}|\x41",
    "^[^@\\s]+@[^@\\s]+$",
    r"\d\w\D\W?",
    "a|^$",
    r"\.",
    "#|é",
]
TEXTS = [
    "",
    " ",
    "a",
    "a\n",
    "\n",
    "a\r",
    "a\u2028",
    "a\x85",
    "a\x0b",
    "ab",
    "a b",
    "aä",
    "äb",
    "b",
    "ä",
    "Ä",
    "straße",
    "Straße",
    "STRASSE",
    "\u03b1",
    "é",
    "e\u0301",
    "😀",
    "a😀",
    "1a_ ",
    "٣a ",
    "]",
    "[",
    "&",
    "-",
    "x{,2}",
    "xx",
    "a{",
    "aa",
    "a.b",
    "a.b\n",
    "a@b",
    "a@ b",
    "A",
    "\u00a0",
    "\u3000",
    "\u212a",
    "\u017f",
    ":",
    "#",
]


def test_a_regular_expression_finds_the_same_in_both_engines(spark_lake):
    columns = (Column("t", "text", description="A text."),)
    trees = [understand(f"regexp_matches(t, {literal(pattern)})", columns, "here") for pattern in PATTERNS]
    others = ("trim(t) = t", "substring(t, 2) = 'b'", "length(trim(t)) = 0")
    trees += [understand(sql, columns, "here") for sql in others]
    with connect() as connection:
        connection.register("texts", pa.table({"t": TEXTS}))
        sql = ", ".join(f"{in_duckdb(tree)} as c{place}" for place, tree in enumerate(trees))
        embedded = connection.sql(f"select t, {sql} from texts").to_arrow_table().to_pylist()
    frame = spark_of(spark_lake).createDataFrame(pa.table({"t": TEXTS}))
    on_spark = frame.selectExpr("t", *(f"{in_spark(tree)} as c{place}" for place, tree in enumerate(trees)))
    by_text = {row["t"]: row for row in on_spark.toArrow().to_pylist()}
    odd = [
        (row["t"], (*PATTERNS, *others)[int(name[1:])])
        for row in embedded
        for name, value in row.items()
        if by_text[row["t"]][name] != value
    ]
    assert not odd

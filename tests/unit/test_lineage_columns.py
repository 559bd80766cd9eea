"""Column lineage: from which columns each column is made, and in what way.

What belongs here: edges of declarations and of SQL. Not: the events that carry them (integration/test_lineage.py).
"""

import pytest

from assets.credit.features import balance
from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from assets.fraud.model import fraud_scorer
from assets.fraud.sources import transactions
from assets.fraud.training import training
from benchmarks.derived_lineage import expected_pairs
from lakehouse.domain import Domain
from lakehouse.kinds import column_lineage as columns
from lakehouse.kinds.column_lineage import Edge, identity
from lakehouse.kinds.dbt_model import sql_columns
from lakehouse.kinds.feature_set import feature_columns
from lakehouse.kinds.graph import AssetGraph
from lakehouse.kinds.model import ModelAsset
from lakehouse.kinds.predictions import PredictionsAsset
from lakehouse.kinds.source import delivered_columns
from lakehouse.kinds.training_set import training_columns
from lakehouse.loading import load_domains
from lakehouse.transforms.lineage import follow
from lakehouse.transforms.project import TransformModel, load_project
from tests import scenario

INPUT = {"shop.orders": ["id", "customer", "amount", "paid_at", "email"], "shop.people": ["customer", "name"]}


def kinds(sql: str, *names: str) -> dict[str, dict[str, str]]:
    """Column of the result -> column it comes from -> `TYPE/SUBTYPE`, with a star where it is masked."""
    model = TransformModel(
        "model.shop.made", "shop.made", tuple(INPUT), sql, (), "", "", dict.fromkeys(names, ""), {}, None, 0, ()
    )
    followed = follow(model, INPUT)
    return {
        name: {
            f"{table.removeprefix('shop.')}.{column}": f"{way}/{subtype}{'*' if masked else ''}"
            for (table, column), (way, subtype, masked) in followed.kinds[name].items()
        }
        for name in names
    }


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("amount", {"orders.amount": "DIRECT/IDENTITY"}),
        ("(amount)", {"orders.amount": "DIRECT/IDENTITY"}),
        ("amount * 2", {"orders.amount": "DIRECT/TRANSFORMATION"}),
        ("cast(amount as varchar)", {"orders.amount": "DIRECT/TRANSFORMATION"}),
        ("sum(amount)", {"orders.amount": "DIRECT/AGGREGATION"}),
        ("sum(amount) / 2", {"orders.amount": "DIRECT/AGGREGATION"}),
        ("md5(email)", {"orders.email": "DIRECT/TRANSFORMATION*"}),
        ("count(*)", {}),
        (
            "sum(amount) over (partition by customer order by paid_at)",
            {
                "orders.amount": "DIRECT/AGGREGATION",
                "orders.customer": "INDIRECT/WINDOW",
                "orders.paid_at": "INDIRECT/WINDOW",
            },
        ),
        (
            "case when customer > 3 then amount end",
            {"orders.customer": "INDIRECT/CONDITIONAL", "orders.amount": "DIRECT/TRANSFORMATION"},
        ),
        (
            "sum(amount) filter (where customer > 3)",
            {"orders.customer": "INDIRECT/FILTER", "orders.amount": "DIRECT/AGGREGATION"},
        ),
    ],
)
def test_the_way_from_column_to_column_is_read_off_the_expression(expression: str, expected: dict[str, str]) -> None:
    assert kinds(f"select {expression} as made from shop.orders", "made")["made"] == expected


def test_ways_are_joined_through_common_tables_and_unions() -> None:
    sql = """
        with daily as (select customer, sum(amount) as total from shop.orders group by customer),
             both_ as (select total, customer from daily union all select amount, id from shop.orders)
        select total + 1 as total, customer from both_
    """
    assert kinds(sql, "total", "customer") == {
        "total": {"orders.amount": "DIRECT/AGGREGATION"},
        "customer": {"orders.customer": "DIRECT/IDENTITY", "orders.id": "DIRECT/IDENTITY"},
    }


def test_what_decides_whether_a_joined_row_is_there_is_a_join() -> None:
    sql = "select p.name from shop.orders o left join shop.people p on p.customer = o.customer"
    assert kinds(sql, "name")["name"] == {
        "people.name": "DIRECT/IDENTITY",
        "people.customer": "INDIRECT/JOIN",
        "orders.customer": "INDIRECT/JOIN",
    }


def test_rows_are_decided_by_filters_and_groups() -> None:
    model = TransformModel(
        "model.shop.made",
        "shop.made",
        tuple(INPUT),
        "select customer, count(*) as n from shop.orders where amount > 0 group by customer",
        (),
        "",
        "",
        {"customer": "", "n": ""},
        {},
        None,
        0,
        (),
    )
    found = sql_columns(follow(model, INPUT), model.columns)
    assert set(found.rows) == {
        Edge("shop.orders", "amount", "INDIRECT", "FILTER"),
        Edge("shop.orders", "customer", "INDIRECT", "GROUP_BY"),
    }


def test_a_feature_aggregates_its_measure_and_keys_and_times_only_decide_which_rows() -> None:
    found = feature_columns(customer_spend).columns
    spine = customer_spend.spine
    assert set(found) == {*customer_spend.spine_keys(), *customer_spend.columns}
    assert found["customer_id"] == (identity(spine, "customer_id"),)
    assert set(found["amount_mean_7d"]) == {
        Edge(spine, "amount", "DIRECT", "AGGREGATION"),
        Edge(spine, "tx_datetime", "INDIRECT", "WINDOW"),
        Edge(spine, "customer_id", "INDIRECT", "JOIN"),
    }
    assert found["tx_count_1d"], "a count comes from the rows that it counts"
    (weekend,) = feature_columns(transaction_time).columns["is_weekend"]
    assert weekend == Edge(spine, "tx_datetime", "DIRECT", "TRANSFORMATION")
    rate = feature_columns(terminal_risk).columns["is_fraud_rate_7d"]
    assert Edge("fraud.fraud_reports", "is_fraud", "DIRECT", "AGGREGATION") in rate


def test_what_a_derived_feature_reads_keeps_the_way_that_it_was_made_in() -> None:
    found = feature_columns(balance).columns["paid_share"]
    assert {(edge.column, edge.type, edge.subtype) for edge in found} == {
        ("pay_amount", "DIRECT", "AGGREGATION"),
        ("bill_amount", "DIRECT", "AGGREGATION"),
        ("statement_date", "INDIRECT", "WINDOW"),
        ("client_id", "INDIRECT", "JOIN"),
    }


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> AssetGraph:
    """All that is declared."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("declared") / "home")
    return AssetGraph(load_domains(), load_project(lake.settings, lake.home))


@pytest.mark.parametrize("domain", load_domains(), ids=lambda one: one.name)
def test_of_every_domain_each_edge_is_known_and_none_is_invented(domain: Domain, declared: AssetGraph) -> None:
    """Compared with a derivation of its own: sqlglot's lineage over the SQL, and the fields of declarations."""
    (source,) = domain.sources
    known = {asset.name: list(asset.column_lineage.columns) for asset in declared}
    known = {name: names for name, names in known.items() if name.startswith(f"{domain.name}.")}
    expected = expected_pairs(domain, {**known, source.name: source.shape.schema.names}, [source.name])
    assert len(expected) > 5
    for table, made in expected.items():
        found = {
            column: {(one.table, one.column) for one in edges}
            for column, edges in declared[table].column_lineage.columns.items()
        }
        assert {column: pairs for column, pairs in found.items() if pairs} == {
            column: pairs for column, pairs in made.items() if pairs
        }, table


def test_a_training_set_holds_every_column_as_it_is() -> None:
    found = training_columns(training)
    assert set(found.columns) == set(training.columns)
    assert found.columns["customer_spend__amount_mean_7d"] == (identity("fraud.customer_spend", "amount_mean_7d"),)
    assert identity("fraud.fraud_reports", "is_fraud") in found.columns["is_fraud"]
    assert Edge("fraud.terminal_risk", "terminal_id", "INDIRECT", "JOIN") in found.rows


def test_a_score_comes_from_the_model_and_from_what_the_models_inputs_are() -> None:
    edges = ModelAsset(fraud_scorer, training).column_lineage.columns["score"]
    assert {edge.column for edge in edges} == {*fraud_scorer.inputs, "is_fraud"}
    scored = PredictionsAsset(fraud_scorer, training).column_lineage.columns["score"]
    assert Edge("fraud.scorer", "score", "DIRECT", "TRANSFORMATION") in scored
    assert Edge("fraud.terminal_risk", "is_fraud_rate_7d", "DIRECT", "TRANSFORMATION") in scored
    assert Edge("fraud.stg_transactions", "amount", "DIRECT", "TRANSFORMATION") in scored
    assert not [edge for edge in scored if edge.column == "is_fraud"], "no score knows the label"


def test_a_landed_column_is_the_delivered_one_under_each_name_that_a_mapping_reads() -> None:
    from dataclasses import replace

    from lakehouse.sources.mappings import renamed, scaled

    found = delivered_columns(transactions).columns
    assert found["TX_AMOUNT"] == (identity("fraud.transactions", "TX_AMOUNT"),)
    assert "_file" not in found
    mapped = replace(transactions, mappings=(renamed("AMT", "TX_AMOUNT"), scaled("TX_AMOUNT", 0.01)))
    assert delivered_columns(mapped).columns["TX_AMOUNT"] == (
        Edge("fraud.transactions", "TX_AMOUNT", "DIRECT", "TRANSFORMATION"),
        Edge("fraud.transactions", "AMT", "DIRECT", "TRANSFORMATION"),
    )


def test_what_a_step_reported_wins_over_what_is_declared_now() -> None:
    declared = columns.ColumnLineage(
        {"a": (Edge("x", "a", "DIRECT", "AGGREGATION"), Edge("x", "b", "INDIRECT", "JOIN"))}
    )
    found = columns.as_reported(declared, {"a": frozenset({("x", "a"), ("y", "c")})})
    assert set(found.columns["a"]) == {
        Edge("x", "a", "DIRECT", "AGGREGATION"),
        Edge("y", "c", "DIRECT", "TRANSFORMATION"),
        Edge("x", "b", "INDIRECT", "JOIN"),
    }

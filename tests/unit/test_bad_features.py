"""What cannot be a feature is told with one clear error: what is wrong, where, what comes nearest, what to do.

What belongs here: wrong declarations and wrong types of columns. Not: bad spines of training frames
(integration/test_training_frame.py), settings, Spark and Java (integration/test_spark_start.py).
"""

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest

from lakehouse.domain import Domain
from lakehouse.engines.choice import engine_of
from lakehouse.errors import DeclarationError, SlipwayError
from lakehouse.feature_tables.build import build_feature_set
from lakehouse.features.compute import compute_rows
from lakehouse.features.feature_set import (
    Entity,
    FeatureSet,
    WindowAggregate,
    approx_quantile,
    attribute,
    count,
    derived,
    largest,
    mean,
    quantile,
    rate,
    smallest,
    std,
    total,
    trend,
    variance,
    weekend,
)
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domains
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from lakehouse.transforms.project import TransformProject, load_project
from tests import scenario


def spend(*features, **more) -> FeatureSet:
    """Features of customers in the fraud domain."""
    arguments = {"source": "fraud.stg_transactions", "event_time": "tx_datetime", "row_key": "transaction_id", **more}
    return FeatureSet(
        arguments.pop("name", "fraud.spend"),
        arguments.pop("entity", Entity("customer_id")),
        features=features,
        description="Spending.",
        owner="team:payments",
        **arguments,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Domain, TransformProject]:
    """The fraud domain and the dbt project."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("bad") / "home")
    (domain,) = load_domains(["fraud"])
    return domain, load_project(lake.settings, lake.home)


def error_of(wrong: Callable[[], object], kind: type[SlipwayError] = DeclarationError) -> SlipwayError:
    """The one error; it says what, where and what to do."""
    with pytest.raises(SlipwayError) as caught:
        wrong()
    assert type(caught.value) is kind
    assert caught.value.what.endswith(".")
    assert caught.value.where
    assert caught.value.fix
    return caught.value


def checked(world, *sets: FeatureSet) -> None:
    domain, project = world
    wrong = replace(domain, declarations=[*domain.declarations, *sets])
    AssetGraph([wrong], project).check(wrong)


@pytest.mark.parametrize(
    ("declared", "more", "name", "nearest"),
    [
        (mean("amuont").over("1d"), {}, "amuont", "amount"),
        (count("tx", where="amuont > 5").over("1d"), {}, "amuont", "amount"),
        (count("tx", by="terminal", values=(1,)).over("1d"), {}, "terminal", "terminal_id"),
        (attribute("amounts"), {}, "amounts", "amount"),
        (derived("twice", "amounts * 2"), {}, "amounts", "amount"),
        (count("tx").over("1d"), {"entity": Entity("customer")}, "customer", "customer_id"),
        (count("tx").over("1d"), {"event_time": "tx_date"}, "tx_date", "tx_datetime"),
        (count("tx").over("1d"), {"row_key": "transaction"}, "transaction", "transaction_id"),
        (count("tx").over("1d"), {"available_at": "known_at"}, "known_at", None),
    ],
    ids=["measure", "filter", "category", "attribute", "expression", "key", "time", "row_key", "available_at"],
)
def test_an_unknown_column_is_named_with_its_table_and_the_nearest(world, declared, more, name, nearest):
    error = error_of(lambda: checked(world, spend(declared, **more)))
    assert error.what == f"fraud.stg_transactions has no column {name!r}."
    assert error.where in {"feature set fraud.spend", "feature set fraud.spend, derived('twice')"}
    assert error.nearest == nearest
    assert "customer_id" in (error.fix or "")


def test_a_mistake_below_an_expression_is_named_before_the_expression_and_features_are_candidates(world):
    rates = [mean("amout").over("7d"), derived("beside_usual", "amount / amount_mean_7d")]
    error = error_of(lambda: checked(world, spend(*rates)))
    assert (error.what, error.nearest) == ("fraud.stg_transactions has no column 'amout'.", "amount")
    rates = [mean("amount").over("7d"), derived("beside_usual", "amount / amount_mean_d")]
    error = error_of(lambda: checked(world, spend(*rates)))
    assert error.where == "feature set fraud.spend, derived('beside_usual')"
    assert error.nearest == "amount_mean_7d"


def test_an_unknown_table_is_named_with_the_nearest(world):
    error = error_of(lambda: checked(world, spend(weekend(), source="fraud.stg_transaction")))
    assert error.what == "There is no table 'fraud.stg_transaction'."
    assert error.nearest == "fraud.stg_transactions"


TEXTS = pa.table(
    {
        "transaction_id": [1],
        "tx_datetime": pa.array([0], pa.timestamp("us")),
        "customer_id": [7],
        "channel": ["web"],
        "amount": [1.0],
    }
)


@pytest.mark.parametrize(
    "aggregate",
    [
        *(make("channel") for make in (total, mean, rate, smallest, largest, variance, std, trend)),
        quantile("channel", 0.5),
        approx_quantile("channel", 0.5),
    ],
    ids=lambda one: one.aggregation,
)
def test_a_text_is_rejected_by_every_aggregation_of_numbers(aggregate: WindowAggregate):
    one = spend(aggregate.over("1d"))
    error = error_of(lambda: compute_rows(one, {one.source: TEXTS}, TEXTS), SlipwayError)
    assert "string" in error.what
    assert error.where == f"feature set fraud.spend, {aggregate.place}"
    assert error.nearest == "a number"


def test_a_filter_over_columns_of_other_types_names_them():
    one = spend(count("tx", where="channel > 5").over("1d"))
    error = error_of(lambda: compute_rows(one, {one.source: TEXTS}, TEXTS), SlipwayError)
    assert "channel is string" in error.what
    assert error.where == "feature set fraud.spend, count('tx'), where"


def test_keys_of_another_type_than_the_tables_name_both_types():
    one = spend(count("tx").over("1d"), spine="fraud.fraud_reports")
    spine = TEXTS.set_column(2, "customer_id", pa.array(["7"]))
    error = error_of(lambda: compute_rows(one, {one.source: TEXTS}, spine), SlipwayError)
    assert "int64 and string" in error.what
    assert (error.where, error.nearest) == ("feature set fraud.spend, key of fraud.stg_transactions", "int64")


@pytest.mark.parametrize(("window", "nearest"), [("7", "7d"), ("-7d", "7d"), ("7 days", "7d"), ("", "7d")])
def test_a_window_without_a_unit_or_before_now_is_rejected(window, nearest):
    error = error_of(lambda: spend(mean("amount").over("1d", window)))
    assert error.what == f"{window!r} is not a duration."
    assert (error.where, error.nearest) == ("feature set fraud.spend, mean('amount'), window", nearest)
    assert "a unit: s, m, h or d" in (error.fix or "")


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ([mean("amount").over("1d"), mean("amount", where="amount > 5").over("1d")], "amount_mean_1d"),
        ([weekend(), derived("is_weekend", "amount > 5")], "is_weekend"),
        ([derived("customer_id", "amount * 2")], "customer_id"),
    ],
    ids=["two windows", "two kinds", "a key"],
)
def test_names_that_overlap_are_named(features, name):
    error = error_of(lambda: spend(*features))
    assert error.what == f"Two columns have the same name: {name}."


@pytest.mark.parametrize(
    "features",
    [
        [derived("a", "a + 1")],
        [derived("a", "b + 1"), derived("b", "a + 1")],
        [derived("a", "b + 1"), derived("b", "c + 1"), derived("c", "a + 1")],
    ],
    ids=["itself", "two", "three"],
)
def test_derived_features_in_a_circle_are_rejected(features):
    error = error_of(lambda: spend(*features))
    assert "which is not declared before it" in error.what
    assert error.where == "feature set fraud.spend"


def test_feature_sets_in_a_circle_are_rejected_with_the_circle(world):
    there = spend(mean("back_mean_1d").over("1d"), name="fraud.there", source="fraud.back")
    back = spend(mean("there_mean_1d", named="back").over("1d"), name="fraud.back", source="fraud.there")
    error = error_of(lambda: checked(world, there, back))
    assert error.what.startswith("Assets are inputs of each other: fraud.")
    assert error.what.count("fraud.there") + error.what.count("fraud.back") == 3, "round and back to the first"
    itself = spend(count("tx").over("1d"), name="fraud.itself", source="fraud.itself")
    assert "fraud.itself <- fraud.itself" in error_of(lambda: checked(world, itself)).what


@pytest.mark.parametrize("rows", [(0, 0), (0, 1), (1, 0)], ids=["neither", "no events", "no spine rows"])
def test_tables_without_rows_are_no_error_and_give_a_table(lake, rows):
    """Every row of the spine has its features: also when there is none, and when there are no events."""
    events, spine = (TEXTS.slice(0, number) for number in rows)
    for name, table in (("fraud.stg_transactions", events), ("fraud.orders", spine)):
        publish(lake, write_draft(lake, TableShape(name, table.schema, "tx_datetime"), table, scenario.provenance()))
    one = spend(count("tx").over("1d"), total("amount").over("1d"), spine="fraud.orders")
    built = build_feature_set(lake, engine_of(lake, one.engine), one, run_id="feature-run")
    assert (built.rows, [one.passed for one in built.check_results]) == (rows[1], [True] * len(built.check_results))
    assert (
        read(lake, one.name).select(["tx_count_1d", "amount_sum_1d"]).to_pylist()
        == [{"tx_count_1d": 0, "amount_sum_1d": 0.0}] * rows[1]
    )

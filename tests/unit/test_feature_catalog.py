"""The feature catalog's parts: words and formulas, search, distributions, duplicates, deprecation, examples, pictures.

What belongs here: each part on declarations and small tables made for it. Not: the site (integration/
test_catalog_site.py) and the command (integration/test_cli.py).
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from lakehouse.errors import DeclarationError, UnknownNameError
from lakehouse.feature_tables.equal_values import equal_features, remembered, twice_check_result
from lakehouse.features.duration import MICROSECONDS
from lakehouse.features.examples import all_differences
from lakehouse.features.feature_set import (
    Entity,
    Events,
    Example,
    FeatureSet,
    attribute,
    count,
    derived,
    hour_between,
    last,
    last_n,
    mean,
    quantile,
    since_last,
    total,
    trend,
    variance,
    weekend,
)
from lakehouse.features.sameness import check_together, deprecations
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domains
from lakehouse.reports.feature_catalog import drawing, wording
from lakehouse.reports.feature_catalog.details import _since, detail
from lakehouse.reports.feature_catalog.distribution import BARS, distributions
from lakehouse.reports.feature_catalog.entries import Search, _freshness, entries, find_entry, search
from lakehouse.reports.feature_catalog.lineage import Graph, Node, delivered, graph_of
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from lakehouse.transforms.project import load_project
from tests import scenario

AT = datetime(2018, 4, 1)  # noqa: DTZ001  # table times are UTC without a zone
PLACE = {"customer_id": 7, "paid_at": "2018-04-02 09:00"}
PAYMENTS = [
    {"customer_id": 7, "paid_at": "2018-04-01 09:00", "amount": 10.0},
    {"customer_id": 7, "paid_at": "2018-04-02 08:00", "amount": 20.0},
]


def spend(*features, **further) -> FeatureSet:
    """A feature set of a shop."""
    given = {
        "name": "shop.spend",
        "entity": Entity("customer_id"),
        "source": "shop.payments",
        "event_time": "paid_at",
        "row_key": "payment_id",
        "features": features or [count("pay").over("1d")],
        "description": "Spending.",
        "owner": "team:shop",
    }
    return FeatureSet(**{**given, **further})


def put(lake, name: str, columns: dict, days: int = 1) -> None:
    """Publish a table of a feature set: a row a minute, spread over so many days, and the given columns."""
    number = len(next(iter(columns.values())))
    start = int(AT.replace(tzinfo=UTC).timestamp()) * MICROSECONDS
    step = days * 86_400 * MICROSECONDS // number
    rows = pa.table(
        {
            "payment_id": np.arange(number),
            "paid_at": pa.array(start + step * np.arange(number), pa.timestamp("us")),
            "customer_id": np.arange(number) % 5,
            **columns,
        }
    )
    publish(lake, write_draft(lake, TableShape(name, rows.schema, "paid_at"), rows, scenario.provenance()))


# Formulas and units.

LATE = Events("shop.refunds", "refunded_at", delay="7d")
CLOSED = Events("shop.refunds", "refunded_at", available_at="known_at")


@pytest.mark.parametrize(
    ("declared", "formula"),
    [
        (count("pay").over("7d"), "count(*) over (t-7d, t], else 0"),
        (mean("amount", default=None).of(LATE).over("30d"), "mean(amount) over (t-7d-30d, t-7d]"),
        (total("amount", where="amount > 5").over("lifetime"), "sum(amount) where amount > 5 over (-inf, t], else 0"),
        (mean("amount", default=None).of(CLOSED).over("1h"), "mean(amount) over (t-1h, t], known by t (known_at)"),
        (count("pay", by="by", values=["web"]).over("1d"), "count(*) where by = 'web' over (t-1d, t], else 0"),
        (quantile("amount", 0.9).over("1d"), "quantile(amount, 0.9) over (t-1d, t]"),
        (since_last("pay").over("1d"), "t - time of the newest event over (t-1d, t]"),
        (since_last("pay").of(LATE).over("1d"), "(t-7d) - time of the newest event over (t-7d-1d, t-7d]"),
        (attribute("tier", ttl="30d"), "newest(tier) over (t-30d, t]"),
        (attribute("tier", until="ended_at"), "newest(tier) until ended_at over (-inf, t]"),
        (derived("share", "amount / pay_count_1d"), "amount / pay_count_1d"),
        (weekend(), "weekday(t) in (Saturday, Sunday)"),
        (hour_between(0, 6, "night", zone="Europe/Paris"), "hour(t in Europe/Paris) between 0 and 6"),
    ],
)
def test_a_formula_describes_what_is_computed_over_which_events(declared, formula):
    one = spend(declared)
    assert wording.formula(one, declared, declared.features()[0]) == formula


def test_without_own_events_the_window_is_open_at_its_end():
    one = spend(own_events=False)
    assert wording.formula(one, one.features[0], one.described()[0]) == "count(*) over (t-1d, t), else 0"


@pytest.mark.parametrize(
    ("declared", "unit"),
    [
        (count("pay").over("1d"), "events"),
        (mean("amount").over("1d"), "EUR"),
        (variance("amount").over("1d"), "EUR²"),
        (trend("amount").over("1d"), "EUR a day"),
        (since_last("pay").over("1d"), "seconds"),
        (attribute("amount"), "EUR"),
        (last("weight").over("1d"), None),
        (derived("share", "amount / 2"), None),
    ],
)
def test_a_unit_follows_from_the_measures_unit(declared, unit):
    assert wording.unit(spend(declared), declared, {("shop.payments", "amount"): "EUR"}) == unit


# Search.


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The fraud domain's entries in an empty lakehouse, and what each set is made from."""
    lake, domains = scenario.make_lake(tmp_path_factory.mktemp("empty") / "home"), load_domains(["fraud"])
    found, lineage = entries(lake, domains, None), AssetGraph(domains, load_project(lake.settings, lake.home))
    return found, {one.name: lineage.upstream(one.name) for one in found}, lineage, domains, lake


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Search(["MEAN 30d"]), ["customer_spend.amount_mean_30d"]),
        (Search(["fraud_rate", "1d"]), ["terminal_risk.is_fraud_rate_1d"]),
        (Search(["sunday"]), ["transaction_time.is_weekend"]),
        (Search(entity="transaction_id"), ["transaction_time.is_weekend", "transaction_time.is_night"]),
        (Search(["rate", "30d"], source="fraud.transactions"), ["terminal_risk.is_fraud_rate_30d"]),
        (Search(["nothing like it"]), []),
    ],
)
def test_a_search_finds_features_by_all_of_its_words_and_filters(listed, wanted, names):
    found = search(listed[0], wanted, listed[1])
    assert [one.name for one in found] == [f"fraud.{name}" for name in names]


def test_a_word_in_a_name_comes_before_a_word_in_a_meaning(listed):
    found = [one.feature.column for one in search(listed[0], Search(["fraud", "share"]), listed[1])]
    assert [name.startswith("is_fraud") for name in found] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        (Search(entity="customer"), "customer_id"),
        (Search(source="fraud.transaction"), "fraud.transactions"),
        (Search(owner="team:payment"), "team:payments"),
    ],
)
def test_a_filter_that_nothing_has_names_the_nearest(listed, wanted, nearest):
    with pytest.raises(UnknownNameError) as caught:
        search(listed[0], wanted, listed[1])
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("fraud.customer_spent", "fraud.customer_spend"),
        ("fraud.customer_spent.tx_count_1d", "fraud.customer_spend"),
        ("fraud.customer_spend.tx_counts_1d", "fraud.customer_spend.tx_count_1d"),
    ],
)
def test_an_unknown_name_names_the_nearest(listed, name, nearest):
    _, _, _, domains, lake = listed
    with pytest.raises(UnknownNameError) as caught:
        find_entry(lake, domains, None, name)
    assert caught.value.nearest == nearest


# Lineage.


def test_columns_are_followed_through_dbt_to_what_was_delivered(listed):
    lineage = listed[2]
    assert delivered(lineage, ("fraud.stg_transactions", "amount")) == [("fraud.transactions", "TX_AMOUNT")]
    assert delivered(lineage, ("fraud.transactions", "TX_FRAUD")) == [("fraud.transactions", "TX_FRAUD")]


def test_a_set_has_what_it_is_made_from_before_it_and_what_is_made_with_it_behind(listed):
    graph = graph_of(listed[2], terminal_risk)
    layers = {node.name.removeprefix("fraud."): (node.layer, node.kind) for node in graph.nodes}
    assert layers == {
        "transactions": (0, "source"),
        "stg_transactions": (1, "dbt model"),
        "fraud_reports": (1, "dbt model"),
        "terminal_risk": (2, "feature set"),
        "training": (3, "training set"),
        "scorer": (4, "model"),
        "predictions": (5, "predictions"),
    }


def test_a_picture_leaves_out_arrows_that_a_longer_path_implies_and_no_box_lies_on_another():
    nodes = [Node("a", "source", 0), Node("b", "table", 1), Node("c", "table", 1), Node("d", "model", 2)]
    edges = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "d"), ("c", "d")]
    drawn = drawing.picture(Graph(nodes, edges))
    assert len(drawn.arrows) == 4
    places = {(box.x, box.y) for box in drawn.boxes}
    assert len(places) == 4
    assert all(0 <= box.x <= drawn.width - drawing.BOX_WIDTH for box in drawn.boxes)
    assert all(0 <= box.y <= drawn.height - drawing.BOX_HEIGHT for box in drawn.boxes)


# Distributions.


def test_a_distribution_counts_every_row_once(lake):
    values = [0.0, 0.0, 1.5, None, *(2 + np.arange(400) / 400), 1e6]
    put(lake, "shop.spend", {"amount_sum_1d": values, "tier": ["b", "a", None, "a", *(["c"] * 401)]})
    found = distributions(lake, "shop.spend", ["tier", "amount_sum_1d", "not_there"], row_key="payment_id")
    assert list(found) == ["tier", "amount_sum_1d"]
    number, word = found["amount_sum_1d"], found["tier"]
    assert (number.rows, number.nulls, number.zeros) == (405, 1, 2)
    assert (number.least, number.most) == (0.0, 1e6)
    assert sum(bar.rows for bar in number.bars) == 404
    assert number.clipped
    assert drawing.ends(number)[1].startswith("≥")
    assert [(bar.label, bar.rows) for bar in word.bars] == [("c", 401), ("a", 2), ("b", 1)]
    assert word.null_share == 1 / 405


def test_whole_numbers_have_a_bar_each_and_a_column_of_nulls_has_none(lake):
    put(lake, "shop.spend", {"n": [1, 2, 2, 5], "nothing": pa.nulls(4, pa.float64()), "yes": [True, False, True, True]})
    found = distributions(lake, "shop.spend", ["n", "nothing", "yes"], row_key="payment_id")
    assert [bar.rows for bar in found["n"].bars] == [1, 2, 0, 0, 1]
    assert drawing.ends(found["n"]) == ("1", "5")
    assert [one.tooltip for one in drawing.histogram(found["n"], 50, 10)][:2] == ["1: 1 rows", "2: 2 rows"]
    assert (found["nothing"].null_share, list(found["nothing"].bars)) == (1.0, [])
    assert [bar.rows for bar in found["yes"].bars] == [1, 3]


def test_zeros_that_would_hide_all_other_values_are_left_out_of_the_bars(lake):
    mostly = [0.0] * 90 + [0.25, 0.5, 0.5, *[0.75] * 7]
    put(lake, "shop.spend", {"rate": mostly, "flag": [0] * 90 + [1] * 10, "few": [0.0] * 70 + [0.5] * 20 + [1.0] * 10})
    found = distributions(lake, "shop.spend", ["rate", "flag", "few"], row_key="payment_id")
    assert {name: one.without_zeros for name, one in found.items()} == {"rate": True, "flag": False, "few": False}
    rare = found["rate"]
    assert (rare.zeros, rare.least, rare.most, rare.quantiles[0.5]) == (90, 0.0, 0.75, 0.0)
    assert [bar.rows for bar in rare.bars if bar.rows] == [1, 2, 7]
    assert drawing.ends(rare) == ("0.25", "0.75")


@settings(max_examples=25)
@given(values=st.lists(st.floats(-1e9, 1e9) | st.integers(-40, 40).map(float) | st.none(), min_size=1, max_size=60))
def test_bars_hold_every_value_whatever_the_values(plain_lake, values):
    name = f"shop.t{abs(hash(tuple(values)))}"
    put(plain_lake, name, {"x": pa.array(values, pa.float64())})
    found = distributions(plain_lake, name, ["x"], row_key="payment_id")["x"]
    there = [one for one in values if one is not None]
    assert found.nulls == len(values) - len(there)
    there = [one for one in there if one or not found.without_zeros]
    assert sum(bar.rows for bar in found.bars) == len(there)
    assert len(found.bars) <= BARS + 1
    assert all(0 <= bar.height <= 10 and bar.y >= 0 for bar in drawing.histogram(found, 100, 10))


@pytest.fixture(scope="module")
def plain_lake(tmp_path_factory):
    return scenario.make_lake(tmp_path_factory.mktemp("plain") / "home")


def test_a_feature_is_there_since_the_first_snapshot_that_has_it(lake):
    put(lake, "shop.spend", {"x": [1.0]})
    first = lake.table("shop.spend").current_snapshot().timestamp_ms
    put(lake, "shop.spend", {"x": [2.0]})
    found = _since(lake, "shop.spend")["x"]
    assert not found.at_least
    assert found.day <= datetime.fromtimestamp(first / 1000, UTC)


def test_a_listing_shows_that_an_input_changed_without_looking_for_the_rows(lake, monkeypatch):
    def diff(*_):
        pytest.fail("looked at data")

    monkeypatch.setattr("lakehouse.feature_tables.build.narrowed", diff)
    one = spend()
    put(lake, one.source, {"amount": [1.0]})
    input_snapshots = {one.source: resolve(lake.table(one.source))}
    rows = read(lake, one.source).drop_columns("amount").append_column("pay_count_1d", pa.array([1]))
    made = Provenance("test", one.fingerprint(), input_snapshots)
    publish(lake, write_draft(lake, TableShape(one.name, rows.schema, "paid_at"), rows, made))
    assert _freshness(lake, one).because is None
    put(lake, one.source, {"amount": [2.0]})
    assert "shop.payments has a new snapshot" in (_freshness(lake, one).because or "")


# One feature, one name.


def test_what_another_set_computes_under_another_name_is_rejected():
    other = spend(count("orders").over("7d", "1d"), name="crm.activity")
    with pytest.raises(DeclarationError) as caught:
        check_together([spend(), other])
    assert caught.value.nearest == "shop.spend.pay_count_1d"
    assert "crm.activity.orders_count_1d" in caught.value.what


FILTERED = spend(
    count("pay", where="amount > 5 and channel in ('web', 'shop')").over("7d"),
    attribute("tier", ttl="30d"),
    weekend(),
    hour_between(0, 6, "night"),
    mean("amount").of(Events("shop.refunds", "refunded_at", delay="7d")).over("1d"),
    derived("loud", "amount / amount_mean_1d"),
)
REFUNDS = Events("shop.refunds", "refunded_at", delay="168h", keys=("customer_id",))


@pytest.mark.parametrize(
    "other",
    [
        [count("buys", where="(amount>5) AND (channel IN ('web','shop'))").over("7d")],
        [count("buys", where="amount > 5 and channel in ('web', 'shop')").over("168h")],
        [attribute("tier", named="status", ttl="720h")],
        [weekend("saturday_or_sunday")],
        [hour_between(0, 6, "is_dark")],
        [mean("amount", named="refunded").of(REFUNDS).over("24h")],
        [mean("amount", named="refunded").of(REFUNDS).over("24h"), derived("ratio", "(amount/refunded_mean_24h)")],
    ],
    ids=["spelling", "hours", "attribute", "weekend", "night", "delay", "derived"],
)
def test_one_feature_in_another_spelling_is_the_same_feature(other):
    with pytest.raises(DeclarationError, match="computes the same as") as caught:
        check_together([FILTERED, spend(*other, name="crm.activity")])
    assert caught.value.nearest.startswith("shop.spend.")
    assert caught.value.where == "feature set crm.activity"


def test_the_newest_of_n_is_the_last_and_a_filter_that_is_always_true_is_none():
    with pytest.raises(DeclarationError, match="computes the same as"):
        spend(last("city").over("7d"), last_n("city", 2).over("7d"))
    with pytest.raises(DeclarationError, match="computes the same as"):
        spend(count("pay").over("7d"), count("all", where="TRUE").over("7d"))
    spend(count("pay").over("7d"), count("none", where="FALSE").over("7d"))


def test_a_feature_made_of_another_sets_one_is_known_by_what_that_computes():
    base = spend(count("pay").over("1d"), name="shop.base")
    one = spend(derived("twice", "base__pay_count_1d * 2"), name="shop.one", uses=[base])
    same = replace(base, name="shop.same", features=[count("tx").over("24h")])
    other = spend(derived("doubled", "same__tx_count_24h * 2"), name="shop.other", uses=[same])
    with pytest.raises(DeclarationError, match=r"shop.other.doubled computes the same as shop.one.twice"):
        check_together([one, other])


@pytest.mark.parametrize(
    "other",
    [
        [count("buys", where="amount > 5 and channel in ('web', 'app')").over("7d")],
        [count("buys", where="amount >= 5 and channel in ('web', 'shop')").over("7d")],
        [weekend("weekend_there", zone="Europe/Paris")],
        [attribute("tier", ttl="7d")],
        [derived("loud_too", "amount_there / amount_mean_1d"), mean("amount").over("1d")],
    ],
    ids=["other values", "other comparison", "other zone", "other life", "other column"],
)
def test_what_looks_alike_and_differs_may_stand_side_by_side(other):
    check_together([FILTERED, spend(*other, name="crm.activity")])


def test_rows_that_hold_as_of_another_time_make_another_feature():
    clicks = count("click").of(Events("web.clicks", "clicked_at"))
    paid = spend(clicks.over("1d"))
    shipped = spend(clicks.over("1d"), name="crm.activity", event_time="shipped_at")
    check_together([paid, shipped])


@pytest.mark.parametrize(
    "other",
    [
        spend(count("orders", where="amount > 5").over("1d"), name="crm.activity"),
        spend(count("orders").over("2d"), name="crm.activity"),
        spend(count("orders").over("1d"), name="crm.activity", entity=Entity("terminal_id")),
        spend(count("orders").over("1d"), name="crm.activity", delay="1d"),
        spend(count("orders").over("1d"), name="crm.activity", deprecated="shop.spend"),
    ],
)
def test_what_differs_or_is_deprecated_may_stand_beside_it(other):
    check_together([spend(), other])
    check_together([other, spend()])


def test_a_successor_must_exist_and_stay():
    old = spend(deprecated="shop.spent", name="shop.old")
    older = spend(deprecated="shop.spend", name="shop.older")
    with pytest.raises(DeclarationError) as caught:
        check_together([spend(), old])
    assert caught.value.nearest == "shop.spend"
    with pytest.raises(DeclarationError) as caught:
        check_together([spend(), replace(old, deprecated="shop.older"), older])
    assert caught.value.nearest == "shop.spend"


def test_using_a_deprecated_set_names_the_successor():
    old = spend(deprecated="shop.spend", name="shop.old")
    assert deprecations("shop.training", [spend()]) == []
    assert deprecations("shop.training", [old]) == ["shop.training uses shop.old, which is deprecated: use shop.spend."]


def test_sets_that_are_made_of_a_set_are_its_users(listed):
    _, _, lineage, (domain,), lake = listed
    old = replace(transaction_time, name="fraud.old_time", deprecated="fraud.transaction_time", examples=[])
    both = derived("quiet", "old_time__is_night * amount")
    nights = replace(transaction_time, name="fraud.nights", features=[both], uses=[old], examples=[])
    found = entries(lake, [domain.with_only(FeatureSet, [old, nights])], None)
    assert found[0].warnings == ["fraud.nights uses fraud.old_time, which is deprecated: use fraud.transaction_time."]
    assert found[1].warnings == []
    page = detail(lake, lineage, found[0])
    assert {one.column: one.used_by for one in page.features} == {"is_weekend": [], "is_night": ["fraud.nights"]}


def test_features_that_are_equal_on_the_data_are_found_on_the_days_that_all_have(lake):
    ones, twos = spend(count("a").over("1d")), spend(count("b").over("1d"), mean("x").over("1d"), name="crm.two")
    put(lake, ones.name, {"a_count_1d": [1, 2, 3, 4, 5, 6]}, days=3)
    put(lake, twos.name, {"b_count_1d": [1.0, 2.0, 3.0, 4.0], "x_mean_1d": [1.0, 2.0, 3.0, 5.0]}, days=2)
    (found,) = equal_features(lake, [ones, twos])
    assert (list(found.features), found.rows) == (["shop.spend.a_count_1d", "crm.two.b_count_1d"], 4)
    assert equal_features(lake, [ones, replace(twos, deprecated="shop.spend")]) == []


def test_equal_values_are_found_when_a_table_is_new_and_remembered_as_long_as_both_are_declared(lake):
    ones, twos = spend(count("a").over("1d", "7d")), spend(count("b").over("1d"), name="crm.two")
    put(lake, ones.name, {"a_count_1d": [9, *range(19)], "a_count_7d": [9, *range(19)]}, days=10)
    assert twice_check_result(lake, ones, [twos]).passed, "two windows of one set are no two names"
    put(lake, twos.name, {"b_count_1d": list(range(20))}, days=10)
    assert twice_check_result(lake, twos, [ones]).passed
    put(lake, twos.name, {"b_count_1d": [8, *range(19)]}, days=10)
    check_result = twice_check_result(lake, twos, [ones])
    assert (check_result.passed, check_result.blocking) == (False, False)
    message = (
        "shop.spend.a_count_7d, crm.two.b_count_1d had the same values as shop.spend.a_count_1d in each of 14 rows."
    )
    assert check_result.message.startswith(message), "of ten days the newest seven are compared"
    assert [str(one) for one in remembered(lake, [ones, twos])] == [message]
    assert remembered(lake, [ones, replace(twos, deprecated="shop.spend")]) == []
    assert remembered(lake, [ones, spend(count("c").over("1d"), name="crm.two")]) == []


def test_the_same_values_in_other_rows_are_not_equal(lake):
    ones, twos = spend(count("a").over("1d")), spend(count("b").over("1d"), name="crm.two")
    put(lake, ones.name, {"a_count_1d": [1, 2, 3, 4]})
    put(lake, twos.name, {"b_count_1d": [4, 3, 2, 1]})
    assert equal_features(lake, [ones, twos]) == []


def test_columns_that_never_vary_or_lie_over_another_spine_are_not_compared(lake):
    ones, twos = spend(count("a").over("1d")), spend(count("b").over("1d"), name="crm.two")
    put(lake, ones.name, {"a_count_1d": [0, 0, 0]})
    put(lake, twos.name, {"b_count_1d": [0, 0, 0]})
    assert equal_features(lake, [ones, twos, spend(name="crm.never_published")]) == []
    put(lake, twos.name, {"b_count_1d": [1, 2, 3]})
    put(lake, ones.name, {"a_count_1d": [1, 2, 3]})
    assert equal_features(lake, [ones, replace(twos, spine="crm.calls")]) == []


# Examples.


def shown(expected, *features, given=PAYMENTS, at=PLACE, **further) -> FeatureSet:
    """A feature set with one example."""
    example = Example(given={"shop.payments": given}, at=at, expected=expected)
    return spend(*features, examples=[example], **further)


def test_an_example_that_holds_has_no_differences_and_one_that_does_not_names_them():
    features = [count("pay").over("1d", "7d"), mean("amount").over("7d"), derived("twice", "amount_mean_7d * 2")]
    holds = {"pay_count_1d": 1, "pay_count_7d": 2, "amount_mean_7d": 15.0, "twice": 30.0}
    assert all_differences(shown(holds, *features)) == []
    (wrong,) = all_differences(shown({**holds, "pay_count_1d": 2}, *features))
    assert str(wrong) == "Example 1 of shop.spend expects pay_count_1d to be 2, and it is 1."


def test_an_example_may_expect_null_and_give_no_rows_or_times_with_a_zone():
    nothing = {"amount_mean_1d": None, "pay_count_1d": 0}
    features = [mean("amount", default=None).over("1d"), count("pay").over("1d")]
    assert all_differences(shown(nothing, *features, given=[])) == []
    zoned = [{**PAYMENTS[0], "paid_at": "2018-04-02T10:30:00+02:00"}]
    assert all_differences(shown({"pay_count_1d": 1}, *features, given=zoned)) == []
    moments = [{**PAYMENTS[0], "paid_at": AT + timedelta(hours=30)}]
    assert all_differences(shown({"amount_mean_1d": 10.0}, *features, given=moments)) == []


@pytest.mark.parametrize(
    ("example", "nearest"),
    [
        (Example(given={"shop.payment": []}, at=PLACE, expected={}), "shop.payments"),
        (Example(given={}, at=PLACE, expected={"pay_counts_1d": 1}), "pay_count_1d"),
        (Example(given={}, at={"customer": 7, "paid_at": AT}, expected={}), "customer"),
        (Example(given={"shop.payments": [{"customer_id": 7, "paid": AT}]}, at=PLACE, expected={}), "paid"),
        (Example(given={}, at={**PLACE, "paid_at": "yesterday"}, expected={}), "2018-04-01 09:30:00"),
    ],
)
def test_an_example_that_names_what_is_not_there_is_one_clear_error(example, nearest):
    with pytest.raises(DeclarationError) as caught:
        all_differences(spend(examples=[example]))
    assert caught.value.nearest == nearest
    assert "example 1" in caught.value.where


def test_the_examples_of_the_fraud_domain_show_windows_delay_and_the_empty_window():
    examples_by_set = {one.name: len(one.examples) for one in (customer_spend, terminal_risk, transaction_time)}
    assert examples_by_set == {"fraud.customer_spend": 1, "fraud.terminal_risk": 2, "fraud.transaction_time": 1}
    assert date(2018, 4, 1).weekday() == 6

"""A declaration that cannot mean anything is one clear error: what, where, the nearest that is valid, what to do.

What belongs here: the checks that declarations make of themselves and of the tables they name. Not: models and gates
(test_models.py) and what declarations lead to.
"""

import sys
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

import assets
from assets.fraud.contracts import transactions_contract
from assets.fraud.features import customer_spend, terminal_risk, transaction_time
from assets.fraud.sources import transactions
from assets.fraud.training import training
from lakehouse.contracts.contract import Column, Contract
from lakehouse.errors import DeclarationError
from lakehouse.features.duration import microseconds
from lakehouse.features.feature_set import (
    Entity,
    FeatureSet,
    WindowAggregate,
    check_columns,
    count,
    hour_between,
    mean,
    rate,
    total,
    weekend,
)
from lakehouse.loading import load_domain
from lakehouse.sources.source import Source
from lakehouse.tables.shape import TableShape
from lakehouse.training.training_set import TrainingSet
from tests.reference import moment


def rejected(make, *, message, where, nearest=None):
    """The error of a declaration, after looking at its parts."""
    with pytest.raises(DeclarationError) as caught:
        make()
    error = caught.value
    assert message in error.what
    assert where in error.where
    assert error.nearest == nearest
    assert error.nearest or error.fix, "it says neither what would be valid nor what to do"
    return error


def spend(*features, **further):
    given = {"name": "shop.spend", "entity": Entity("customer_id"), "source": "shop.payments", "event_time": "paid_at"}
    return FeatureSet(
        **{**given, **further}, features=features, row_key="payment_id", description="Spending.", owner="team:shop"
    )


# Lengths of time.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90m", 5_400), ("12h", 43_200), ("7d", 604_800), ("0d", 0), ("36525d", 3_155_760_000)],
)
def test_a_length_of_time_is_a_whole_number_and_a_unit(text, seconds):
    assert microseconds(text, where="here") == seconds * 1_000_000


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("7", "7d"),
        (7, "7d"),
        ("-7d", "7d"),
        ("1.5d", "1d"),
        ("7D", "7d"),
        ("7 d", "7d"),
        ("7days", "7d"),
        ("1w", "1d"),
        ("d", "7d"),
        ("", "7d"),
        (None, "7d"),
        ("\u0667d", "7d"),
        ("7d\n", "7d"),
    ],
)
def test_a_duration_without_a_unit_or_of_another_form_is_rejected(text, nearest):
    error = rejected(lambda: microseconds(text, where="here"), message="not a duration", where="here", nearest=nearest)
    assert "s, m, h or d" in error.fix


@pytest.mark.parametrize("text", ["36526d", "99999999999999d"])
def test_a_length_over_a_hundred_years_is_rejected(text):
    rejected(
        lambda: microseconds(text, where="here"), message="longer than a hundred years", where="here", nearest="36525d"
    )


# Feature sets.


def test_a_feature_column_is_named_after_measure_aggregation_and_window():
    declared = spend(
        count("pay").over("1d", "12h"), mean("amount").over("7d"), weekend(), hour_between(0, 6, "is_night")
    )
    assert declared.columns == ["pay_count_1d", "pay_count_12h", "amount_mean_7d", "is_weekend", "is_night"]
    assert declared.spine == declared.source
    assert len({feature.description for feature in declared.described()}) == 5


@pytest.mark.parametrize("window", ["7", "-1d", "1 week", ""])
def test_a_window_without_a_unit_names_the_set_and_the_aggregation(window):
    where = "feature set shop.spend, mean('amount'), window"
    with pytest.raises(DeclarationError) as caught:
        spend(mean("amount").over("1d", window))
    assert caught.value.where == where
    assert caught.value.nearest


def test_a_window_of_no_length_is_rejected():
    rejected(lambda: spend(count("pay").over("0d")), message="longer than 0", where="count('pay')", nearest="1d")


def test_a_delay_without_a_unit_is_rejected():
    rejected(lambda: spend(weekend(), delay="7"), message="'7'", where="shop.spend, delay", nearest="7d")


def test_an_aggregation_without_a_window_is_rejected():
    rejected(lambda: spend(count("pay")), message="has no window", where="count('pay')", nearest='.over("7d")')


def test_a_set_without_features_is_rejected():
    rejected(spend, message="no features", where="shop.spend")


@pytest.mark.parametrize(
    "features",
    [
        [count("pay").over("1d", "1d")],
        [mean("amount").over("1d"), mean("amount", default=None).over("7d", "1d")],
        [weekend(), hour_between(0, 6, "is_weekend")],
    ],
)
def test_two_features_of_one_name_are_rejected(features):
    error = rejected(lambda: spend(*features), message="same name", where="shop.spend")
    assert "pay_count_1d" in error.what or "amount_mean_1d" in error.what or "is_weekend" in error.what


@pytest.mark.parametrize("column", ["customer_id", "paid_at", "payment_id"])
def test_a_feature_named_like_a_key_or_the_time_is_rejected(column):
    rejected(lambda: spend(weekend(column)), message=column, where="shop.spend")


@pytest.mark.parametrize(("first", "last"), [(-1, 6), (0, 24), (7, 6), (25, 30)])
def test_hours_that_are_none_are_rejected(first, last):
    rejected(
        lambda: spend(hour_between(first, last, "is_night")), message="not hours", where="is_night", nearest="0 to 23"
    )


def test_an_unknown_aggregation_is_rejected_with_the_nearest():
    error = rejected(
        lambda: WindowAggregate("means", "amount", ("1d",)), message="'means'", where="means('amount')", nearest="mean"
    )
    assert "count, sum, mean, rate" in error.fix


@pytest.mark.parametrize("scale", [-1, 19])
@pytest.mark.parametrize("aggregate", [mean, total])
def test_a_number_of_decimals_that_no_measure_has_is_rejected(aggregate, scale):
    rejected(lambda: aggregate("amount", scale=scale), message=f"not {scale}", where="amount", nearest="2")


@pytest.mark.parametrize("name", ["spend", "shop.more.spend", ""])
def test_a_feature_set_is_named_like_a_table(name):
    with pytest.raises(DeclarationError, match="is not a table name") as caught:
        spend(weekend(), name=name)
    assert caught.value.nearest.startswith("domain.")


def test_a_misspelt_column_is_rejected_with_the_table_and_the_nearest():
    declared = spend(mean("amuont").over("1d"), entity=Entity("customer_id"))
    known = ["payment_id", "paid_at", "customer_id", "amount"]
    error = rejected(
        lambda: check_columns(declared, {"shop.payments": known}),
        message="shop.payments has no column 'amuont'",
        where="feature set shop.spend",
        nearest="amount",
    )
    assert "customer_id" in error.fix


def test_the_spine_is_checked_as_well_as_the_source():
    declared = spend(count("pay").over("1d"), spine="shop.orders")
    source = ["paid_at", "customer_id"]
    check_columns(declared, {"shop.payments": source, "shop.orders": ["payment_id", *source]})
    rejected(
        lambda: check_columns(declared, {"shop.payments": source, "shop.orders": ["payment", *source]}),
        message="shop.orders has no column 'payment_id'",
        where="shop.spend",
        nearest="payment",
    )


def test_a_count_needs_no_measure_and_a_calendar_no_key_in_the_source():
    further = {"spine": "shop.orders"}
    assert spend(count("pay").over("1d"), **further).columns_of("shop.payments") == ["paid_at", "customer_id"]
    assert spend(weekend(), **further).inputs() == ["shop.orders"]
    read = spend(rate("is_fraud", where="amount > 5").over("1d"), **further).columns_of("shop.payments")
    assert read == ["paid_at", "customer_id", "is_fraud", "amount"]


def test_how_far_back_events_matter_is_the_longest_window_and_the_delay():
    day = 86_400_000_000
    assert spend(count("pay").over("1d", "30d", "7d"), delay="7d").reach("shop.payments") == 37 * day
    assert spend(count("pay").over("12h")).reach("shop.payments") == day // 2
    assert spend(weekend(), delay="7d").reach("shop.payments") == 0


def test_what_decides_the_values_decides_the_fingerprint():
    declared = spend(mean("amount").over("1d"))
    assert replace(declared, owner="team:other", description="Other words.").fingerprint() == declared.fingerprint()
    others = [
        replace(declared, delay="1d"),
        replace(declared, source="shop.orders", spine="shop.payments"),
        replace(declared, entity=Entity("shop_id")),
        replace(declared, features=[mean("amount", default=None).over("1d")]),
        replace(declared, features=[mean("amount", scale=2).over("1d")]),
        replace(declared, features=[mean("amount").over("2d")]),
    ]
    assert len({one.fingerprint() for one in [declared, *others]}) == 1 + len(others)


def test_declarations_cannot_be_changed_after_they_were_checked():
    for declared in (customer_spend, transactions, transactions_contract, training):
        with pytest.raises(FrozenInstanceError):
            declared.owner = "team:other"
    assert isinstance(customer_spend.features, tuple)
    assert isinstance(transactions_contract.columns, tuple)


# Contracts.


def contract(*columns, **further):
    return Contract(table="shop.payments", version="1.0.0", owner="team:shop", columns=columns, **further)


AMOUNT = Column("amount", "float64", description="What was paid.")
PAID_AT = Column("paid_at", "timestamp", description="When.")


def test_an_unknown_kind_of_column_is_rejected_with_the_nearest():
    error = rejected(
        lambda: Column("amount", "float", description="What was paid."),
        message="'float'",
        where="column amount",
        nearest="float64",
    )
    assert "timestamp" in error.fix


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [("int32", 5, 4), ("float64", 0.2, 0.1), ("timestamp", moment("2019-01-01"), moment("2018-01-01"))],
)
def test_bounds_that_no_value_meets_are_rejected(kind, least, most):
    with pytest.raises(DeclarationError, match="No value lies between") as caught:
        Column("amount", kind, description="What was paid.", at_least=least, at_most=most)
    assert caught.value.where == "column amount"
    assert str(most) in caught.value.nearest


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        ("int32", moment("2018-01-01")),
        ("float64", "5"),
        ("timestamp", 5),
        ("timestamp", datetime(2018, 1, 1, tzinfo=UTC)),
        ("text", 5),
        ("bool", 1),
    ],
)
def test_bounds_that_the_column_cannot_be_compared_with_are_rejected(kind, bound):
    rejected(
        lambda: Column("amount", kind, description="Paid.", at_least=bound),
        message="not a valid bound",
        where="column amount",
    )
    rejected(lambda: Column("amount", kind, description="Paid.", at_most=bound), message=kind, where="column amount")


def test_one_bound_alone_and_equal_bounds_are_fine():
    assert (
        Column("amount", "int32", description="Paid.", at_least=5).row_rules["amount_in_range"].description("amount")
        == "amount is at least 5."
    )
    assert (
        Column("amount", "int32", description="Paid.", at_most=5).row_rules["amount_in_range"].description("amount")
        == "amount is at most 5."
    )
    both = Column("amount", "int32", description="Paid.", at_least=5, at_most=5)
    assert both.row_rules["amount_in_range"].description("amount") == "amount is at least 5 and at most 5."


def test_a_contract_names_each_column_once():
    rejected(lambda: contract(AMOUNT, AMOUNT), message="amount", where="contract of shop.payments")
    rejected(contract, message="no columns", where="contract of shop.payments")


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan")])
def test_a_share_of_rows_lies_below_1(share):
    rejected(
        lambda: contract(AMOUNT, quarantine_share=share),
        message="is not a share",
        where="quarantine_share",
        nearest="0.01",
    )


@pytest.mark.parametrize("volume", [(-1, 2), (1, 2), (0.5, 1), (2, 0.5)])
def test_the_volume_of_a_day_is_given_as_multiples_around_1(volume):
    rejected(lambda: contract(AMOUNT, volume=volume), message="a factor below 1", where="volume", nearest="(0.5, 2.0)")


def test_freshness_is_a_length_of_time():
    rejected(
        lambda: contract(AMOUNT, freshness="24"),
        message="'24'",
        where="contract of shop.payments, freshness",
        nearest="24d",
    )


def test_every_rule_of_a_contract_has_a_name_and_a_sentence():
    declared = contract(
        Column("id", "int64", description="Number.", unique=True, at_least=0),
        Column("note", "text", description="Anything.", nullable=True),
        Column("state", "text", description="Where it is.", one_of=("open", "done")),
    )
    assert list(declared.row_rules()) == ["id_not_null", "id_unique", "id_in_range", "state_not_null", "state_one_of"]
    assert declared.row_rules()["state_one_of"] == "state is one of open, done."
    assert declared.schema == pa.schema([("id", pa.int64()), ("note", pa.string()), ("state", pa.string())])


def test_what_decides_the_check_results_decides_a_contracts_fingerprint():
    assert contract(AMOUNT).fingerprint() == replace(contract(AMOUNT), owner="team:other").fingerprint()
    assert contract(AMOUNT).fingerprint() != contract(replace(AMOUNT, at_least=0)).fingerprint()
    assert contract(AMOUNT).fingerprint() != contract(AMOUNT, freshness="1h").fingerprint()


# Sources.


def source(**further):
    given = {"name": "shop.payments", "event_time": "paid_at", "contract": contract(AMOUNT, PAID_AT)}
    return Source(**{**given, **further}, description="Payments.", owner="team:shop")


@pytest.mark.parametrize(
    ("field", "given", "nearest"),
    [
        ("version", "1", "1.0.0"),
        ("version", "v1.2", "1.2.0"),
        ("version", "newest", "1.0.0"),
        ("owner", "orders", "team:orders"),
        ("owner", "the shop people", "team:the-shop-people"),
        ("owner", "", "team:shop"),
        ("owner", "group:orders", "team:orders"),
    ],
)
def test_a_declared_contract_has_an_owner_and_a_version_of_three_numbers(field, given, nearest):
    declared = replace(contract(PAID_AT), **{field: given})
    rejected(
        lambda: Source("shop.payments", "paid_at", declared, "Payments.", "team:shop"),
        message=repr(given),
        where=f"contract of shop.payments, {field}",
        nearest=nearest,
    )


@pytest.mark.parametrize("owner", ["team:shop", "user:ada", "ada@example.org"])
def test_a_team_a_person_or_an_address_owns(owner):
    assert Source("shop.payments", "paid_at", replace(contract(PAID_AT), owner=owner), "Payments.", "team:shop")


def declared_in_a_file(tmp_path, monkeypatch, text):
    """What loading a domain says whose contracts.py is that text."""
    folder = tmp_path / "assets" / "shop"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('OWNERS = ("team:shop",)\n')
    (folder / "contracts.py").write_text(f"from lakehouse.contracts.contract import Column, Contract\n\n{text}")
    (folder / "sources.py").write_text("from assets.shop.contracts import payments\n")
    monkeypatch.setattr(assets, "__path__", [*assets.__path__, str(folder.parent)])
    try:
        with pytest.raises(DeclarationError) as caught:
            load_domain("shop")
    finally:
        for name in [name for name in sys.modules if name.startswith("assets.shop")]:
            del sys.modules[name]
    return caught.value


@pytest.mark.parametrize(
    ("column", "message", "nearest"),
    [
        ('Column("amount", "float64", description="Paid.", at_lest=0)', "A Column has no field 'at_lest'", "at_least"),
        ('Column("amount", "float46", description="Paid.")', "'float46'", "float64"),
    ],
)
def test_a_wrong_column_is_named_with_its_contract_and_its_line(tmp_path, monkeypatch, column, message, nearest):
    text = f'payments = Contract(\n    table="shop.payments",\n    columns=[\n        {column},\n    ],\n)\n'
    error = declared_in_a_file(tmp_path, monkeypatch, text)
    assert message in error.what
    assert error.nearest == nearest
    assert "assets/shop/contracts.py, line 6: Contract shop.payments, Column amount" in error.where


def test_a_source_takes_the_table_of_its_contract():
    rejected(
        lambda: source(name="shop.orders"),
        message="is for shop.payments",
        where="shop.orders, contract",
        nearest="shop.orders",
    )


@pytest.mark.parametrize(("name", "nearest"), [("payments", "domain.payments"), ("a.b.c", "domain.a_b_c")])
def test_a_source_is_named_like_a_table(name, nearest):
    rejected(lambda: source(name=name), message="is not a table name", where=f"source {name}", nearest=nearest)


def test_a_misspelt_event_time_is_rejected_with_the_nearest():
    rejected(lambda: source(event_time="payd_at"), message="'payd_at'", where="event_time", nearest="paid_at")


def test_the_event_time_is_a_timestamp_that_is_always_given():
    rejected(lambda: source(event_time="amount"), message="must be a timestamp", where="event_time")
    optional = contract(AMOUNT, replace(PAID_AT, nullable=True))
    rejected(lambda: source(contract=optional), message="given in each row", where="event_time")


@pytest.mark.parametrize("check", ["paid_at_not_null", "paid_at_in_range"])
def test_rows_without_a_possible_time_cannot_be_let_through(check):
    bounded = contract(AMOUNT, replace(PAID_AT, at_least=moment("2018-01-01")))
    assert source(contract=replace(bounded, then={check: "block"})).event_time == "paid_at"
    warned = replace(bounded, then={check: "warn"})
    rejected(lambda: source(contract=warned), message=check, where=f"then['{check}']", nearest="quarantine")


def test_times_are_declared_in_utc_or_not_at_all():
    assert source(time_zone="UTC").time_zone == "UTC"
    assert source().time_zone is None
    rejected(lambda: source(time_zone="Europe/Paris"), message="'Europe/Paris'", where="time_zone", nearest="UTC")


def test_possible_days_are_those_inside_the_bounds_of_the_event_time():
    bounded = source(
        contract=contract(AMOUNT, replace(PAID_AT, at_least=moment("2018-01-02"), at_most=moment("2018-01-03T12:00")))
    )
    days = [moment("2018-01-01").date() + timedelta(days=number) for number in range(4)]
    assert bounded.possible(days) == days[1:3]
    assert source().possible(reversed(days)) == days


# Tables and training sets.


def test_a_table_is_partitioned_by_and_documents_columns_that_it_has():
    schema = pa.schema([("paid_at", pa.timestamp("us")), ("amount", pa.float64())])
    rejected_shape = {"day": ("payd_at", {}), "docs": ("paid_at", {"amout": "What was paid."})}
    for day_column, docs in rejected_shape.values():
        with pytest.raises(DeclarationError, match="The table has no column") as caught:
            TableShape("shop.payments", schema, day_column, column_docs=docs)
        assert caught.value.where == "shop.payments"
        assert caught.value.nearest in {"paid_at", "amount"}


def training_set(**further):
    return replace(training, **further)


def test_a_training_set_has_feature_sets_and_carries_their_keys():
    rejected(lambda: training_set(feature_sets=[]), message="no feature sets", where="training set fraud.training")
    rejected(
        lambda: training_set(carry=["terminal_id"]),
        message="customer_id",
        where="fraud.training, carry",
        nearest="terminal_id",
    )


def test_a_training_set_has_each_column_once():
    rejected(
        lambda: training_set(carry=[*training.carry, "is_fraud"]),
        message="is_fraud",
        where="training set fraud.training",
    )
    rejected(
        lambda: training_set(feature_sets=[customer_spend, customer_spend]),
        message="appear twice",
        where="fraud.training",
    )


def test_the_fourteen_features_have_their_names():
    assert isinstance(training, TrainingSet)
    assert training.features == [
        *(f"customer_spend__tx_count_{window}" for window in ("1d", "7d", "30d")),
        *(f"customer_spend__amount_mean_{window}" for window in ("1d", "7d", "30d")),
        *(f"terminal_risk__tx_count_{window}" for window in ("1d", "7d", "30d")),
        *(f"terminal_risk__is_fraud_rate_{window}" for window in ("1d", "7d", "30d")),
        "transaction_time__is_weekend",
        "transaction_time__is_night",
    ]
    assert [one.owner for one in (customer_spend, terminal_risk, transaction_time)] == ["team:payments"] * 3

"""Anomalies and shift: what is unlike history is named, what is like it raises nothing."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.profiling.alarms import drawn_out, weigh
from lakehouse.profiling.anomalies import FEWEST, before_after, find_anomalies
from lakehouse.profiling.profile import merge, profile_table
from lakehouse.profiling.shift import shift_of
from tests import scenario

DAYS = 40
ROWS = 600


def day_rows(day, rows=ROWS, seed=0):
    """A day of orders: a running number, a time, an amount that depends on the kind, a kind, a customer."""
    random = np.random.default_rng([seed, day])
    rows = int(rows * (0.6 if day % 7 > 4 else 1.0) * random.uniform(0.85, 1.15))
    start = datetime(2024, 3, 4) + timedelta(days=day)  # noqa: DTZ001  # UTC without a zone
    seconds = np.sort(random.normal(13 * 3600, 2.5 * 3600, rows).clip(6 * 3600, 22 * 3600)).astype(int)
    kind = random.choice(["book", "toy", "tool"], rows, p=[0.5, 0.3, 0.2])
    price = {"book": 10.0, "toy": 20.0, "tool": 60.0}
    amount = np.round([price[one] for one in kind] * random.lognormal(0, 0.4, rows), 2)
    customer = random.integers(1, 400, rows)
    return {
        "number": 10_000 * day + np.arange(rows),
        "at": [start + timedelta(seconds=int(one)) for one in seconds],
        "amount": amount,
        "kind": kind,
        "customer": [None if one % 20 == 0 else int(one) for one in customer],
    }


def profile(rows, name="now"):
    return profile_table(pa.table(rows), name, event_time="at")


@cache
def days():
    return tuple(profile(day_rows(day), str(day)) for day in range(DAYS))


def some(values, share, value, seed=1):
    """The values with a share of them replaced, by a value or a function of them."""
    chosen = np.random.default_rng(seed).random(len(values)) < share
    return [(value(one) if callable(value) else value) if hit else one for one, hit in zip(values, chosen, strict=True)]


BROKEN = {
    "nulls": ("amount", lambda rows: some(rows["amount"], 0.1, None)),
    "a hundred times": ("amount", lambda rows: some(rows["amount"], 1.0, lambda one: one * 100)),
    "a spike": ("amount", lambda rows: some(rows["amount"], 0.1, 9999.0)),
    "rounded": ("amount", lambda rows: some(rows["amount"], 0.5, round)),
    "negative": ("amount", lambda rows: some(rows["amount"], 0.1, lambda one: -one)),
    "new category": ("kind", lambda rows: some(rows["kind"], 0.1, "UNKNOWN")),
    "recoded": ("kind", lambda rows: some(rows["kind"], 1.0, {"book": "toy", "toy": "book", "tool": "tool"}.get)),
    "shuffled": ("amount", lambda rows: np.random.default_rng(3).permutation(rows["amount"])),
    "nothing null any more": ("customer", lambda rows: [one or 0 for one in rows["customer"]]),
    "four hours later": ("at", lambda rows: [one + timedelta(hours=4) for one in rows["at"]]),
    "numbers begin again": ("number", lambda rows: np.arange(len(rows["number"]))),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("day", [25, 39])
def test_what_breaks_is_found_and_its_column_named_first(what, day):
    column, broken = BROKEN[what]
    rows = day_rows(day)
    found = find_anomalies(profile({**rows, column: broken(rows)}), days()[:day])
    assert found, what
    assert found[0].columns[0] == column
    assert found[0].size > 1
    assert [one.size for one in found] == sorted((one.size for one in found), reverse=True)


def test_an_issue_names_before_and_after_and_brings_the_plot():
    rows = day_rows(30)
    found = find_anomalies(profile({**rows, "amount": some(rows["amount"], 0.2, None)}), days()[:30])[0]
    assert found.kind == "null_share"
    assert "amount is null in" in found.message
    assert found.measured["now"] == pytest.approx(0.2, abs=0.05)
    assert {"psi", "jensen_shannon", "wasserstein", "ks"} <= set(found.measured)
    assert len(found.series["labels"]) == len(found.series["before"]) == len(found.series["after"])
    assert len(found.series["history"]) == 31
    assert {"shares", "quantiles_before", "quantiles_after"} <= set(found.series)
    assert max(len(one) for one in found.series.values()) <= 60


def test_a_column_of_many_categories_is_plotted_by_those_that_differ_most():
    random = np.random.default_rng(4)
    columns = [
        profile_table(pa.table({"one": [f"{begin + one}" for one in random.integers(0, 50, 500)]}), "x").columns["one"]
        for begin in (0, 40)
    ]
    series = before_after(*columns)
    assert len(series["labels"]) <= 60
    assert sum(series["before"]) == pytest.approx(1, abs=1e-3)  # type: ignore[arg-type]
    assert sum(series["after"]) == pytest.approx(1, abs=1e-3)  # type: ignore[arg-type]


def test_a_very_wide_delivery_is_judged_and_names_few_of_its_columns():
    def wide(day, factor=1.0):
        random = np.random.default_rng(day)
        values = {f"c{place}": random.normal(0, factor, 60) for place in range(130)}
        return profile_table(pa.table(values), str(day))

    history = [wide(day) for day in range(12)]
    assert find_anomalies(wide(12), history) == []
    found = find_anomalies(wide(13, 30.0), history)
    assert 0 < len({one.columns for one in found}) <= 101


def test_a_file_that_ends_early_is_about_the_delivery():
    rows = day_rows(38)
    cut = len(rows["number"]) // 4
    found = find_anomalies(profile({name: values[:cut] for name, values in rows.items()}), days()[:38])
    assert (found[0].kind, found[0].columns) == ("ends_early", ())


def test_twice_as_many_rows_are_about_the_delivery():
    rows = {name: [*values, *values] for name, values in day_rows(32).items()}
    assert any(one.columns == () for one in find_anomalies(profile(rows), days()[:32]))


def test_good_days_of_many_worlds_raise_nothing_but_one_in_many():
    alarms, judged = 0, 0
    for seed in range(1, 5):
        made = [profile(day_rows(day, 250, seed), str(day)) for day in range(DAYS)]
        for day in range(FEWEST, DAYS, 2):
            judged += 1
            alarms += bool(find_anomalies(made[day], made[:day]))
    assert alarms <= 0.04 * judged


def test_small_deliveries_of_the_canonical_world_raise_nothing():
    made = [profile_table(scenario.payments_on([day]).to_arrow(), str(day)) for day in scenario.EVERY_DAY]
    assert [day for day in range(len(made)) if find_anomalies(made[day], made[:day])] == []


@settings(max_examples=20)
@given(st.integers(FEWEST, DAYS - 1), st.integers(0, DAYS - 1))
def test_a_copy_of_the_mixture_of_history_raises_nothing_about_its_values(length, pick):
    day = pick % length
    found = find_anomalies(days()[day], [*days()[:length], *days()[:length]])
    assert not any(set(one.columns[:1]) & {"amount", "kind", "customer"} for one in found)


def test_a_bad_delivery_in_history_neither_hides_the_next_nor_alarms_by_the_good_ones():
    rows = day_rows(28)
    bad = profile({**rows, "amount": some(rows["amount"], 1.0, lambda one: one * 100)})
    history = [*days()[:28], bad, *days()[29:34]]
    again = day_rows(34)
    assert find_anomalies(days()[34], history) == []
    found = find_anomalies(profile({**again, "amount": some(again["amount"], 1.0, lambda one: one * 100)}), history)
    assert found[0].columns == ("amount",)


def test_the_fifth_delivery_is_the_first_that_is_judged():
    rows = day_rows(4)
    bad = profile({**rows, "amount": some(rows["amount"], 0.3, None)})
    assert find_anomalies(bad, days()[: FEWEST - 1]) == []
    assert find_anomalies(bad, days()[:FEWEST])[0].columns == ("amount",)


def test_a_delivery_without_rows_is_one_issue():
    empty = profile_table(pa.table(day_rows(5)).slice(0, 0), "empty")
    found = find_anomalies(empty, days()[:10])
    assert [(one.kind, one.columns) for one in found] == [("rows", ())]
    assert find_anomalies(days()[10], [*days()[:10], empty]) == []


@pytest.mark.parametrize("rows", [1, 2])
def test_very_few_rows_and_columns_of_nothing_but_null_do_not_fall_over(rows):
    few = profile({name: values[:rows] for name, values in day_rows(20).items()})
    assert all(one.size > 1 for one in find_anomalies(few, days()[:20]))
    nothing = profile({**day_rows(20), "amount": pa.nulls(len(day_rows(20)["number"]), pa.float64())})
    assert find_anomalies(nothing, days()[:20])[0].columns[0] == "amount"


def test_only_the_newest_of_a_long_history_count():
    odd = replace(days()[0], columns={}, day=date(2020, 1, 1))
    assert find_anomalies(days()[39], [odd] * 200 + list(days()[:39]) * 3) == find_anomalies(
        days()[39], (list(days()[:39]) * 3)
    )


def test_limits_are_drawn_out_to_what_so_small_a_share_exceeds():
    random = np.random.default_rng(4)
    past = random.exponential(size=(200, 500))
    limits = drawn_out(past, 0.001)
    assert np.mean(random.exponential(size=500) > limits) < 0.01
    assert np.median(limits) == pytest.approx(-np.log(0.001), rel=0.25)


@pytest.mark.parametrize("history", [4, 12, 40])
@pytest.mark.parametrize("freedom", [5, 200])
def test_surprises_by_chance_alone_alarm_no_more_often_than_they_may(history, freedom):
    random = np.random.default_rng(history)
    families = [((f"column {number % 20}",), f"kind {number // 40}") for number in range(400)]
    made = (np.abs(random.standard_t(freedom, size=(history + 1, len(families)))) for _ in range(300))
    alarms = [max(weigh(families, surprise, 0.01).scores.values()) > 1 for surprise in made]
    assert np.mean(alarms) <= 0.02


def test_shift_is_ordered_by_how_much_the_model_uses_a_feature():
    baseline = merge(days()[:10], "training")
    rows = day_rows(20)
    now = profile(
        {**rows, "amount": rows["amount"] * 3, "kind": some(rows["kind"], 0.8, "toy")},
    )
    weights = {"amount": 0.1, "kind": 0.85, "customer": 0.05}
    shift = shift_of(now, baseline, weights)
    assert [one.columns[0] for one in shift.issues] == ["kind", "amount"]
    assert [one.columns[0] for one in shift_of(now, baseline, {**weights, "amount": 9.0}).issues] == ["amount", "kind"]
    assert shift.total > 3 * shift.by_chance
    assert {"psi", "jensen_shannon", "weight"} <= set(shift.issues[0].measured)


def test_nothing_is_shifted_where_only_chance_is_at_work():
    baseline = merge(days()[:20], "training")
    shift = shift_of(days()[25], baseline, {"amount": 1.0, "kind": 1.0, "customer": 1.0})
    assert shift.issues == []
    assert shift.total < 3 * shift.by_chance


def test_a_feature_that_is_missing_concerns_the_model_most():
    now = replace(days()[30], columns={name: one for name, one in days()[30].columns.items() if name != "kind"})
    found = shift_of(now, merge(days()[:20]), {"amount": 1.0, "kind": 1.0}).issues
    assert (found[0].kind, found[0].columns) == ("feature_missing", ("kind",))
    with pytest.raises(ValueError, match="weight above 0"):
        shift_of(now, days()[0], {"amount": 0.0})

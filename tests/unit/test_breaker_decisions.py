"""What becomes of deliveries as the breaker has it, without any table.

What belongs here: the rule of decisions.py over all orders of good and bad deliveries. Not: landing
(tests/integration/test_breaker.py).
"""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.fraud.sources import transactions
from lakehouse.errors import DeclarationError, DeliveryError
from lakehouse.ingestion.decisions import decide
from lakehouse.ingestion.evaluation import DeliveryEvaluation
from lakehouse.ingestion.ingestion_log import Status
from lakehouse.ingestion.repeats import Repeats
from lakehouse.sources.circuit_breaker import Breaker, Standing, State
from lakehouse.sources.deliveries import Delivery

NO_ROWS = pa.table({})


def decided(good, state=State.CLOSED, failures=0, most=3):
    """Decide on deliveries of which `good` says whether they are."""
    evaluations = [
        DeliveryEvaluation(
            Delivery(Path(), f"{place}.csv", str(place), {}),
            (),
            NO_ROWS,
            NO_ROWS,
            fault=None if is_good else DeliveryError(f"{place} is bad."),
        )
        for place, is_good in enumerate(good)
    ]
    source = replace(transactions, breaker=Breaker(failures=most))
    before = list(evaluations)
    found = decide(source, evaluations, Repeats({}), Standing(source.name, state), failures)
    assert evaluations == before, "deciding changes nothing that it is given"
    return found


def statuses(*args, **kwargs):
    return [str(one.status) for one in decided(*args, **kwargs).decisions]


def test_what_is_good_flows_on_beside_what_is_bad():
    assert statuses([True, False, True, False, True]) == ["published", "rejected", "published", "rejected", "published"]


def test_it_opens_after_so_many_failures_in_a_row_and_then_everything_waits():
    found = decided([True, False, False, False, True, False, True])
    statuses = [str(one.status) for one in found.decisions]
    assert statuses == ["published", "rejected", "rejected", "rejected", "waiting", "waiting", "waiting"]
    (step,) = found.transitions
    assert (step.before, step.state, step.delivery) == (State.CLOSED, State.OPEN, "3.csv")
    assert "3 deliveries in a row" in step.reason
    assert "3 is bad" in step.reason
    assert found.state is State.OPEN


def test_failures_of_earlier_landings_count():
    assert statuses([False, True], failures=2) == ["rejected", "waiting"]
    assert statuses([True, False, False, True], failures=2) == ["published", "rejected", "rejected", "published"]


def test_a_half_open_breaker_tries_one_delivery_alone():
    good = decided([True, True, False, True], State.HALF_OPEN, failures=3)
    assert [str(one.status) for one in good.decisions] == ["published", "published", "rejected", "published"]
    assert [(step.before, step.state) for step in good.transitions] == [(State.HALF_OPEN, State.CLOSED)]
    bad = decided([False, True, True], State.HALF_OPEN)
    assert [str(one.status) for one in bad.decisions] == ["rejected", "waiting", "waiting"]
    assert [(step.before, step.state) for step in bad.transitions] == [(State.HALF_OPEN, State.OPEN)]


@given(
    good=st.lists(st.booleans(), max_size=12),
    state=st.sampled_from(State),
    failures=st.integers(0, 3),
    most=st.integers(1, 4),
)
def test_nothing_bad_is_published_and_nothing_passes_an_open_breaker(good, state, failures, most):
    found = decided(good, state, failures, most)
    statuses = [one.status for one in found.decisions]
    assert len(statuses) == len(good)
    opened = state is State.OPEN
    tried = state is State.HALF_OPEN
    in_a_row = failures
    for status, is_good in zip(statuses, good, strict=True):
        if opened:
            assert status is Status.WAITING
            continue
        assert status is (Status.PUBLISHED if is_good else Status.REJECTED)
        in_a_row = 0 if is_good else in_a_row + 1
        opened = not is_good and (tried or in_a_row >= most)
        tried = False
    assert (found.state is State.OPEN) == opened
    states = [state, *(step.state for step in found.transitions)]
    assert [step.before for step in found.transitions] == states[:-1]
    assert states[-1] is found.state


@pytest.mark.parametrize("failures", [0, -1, 1.5, True, "3"])
def test_a_breaker_that_cannot_open_is_no_declaration(failures):
    with pytest.raises(DeclarationError) as caught:
        Breaker(failures=failures)
    assert (caught.value.where, caught.value.nearest) == ("Breaker.failures", "3")


def test_a_cool_down_needs_a_unit():
    with pytest.raises(DeclarationError, match="not a duration"):
        Breaker(cool_down="30")

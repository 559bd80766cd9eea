"""Notifications: a notifier that fails is logged without its address, and the run goes on.

What belongs here: orchestration/notifications.py. Not: what happens on landing (test_breaker.py).
"""

import logging

import pytest

from assets.fraud.sources import transactions
from lakehouse.sources.circuit_breaker import State, Transition
from orchestration.notifications import notify_of_transition
from tests import scenario

STEP = Transition(transactions.name, State.CLOSED, State.OPEN, "tonight")


@pytest.mark.parametrize("address", ["json://user:s3cret@127.0.0.1:9", "nonsense://s3cret"])
def test_an_address_that_cannot_be_reached_is_logged_without_its_secret(tmp_path, caplog, capfd, address):
    lake = scenario.make_lake(tmp_path / "home", {"SLIPWAY_NOTIFY": address})
    logged = []
    with caplog.at_level(logging.DEBUG):
        notify_of_transition(lake, transactions, STEP, logged.append)
    (line,) = logged
    assert "SLIPWAY_NOTIFY" in line
    assert "s3cret" not in "".join([*logged, caplog.text, *capfd.readouterr(), repr(lake)])


def test_without_an_address_nothing_is_sent(lake):
    logged = []
    notify_of_transition(lake, transactions, STEP, logged.append)
    assert not logged

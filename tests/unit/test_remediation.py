"""Remediation: the mappings that a message proposes for a delivery whose format changed.

What belongs here: the text of the advice. Not: which mappings are proposed (test_changes*.py).
"""

from dataclasses import replace

from assets.fraud.sources import transactions
from lakehouse.sources.mappings import renamed
from lakehouse.sources.remediation import of_nulls, recipe


def test_a_recipe_names_file_field_and_imports():
    advice = recipe(transactions, ["scaled('TX_AMOUNT', 0.01, since=date(2018, 6, 1))"])
    assert "assets/fraud/sources.py" in advice
    assert "`mappings=[scaled('TX_AMOUNT', 0.01, since=date(2018, 6, 1))]`" in advice
    assert "`from datetime import date`" in advice
    assert "`from lakehouse.sources.mappings import scaled`" in advice
    assert "slipway materialize fraud.transactions" in advice


def test_what_is_declared_already_stays_and_a_proposal_may_be_several():
    source = replace(transactions, mappings=(renamed("amt", "TX_AMOUNT"),))
    advice = recipe(source, ["ignored('a'), ignored('b')"])
    assert "`mappings=[renamed('amt', 'TX_AMOUNT'), ignored('a'), ignored('b')]`" in advice
    assert "import ignored, renamed`" in advice
    assert "import date" not in advice


def test_null_in_a_column_that_may_not_be_null_takes_more_than_a_mapping():
    line = "null_spellings('TX_AMOUNT', 'NA')"
    advice = of_nulls(transactions.contract, [line])
    assert "TX_AMOUNT may not be null" in advice
    assert "wait in quarantine, or block the delivery where they are more than 1.00% of it" in advice
    assert "`nullable=True` in assets/fraud/contracts.py" in advice
    assert advice in recipe(transactions, [line])
    columns = [replace(one, nullable=one.name == "TX_AMOUNT") for one in transactions.contract.columns]
    assert not of_nulls(replace(transactions.contract, columns=columns), [line])

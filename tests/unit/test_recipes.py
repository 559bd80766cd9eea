"""What a person is told to write so that a changed delivery is read.

What belongs here: the words of a recipe. Not: which mappings are proposed (test_changes*.py).
"""

from dataclasses import replace

from assets.fraud.sources import transactions
from lakehouse.sources.mappings import renamed
from lakehouse.sources.remediation import of_nulls, recipe


def test_a_recipe_names_file_field_and_imports():
    told = recipe(transactions, ["scaled('TX_AMOUNT', 0.01, since=date(2018, 6, 1))"])
    assert "assets/fraud/sources.py" in told
    assert "`mappings=[scaled('TX_AMOUNT', 0.01, since=date(2018, 6, 1))]`" in told
    assert "`from datetime import date`" in told
    assert "`from lakehouse.sources.mappings import scaled`" in told
    assert "slipway materialize fraud.transactions" in told


def test_what_is_declared_already_stays_and_a_proposal_may_be_several():
    source = replace(transactions, mappings=(renamed("amt", "TX_AMOUNT"),))
    told = recipe(source, ["ignored('a'), ignored('b')"])
    assert "`mappings=[renamed('amt', 'TX_AMOUNT'), ignored('a'), ignored('b')]`" in told
    assert "import ignored, renamed`" in told
    assert "import date" not in told


def test_null_in_a_column_that_may_not_be_null_takes_more_than_a_mapping():
    line = "null_spellings('TX_AMOUNT', 'NA')"
    told = of_nulls(transactions.contract, [line])
    assert "TX_AMOUNT may not be null" in told
    assert "wait in quarantine, or block the delivery where they are more than 1.00% of it" in told
    assert "`nullable=True` in assets/fraud/contracts.py" in told
    assert told in recipe(transactions, [line])
    columns = [replace(one, nullable=one.name == "TX_AMOUNT") for one in transactions.contract.columns]
    assert not of_nulls(replace(transactions.contract, columns=columns), [line])

"""Loading domains: which declarations of the modules are collected.

What belongs here: load_domain on the demo project's modules. Not: checks of the graph (test_dbt_assets.py), and finding
the project (test_project.py).
"""

from dataclasses import replace

import pytest

import assets.fraud.sources as module
from assets.fraud.sources import transactions
from lakehouse.errors import DeclarationError
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domain
from lakehouse.transforms.project import load_project
from tests import scenario


def named(name):
    return replace(transactions, name=name, contract=replace(transactions.contract, table=name))


def sources_with(monkeypatch, value):
    """The names of the fraud domain's sources, with a further value in its module."""
    monkeypatch.setattr(module, "further", value, raising=False)
    return sorted(one.name for one in load_domain("fraud").sources)


def test_a_declaration_with_the_name_of_another_domain_is_an_error(monkeypatch, lake):
    assert "credit.refunds" in sources_with(monkeypatch, named("credit.refunds"))
    with pytest.raises(DeclarationError, match=r"credit\.refunds is declared in the domain fraud") as caught:
        AssetGraph([load_domain("fraud")], load_project(scenario.make_lake(lake.home.root).settings, lake.home))
    assert caught.value.nearest == "fraud.refunds"


def test_a_declaration_that_is_imported_from_another_domain_stays_there(monkeypatch):
    (other,) = load_domain("credit").sources
    assert sources_with(monkeypatch, other) == [transactions.name]


def test_a_second_name_for_a_declaration_is_not_a_second_declaration(monkeypatch):
    assert sources_with(monkeypatch, transactions) == [transactions.name]


def test_declarations_in_a_list_are_collected(monkeypatch):
    further = [named("fraud.refunds"), named("fraud.disputes")]
    assert sources_with(monkeypatch, further) == ["fraud.disputes", "fraud.refunds", transactions.name]

"""Mappings check themselves, say how they are declared, and belong to what a source is.

What belongs here: declarations. Not: what is read through them (integration/test_reading.py).
"""

from dataclasses import replace
from datetime import date

import pytest

from assets.fraud.sources import transactions
from lakehouse.contracts.contract import Column
from lakehouse.errors import DeclarationError
from lakehouse.sources import mappings
from lakehouse.sources.mappings import (
    absent,
    decimal_comma,
    file_encoding,
    ignored,
    null_spellings,
    recoded,
    reencoded,
    renamed,
    retyped,
    scaled,
    swapped,
    times,
)

NOTED = replace(
    transactions,
    contract=replace(
        transactions.contract,
        columns=(*transactions.contract.columns, Column("NOTE", "text", description="A note.", nullable=True)),
    ),
)
DAY = date(2018, 6, 1)
GOOD = [
    renamed("amt", "TX_AMOUNT"),
    ignored("batch"),
    absent("NOTE"),
    retyped("TX_AMOUNT"),
    swapped("CUSTOMER_ID", "TERMINAL_ID", since=DAY),
    reencoded("NOTE", "cp1252"),
    null_spellings("NOTE", "NA", "it's", -1, 9999.5),
    recoded("TX_FRAUD", {"yes": 1, "no": 0}, until=DAY),
    recoded("NOTE", {1: "one"}),
    decimal_comma("TX_AMOUNT"),
    times("TX_DATETIME", "%d.%m.%Y", zone="Europe/Berlin", day_month_swapped=True, since=DAY, until=DAY),
    times("TX_DATETIME", "milliseconds"),
    scaled("TX_AMOUNT", 0.01),
    scaled("TX_FRAUD", 100),
    file_encoding("latin-1"),
]


@pytest.mark.parametrize("mapping", GOOD)
def test_the_line_that_declares_a_mapping_makes_the_same(mapping):
    assert eval(mapping.line(), {**vars(mappings), "date": date}) == mapping  # noqa: S307  # our own line


def test_a_source_carries_mappings_in_any_collection():
    assert replace(NOTED, mappings=GOOD[:3]).mappings == tuple(GOOD[:3])


def test_the_definition_follows_the_mappings_and_not_their_order():
    plain = NOTED.definition()
    one, other = replace(NOTED, mappings=(GOOD[0], GOOD[1])), replace(NOTED, mappings=(GOOD[1], GOOD[0]))
    assert plain == NOTED.contract.fingerprint()
    assert one.definition() == other.definition() != plain
    assert replace(NOTED, mappings=(scaled("TX_AMOUNT", 0.01),)).definition() != one.definition()
    assert replace(NOTED, mappings=(scaled("TX_AMOUNT", 0.01, since=DAY),)).definition() != (
        replace(NOTED, mappings=(scaled("TX_AMOUNT", 0.01),)).definition()
    )


@pytest.mark.parametrize(
    ("mapping", "message", "nearest"),
    [
        (renamed("amt", "TX_AMUONT"), "does not have: 'TX_AMUONT'", "TX_AMOUNT"),
        (scaled("tx_amount", 0.01), "does not have: 'tx_amount'", "TX_AMOUNT"),
        (swapped("TX_AMOUNT", "FEE"), "does not have: 'FEE'", None),
        (swapped("TX_AMOUNT", "TX_AMOUNT"), "changes nothing", None),
        (renamed("TX_FRAUD", "TX_AMOUNT"), "is a column of the contract itself", "swapped('TX_AMOUNT', 'TX_FRAUD')"),
        (ignored("TX_FRAUD"), "is a column of the contract", None),
        (absent("TX_FRAUD"), "is given in each row", None),
        (scaled("NOTE", 2), "does not apply to a column of type text", None),
        (scaled("TX_AMOUNT", 0), "is not a factor", "0.01"),
        (scaled("TX_AMOUNT", float("nan")), "is not a factor", "0.01"),
        (scaled("TX_AMOUNT", factor=True), "is not a factor", "0.01"),
        (decimal_comma("TX_DATETIME"), "does not apply to a column of type timestamp", None),
        (times("TX_AMOUNT", "%Y"), "does not apply to a column of type float64", None),
        (times("TX_DATETIME"), "declares neither a format nor a time zone", None),
        (times("TX_DATETIME", "second"), "not a format of times", "seconds"),
        (times("TX_DATETIME", zone="Europe/Berln"), "no time zone 'Europe/Berln'", "Europe/Berlin"),
        (times("TX_DATETIME", zone="+99:00"), "no time zone", "Europe/Berlin"),
        (recoded("TX_FRAUD", {"yes": "1"}), "cannot mean '1'", None),
        (recoded("NOTE", {"a": 1}), "cannot mean 1", "'1'"),
        (recoded("TX_AMOUNT", {"a": 1}), "does not apply to a column of type float64", None),
        (recoded("TX_FRAUD", {}), "names no code", None),
        (null_spellings("NOTE"), "names no spelling", 'null_spellings("NOTE", "NA")'),
        (reencoded("NOTE", "latin-11"), "no encoding 'latin-11'", "latin-1"),
        (file_encoding("utf-88"), "no encoding 'utf-88'", "latin-1"),
        (scaled("TX_AMOUNT", 2, since=DAY, until=date(2018, 5, 1)), "applies to no day", None),
        ("scaled", "is not a mapping", 'renamed("amt", "amount")'),
    ],
)
def test_a_mapping_that_can_mean_nothing_is_rejected_when_it_is_declared(mapping, message, nearest):
    with pytest.raises(DeclarationError, match=message.replace("(", r"\(")) as caught:
        replace(NOTED, mappings=(mapping,))
    assert caught.value.where == "source fraud.transactions, mappings"
    if nearest:
        assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    "pair",
    [
        (renamed("amt", "TX_AMOUNT"), renamed("amt", "TX_FRAUD")),
        (renamed("amt", "TX_AMOUNT"), ignored("amt")),
        (scaled("TX_AMOUNT", 0.01), scaled("TX_AMOUNT", 0.01)),
    ],
)
def test_two_mappings_that_contradict_each_other(pair):
    with pytest.raises(DeclarationError, match="contradict"):
        replace(NOTED, mappings=pair)

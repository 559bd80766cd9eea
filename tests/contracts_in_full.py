"""A contract that uses everything that can be declared, for tests that must lose nothing of it."""

import math

from lakehouse.contracts.contract import Column, Contract, Distribution, Reference, Rule
from tests.reference import moment

FULL = Contract(
    table="shop.orders",
    version="1.4.0",
    owner="team:shop",
    columns=[
        Column("id", "int64", description="Its number.", unique=True, at_least=0, at_most=2**53 + 1),
        Column("line", "int16", description="The line's number.", one_of=(1, 2, 3)),
        Column(
            "at",
            "timestamp",
            description="When.",
            at_least=moment("2000-01-01"),
            at_most=moment("2099-12-31T23:59:59.999999"),
        ),
        Column("amount", "float64", description='What was "paid": 10 %.', nullable=True, at_least=0.1, at_most=1e15),
        Column("code", "text", description="What.", matches=r"[A-Z]{2}\d+'?", shortest=3, longest=9),
        Column("kind", "text", description="Which.", nullable=True, one_of=("it's", "no", "1", "ä")),
        Column("late", "bool", description="Whether it came late.", known_after="7d"),
    ],
    quarantine_share=0.05,
    freshness="36h",
    volume=(0.25, 3.0),
    keys=[("line", "kind"), ("at", "kind")],
    rules=[
        Rule("small", "amount < 100 or kind = 'it''s'", "It is small."),
        Rule("coded", r"regexp_matches(code, '\d$')", "It has a number.", action="block"),
    ],
    references=[
        Reference("kind", "shop.kinds", "name"),
        Reference(("line", "kind"), "shop.lines", action="warn"),
    ],
    distributions=[
        Distribution("amount", null_share=0.1, quantiles={0.5: (1.5, 10.0), 0.9: (0.0, math.inf)}, action="warn"),
        Distribution("kind", shares={"no": (0.1, 0.9)}, least_rows=10),
        Distribution("line", like_champion=True, shares={1: (0.0, 0.5)}),
    ],
    may_add={"note_*": "ignore", "*": "warn"},
    ordered=True,
    volume_by="day",
    then={"volume": "warn", "id_not_null": "block"},
)

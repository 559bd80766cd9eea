"""A contract's row rules as SQL conditions, for DuckDB and for Spark.

What belongs here: from declarations to conditions, and which rule it was that an engine could not judge. Not: what
users write in a rule (expressions.py), and running conditions over rows (sorting.py, whole.py, on_spark.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlglot
from sqlglot import Expr
from sqlglot import expressions as exp

from lakehouse.contracts.columns import Column, whole
from lakehouse.contracts.contract import Contract, key_rule
from lakehouse.contracts.expressions import DIVIDED_BY_ZERO, in_duckdb, in_spark, understand
from lakehouse.contracts.rules import Action, Reference
from lakehouse.errors import ContractError
from lakehouse.tables.duck import literal, quoted


@dataclass(frozen=True)
class RowRule:
    """One row rule, compiled.

    `breaks` is true of a row that breaks it. A rule that more than the row decides has none: that a `key` appears once,
    and that the values of a `reference` are found.
    """

    name: str
    description: str
    action: Action
    breaks: Expr | None = None
    key: tuple[str, ...] = ()
    reference: Reference | None = None

    @property
    def columns(self) -> set[str]:
        """The columns that the condition looks at."""
        return {one.name for one in self.breaks.find_all(exp.Column)} if self.breaks is not None else set()

    @property
    def in_duckdb(self) -> str:
        """The condition in DuckDB's SQL."""
        return in_duckdb(self.breaks) if self.breaks is not None else "false"

    @property
    def in_spark(self) -> str:
        """The condition in Spark's SQL."""
        return in_spark(self.breaks) if self.breaks is not None else "false"


def compile_rules(contract: Contract) -> list[RowRule]:
    """The contract's row rules, in the order of `Contract.row_rules`."""
    says = contract.row_rules()
    rules = [
        RowRule(name, says[name], contract.action(name), breaks, (column.name,) if breaks is None else ())
        for column in contract.columns
        for name, breaks in _column_rules(column)
    ]
    for key in contract.keys:
        name = key_rule(key)
        rules.append(RowRule(name, says[name], contract.action(name), key=tuple(key)))
    for rule in contract.rules:
        good = understand(rule.sql, tuple(contract.columns), f"contract of {contract.table}, rule {rule.name}")
        rules.append(RowRule(rule.name, rule.description, contract.action(rule.name), exp.not_(exp.paren(good))))
    rules += [
        RowRule(one.name, one.description, contract.action(one.name), reference=one) for one in contract.references
    ]
    return rules


@cache
def _column_rules(column: Column) -> list[tuple[str, Expr | None]]:
    """The name of each rule of the column with the condition that breaks it; None where the row does not decide."""
    name, found = quoted(column.name), []
    number = column.type == "float64"
    if not column.nullable:
        found.append(("not_null", f"{name} is null" + (f" or coalesce(isnan({name}), false)" if number else "")))
    if column.unique:
        found.append(("unique", None))
    if column.at_least is not None or column.at_most is not None:
        outside = [f"{name} < {sql_value(column.at_least)}"] if column.at_least is not None else []
        outside += [f"{name} > {sql_value(column.at_most)}"] if column.at_most is not None else []
        outside += [f"isnan({name})"] if number else []
        found.append(("in_range", " or ".join(outside)))
    if column.shortest is not None or column.longest is not None:
        outside = [f"length({name}) < {column.shortest}"] if column.shortest is not None else []
        outside += [f"length({name}) > {column.longest}"] if column.longest is not None else []
        found.append(("length", " or ".join(outside)))
    if column.matches:
        found.append(("matches", f"not regexp_matches({name}, {literal(whole(column.matches))})"))
    if column.one_of:
        found.append(("one_of", f"{name} not in ({', '.join(map(sql_value, column.one_of))})"))
    return [
        (f"{column.name}_{kind}", None if sql is None else sqlglot.parse_one(sql, read="duckdb")) for kind, sql in found
    ]


def sql_value(value: float | str | datetime | None) -> str:
    """The value in DuckDB's SQL; a float as a text that is cast, which every engine takes for the same float."""
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    if isinstance(value, float):
        return f"cast('{value!r}' as double)"
    return literal(value) if isinstance(value, str) else str(value)


def given(columns: Sequence[str]) -> str:
    """The condition that none of the columns is null."""
    return " and ".join(f"{quoted(one)} is not null" for one in columns)


def unjudged(contract: Contract, rules: Sequence[RowRule], judge: Callable[[RowRule], object], error: Exception):  # noqa: ANN201
    """The error for rules that an engine could not judge all together: names the first that fails alone."""
    for rule in rules:
        if rule.breaks is None:
            continue
        try:
            judge(rule)
        except type(error) as found:
            return ContractError(
                f"The rule {rule.name} cannot be judged: {_fault(found)}. Nothing was published.",
                where=f"contract of {contract.table}, rule {rule.name}",
                nearest="a / nullif(b, 0), which is null where b is 0, and of null a rule says nothing"
                if DIVIDED_BY_ZERO in str(found).lower()
                else None,
                fix="Mend the rule's expression so that it has an answer for every row that can be delivered.",
            )
    return ContractError(f"The rules cannot be judged: {_fault(error)}.", where=f"contract of {contract.table}")


def _fault(error: Exception) -> str:
    """What went wrong, without values of the row that it went wrong for."""
    text = str(error).lower()
    for sign, says in (
        (DIVIDED_BY_ZERO.replace(" ", "_"), DIVIDED_BY_ZERO),
        (DIVIDED_BY_ZERO, DIVIDED_BY_ZERO),
        ("overflow", "a number grows out of 64 bits"),
        ("out of range", "a number grows out of 64 bits"),
        ("could not convert", "a text cannot be cast"),
        ("conversion", "a text cannot be cast"),
        ("cast_invalid_input", "a text cannot be cast"),
    ):
        if sign in text:
            return says
    return type(error).__name__

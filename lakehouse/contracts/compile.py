"""A contract's row rules, compiled for an audit.

What belongs here: the list of compiled rules, and which rule it was that an engine could not evaluate. Not: the rules
(rules/), and running them over rows (row_checks.py, table_checks.py, engines/spark).
"""

from collections.abc import Callable, Sequence

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.expressions import DIVIDED_BY_ZERO
from lakehouse.contracts.rules.row_rule import RowRule
from lakehouse.errors import ContractError


def compile_rules(contract: Contract) -> list[RowRule]:
    """Return the contract's row rules, in the order of `Contract.row_rules`."""
    rules = [
        rule.compiled(column, name, contract.action(name))
        for column in contract.columns
        for name, rule in column.row_rules.items()
    ]
    return rules + [
        rule.compiled(contract, contract.action(rule.name)) for rule in contract.table_rules() if rule.on_rows
    ]


def not_evaluated(
    contract: Contract, rules: Sequence[RowRule], evaluate: Callable[[RowRule], object], error: Exception
) -> ContractError:
    """Return the error for rules that an engine could not evaluate together: names the first that fails alone."""
    for rule in rules:
        if rule.failing is None:
            continue
        try:
            evaluate(rule)
        except type(error) as found:
            return ContractError(
                f"The rule {rule.name} cannot be evaluated: {_fault(found)}. Nothing was published.",
                where=f"contract of {contract.table}, rule {rule.name}",
                nearest="a / nullif(b, 0), which is null where b is 0; a row passes a rule that is null"
                if DIVIDED_BY_ZERO in str(found).lower()
                else None,
                fix="Change the rule's expression so that it has a value for every row that can be delivered.",
            )
    return ContractError(f"The rules cannot be evaluated: {_fault(error)}.", where=f"contract of {contract.table}")


def _fault(error: Exception) -> str:
    """Return what went wrong, without values of the row that it went wrong for."""
    text = str(error).lower()
    for sign, message in (
        (DIVIDED_BY_ZERO.replace(" ", "_"), DIVIDED_BY_ZERO),
        (DIVIDED_BY_ZERO, DIVIDED_BY_ZERO),
        ("overflow", "a number exceeds 64 bits"),
        ("out of range", "a number exceeds 64 bits"),
        ("could not convert", "a text cannot be cast"),
        ("conversion", "a text cannot be cast"),
        ("cast_invalid_input", "a text cannot be cast"),
    ):
        if sign in text:
            return message
    return type(error).__name__

"""Shared checks of contract declarations: actions and names.

What belongs here: small types and checks that several declarations use. Not: the declarations (rules/, columns.py,
contract.py).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

from lakehouse.errors import DeclarationError, nearest_name

Action = Literal["block", "quarantine", "warn"]
"""What happens when a check fails: the delivery is rejected, its failed rows are quarantined, or a warning is shown."""

AddedAction = Literal["block", "warn", "ignore"]
"""What happens when a delivery has a column that the contract does not have. The column is never published."""

Range: TypeAlias = tuple[float, float]
Key = TypeVar("Key")
Value = TypeVar("Value")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def pairs(given: Mapping[Key, Value] | Sequence[tuple[Key, Value]]) -> tuple[tuple[Key, Value], ...]:
    """Return the items of a mapping as a tuple, the form in which frozen declarations keep them."""
    return tuple(given.items() if isinstance(given, Mapping) else ((key, value) for key, value in given))


def check_rule_name(name: str, where: str) -> None:
    """Raise DeclarationError if `name` cannot name a rule, and so an asset check."""
    if not _NAME.fullmatch(name):
        plain = re.sub(r"\W+", "_", name).strip("_") or "amount_fits"
        raise DeclarationError(
            f"{name!r} is not a valid name.", where=where, nearest=plain, fix="Use letters, digits and underscores."
        )


def check_table_name(table: str, where: str) -> None:
    """Raise DeclarationError if `table` is not the name of a table."""
    if not re.fullmatch(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", table):
        raise DeclarationError(
            f"{table!r} is not a table name.", where=where, nearest=f"domain.{table.replace('.', '_') or 'table'}"
        )


def check_action(action: str, options: Sequence[str], where: str, *, what: str = "action") -> None:
    """Raise DeclarationError if the value is not one of the options."""
    if action not in options:
        raise DeclarationError(
            f"Invalid {what} {action!r}.",
            where=where,
            nearest=nearest_name(str(action), options) or options[0],
            fix=f"Valid {what}s: " + ", ".join(options) + ".",
        )

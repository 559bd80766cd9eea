"""The registry of rules: every kind of rule that a contract can declare.

What belongs here: finding the kinds. Not: the kinds, each in a module of its own in this package or in a project.
"""

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from lakehouse.errors import DeclarationError, nearest_name

if TYPE_CHECKING:
    from lakehouse.contracts.rules.column_rule import ColumnRule
    from lakehouse.contracts.rules.table_rule import TableRule

_COLUMN_RULES: "dict[str, type[ColumnRule]]" = {}
_TABLE_RULES: "dict[str, type[TableRule]]" = {}

AnyColumnRule = TypeVar("AnyColumnRule", bound="type[ColumnRule]")
AnyTableRule = TypeVar("AnyTableRule", bound="type[TableRule]")


def column_rule(cls: AnyColumnRule) -> AnyColumnRule:
    """Register a kind of rule on the values of one column. Use it as a decorator."""
    _COLUMN_RULES[cls.kind] = cls
    return cls


def table_rule(cls: AnyTableRule) -> AnyTableRule:
    """Register a kind of rule on a whole table. Use it as a decorator."""
    _TABLE_RULES[cls.kind] = cls
    return cls


def column_rules() -> "list[type[ColumnRule]]":
    """Return all kinds of column rules, in the order in which they are checked."""
    _load()
    return sorted(_COLUMN_RULES.values(), key=lambda one: one.order)


def table_rules() -> "list[type[TableRule]]":
    """Return all kinds of table rules, in the order in which they are checked."""
    _load()
    return sorted(_TABLE_RULES.values(), key=lambda one: one.order)


def column_rule_of(kind: str, where: str) -> "type[ColumnRule]":
    """Return the kind of column rule of that name. Raises DeclarationError if none is registered."""
    _load()
    return _of(_COLUMN_RULES, kind, where)


def table_rule_of(kind: str, where: str) -> "type[TableRule]":
    """Return the kind of table rule of that name. Raises DeclarationError if none is registered."""
    _load()
    return _of(_TABLE_RULES, kind, where)


Found = TypeVar("Found")


def _of(rules: dict[str, Found], kind: str, where: str) -> Found:
    if kind in rules:
        return rules[kind]
    raise DeclarationError(
        f"Unknown rule {kind!r}.",
        where=where,
        nearest=nearest_name(kind, rules),
        fix="Registered rules: " + ", ".join(rules) + ". Import the module that registers it.",
    )


@cache
def _load() -> None:
    import lakehouse.contracts.rules as package

    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)

"""A contract as JSON and back, without loss.

What belongs here: the one form in which contracts are stored and compared. Not: the public standard (odcs.py), and the
form of each rule (rules/).
"""

import json
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any

from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.rules.registry import column_rule_of, table_rule_of, table_rules
from lakehouse.contracts.rules.table_rule import checked
from lakehouse.errors import DeclarationError


def to_json(contract: Contract) -> str:
    """Return the contract as a JSON object; the same contract gives the same text."""
    return json.dumps(as_object(contract), sort_keys=True, ensure_ascii=False)


def as_object(contract: Contract) -> dict[str, Any]:
    """Return the contract as JSON values; fields at their default are left out."""
    found = {**_given(contract), "columns": [_column(column) for column in contract.columns]}
    for name in _parts():
        if name in found and name != "keys":
            found[name] = [one.as_object() for one in getattr(contract, name)]
    return found


def from_json(text: str, where: str = "contract") -> Contract:
    """Return the contract. Raises DeclarationError for a text that is not one, and for an invalid contract."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise DeclarationError(f"The text is not JSON: {error}.", where=where) from None
    return from_object(found, where)


def from_object(found: Any, where: str = "contract") -> Contract:  # noqa: ANN401  # whatever JSON holds
    """Return the contract of JSON values."""
    given = checked(Contract, found, where)
    columns = []
    for one in given.pop("columns"):
        named = one.get("name") if isinstance(one, dict) else one
        values = checked(Column, one, f"{where}, column {named!r}")
        if values["type"] == "timestamp":
            values |= {
                name: _moment(values[name], where) for name in ("at_least", "at_most") if values.get(name) is not None
            }
        place = f"{where}, column {named}, rules"
        values["rules"] = [column_rule_of(rule["rule"], place).from_object(rule) for rule in values.get("rules", ())]
        columns.append(Column(**values))
    for name, kind in _parts().items():
        if name != "keys":
            place = f"{where}, {name}"
            given[name] = [_rule(one, kind, place) for one in given.get(name, ())]
    return Contract(columns=columns, **given)


def _rule(found: Any, kind: str, where: str) -> Any:  # noqa: ANN401  # whatever JSON holds
    named = found.get("rule", kind) if isinstance(found, dict) else kind
    return table_rule_of(named, where).from_object(found if isinstance(found, dict) else {}, where)


def _parts() -> dict[str, str]:
    """Return the fields of a contract that hold rules, with the kind of an entry that names none."""
    found: dict[str, str] = {}
    for kind in table_rules():
        found.setdefault(kind.field, kind.kind)
    return found


def _column(column: Column) -> dict[str, Any]:
    found = _given(column)
    if column.rules:
        found["rules"] = [rule.as_object() for rule in column.rules]
    return found


def _given(declared: Any) -> dict[str, Any]:  # noqa: ANN401  # any of the declarations
    """Return the fields that were given, as JSON values."""
    found = {}
    for one in fields(declared):
        value = getattr(declared, one.name)
        if one.default is MISSING or value != one.default:
            found[one.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, datetime):
        return value.isoformat()
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _moment(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise DeclarationError(f"{text!r} is not a time.", where=where, nearest="2018-04-01T00:00:00") from None

"""A contract as JSON and back, without loss.

What belongs here: the one form in which contracts are kept and compared. Not: the public standard (odcs.py).
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from datetime import datetime
from typing import Any

from lakehouse.contracts.contract import Column, Contract, Distribution, Reference, Rule
from lakehouse.errors import DeclarationError, nearest_name

_PARTS: Mapping[str, type] = {"rules": Rule, "references": Reference, "distributions": Distribution}


def to_json(contract: Contract) -> str:
    """The contract as a JSON object; the same contract gives the same text."""
    return json.dumps(as_object(contract), sort_keys=True, ensure_ascii=False)


def as_object(contract: Contract) -> dict[str, Any]:
    """The contract in JSON's kinds of values; what is as it is by default is left out."""
    told = {**_told(contract), "columns": [_told(column) for column in contract.columns]}
    for name in _PARTS:
        if name in told:
            told[name] = [_told(one) for one in getattr(contract, name)]
    return told


def from_json(text: str, where: str = "contract") -> Contract:
    """The contract. Raises DeclarationError for a text that is none, and for a contract that contradicts itself."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise DeclarationError(f"This is no JSON: {error}.", where=where) from None
    return from_object(found, where)


def from_object(found: Any, where: str = "contract") -> Contract:  # noqa: ANN401  # whatever JSON holds
    """The same from JSON's kinds of values."""
    given = _checked(Contract, found, where)
    columns = []
    for one in given.pop("columns"):
        told = _checked(Column, one, f"{where}, column {one.get('name') if isinstance(one, dict) else one!r}")
        if told["type"] == "timestamp":
            told |= {name: _moment(told[name], where) for name in ("at_least", "at_most") if told.get(name) is not None}
        columns.append(Column(**told))
    for name, kind in _PARTS.items():
        given[name] = [kind(**_checked(kind, one, f"{where}, {name}")) for one in given.get(name, ())]
    return Contract(columns=columns, **given)


def _told(declared: Any) -> dict[str, Any]:  # noqa: ANN401  # any of the declarations
    """The fields that were given, as JSON can hold them."""
    found = {}
    for one in fields(declared):
        value = getattr(declared, one.name)
        if one.default is MISSING or value != one.default:
            found[one.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def _checked(kind: Any, found: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    """The fields, when they are those of the declaration."""
    if not isinstance(found, dict):
        raise DeclarationError(f"{found!r} is no object.", where=where)
    names = [one.name for one in fields(kind)]
    for name in found:
        if name not in names:
            raise DeclarationError(
                f"{kind.__name__} has no field {name!r}.", where=where, nearest=nearest_name(name, names)
            )
    for one in fields(kind):
        if one.default is MISSING and one.name not in found:
            raise DeclarationError(f"The field {one.name} is missing.", where=where, nearest=f'"{one.name}": ...')
    return dict(found)


def _moment(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise DeclarationError(f"{text!r} is no time.", where=where, nearest="2018-04-01T00:00:00") from None

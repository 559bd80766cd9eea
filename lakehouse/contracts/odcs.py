"""Contracts as Open Data Contract Standard (ODCS) v3, to and from YAML.

What belongs here: the document, both ways, without loss. Not: the form of each rule (rules/), and JSON (as_json.py).
What the standard has a place for stands there: types, ranges, lengths, patterns, uniqueness, valid values, SQL rules,
relationships, freshness, owner. What it has none for stands in custom properties that begin with `slipway`, which
other tools leave alone.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import yaml

from lakehouse.contracts.as_json import as_object, from_object
from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.rules.registry import column_rules, table_rules
from lakehouse.contracts.types import SQL_TYPES
from lakehouse.errors import DeclarationError, SlipwayWarning

API_VERSION = "v3.1.0"

_LOGICAL = {
    "int16": "integer",
    "int32": "integer",
    "int64": "integer",
    "float64": "number",
    "text": "string",
    "bool": "boolean",
    "timestamp": "timestamp",
}
_KINDS = {"integer": "int64", "number": "float64", "string": "text", "boolean": "bool", "timestamp": "timestamp"}
_CUSTOM = {
    "quarantine_share": "slipwayQuarantineShare",
    "volume": "slipwayVolume",
    "volume_by": "slipwayVolumeBy",
    "may_add": "slipwayMayAdd",
    "ordered": "slipwayOrdered",
    "then": "slipwayThen",
}


def to_odcs(contract: Contract) -> str:
    """Return the contract as ODCS YAML."""
    content = as_object(contract)
    domain, _, name = contract.table.rpartition(".")
    table: dict[str, Any] = {
        "name": name,
        "physicalName": contract.table,
        "logicalType": "object",
        "physicalType": "table",
        "properties": [_property(one) for one in contract.columns],
    }
    for rule in contract.table_rules():
        rule.to_odcs(contract.table, table)
    number, unit = re.fullmatch(r"(\d+)(\w)", contract.freshness).groups()  # type: ignore[union-attr]  # it was checked
    whole = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.table,
        "name": contract.table,
        "version": contract.version,
        "status": "active",
        "domain": domain,
        "team": {"name": contract.owner},
        "schema": [table],
        "slaProperties": [{"property": "freshness", "value": int(number), "unit": unit}],
        "customProperties": [
            {"property": word, "value": content[field]} for field, word in _CUSTOM.items() if field in content
        ],
    }
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)


def from_odcs(text: str, where: str = "ODCS") -> Contract:
    """Return the contract of an ODCS document with one table.

    What other tools wrote and a contract cannot hold is named in a SlipwayWarning. Raises DeclarationError for a text
    that is no such document.
    """
    try:
        whole = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{where}, line {mark.line + 1}" if mark else where
        raise DeclarationError(
            f"The text is not YAML: {getattr(error, 'problem', None) or 'not text'}.", where=at
        ) from None
    if not isinstance(whole, dict) or whole.get("kind") != "DataContract":
        raise DeclarationError("The document is not an ODCS data contract.", where=where, nearest="kind: DataContract")
    if not str(whole.get("apiVersion", "")).startswith("v3"):
        raise DeclarationError(
            f"ODCS version {whole.get('apiVersion')!r} is not supported.", where=where, nearest=API_VERSION
        )
    tables = whole.get("schema") or []
    if len(tables) != 1:
        raise DeclarationError(
            f"The document has {len(tables)} tables; a contract describes one.", where=where, fix="Keep one table."
        )
    lost: list[str] = []
    found = _contract(whole, tables[0], lost)
    if lost:
        warnings.warn(SlipwayWarning(f"{where}: not imported: {', '.join(lost)}."), stacklevel=2)
    return from_object(found, where)


def _contract(whole: Mapping[str, Any], table: Mapping[str, Any], lost: list[str]) -> dict[str, Any]:
    name = table.get("physicalName") or whole.get("name") or table["name"]
    if "." not in name:
        name = f"{whole.get('domain') or 'domain'}.{name}"
    team = whole.get("team")
    members = team.get("members") if isinstance(team, dict) else team
    owner = team.get("name") if isinstance(team, dict) else None
    found: dict[str, Any] = {
        "table": name,
        "version": str(whole.get("version", "")),
        "owner": owner or next((one["username"] for one in members or () if one.get("username")), "team:unknown"),
        "columns": [_column(one, lost) for one in table.get("properties") or ()],
    }
    for one in whole.get("slaProperties") or ():
        length = f"{one.get('value')}{str(one.get('unit', 'd'))[:1]}"
        if one.get("property") == "freshness" and re.fullmatch(r"\d+[smhd]", length):
            found["freshness"] = length
        else:
            lost.append(f"slaProperties {one.get('property')}")
    custom = _custom(whole)
    found |= {field: custom[word] for field, word in _CUSTOM.items() if word in custom}
    for part, entries in (("quality", table.get("quality")), ("relationships", table.get("relationships"))):
        for one in entries or ():
            _take(one, part, found, lost)
    return found


def _take(one: Mapping[str, Any], part: str, found: dict[str, Any], lost: list[str]) -> None:
    """Add an entry of the table to the fields of the contract, by the kind of rule that knows it."""
    for kind in table_rules():
        rule = kind.from_quality(one) if part == "quality" else kind.from_relationship(one)
        if rule is not None:
            found.setdefault(kind.field, []).append(rule)
            return
    lost.append(f"{part} {one.get('name') or one.get('metric') or one.get('type')}")


def _property(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL[column.type],
        "physicalType": SQL_TYPES[column.type],
        "description": column.description,
        "required": False,
    }
    for rule in column.row_rules.values():
        rule.to_odcs(column, found)
    if column.known_after:
        found["customProperties"] = [{"property": "slipwayKnownAfter", "value": column.known_after}]
    return found


def _column(one: Mapping[str, Any], lost: list[str]) -> dict[str, Any]:
    by_type = {sql: kind for kind, sql in SQL_TYPES.items()}
    logical = str(one.get("logicalType", "string"))
    kind = by_type.get(str(one.get("physicalType", "")).upper(), _KINDS.get(logical, ""))
    if _LOGICAL.get(kind) != logical:
        kind = _KINDS.get(logical, logical)
    found: dict[str, Any] = {"name": one["name"], "type": kind, "description": one["name"]}
    if one.get("description") is not None:
        found["description"] = one["description"]
    options: dict[str, str] = {}
    for kind in column_rules():
        found |= kind.from_property(one)
        options |= kind.odcs_options
    for word, value in (one.get("logicalTypeOptions") or {}).items():
        if word in options:
            found[options[word]] = value.isoformat() if isinstance(value, date) else value
        else:
            lost.append(f"{one['name']}.{word}")
    for quality in one.get("quality") or ():
        _take_column_quality(one["name"], quality, found, lost)
    if "slipwayKnownAfter" in _custom(one):
        found["known_after"] = _custom(one)["slipwayKnownAfter"]
    return found


def _take_column_quality(column: str, quality: Mapping[str, Any], found: dict[str, Any], lost: list[str]) -> None:
    """Add a check of a property to the fields of the column, by the kind of rule that knows it."""
    for kind in column_rules():
        fields = kind.from_quality(quality)
        if fields is not None:
            found.update(fields)
            return
    if quality.get("engine") == "slipway" and "rule" in (quality.get("implementation") or {}):
        found.setdefault("rules", []).append(quality["implementation"])
        return
    lost.append(f"{column}.quality {quality.get('name') or quality.get('metric') or quality.get('type')}")


def _custom(one: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_pairs(one))


def _pairs(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for each in one.get("customProperties") or ():
        yield each["property"], each["value"]

"""Contracts as Open Data Contract Standard (ODCS) v3, to and from YAML.

What belongs here: the mapping, both ways, without loss. Not: our own form (as_json.py).
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
from lakehouse.contracts.columns import SQL_TYPES
from lakehouse.contracts.contract import Contract, key_rule
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
_OPTIONS = {
    "at_least": "minimum",
    "at_most": "maximum",
    "matches": "pattern",
    "shortest": "minLength",
    "longest": "maxLength",
}
_CUSTOM = {
    "quarantine_share": "slipwayQuarantineShare",
    "volume": "slipwayVolume",
    "volume_by": "slipwayVolumeBy",
    "may_add": "slipwayMayAdd",
    "ordered": "slipwayOrdered",
    "then": "slipwayThen",
}
_SEVERITY = {"block": "error", "quarantine": "error", "warn": "warning"}


def to_odcs(contract: Contract) -> str:
    """The contract as ODCS YAML."""
    told = as_object(contract)
    domain, _, name = contract.table.rpartition(".")
    table: dict[str, Any] = {
        "name": name,
        "physicalName": contract.table,
        "logicalType": "object",
        "physicalType": "table",
        "properties": [_property(one) for one in told["columns"]],
    }
    quality = [
        *({**_no_rows("duplicateValues", {"properties": list(key)}), "name": key_rule(key)} for key in contract.keys),
        *(_sql_quality(one, contract.table) for one in told.get("rules", ())),
        *({"type": "custom", "engine": "slipway", "name": f"{one['column']}_distribution", "implementation": one}
          for one in told.get("distributions", ())),
    ]  # fmt: skip
    if quality:
        table["quality"] = quality
    if contract.references:
        table["relationships"] = [_relationship(one, name) for one in told["references"]]
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
            {"property": word, "value": told[field]} for field, word in _CUSTOM.items() if field in told
        ],
    }
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)


def from_odcs(text: str, where: str = "ODCS") -> Contract:
    """The contract of an ODCS document with one table.

    What other tools wrote and a contract cannot hold is named in a SlipwayWarning. Raises DeclarationError for a text
    that is no such document.
    """
    try:
        whole = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{where}, line {mark.line + 1}" if mark else where
        raise DeclarationError(f"This is no YAML: {getattr(error, 'problem', None) or 'not text'}.", where=at) from None
    if not isinstance(whole, dict) or whole.get("kind") != "DataContract":
        raise DeclarationError("This is no data contract.", where=where, nearest="kind: DataContract")
    if not str(whole.get("apiVersion", "")).startswith("v3"):
        raise DeclarationError(
            f"The version {whole.get('apiVersion')!r} of the standard cannot be read.", where=where, nearest=API_VERSION
        )
    tables = whole.get("schema") or []
    if len(tables) != 1:
        raise DeclarationError(
            f"The document has {len(tables)} tables, and a contract is about one.", where=where, fix="Keep one."
        )
    lost: list[str] = []
    found = _contract(whole, tables[0], lost)
    if lost:
        warnings.warn(SlipwayWarning(f"{where}: not taken over: {', '.join(lost)}."), stacklevel=2)
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
    for one in table.get("quality") or ():
        _take_quality(one, found, lost)
    for one in table.get("relationships") or ():
        found.setdefault("references", []).append(_reference(one))
    return found


def _property(told: Mapping[str, Any]) -> dict[str, Any]:
    options = {word: told[field] for field, word in _OPTIONS.items() if field in told}
    kind = told["type"]
    found: dict[str, Any] = {
        "name": told["name"],
        "logicalType": _LOGICAL[kind],
        "physicalType": SQL_TYPES[kind],
        "description": told["description"],
        "required": not told.get("nullable", False),
    }
    if told.get("unique"):
        found["unique"] = True
    if options:
        found["logicalTypeOptions"] = options
    if "one_of" in told:
        valid = _no_rows("invalidValues", {"validValues": told["one_of"]})
        found["quality"] = [{**valid, "name": f"{told['name']}_one_of"}]
    if "known_after" in told:
        found["customProperties"] = [{"property": "slipwayKnownAfter", "value": told["known_after"]}]
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
    found["nullable"] = not one.get("required", False)
    found["unique"] = bool(one.get("unique") or (one.get("primaryKey") and one.get("primaryKeyPosition", 1) in {1, -1}))
    words = {word: field for field, word in _OPTIONS.items()}
    for word, value in (one.get("logicalTypeOptions") or {}).items():
        if word in words:
            found[words[word]] = value.isoformat() if isinstance(value, date) else value
        else:
            lost.append(f"{one['name']}.{word}")
    for quality in one.get("quality") or ():
        valid = (quality.get("arguments") or {}).get("validValues")
        if quality.get("metric") == "invalidValues" and valid:
            found["one_of"] = valid
        else:
            lost.append(f"{one['name']}.quality {quality.get('name') or quality.get('metric') or quality.get('type')}")
    if "slipwayKnownAfter" in _custom(one):
        found["known_after"] = _custom(one)["slipwayKnownAfter"]
    return found


def _no_rows(metric: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "library", "metric": metric, "arguments": dict(arguments), "mustBe": 0, "unit": "rows"}


def _sql_quality(told: Mapping[str, Any], table: str) -> dict[str, Any]:
    action = told.get("action", "quarantine")
    return {
        "type": "sql",
        "name": told["name"],
        "description": told["description"],
        "query": f"SELECT COUNT(*) FROM {table} WHERE NOT ({told['sql']})",
        "mustBe": 0,
        "severity": _SEVERITY[action],
        "customProperties": [
            {"property": "slipwayCondition", "value": told["sql"]},
            {"property": "slipwayAction", "value": action},
        ],
    }


def _take_quality(one: Mapping[str, Any], found: dict[str, Any], lost: list[str]) -> None:
    custom = _custom(one)
    columns = (one.get("arguments") or {}).get("properties")
    if one.get("metric") == "duplicateValues" and columns and one.get("mustBe") == 0:
        found.setdefault("keys", []).append(columns)
    elif "slipwayCondition" in custom:
        rule = {
            "name": one["name"],
            "sql": custom["slipwayCondition"],
            "description": one.get("description") or one["name"],
        }
        found.setdefault("rules", []).append({**rule, "action": custom.get("slipwayAction", "quarantine")})
    elif one.get("engine") == "slipway":
        found.setdefault("distributions", []).append(one["implementation"])
    else:
        lost.append(f"quality {one.get('name') or one.get('metric') or one.get('type')}")


def _relationship(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    other = told["table"].rpartition(".")[2]
    ends = [f"{name}.{one}" for one in told["columns"]], [f"{other}.{one}" for one in told["to_columns"]]
    begin, end = ends if len(told["columns"]) > 1 else (ends[0][0], ends[1][0])
    own = {"slipwayTable": told["table"], "slipwayAction": told.get("action", "quarantine")}
    if any("." in one for one in (*told["columns"], *told["to_columns"])):  # where one begins cannot be told
        own |= {"slipwayColumns": told["columns"], "slipwayToColumns": told["to_columns"]}
    return {
        "type": "foreignKey",
        "from": begin,
        "to": end,
        "customProperties": [{"property": word, "value": value} for word, value in own.items()],
    }


def _reference(one: Mapping[str, Any]) -> dict[str, Any]:
    begin, end = ([each] if isinstance(each, str) else each for each in (one["from"], one["to"]))
    custom = _custom(one)
    return {
        "columns": custom.get("slipwayColumns") or [each.rpartition(".")[2] for each in begin],
        "table": custom.get("slipwayTable") or f"domain.{end[0].rpartition('.')[0]}",
        "to_columns": custom.get("slipwayToColumns") or [each.rpartition(".")[2] for each in end],
        "action": custom.get("slipwayAction", "quarantine"),
    }


def _custom(one: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_pairs(one))


def _pairs(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for each in one.get("customProperties") or ():
        yield each["property"], each["value"]

"""A contract as the Python source of a domain's contracts.py, for a person to edit.

What belongs here: writing declarations down in the form that they are written by hand. Not: what they say (suggest.py,
odcs.py).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any

from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.contract import __all__ as PUBLIC  # noqa: N812

_WIDTH = 120
_STEP = "    "
_LISTS = ("columns", "keys", "rules", "references", "distributions")
_MAPPINGS = ("quantiles", "shares", "may_add", "then")


def to_python(contract: Contract, opening: str, comments: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return a module's source: `opening` is its docstring, `comments` stand above the column or field of that name."""
    remarks = comments or {}
    lines: list[str] = []
    for one in fields(contract):
        value = getattr(contract, one.name)
        shown = (
            one.default is MISSING or value != one.default or one.name in {"quarantine_share", "freshness", "volume"}
        )
        lines += [f"{_STEP}# {line}" for line in remarks.get(one.name, ())]
        if shown and one.name in _LISTS:
            lines.append(f"{_STEP}{one.name}=[")
            for part in value:
                lines += [f"{_STEP * 2}# {line}" for line in remarks.get(getattr(part, "name", ""), ())]
                lines.append(_declared(part, 2))
            lines.append(f"{_STEP}],")
        elif shown:
            lines.append(f"{_STEP}{one.name}={_value(one.name, value)},")
    body = "\n".join(lines)
    name = contract.table.rpartition(".")[2]
    timed = "from datetime import datetime\n\n" if "datetime(" in body else ""
    return f'"""{opening}"""\n\n{timed}{_imports(contract)}\n\n{name}_contract = Contract(\n{body}\n)\n'


def _imports(contract: Contract) -> str:
    """Return the imports of the classes that the contract is declared with; a rule's own kind from its module."""
    classes = {Contract, *map(type, contract.columns), *(type(rule) for one in contract.columns for rule in one.rules)}
    classes |= {type(rule) for rule in contract.table_rules() if rule.field != "keys"}
    modules: dict[str, list[str]] = {}
    for one in classes:
        module = Contract.__module__ if one.__name__ in PUBLIC else one.__module__
        modules.setdefault(module, []).append(one.__name__)
    return "\n".join(f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items()))


def _declared(part: Any, depth: int) -> str:  # noqa: ANN401  # a declaration, or a key
    """Return a part on one line if it fits, else with a line for each field."""
    begin = _STEP * depth
    if isinstance(part, tuple):
        return f"{begin}{_value('', part)},"
    given = _arguments(part)
    # Table times are UTC without a zone, which a linter must be told of.
    note = "  # noqa: DTZ001" if any("datetime(" in text for text in given) else ""
    line = f"{begin}{type(part).__name__}({', '.join(given)}),{note}"
    if len(line) <= _WIDTH:
        return line
    inner = "\n".join(f"{begin}{_STEP}{text},{'  # noqa: DTZ001' if 'datetime(' in text else ''}" for text in given)
    return f"{begin}{type(part).__name__}(\n{inner}\n{begin}),"


def _arguments(part: Any) -> list[str]:  # noqa: ANN401  # a declaration
    """Return the arguments that differ from their defaults, as people write them."""
    if isinstance(part, Column):
        given = [(one.name, getattr(part, one.name)) for one in fields(part) if getattr(part, one.name) != one.default]
        return [
            _value(name, value) if name in {"name", "type"} else f"{name}={_value(name, value)}"
            for name, value in given
        ]
    return [f"{name}={_value(name, value)}" for name, value in part.in_python()]


def _value(field: str, value: Any) -> str:  # noqa: ANN401
    if isinstance(value, datetime):
        parts = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
        while len(parts) > 3 and not parts[-1]:  # noqa: PLR2004  # a day is always said
            parts.pop()
        return f"datetime({', '.join(map(str, parts))})"
    if isinstance(value, str):
        return _text(value)
    if is_dataclass(value):
        return f"{type(value).__name__}({', '.join(_arguments(value))})"
    if field in _MAPPINGS:
        return "{" + ", ".join(f"{_value('', key)}: {_value('', one)}" for key, one in value) + "}"
    if isinstance(value, tuple):
        inner = ", ".join(_value("", one) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return f'float("{value}")' if value in {math.inf, -math.inf} else repr(value)


def _text(value: str) -> str:
    """In double quotes, as people write texts; a regular expression raw."""
    if '"' in value or "\n" in value or not value.isprintable():
        return repr(value)
    if "\\" in value:
        return repr(value) if value.endswith("\\") else f'r"{value}"'
    return f'"{value}"'

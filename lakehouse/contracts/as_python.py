"""A contract as the Python source of a domain's contracts.py, for a person to edit.

What belongs here: writing declarations down in the form that they are written by hand. Not: what they say (suggest.py,
odcs.py).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any

from lakehouse.contracts.contract import Contract

_WIDTH = 120
_STEP = "    "
_CLASSES = ("Column", "Contract", "Distribution", "Reference", "Rule")
_LISTS = ("columns", "keys", "rules", "references", "distributions")
_MAPPINGS = ("quantiles", "shares", "may_add", "then")


def to_python(contract: Contract, opening: str, comments: Mapping[str, Sequence[str]] | None = None) -> str:
    """The source of a module: `opening` is its docstring, `comments` are put above the column or field of that name."""
    said = comments or {}
    lines: list[str] = []
    for one in fields(contract):
        value = getattr(contract, one.name)
        shown = (
            one.default is MISSING or value != one.default or one.name in {"quarantine_share", "freshness", "volume"}
        )
        lines += [f"{_STEP}# {line}" for line in said.get(one.name, ())]
        if shown and one.name in _LISTS:
            lines.append(f"{_STEP}{one.name}=[")
            for part in value:
                lines += [f"{_STEP * 2}# {line}" for line in said.get(getattr(part, "name", ""), ())]
                lines.append(_declared(part, 2))
            lines.append(f"{_STEP}],")
        elif shown:
            lines.append(f"{_STEP}{one.name}={_value(one.name, value)},")
    body = "\n".join(lines)
    name = contract.table.rpartition(".")[2]
    used = [one for one in _CLASSES if f"{one}(" in body or one == "Contract"]
    timed = "from datetime import datetime\n\n" if "datetime(" in body else ""
    return (
        f'"""{opening}"""\n\n{timed}from lakehouse.contracts.contract import {", ".join(used)}\n\n'
        f"{name}_contract = Contract(\n{body}\n)\n"
    )


def _declared(part: Any, depth: int) -> str:  # noqa: ANN401  # a declaration, or a key
    """A part on one line when it fits, else a field on each."""
    begin = _STEP * depth
    if isinstance(part, tuple):
        return f"{begin}{_value('', part)},"
    given = []
    for place, one in enumerate(fields(part)):
        value = getattr(part, one.name)
        positional = type(part).__name__ == "Column" and place < 2  # noqa: PLR2004  # as people write columns
        if one.default is MISSING or value != one.default:
            given.append(("" if positional else f"{one.name}=") + _value(one.name, value))
    # Table times are UTC without a zone, which a linter must be told of.
    note = "  # noqa: DTZ001" if any("datetime(" in text for text in given) else ""
    line = f"{begin}{type(part).__name__}({', '.join(given)}),{note}"
    if len(line) <= _WIDTH:
        return line
    inner = "\n".join(f"{begin}{_STEP}{text},{'  # noqa: DTZ001' if 'datetime(' in text else ''}" for text in given)
    return f"{begin}{type(part).__name__}(\n{inner}\n{begin}),"


def _value(field: str, value: Any) -> str:  # noqa: ANN401
    if isinstance(value, datetime):
        parts = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
        while len(parts) > 3 and not parts[-1]:  # noqa: PLR2004  # a day is always said
            parts.pop()
        return f"datetime({', '.join(map(str, parts))})"
    if isinstance(value, str):
        return _text(value)
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

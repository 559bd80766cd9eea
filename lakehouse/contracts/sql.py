"""Fragments of DuckDB SQL for rules.

What belongs here: literals and conditions that several rules need. Not: expressions of users (expressions.py).
"""

from collections.abc import Sequence
from datetime import datetime

from lakehouse.tables.duck import literal, quoted


def sql_value(value: float | str | datetime | None) -> str:
    """Return the value as a DuckDB literal; floats as cast texts, which all engines read alike."""
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    if isinstance(value, float):
        return f"cast('{value!r}' as double)"
    return literal(value) if isinstance(value, str) else str(value)


def all_given(columns: Sequence[str]) -> str:
    """Return the condition that none of the columns is null."""
    return " and ".join(f"{quoted(one)} is not null" for one in columns)


def whole_text(pattern: str) -> str:
    """Return the regular expression that finds `pattern` only where it matches the whole text."""
    return rf"\A(?:{pattern})\z"

"""Remediation: the code to add, and where, so that a changed delivery can be read.

What belongs here: from proposed mappings to the words that a person follows. Not: proposing them (changes_of_*.py).
"""

import ast
from collections.abc import Sequence

from lakehouse.contracts.contract import Contract
from lakehouse.sources.source import Source


def recipe(source: Source, proposals: Sequence[str]) -> str:
    """How to declare the proposed mappings: the file, the field as it is to be, the imports, and what to run then.

    A proposal is a line of Python, of one mapping or of several.
    """
    wanted = dict.fromkeys([*(one.line() for one in source.mappings), *_lines(proposals)])
    domain = source.name.split(".")[0]
    declared = ", ".join(wanted)
    return (
        f"In assets/{domain}/sources.py, give the source {source.name} `mappings=[{declared}]`, and import "
        f"{' and '.join(f'`{one}`' for one in _imports(declared))}.{of_nulls(source.contract, proposals)} "
        f"Then run `slipway materialize {source.name}`. Or have it delivered as before."
    )


def of_nulls(contract: Contract, proposals: Sequence[str]) -> str:
    """What else it takes where values would become null in columns that may not be; empty where nothing does."""
    columns = {one.name for one in contract.columns if not one.nullable}
    named = [ast.literal_eval(one.args[0]) for one in _calls(proposals) if _word(one) == "null_spellings"]
    text = ""
    for name in dict.fromkeys(one for one in named if one in columns):
        rule = f"{name}_not_null"
        action = contract.action(rule)
        if action == "warn":
            continue
        then = f"fail {rule} and block the delivery"
        if action == "quarantine":
            then = (
                f"fail {rule} and wait in quarantine, or block the delivery where they are more than "
                f"{contract.quarantine_share:.2%} of it"
            )
        text += (
            f" {name} may not be null: with the mapping alone these rows {then}. If null is fine, give the column "
            f"`nullable=True` in assets/{contract.table.split('.')[0]}/contracts.py, too, and the contract a new major "
            "version."
        )
    return text


def _calls(proposals: Sequence[str]) -> list[ast.Call]:
    found = ast.parse(f"[{', '.join(proposals)}]", mode="eval").body
    return [one for one in getattr(found, "elts", []) if isinstance(one, ast.Call)]


def _lines(proposals: Sequence[str]) -> list[str]:
    return [ast.unparse(one) for one in _calls(proposals)]


def _word(call: ast.Call) -> str:
    return getattr(call.func, "id", "")


def _imports(declared: str) -> list[str]:
    """The import lines that the mappings need."""
    calls = _calls([declared])
    words = ", ".join(sorted({_word(one) for one in calls}))
    dated = any(isinstance(one, ast.Call) and _word(one) == "date" for call in calls for one in ast.walk(call))
    own = f"from lakehouse.sources.mappings import {words}"
    return ["from datetime import date", own] if dated else [own]

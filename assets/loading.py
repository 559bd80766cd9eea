"""Loading domains: their modules are imported and what they declare is collected.

What belongs here: from a domain's name to its declarations. Not: the declarations.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from assets import DOMAINS
from lakehouse.contracts.columns import Column
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.rules import Distribution, Reference, Rule
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError, SlipwayError, nearest_name
from lakehouse.features.sameness import check_together
from lakehouse.kinds.asset import Kind
from lakehouse.kinds.registry import asset_kinds

PARTS = (Contract, Column, Rule, Reference, Distribution)
"""Classes whose objects are parts of declarations."""


def load_domains(names: Sequence[str] = DOMAINS) -> list[Domain]:
    """The domains of these names. Raises DeclarationError for a declaration that cannot mean anything."""
    domains = [load_domain(name) for name in names]
    check_together([one for domain in domains for one in domain.feature_sets])
    return domains


def load_domain(name: str) -> Domain:
    """One domain: everything that its modules declare, in the modules and classes that the kinds of assets name."""
    declarations = [
        value
        for one in _kinds()
        if find_spec(f"assets.{name}.{one.module}")
        for value in vars(_module(name, one.module)).values()
        if one.declaration is not None and isinstance(value, one.declaration)
    ]
    return Domain(name, declarations, import_module(f"assets.{name}").OWNERS)


def _kinds() -> list[Kind]:
    """The kinds of assets that domains have declarations of."""
    return [one.kind for one in asset_kinds() if one.kind.declaration is not None]


def _classes() -> dict[str, type]:
    """The classes of declarations and of their parts, by name."""
    found = [one.declaration for one in _kinds() if one.declaration is not None]
    return {one.__name__: one for one in (*found, *PARTS)}


def _module(domain: str, part: str) -> ModuleType:
    """A domain's module. What Python cannot read in it becomes an error that names the file and the line."""
    try:
        return import_module(f"assets.{domain}.{part}")
    except DeclarationError as error:
        place = _place(error, domain)
        if place and place not in str(error.where):
            error.where = f"{error.where} ({place})" if error.where else place
        raise
    except SlipwayError:
        raise
    except SyntaxError as error:
        where = f"{error.filename}, line {error.lineno}"
        raise DeclarationError(
            f"Python cannot read the file: {error.msg}.", where=where, fix="Mend the line."
        ) from error
    except Exception as error:  # whatever a declaration can raise is its writer's to mend
        where = _place(error, domain) or f"assets/{domain}/{part}.py"
        misspelt = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error))
        if misspelt and misspelt.group(1) in _classes():
            kind, field = misspelt.groups()
            known = [one.name for one in fields(_classes()[kind])]
            raise DeclarationError(
                f"A {kind} has no field {field!r}.",
                where=where,
                nearest=nearest_name(field, known),
                fix="Use one of: " + ", ".join(known) + ".",
            ) from error
        raise DeclarationError(
            f"The declaration cannot be made: {error}.", where=where, fix="Mend the line."
        ) from error


def _place(error: Exception, domain: str) -> str:
    """Where in the domain's files a declaration went wrong: the file, the line, what is declared there and in what."""
    frames = [one for one in extract_tb(error.__traceback__) if f"/assets/{domain}/" in one.filename]
    if not frames:
        return ""
    file, line = frames[-1].filename, frames[-1].lineno or 0
    around = [
        node
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    calls = sorted(around, key=lambda node: (node.lineno, -(node.end_lineno or 0), node.col_offset))
    named = list(dict.fromkeys(name for name in map(_named, calls) if name))
    return f"{file}, line {line}" + (f": {', '.join(named)}" if named else "")


def _named(call: ast.Call) -> str:
    """`Column amount` for Column("amount", ...); nothing for what has no name."""
    kind = call.func.id if isinstance(call.func, ast.Name) else ""
    if kind not in _classes():
        return ""
    given = {word.arg: word.value for word in call.keywords}
    name = given.get("name") or given.get("table") or next(iter(call.args), None)
    return f"{kind} {name.value}" if isinstance(name, ast.Constant) else kind

"""Loading the project's domains: import their modules, and collect what they declare.

What belongs here: from a project's folder to the declarations of its domains. Not: the declarations (the project's
assets/), and finding the folder (project.py).
"""

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from lakehouse.contracts.columns import Column
from lakehouse.contracts.contract import Contract, Distribution, Reference, Rule
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError, ProjectError, SlipwayError, nearest_name, unknown_name
from lakehouse.features.sameness import check_together
from lakehouse.kinds.asset import Kind
from lakehouse.kinds.registry import asset_kinds
from lakehouse.settings import current_project

PARTS = (Contract, Column, Rule, Reference, Distribution)
"""Classes whose objects are parts of declarations."""


def load_domains(names: Sequence[str] | None = None) -> list[Domain]:
    """The project's domains of these names (default: all). Raises DeclarationError for an invalid declaration."""
    domains = [load_domain(name) for name in (domain_names() if names is None else names)]
    check_together([one for domain in domains for one in domain.feature_sets])
    return domains


def load_domain(name: str) -> Domain:
    """One domain: everything that its modules declare, in the modules and classes that the kinds of assets name."""
    _assets()
    declarations = [value for value in _declared_in(name) if not _is_imported(value, name)]
    return Domain(name, declarations, import_module(f"assets.{name}").OWNERS)


def _declared_in(domain: str) -> list[Any]:
    """The declarations in a domain's modules, by themselves or in a list, each once."""
    found: dict[int, Any] = {}
    for one in _kinds():
        if one.declaration is not None and find_spec(f"assets.{domain}.{one.module}"):
            for value in vars(_module(domain, one.module)).values():
                values = value if isinstance(value, list | tuple) else [value]
                found |= {id(each): each for each in values if isinstance(each, one.declaration)}
    return list(found.values())


def _is_imported(value: Any, domain: str) -> bool:  # noqa: ANN401  # a declaration of any kind
    """Whether a declaration that a domain's module holds is another domain's, imported to be used in its own."""
    other = getattr(value, "name", "").partition(".")[0]
    return other != domain and other in domain_names() and any(value is each for each in _declared_in(other))


def _kinds() -> list[Kind]:
    """The kinds of assets that domains have declarations of."""
    return [one.kind for one in asset_kinds() if one.kind.declaration is not None]


def _classes() -> dict[str, type]:
    """The classes of declarations and of their parts, by name."""
    found = [one.declaration for one in _kinds() if one.declaration is not None]
    return {one.__name__: one for one in (*found, *PARTS)}


def domain_names() -> tuple[str, ...]:
    """The names in DOMAINS of the project's assets/__init__.py, in that order."""
    module = _assets()
    names = getattr(module, "DOMAINS", None)
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise DeclarationError(
            "There is no tuple DOMAINS of the domains' names.",
            where=str(module.__file__),
            nearest='DOMAINS = ("orders",)',
            fix="Name each domain (a folder beside this file) in it.",
        )
    return tuple(names)


def simulator(domain: str) -> ModuleType | None:
    """The module `simulator` of a domain, which makes deliveries for a demo; None for a domain that has none."""
    if domain not in domain_names():
        raise unknown_name("domain", domain, domain_names())
    name = f"assets.{domain}.simulator"
    return import_module(name) if find_spec(name) else None


def _assets() -> ModuleType:
    """The project's package of domains. A process works on one project."""
    folder = current_project()
    if not (folder / "assets" / "__init__.py").exists():
        raise ProjectError(
            "The project has no assets/__init__.py, which names its domains.",
            where=str(folder / "assets"),
            nearest="DOMAINS = ()",
            fix="Restore the file, or name the project's folder with SLIPWAY_PROJECT.",
        )
    if "assets" not in sys.modules:
        sys.path.insert(0, str(folder))
    module = import_module("assets")
    used = Path(module.__file__ or "").resolve().parent
    if used != (folder / "assets").resolve():
        raise ProjectError(
            f"This process has loaded the domains of {used.parent}, and cannot load those of {folder}.",
            where="SLIPWAY_PROJECT",
            nearest=str(used.parent),
            fix="Work on each project in a process of its own, and leave its folder off PYTHONPATH elsewhere.",
        )
    return module


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

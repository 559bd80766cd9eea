"""Loading domains: their modules are imported and what they declare is collected.

What belongs here: from a domain's name to its declarations. Not: the declarations.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TypeVar

from assets import DOMAINS
from lakehouse.contracts.columns import Column
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.rules import Distribution, Reference, Rule
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError, SlipwayError, nearest_name
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.sameness import check_together
from lakehouse.models.model import Model
from lakehouse.sources.source import Source
from lakehouse.training.training_set import TrainingSet

DECLARATIONS = {
    one.__name__: one
    for one in (Source, Contract, Column, Rule, Reference, Distribution, FeatureSet, TrainingSet, Model)
}
Declared = TypeVar("Declared", Source, FeatureSet, TrainingSet, Model)


def load_domains(names: Sequence[str] = DOMAINS) -> list[Domain]:
    """The domains of these names. Raises DeclarationError for a declaration that cannot mean anything."""
    domains = [load_domain(name) for name in names]
    check_together([one for domain in domains for one in domain.feature_sets])
    return domains


def load_domain(name: str) -> Domain:
    """One domain: everything that its modules declare under a name."""
    return Domain(
        name=name,
        sources=_declared(_module(name, "sources"), Source),
        feature_sets=_declared(_module(name, "features"), FeatureSet),
        training_sets=_declared(_module(name, "training"), TrainingSet),
        models=_declared(_module(name, "model"), Model),
        owners=import_module(f"assets.{name}").OWNERS,
    )


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
        if misspelt and misspelt.group(1) in DECLARATIONS:
            kind, field = misspelt.groups()
            known = [one.name for one in fields(DECLARATIONS[kind])]
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
    if kind not in DECLARATIONS:
        return ""
    given = {word.arg: word.value for word in call.keywords}
    name = given.get("name") or given.get("table") or next(iter(call.args), None)
    return f"{kind} {name.value}" if isinstance(name, ast.Constant) else kind


def _declared(module: ModuleType, kind: type[Declared]) -> list[Declared]:
    return [value for value in vars(module).values() if isinstance(value, kind)]

"""Loading domains: their modules are imported and what they declare is collected.

What belongs here: from a domain's name to its declarations. Not: the declarations.
"""

from collections.abc import Sequence
from importlib import import_module
from traceback import extract_tb
from types import ModuleType
from typing import TypeVar

from assets import DOMAINS
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError, SlipwayError
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.sameness import check_together
from lakehouse.models.model import Model
from lakehouse.sources.source import Source
from lakehouse.training.training_set import TrainingSet

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
    except SlipwayError:
        raise
    except SyntaxError as error:
        where = f"{error.filename}, line {error.lineno}"
        raise DeclarationError(
            f"Python cannot read the file: {error.msg}.", where=where, fix="Mend the line."
        ) from error
    except Exception as error:  # whatever a declaration can raise is its writer's to mend
        frames = [one for one in extract_tb(error.__traceback__) if f"/assets/{domain}/" in one.filename]
        where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else f"assets/{domain}/{part}.py"
        raise DeclarationError(
            f"The declaration cannot be made: {error}.", where=where, fix="Mend the line."
        ) from error


def _declared(module: ModuleType, kind: type[Declared]) -> list[Declared]:
    return [value for value in vars(module).values() if isinstance(value, kind)]

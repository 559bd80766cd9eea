"""Loading domains: their modules are imported and what they declare is collected.

What belongs here: from a domain's name to its declarations. Not: the declarations.
"""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from assets import DOMAINS
from lakehouse.domain import Domain
from lakehouse.features.feature_set import FeatureSet
from lakehouse.models.model import Model
from lakehouse.sources.source import Source
from lakehouse.training.training_set import TrainingSet

Declared = TypeVar("Declared", Source, FeatureSet, TrainingSet, Model)


def load_domains(names: Sequence[str] = DOMAINS) -> list[Domain]:
    """The domains of these names. Raises DeclarationError for a declaration that cannot mean anything."""
    return [load_domain(name) for name in names]


def load_domain(name: str) -> Domain:
    """One domain: everything that its modules declare under a name."""
    package = import_module(f"assets.{name}")
    return Domain(
        name=name,
        sources=_declared(import_module(f"assets.{name}.sources"), Source),
        feature_sets=_declared(import_module(f"assets.{name}.features"), FeatureSet),
        training_sets=_declared(import_module(f"assets.{name}.training"), TrainingSet),
        models=_declared(import_module(f"assets.{name}.model"), Model),
        owners=package.OWNERS,
    )


def _declared(module: ModuleType, kind: type[Declared]) -> list[Declared]:
    return [value for value in vars(module).values() if isinstance(value, kind)]

"""A business domain: everything that it declares.

What belongs here: the collection. Not: loading modules (loading.py), and checking declarations against each
other (kinds/graph.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lakehouse.errors import unknown_name
from lakehouse.features.feature_set import FeatureSet
from lakehouse.models.model import Model
from lakehouse.sources.source import Source
from lakehouse.training.training_set import TrainingSet

Declaration = TypeVar("Declaration")


@dataclass(frozen=True)
class Domain:
    """The declarations of one domain, of whatever kind. `owners` are the teams that they may name."""

    name: str
    declarations: Sequence[Any]
    owners: Sequence[str]

    def declared(self, kind: type[Declaration]) -> list[Declaration]:
        """The declarations of a class, in the order in which they stand in their module."""
        return [one for one in self.declarations if isinstance(one, kind)]

    def with_only(self, kind: type[Declaration], declarations: Sequence[Declaration]) -> "Domain":
        """The domain with other declarations of one class."""
        others = [one for one in self.declarations if not isinstance(one, kind)]
        return replace(self, declarations=[*others, *declarations])

    @property
    def sources(self) -> list[Source]:
        """The declared sources."""
        return self.declared(Source)

    @property
    def feature_sets(self) -> list[FeatureSet]:
        """The declared feature sets."""
        return self.declared(FeatureSet)

    @property
    def training_sets(self) -> list[TrainingSet]:
        """The declared training sets."""
        return self.declared(TrainingSet)

    @property
    def models(self) -> list[Model]:
        """The declared models."""
        return self.declared(Model)

    def training_set(self, name: str) -> TrainingSet:
        """The training set of that name. Raises UnknownNameError with the nearest."""
        known = {one.name: one for one in self.training_sets}
        if name not in known:
            raise unknown_name("training set", name, known, where=f"domain {self.name}")
        return known[name]

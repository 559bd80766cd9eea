"""Selection of features: from names and declarations to feature sets and their columns.

What belongs here: reading `fraud.customer_spend`, `fraud.customer_spend.amount_mean_7d`, and finding what a project
declares. Not: joining features to a spine (frame.py).

Names mean what the project at hand declares (lakehouse/loading.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from lakehouse.errors import DeclarationError, UnknownNameError, nearest_name, unknown_name
from lakehouse.features.feature_set import FeatureSet
from lakehouse.training.training_set import TrainingSet

Feature: TypeAlias = str | FeatureSet | TrainingSet
"""A feature set, a training set (all of its feature sets), or a name: of one of the two, or of one feature of a set."""


class Declared(Protocol):
    """What is needed of a domain."""

    @property
    def feature_sets(self) -> Sequence[FeatureSet]:
        """Its feature sets."""
        ...

    @property
    def training_sets(self) -> Sequence[TrainingSet]:
        """Its training sets."""
        ...


@dataclass(frozen=True)
class Chosen:
    """Columns of one feature set that are wanted, and what they are called in the result."""

    feature_set: FeatureSet
    columns: tuple[str, ...]

    def named(self) -> dict[str, str]:
        """Name in the feature set's table -> `<set>__<feature>`, the set without its domain."""
        short = self.feature_set.name.rsplit(".", 1)[-1]
        return {column: f"{short}__{column}" for column in self.columns}


def declared_domains() -> Sequence[Declared]:
    """The domains of the project at hand. Raises ProjectError outside of a project."""
    from lakehouse.loading import load_domains

    return load_domains()


def choose(features: Feature | Iterable[Feature], domains: Sequence[Declared] | None = None) -> list[Chosen]:
    """The feature sets and columns that are meant, in the order in which they are first named, each column once.

    Names are looked up in `domains` (default: those of the project at hand). Raises UnknownNameError for a name that
    nothing has, DeclarationError for no feature at all and for columns that would have the same name.
    """
    asked = [features] if isinstance(features, str | FeatureSet | TrainingSet) else list(features)
    if not asked:
        raise DeclarationError("No feature is selected.", where="features", nearest="fraud.customer_spend")
    wanted: dict[str, tuple[FeatureSet, list[str]]] = {}
    for one in asked:
        for feature_set, columns in _meant(one, domains):
            kept = wanted.setdefault(feature_set.name, (feature_set, []))[1]
            kept += [column for column in columns if column not in kept]
    found = [Chosen(feature_set, tuple(columns)) for feature_set, columns in wanted.values()]
    owners: dict[str, str] = {}
    for chosen in found:
        for name in chosen.named().values():
            other = owners.setdefault(name, chosen.feature_set.name)
            if other != chosen.feature_set.name:
                raise DeclarationError(
                    f"{other} and {chosen.feature_set.name} both have a feature that is called {name} here.",
                    where="features",
                    fix="Join them one after the other, and rename in between.",
                )
    return found


def find_training_set(name: str, domains: Sequence[Declared]) -> TrainingSet:
    """The declared training set of that name. Raises UnknownNameError with the nearest there is."""
    declared = {one.name: one for domain in domains for one in domain.training_sets}
    if name not in declared:
        raise unknown_name("training set", name, declared)
    return declared[name]


def _meant(one: Feature, domains: Sequence[Declared] | None) -> list[tuple[FeatureSet, list[str]]]:
    if isinstance(one, FeatureSet):
        return [(one, one.columns)]
    if isinstance(one, TrainingSet):
        return [(part, part.columns) for part in one.feature_sets]
    known = declared_domains() if domains is None else domains
    sets = {part.name: part for domain in known for part in domain.feature_sets}
    training = {part.name: part for domain in known for part in domain.training_sets}
    if one in training:
        return _meant(training[one], known)
    name, _, column = one.rpartition(".")
    if one in sets or name not in sets:
        if one not in sets:
            raise unknown_name("feature set or training set", one, [*sets, *training], where="features")
        return [(sets[one], sets[one].columns)]
    if column not in sets[name].columns:
        near = nearest_name(column, sets[name].columns)
        raise UnknownNameError(
            f"{name} has no feature {column!r}.",
            where=one,
            nearest=f"{name}.{near}" if near else None,
            fix="Use one of: " + ", ".join(sets[name].columns) + ".",
        )
    return [(sets[name], [column])]

"""A business domain: everything that it declares, checked together.

What belongs here: the collection and the checks that need more than one declaration. Not: loading modules (assets/).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.feature_set import FeatureSet, check_columns
from lakehouse.models.model import Model
from lakehouse.sources.source import Source
from lakehouse.training.leaks import check_leaks
from lakehouse.training.training_set import TrainingSet
from lakehouse.transforms.lineage import follow_all
from lakehouse.transforms.project import TransformModel


@dataclass(frozen=True)
class Domain:
    """The declarations of one domain. `owners` are the teams that its declarations may name."""

    name: str
    sources: Sequence[Source]
    feature_sets: Sequence[FeatureSet]
    training_sets: Sequence[TrainingSet]
    models: Sequence[Model]
    owners: Sequence[str]

    @property
    def made(self) -> list[str]:
        """The tables and models that are made from its sources by Python, in order of their making."""
        names = [one.name for one in (*self.feature_sets, *self.training_sets)]
        return names + [name for model in self.models for name in (model.name, model.predictions)]

    def training_set(self, name: str) -> TrainingSet:
        """The training set of that name."""
        return next(one for one in self.training_sets if one.name == name)


def check_domain(domain: Domain, models: Sequence[TransformModel], kept: Path) -> None:
    """Check what a domain's declarations say of each other; `models` are its dbt models.

    What was read off their SQL is kept in the folder `kept`. Raises DeclarationError for a table, a column or an owner
    that does not exist, naming the nearest that does, and for a feature that sees what is only known later.
    """
    if len(domain.sources) != 1:
        raise DeclarationError(
            f"The domain {domain.name} declares {len(domain.sources)} sources; its jobs land exactly one.",
            where=f"assets/{domain.name}/sources.py",
            nearest="one Source",
            fix="Declare one source, and further ones in domains of their own.",
        )
    tables: dict[str, Sequence[str]] = {model.table: list(model.columns) for model in models}
    delivered = {source.name: source.shape.schema.names for source in domain.sources}
    tables.update(delivered)
    for one in _sources_first(domain.feature_sets):
        where = f"feature set {one.name}"
        check_columns(one, {table: _columns(tables, table, where) for table in one.inputs()})
        tables[one.name] = [*one.spine_keys(), *one.columns]
    for one in domain.training_sets:
        _check_training_set(one, tables)
        tables[one.name] = one.columns
    for one in domain.models:
        where = f"model {one.name}"
        known = _columns(tables, one.training_set, where)
        for column in [one.event_time, one.entity, one.label, one.key, *one.inputs]:
            _require(column, known, one.training_set, where)
    for source in domain.sources:
        _check_references(source, tables)
    owned = [(one.name, one.owner) for one in (*domain.sources, *domain.feature_sets)]
    owned += [(one.name, one.owner) for one in (*domain.training_sets, *domain.models)]
    owned += [(f"contract of {one.name}", one.contract.owner) for one in domain.sources]
    for name, owner in owned:
        if owner not in domain.owners:
            raise DeclarationError(
                f"{owner!r} owns nothing in the domain {domain.name}.",
                where=f"{name}, owner",
                nearest=nearest_name(owner, domain.owners),
                fix=f"Use one of {', '.join(domain.owners)}, or add it to OWNERS in assets/{domain.name}/__init__.py.",
            )
    check_leaks(domain.sources, follow_all(models, delivered, kept), domain.feature_sets, domain.training_sets)


def _sources_first(feature_sets: Sequence[FeatureSet]) -> list[FeatureSet]:
    """The feature sets so that each comes after those that it is made from. Raises DeclarationError for a circle."""
    by_name = {one.name: one for one in feature_sets}
    graph = {one.name: [name for name in one.inputs() if name in by_name] for one in feature_sets}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        raise DeclarationError(
            f"Feature sets are made from each other: {' <- '.join(circle)}.",
            where=f"feature set {circle[0]}",
            fix="Make one of them from a table that is no feature set of the circle.",
        ) from None


def _check_references(source: Source, tables: Mapping[str, Sequence[str]]) -> None:
    """Those to the domain's own tables; others are looked at when rows are judged."""
    for one in source.contract.references:
        for column in one.to_columns if one.table in tables else ():
            _require(column, tables[one.table], one.table, f"contract of {source.name}, reference to {one.table}")


def _check_training_set(one: TrainingSet, tables: Mapping[str, Sequence[str]]) -> None:
    where = f"training set {one.name}"
    spine = _columns(tables, one.spine, where)
    for column in [one.row_key, one.event_time, *one.carry]:
        _require(column, spine, one.spine, where)
    label = _columns(tables, one.label.source, where)
    for column in [one.label.row_key, one.label.column, one.label.known_at, one.event_time]:
        _require(column, label, one.label.source, where)
    for feature_set in one.feature_sets:
        _columns(tables, feature_set.name, where)


def _columns(tables: Mapping[str, Sequence[str]], name: str, where: str) -> Sequence[str]:
    if name not in tables:
        raise DeclarationError(
            f"There is no table {name!r}.",
            where=where,
            nearest=nearest_name(name, tables),
            fix="Use one of: " + ", ".join(sorted(tables)) + ".",
        )
    return tables[name]


def _require(column: str, known: Sequence[str], table: str, where: str) -> None:
    if column not in known:
        raise DeclarationError(
            f"{table} has no column {column!r}.",
            where=where,
            nearest=nearest_name(column, known),
            fix="Use one of: " + ", ".join(known) + ".",
        )

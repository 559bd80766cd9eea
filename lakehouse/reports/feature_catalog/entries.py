"""The entries of the catalog: feature sets, who uses them, how fresh they are, and finding them by words.

What belongs here: putting declarations and tables' metadata together. Not: declaring (features/feature_set.py), single
features in depth (details.py) and bringing feature tables up to date (feature_tables/build.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import UnknownNameError, unknown_name
from lakehouse.feature_tables.build import days_to_build
from lakehouse.feature_tables.equal_values import Equal, remembered
from lakehouse.features.aggregation import Feature
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.sameness import deprecations
from lakehouse.models.registry import Registry
from lakehouse.tables.provenance import SnapshotProvenance, last_published
from lakehouse.tables.read import published_days


@dataclass(frozen=True)
class User:
    """A model that takes columns of a feature set, by way of a training set. `champion` is its live version."""

    training_set: str
    model: str
    columns: Sequence[str]
    champion: int | None


@dataclass(frozen=True)
class Freshness:
    """The freshness of a feature table, all None before it is published. `because` is None when it is up to date."""

    newest_day: date | None
    published: SnapshotProvenance | None
    because: str | None


@dataclass(frozen=True)
class Entry:
    """A feature set in the catalog. `types` are the Iceberg types of its columns, none before it is published.

    `equal` are its features that had the values of another set's when they were last compared.
    """

    domain: Domain
    feature_set: FeatureSet
    training_sets: Sequence[str]
    users: Sequence[User]
    freshness: Freshness
    types: dict[str, str]
    equal: Sequence[Equal] = ()

    @property
    def name(self) -> str:
        """The set's name."""
        return self.feature_set.name

    @property
    def warnings(self) -> list[str]:
        """What should be mended: who uses the set although it is deprecated, and features of equal values."""
        users = [*self.training_sets, *(one.name for one in self.sets_on_it)]
        return [
            *(description for user in users for description in deprecations(user, [self.feature_set])),
            *map(str, self.equal),
        ]

    @property
    def sets_on_it(self) -> list[FeatureSet]:
        """The feature sets whose features are made of this one's."""
        return [one for one in self.domain.feature_sets if self.feature_set in one.uses]


def entries(lake: Lakehouse, domains: Sequence[Domain], registry: Registry | None) -> list[Entry]:
    """Every declared feature set. Without a registry the users' champions are not looked up."""
    return [_entry(lake, domain, one, registry) for domain in domains for one in domain.feature_sets]


def find_entry(lake: Lakehouse, domains: Sequence[Domain], registry: Registry | None, name: str) -> Entry:
    """The feature set `name`, or that of the feature `name`. Raises UnknownNameError with the nearest there is."""
    sets = {one.name: (domain, one) for domain in domains for one in domain.feature_sets}
    wanted = name if name in sets or name.count(".") < _FEATURE_DOTS else name.rpartition(".")[0]
    if wanted not in sets:
        raise unknown_name("feature set", wanted, sets)
    domain, one = sets[wanted]
    column = name.removeprefix(wanted).removeprefix(".")
    if column and column not in one.columns:
        raise unknown_name("feature", name, [f"{one.name}.{known}" for known in one.columns])
    return _entry(lake, domain, one, registry)


_FEATURE_DOTS = 2
"""A feature is called domain.set.feature."""


@dataclass(frozen=True)
class Found:
    """A feature that a search found."""

    entry: Entry
    feature: Feature

    @property
    def name(self) -> str:
        """Its name, with its set's."""
        return f"{self.entry.name}.{self.feature.column}"


@dataclass(frozen=True)
class Search:
    """What is looked for; empty parts match everything. Words must all be there, whatever their case."""

    words: Sequence[str] = ()
    entity: str = ""
    source: str = ""
    owner: str = ""

    def __bool__(self) -> bool:
        return bool(self.words or self.entity or self.source or self.owner)


def search(found: Sequence[Entry], wanted: Search, sources: dict[str, list[str]]) -> list[Found]:
    """The features that are looked for; those whose name holds more of the words come first.

    `sources` are the tables that each set is made from, directly or not. Raises UnknownNameError for an entity, a
    source or an owner that nothing has.
    """
    _check_known("entity", wanted.entity, (key for one in found for key in one.feature_set.entity.keys))
    _check_known("source", wanted.source, (table for tables in sources.values() for table in tables))
    _check_known("owner", wanted.owner, (one.feature_set.owner for one in found))
    words = [word.casefold() for text in wanted.words for word in text.split()]
    chosen = [
        Found(one, feature)
        for one in found
        if wanted.entity in ("", *one.feature_set.entity.keys)
        and wanted.source in ("", *sources[one.name])
        and wanted.owner in ("", one.feature_set.owner)
        for feature in one.feature_set.described()
        if all(word in text_of(one, feature.column, feature.description, sources[one.name]) for word in words)
    ]
    return sorted(chosen, key=lambda one: -sum(word in one.feature.column for word in words))


def text_of(entry: Entry, column: str, description: str, sources: Iterable[str]) -> str:
    """What a search looks through, in lower case."""
    one = entry.feature_set
    parts = [one.name, column, description, one.description, one.owner, *one.entity.keys, *sources]
    return " ".join(parts).casefold()


def _check_known(kind: str, name: str, known: Iterable[str]) -> None:
    there = set(known)
    if name and name not in there:
        raise unknown_name(kind, name, there, where=f"--{kind}")


def _entry(lake: Lakehouse, domain: Domain, one: FeatureSet, registry: Registry | None) -> Entry:
    fields = lake.table(one.name).schema().fields if lake.has(one.name) else ()
    return Entry(
        domain=domain,
        feature_set=one,
        training_sets=[used.name for used in domain.training_sets if one in used.feature_sets],
        users=_users(domain, one, registry),
        freshness=_freshness(lake, one),
        types={field.name: str(field.field_type) for field in fields},
        equal=[equal for equal in remembered(lake, domain.feature_sets) if one.name in equal.sets],
    )


def _users(domain: Domain, one: FeatureSet, registry: Registry | None) -> list[User]:
    found = []
    for model in domain.models:
        training_set = domain.training_set(model.training_set)
        if one not in training_set.feature_sets:
            continue
        here = training_set.feature_columns(one)
        taken = [there for there, name in here.items() if name in model.inputs]
        champion = registry.champion(model.name) if registry else None
        if taken:
            found.append(User(training_set.name, model.name, taken, champion.version if champion else None))
    return found


def _freshness(lake: Lakehouse, one: FeatureSet) -> Freshness:
    made = last_published(lake, one.name)
    try:
        work = days_to_build(lake, one)
        because = "; ".join(work.causes) if work.needed else None
    except UnknownNameError as error:
        because = error.what
    days = published_days(lake, one.name) if made else []
    return Freshness(days[-1] if days else None, made, because)

"""The feature catalog: what feature sets there are, who uses them, and how fresh they are.

What belongs here: putting declarations and tables' metadata together. Not: declaring (features/feature_set.py) and
bringing feature tables up to date (engines/feature_tables.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from lakehouse.catalog import Lakehouse
from lakehouse.domain import Domain
from lakehouse.engines.feature_tables import feature_work
from lakehouse.errors import UnknownNameError, unknown_name
from lakehouse.features.feature_set import FeatureSet
from lakehouse.models.registry import Registry
from lakehouse.tables.pins import Made
from lakehouse.tables.read import published_days
from lakehouse.tables.upkeep import last_made


@dataclass(frozen=True)
class User:
    """A model that takes columns of a feature set, by way of a training set. `champion` is its live version."""

    training_set: str
    model: str
    columns: Sequence[str]
    champion: int | None


@dataclass(frozen=True)
class Freshness:
    """How new a feature table is; all None when it was never published. `because` is None when it is in line."""

    newest_day: date | None
    published: Made | None
    because: str | None


@dataclass(frozen=True)
class Entry:
    """A feature set in the catalog. `types` are the Iceberg types of its columns, none before it is published."""

    feature_set: FeatureSet
    training_sets: Sequence[str]
    users: Sequence[User]
    freshness: Freshness
    types: dict[str, str]


def entries(lake: Lakehouse, domains: Sequence[Domain], registry: Registry | None) -> list[Entry]:
    """Every declared feature set. Without a registry the users' champions are not looked up."""
    return [_entry(lake, domain, one, registry) for domain in domains for one in domain.feature_sets]


def find_entry(lake: Lakehouse, domains: Sequence[Domain], registry: Registry | None, name: str) -> Entry:
    """The feature set `name`. Raises UnknownNameError with the nearest there is."""
    for domain in domains:
        for one in domain.feature_sets:
            if one.name == name:
                return _entry(lake, domain, one, registry)
    raise unknown_name("feature set", name, [one.name for domain in domains for one in domain.feature_sets])


def _entry(lake: Lakehouse, domain: Domain, one: FeatureSet, registry: Registry | None) -> Entry:
    fields = lake.table(one.name).schema().fields if lake.has(one.name) else ()
    return Entry(
        feature_set=one,
        training_sets=[used.name for used in domain.training_sets if one in used.feature_sets],
        users=_users(domain, one, registry),
        freshness=_freshness(lake, one),
        types={field.name: str(field.field_type) for field in fields},
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
    made = last_made(lake, one.name)
    try:
        work = feature_work(lake, one)
        because = "; ".join(work.causes) if work.needed else None
    except UnknownNameError as error:
        because = error.what
    days = published_days(lake, one.name) if made else []
    return Freshness(days[-1] if days else None, made, because)

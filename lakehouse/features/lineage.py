"""The input columns of each feature.

What belongs here: column lineage read off declarations. Not: lineage of SQL (transforms/lineage.py) and of events.
"""

from typing import TypeAlias

from lakehouse.features.aggregation import WindowAggregate
from lakehouse.features.feature_set import Declared, FeatureSet
from lakehouse.features.row_features import Attribute, Derived

Edge: TypeAlias = tuple[str, str]
"""A table and a column of it."""


def feature_lineage(feature_set: FeatureSet) -> dict[str, list[Edge]]:
    """For each column of the feature set's table the columns of other tables that decide its values."""
    edges: dict[str, list[Edge]] = {name: [(feature_set.spine, name)] for name in feature_set.spine_keys()}
    foreign = {
        f"{used.name.rsplit('.', 1)[-1]}__{column}": (used.name, column)
        for used in feature_set.uses
        for column in used.columns
    }
    for declared in feature_set.features:
        for feature in declared.features():
            if isinstance(declared, Derived):
                read = [edge for name in declared.reads for edge in _read(feature_set, name, edges, foreign)]
                edges[feature.column] = list(dict.fromkeys(read))
            else:
                edges[feature.column] = _inputs_of(feature_set, declared)
    return edges


def _inputs_of(feature_set: FeatureSet, declared: Declared) -> list[Edge]:
    if not isinstance(declared, WindowAggregate | Attribute):
        return [(feature_set.spine, feature_set.event_time)]
    events = feature_set.events_of(declared)
    columns = [events.event_time, *feature_set.keys_of(events), *declared.columns_read()]
    return [(events.table, column) for column in dict.fromkeys(columns)]


def _read(feature_set: FeatureSet, name: str, edges: dict[str, list[Edge]], foreign: dict[str, Edge]) -> list[Edge]:
    if name in feature_set.columns:
        return edges.get(name, [])
    return [foreign.get(name, (feature_set.spine, name))]

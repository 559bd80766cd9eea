"""From which columns each column of a table or a model is made, and in what way.

What belongs here: column lineage of each kind of declaration, in OpenLineage's words. Not: which pairs features and SQL
come from (features/lineage.py, transforms/lineage.py), and putting them into events (facets.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lakehouse.features.aggregation import PICKS, WindowAggregate
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import feature_lineage
from lakehouse.features.row_features import Attribute, Derived
from lakehouse.models.model import Model
from lakehouse.sources.mapping_types import ColumnMapping, FileEncoding, Ignored, Renamed, Swapped
from lakehouse.sources.source import Source
from lakehouse.training.training_set import TrainingSet
from lakehouse.transforms.lineage import Followed

SCORE = "score"
"""What a model gives; its one column in lineage."""


class Edge(NamedTuple):
    """A column of a table that another column is made from. `masked`: its values cannot be told from the result."""

    table: str
    column: str
    type: str
    subtype: str
    masked: bool = False


def identity(table: str, column: str) -> Edge:
    """The value as it is."""
    return Edge(table, column, "DIRECT", "IDENTITY")


@dataclass(frozen=True)
class Columns:
    """Column -> what it is made from, and the `rows` edges that decide which rows there are."""

    columns: Mapping[str, Sequence[Edge]]
    rows: Sequence[Edge] = ()

    @property
    def tables(self) -> set[str]:
        """All tables that any of it names."""
        return {edge.table for edges in (*self.columns.values(), self.rows) for edge in edges}


@dataclass
class _Gathered:
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict)

    def add(self, edges: Iterable[Edge]) -> "_Gathered":
        for edge in edges:
            self.edges.setdefault((edge.table, edge.column), edge)
        return self

    @property
    def all(self) -> tuple[Edge, ...]:
        return tuple(self.edges.values())


def of_source(source: Source) -> Columns:
    """A landed table's columns from those of its deliveries, which stand here under the source's own name.

    A delivery may use a mapping or not; what is told is what all its declarations together can make of a file. Names
    of the file, numbers of rows and times of arrival come from no column.
    """
    named: dict[str, list[str]] = {column.name: [column.name] for column in source.contract.columns}
    changed: set[str] = set()
    for one in source.mappings:
        if isinstance(one, Renamed):
            named[one.column].append(one.delivered)
        elif isinstance(one, Swapped):
            first, second = one.touched()
            named[first].append(second)
            named[second].append(first)
        elif type(one) is not ColumnMapping and not isinstance(one, FileEncoding | Ignored):
            changed.update(one.touched())
    return Columns(
        {
            column: tuple(
                Edge(source.name, name, "DIRECT", "TRANSFORMATION" if column in changed else "IDENTITY")
                for name in dict.fromkeys(names)
            )
            for column, names in named.items()
        }
    )


def of_sql(followed: Followed, columns: Iterable[str]) -> Columns:
    """A dbt model's columns, from its SQL."""
    rows = _Gathered().add(Edge(*pair, "INDIRECT", "FILTER") for pair in sorted(followed.rows))
    rows.add(Edge(*pair, "INDIRECT", "GROUP_BY") for pair in sorted(followed.groups))
    return Columns(
        {name: tuple(Edge(*pair, *kind) for pair, kind in followed.kinds.get(name, {}).items()) for name in columns},
        rows.all,
    )


def of_feature_set(feature_set: FeatureSet) -> Columns:
    """Keys as they are; a windowed feature aggregates its measures, and its keys and times only decide which rows."""
    pairs = feature_lineage(feature_set)
    kinds: dict[str, tuple[Edge, ...]] = {key: (identity(feature_set.spine, key),) for key in feature_set.spine_keys()}
    for declared in feature_set.features:
        for feature in declared.features():
            built_from = pairs[feature.column]
            if isinstance(declared, WindowAggregate):
                way = "TRANSFORMATION" if declared.aggregation in PICKS else "AGGREGATION"
                kinds[feature.column] = _of_events(feature_set, declared, built_from, way)
            elif isinstance(declared, Attribute):
                kinds[feature.column] = _of_events(feature_set, declared, built_from, "IDENTITY")
            elif isinstance(declared, Derived):
                kinds[feature.column] = _of_features(feature_set, declared, built_from, kinds)
            else:
                kinds[feature.column] = tuple(Edge(*pair, "DIRECT", "TRANSFORMATION") for pair in built_from)
    return Columns(kinds)


def _of_features(
    feature_set: FeatureSet,
    declared: Derived,
    pairs: Sequence[tuple[str, str]],
    kinds: Mapping[str, Sequence[Edge]],
) -> tuple[Edge, ...]:
    """What chooses the rows of a feature that is read chooses those of the result, and is still not in its values."""
    found: dict[tuple[str, str], Edge] = {}
    for name in declared.reads:
        own = kinds.get(name, ()) if name in feature_set.columns else ()
        for edge in own or (Edge(feature_set.spine, name, "DIRECT", "TRANSFORMATION"),):
            pair = edge.table, edge.column
            if pair not in found or found[pair].type == "INDIRECT":
                found[pair] = edge._replace(subtype="TRANSFORMATION") if edge.subtype == "IDENTITY" else edge
    return tuple(found.get(pair) or Edge(*pair, "DIRECT", "TRANSFORMATION") for pair in pairs)


def _of_events(
    feature_set: FeatureSet, declared: WindowAggregate | Attribute, pairs: Sequence[tuple[str, str]], way: str
) -> tuple[Edge, ...]:
    events = feature_set.events_of(declared)
    measured = set(declared.columns_read())
    found = []
    for table, column in pairs:
        if column in measured:
            found.append(Edge(table, column, "DIRECT", way))
        elif column == events.event_time:
            found.append(Edge(table, column, "INDIRECT", "WINDOW"))
        else:
            found.append(Edge(table, column, "INDIRECT", "JOIN"))
    return tuple(found)


def of_training_set(training_set: TrainingSet) -> Columns:
    """Every column as it is in the spine, the label's table or a feature set; joined by key as of the row's time."""
    spine, label = training_set.spine, training_set.label
    kept = [training_set.row_key, training_set.event_time, *training_set.carry]
    columns: dict[str, tuple[Edge, ...]] = {name: (identity(spine, name),) for name in kept}
    known = Edge(label.source, label.known_at, "INDIRECT", "CONDITIONAL")
    columns[label.column] = (identity(label.source, label.column), known)
    rows = _Gathered().add([Edge(label.source, label.row_key, "INDIRECT", "JOIN")])
    for one in training_set.feature_sets:
        columns.update(
            {here: (identity(one.name, there),) for there, here in training_set.feature_columns(one).items()}
        )
        rows.add(Edge(one.name, key, "INDIRECT", "JOIN") for key in one.spine_keys())
    return Columns(columns, rows.all)


def of_model(model: Model) -> Columns:
    """A model's score, from the inputs and the label that it learned from."""
    learned = [Edge(model.training_set, name, "DIRECT", "AGGREGATION") for name in (*model.inputs, model.label)]
    times = [Edge(model.training_set, name, "INDIRECT", "FILTER") for name in (model.event_time, model.entity)]
    return Columns({SCORE: tuple(learned)}, tuple(times))


def of_predictions(model: Model, training_set: TrainingSet) -> Columns:
    """A score comes from the model and from the columns that its inputs are in the spine and the feature sets."""
    made = of_training_set(training_set).columns
    inputs = [edge for name in model.inputs for edge in made[name] if edge.subtype == "IDENTITY"]
    score = [Edge(model.name, SCORE, "DIRECT", "TRANSFORMATION")]
    score += [Edge(edge.table, edge.column, "DIRECT", "TRANSFORMATION") for edge in dict.fromkeys(inputs)]
    kept = [training_set.row_key, training_set.event_time]
    kept += [column for column in training_set.carry if column == model.entity]
    rows = _Gathered()
    for one in training_set.feature_sets:
        rows.add(Edge(one.name, key, "INDIRECT", "JOIN") for key in one.spine_keys())
    return Columns({**{name: (identity(training_set.spine, name),) for name in kept}, SCORE: tuple(score)}, rows.all)


def as_told(declared: Columns, told: Mapping[str, frozenset[tuple[str, str]]]) -> Columns:
    """The columns as a step told them, in the ways that are declared where both name the same pair.

    A declaration may be another one since the step ran; the step told what it did.
    """
    found = {}
    for column, pairs in told.items():
        known = {(edge.table, edge.column): edge for edge in declared.columns.get(column, ())}
        extra = [edge for pair, edge in known.items() if edge.type == "INDIRECT" and pair not in pairs]
        edges = [known.get(pair) or Edge(*pair, "DIRECT", "TRANSFORMATION") for pair in sorted(pairs)]
        found[column] = (*edges, *extra)
    return Columns(found, declared.rows)

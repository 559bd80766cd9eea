"""Where features come from and where they go: tables, columns, models.

What belongs here: following names through declarations and dbt's SQL. Not: what a declaration itself reads
(features/lineage.py), and drawing (drawing.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lakehouse.domain import Domain
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import Edge
from lakehouse.transforms.lineage import column_sources
from lakehouse.transforms.project import TransformProject


@dataclass(frozen=True)
class Node:
    """A table or a model on the way. `layer` is its distance from what is delivered."""

    name: str
    kind: str
    layer: int


@dataclass(frozen=True)
class Graph:
    """What lies before and behind a feature set; `edges` go from what is read to what is made."""

    nodes: Sequence[Node]
    edges: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Lineage:
    """The whole of what is declared, to be asked about single sets and features."""

    domains: Sequence[Domain]
    project: TransformProject
    _columns: dict[str, dict[str, list[Edge]]] = field(default_factory=dict, repr=False)

    def graph(self, feature_set: FeatureSet) -> Graph:
        """The tables and models that the set is made from, and those that are made with it."""
        names = {feature_set.name, *self.upstream(feature_set.name), *self._downstream(feature_set.name)}
        edges = [(before, name) for name in names for before in self._inputs.get(name, ()) if before in names]
        layers: dict[str, int] = {}

        def layer(name: str) -> int:
            if name not in layers:
                layers[name] = 1 + max((layer(before) for before, after in edges if after == name), default=-1)
            return layers[name]

        nodes = [Node(name, self._kinds.get(name, "table"), layer(name)) for name in names]
        return Graph(sorted(nodes, key=lambda one: (one.layer, one.name)), sorted(edges))

    def upstream(self, name: str) -> list[str]:
        """Every table that a table is made from, directly or not, nearest first."""
        return self._reached(name, self._inputs)

    def delivered(self, column: Edge) -> list[Edge]:
        """The columns that a column comes from in the end, through dbt's SQL; itself where no model makes its table."""
        table, name = column
        models = {model.table: model for model in self.project.models}
        if table not in models:
            return [column]
        if table not in self._columns:
            model = models[table]
            known = {one: self._known_columns.get(one, ()) for one in model.inputs}
            self._columns[table] = column_sources(model, known)
        before = self._columns[table].get(name, [])
        return list(dict.fromkeys(end for one in before for end in self.delivered(one)))

    def _downstream(self, name: str) -> list[str]:
        outputs: dict[str, list[str]] = {}
        for after, before in self._inputs.items():
            for one in before:
                outputs.setdefault(one, []).append(after)
        return self._reached(name, outputs)

    @staticmethod
    def _reached(name: str, steps: Mapping[str, Sequence[str]]) -> list[str]:
        found, waiting = [], list(steps.get(name, ()))
        while waiting:
            one = waiting.pop(0)
            if one not in found:
                found.append(one)
                waiting += steps.get(one, ())
        return found

    @cached_property
    def _inputs(self) -> dict[str, Sequence[str]]:
        """Name -> the names that it is made from."""
        found: dict[str, Sequence[str]] = {model.table: model.inputs for model in self.project.models}
        for domain in self.domains:
            found.update({one.name: one.inputs() for one in domain.feature_sets})
            found.update({one.name: one.inputs() for one in domain.training_sets})
            for model in domain.models:
                found[model.name] = [model.training_set]
                found[model.predictions] = [model.name]
        return found

    @cached_property
    def _kinds(self) -> dict[str, str]:
        found = {model.table: "transformation" for model in self.project.models}
        for domain in self.domains:
            found.update({one.name: "source" for one in domain.sources})
            found.update({one.name: "feature set" for one in domain.feature_sets})
            found.update({one.name: "training set" for one in domain.training_sets})
            for model in domain.models:
                found.update({model.name: "model", model.predictions: "predictions"})
        return found

    @cached_property
    def _known_columns(self) -> dict[str, Sequence[str]]:
        found: dict[str, Sequence[str]] = {model.table: list(model.columns) for model in self.project.models}
        found.update({one.name: one.shape.schema.names for domain in self.domains for one in domain.sources})
        return found

"""Lineage of features, as pages show it: the assets around a feature set, and the delivered columns behind a column.

What belongs here: the part of the asset graph that a page shows, in layers. Not: the graph itself (kinds/graph.py), and
drawing (drawing.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.lineage import Edge
from lakehouse.kinds.graph import AssetGraph


@dataclass(frozen=True)
class Node:
    """An asset in a picture. `layer` is the longest way to it from an asset without inputs."""

    name: str
    kind: str
    layer: int


@dataclass(frozen=True)
class Graph:
    """The assets upstream and downstream of a feature set; edges go from an input to the asset that reads it."""

    nodes: Sequence[Node]
    edges: Sequence[tuple[str, str]]


def graph_of(assets: AssetGraph, feature_set: FeatureSet) -> Graph:
    """The assets upstream and downstream of a feature set."""
    names = {feature_set.name, *assets.upstream(feature_set.name), *assets.downstream(feature_set.name)}
    edges = [(before, name) for name in names for before in assets.inputs(name) if before in names]
    layers: dict[str, int] = {}

    def layer(name: str) -> int:
        if name not in layers:
            layers[name] = 1 + max((layer(before) for before, after in edges if after == name), default=-1)
        return layers[name]

    nodes = [Node(name, assets.get(name).kind.name, layer(name)) for name in names]
    return Graph(sorted(nodes, key=lambda one: (one.layer, one.name)), sorted(edges))


def delivered(assets: AssetGraph, column: Edge) -> list[Edge]:
    """The delivered columns that a column is computed from, through every asset between; itself where it is one."""
    table, name = column
    if not assets.inputs(table):
        return [column]
    before = sorted({(edge.table, edge.column) for edge in assets[table].column_lineage.columns.get(name, ())})
    return list(dict.fromkeys(end for one in before for end in delivered(assets, one)))

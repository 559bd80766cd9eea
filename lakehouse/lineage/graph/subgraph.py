"""Parts of the graph with coordinates: what the pages draw.

What belongs here: choosing nodes and edges, and writing them as an answer. Not: coordinates (layout.py).
"""

from dataclasses import dataclass, replace
from typing import Any

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.lineage.graph import walk
from lakehouse.lineage.graph.cards import Card
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.layout import layout
from lakehouse.lineage.graph.view import ColumnEdge, View, iso_time

MOST_NODES = 5_000
MOST_COLUMNS = 200
"""Columns of a node in a graph; its details list all of them."""
MOST_COLUMN_EDGES = 5_000
"""Column edges in one answer; `column_edge_count` is the number of all."""


@dataclass(frozen=True)
class Selection:
    """Which part of the graph. `depth` counts jobs (None: unlimited); `domain` applies to the whole graph only.

    `column`: only the lineage of this column of the root. `column_edges`: include edges between columns; those of a
    chosen column are always included. `indirect`: also follow columns that filter, join, group or sort rows, not only
    those whose values are used.
    """

    direction: str = walk.BOTH
    depth: int | None = 2
    column: str | None = None
    limit: int = 400
    domain: str | None = None
    column_edges: bool = True
    indirect: bool = True

    def __post_init__(self) -> None:
        if self.direction not in walk.DIRECTIONS:
            raise SlipwayError(
                f"Invalid direction {self.direction!r}.",
                where="direction",
                nearest=nearest_name(self.direction, walk.DIRECTIONS),
                fix=f"Valid directions: {', '.join(walk.DIRECTIONS)}.",
            )


def subgraph(graph: Graph, view: View, root: int | None, chosen: Selection = Selection()) -> dict[str, Any]:  # frozen
    """Return the nodes around a root; without a root all nodes, or those of a domain."""
    limit = max(1, min(chosen.limit, MOST_NODES))
    columns = None if chosen.column_edges else []
    if root is None:
        key = (view.at, limit, chosen.domain, chosen.column_edges)
        if key not in graph.answers:
            nodes, truncated = _all(view, chosen.domain, limit)
            graph.answers[key] = _answer(graph, view, None, nodes, columns, truncated=truncated)
        return graph.answers[key]
    if chosen.column is None:
        reached = walk.around(view, root, chosen.direction, chosen.depth, limit)
    else:
        place = (root, graph.find_column(view, root, chosen.column))
        reached = walk.along_columns(view, place, chosen.direction, chosen.depth, limit, indirect=chosen.indirect)
        columns = reached.column_edges
    return _answer(graph, view, root, list(reached.distance), columns, truncated=reached.truncated)


def column_lineage(graph: Graph, view: View, node: int, chosen: Selection) -> dict[str, Any]:
    """Return the upstream and downstream columns of a column."""
    part = subgraph(graph, view, node, replace(chosen, limit=MOST_NODES))
    kept = ("root", "nodes", "column_edges", "truncated")
    return {"column": chosen.column, **{name: part[name] for name in kept}}


def _all(view: View, domain: str | None, limit: int) -> tuple[list[int], bool]:
    nodes = [node for node in view.nodes() if domain is None or view.naming(node).domain == domain]
    if len(nodes) <= limit:
        return nodes, False
    # The best connected nodes are the ones that an overview of everything is opened for.
    nodes.sort(key=lambda node: (-_degree(view, node), view.naming(node).name))
    return nodes[:limit], True


def _degree(view: View, node: int) -> int:
    """About how many neighbours the node ever had; counting those of one time for all nodes would take too long."""
    index = view.index
    return sum(len(index.made.get(one, ())) + len(index.used.get(one, ())) for one in index.members[node])


def _answer(
    graph: Graph, view: View, root: int | None, nodes: list[int], columns: list[ColumnEdge] | None, *, truncated: bool
) -> dict[str, Any]:
    nodes = sorted(nodes, key=lambda node: (view.naming(node).domain, view.naming(node).name, node))
    edges = list(walk.edges_between(view, nodes))
    places = layout(nodes, [(source, target) for source, target, _ in edges])
    updated = view.updated(nodes)
    ids = {node: view.naming(node).id for node in nodes}
    listed, number = _column_edges(view, nodes, columns, everything=root is None)
    return {
        "root": ids[root] if root is not None else None,
        "nodes": [
            {**_node(view.card(node)), "updated": iso_time(updated.get(node)), **places[node]._asdict()}
            for node in nodes
        ],
        "edges": [
            {
                "id": f"{ids[source]}-{ids[target]}",
                "source": ids[source],
                "target": ids[target],
                "job": ", ".join(sorted(graph.job_name(job) for job in jobs)),
                "kind": "table",
            }
            for source, target, jobs in edges
        ],
        "column_edges": [_column_edge(ids, edge) for edge in listed if edge.source in ids and edge.target in ids],
        "column_edge_count": number,
        "truncated": truncated,
        "more": {ids[node]: {"up": up, "down": down} for node, (up, down) in walk.hidden(view, nodes).items()},
    }


def _column_edges(
    view: View, nodes: list[int], columns: list[ColumnEdge] | None, *, everything: bool
) -> tuple[list[ColumnEdge], int]:
    """The column edges of an answer, and how many there are in all."""
    if columns is None and everything:
        number = sum(len(view.reported_edges(node)) for node in nodes)
        if number > MOST_COLUMN_EDGES:
            return [], number  # an arbitrary part of them would mislead
    found = list(walk.column_edges_between(view, nodes)) if columns is None else columns
    return found[:MOST_COLUMN_EDGES], len(found)


def _node(card: Card) -> dict[str, Any]:
    return {
        **card.reference(),
        "namespace": card.namespace,
        "physical": card.physical,
        "domain": card.domain,
        "owner": card.owner,
        "description": card.description,
        **card.state(),
        "columns": [{"name": one["name"], "type": one["type"]} for one in card.columns[:MOST_COLUMNS]],
        "column_count": len(card.columns),
    }


def _column_edge(ids: dict[int, str], edge: ColumnEdge) -> dict[str, Any]:
    return {
        "source": {"node": ids[edge.source], "column": edge.source_column},
        "target": {"node": ids[edge.target], "column": edge.column},
        "type": edge.type,
        "subtype": edge.subtype,
        "masking": edge.masking,
    }

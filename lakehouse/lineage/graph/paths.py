"""Lineage as lists: everything upstream or downstream of a node or a column, nearest first.

What belongs here: lists for the command line. Not: parts of the graph to draw (subgraph.py), impact (impact.py).
"""

from typing import Any

from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.subgraph import MOST_NODES
from lakehouse.lineage.graph.view import View, iso_time
from lakehouse.lineage.graph.walk import UP, Place, along_columns, around
from lakehouse.lineage.store.column_links import WHOLE

__all__ = ["UP", "lineage_paths"]


def lineage_paths(
    graph: Graph, view: View, start: Place, direction: str, depth: int | None, *, indirect: bool = True
) -> list[dict[str, Any]]:
    """Return every node up to `depth` steps away, with its distance, the names between, and a column's columns.

    Without `indirect` only columns whose values are used are followed, not those that filter, join, group or sort.
    """
    node, column = start
    if column == WHOLE:
        reached = around(view, node, direction, depth, MOST_NODES)
    else:
        reached = along_columns(view, start, direction, depth, MOST_NODES, indirect=indirect)
    updated = view.updated(list(reached.distance))
    transformations: dict[int, set[str]] = {}
    for edge in reached.column_edges:
        far = edge.source if direction == UP else edge.target
        transformations.setdefault(far, set()).add(edge.subtype or edge.type or "")
    found = []
    for one, distance in sorted(reached.distance.items(), key=lambda it: (it[1], view.naming(it[0]).name)):
        if one == node:
            continue
        card = view.card(one)
        path = reached.path_to(one)
        target, source = (path[-2], one) if direction == UP else (one, path[-2])
        found.append(
            {
                **card.reference(),
                "distance": distance,
                "owner": card.owner,
                **card.state(),
                "updated": iso_time(updated.get(one)),
                "columns": sorted(reached.columns.get(one, set()) - {WHOLE}),
                "transformations": sorted(transformations.get(one, set()) - {""}),
                "jobs": sorted(graph.job_name(job) for job in view.sources(target).get(source, set())),
                "path": [view.naming(step).name for step in path],
            }
        )
    return found

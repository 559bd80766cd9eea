"""The graph as lists: what one place is made from, or what is made from it, nearest first.

What belongs here: lists for the command line. Not: drawing (graph.py), what a change reaches (graph.py, impact).
"""

from typing import Any

from lakehouse.lineage.graph.graph import MOST_NODES, Graph, named
from lakehouse.lineage.graph.view import View, moment
from lakehouse.lineage.graph.walk import UP, Place, along_columns, around
from lakehouse.lineage.store.column_links import WHOLE

__all__ = ["UP", "ways"]


def ways(
    graph: Graph, view: View, start: Place, direction: str, depth: int | None, *, indirect: bool = True
) -> list[dict[str, Any]]:
    """Every node on the way with its distance, the names in between, and with a column the columns that count.

    Without `indirect` a column's values are followed, and not the columns that choose, group or join rows.
    """
    node, column = start
    if column == WHOLE:
        reached = around(view, node, direction, depth, MOST_NODES)
    else:
        reached = along_columns(view, start, direction, depth, MOST_NODES, indirect=indirect)
    updated = view.updated(list(reached.distance))
    made: dict[int, set[str]] = {}
    for edge in reached.column_edges:
        far = edge.source if direction == UP else edge.target
        made.setdefault(far, set()).add(edge.subtype or edge.type or "")
    found = []
    for one, distance in sorted(reached.distance.items(), key=lambda it: (it[1], view.naming(it[0]).name)):
        if one == node:
            continue
        card = view.card(one)
        before = reached.way_to(one)[-2]
        made_node, source = (before, one) if direction == UP else (one, before)
        jobs = view.sources(made_node).get(source, set())
        found.append(
            {
                **named(card),
                "distance": distance,
                "owner": card.owner,
                "health": card.health,
                "fresh": card.fresh,
                "updated": moment(updated.get(one)),
                "columns": sorted(reached.columns.get(one, set()) - {WHOLE}),
                "how": sorted(made.get(one, set()) - {""}),
                "jobs": sorted(graph.job_name(job) for job in jobs),
                "via": [view.naming(step).name for step in reached.way_to(one)][1:-1],
            }
        )
    return found

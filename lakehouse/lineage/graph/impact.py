"""The downstream impact of a change: every node that depends on a node or a column, and its owner.

What belongs here: that answer. Not: walking (walk.py).
"""

from collections import Counter
from typing import Any

from lakehouse.lineage.graph import walk
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.subgraph import MOST_NODES
from lakehouse.lineage.graph.view import View
from lakehouse.lineage.store.column_links import WHOLE

NO_OWNER = "no owner"


def downstream_impact(
    graph: Graph, view: View, node: int, column: str | None, limit: int = MOST_NODES
) -> dict[str, Any]:
    """Return everything downstream of a node or a column, nearest first, with the number of nodes of each owner."""
    place = (node, graph.find_column(view, node, column) if column else WHOLE)
    reached = walk.along_columns(view, place, walk.DOWN, None, limit)
    affected, owners = [], Counter()
    for one, distance in sorted(reached.distance.items(), key=lambda it: (it[1], view.naming(it[0]).name)):
        if one == node:
            continue
        card = view.card(one)
        owners[card.owner or NO_OWNER] += 1
        affected.append(
            {
                **card.reference(),
                "owner": card.owner,
                "distance": distance,
                "columns": sorted(reached.columns.get(one, set()) - {WHOLE}),
                "path": [view.naming(step).name for step in reached.path_to(one)],
            }
        )
    return {
        "of": view.card(node).reference(),
        "column": column,
        "affected": affected,
        "owners": dict(owners.most_common()),
        "truncated": reached.truncated,
    }

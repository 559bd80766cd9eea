"""Traversal of the graph: the neighbourhood of a node, the upstream and downstream of a column.

What belongs here: breadth-first search. Not: which edges hold (view.py), coordinates (layout.py). Every search visits a
node once and stops at a limit, so cycles and large graphs end it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lakehouse.lineage.graph.view import ColumnEdge, View
from lakehouse.lineage.store.column_links import WHOLE

UP, DOWN, BOTH = "upstream", "downstream", "both"
DIRECTIONS = (BOTH, UP, DOWN)

_INDIRECT = "INDIRECT"
"""OpenLineage's type of a column that filters, joins, groups or sorts rows, and whose value is not used."""

MOST_STEPS = 200_000
"""Columns that one search visits."""

Place = tuple[int, str]
"""A node, and one of its columns or WHOLE."""


@dataclass
class Reached:
    """The result of a search: nodes in the order of discovery, with their distance from the start."""

    distance: dict[int, int]
    previous: dict[int, int | None]
    columns: dict[int, set[str]] = field(default_factory=dict)
    column_edges: list[ColumnEdge] = field(default_factory=list)
    truncated: bool = False

    def path_to(self, node: int) -> list[int]:
        """The nodes of a shortest path from the start, both ends included."""
        path, at = [], node
        while at is not None:
            path.append(at)
            at = self.previous[at]
        return path[::-1]


def around(view: View, root: int, direction: str, depth: int | None, limit: int) -> Reached:
    """Return the nodes within `depth` jobs of the root: upstream, downstream or both."""
    reached = Reached({root: 0}, {root: None})
    for one in (UP, DOWN) if direction == BOTH else (direction,):
        waiting = deque([root])
        seen = {root: 0}
        while waiting:
            node = waiting.popleft()
            if depth is not None and seen[node] >= depth:
                continue
            for neighbour in _by_name(view, view.sources(node) if one == UP else view.targets(node)):
                if neighbour in seen:
                    continue
                if neighbour not in reached.distance:
                    if len(reached.distance) >= limit:
                        reached.truncated = True
                        continue
                    reached.distance[neighbour] = seen[node] + 1
                    reached.previous[neighbour] = node
                seen[neighbour] = seen[node] + 1
                waiting.append(neighbour)
    return reached


def along_columns(
    view: View, start: Place, direction: str, depth: int | None, limit: int, *, indirect: bool = True
) -> Reached:
    """Return the columns upstream or downstream of a column, or both.

    Where a job reports no column lineage, everything that it writes may depend on the column: the search continues with
    the whole node. So it does at a column that filters, joins, groups or sorts rows; without `indirect` those edges are
    skipped.
    """
    root, column = start
    reached = Reached({root: 0}, {root: None}, {root: {column}})
    edges: dict[ColumnEdge, None] = {}
    for one in (UP, DOWN) if direction == BOTH else (direction,):
        step = _up if one == UP else _down
        waiting = deque([(start, 0)])
        seen = {start}
        while waiting:
            (node, name), distance = waiting.popleft()
            if depth is not None and distance >= depth:
                continue
            for place, edge in step(view, node, name, indirect=indirect):
                neighbour, other = place
                if neighbour not in reached.distance:
                    if len(reached.distance) >= limit:
                        reached.truncated = True
                        continue
                    reached.distance[neighbour] = distance + 1
                    reached.previous[neighbour] = node
                if edge is not None:
                    edges[edge] = None
                reached.columns.setdefault(neighbour, set()).add(other)
                if place not in seen:
                    if len(seen) >= MOST_STEPS:
                        reached.truncated = True
                        break
                    seen.add(place)
                    waiting.append((place, distance + 1))
    reached.column_edges = list(edges)
    return reached


def edges_between(view: View, nodes: Iterable[int]) -> Iterator[tuple[int, int, set[int]]]:
    """Yield source, target and jobs of every edge between the nodes."""
    shown = set(nodes)
    for target in sorted(shown):
        for source, jobs in view.sources(target).items():
            if source in shown:
                yield source, target, jobs


def column_edges_between(view: View, nodes: Iterable[int]) -> Iterator[ColumnEdge]:
    """Yield every edge between columns of the nodes."""
    shown = set(nodes)
    for target in sorted(shown):
        yield from (edge for edge in view.column_edges(target) if edge.source in shown)


def hidden(view: View, nodes: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return how many upstream and downstream neighbours of each node are not among the nodes, where there are any."""
    shown = set(nodes)
    found = {}
    for node in shown:
        more = len(view.sources(node).keys() - shown), len(view.targets(node).keys() - shown)
        if any(more):
            found[node] = more
    return found


def _up(view: View, node: int, column: str, *, indirect: bool) -> Iterator[tuple[Place, ColumnEdge | None]]:
    reported = set()
    for edge in view.column_edges(node):
        reported.add(edge.source)
        if (WHOLE in {column, edge.column} or edge.column == column) and (indirect or edge.type != _INDIRECT):
            yield (edge.source, edge.source_column), edge
    for source in _by_name(view, view.sources(node)):
        if source not in reported:
            yield (source, WHOLE), None


def _down(view: View, node: int, column: str, *, indirect: bool) -> Iterator[tuple[Place, ColumnEdge | None]]:
    for target in _by_name(view, view.targets(node)):
        edges = view.column_edges_from(node, target)
        if not edges:
            yield (target, WHOLE), None
        for edge in edges:
            fits = WHOLE in {column, edge.source_column} or edge.source_column == column
            if fits and (indirect or edge.type != _INDIRECT):
                yield (target, edge.column), edge


def _by_name(view: View, nodes: Iterable[int]) -> list[int]:
    return sorted(nodes, key=lambda node: (view.naming(node).name, node))

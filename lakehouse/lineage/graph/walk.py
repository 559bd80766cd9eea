"""Walking the graph: what is around a node, where a column comes from, what a change would reach.

What belongs here: the ways through a view. Not: which edges hold (view.py), where nodes are drawn (layout.py). Every
walk remembers where it was and stops at a limit, so that circles and crowds end it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lakehouse.lineage.graph.view import ColumnEdge, View
from lakehouse.lineage.store.column_links import WHOLE

UP, DOWN, BOTH = "upstream", "downstream", "both"
DIRECTIONS = (BOTH, UP, DOWN)

_INDIRECT = "INDIRECT"
"""The standard's word for a column that decides which rows there are, not what is in them."""

MOST_STEPS = 200_000
"""Columns that one walk visits."""

Place = tuple[int, str]
"""A node and one of its columns, or all of it."""


@dataclass
class Reached:
    """Where a walk went: nodes in the order in which they were met, with their distance from the start."""

    distance: dict[int, int]
    came_from: dict[int, int | None]
    columns: dict[int, set[str]] = field(default_factory=dict)
    column_edges: list[ColumnEdge] = field(default_factory=list)
    truncated: bool = False

    def way_to(self, node: int) -> list[int]:
        """The nodes of a shortest way from the start, both ends included."""
        way, at = [], node
        while at is not None:
            way.append(at)
            at = self.came_from[at]
        return way[::-1]


def around(view: View, root: int, direction: str, depth: int | None, limit: int) -> Reached:
    """The nodes within `depth` jobs of the root: what it is made from, what is made from it, or both."""
    reached = Reached({root: 0}, {root: None})
    for one in (UP, DOWN) if direction == BOTH else (direction,):
        waiting = deque([root])
        seen = {root: 0}
        while waiting:
            node = waiting.popleft()
            if depth is not None and seen[node] >= depth:
                continue
            for neighbour in _ordered(view, view.sources(node) if one == UP else view.targets(node)):
                if neighbour in seen:
                    continue
                if neighbour not in reached.distance:
                    if len(reached.distance) >= limit:
                        reached.truncated = True
                        continue
                    reached.distance[neighbour] = seen[node] + 1
                    reached.came_from[neighbour] = node
                seen[neighbour] = seen[node] + 1
                waiting.append(neighbour)
    return reached


def along_columns(
    view: View, start: Place, direction: str, depth: int | None, limit: int, *, indirect: bool = True
) -> Reached:
    """What a column is made from, what is made from it, or both.

    Where nobody said which columns a job uses, all of what it makes may depend on it: the walk goes on through the
    whole node. The same with a column that chooses, groups or joins rows; without `indirect` the walk leaves those out
    and follows values alone.
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
                    reached.came_from[neighbour] = node
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
    """Every edge whose two ends are among the nodes: source, target, jobs."""
    shown = set(nodes)
    for target in sorted(shown):
        for source, jobs in view.sources(target).items():
            if source in shown:
                yield source, target, jobs


def column_edges_between(view: View, nodes: Iterable[int]) -> Iterator[ColumnEdge]:
    """Every edge between columns of the nodes."""
    shown = set(nodes)
    for target in sorted(shown):
        yield from (edge for edge in view.column_edges(target) if edge.source in shown)


def hidden(view: View, nodes: Iterable[int]) -> dict[int, tuple[int, int]]:
    """How many neighbours up and down each of the nodes has that are not among them, where there are any."""
    shown = set(nodes)
    found = {}
    for node in shown:
        more = len(view.sources(node).keys() - shown), len(view.targets(node).keys() - shown)
        if any(more):
            found[node] = more
    return found


def _up(view: View, node: int, column: str, *, indirect: bool) -> Iterator[tuple[Place, ColumnEdge | None]]:
    told = set()
    for edge in view.column_edges(node):
        told.add(edge.source)
        if (WHOLE in {column, edge.column} or edge.column == column) and (indirect or edge.type != _INDIRECT):
            yield (edge.source, edge.source_column), edge
    for source in _ordered(view, view.sources(node)):
        if source not in told:
            yield (source, WHOLE), None


def _down(view: View, node: int, column: str, *, indirect: bool) -> Iterator[tuple[Place, ColumnEdge | None]]:
    for target in _ordered(view, view.targets(node)):
        edges = view.column_edges_from(node, target)
        if not edges:
            yield (target, WHOLE), None
        for edge in edges:
            fits = WHOLE in {column, edge.source_column} or edge.source_column == column
            if fits and (indirect or edge.type != _INDIRECT):
                yield (target, edge.column), edge


def _ordered(view: View, nodes: Iterable[int]) -> list[int]:
    return sorted(nodes, key=lambda node: (view.naming(node).name, node))

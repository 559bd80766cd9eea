"""Coordinates of nodes: in layers from left to right, in the direction of the data, with few crossings.

What belongs here: coordinates. Not: which nodes there are (subgraph.py), how they look (serving/lineage/static). The
method is Sugiyama's: cycles are broken, layers are longest paths, and the order within a layer is found by sweeps that
move each node to the mean position of its neighbours. The result does not depend on the order of edges: ties go by the
order of `nodes`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ACROSS, DOWN = 280.0, 84.0
"""The distances between layers, and between nodes of a layer."""
TALLEST = 60
"""Nodes in one column; a layer with more nodes is folded into several columns."""
_SWEEPS = 4


class Place(NamedTuple):
    """A layer, counted from the left, and coordinates; y is 0 in the middle."""

    layer: int
    x: float
    y: float


def layout(nodes: Sequence[int], edges: Iterable[tuple[int, int]]) -> dict[int, Place]:
    """Return the place of each node. Self-loops, duplicates and edges to nodes not given are ignored."""
    number = {node: place for place, node in enumerate(nodes)}
    pairs = {(number[a], number[b]) for a, b in edges if a in number and b in number and a != b}
    out: list[list[int]] = [[] for _ in nodes]
    for a, b in sorted(pairs):
        out[a].append(b)
    order = _break_cycles(out)
    into: list[list[int]] = [[] for _ in nodes]
    for a, targets in enumerate(out):
        for b in targets:
            into[b].append(a)
    layers = _layers(order, out, into)
    rows = _ordered(layers, out, into)
    return {nodes[one]: place for one, place in _coordinates(rows).items()}


def _break_cycles(out: list[list[int]]) -> list[int]:
    """Remove the edges that close a cycle; return the nodes in topological order."""
    state = [0] * len(out)
    finished: list[int] = []
    for start in range(len(out)):
        if state[start]:
            continue
        path = [(start, 0)]
        state[start] = 1
        while path:
            node, place = path.pop()
            while place < len(out[node]):
                target = out[node][place]
                if state[target] == 1:
                    del out[node][place]  # it leads back into the current path
                    continue
                place += 1
                if not state[target]:
                    path.append((node, place))
                    path.append((target, 0))
                    state[target] = 1
                    break
            else:
                state[node] = 2
                finished.append(node)
    return finished[::-1]


def _layers(order: Sequence[int], out: Sequence[Sequence[int]], into: Sequence[Sequence[int]]) -> list[int]:
    layers = [0] * len(order)
    for node in order:
        for target in out[node]:
            layers[target] = max(layers[target], layers[node] + 1)
    for node in reversed(order):
        # A node without inputs stands directly left of its first consumer, not at the far left.
        if out[node] and not into[node]:
            layers[node] = min(layers[target] for target in out[node]) - 1
    return layers


def _ordered(layers: Sequence[int], out: Sequence[Sequence[int]], into: Sequence[Sequence[int]]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for node, layer in enumerate(layers):
        rows[layer].append(node)
    height = {node: _middle(place, row) for row in rows for place, node in enumerate(row)}
    for sweep in range(_SWEEPS):
        near = into if sweep % 2 == 0 else out
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            target = {node: _mean([height[one] for one in near[node]], height[node]) for node in row}
            row.sort(key=lambda node, target=target: (target[node], node))
            height.update({node: _middle(place, row) for place, node in enumerate(row)})
    return rows


def _coordinates(rows: Sequence[Sequence[int]]) -> dict[int, Place]:
    found: dict[int, Place] = {}
    x = 0.0
    for layer, row in enumerate(rows):
        columns = max(1, math.ceil(len(row) / TALLEST))
        per_column = math.ceil(len(row) / columns) if row else 1
        for place, node in enumerate(row):
            column, inside = divmod(place, per_column)
            in_column = min(per_column, len(row) - column * per_column)
            found[node] = Place(layer, x + column * ACROSS, (inside - (in_column - 1) / 2) * DOWN)
        x += columns * ACROSS
    return found


def _middle(place: int, row: Sequence[int]) -> float:
    return place - (len(row) - 1) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise

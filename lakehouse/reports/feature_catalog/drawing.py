"""The geometry of the catalog's pictures: bars of histograms, boxes and arrows of lineage.

What belongs here: coordinates. Not: colors and markup (templates/).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.reports.feature_catalog.distribution import Distribution
from lakehouse.reports.feature_catalog.lineage import Graph

BOX_WIDTH, BOX_HEIGHT = 176, 44
_ACROSS, _DOWN = 40, 14
_LONGEST = 23
"""Characters of a name that fit into a box."""


@dataclass(frozen=True)
class Rectangle:
    """A bar, and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    tooltip: str


@dataclass(frozen=True)
class Box:
    """A table or a model; `x` and `y` are its upper left corner."""

    x: float
    y: float
    name: str
    label: str
    kind: str


@dataclass(frozen=True)
class Picture:
    """Boxes, and the paths of the arrows between them."""

    width: float
    height: float
    boxes: Sequence[Box]
    arrows: Sequence[str]


def histogram(found: Distribution, width: float, height: float) -> list[Rectangle]:
    """Return bars that fill `width` and `height`; a bar with any rows is at least one unit tall."""
    most = max((bar.rows for bar in found.bars), default=0)
    if not most:
        return []
    step = width / len(found.bars)
    gap = min(1.5, step * 0.15)
    whole = all((bar.low - 0.5).is_integer() for bar in found.bars)
    drawn = []
    for place, bar in enumerate(found.bars):
        tall = max(bar.rows / most * height, 1.0) if bar.rows else 0.0
        low, high = (bar.low + 0.5, bar.high - 0.5) if whole else (bar.low, bar.high)
        span = bar.label or (number(low) if low == high else f"{number(low)} to {number(high)}")
        tooltip = f"{span}: {bar.rows:,} rows"
        drawn.append(
            Rectangle(round(place * step, 2), round(height - tall, 2), round(step - gap, 2), round(tall, 2), tooltip)
        )
    return drawn


def ends(found: Distribution) -> tuple[str, str]:
    """Return the labels at both ends of a histogram's axis."""
    low, high = found.bars[0].low, found.bars[-1].high
    if (low - 0.5).is_integer() and (high - 0.5).is_integer():
        low, high = low + 0.5, high - 0.5
    least = found.least is not None and found.clipped and found.least < low
    least = least and not (found.without_zeros and found.least == 0)
    most = found.most is not None and found.clipped and found.most > high
    return (f"≤ {number(low)}" if least else number(low)), (f"≥ {number(high)}" if most else number(high))


def number(value: float | None) -> str:
    """Format a number: four significant digits, thousands separated."""
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) < 1e15:  # noqa: PLR2004  # beyond it floats skip whole numbers
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"  # noqa: PLR2004


def picture(graph: Graph) -> Picture:
    """Return boxes in layers from sources on, and arrows without those that a longer path implies."""
    edges = _direct(graph.edges)
    columns: dict[int, list[str]] = {}
    for node in graph.nodes:
        columns.setdefault(node.layer, []).append(node.name)
    tallest = max(len(names) for names in columns.values())
    height = tallest * BOX_HEIGHT + (tallest - 1) * _DOWN
    at: dict[str, tuple[float, float]] = {}
    for layer, names in sorted(columns.items()):
        before = {name: [at[one][1] for one, after in edges if after == name and one in at] for name in names}
        ordered = sorted(names, key=lambda name: (sum(before[name]) / len(before[name]) if before[name] else 0, name))
        free = height - len(names) * BOX_HEIGHT - (len(names) - 1) * _DOWN
        for place, name in enumerate(ordered):
            at[name] = (layer * (BOX_WIDTH + _ACROSS), free / 2 + place * (BOX_HEIGHT + _DOWN))
    boxes = [Box(*at[node.name], node.name, _label(node.name), node.kind) for node in graph.nodes]
    width = (max(columns) + 1) * (BOX_WIDTH + _ACROSS) - _ACROSS
    return Picture(width, height, boxes, [_arrow(at[before], at[after]) for before, after in edges])


def _direct(edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Remove edges that a longer path implies."""
    following: dict[str, set[str]] = {}
    for before, after in edges:
        following.setdefault(before, set()).add(after)

    def reaches(start: str, end: str) -> bool:
        return end in following.get(start, ()) or any(reaches(one, end) for one in following.get(start, ()))

    return [
        (before, after)
        for before, after in edges
        if not any(one != after and reaches(one, after) for one in following[before])
    ]


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2
    to_x, to_y = end[0], end[1] + BOX_HEIGHT / 2
    bend = (to_x - x) / 2
    return f"M{x:g} {y:g}C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}"


def _label(name: str) -> str:
    short = name.rsplit(".", 1)[-1]
    return short if len(short) <= _LONGEST else f"{short[: _LONGEST - 1]}…"

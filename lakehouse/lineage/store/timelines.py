"""The contents of a facet over time; the newest one up to a time is in force.

What belongs here: one timeline in memory. Not: loading its points (graph/index.py).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Point = tuple[int, int]
"""Time and content."""
ALWAYS = 1 << 63


class Timeline:
    """Contents ordered by time; repeated contents are left out."""

    __slots__ = ("points",)

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self.points: list[Point] = []
        for point in sorted(points):
            self.append(point)

    def append(self, point: Point) -> bool:
        """Append a point; return False if it is older than the last one, and not appended."""
        if not self.points:
            self.points.append(point)
            return True
        if point < self.points[-1]:
            return False
        if point[1] != self.points[-1][1]:
            self.points.append(point)
        return True

    def in_force(self, at: int | None) -> int | None:
        """Return the content in force at the time (None: now)."""
        place = len(self.points) if at is None else bisect_right(self.points, (at, ALWAYS))
        return self.points[place - 1][1] if place else None

    def until(self, at: int | None) -> Sequence[Point]:
        """Return the points up to the time."""
        return self.points if at is None else self.points[: bisect_right(self.points, (at, ALWAYS))]

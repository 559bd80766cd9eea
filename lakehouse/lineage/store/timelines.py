"""What was said of one thing, in time: the newest word up to a moment is the one in force.

What belongs here: one timeline in memory. Not: where its points come from (index.py).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Point = tuple[int, int]
"""Time and content."""
ALWAYS = 1 << 63


class Timeline:
    """Contents in order of time; a content that repeats the one before it is left out."""

    __slots__ = ("points",)

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self.points: list[Point] = []
        for point in sorted(points):
            self.append(point)

    def append(self, point: Point) -> bool:
        """Add a point at the end; False when it belongs before the end, where nothing can be added."""
        if not self.points:
            self.points.append(point)
            return True
        if point < self.points[-1]:
            return False
        if point[1] != self.points[-1][1]:
            self.points.append(point)
        return True

    def in_force(self, at: int | None) -> int | None:
        """The content in force at the time (None: now)."""
        place = len(self.points) if at is None else bisect_right(self.points, (at, ALWAYS))
        return self.points[place - 1][1] if place else None

    def until(self, at: int | None) -> Sequence[Point]:
        """All points up to the time."""
        return self.points if at is None else self.points[: bisect_right(self.points, (at, ALWAYS))]

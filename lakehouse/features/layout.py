"""Windows and events laid out in order: what aggregations are given, and what they return.

What belongs here: the types of the seam between windows and aggregations, and helpers for stretches. Not: aggregations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from lakehouse.features.windows import Ints


@dataclass(frozen=True)
class Windows:
    """Windows that are asked about, shape (m,) each: their stretches, the time they look back from, their entity."""

    start: Ints
    end: Ints
    now: Ints
    entity: Ints

    @cached_property
    def events(self) -> Ints:
        """How many events each holds."""
        return self.end - self.start


@dataclass(frozen=True)
class Layout:
    """Events laid out by (entity, time), so that windows are stretches; shape (n,) each.

    `rows` are their places in the table of events. Entities are numbered in order, not necessarily without gaps.
    """

    rows: Ints
    entity: Ints
    time: Ints

    def by_value(self, ranks: Ints) -> Ints:
        """The places in this layout in order of (entity, time, value): which of ties comes first and last."""
        return np.lexsort((ranks[self.rows], self.time, self.entity))

    @cached_property
    def longest(self) -> int:
        """The most events of one entity."""
        edges = np.flatnonzero(np.diff(self.entity, prepend=-1, append=-1))
        return int(np.diff(edges).max()) if len(edges) > 1 else 0


Answer: TypeAlias = list[tuple[np.ndarray, np.ndarray | None]]
"""For each rank the values (for picks: rows of the events), and where there is one (None: everywhere)."""


Answering: TypeAlias = Callable[[Windows], Answer]


def spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of the stretches [low, high) one after the other, and which stretch each belongs to."""
    sizes = high - low
    row = np.repeat(np.arange(len(sizes)), sizes)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + low[row]


def in_parts(sizes: Ints, most: int) -> list[slice]:
    """Neighbouring rows whose sizes together are at most `most` (a row alone may be larger); one part at least."""
    if not len(sizes):
        return [slice(0, 0)]
    part = np.cumsum(sizes) // most
    edges = np.flatnonzero(np.diff(part, prepend=-1))
    return [slice(int(a), int(b)) for a, b in zip(edges, [*edges[1:], len(sizes)], strict=True)]

"""Column profiles: counts, a grid of quantiles, categories, shapes and a sketch of the values of one column.

What belongs here: the record, how two are merged, its JSON. Not: making it from values (column_values.py).
The size is bounded whatever the delivery's; merged records answer as if the rows had come together: counts exactly,
the grid and what is counted beyond the caps within the grid's steps.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np

ColumnKind = Literal["number", "time", "text"]

SHARES: tuple[float, ...] = (
    *(0.0, 0.001, 0.002, 0.005),
    *(one / 100 for one in range(1, 100)),
    *(0.995, 0.998, 0.999, 1.0),
)
"""Where the grid lies: the shares of values that are at most the grid's value. The first is the least, the last the
most. A hundredth apart, and closer in the tails."""
TOP = 50
SHAPES = 30
SKETCH = 128
"""How many categories, shapes and hashes of values are kept at most."""
HASH_BITS = 48
"""The bits that a kept hash has: fewer than are compared while counting, so that JSON stays short."""

Category = str | int | float


@dataclass(frozen=True)
class ColumnProfile:
    """One column of one delivery, or of several merged.

    `kind`: what the values are compared as: booleans are the numbers 0 and 1, times are microseconds since 1970 in UTC.
    `nulls`, `nans`, `infinities` count rows. `distinct`: different values that are neither null nor NaN, exact for
    one delivery and estimated from the sketches when merged. `diversity`: of how many equally frequent values they
    are worth (Simpson's index, inverted). `mean` and `std` (population) of finite numbers and times. `grid`: the
    values at SHARES, of finite numbers and times; empty when there is none. `lengths`: the same of the lengths of
    texts, in characters. `top`: the most frequent values with their counts, most frequent first, long texts cut.
    `shapes`: the most frequent shapes of texts, digits as 9 and letters as a. `marks`: rows by mark, of numbers
    `zero`, `negative`, `decimals_0` (whole) to `decimals_6` (the fewest decimals that tell the number exactly, or
    6); of times `midnight`, `whole_second`; of texts `blank`, `padded` (white space at an end), `upper` and `lower`
    (letters of one case), `numeric` (could be read as a number), `beyond_ascii`, `broken` (signs of a wrong
    encoding). `hours`: rows by hour of day, `weekdays` by weekday (Monday first), of times. `sketch`: the smallest
    hashes of the different values, ascending.
    """

    name: str
    kind: ColumnKind
    rows: int
    nulls: int = 0
    nans: int = 0
    infinities: int = 0
    distinct: int = 0
    diversity: float = 0.0
    mean: float | None = None
    std: float | None = None
    grid: tuple[float, ...] = ()
    lengths: tuple[float, ...] = ()
    top: tuple[tuple[Category, int], ...] = ()
    shapes: tuple[tuple[str, int], ...] = ()
    marks: Mapping[str, int] = field(default_factory=dict)
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    sketch: tuple[int, ...] = ()

    @property
    def given(self) -> int:
        """Rows that have a value, NaN and infinity among them."""
        return self.rows - self.nulls

    @property
    def finite(self) -> int:
        """Rows that the grid, the mean and the top are of."""
        return self.rows - self.nulls - self.nans - self.infinities

    @property
    def null_share(self) -> float:
        """The share of rows without a value."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def least(self) -> float | None:
        """The smallest finite number or time."""
        return self.grid[0] if self.grid else None

    @property
    def most(self) -> float | None:
        """The largest finite number or time."""
        return self.grid[-1] if self.grid else None

    def share(self, mark: str) -> float:
        """The share of finite values that bear a mark."""
        return self.marks.get(mark, 0) / self.finite if self.finite else 0.0

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold; what is empty is left out."""
        named = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in named if value is not None and value not in ((), {})}

    # Each delivery is compared with many that come after it: what that needs is made once.

    @cached_property
    def grid_array(self) -> np.ndarray:
        """The grid as an array."""
        return np.array(self.grid, float)

    @cached_property
    def lengths_array(self) -> np.ndarray:
        """The grid of lengths as an array."""
        return np.array(self.lengths, float)

    @cached_property
    def sketch_array(self) -> np.ndarray:
        """The sketch as an array."""
        return np.array(self.sketch, np.int64)

    @cached_property
    def top_counted(self) -> tuple[np.ndarray, np.ndarray]:
        """A number for each value of `top`, equal within a process where values are, and the counts."""
        return _counted(self.top, text=self.kind == "text")

    @cached_property
    def shapes_counted(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of `shapes`."""
        return _counted(self.shapes, text=True)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ColumnProfile":
        """The inverse of `as_dict`."""
        plain = {
            name: tuple(content[name]) for name in ("grid", "lengths", "hours", "weekdays", "sketch") if name in content
        }
        pairs = {name: tuple(map(tuple, content[name])) for name in ("top", "shapes") if name in content}
        return cls(**{**content, **plain, **pairs})


def merge_columns(profiles: Sequence[ColumnProfile]) -> ColumnProfile:
    """One column of several deliveries as one. Where kinds differ, those of the kind with most rows count.

    Means and deviations: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm" (1979).
    """
    by_kind = Counter[ColumnKind]()
    for one in profiles:
        by_kind[one.kind] += one.rows
    kind = max(by_kind, key=lambda one: (by_kind[one], one))
    merged = [one for one in profiles if one.kind == kind]
    if len(merged) == 1:
        return merged[0]
    finite = np.array([one.finite for one in merged], float)
    total = finite.sum()
    mean = std = None
    if total and kind != "text":
        means = np.array([one.mean or 0.0 for one in merged])
        mean = float((means * finite).sum() / total)
        squares = (np.array([one.std or 0.0 for one in merged]) ** 2 + (means - mean) ** 2) * finite
        std = float(np.sqrt(squares.sum() / total))
    distinct, sketch = _merge_sketches(merged)
    return ColumnProfile(
        name=merged[0].name,
        kind=kind,
        rows=sum(one.rows for one in merged),
        nulls=sum(one.nulls for one in merged),
        nans=sum(one.nans for one in merged),
        infinities=sum(one.infinities for one in merged),
        distinct=distinct,
        diversity=float(max(one.diversity for one in merged)),
        mean=mean,
        std=std,
        grid=mix_grids([one.grid for one in merged], finite),
        lengths=mix_grids([one.lengths for one in merged], finite),
        top=most_frequent((pair for one in merged for pair in one.top), TOP),
        shapes=most_frequent((pair for one in merged for pair in one.shapes), SHAPES),
        marks={
            mark: sum(one.marks.get(mark, 0) for one in merged)
            for mark in sorted({mark for one in merged for mark in one.marks})
        },
        hours=_added([one.hours for one in merged]),
        weekdays=_added([one.weekdays for one in merged]),
        sketch=sketch,
    )


def mix_grids(grids: Sequence[Sequence[float]], weights: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """The grid of the mixture of several, each weighted by its rows. Empty grids count for nothing."""
    chosen = [(grid, weight) for grid, weight in zip(grids, weights, strict=True) if len(grid) and weight > 0]
    if len(chosen) <= 1:
        return tuple(chosen[0][0]) if chosen else ()
    values = np.array([grid for grid, _ in chosen])
    mass = np.outer([weight for _, weight in chosen], _MASS)
    order = np.argsort(values, axis=None, kind="stable")
    values, below = values.ravel()[order], np.cumsum(mass.ravel()[order])
    places = np.searchsorted(below, np.array(SHARES) * below[-1] * (1 - 1e-12))
    found = values[np.minimum(places, len(values) - 1)]
    found[0], found[-1] = values[0], values[-1]
    return tuple(found.tolist())


def most_frequent(pairs: Iterable[tuple[Any, int]], cap: int) -> tuple[tuple[Any, int], ...]:
    """Counts of the same value added up, the `cap` most frequent first; ties in the order of their text."""
    found = Counter[Any]()
    for value, count in pairs:
        found[value] += count
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], str(pair[0])))[:cap])


def _merge_sketches(profiles: Sequence[ColumnProfile]) -> tuple[int, tuple[int, ...]]:
    """How many different values there are, and the smallest hashes of them.

    Source: Bar-Yossef and others, "Counting Distinct Elements in a Data Stream" (2002): of n evenly spread hashes the
    k-th smallest lies at k/n.
    """
    smallest = sorted({one for profile in profiles for one in profile.sketch})
    complete = all(profile.distinct <= len(profile.sketch) for profile in profiles)
    if complete and len(smallest) <= SKETCH:
        return len(smallest), tuple(smallest)
    kept = tuple(smallest[:SKETCH])
    estimate = round((len(kept) - 1) / (kept[-1] / 2**HASH_BITS)) if kept and kept[-1] else len(kept)
    return max(estimate, *(profile.distinct for profile in profiles)), kept


def _counted(pairs: Sequence[tuple[Category, int]], *, text: bool) -> tuple[np.ndarray, np.ndarray]:
    if text:
        codes = np.array([hash(value) for value, _ in pairs], np.int64)
    else:
        codes = np.array([value for value, _ in pairs], float).view(np.int64)
    return codes, np.array([count for _, count in pairs], float)


def _added(counts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    given = [one for one in counts if one]
    return tuple(int(one) for one in np.sum(given, axis=0)) if given else ()


def _masses() -> np.ndarray:
    """The share of values that each point of a grid stands for: half of the steps to its neighbours."""
    steps = np.diff(SHARES) / 2
    return np.concatenate([steps, [0.0]]) + np.concatenate([[0.0], steps])


_MASS = _masses()

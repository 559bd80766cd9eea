"""A corruption's case: the good delivery, how strongly it goes wrong, and a source of chance.

What belongs here: what all kinds of corruption work on. Not: the kinds (corruptions_of_values.py,
corruptions_of_files.py) and choosing one (corruptions.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from benchmarks.delivered import DataSet

SHARES = (0.1, 0.4, 1.0)
"""The share of rows that a change of values concerns, by strength, where a kind does not say otherwise."""


class NotApplicableError(Exception):
    """A delivery has nothing that the kind could change."""


@dataclass(frozen=True)
class Case:
    """What a kind works on: a good delivery, the one before it, the strength from 0 to 2.

    `detail` takes what was done, and `least`: the share of rows that must have changed (default: half of what the
    strength says).
    """

    data: DataSet
    rows: pl.DataFrame
    before: pl.DataFrame
    level: int
    random: np.random.Generator
    detail: dict[str, Any] = field(default_factory=dict)

    def of(self, *values: Any) -> Any:  # whatever a strength is told by
        """The value for this case's strength."""
        return values[self.level]

    def share(self, *shares: float) -> float:
        """The share of rows for this case's strength; half of it must change in the end."""
        share = shares[self.level]
        self.detail["least"] = share / 2
        return share

    def one(self, options: Sequence[Any]) -> Any:  # whatever is chosen from
        """One of the options by chance."""
        if not len(options):
            raise NotApplicableError
        return options[int(self.random.integers(len(options)))]

    def some(self, share: float) -> pl.Series:
        """A mask of `share` of the rows."""
        mask = np.zeros(len(self.rows), dtype=bool)
        chosen = max(1, round(share * len(self.rows)))
        mask[self.random.choice(len(self.rows), size=chosen, replace=False)] = True
        return pl.Series(mask)

    def wide(self, column: str, dtype: type[pl.DataType]) -> "Case":
        """The same case with a column of another type."""
        return replace(self, rows=self.rows.with_columns(pl.col(column).cast(dtype)))

    def put(self, column: str, values: pl.Expr | pl.Series, share: float | None = None) -> pl.DataFrame:
        """The rows with other values in a column, in `share` of the rows (default: the strength's)."""
        mask = self.some(SHARES[self.level] if share is None else share)
        return self.rows.with_columns(pl.when(mask).then(values).otherwise(pl.col(column)).alias(column))


Made = tuple[pl.DataFrame, tuple[str, ...]]
"""The delivery after it went wrong, and the columns concerned (none: the delivery as a whole)."""
Kind = Callable[[Case], Made]


def text_of(name: str) -> pl.Expr:
    """A column as text, as CSV would write it."""
    return pl.col(name).cast(pl.String)

"""What aggregations need to know of a column of events: exact numbers, the order of its values, its sketches.

What belongs here: reading one column once, each view of it when it is first asked for. Not: aggregating.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError
from lakehouse.features.measures import Measure, read_measure
from lakehouse.features.sketches import buckets, registers_and_ranks
from lakehouse.features.windows import Ints

_MOST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Reading:
    """A column of the events, n rows. Rows without a value hold anything: nobody asks about them."""

    column: pa.ChunkedArray
    scale: int | None
    where: str

    @cached_property
    def present(self) -> np.ndarray | None:
        """Which rows have a value (null and not-a-number are none), shape (n,); None when all have."""
        missing = self.column.is_null(nan_is_null=True)
        return None if not pc.any(missing).as_py() else ~missing.to_numpy()

    @cached_property
    def measure(self) -> Measure:
        """The values as exact numbers, 0 where there is none. Raises SlipwayError for what cannot be summed."""
        if self.present is None:
            return read_measure(self.column, self.scale, where=self.where)
        found = read_measure(self.column.filter(pa.array(self.present)), self.scale, where=self.where)
        whole = np.zeros(len(self.column), found.whole.dtype)
        whole[self.present] = found.whole
        return Measure(whole, found.unit, found.counts)

    @cached_property
    def values(self) -> pa.Array:
        """The distinct values, sorted; texts by their bytes, false before true."""
        distinct = pc.unique(_plain(self.column)).drop_null()
        return distinct.take(pc.sort_indices(distinct.cast(pa.int8()) if _is_bool(distinct) else distinct))

    @cached_property
    def ranks(self) -> Ints:
        """The place of each row's value among the sorted distinct ones, -1 for a null, shape (n,)."""
        found = pc.index_in(_plain(self.column), value_set=self.values)
        return pc.fill_null(found, -1).to_numpy().astype(np.int64)

    @cached_property
    def numbers(self) -> np.ndarray:
        """The sorted distinct values as numbers: int64 for whole ones, else float64; at least one, for empty tables."""
        kind = self.values.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_bool(kind)):
            raise SlipwayError(
                f"A {kind} has no number to give.", where=self.where, nearest="a number", fix="Use last() or top()."
            )
        if pa.types.is_decimal(kind):  # Arrow's own cast is one bit off now and then
            return np.array([float(value) for value in self.values.to_pylist()] or [0.0])
        whole = pa.types.is_integer(kind) or _is_bool(kind)
        found = self.values.cast(pa.int64() if whole else pa.float64()).to_numpy(zero_copy_only=False)
        return found if len(found) else np.zeros(1, found.dtype)

    @cached_property
    def bucket(self) -> Ints:
        """The DDSketch bucket of each row's value, shape (n,)."""
        if len(self.values) and not np.isfinite(self.numbers).all():
            raise SlipwayError("The measure has values that are infinite.", where=self.where)
        return buckets(self.numbers.astype(np.float64))[self.ranks]

    @cached_property
    def registers(self) -> tuple[Ints, Ints]:
        """The HyperLogLog register and rank of each row's value, shape (n,) each."""
        register, rank = registers_and_ranks(self.values)
        if not len(register):
            register = rank = np.zeros(1, np.int64)
        return register[self.ranks], rank[self.ranks]

    def whole_sum(self, sums: np.ndarray) -> Ints:
        """Sums of whole numbers as int64. Raises SlipwayError for one that does not fit."""
        if sums.dtype == object and any(abs(one) > _MOST for one in sums):
            raise SlipwayError(
                "The sum of a measure exceeds 64 bits.",
                where=self.where,
                fix="Take the mean, or cast the measure to a floating point number in its dbt model.",
            )
        return sums.astype(np.int64)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    column = column.cast(kind.value_type) if isinstance(kind, pa.DictionaryType) else column
    if pa.types.is_floating(column.type):  # not-a-number is no value, and -0.0 is 0.0
        column = pc.add(
            pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column), pa.scalar(0.0, column.type)
        )
    return column


def _is_bool(kind: pa.DataType | pa.Array) -> bool:
    return pa.types.is_boolean(kind if isinstance(kind, pa.DataType) else kind.type)

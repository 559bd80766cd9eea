"""Splitting entities into parts that fit into a worker's memory.

What belongs here: which part a row belongs to. Not: what is done with a part (distributed.py).
A part is a bucket of entities (by the hash of their keys). A bucket with too many rows (one entity with half of all
events is enough) is cut by days of the spine: each of its parts has the events that reach its days, some of them in
several parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.spark.tables import Pinned, identifier
from lakehouse.tables.sizes import COPIES, row_bytes, spans_within

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PART = "_part"
"""The column of a row's part."""

_PARTS_A_TASK = 4
"""So many that tasks end about together."""
_FIX = "Raise SLIPWAY_MEMORY, run fewer tasks at once (SLIPWAY_SPARK_MASTER), or use shorter windows."


@dataclass(frozen=True)
class Side:
    """A table that takes part: its rows, the columns of the entity's key, the column of its times.

    `reach` (microseconds) is how long before a spine row its rows matter; None: for ever. The spine itself has 0.
    `weighed` is a frame with the same keys and times, which counts faster than the rows do (default: the rows).
    Without `keys` all rows are in one part. A table that is read by several `times` counts from the earliest.
    """

    rows: Pinned
    keys: Sequence[str]
    time: str
    reach: int | None = 0
    weighed: "DataFrame | None" = None
    times: Sequence[str] = ()


@dataclass(frozen=True)
class Piece:
    """A part of a heavy bucket: the spine's days `first` to `last`, and for each side the first day of its rows."""

    bucket: int
    first: date
    last: date
    part: int
    since: tuple[date, ...]


@dataclass(frozen=True)
class Parts:
    """Each of `buckets` buckets of entities is a part, but those of `pieces` are cut further."""

    buckets: int
    pieces: Sequence[Piece] = ()

    def number_rows(self, side: Side, place: int) -> "DataFrame":
        """The side's rows with their part in `_part`; `place` is the side's number. A row may be in several parts."""
        from pyspark.sql import functions as F  # noqa: N812

        frame = side.rows.frame
        bucket = _bucket(side, self.buckets)
        if not self.pieces:
            return frame.withColumn(PART, bucket)
        cut_up = sorted({one.bucket for one in self.pieces})
        rows = [(one.bucket, one.since[place], one.last, one.part) for one in self.pieces]
        table = frame.sparkSession.createDataFrame(rows, "_cut int, _since date, _until date, _piece int")
        numbered = frame.withColumn("_bucket", bucket).withColumn("_day", _day(side))
        inside = (F.col("_bucket") == F.col("_cut")) & F.col("_day").between(F.col("_since"), F.col("_until"))
        joined = numbered.join(F.broadcast(table), inside, "left")
        # A row of a cut bucket that no piece wants reaches no row of the spine.
        wanted = F.col("_piece").isNotNull() | ~F.col("_bucket").isin(cut_up)
        return joined.where(wanted).withColumn(PART, F.coalesce("_piece", "_bucket"))


def cut(sides: Sequence[Side], columns: int, *, tasks: int, limit: int) -> Parts:
    """Cut the sides (the spine first) so that no part needs more than `limit` bytes; and some parts for each task.

    `columns` is how many columns come out for each spine row. Rows are counted only when there are so many that a part
    could be too large. Raises SlipwayError for days that cannot be cut any further.
    """
    if fits(sides, columns, limit):
        return Parts(_PARTS_A_TASK * tasks)
    widths = _widths(sides, columns)
    size = sum(side.rows.rows * width * COPIES for side, width in zip(sides, widths, strict=True))
    buckets = max(_PARTS_A_TASK * tasks, 2 * -(-size // limit))
    weights = _weigh(sides, widths, buckets)
    pieces: list[Piece] = []
    for bucket, days in weights.items():
        if sum(sum(sizes) for sizes in days.values()) > limit:
            for span in spans_within(days, [side.reach for side in sides], limit, whose="a worker's", fix=_FIX):
                pieces.append(Piece(bucket, span.first, span.last, buckets + len(pieces), span.since))
    return Parts(buckets, tuple(pieces))


def fits(sides: Sequence[Side], columns: int, limit: int) -> bool:
    """Whether all rows of the sides (the spine first, `columns` come out) could be one part."""
    widths = _widths(sides, columns)
    return sum(side.rows.rows * width * COPIES for side, width in zip(sides, widths, strict=True)) <= limit


def _widths(sides: Sequence[Side], columns: int) -> list[int]:
    """About how many bytes a row of each side takes, with what comes out for it."""
    spine, *others = (row_bytes(side.rows.schema) for side in sides)
    return [spine + 8 * columns, *others]


def _bucket(side: Side, buckets: int) -> "Column":
    """The bucket of a row. Equal keys have equal buckets on all sides, whatever the widths of their integers."""
    from pyspark.sql import functions as F  # noqa: N812

    if not side.keys:
        return F.lit(0)
    keys = [
        F.col(identifier(key)).cast("bigint")
        if pa.types.is_integer(side.rows.schema.field(key).type)
        else identifier(key)
        for key in side.keys
    ]
    return F.pmod(F.hash(*keys), F.lit(buckets)).cast("int")


def _day(side: Side) -> "Column":
    """The day of a row."""
    from pyspark.sql import functions as F  # noqa: N812

    times = [F.col(identifier(time)) for time in side.times or (side.time,)]
    return F.to_date(F.least(*times) if len(times) > 1 else times[0])


def _weigh(sides: Sequence[Side], widths: Sequence[int], buckets: int) -> dict[int, dict[date, list[int]]]:
    """Bytes that the rows of each bucket and day need in a worker, by side."""
    weights: dict[int, dict[date, list[int]]] = {}
    for place, side in enumerate(sides):
        frame = side.rows.frame if side.weighed is None else side.weighed
        counted = frame.select(_bucket(side, buckets).alias("b"), _day(side).alias("d")).groupBy("b", "d").count()
        for row in counted.toArrow().to_pylist():
            of_day = weights.setdefault(row["b"], {}).setdefault(row["d"] or date.min, [0] * len(sides))
            of_day[place] += row["count"] * widths[place] * COPIES
    return weights

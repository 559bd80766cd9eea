"""Cutting entities into parts that a worker's memory holds.

What belongs here: which part a row belongs to. Not: what is done with a part (carried.py).
A part is a bucket of entities (by the hash of their keys). A bucket with too many rows (one entity with half of all
events is enough) is cut by days of the spine: each of its parts has the events that reach its days, some of them in
several parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.errors import SlipwayError
from lakehouse.spark.tables import Pinned, identifier

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PART = "_part"
"""The column of a row's part."""

_PARTS_A_TASK = 4
"""So many that tasks end about together."""
_MICROSECONDS_A_DAY = 86_400_000_000
_COPIES = 5
"""How often a part's rows are held at once in a worker: as they arrive, sorted, in the kernel's arrays, as results."""


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
    size = sum(side.rows.rows * width * _COPIES for side, width in zip(sides, widths, strict=True))
    buckets = max(_PARTS_A_TASK * tasks, 2 * -(-size // limit))
    weights = _weigh(sides, widths, buckets)
    pieces: list[Piece] = []
    for bucket, days in weights.items():
        if sum(sum(sizes) for sizes in days.values()) > limit:
            for first, last, since in _spans(days, [side.reach for side in sides], limit):
                pieces.append(Piece(bucket, first, last, buckets + len(pieces), since))
    return Parts(buckets, tuple(pieces))


def fits(sides: Sequence[Side], columns: int, limit: int) -> bool:
    """Whether all rows of the sides (the spine first, `columns` come out) could be one part."""
    widths = _widths(sides, columns)
    return sum(side.rows.rows * width * _COPIES for side, width in zip(sides, widths, strict=True)) <= limit


def _widths(sides: Sequence[Side], columns: int) -> list[int]:
    """About how many bytes a row of each side takes, with what comes out for it."""
    spine, *others = (sum(_bytes(one.type) for one in side.rows.schema) for side in sides)
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
            of_day[place] += row["count"] * widths[place] * _COPIES
    return weights


def _spans(
    days: dict[date, list[int]], reaches: Sequence[int | None], limit: int
) -> Iterator[tuple[date, date, tuple[date, ...]]]:
    """Runs of days (first, last, first day of each side's rows) of which none needs more than `limit` bytes."""
    order = sorted(days)
    wanted = [day for day in order if days[day][0]]

    def since(first: date) -> tuple[date, ...]:
        return (first, *(_before(first, reach, order[0]) for reach in reaches[1:]))

    def needs(first: date, last: date) -> int:
        starts = since(first)
        return sum(
            size for day in order if day <= last for size, start in zip(days[day], starts, strict=True) if day >= start
        )

    begin = 0
    while begin < len(wanted):
        end = begin
        least = needs(wanted[begin], wanted[begin])
        if least > limit:
            raise SlipwayError(
                f"The events that reach one day of one part of the entities need {least >> 20} MB of a worker's "
                f"memory, and it may take {limit >> 20} MB.",
                where=f"{wanted[begin]}, {sum(sizes[0] > 0 for sizes in days.values())} days of the spine",
                fix="Raise SLIPWAY_MEMORY, run fewer tasks at once (SLIPWAY_SPARK_MASTER), or use shorter windows.",
            )
        while end + 1 < len(wanted) and needs(wanted[begin], wanted[end + 1]) <= limit:
            end += 1
        yield wanted[begin], wanted[end], since(wanted[begin])
        begin = end + 1


def _before(day: date, reach: int | None, earliest: date) -> date:
    """The day on which the first rows that reach `day` can lie."""
    if reach is None:
        return earliest
    return max(earliest, day - timedelta(days=-(-reach // _MICROSECONDS_A_DAY)))


def _bytes(kind: pa.DataType) -> int:
    if pa.types.is_decimal(kind):
        return 16
    return 40 if pa.types.is_string(kind) or pa.types.is_binary(kind) else 8

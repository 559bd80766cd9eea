"""The memory that rows need, and ranges of days whose rows fit into a limit.

What belongs here: estimates and the cutting by them. Not: what is done with a part (engines, spark).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

import psutil
import pyarrow as pa

from lakehouse.errors import SlipwayError
from lakehouse.settings import Settings

COPIES = 5
"""How often a part's rows are held at once: as they arrive, sorted, in the kernel's arrays, as results."""
_LEAST_ROWS = 64 << 20
_FOR_ROWS = 0.7
"""What of the free memory rows may take; the rest is for what libraries keep of it."""
_MICROSECONDS_A_DAY = 86_400_000_000


def memory_left(settings: Settings) -> int:
    """How many bytes rows may take: of SLIPWAY_MEMORY, or half of the machine's, what this process has not yet."""
    most = settings.memory or psutil.virtual_memory().total // 2
    return max(int((most - psutil.Process().memory_info().rss) * _FOR_ROWS), _LEAST_ROWS)


def row_bytes(schema: pa.Schema) -> int:
    """About how many bytes a row takes."""
    return sum(_bytes(one.type) for one in schema)


@dataclass(frozen=True)
class Span:
    """A run of days of the spine, and for each table the first day of the rows that reach it."""

    first: date
    last: date
    since: tuple[date, ...]


def spans_within(
    days: Mapping[date, Sequence[int]], reaches: Sequence[int | None], limit: int, *, whose: str, fix: str
) -> Iterator[Span]:
    """The days of the spine in runs of which none needs more than `limit` bytes.

    `days` has the bytes of each day's rows by table, the spine's first; `reaches` (microseconds) how long the rows of
    each matter (None: for ever). `whose` memory it is and the `fix` are for the SlipwayError that is raised for a day
    that does not fit.
    """
    order = sorted(days)
    wanted = [day for day in order if days[day][0]]
    # Of each table, the bytes of all days before a place in `order`.
    before = [list(accumulate(sizes, initial=0)) for sizes in zip(*(days[day] for day in order), strict=True)]

    def since(first: date) -> tuple[date, ...]:
        return (first, *(_before(first, reach, order[0]) for reach in reaches[1:]))

    def needs(first: date, last: date) -> int:
        end = bisect_right(order, last)
        return sum(
            total[end] - total[bisect_left(order, start)] for total, start in zip(before, since(first), strict=True)
        )

    begin = 0
    while begin < len(wanted):
        end = begin
        least = needs(wanted[begin], wanted[begin])
        if least > limit:
            raise SlipwayError(
                f"The events that reach one day of one part of the entities need {least >> 20} MB of {whose} memory, "
                f"and it may take {limit >> 20} MB.",
                where=f"{wanted[begin]}, {len(wanted)} days of the spine",
                fix=fix,
            )
        while end + 1 < len(wanted) and needs(wanted[begin], wanted[end + 1]) <= limit:
            end += 1
        yield Span(wanted[begin], wanted[end], since(wanted[begin]))
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

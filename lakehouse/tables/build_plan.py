"""Build plans: what a table must recompute to be up to date with its inputs, and why.

What belongs here: comparing the input snapshots of a published table with the inputs' present snapshots. Not:
computing rows, and writing them (incremental.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.days import describe_days
from lakehouse.tables.provenance import SnapshotProvenance, changed_by_others, current_snapshots, last_published
from lakehouse.tables.read import changed_days, day_column, is_by_day, published_days


@dataclass(frozen=True)
class Input:
    """An input table of another one. A changed day of it affects `reach` following days as well (None: all).

    `times` are the columns by which its rows count (default: the one whose days the table is cut by). By another one, a
    change can touch any day. `days_touched` tells the days that a change touches where the table's own days do not: it
    takes the snapshot that was read before, the present snapshots of all inputs, and the changed days.
    """

    table: str
    reach: int | None = 0
    times: Sequence[str] = ()
    days_touched: Callable[[int, Mapping[str, int], Sequence[date]], Sequence[date]] | None = None


@dataclass(frozen=True)
class BuildPlan:
    """What a build has to compute, and why.

    `days` is None if the whole table is to be rebuilt, and empty if the table is up to date. `only` holds the keys of
    the rows to compute on these days, where the others stay as they are (None: all).
    """

    name: str
    input_snapshots: Mapping[str, int]
    definition: str
    days: tuple[date, ...] | None
    causes: tuple[str, ...]
    before: SnapshotProvenance | None
    only: pa.Array | None = None

    @property
    def needed(self) -> bool:
        """Whether there is anything to build."""
        return self.days is None or bool(self.days)


def plan_build(
    lake: Lakehouse,
    name: str,
    inputs: Sequence[Input],
    definition: str,
    *,
    asked: Sequence[date] = (),
    asked_because: str = "asked for",
    rebuild: bool = False,
    drafts: Mapping[str, int] | None = None,
    days_from: Sequence[str] = (),
) -> BuildPlan:
    """Plan a build of the table `name`: the days that changed inputs reach, or everything.

    The table has the days of the inputs `days_from` (default: of the first) and no others. `asked` days are recomputed
    in any case.
    `drafts` are snapshots of inputs that are about to be published and count as if they were.
    """
    drafts = drafts or {}
    input_snapshots = current_snapshots(lake, [one.table for one in inputs if one.table not in drafts])
    input_snapshots.update({one.table: drafts[one.table] for one in inputs if one.table in drafts})
    before = last_published(lake, name)

    def work(days: tuple[date, ...] | None, *causes: str) -> BuildPlan:
        return BuildPlan(name, input_snapshots, definition, days, causes, before)

    whole = _why_everything(name, before, definition, rebuild=rebuild)
    if whole or before is None:
        return work(None, whole)
    touched = set(asked)
    causes = [f"{asked_because}: {describe_days(asked)}"] if asked else []
    endless: date | None = None  # from this day on, all days are touched
    for one in inputs:
        built_from = before.input_snapshots.get(one.table)
        if built_from is None:
            return work(None, f"{one.table} is a new input")
        days = changed_days(lake, one.table, built_from, input_snapshots[one.table])
        if days is None or (days and not is_by_day(lake.table(name))):
            return work(None, f"{one.table} has a new snapshot")
        if built_from != input_snapshots[one.table]:
            causes.append(f"{one.table} has a new snapshot: {describe_days(list(days))} changed")
        if one.days_touched is not None:
            touched.update(one.days_touched(built_from, input_snapshots, list(days)) if days else ())
            continue
        first = _all_from(lake, one, list(days))
        endless = min([day for day in (first, endless) if day], default=None)
        touched.update(day + timedelta(days=later) for day in days for later in range((one.reach or 0) + 1))
    # Days that left the inputs are among the changed ones; they are "recomputed" to nothing.
    present = set(published_days(lake, name)) if touched or endless else set()
    for table in days_from or (inputs[0].table,) if touched or endless else ():
        present.update(published_days(lake, table, at=input_snapshots[table]))
    return work(tuple(sorted(day for day in present if day in touched or (endless and day >= endless))), *causes)


def _all_from(lake: Lakehouse, one: Input, changed: Sequence[date]) -> date | None:
    """The day from which on changed days of an input affect all days; None if they affect some days only."""
    if not changed:
        return None
    if any(time != day_column(lake.table(one.table)) for time in one.times):
        return date.min
    return min(changed) if one.reach is None else None


def _why_everything(name: str, before: SnapshotProvenance | None, definition: str, *, rebuild: bool) -> str:
    """Why the table has to be rebuilt whatever its inputs are; empty if it has not."""
    if before is None:
        return f"{name} was never built"
    if rebuild:
        return "a rebuild was asked for"
    return changed_by_others(before) or ("its definition changed" if before.definition != definition else "")

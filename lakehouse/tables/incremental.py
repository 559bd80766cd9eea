"""Upkeep: what a table must recompute to be in line with its inputs, and bringing it there.

What belongs here: comparing the pins of a published snapshot with the inputs' present snapshots, and the one path on
which every derived table is written, audited and published. Not: how rows are computed.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pyarrow as pa
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import PublishConflictError, UnknownNameError
from lakehouse.tables.days import days_filter, in_words
from lakehouse.tables.provenance import Provenance, SnapshotProvenance, ancestry, is_compaction, read_provenance
from lakehouse.tables.publish import Published, change_schema, conflict, needs_schema_change, publish
from lakehouse.tables.read import changed_days, day_column, is_by_day, published_days, resolve
from lakehouse.tables.write import BRANCH_AGE, Draft, Rows, TableShape, ensure_table, write_draft

TRIAL = "__trial_"
"""What stands behind a table's name in the name of a trial of it."""


@dataclass(frozen=True)
class Input:
    """A table that another one is made from. A changed day of it touches `reach` following days as well (None: all).

    `times` are the columns by which its rows count (default: the one whose days the table is cut by). By another one, a
    change can touch any day.
    """

    table: str
    reach: int | None = 0
    times: Sequence[str] = ()


@dataclass(frozen=True)
class BuildPlan:
    """What has to be done to a table, and why.

    `days` is None when the whole table is to be made anew, and empty when there is nothing to do. `only` holds the keys
    of the rows to make anew on these days, where the others stay as they are (None: all).
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
        """Whether there is anything to do."""
        return self.days is None or bool(self.days)

    @property
    def in_words(self) -> str:
        """What is recomputed, for people."""
        return "everything" if self.days is None else in_words(self.days)


@dataclass(frozen=True)
class Outcome:
    """What became of a table: its published state, and what was done to it and why."""

    name: str
    snapshot_id: int
    rows: int
    rows_written: int
    days: tuple[date, ...] | None
    causes: tuple[str, ...]
    input_snapshots: Mapping[str, int]
    recomputed: bool


def last_published(lake: Lakehouse, name: str) -> SnapshotProvenance | None:
    """The provenance of the table's newest published change; None for a table that Slipway never published to.

    Compactions, by whomever, change no rows and are passed over. When somebody else changed the rows since Slipway
    published, it is that change, whose `definition` is empty.
    """
    if not lake.has(name):
        return None
    newest: SnapshotProvenance | None = None
    for snapshot in ancestry(lake.table(name)):
        made = read_provenance(snapshot)
        if not made.definition and is_compaction(snapshot):
            continue
        newest = newest or made
        if made.definition:
            return newest
    return None


def changed_by_others(made: SnapshotProvenance) -> str:
    """Who else changed a table, as the cause of making it anew; empty when it was Slipway."""
    when = made.at.strftime("%Y-%m-%d %H:%M UTC")
    return "" if made.definition else f"somebody else changed it: {made.operation} {made.snapshot_id} of {when}"


def current_snapshots(lake: Lakehouse, names: Sequence[str]) -> dict[str, int]:
    """The newest published change of each table, so that a compaction of one changes nothing that is made from it.

    Raises UnknownNameError for a table that was never published.
    """
    input_snapshots = {}
    for name in names:
        made = last_published(lake, name)
        if made is None:
            raise UnknownNameError(
                f"{name} was never published, so nothing can be made from it.",
                where=name,
                fix=f"Run `slipway materialize {name}` first.",
            )
        input_snapshots[name] = made.snapshot_id
    return input_snapshots


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
    """What table `name` must recompute: the days that changed inputs reach, or everything.

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
    causes = [f"{asked_because}: {in_words(asked)}"] if asked else []
    endless: date | None = None  # from this day on, all days are touched
    for one in inputs:
        built_from = before.input_snapshots.get(one.table)
        if built_from is None:
            return work(None, f"it was not made from {one.table} before")
        days = changed_days(lake, one.table, built_from, input_snapshots[one.table])
        if days is None or (days and not is_by_day(lake.table(name))):
            return work(None, f"{one.table} has a new snapshot")
        if built_from != input_snapshots[one.table]:
            causes.append(f"{one.table} has a new snapshot: {in_words(list(days))} changed")
        first = _all_from(lake, one, list(days))
        endless = min([day for day in (first, endless) if day], default=None)
        touched.update(day + timedelta(days=later) for day in days for later in range((one.reach or 0) + 1))
    # Days that left the inputs are among the changed ones; they are "recomputed" to nothing.
    present = set(published_days(lake, name)) if touched or endless else set()
    for table in days_from or (inputs[0].table,) if touched or endless else ():
        present.update(published_days(lake, table, at=input_snapshots[table]))
    return work(tuple(sorted(day for day in present if day in touched or (endless and day >= endless))), *causes)


def _all_from(lake: Lakehouse, one: Input, changed: Sequence[date]) -> date | None:
    """The day from which on changed days of an input touch all days; None when they touch some days only."""
    if not changed:
        return None
    if any(time != day_column(lake.table(one.table)) for time in one.times):
        return date.min
    return min(changed) if one.reach is None else None


def _why_everything(name: str, before: SnapshotProvenance | None, definition: str, *, rebuild: bool) -> str:
    """Why the table is to be made anew whatever its inputs are; empty when it is not."""
    if before is None:
        return f"{name} was never built"
    if rebuild:
        return "a rebuild was asked for"
    return changed_by_others(before) or ("its definition changed" if before.definition != definition else "")


@dataclass(frozen=True)
class Computed:
    """Rows for a table, with notes for the snapshot's summary."""

    shape: TableShape
    rows: Rows
    notes: Mapping[str, str] = field(default_factory=dict)


Compute = Callable[[BuildPlan], Computed]
Audit = Callable[[Lakehouse, Draft], None]


def bring_up_to_date(
    lake: Lakehouse,
    find: Callable[[], BuildPlan],
    compute: Compute,
    audit: Audit,
    *,
    run_id: str,
) -> Outcome:
    """Find the work, compute its rows, write them to an audit branch, audit, publish.

    `audit` raises when the draft must not be published. When somebody else published meanwhile, all of it is done
    again from the new state.
    """

    @retry(retry=retry_if_exception_type(PublishConflictError), stop=stop_after_attempt(3), reraise=True)
    def attempt() -> Outcome:
        work = find()
        if not work.needed:
            return unchanged(lake, work)
        made = compute(work)
        if work.days is not None and needs_schema_change(lake, made.shape):
            # Other columns concern all rows: what changed is not known for those that would stay.
            _let_go(made.rows)
            work = replace(work, days=None, only=None, causes=(*work.causes, "its columns changed"))
            made = compute(work)
        provenance = Provenance(run_id, work.definition, work.input_snapshots, notes=made.notes)
        try:
            published = write_audit_publish(
                lake, made.shape, made.rows, provenance, work.days, audit, beginning(lake, made.shape, work.before)
            )
        finally:
            _let_go(made.rows)
        return Outcome(
            work.name,
            published.snapshot_id,
            published.rows,
            len(made.rows),
            work.days,
            work.causes,
            work.input_snapshots,
            recomputed=True,
        )

    return attempt()


def _let_go(rows: Rows) -> None:
    if not isinstance(rows, pa.Table):
        rows.let_go()


def beginning(lake: Lakehouse, shape: TableShape, before: SnapshotProvenance | None) -> int:
    """The snapshot that a draft begins at whose work was found when `before` was published (None: nothing was).

    Raises PublishConflictError when somebody published since: the work may be another now.
    """
    main = resolve(ensure_table(lake, shape))
    now = last_published(lake, shape.name)
    if now != before:
        raise conflict(shape.name, before.snapshot_id if before else None, main)
    return main


def unchanged(lake: Lakehouse, work: BuildPlan) -> Outcome:
    """The outcome of having nothing to do. The pins are those that the rows were made from."""
    made = last_published(lake, work.name)
    snapshot_id = made.snapshot_id if made else resolve(lake.table(work.name))
    rows, input_snapshots = (made.rows, made.input_snapshots) if made else (0, work.input_snapshots)
    return Outcome(work.name, snapshot_id, rows, 0, (), (), input_snapshots, recomputed=False)


def write_audit_publish(
    lake: Lakehouse,
    shape: TableShape,
    rows: Rows,
    provenance: Provenance,
    days: Sequence[date] | None,
    audit: Audit,
    base: int | None = None,
) -> Published:
    """Write a draft that begins at `base`, audit it, publish it.

    With changed columns the draft is audited in a table of its own first.
    """
    if needs_schema_change(lake, shape):
        draft = write_draft(lake, fresh_trial(lake, shape), rows, provenance)
        audit(lake, draft)
        published = change_schema(lake, shape, rows, provenance, base)
        lake.drop_table(draft.name)
        return published
    replace = days_filter(shape.day_column, days) if shape.day_column and days is not None else None
    draft = write_draft(lake, shape, rows, provenance, replace, base)
    audit(lake, draft)
    return publish(lake, draft)


def fresh_trial(lake: Lakehouse, shape: TableShape) -> TableShape:
    """The shape of a trial table, in which rows with other columns than the table's are audited.

    Trials that failed stay for inspection as long as audit branches do.
    """
    oldest = (clock.now() - BRANCH_AGE).timestamp() * 1000
    for name in lake.names():
        if name.startswith(f"{shape.name}{TRIAL}") and lake.table(name).metadata.last_updated_ms < oldest:
            lake.drop_table(name)
    name = f"{shape.name}{TRIAL}{uuid.uuid4().hex[:8]}"
    return TableShape(name, shape.schema, shape.day_column, f"Trial of {shape.name}")

"""Write, audit, publish: the one way in which rows get into a table.

What belongs here: the order of the three, and the trial table for changed columns. Not: writing a branch (write.py),
moving main (publish.py), the checks (whoever owns the table), and what has to be rebuilt (build_plan.py).

System tables (system_table.py) are the exception: they record what happened, the audits among it, and are appended to.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakehouse import clock
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.check_result import CheckResult, require
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import Published, change_schema, needs_schema_change, publish
from lakehouse.tables.rows import Rows
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import BRANCH_AGE, Draft, write_draft

TRIAL = "__trial_"
"""What stands behind a table's name in the name of its trial tables."""

Audit = Callable[[Lakehouse, Draft], Sequence[CheckResult]]
"""Check a draft, read from its branch; returns the results of all checks."""


@dataclass(frozen=True)
class StagedWrite:
    """Rows that are written and not yet published: a draft, and what publishing it needs.

    With `new_columns` the draft lies in a trial table, and publishing replaces all of the table's rows.
    """

    shape: TableShape
    rows: Rows
    provenance: Provenance
    base: int | None
    draft: Draft
    new_columns: bool


@dataclass(frozen=True)
class WriteResult:
    """A published write: the table's new state, and the results of the audit that it passed."""

    published: Published
    check_results: tuple[CheckResult, ...]


def write_audit_publish(
    lake: Lakehouse,
    shape: TableShape,
    rows: Rows,
    provenance: Provenance,
    replace: str | None,
    audit: Audit,
    base: int | None = None,
    before_publish: Callable[[], None] = lambda: None,
) -> WriteResult:
    """Write `rows` to an audit branch, audit it, publish it; they replace the rows of the filter `replace` (None: all).

    `base` is the published snapshot that the rows were made from (None: it doesn't matter which). `before_publish`
    runs between a passed audit and the commit, for other tables that have to be ahead of this one.
    Raises AuditError if a blocking check failed, PublishConflictError if the table moved on from `base` meanwhile, and
    whatever `before_publish` raises; nothing is published then, and the branch stays for inspection.
    """
    staged = stage(lake, shape, rows, provenance, replace, base)
    check_results = audit(lake, staged.draft)
    require_passed(staged, check_results)
    before_publish()
    return publish_staged(lake, staged, check_results)


def stage(
    lake: Lakehouse, shape: TableShape, rows: Rows, provenance: Provenance, replace: str | None, base: int | None
) -> StagedWrite:
    """Write `rows` where no reader sees them: to an audit branch or, if columns changed, to a trial table."""
    new_columns = bool(needs_schema_change(lake, shape))
    if new_columns:
        draft = write_draft(lake, _trial_shape(lake, shape), rows, provenance)
    else:
        draft = write_draft(lake, shape, rows, provenance, replace, base)
    return StagedWrite(shape, rows, provenance, base, draft, new_columns)


def require_passed(staged: StagedWrite, check_results: Sequence[CheckResult]) -> None:
    """Raise AuditError if a blocking check failed; it names the branch on which the rows can be seen."""
    require(staged.shape.name, check_results, None if staged.new_columns else staged.draft.branch)


def publish_staged(lake: Lakehouse, staged: StagedWrite, check_results: Sequence[CheckResult]) -> WriteResult:
    """Publish a staged write whose audit gave these results. Raises AuditError if a blocking one failed."""
    require_passed(staged, check_results)
    if not staged.new_columns:
        return WriteResult(publish(lake, staged.draft), tuple(check_results))
    published = change_schema(lake, staged.shape, staged.rows, staged.provenance, staged.base)
    lake.drop_table(staged.draft.name)
    return WriteResult(published, tuple(check_results))


def _trial_shape(lake: Lakehouse, shape: TableShape) -> TableShape:
    """The shape of a new trial table, in which rows with other columns than the table's are audited.

    Trial tables whose audit failed stay for inspection as long as audit branches do.
    """
    oldest = (clock.now() - BRANCH_AGE).timestamp() * 1000
    for name in lake.names():
        if name.startswith(f"{shape.name}{TRIAL}") and lake.table(name).metadata.last_updated_ms < oldest:
            lake.drop_table(name)
    name = f"{shape.name}{TRIAL}{uuid.uuid4().hex[:8]}"
    return TableShape(name, shape.schema, shape.day_column, f"Trial of {shape.name}")

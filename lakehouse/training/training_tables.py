"""Training sets as tables: which days to assemble, the audit, publishing.

What belongs here: a training set's way from declaration to published table. Not: the rows themselves (assemble.py).
"""

from collections.abc import Sequence
from datetime import date, datetime

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.choice import engine_of
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import connect, quoted
from lakehouse.tables.incremental import Computed, Outcome, bring_up_to_date
from lakehouse.tables.read import attach, plan
from lakehouse.tables.sizes import memory_left
from lakehouse.tables.write import Draft
from lakehouse.training.assemble import AS_OF, data_clock, plan_training_build, training_shape
from lakehouse.training.current_features import require_current_features
from lakehouse.training.labels import label_filter
from lakehouse.training.lateness import checks_of, late_check_result
from lakehouse.training.stored_hashes import content_note
from lakehouse.training.training_set import TrainingSet

CHECKS = {
    "every_spine_row_once": "Each row of the spine is there exactly once.",
    "labels_known_in_time": "No label is there before it became known.",
}


def build_training_set(
    lake: Lakehouse, training_set: TrainingSet, *, run_id: str, asked: Sequence[date] = (), rebuild: bool = False
) -> Outcome:
    """Bring a training set's table up to date, on the engine of the settings.

    Raises AuditError when its rows must not be published.
    """
    engine = engine_of(lake)

    def compute(work: BuildPlan) -> Computed:
        require_current_features(lake, training_set, work.input_snapshots, work.days)
        clock = data_clock(lake, training_set, work.input_snapshots[training_set.spine])
        rows = engine.training_rows(lake, training_set, work.input_snapshots, work.days, clock)
        shape = training_shape(training_set, rows.schema)
        notes = {AS_OF: clock.isoformat(), **content_note(lake, engine, training_set, work, rows, shape)}
        return Computed(shape, rows, notes)

    def audit(draft: Draft, work: BuildPlan) -> list[CheckResult]:
        clock = data_clock(lake, training_set, work.input_snapshots[training_set.spine])
        found = _audit(lake, training_set, draft, work, clock)
        return (
            [*found, late_check_result(lake, training_set, work.input_snapshots)] if checks_of(training_set) else found
        )

    find = lambda: plan_training_build(lake, training_set, asked=asked, rebuild=rebuild)  # noqa: E731
    return bring_up_to_date(lake, find, compute, audit, run_id=run_id)


def _audit(
    lake: Lakehouse, training_set: TrainingSet, draft: Draft, work: BuildPlan, clock: datetime
) -> list[CheckResult]:
    label = training_set.label
    where = days_filter(training_set.event_time, work.days) if work.days is not None else None
    key = quoted(training_set.row_key)
    with connect(memory_left(lake.settings), str(lake.home.work)) as connection:
        rows = attach(connection, plan(lake, draft.name, at=draft.branch, where=where), "draft")
        spine = attach(
            connection,
            plan(lake, training_set.spine, at=work.input_snapshots[training_set.spine], where=where),
            "spine",
        )
        labels = attach(
            connection,
            plan(
                lake,
                label.source,
                at=work.input_snapshots[label.source],
                where=label_filter(lake, training_set, work.days),
            ),
            "labels",
        )
        missing = _one(connection, f"select count(*) from {spine} anti join {rows} using ({key})")
        number, distinct = connection.execute(f"select count(*), count(distinct {key}) from {rows}").fetchone() or (
            0,
            0,
        )
        early = connection.execute(
            f"select count(*) from {rows} r join {labels} l on r.{key} = l.{quoted(label.row_key)} "
            f"where r.{quoted(label.column)} is not null and l.{quoted(label.known_at)} > ?",
            [clock],
        ).fetchone() or (0,)
    return [
        CheckResult(
            "every_spine_row_once",
            passed=missing == 0 and number == distinct,
            message=f"{number} rows, {distinct} of them distinct; {missing} rows of the spine are missing.",
            measured={"rows": number, "distinct": distinct, "missing": missing},
        ),
        CheckResult(
            "labels_known_in_time",
            passed=early[0] == 0,
            message=f"{early[0]} labels were only known after {clock.isoformat()}.",
            measured={"rows": early[0], "clock": clock.isoformat()},
        ),
    ]


def _one(connection, sql: str) -> int:  # noqa: ANN001  # a DuckDB connection
    found = connection.execute(sql).fetchone()
    return int(found[0]) if found else 0

"""Feature sets as tables: which days to compute, the audit, publishing.

What belongs here: a feature set's way from declaration to published table. Not: computing (the engines).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.protocol import Engine
from lakehouse.feature_tables.affected import narrowed
from lakehouse.features.duration import days_touched
from lakehouse.features.examples import all_differences
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.build_plan import BuildPlan, Input, plan_build
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter, describe_days
from lakehouse.tables.duck import connect, quoted
from lakehouse.tables.incremental import Computed, Outcome, bring_up_to_date
from lakehouse.tables.read import attach, count_rows, day_column, plan
from lakehouse.tables.shape import TableShape
from lakehouse.tables.sizes import memory_left
from lakehouse.tables.write import Draft

CHECKS = {
    "one_row_per_spine_row": "Each row of the spine has its features exactly once.",
    "values_are_numbers": "No feature is infinite or not a number.",
    "examples_hold": "The examples in the declaration give the values that they name.",
}


def plan_feature_build(
    lake: Lakehouse, feature_set: FeatureSet, *, asked: Sequence[date] = (), rebuild: bool = False
) -> BuildPlan:
    """The rows to compute: those of the spine that changed, and those that changed events reach; `asked` days whole."""
    work = days_to_build(lake, feature_set, asked=asked, rebuild=rebuild)
    return work if asked else narrowed(lake, feature_set, work)


def days_to_build(
    lake: Lakehouse, feature_set: FeatureSet, *, asked: Sequence[date] = (), rebuild: bool = False
) -> BuildPlan:
    """Return the days that such rows can have, from the changed days of the inputs."""
    one = feature_set
    inputs = []
    for name in one.inputs():
        reach, times = one.reach(name), one.times_of(name)
        times += [one.event_time] if name == one.spine else []
        inputs.append(Input(name, None if reach is None else days_touched(reach), times))
    spine_by = day_column(lake.table(one.spine)) if lake.has(one.spine) else None
    # The days of the rows are not those of a spine that is cut by another time.
    apart = spine_by not in {None, one.event_time}
    work = plan_build(lake, one.name, inputs, one.fingerprint(), asked=asked, rebuild=rebuild)
    return replace(work, days=None) if apart and work.needed else work


def build_feature_set(
    lake: Lakehouse,
    engine: Engine,
    feature_set: FeatureSet,
    *,
    run_id: str,
    asked: Sequence[date] = (),
    rebuild: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Bring a feature set's table up to date. Raises AuditError when its rows must not be published.

    `progress` is called with a line about each step.
    """

    def compute(work: BuildPlan) -> Computed:
        days = "all days" if work.days is None else describe_days(work.days)
        progress(f"computing {len(feature_set.columns)} features of {days}")
        rows = engine.feature_rows(lake, feature_set, work)
        progress(f"writing and auditing {len(rows):,} rows" if len(rows) else "writing and auditing")
        return Computed(feature_shape(feature_set, rows.schema), rows)

    def audit(draft: Draft, work: BuildPlan) -> list[CheckResult]:
        spine = plan(
            lake, feature_set.spine, at=work.input_snapshots[feature_set.spine], where=_where(feature_set, work.days)
        )
        return _audit(lake, feature_set, draft, work, count_rows(spine))

    find = lambda: plan_feature_build(lake, feature_set, asked=asked, rebuild=rebuild)  # noqa: E731
    return bring_up_to_date(lake, find, compute, audit, run_id=run_id)


def feature_shape(feature_set: FeatureSet, schema: pa.Schema) -> TableShape:
    """The table of a feature set, documented from its declaration."""
    docs = {feature.column: feature.description for feature in feature_set.described()}
    docs |= dict.fromkeys(feature_set.entity.keys, "The entity that the features describe.")
    docs[feature_set.row_key] = f"The row of {feature_set.spine} that the features are for."
    docs[feature_set.event_time] = "The time as of which they hold (UTC)."
    if feature_set.delay != "0d":
        docs = {
            name: f"{text}, counted up to {feature_set.delay} before" if name in feature_set.columns else text
            for name, text in docs.items()
        }
    return TableShape(
        feature_set.name, schema, feature_set.event_time, feature_set.description, docs, feature_set.owner
    )


def _where(feature_set: FeatureSet, days: Sequence[date] | None) -> str | None:
    return days_filter(feature_set.event_time, days) if days is not None else None


def _audit(
    lake: Lakehouse, feature_set: FeatureSet, draft: Draft, work: BuildPlan, spine_rows: int
) -> list[CheckResult]:
    """The check results of a draft, read from its audit branch."""
    days = work.days
    planned = plan(lake, draft.name, at=draft.branch, where=_where(feature_set, days))
    kinds = {one.name: str(one.field_type) for one in planned.schema.fields if one.name in feature_set.columns}
    floats = [name for name, kind in kinds.items() if kind in {"float", "double"}]
    odd_row = " or ".join(f"not isfinite({quoted(name)})" for name in floats) or "false"
    key = quoted(feature_set.row_key)
    with connect(memory_left(lake.settings), str(lake.home.work)) as connection:
        rows = attach(connection, planned, "draft")
        found = connection.execute(
            f"select count(*), count(distinct {key}), count(*) filter (where {odd_row}) from {rows}"
        ).fetchone()
    number, distinct, odd = found or (0, 0, 0)
    wrong = all_differences(feature_set)
    # The days that were not written count too: they must still be there.
    in_all = count_rows(plan(lake, draft.name, at=draft.branch))
    wanted = count_rows(plan(lake, feature_set.spine, at=work.input_snapshots[feature_set.spine]))
    return [
        CheckResult(
            "one_row_per_spine_row",
            passed=number == distinct == spine_rows and in_all == wanted,
            message=f"{spine_rows} rows in the spine, {number} rows here, {distinct} of them distinct; "
            f"on all days {wanted} and {in_all}.",
            measured={"spine_rows": spine_rows, "rows": number, "distinct": distinct, "rows_of_all_days": in_all},
        ),
        CheckResult(
            "values_are_numbers",
            passed=odd == 0,
            message=f"{odd} rows hold a value that is infinite or not a number.",
            measured={"rows": odd},
        ),
        CheckResult(
            "examples_hold",
            passed=not wrong,
            message=" ".join(map(str, wrong)) or f"{len(feature_set.examples)} examples hold.",
            measured={"examples": len(feature_set.examples), "differences": len(wrong)},
        ),
    ]

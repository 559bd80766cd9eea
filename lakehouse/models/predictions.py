"""Batch predictions: the champion's scores of the newest day, as a table.

What belongs here: scoring a day and publishing the result. Not: loading models (scoring.py).
"""

import json
from collections.abc import Sequence
from datetime import date

import polars as pl
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.models.input_contract import check_expected
from lakehouse.models.model import Model
from lakehouse.models.registry import Registry, Version
from lakehouse.models.scoring import score
from lakehouse.models.training_baseline import CHECK, DESCRIPTION, compare_with_baseline
from lakehouse.sources.circuit_breaker import blocked
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import days_filter, describe_days
from lakehouse.tables.duck import borrow
from lakehouse.tables.incremental import Computed, Outcome, bring_up_to_date
from lakehouse.tables.provenance import changed_by_others, current_snapshots, last_published
from lakehouse.tables.read import attach, plan, published_days
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import Draft
from lakehouse.training.assemble import with_features
from lakehouse.training.current_features import require_current_features
from lakehouse.training.training_set import TrainingSet

CHECKS: dict[str, str | tuple[str, bool]] = {
    "every_row_scored": "Each row of the day has one score.",
    "scores_are_probabilities": "Each score lies between 0 and 1.",
    CHECK: (DESCRIPTION, False),
}


def predict(
    lake: Lakehouse,
    registry: Registry,
    model: Model,
    training_set: TrainingSet,
    *,
    run_id: str,
    asked: Sequence[date] = (),
    rebuild: bool = False,
) -> Outcome:
    """Score the newest day (or the `asked` days) with the champion, pinned.

    Raises SlipwayError without a champion, AuditError for inputs that are not as the model expects them.
    """
    champion = registry.champion(model.name)
    if champion is None:
        raise SlipwayError(
            f"{model.name} has no champion yet, so there is nothing to score with.",
            where=model.predictions,
            fix=f"Run `slipway materialize {model.name}` and see which gate the model did not pass.",
        )

    def find() -> BuildPlan:
        return plan_prediction_build(lake, model, training_set, champion, asked, rebuild=rebuild)

    def compute(work: BuildPlan) -> Computed:
        require_current_features(lake, training_set, work.input_snapshots, work.days)
        frame = pl.DataFrame(pl.from_arrow(with_features(lake, training_set, work.input_snapshots, work.days)))
        checked = [
            *check_expected(model.expects, frame, model.predictions),
            compare_with_baseline(registry, champion, frame),
        ]
        rows = _scored(registry, model, training_set, champion, frame, work)
        notes = {"model": champion.uri}
        if stale := blocked(lake, work.input_snapshots):
            notes["stale"] = stale
        return Computed(_shape(model, training_set, rows.schema), rows, notes, checked)

    def audit(draft: Draft, work: BuildPlan) -> list[CheckResult]:
        return _audit(lake, training_set, draft, work)

    return bring_up_to_date(lake, find, compute, audit, run_id=run_id)


def plan_prediction_build(
    lake: Lakehouse,
    model: Model,
    training_set: TrainingSet,
    champion: Version,
    asked: Sequence[date] = (),
    *,
    rebuild: bool = False,
) -> BuildPlan:
    """The day to score, unless this version scored it already from the same snapshots."""
    input_snapshots = current_snapshots(lake, [training_set.spine, *(one.name for one in training_set.feature_sets)])
    before = last_published(lake, model.predictions)
    present = published_days(lake, training_set.spine, at=input_snapshots[training_set.spine])
    if not present:
        raise SlipwayError(
            f"{training_set.spine} has no rows, so there is nothing to score.",
            where=model.predictions,
            fix=f"Run `slipway materialize +{model.predictions}` once there are deliveries.",
        )
    wanted = set(asked) or {max(present)}
    # The version decides the scores, as a declaration decides features: it is the table's definition.
    definition = champion.uri
    scored = set(published_days(lake, model.predictions)) if before else set()
    causes = []
    if before is None:
        causes.append(f"{model.predictions} was never built")
    elif not before.definition:
        causes.append(changed_by_others(before))
    elif before.definition != definition:
        causes.append(f"{champion.uri} took the place of {before.definition}")
    elif before.input_snapshots != input_snapshots:
        causes.append("new snapshots of its inputs")
    elif not wanted <= scored:
        causes.append(f"{describe_days(sorted(wanted - scored))} not scored yet")
    if asked:
        causes.append(f"asked for: {describe_days(sorted(wanted))}")
    if rebuild:
        causes.append("a rebuild was asked for")
    # Scores of days that left the spine go.
    days = tuple(sorted(wanted | (scored - set(present)))) if causes else ()
    return BuildPlan(model.predictions, input_snapshots, definition, days, tuple(causes), before)


def _scored(
    registry: Registry, model: Model, training_set: TrainingSet, champion: Version, frame: pl.DataFrame, work: BuildPlan
) -> pa.Table:
    input_snapshots = json.dumps({name: str(pin) for name, pin in sorted(work.input_snapshots.items())})
    return (
        frame.select(
            training_set.row_key,
            training_set.event_time,
            *(column for column in training_set.carry if column == model.exclude_known_positives_of),
            score(registry, champion, frame).alias("score"),
            pl.lit(champion.name).alias("model"),
            pl.lit(champion.version, pl.Int64).alias("model_version"),
            pl.lit(input_snapshots).alias("input_snapshots"),
        )
        .to_arrow(compat_level=pl.CompatLevel.oldest())
        .cast(
            pa.schema(
                [
                    pa.field(
                        training_set.row_key,
                        pa.int64() if frame[training_set.row_key].dtype.is_integer() else pa.string(),
                    ),
                    pa.field(training_set.event_time, pa.timestamp("us")),
                    *(
                        pa.field(column, pa.int64() if frame[column].dtype.is_integer() else pa.string())
                        for column in training_set.carry
                        if column == model.exclude_known_positives_of
                    ),
                    pa.field("score", pa.float64()),
                    pa.field("model", pa.string()),
                    pa.field("model_version", pa.int64()),
                    pa.field("input_snapshots", pa.string()),
                ]
            )
        )
    )


def _shape(model: Model, training_set: TrainingSet, schema: pa.Schema) -> TableShape:
    docs = {
        training_set.row_key: "The row that was scored.",
        training_set.event_time: "When it happened (UTC).",
        "score": f"The probability that {training_set.label.column} is 1.",
        "model": "The registered model.",
        "model_version": "Its version, pinned when the score was made.",
        "input_snapshots": "The snapshot ids that the inputs were read from (JSON).",
    }
    description = f"The champion's scores of the newest day: {model.description}"
    return TableShape(model.predictions, schema, training_set.event_time, description, docs, model.owner)


def _audit(lake: Lakehouse, training_set: TrainingSet, draft: Draft, work: BuildPlan) -> list[CheckResult]:
    where = None if work.days is None else days_filter(training_set.event_time, work.days)
    spine_rows = 0
    with borrow() as connection:
        spine = attach(
            connection,
            plan(lake, training_set.spine, at=work.input_snapshots[training_set.spine], where=where),
            "spine",
        )
        rows = attach(connection, plan(lake, draft.name, at=draft.branch, where=where), "draft")
        spine_rows = (connection.execute(f"select count(*) from {spine}").fetchone() or (0,))[0]
        number, distinct, odd = connection.execute(
            f"select count(*), count(distinct {training_set.row_key}), "
            f"count(*) filter (where score is null or not score between 0 and 1) from {rows}"
        ).fetchone() or (0, 0, 0)
    return [
        CheckResult(
            "every_row_scored",
            passed=number == distinct == spine_rows,
            message=f"{spine_rows} rows to score, {number} scores, {distinct} of them distinct.",
            measured={"rows": number, "spine_rows": spine_rows},
        ),
        CheckResult(
            "scores_are_probabilities",
            passed=odd == 0,
            message=f"{odd} scores are missing or not between 0 and 1.",
            measured={"rows": odd},
        ),
    ]

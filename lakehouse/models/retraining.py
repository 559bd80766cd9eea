"""One training of a model, from the pinned training set to champion or challenger.

What belongs here: the order of steps. Not: fitting (training.py), recording (recording.py), judging (gates.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.models.gates import GateResult, evaluate
from lakehouse.models.input_contract import check_expected
from lakehouse.models.leakage_check import check_inputs
from lakehouse.models.model import Model
from lakehouse.models.plots import draw
from lakehouse.models.promotion import Decision, champion_metrics, promote
from lakehouse.models.protocol import newest_start, split
from lakehouse.models.recording import Origin, record
from lakehouse.models.registry import Registry, Version
from lakehouse.models.snapshot_retention import protect
from lakehouse.models.training import fit
from lakehouse.models.training_baseline import baseline_of
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.days import between, days_filter
from lakehouse.tables.provenance import code_version, current_snapshots, last_published
from lakehouse.tables.read import read
from lakehouse.training.training_set import TrainingSet


@dataclass(frozen=True)
class Retraining:
    """The result of a training: the version, its gates, the decision, and plots by name (PNG).

    `candidates` holds each candidate's metrics, `check_results` those on its inputs. When the same input snapshots were
    trained before (`recomputed` is False), only `version` is set.
    """

    version: Version
    input_snapshots: Mapping[str, int]
    recomputed: bool
    start: date | None = None
    decision: Decision | None = None
    gates: Sequence[GateResult] = ()
    candidates: Mapping[str, Mapping[str, float]] | None = None
    pictures: Mapping[str, bytes] | None = None
    check_results: Sequence[CheckResult] = ()


def model_input_snapshots(lake: Lakehouse, training_set: TrainingSet) -> dict[str, int]:
    """The snapshots that a training would use now: the training set's, and those that it was built from.

    Raises UnknownNameError for a training set that was never published.
    """
    made = last_published(lake, training_set.name)
    if made is None:
        return current_snapshots(lake, [training_set.name])
    return {**made.input_snapshots, training_set.name: made.snapshot_id}


def retrain(
    lake: Lakehouse,
    registry: Registry,
    model: Model,
    training_set: TrainingSet,
    *,
    run_id: str,
    rebuild: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Retraining:
    """Train all candidates on the newest labelled days, register the best, let it through its gates or not.

    A training from the same pins and definition is not done again. Raises AuditError for inputs that are not as the
    model expects them.
    """
    input_snapshots = model_input_snapshots(lake, training_set)
    done = registry.version_made_of(model.name, input_snapshots, model.fingerprint())
    if done and not rebuild and done.aliases:
        protect(lake, registry, model.name)  # the training may have been killed before it came to that
        return Retraining(done, input_snapshots, recomputed=False)
    start = training_start(lake, model, training_set, input_snapshots[training_set.name])
    rows = training_rows(lake, model, training_set, input_snapshots[training_set.name], start)
    check_results = check_expected(model.expects, rows, model.name)
    parts = split(rows, model, start)
    trained = fit(model, parts, on_candidate=lambda one: progress(one.candidate.name))
    pictures = draw(model, parts, trained)
    before = champion_metrics(registry, model, parts)
    origin = Origin(input_snapshots, run_id, code_version(), lake.settings.lineage_page(model.name))
    baseline = baseline_of(parts.train, training_set.event_time, pictures.importance)
    version = record(registry, model, parts, trained, origin=origin, pictures=pictures, baseline=baseline)
    gates = [*evaluate(model.gates, version.metrics, before), check_inputs(model, parts)]
    decision = promote(registry, model, version, gates)
    protect(lake, registry, model.name)
    return Retraining(
        decision.version,
        input_snapshots,
        recomputed=True,
        start=start,
        decision=decision,
        gates=gates,
        candidates={one.candidate.name: one.metrics for one in trained},
        pictures=pictures.training,
        check_results=check_results,
    )


def training_start(lake: Lakehouse, model: Model, training_set: TrainingSet, pin: int) -> date:
    """The first training day such that the test days are the newest with all labels known.

    All but those that the protocol goes without. Raises SlipwayError when fewer labelled days exist than it needs.
    """
    time, label = training_set.event_time, training_set.label.column
    rows = read(lake, training_set.name, [time, label], at=pin)
    days = rows.column(time).cast("date32")
    given = pa.table({"day": days, "lacking": pc.is_null(rows.column(label)).cast("float64")})
    shares = given.group_by("day").aggregate([("lacking", "mean")])
    waiting = pc.greater(shares.column("lacking_mean"), model.protocol.unlabelled)
    unlabelled = pc.min(shares.column("day").filter(waiting)).as_py()
    last = unlabelled - timedelta(days=1) if unlabelled else pc.max(days).as_py()
    first = pc.min(days).as_py()
    needed = model.protocol.days
    known = max((last - first).days + 1, 0) if last and first else 0
    if known < needed:
        raise SlipwayError(
            f"{training_set.name} has {known} days with all labels known; the protocol needs {needed}.",
            where=f"model {model.name}",
            nearest=f"{needed} labelled days",
            fix="Deliver more days (`slipway demo --days 60` simulates enough).",
        )
    return newest_start(last, model.protocol, 0)


def training_rows(lake: Lakehouse, model: Model, training_set: TrainingSet, pin: int, start: date) -> pl.DataFrame:
    """The training set's rows of the protocol's days from `start` on, pinned."""
    days = between(start, start + timedelta(days=model.protocol.days - 1))
    rows = read(lake, training_set.name, at=pin, where=days_filter(training_set.event_time, days))
    return pl.DataFrame(pl.from_arrow(rows)).sort(training_set.event_time, training_set.row_key)

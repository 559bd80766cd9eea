"""Rebuilding the training set of a registered version, and comparing the scores of the version bit by bit.

What belongs here: scores on the test rows, of the version's files and of the same candidate trained again. Not: the
training set's rows (lakehouse/training/reproduce.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, unknown_name
from lakehouse.models.model import Model
from lakehouse.models.protocol import Split, split
from lakehouse.models.registry import Registry, Tag, Version
from lakehouse.models.retraining import training_rows
from lakehouse.models.scoring import score
from lakehouse.models.training import fit, measure_on
from lakehouse.training.reproduce import Reproduction, reproduce
from lakehouse.training.training_set import TrainingSet


@dataclass(frozen=True)
class ModelReproduction:
    """A version proved, or not.

    `scores_equal`: the version's files give the rebuilt test rows the very bits that they give the stored ones;
    `metrics_equal`: and these are as good as was written down when it was trained. `retrained_equal`: the candidate,
    trained again on the rebuilt rows, gives these bits, too; None when it was not tried, which `remarks` explain.
    """

    version: Version
    training: Reproduction
    test_rows: int
    scores_equal: bool
    metrics_equal: bool
    retrained_equal: bool | None
    remarks: Sequence[str]

    @property
    def identical(self) -> bool:
        """Whether rows, scores and metrics are those of the training, to the last bit; retraining is told apart."""
        return self.training.identical and self.scores_equal and self.metrics_equal


def find_version(registry: Registry, address: str) -> Version:
    """The version that an MLflow address names: `models:/NAME/3`, `models:/NAME@3`, `models:/NAME@champion`.

    Raises UnknownNameError for a model, version or alias that does not exist.
    """
    place = address.removeprefix("models:/")
    name, mark, which = place.partition("@") if "@" in place else place.partition("/")
    if not mark or not which:
        raise SlipwayError(
            f"{address!r} has no version or alias.", where=address, nearest=f"models:/{name}@champion", fix="Add one."
        )
    if which.isdigit():
        return registry.version(name, int(which))
    versions = registry.versions(name)
    if not versions:
        raise unknown_name("model", name, registry.names(), where="model registry")
    aliases = {alias: one for one in versions for alias in one.aliases}
    if which not in aliases:
        raise unknown_name("alias", which, aliases, where=name)
    return aliases[which]


def reproduce_version(
    lake: Lakehouse,
    registry: Registry,
    model: Model,
    training_set: TrainingSet,
    version: Version,
    *,
    retrain: bool = True,
) -> ModelReproduction:
    """Rebuild the rows that the version was trained and tested on, and score them with its files.

    Raises UnknownNameError for snapshots that are gone, HomeError for files that are.
    """
    pin, start = version.input_snapshots.get(training_set.name), version.tags.get(Tag.START)
    if pin is None or not start:
        raise SlipwayError(
            f"{version.uri} has no record of its training set.",
            where=version.uri,
            fix="Use a version that Slipway trained.",
        )
    first = date.fromisoformat(start)
    training = reproduce(lake, training_set, pin)
    again = split(_of_days(training, model, training_set, first), model, first)
    then = split(training_rows(lake, model, training_set, pin, first), model, first)
    scores = _scores(registry, version, again)
    metrics = measure_on(model, again, scores)
    remarks = []
    same = version.definition == model.fingerprint()
    if not same:
        remarks.append(
            f"The model's definition is not the one it was trained by: {version.definition}, now {model.fingerprint()}."
        )
    differing = [name for name, value in version.metrics.items() if metrics.get(name) != value]
    if differing:
        remarks.append("Metrics that are not as written down: " + ", ".join(differing) + ".")
    equal, why = (None, "It was not trained again.") if not retrain else _retrained(model, version, again, scores)
    return ModelReproduction(
        version=version,
        training=training,
        test_rows=again.test.height,
        scores_equal=_same_bits(scores, _scores(registry, version, then)),
        metrics_equal=not differing,
        retrained_equal=equal,
        remarks=[*remarks, *([why] if why else [])],
    )


def _of_days(training: Reproduction, model: Model, training_set: TrainingSet, start: date) -> pl.DataFrame:
    """The rebuilt rows of the protocol's days, as a training reads them."""
    rows = pl.DataFrame(pl.from_arrow(training.rows))
    days = pl.col(training_set.event_time).dt.date()
    last = start + timedelta(days=model.protocol.days - 1)
    return rows.filter(days.is_between(start, last)).sort(training_set.event_time, training_set.row_key)


def _retrained(
    model: Model, version: Version, parts: Split, scores: NDArray[np.float64]
) -> tuple[bool | None, str | None]:
    """Whether training the version's candidate again gives the same scores, and what is to be said of it."""
    candidate = next((one for one in model.candidates if one.name == version.candidate), None)
    if candidate is None:
        return None, f"The model has no candidate {version.candidate!r} any more, so it was not trained again."
    (trained,) = fit(replace(model, candidates=(candidate,)), parts)
    if _same_bits(trained.scores, scores):
        return True, None
    apart = float(np.max(np.abs(trained.scores - scores)))
    return False, f"Trained again it scores up to {apart:.3g} apart: its training is not repeatable to the bit."


def _scores(registry: Registry, version: Version, parts: Split) -> NDArray[np.float64]:
    return score(registry, version, parts.test).to_numpy()


def _same_bits(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()

"""The training baseline of a model version: the distribution of its inputs in training, and their importance.

What belongs here: making that record when a model is trained, reading it, and comparing rows to score with it. Not:
how far two profiles lie apart (profiling/shift.py), bounds that somebody declares (input_contract.py).

The inputs of one day are never those of all training days: a weekday is no weekend. So each training day is compared
with all of them first, and a scored day is shifted where it lies further off than training days lead one to expect.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from lakehouse.models.registry import Registry, Version
from lakehouse.profiling.alarms import drawn_out
from lakehouse.profiling.profile import DeliveryProfile, profile_table
from lakehouse.profiling.shift import shift_of
from lakehouse.tables.check_result import CheckResult

FILE = "training_baseline.json"
CHECK = "inputs_as_in_training"
DESCRIPTION = "The inputs are distributed as in the champion's training days, weighted by importance. Warns only."
LEVEL = 0.01
"""The share of days like those of training that may be called shifted."""
_FEWEST = 4
"""Training days from which on it is known how far days lie apart."""
_VERSION = 1
_TOGETHER = ""
_NAMED = 3


@dataclass(frozen=True)
class TrainingBaseline:
    """The training rows' `profile` of the inputs, the `weights` (importance, 0 or more; equal where none is above 0),
    and `limits`: the PSI by input that training days stay below, and their weighted mean under the empty name; empty
    where there were too few days.
    """

    profile: DeliveryProfile
    weights: Mapping[str, float]
    limits: Mapping[str, float]

    def text(self) -> str:
        """As JSON."""
        content = {"version": _VERSION, "profile": self.profile.as_row(), "weights": self.weights}
        return json.dumps({**content, "limits": self.limits}, separators=(",", ":"))

    @classmethod
    def of_text(cls, text: str) -> "TrainingBaseline | None":
        """The inverse of `text`; None for what another version wrote."""
        content = json.loads(text)
        if content.get("version") != _VERSION:
            return None
        try:
            profile = DeliveryProfile.from_row(content["profile"])
        except ValueError:
            return None
        return cls(profile, content["weights"], content["limits"])


def baseline_of(rows: pl.DataFrame, event_time: str, weights: Mapping[str, float]) -> TrainingBaseline:
    """The baseline of `rows`, a model's training rows. `weights`: by input, those below 0 count as 0."""
    used = {name: max(float(weight), 0.0) for name, weight in weights.items()}
    if not any(used.values()):
        used = dict.fromkeys(used, 1.0)
    profile = _profile(rows, list(used))
    days = [day for _, day in rows.group_by(pl.col(event_time).cast(pl.Date), maintain_order=True)]
    if len(days) < _FEWEST:
        return TrainingBaseline(profile, used, {})
    psi = np.array([_psi(_profile(day, list(used)), profile, used) for day in days])
    limits = drawn_out(psi, LEVEL / psi.shape[1])
    return TrainingBaseline(profile, used, dict(zip([*used, _TOGETHER], np.round(limits, 6).tolist(), strict=True)))


def compare_with_baseline(registry: Registry, champion: Version, rows: pl.DataFrame) -> CheckResult:
    """Check whether `rows` are distributed as the champion's training rows; never blocking.

    A champion without a baseline passes.
    """
    baseline = read_baseline(registry, champion)
    if baseline is None or not rows.height:
        message = "There are no rows." if baseline else f"{champion.uri} has no training baseline."
        return CheckResult(CHECK, passed=True, message=message, blocking=False)
    now = _profile(rows, list(baseline.weights))
    shift = shift_of(now, baseline.profile, baseline.weights)
    psi = dict(zip([*baseline.weights, _TOGETHER], _psi(now, baseline.profile, baseline.weights), strict=True))
    beyond = {
        name: psi[name] for name, limit in baseline.limits.items() if psi[name] > limit and _counts(baseline, name)
    }
    concerned = [one for one in shift.issues if one.columns[0] in beyond]
    details = " ".join(one.message for one in concerned[:_NAMED])
    total = f"The weighted PSI is {psi[_TOGETHER]:.3f}"
    if baseline.limits:
        total += f" (training days stay below {baseline.limits[_TOGETHER]:.3f})"
    return CheckResult(
        CHECK,
        passed=not beyond,
        message=f"{total}. {details}".strip() if beyond else f"{total}.",
        blocking=False,
        measured={
            "psi": round(psi[_TOGETHER], 6),
            "jensen_shannon": round(shift.total, 6),
            "jensen_shannon_by_chance": round(shift.by_chance, 6),
            **{f"psi_{name}": round(psi[name], 6) for name in baseline.weights},
        },
    )


def read_baseline(registry: Registry, version: Version) -> TrainingBaseline | None:
    """The version's training baseline; None where there is none, or one of another version of Slipway."""
    if version.folder is not None:
        path = version.folder / FILE
        return TrainingBaseline.of_text(path.read_text()) if path.is_file() else None
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory(prefix="slipway-") as scratch:
        try:
            fetched = download_artifacts(
                artifact_uri=f"{version.address}/{FILE}", dst_path=scratch, tracking_uri=registry.tracking_uri
            )
        except (MlflowException, FileNotFoundError):
            return None
        return TrainingBaseline.of_text(Path(fetched).read_text())


def _profile(rows: pl.DataFrame, inputs: list[str]) -> DeliveryProfile:
    numbers = rows.select(pl.col(name).cast(pl.Float64) for name in inputs)
    return profile_table(numbers.to_arrow(), "inputs")


def _psi(now: DeliveryProfile, baseline: DeliveryProfile, weights: Mapping[str, float]) -> list[float]:
    """The PSI of each input, and their weighted mean."""
    found = shift_of(now, baseline, weights)
    return [*(found.psi[name] for name in weights), found.psi_together]


def _counts(baseline: TrainingBaseline, name: str) -> bool:
    """Whether the model uses an input at all."""
    return name == _TOGETHER or baseline.weights[name] > 0

"""The declaration of a training set.

What belongs here: the frozen declaration and its check. Not: putting rows together (assemble.py).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.features.duration import microseconds
from lakehouse.features.feature_set import FeatureSet


@dataclass(frozen=True)
class Label:
    """What is to be predicted: `column` of `source`, for the row named by `row_key`, known from `known_at` on.

    `known_after` says how long after the row's event time that is, where the SQL of `known_at` does not.
    """

    source: str
    column: str
    row_key: str
    known_at: str
    known_after: str = ""

    def __post_init__(self) -> None:
        """Raises DeclarationError for a known_after without a unit."""
        if self.known_after:
            microseconds(self.known_after, where=f"label {self.column}, known_after")


@dataclass(frozen=True)
class TrainingSet:
    """Spine rows with `carry` columns of the spine, the label once it is known, and the features as of the row's time.

    Feature columns are called `<set>__<feature>`, the set without its domain. `late_tolerance` is the largest share of
    values that may not have been available at serving time (lateness.py); None: not checked.
    """

    name: str
    spine: str
    row_key: str
    event_time: str
    carry: Sequence[str]
    label: Label
    feature_sets: Sequence[FeatureSet]
    description: str
    owner: str
    late_tolerance: float | None = None

    def __post_init__(self) -> None:
        """Raises DeclarationError for a set without features, doubled columns or a spine that features lack."""
        object.__setattr__(self, "carry", tuple(self.carry))
        object.__setattr__(self, "feature_sets", tuple(self.feature_sets))
        where = f"training set {self.name}"
        if not self.feature_sets:
            raise DeclarationError("The training set has no feature sets.", where=where, fix="Name at least one.")
        if self.late_tolerance is not None and not 0 <= self.late_tolerance <= 1:
            raise DeclarationError(
                f"{self.late_tolerance} is not a share.",
                where=f"{where}, late_tolerance",
                nearest="0.01",
                fix="Give a share of rows from 0 to 1.",
            )
        names = self.columns
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise DeclarationError(f"Columns appear twice: {', '.join(doubled)}.", where=where, fix="Name each once.")
        present = [self.row_key, *self.carry]
        for one in self.feature_sets:
            for key in one.entity.keys:
                if key not in present:
                    raise DeclarationError(
                        f"{one.name} is joined by {key!r}, which the training set does not carry.",
                        where=f"{where}, carry",
                        nearest=nearest_name(key, present),
                        fix=f"Add {key!r} to carry.",
                    )

    def feature_columns(self, one: FeatureSet) -> dict[str, str]:
        """The columns of a feature set: name there -> name here."""
        short = one.name.rsplit(".", 1)[-1]
        return {column: f"{short}__{column}" for column in one.columns}

    @property
    def features(self) -> list[str]:
        """All feature columns, in order."""
        return [here for one in self.feature_sets for here in self.feature_columns(one).values()]

    @property
    def columns(self) -> list[str]:
        """All columns, in order."""
        return [self.row_key, self.event_time, *self.carry, self.label.column, *self.features]

    def inputs(self) -> list[str]:
        """The tables it is made from; the spine first."""
        return list(dict.fromkeys([self.spine, self.label.source, *(one.name for one in self.feature_sets)]))

    def fingerprint(self) -> str:
        """A short hash of what decides the rows; descriptions and owners do not."""
        content = [
            self.name,
            self.spine,
            self.row_key,
            self.event_time,
            self.carry,
            {name: value for name, value in vars(self.label).items() if name != "known_after"},
            [[one.name, one.fingerprint()] for one in self.feature_sets],
        ]
        return hashlib.sha256(json.dumps(content, default=list).encode()).hexdigest()[:16]

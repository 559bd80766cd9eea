"""Batch predictions: every model has a table of scores.

What belongs here: what a table of predictions says as an asset. Not: scoring (lakehouse/models/predictions.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from lakehouse.kinds.asset import Asset, Check, Icon, Kind, Staleness, staleness_of
from lakehouse.kinds.column_lineage import ColumnLineage, Edge, distinct, identity
from lakehouse.kinds.model import SCORE, training_set_of
from lakehouse.kinds.registry import register
from lakehouse.kinds.training_set import training_columns
from lakehouse.models.input_contract import expected_checks
from lakehouse.models.model import Model
from lakehouse.models.predictions import CHECKS, plan_prediction_build

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.registry import Registry
    from lakehouse.training.training_set import TrainingSet


@register
@dataclass(frozen=True, eq=False)
class PredictionsAsset(Asset):
    """The table of a live model's scores of the newest day."""

    kind: ClassVar[Kind] = Kind(
        name="predictions",
        plural="predictions",
        dataset_type="PREDICTIONS",
        icon=Icon("round-tag", ("M1.75 3.5h8.5L14.5 8l-4.25 4.5h-8.5z", "M4.6 8h4"), "#2d6a2f", "#86cf88"),
        rank=60,
        module="model",
    )
    declaration: Model
    training_set: "TrainingSet"

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":
        """One for each model."""
        return [cls(model, training_set_of(model, graph)) for model in domain.declared(Model)]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.declaration.predictions

    @property
    def description(self) -> str:
        """Whose scores it holds."""
        return f"The champion's scores of the newest day. {self.declaration.description}"

    @property
    def inputs(self) -> Sequence[str]:
        """The spine and the feature sets that a row's features are read from, and the model."""
        tables = [self.training_set.spine, *(one.name for one in self.training_set.feature_sets)]
        return list(dict.fromkeys([*tables, self.declaration.name]))

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The scored row, its score, and what it was computed from."""
        kept = [self.training_set.row_key, self.training_set.event_time, *self._carried]
        return dict.fromkeys([*kept, SCORE, "model", "model_version", "input_snapshots"], "")

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The expected inputs, and the audit of the scores."""
        texts = {**expected_checks(self.declaration.expects), **CHECKS}
        return {name: Check(text) if isinstance(text, str) else Check(*text) for name, text in texts.items()}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The model, and the columns that its inputs are in the spine and the feature sets."""
        model, training_set = self.declaration, self.training_set
        known = training_columns(training_set).columns
        inputs = [edge for name in model.inputs for edge in known[name] if edge.subtype == "IDENTITY"]
        score = [Edge(model.name, SCORE, "DIRECT", "TRANSFORMATION")]
        score += [Edge(edge.table, edge.column, "DIRECT", "TRANSFORMATION") for edge in dict.fromkeys(inputs)]
        kept = [training_set.row_key, training_set.event_time, *self._carried]
        keys = [(one.name, key) for one in training_set.feature_sets for key in one.spine_keys()]
        return ColumnLineage(
            {**{name: (identity(training_set.spine, name),) for name in kept}, SCORE: tuple(score)},
            distinct(Edge(*pair, "INDIRECT", "JOIN") for pair in keys),
        )

    @property
    def engine(self) -> str:
        """The library that the model is a pipeline of."""
        return "sklearn"

    @property
    def _carried(self) -> list[str]:
        return [column for column in self.training_set.carry if column == self.declaration.exclude_known_positives_of]

    def staleness(
        self, lake: "Lakehouse", registry: "Registry | None", stale_inputs: Sequence[str]
    ) -> Staleness | None:
        """Stale when the live model or an input changed since the newest day was scored."""
        if registry is None:
            return None
        champion = registry.champion(self.declaration.name)
        if champion is not None:
            return staleness_of(
                lambda: plan_prediction_build(lake, self.declaration, self.training_set, champion), stale_inputs
            )
        # A model that was trained and not promoted leaves nothing to score with.
        waits = self.declaration.name in stale_inputs
        return Staleness.because(f"{self.declaration.name} has no live version") if waits else None

"""Models.

What belongs here: what a model says as an asset. Not: the declaration, training and promotion (lakehouse/models).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from lakehouse.errors import unknown_name
from lakehouse.kinds.asset import UP_TO_DATE, Asset, Check, Icon, Kind, Staleness
from lakehouse.kinds.column_lineage import ColumnLineage, Edge
from lakehouse.kinds.registry import register
from lakehouse.models.input_contract import expected_checks
from lakehouse.models.leakage_check import input_check
from lakehouse.models.model import Model
from lakehouse.models.retraining import model_input_snapshots

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.registry import Registry
    from lakehouse.training.training_set import TrainingSet

SCORE = "score"
"""The column that stands for a model's output in lineage."""


@register
@dataclass(frozen=True, eq=False)
class ModelAsset(Asset):
    """A registered model."""

    kind: ClassVar[Kind] = Kind(
        name="model",
        plural="models",
        dataset_type="MODEL",
        icon=Icon(
            "round-octagon",
            ("M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4z", "M8 5.2a2.8 2.8 0 1 0 .01 0z"),
            "#a3276f",
            "#f08fc3",
        ),
        rank=50,
        declaration=Model,
        module="model",
        table=False,
        trained=True,
    )
    declaration: Model
    training_set: "TrainingSet"

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":
        """One for each model."""
        return [cls(model, training_set_of(model, graph)) for model in domain.declared(Model)]

    @property
    def inputs(self) -> Sequence[str]:
        """The training set."""
        return (self.declaration.training_set,)

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The model's score."""
        return {SCORE: f"The probability that {self.declaration.label} is 1."}

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The expected inputs, the gates, and the leakage check."""
        gates = {gate.name: gate.description for gate in self.declaration.gates}
        texts = {**expected_checks(self.declaration.expects), **gates, **input_check(self.declaration)}
        return {name: Check(text) for name, text in texts.items()}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The inputs and the label that the score was learned from."""
        model = self.declaration
        edges = [Edge(model.training_set, name, "DIRECT", "AGGREGATION") for name in (*model.inputs, model.label)]
        times = [
            Edge(model.training_set, name, "INDIRECT", "FILTER")
            for name in (model.event_time, model.exclude_known_positives_of)
        ]
        return ColumnLineage({SCORE: tuple(edges)}, tuple(times))

    @property
    def engine(self) -> str:
        """The library that candidates are pipelines of."""
        return "sklearn"

    @property
    def parts(self) -> Sequence[str]:
        """The candidates."""
        return [candidate.name for candidate in self.declaration.candidates]

    def check(self, graph: "AssetGraph") -> None:
        """Check that the training set has the columns that the model names."""
        one = self.declaration
        columns = [one.event_time, one.exclude_known_positives_of, one.label, one.key, *one.inputs]
        graph.require(one.training_set, columns, f"model {one.name}")

    def is_built(self, lake: "Lakehouse", registry: "Registry | None") -> bool:  # noqa: ARG002
        """Whether a version is live."""
        return registry is not None and registry.champion(self.name) is not None

    def staleness(
        self, lake: "Lakehouse", registry: "Registry | None", stale_inputs: Sequence[str]
    ) -> Staleness | None:
        """Stale when no version was trained from the present training set and declaration."""
        if registry is None:
            return None
        if stale_inputs:
            return Staleness.because(f"{stale_inputs[0]} is stale")
        input_snapshots = model_input_snapshots(lake, self.training_set)
        trained = registry.version_made_of(self.name, input_snapshots, self.fingerprint)
        if trained is None or not trained.aliases:
            return Staleness.because(f"no version was trained from the present {self.training_set.name}")
        return UP_TO_DATE


def training_set_of(model: Model, graph: "AssetGraph") -> "TrainingSet":
    """The training set that a model names. Raises DeclarationError where nobody declares it."""
    known = {one.name: one for domain in graph.domains for one in domain.training_sets}
    if model.training_set not in known:
        raise unknown_name("training set", model.training_set, known, where=f"model {model.name}")
    return known[model.training_set]

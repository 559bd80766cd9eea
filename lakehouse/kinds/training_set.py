"""Training sets.

What belongs here: what a training set says as an asset. Not: the declaration, and assembling rows (lakehouse/training).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from lakehouse.kinds.asset import Asset, Check, Icon, Kind, Staleness, staleness_of
from lakehouse.kinds.column_lineage import ColumnLineage, Edge, distinct, identity
from lakehouse.kinds.dbt_model import SqlLineage
from lakehouse.kinds.registry import register
from lakehouse.training.assemble import plan_training_build
from lakehouse.training.lateness import checks_of
from lakehouse.training.leaks import check_leaks
from lakehouse.training.training_set import TrainingSet
from lakehouse.training.training_tables import CHECKS

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.registry import Registry


@register
@dataclass(frozen=True, eq=False)
class TrainingSetAsset(Asset):
    """The table of a training set."""

    kind: ClassVar[Kind] = Kind(
        name="training set",
        plural="training sets",
        dataset_type="TRAINING_SET",
        icon=Icon("round-diamond", ("M8 1.5L14.5 8 8 14.5 1.5 8z", "M5.4 8L7.4 10l3.4-3.6"), "#8a5a00", "#e5b454"),
        rank=40,
        declaration=TrainingSet,
        module="training",
    )
    declaration: TrainingSet
    default_engine: str

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":
        """One for each training set."""
        return [cls(one, graph.engine) for one in domain.declared(TrainingSet)]

    @classmethod
    def check_domain(cls, domain: "Domain", graph: "AssetGraph") -> None:
        """Check that no feature reads a value that becomes known after the time that it is computed for."""
        models = SqlLineage(graph, domain.name).by_table
        # Values of other domains are followed to where they are delivered, too.
        read = {name.partition(".")[0] for asset in graph.of_domain(domain.name) for name in graph.upstream(asset.name)}
        others = [one for one in graph.domains if one.name in read and one.name != domain.name]
        for one in others:
            models = {**SqlLineage(graph, one.name).by_table, **models}
        every = [domain, *others]
        check_leaks(
            [source for one in every for source in one.sources],
            models,
            [feature_set for one in every for feature_set in one.feature_sets],
            [training_set for one in every for training_set in one.training_sets],
        )

    @property
    def inputs(self) -> Sequence[str]:
        """The spine, the label's table and the feature sets."""
        return self.declaration.inputs()

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The columns of the spine that are kept, the label and the features."""
        return dict.fromkeys(self.declaration.columns, "")

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The audit of the table, and a check of late values where a tolerance is declared."""
        return {name: Check(text) for name, text in {**CHECKS, **checks_of(self.declaration)}.items()}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The columns of the spine, the label and the feature sets."""
        return training_columns(self.declaration)

    @property
    def engine(self) -> str:
        """The settings' engine."""
        return self.default_engine

    def check(self, graph: "AssetGraph") -> None:
        """Check that the spine, the label's table and the feature sets exist and have the columns that are read."""
        one, where = self.declaration, f"training set {self.name}"
        graph.require(one.spine, [one.row_key, one.event_time, *one.carry], where)
        label = one.label
        graph.require(label.source, [label.row_key, label.column, label.known_at], where)
        for feature_set in one.feature_sets:
            graph.columns(feature_set.name, where)

    def staleness(
        self,
        lake: "Lakehouse",
        registry: "Registry | None",  # noqa: ARG002
        stale_inputs: Sequence[str],
    ) -> Staleness:
        """Stale when an input or the declaration changed, or labels became known, since the table was built."""
        return staleness_of(lambda: plan_training_build(lake, self.declaration), stale_inputs)


def training_columns(training_set: TrainingSet) -> ColumnLineage:
    """The lineage of every column: its value in the spine, the label's table or a feature set, joined by key."""
    spine, label = training_set.spine, training_set.label
    kept = [training_set.row_key, training_set.event_time, *training_set.carry]
    columns: dict[str, tuple[Edge, ...]] = {name: (identity(spine, name),) for name in kept}
    known = Edge(label.source, label.known_at, "INDIRECT", "CONDITIONAL")
    columns[label.column] = (identity(label.source, label.column), known)
    rows = [Edge(label.source, label.row_key, "INDIRECT", "JOIN")]
    for one in training_set.feature_sets:
        columns.update(
            {here: (identity(one.name, there),) for there, here in training_set.feature_columns(one).items()}
        )
        rows += [Edge(one.name, key, "INDIRECT", "JOIN") for key in one.spine_keys()]
    return ColumnLineage(columns, distinct(rows))

"""Feature sets.

What belongs here: what a feature set says as an asset. Not: the declaration and the kernel (lakehouse/features), and
building its table (lakehouse/engines).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from lakehouse.feature_tables import equal_values
from lakehouse.feature_tables.build import CHECKS, plan_feature_build
from lakehouse.features.aggregation import PICKS, WindowAggregate
from lakehouse.features.feature_set import FeatureSet, check_columns
from lakehouse.features.lineage import feature_lineage
from lakehouse.features.row_features import Attribute, Derived
from lakehouse.kinds.asset import Asset, Check, Icon, Kind, Staleness, staleness_of
from lakehouse.kinds.column_lineage import ColumnLineage, Edge, identity
from lakehouse.kinds.registry import register

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.registry import Registry


@register
@dataclass(frozen=True, eq=False)
class FeatureSetAsset(Asset):
    """The table of a feature set."""

    kind: ClassVar[Kind] = Kind(
        name="feature set",
        plural="feature sets",
        dataset_type="FEATURE_SET",
        icon=Icon(
            "hexagon",
            ("M8 1.5l5.6 3.25v6.5L8 14.5l-5.6-3.25v-6.5z", "M5.5 9.8v-2M8 9.8V5.6M10.5 9.8V7"),
            "#6b3fb5",
            "#bda0f5",
        ),
        rank=30,
        declaration=FeatureSet,
        module="features",
    )
    declaration: FeatureSet
    default_engine: str

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":
        """One for each feature set."""
        return [cls(one, graph.engine) for one in domain.declared(FeatureSet)]

    @property
    def inputs(self) -> Sequence[str]:
        """The spine, the events' tables and the feature sets that expressions read."""
        return self.declaration.inputs()

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The columns that identify a spine row, and the features."""
        described = {feature.column: feature.description for feature in self.declaration.described()}
        return {**dict.fromkeys(self.declaration.spine_keys(), ""), **described}

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The audit of the table, and a comparison with other sets."""
        own = {name: Check(description) for name, description in CHECKS.items()}
        return {**own, equal_values.CHECK: Check(equal_values.DESCRIPTION, blocking=False)}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The columns that each feature is computed from."""
        return feature_columns(self.declaration)

    @property
    def engine(self) -> str:
        """The set's own engine, or the settings'."""
        return self.declaration.engine or self.default_engine

    def check(self, graph: "AssetGraph") -> None:
        """Check that the inputs exist and have the columns that the declaration reads."""
        where = f"feature set {self.name}"
        check_columns(self.declaration, {name: graph.columns(name, where) for name in self.inputs})

    def staleness(
        self,
        lake: "Lakehouse",
        registry: "Registry | None",  # noqa: ARG002
        stale_inputs: Sequence[str],
    ) -> Staleness:
        """Stale when rows of an input or the declaration changed since the table was built."""
        return staleness_of(lambda: plan_feature_build(lake, self.declaration), stale_inputs)


def feature_columns(feature_set: FeatureSet) -> ColumnLineage:
    """The lineage of keys and features: a window aggregates its measures; its keys and times only select rows."""
    pairs = feature_lineage(feature_set)
    found: dict[str, tuple[Edge, ...]] = {key: (identity(feature_set.spine, key),) for key in feature_set.spine_keys()}
    for declared in feature_set.features:
        for feature in declared.features():
            inputs = pairs[feature.column]
            if isinstance(declared, WindowAggregate):
                subtype = "TRANSFORMATION" if declared.aggregation in PICKS else "AGGREGATION"
                found[feature.column] = _of_events(feature_set, declared, inputs, subtype)
            elif isinstance(declared, Attribute):
                found[feature.column] = _of_events(feature_set, declared, inputs, "IDENTITY")
            elif isinstance(declared, Derived):
                found[feature.column] = _of_features(feature_set, declared, inputs, found)
            else:
                found[feature.column] = tuple(Edge(*pair, "DIRECT", "TRANSFORMATION") for pair in inputs)
    return ColumnLineage(found)


def _of_features(
    feature_set: FeatureSet,
    declared: Derived,
    pairs: Sequence[tuple[str, str]],
    known: Mapping[str, Sequence[Edge]],
) -> tuple[Edge, ...]:
    """Columns that select the rows of a feature which is read also select those of the result."""
    found: dict[tuple[str, str], Edge] = {}
    for name in declared.reads:
        own = known.get(name, ()) if name in feature_set.columns else ()
        for edge in own or (Edge(feature_set.spine, name, "DIRECT", "TRANSFORMATION"),):
            pair = edge.table, edge.column
            if pair not in found or found[pair].type == "INDIRECT":
                found[pair] = edge._replace(subtype="TRANSFORMATION") if edge.subtype == "IDENTITY" else edge
    return tuple(found.get(pair) or Edge(*pair, "DIRECT", "TRANSFORMATION") for pair in pairs)


def _of_events(
    feature_set: FeatureSet, declared: WindowAggregate | Attribute, pairs: Sequence[tuple[str, str]], subtype: str
) -> tuple[Edge, ...]:
    events = feature_set.events_of(declared)
    measured = set(declared.columns_read())
    found = []
    for table, column in pairs:
        if column in measured:
            found.append(Edge(table, column, "DIRECT", subtype))
        elif column == events.event_time:
            found.append(Edge(table, column, "INDIRECT", "WINDOW"))
        else:
            found.append(Edge(table, column, "INDIRECT", "JOIN"))
    return tuple(found)

"""Sources, and the quarantines of their failed rows.

What belongs here: what a source says as an asset. Not: the declaration (lakehouse/sources) and landing deliveries
(lakehouse/ingestion).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from lakehouse.contracts.quarantine import quarantine_shape
from lakehouse.ingestion.check_results import check_names
from lakehouse.kinds.asset import Asset, Check, Icon, Kind
from lakehouse.kinds.column_lineage import ColumnLineage, Edge
from lakehouse.kinds.registry import register
from lakehouse.sources.mapping_types import ColumnMapping, FileEncoding, Ignored, Renamed, Swapped
from lakehouse.sources.source import Source

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.tables.shape import TableShape


@register
@dataclass(frozen=True, eq=False)
class SourceAsset(Asset):
    """The table that a source's deliveries are landed in."""

    kind: ClassVar[Kind] = Kind(
        name="source",
        plural="sources",
        dataset_type="SOURCE",
        icon=Icon("barrel", ("M2.5 4c0-3 11-3 11 0v8c0 3-11 3-11 0z", "M2.5 4c0 3 11 3 11 0"), "#0b6e75", "#5cc8d0"),
        rank=10,
        declaration=Source,
        module="sources",
    )
    declaration: Source

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":  # noqa: ARG003
        """One for each source."""
        return [cls(source) for source in domain.declared(Source)]

    @property
    def fingerprint(self) -> str:
        """The contract's hash."""
        return self.declaration.contract.fingerprint()

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The landed columns: the contract's, and those that landing adds."""
        return _columns(self.declaration.shape)

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The contract's checks and those of landing."""
        return {name: Check(*content) for name, content in check_names(self.declaration).items()}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The columns of deliveries, under the source's own name."""
        return delivered_columns(self.declaration)

    @property
    def contract(self) -> str:
        """The contract's version."""
        return self.declaration.contract.version

    @property
    def owners(self) -> Mapping[str, str]:
        """The source's owner and the contract's."""
        return {**super().owners, f"contract of {self.name}": self.declaration.contract.owner}

    def check(self, graph: "AssetGraph") -> None:
        """Check the contract's references to declared tables; others are checked when rows are audited."""
        for one in self.declaration.contract.references:
            if one.table in graph:
                graph.require(one.table, one.to_columns, f"contract of {self.name}, reference to {one.table}")


@register
@dataclass(frozen=True, eq=False)
class QuarantineAsset(Asset):
    """The table of a source's rows that failed a check; landing the source writes it."""

    kind: ClassVar[Kind] = Kind(
        name="quarantine",
        plural="quarantines",
        dataset_type="QUARANTINE",
        icon=Icon("round-rectangle", ("M2 3h12v10.5H2z", "M5.5 6l5 5M10.5 6l-5 5"), "#8a4b00", "#f2b866"),
        rank=15,
        module="sources",
        materializable=False,
    )
    declaration: Source

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":  # noqa: ARG003
        """One for each source."""
        return [cls(source) for source in domain.declared(Source)]

    @cached_property
    def _shape(self) -> "TableShape":
        return quarantine_shape(self.declaration.shape)

    @property
    def name(self) -> str:
        """The quarantine's name."""
        return self._shape.name

    @property
    def description(self) -> str:
        """Which source's rows it holds."""
        return self._shape.description

    @property
    def fingerprint(self) -> str:
        """Empty: a quarantine holds rows under every version of the contract."""
        return ""

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The source's columns, and why and when the row was quarantined."""
        return _columns(self._shape)

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The source's."""
        return delivered_columns(self.declaration)

    @property
    def contract(self) -> str:
        """The contract's version."""
        return self.declaration.contract.version


def delivered_columns(source: Source) -> ColumnLineage:
    """The delivered columns that each landed column can come from, under the source's own name.

    A delivery may use a mapping or not: these are all columns that any of the mappings reads. File names, row numbers
    and arrival times come from no column.
    """
    named: dict[str, list[str]] = {column.name: [column.name] for column in source.contract.columns}
    changed: set[str] = set()
    for one in source.mappings:
        if isinstance(one, Renamed):
            named[one.column].append(one.delivered)
        elif isinstance(one, Swapped):
            first, second = one.touched()
            named[first].append(second)
            named[second].append(first)
        elif type(one) is not ColumnMapping and not isinstance(one, FileEncoding | Ignored):
            changed.update(one.touched())
    return ColumnLineage(
        {
            column: tuple(
                Edge(source.name, name, "DIRECT", "TRANSFORMATION" if column in changed else "IDENTITY")
                for name in dict.fromkeys(names)
            )
            for column, names in named.items()
        }
    )


def _columns(shape: "TableShape") -> dict[str, str]:
    return {name: shape.column_docs.get(name, "") for name in shape.schema.names}

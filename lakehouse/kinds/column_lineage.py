"""Column lineage: the input columns of each column, and how they contribute, in OpenLineage's terms.

What belongs here: the edges and how they are combined. Not: the edges of any kind of asset (its own module), and
OpenLineage facets (lineage/emit/column_facet.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Edge(NamedTuple):
    """An input column, with the type and subtype of its transformation. `masked`: the result hides its values."""

    table: str
    column: str
    type: str
    subtype: str
    masked: bool = False


def identity(table: str, column: str) -> Edge:
    """An edge for a value that is passed on unchanged."""
    return Edge(table, column, "DIRECT", "IDENTITY")


@dataclass(frozen=True)
class ColumnLineage:
    """Input edges by column; `rows` are the edges that decide which rows exist."""

    columns: Mapping[str, Sequence[Edge]]
    rows: Sequence[Edge] = ()

    @property
    def tables(self) -> set[str]:
        """All tables that an edge names."""
        return {edge.table for edges in (*self.columns.values(), self.rows) for edge in edges}


def distinct(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """The edges with the first one of each column."""
    found: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        found.setdefault((edge.table, edge.column), edge)
    return tuple(found.values())


def direct_pairs(lineage: ColumnLineage) -> dict[str, list[tuple[str, str]]]:
    """The (table, column) pairs whose values each column holds, without those that only select rows."""
    return {
        column: [(edge.table, edge.column) for edge in edges if edge.type == "DIRECT"]
        for column, edges in lineage.columns.items()
    }


def as_reported(declared: ColumnLineage, reported: Mapping[str, frozenset[tuple[str, str]]]) -> ColumnLineage:
    """The lineage that a step reported, with the declared transformation of each pair that both name.

    The declaration may have changed since the step ran; the step reported what it did.
    """
    found = {}
    for column, pairs in reported.items():
        known = {(edge.table, edge.column): edge for edge in declared.columns.get(column, ())}
        extra = [edge for pair, edge in known.items() if edge.type == "INDIRECT" and pair not in pairs]
        edges = [known.get(pair) or Edge(*pair, "DIRECT", "TRANSFORMATION") for pair in sorted(pairs)]
        found[column] = (*edges, *extra)
    return ColumnLineage(found, declared.rows)

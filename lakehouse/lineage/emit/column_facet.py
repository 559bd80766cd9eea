"""The column lineage facet of OpenLineage: from which columns of which datasets each column comes.

What belongs here: edges of columns as a facet. Not: where edges come from (kinds/column_lineage.py), other facets
(facets.py).
"""

from openlineage.client.facet_v2 import column_lineage_dataset

from lakehouse.kinds.asset import Asset
from lakehouse.kinds.column_lineage import ColumnLineage, Edge, as_reported
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.run_events import OutputVersion

Places = dict[str, list[names.Named]]
"""By a table's name: the datasets that stand for it in events. Of a source's deliveries there can be many."""


def made_columns(declared: Asset, made: OutputVersion) -> ColumnLineage:
    """The column lineage that the step reported, or else the declared one."""
    return declared.column_lineage if made.edges is None else as_reported(declared.column_lineage, made.edges)


def column_lineage(
    columns: ColumnLineage, places: Places, present: set[str]
) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Columns' edges, for those of the table's columns that are `present` and those inputs that have a place."""
    fields = {
        name: column_lineage_dataset.Fields(
            [_input(edge, place) for edge in edges for place in places.get(edge.table, ())]
        )
        for name, edges in columns.columns.items()
        if name in present
    }
    rows = [_input(edge, place) for edge in columns.rows for place in places.get(edge.table, ())]
    return column_lineage_dataset.ColumnLineageDatasetFacet(
        {name: one for name, one in fields.items() if one.inputFields}, rows
    )


def _input(edge: Edge, place: names.Named) -> column_lineage_dataset.InputField:
    way = column_lineage_dataset.Transformation(edge.type, edge.subtype, masking=edge.masked)
    return column_lineage_dataset.InputField(place.namespace, place.name, edge.column, [way])

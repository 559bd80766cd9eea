"""Column lineage in one form, from both facets that OpenLineage has for it (`columnLineage` and `lineage`).

What belongs here: reading those facets. Not: which of them is in force (graph/view.py).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lakehouse.lineage.store.derivation import hashed

WHOLE = ""
"""In place of a column: the whole table, because a column filters, groups or joins its rows, or none is named."""


class Link(NamedTuple):
    """An edge from a column of a source to a column of the dataset that has the facet."""

    source: int
    source_column: str
    column: str
    type: str | None
    subtype: str | None
    masking: bool


def links_in(facet: Mapping[str, Any]) -> tuple[Link, ...]:
    """Return the links of a facet without duplicates, in order."""
    return () if facet.get("_deleted") else tuple(dict.fromkeys(_links(facet)))


def _links(facet: Mapping[str, Any]) -> Iterator[Link]:
    for column, lineage in (facet.get("fields") or {}).items():
        if isinstance(lineage, dict):
            kind = lineage.get("transformationType")
            old = {"type": "DIRECT", "subtype": kind} if kind else None
            for source in lineage.get("inputFields") or lineage.get("inputs") or ():
                yield from _from(source, column, old)
    for source in [*(facet.get("dataset") or ()), *(facet.get("inputs") or ())]:
        yield from _from(source, WHOLE, None)


def _from(source: Mapping[str, Any], column: str, otherwise: Mapping[str, Any] | None) -> Iterator[Link]:
    if source.get("type", "DATASET") != "DATASET" or not (source.get("namespace") and source.get("name")):
        return
    owner = hashed("dataset", source["namespace"], source["name"])
    for one in source.get("transformations") or [otherwise or {}]:
        yield Link(
            owner,
            source.get("field") or WHOLE,
            column,
            one.get("type"),
            one.get("subtype"),
            bool(one.get("masking")),
        )

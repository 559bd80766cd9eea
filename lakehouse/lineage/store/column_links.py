"""What lineage facets say about columns, in one form.

What belongs here: the standard's two ways to tell it (`columnLineage` and `lineage`). Not: which of them is in force.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lakehouse.lineage.store.derivation import hashed

WHOLE = ""
"""In place of a column: the whole table. A column may choose, group or join its rows; or nobody named its columns."""


class Link(NamedTuple):
    """A column of a source goes into a column of the table that the facet is about."""

    source: int
    source_column: str
    column: str
    type: str | None
    subtype: str | None
    masking: bool


def links_in(facet: Mapping[str, Any]) -> tuple[Link, ...]:
    """All links of a facet, each once, in the order in which they are told."""
    return () if facet.get("_deleted") else tuple(dict.fromkeys(_links(facet)))


def _links(facet: Mapping[str, Any]) -> Iterator[Link]:
    for column, told in (facet.get("fields") or {}).items():
        if isinstance(told, dict):
            old = {"type": "DIRECT", "subtype": told["transformationType"]} if told.get("transformationType") else None
            for source in told.get("inputFields") or told.get("inputs") or ():
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

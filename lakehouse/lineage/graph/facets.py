"""Nodes and their facets at a point in time.

What belongs here: which nodes existed, what they are called, which facet was in force. Not: edges (view.py), and what
facets mean together (cards.py). A node is one thing that events call by one or several names: a table's location and
its name in the catalog, joined by OpenLineage's symlinks.
"""

from collections.abc import Iterator
from typing import Any

from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.graph.naming import Naming, naming
from lakehouse.lineage.store.derivation import READ, WRITTEN


class Facets:
    """Nodes and their facets as of a time in microseconds since 1970 (None: now)."""

    def __init__(self, index: Index, at: int | None = None) -> None:
        self.index = index
        self.at = at
        self._names: dict[int, Naming] = {}

    def nodes(self) -> list[int]:
        """All nodes that existed at the time."""
        return [node for node in self.index.members if self.exists(node)]

    def exists(self, node: int) -> bool:
        """Whether any event had named the node by the time."""
        return self.at is None or any(self.index.first[one] <= self.at for one in self.index.members.get(node, ()))

    def naming(self, node: int) -> Naming:
        """The node's name, location and domain."""
        found = self._names.get(node)
        if found is None:
            found = self._names[node] = naming(self.index, node)
        return found

    def facet(self, node: int, name: str) -> dict[str, Any] | None:
        """The facet in force; the facet of a job that writes the node precedes that of a job that reads it."""
        for role in (WRITTEN, READ):
            found = self._newest(node, name, role)
            if found is not None:
                content = self.index.content(found[1])
                return None if content.get("_deleted") else content
        return None

    def facet_names(self, node: int) -> set[str]:
        """The names of all facets that the node ever had."""
        return {name for member in self.index.members[node] for name, _, _ in self.index.timelines.get(member, ())}

    def by_job(self, node: int, name: str) -> Iterator[tuple[int, int, int]]:
        """Dataset, job and content in force of a facet that each job reports separately."""
        for member in self.index.members[node]:
            for (facet, scope, role), timeline in self.index.timelines.get(member, {}).items():
                if facet == name and role == WRITTEN:
                    content = timeline.in_force(self.at)
                    if content is not None:
                        yield member, scope, content

    def kind(self, node: int) -> str:
        """The node's kind (TABLE, FILE, FEATURE_SET, MODEL, ...): of its `datasetType` facet, or else of its names."""
        facet = self.facet(node, "datasetType")
        return str(facet["datasetType"]).upper() if facet else self.naming(node).kind

    def group(self, dataset: int) -> int:
        """The node that a dataset belongs to."""
        return self.index.group[dataset]

    def unchanged(self, node: int) -> bool:
        """Whether no facet of the node changed after the time."""
        at, index = self.at or 0, self.index
        return all(
            timeline.points[-1][0] <= at
            for member in index.members[node]
            for timeline in index.timelines.get(member, {}).values()
        )

    def _newest(self, node: int, name: str, role: str) -> tuple[int, int] | None:
        found = None
        for member in self.index.members[node]:
            timeline = self.index.timelines.get(member, {}).get((name, 0, role))
            points = timeline.until(self.at) if timeline else ()
            if points and (found is None or points[-1] > found):
                found = points[-1]
        return found

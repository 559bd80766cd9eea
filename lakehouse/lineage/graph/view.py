"""The lineage graph at a point in time: edges between nodes and between columns.

What belongs here: which edges hold at a time. Not: walking along them (walk.py), what nodes are called (facets.py).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from lakehouse.lineage.graph.cards import Card, card_of
from lakehouse.lineage.graph.facets import Facets
from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import COLUMN_LINEAGE, LINEAGE, WRITTEN
from lakehouse.lineage.store.upsert import in_groups

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CUMULATIVE = {"FILE"}
"""Kinds of sources that later ones do not replace: a table holds the rows of all files delivered so far."""


class ColumnEdge(NamedTuple):
    """An edge from a column of a node to a column of another node, or to the whole of it."""

    source: int
    source_column: str
    target: int
    column: str
    type: str | None
    subtype: str | None
    masking: bool


class View(Facets):
    """The graph as of a time in microseconds since 1970 (None: now). Results are cached; see `forget`."""

    def __init__(self, index: Index, at: int | None = None, now: "View | None" = None) -> None:
        super().__init__(index, at)
        self._now = now
        """The current view, whose results are reused for nodes that did not change since `at`."""
        self._reported: dict[int, tuple[tuple[ColumnEdge, int], ...]] = {}
        self._cards: dict[int, Card] = {}
        self._sources: dict[int, dict[int, set[int]]] = {}
        self._targets: dict[int, dict[int, set[int]]] = {}
        self._column_edges: dict[int, tuple[ColumnEdge, ...]] = {}

    def forget(self, nodes: set[int]) -> None:
        """Drop the cached results of nodes that changed, and of their neighbours."""
        gone = set(nodes)
        for node in nodes:
            gone.update(self._sources.get(node, ()), self._targets.get(node, ()))
            gone.update(edge.source for edge in self._column_edges.get(node, ()))
            for member in self.index.members.get(node, ()):
                gone.update(self.group(one) for one in self.index.used.get(member, ()))
                gone.update(self.group(source) for source, _ in self.index.made.get(member, ()))
        for node in gone:
            for kept in (self._cards, self._sources, self._targets, self._column_edges, self._names, self._reported):
                kept.pop(node, None)

    def card(self, node: int) -> Card:
        """The node's summary."""
        found = self._cards.get(node)
        if found is None:
            if self._now is not None and self.unchanged(node):
                # Staleness is computed for the present only.
                found = replace(self._now.card(node), up_to_date=None, stale_reason=None)
                if self.facet(node, "slipway_stale") is not None:
                    found = card_of(self, node)
            else:
                found = card_of(self, node)
            self._cards[node] = found
        return found

    def sources(self, node: int) -> dict[int, set[int]]:
        """The node's inputs, and the jobs that read them."""
        found = self._sources.get(node)
        if found is None:
            found = self._sources[node] = self._find_sources(node)
        return found

    def targets(self, node: int) -> dict[int, set[int]]:
        """The nodes that the node is an input of, and the jobs that write them."""
        found = self._targets.get(node)
        if found is None:
            near = {self.group(one) for member in self.index.members[node] for one in self.index.used.get(member, ())}
            found = {target: self.sources(target).get(node, set()) for target in sorted(near) if target != node}
            self._targets[node] = found = {target: jobs for target, jobs in found.items() if jobs}
        return found

    def column_edges(self, node: int) -> tuple[ColumnEdge, ...]:
        """The edges to the node's columns."""
        found = self._column_edges.get(node)
        if found is None:
            reported = self.reported_edges(node)
            edges = {edge for edge, _ in reported if edge.source_column or edge.column}
            # Sorted, so that the order does not depend on the order of events.
            found = self._column_edges[node] = tuple(sorted(edges, key=_sort_key))
        return found

    def column_edges_from(self, node: int, target: int) -> list[ColumnEdge]:
        """The edges from columns of the node to columns of the target."""
        return [edge for edge in self.column_edges(target) if edge.source == node]

    def updated(self, nodes: list[int]) -> dict[int, int]:
        """The time of each node's newest version, or of its last write; nodes without either are left out."""
        index = self.index
        found: dict[int, int] = {}
        if self.at is None:
            for node in nodes:
                times = [index.versions[one][0] for one in index.members[node] if one in index.versions]
                times = times or [index.written[one].at for one in index.members[node] if one in index.written]
                if times:
                    found[node] = max(times)
            return found
        versions = tables.versions
        with index.store.engine.connect() as connection:
            for group in in_groups([one for node in nodes for one in index.members[node]]):
                newest = (
                    select(versions.c.dataset, func.max(versions.c.at))
                    .where(versions.c.dataset.in_(group), versions.c.at <= self.at)
                    .group_by(versions.c.dataset)
                )
                for dataset, at in connection.execute(newest):
                    node = index.group[dataset]
                    found[node] = max(found.get(node, at), at)
        return found

    def _find_sources(self, node: int) -> dict[int, set[int]]:
        """The inputs of runs, unless their job reports explicit lineage of the node; and the sources of columns."""
        index = self.index
        found: dict[int, set[int]] = {}
        explicit = {job for _, job, content in self.by_job(node, LINEAGE) if not index.content(content).get("_deleted")}
        by_job: dict[int, list[tuple[int, int, int]]] = {}
        for member in index.members[node]:
            for (source, job), (first, last) in index.made.get(member, {}).items():
                if job not in explicit and (self.at is None or first <= self.at):
                    by_job.setdefault(job, []).append((self.group(source), first, last))
        for job, edges in by_job.items():
            newest = max(last for _, _, last in edges)
            for source, _, last in edges:
                if source != node and (last == newest or self._still_holds(node, source, job, last)):
                    found.setdefault(source, set()).add(job)
        for edge, job in self.reported_edges(node):
            found.setdefault(edge.source, set()).add(job)
        return dict(sorted(found.items()))

    def _still_holds(self, node: int, source: int, job: int, last: int) -> bool:
        """Whether an edge holds although a later run of the job did not report it."""
        if self.kind(source) in _CUMULATIVE:
            return True
        return self.at is not None and (last >= self.at or self._next_run(node, job, last) > self.at)

    def _next_run(self, node: int, job: int, after: int) -> int:
        """The time of the job's next write to the node."""
        both, runs = tables.run_datasets, tables.runs
        with self.index.store.engine.connect() as connection:
            found = connection.execute(
                select(func.min(runs.c.first))
                .join(both, both.c.run == runs.c.id)
                .where(
                    both.c.dataset.in_(self.index.members[node]),
                    both.c.role == WRITTEN,
                    runs.c.job == job,
                    runs.c.first > after,
                )
            ).scalar()
        return after if found is None else found

    def reported_edges(self, node: int) -> tuple[tuple[ColumnEdge, int], ...]:
        """The edges in lineage facets, and the job that reported each."""
        found = self._reported.get(node)
        if found is None:
            if self._now is not None and self.unchanged(node):
                found = self._now.reported_edges(node)
            else:
                found = tuple(self._find_reported_edges(node))
            self._reported[node] = found
        return found

    def _find_reported_edges(self, node: int) -> Iterator[tuple[ColumnEdge, int]]:
        index = self.index
        for member in index.members[node]:
            for (name, job, role), timeline in index.timelines.get(member, {}).items():
                if name not in {COLUMN_LINEAGE, LINEAGE} or role != WRITTEN:
                    continue
                points = timeline.until(self.at)
                for place, (_, content) in enumerate(points, start=1):
                    for link in index.links(content):
                        source = index.group[link.source]
                        if source == node or (place < len(points) and self.kind(source) not in _CUMULATIVE):
                            continue
                        yield ColumnEdge(source, link.source_column, node, *link[2:]), job


def _sort_key(edge: ColumnEdge) -> tuple[str, int, str, str, str, bool]:
    return edge.column, edge.source, edge.source_column, edge.type or "", edge.subtype or "", edge.masking


def iso_time(at: int | None) -> str | None:
    """A time of the store in ISO 8601, UTC."""
    return None if at is None else (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def microseconds(time: datetime) -> int:
    """A time in microseconds since 1970, as the store keeps it."""
    return (time - _EPOCH) // timedelta(microseconds=1)

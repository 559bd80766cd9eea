"""The graph at a time: nodes, and what each is made from.

What belongs here: what a node is, which edges hold at a time. Not: walking along them (walk.py), nor all that is known
of one node (details.py). A node is what events call by one or several names: a table's place and its name in the
catalog, joined by the standard's symlinks.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select

from lakehouse.lineage.graph.cards import Card, card_of
from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.graph.naming import Naming, naming
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import COLUMN_LINEAGE, LINEAGE, READ, WRITTEN
from lakehouse.lineage.store.upsert import in_groups

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ADDING_UP = {"FILE"}
"""Kinds of sources of which a later one takes no earlier one's place: a table holds all files delivered so far."""


class ColumnEdge(NamedTuple):
    """A column of a node goes into a column of another (or into the whole of it)."""

    source: int
    source_column: str
    target: int
    column: str
    type: str | None
    subtype: str | None
    masking: bool


class View:
    """The graph as it was at a time (None: as it is). Remembers what was asked; see `forget`."""

    def __init__(self, index: Index, at: int | None = None, now: "View | None" = None) -> None:
        self.index = index
        self.at = at
        self._now = now
        """What it knows of nodes that are still as they were then need not be found out anew."""
        self._told: dict[int, tuple[tuple[ColumnEdge, int], ...]] = {}
        self._cards: dict[int, Card] = {}
        self._sources: dict[int, dict[int, set[int]]] = {}
        self._targets: dict[int, dict[int, set[int]]] = {}
        self._column_edges: dict[int, tuple[ColumnEdge, ...]] = {}
        self._names: dict[int, Naming] = {}

    def forget(self, nodes: set[int]) -> None:
        """Something changed about these: what is remembered of them and of their neighbours is asked anew."""
        gone = set(nodes)
        for node in nodes:
            gone.update(self._sources.get(node, ()), self._targets.get(node, ()))
            gone.update(edge.source for edge in self._column_edges.get(node, ()))
            for member in self.index.members.get(node, ()):
                gone.update(self._group(one) for one in self.index.used.get(member, ()))
                gone.update(self._group(source) for source, _ in self.index.made.get(member, ()))
        for node in gone:
            for kept in (self._cards, self._sources, self._targets, self._column_edges, self._names, self._told):
                kept.pop(node, None)

    def nodes(self) -> list[int]:
        """All nodes that existed then."""
        return [node for node in self.index.members if self.exists(node)]

    def exists(self, node: int) -> bool:
        """Whether anything had been said of the node by then."""
        return self.at is None or any(self.index.first[one] <= self.at for one in self.index.members.get(node, ()))

    def naming(self, node: int) -> Naming:
        """What the node is called."""
        found = self._names.get(node)
        if found is None:
            found = self._names[node] = naming(self.index, node)
        return found

    def facet(self, node: int, name: str) -> dict[str, Any] | None:
        """What the facet says then: a writer's word counts more than a reader's."""
        for role in (WRITTEN, READ):
            found = self._newest(node, name, role)
            if found is not None:
                content = self.index.content(found[1])
                return None if content.get("_deleted") else content
        return None

    def facet_names(self, node: int) -> set[str]:
        """The facets of which anything was ever said."""
        return {name for member in self.index.members[node] for name, _, _ in self.index.timelines.get(member, ())}

    def by_job(self, node: int, name: str) -> Iterator[tuple[int, int, int]]:
        """Of facets that each job tells for itself: dataset, job and content in force."""
        for member in self.index.members[node]:
            for (facet, scope, role), timeline in self.index.timelines.get(member, {}).items():
                if facet == name and role == WRITTEN:
                    content = timeline.in_force(self.at)
                    if content is not None:
                        yield member, scope, content

    def kind(self, node: int) -> str:
        """TABLE, FILE, FEATURE_SET, MODEL, ...: as the node's own facet says, else as its names do."""
        said = self.facet(node, "datasetType")
        return str(said["datasetType"]).upper() if said else self.naming(node).kind

    def card(self, node: int) -> Card:
        """What is shown of the node at a glance."""
        found = self._cards.get(node)
        if found is None:
            if self._now is not None and self._unchanged(node):
                # Freshness is known for the present only.
                found = replace(self._now.card(node), fresh=None, stale_because=None)
                if self.facet(node, "slipway_stale") is not None:
                    found = card_of(self, node)
            else:
                found = card_of(self, node)
            self._cards[node] = found
        return found

    def sources(self, node: int) -> dict[int, set[int]]:
        """What the node is made from, and by which jobs."""
        found = self._sources.get(node)
        if found is None:
            found = self._sources[node] = self._find_sources(node)
        return found

    def targets(self, node: int) -> dict[int, set[int]]:
        """What is made from the node, and by which jobs."""
        found = self._targets.get(node)
        if found is None:
            near = {self._group(one) for member in self.index.members[node] for one in self.index.used.get(member, ())}
            found = {target: self.sources(target).get(node, set()) for target in sorted(near) if target != node}
            self._targets[node] = found = {target: jobs for target, jobs in found.items() if jobs}
        return found

    def column_edges(self, node: int) -> tuple[ColumnEdge, ...]:
        """What the node's columns are made from."""
        found = self._column_edges.get(node)
        if found is None:
            told = self.told_edges(node)
            edges = {edge for edge, _ in told if edge.source_column or edge.column}
            # In an order of their own, not that in which they were read.
            found = self._column_edges[node] = tuple(sorted(edges, key=_in_order))
        return found

    def column_edges_from(self, node: int, target: int) -> list[ColumnEdge]:
        """The columns of the target that are made from columns of the node."""
        return [edge for edge in self.column_edges(target) if edge.source == node]

    def updated(self, nodes: list[int]) -> dict[int, int]:
        """When the newest version of each node was written, or the node itself, for those of which it is known."""
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

    def _group(self, dataset: int) -> int:
        return self.index.group[dataset]

    def _newest(self, node: int, name: str, role: str) -> tuple[int, int] | None:
        found = None
        for member in self.index.members[node]:
            timeline = self.index.timelines.get(member, {}).get((name, 0, role))
            points = timeline.until(self.at) if timeline else ()
            if points and (found is None or points[-1] > found):
                found = points[-1]
        return found

    def _find_sources(self, node: int) -> dict[int, set[int]]:
        """From runs, unless their job says explicitly what the node is made from; and from columns."""
        index = self.index
        found: dict[int, set[int]] = {}
        explicit = {job for _, job, content in self.by_job(node, LINEAGE) if not index.content(content).get("_deleted")}
        by_job: dict[int, list[tuple[int, int, int]]] = {}
        for member in index.members[node]:
            for (source, job), (first, last) in index.made.get(member, {}).items():
                if job not in explicit and (self.at is None or first <= self.at):
                    by_job.setdefault(job, []).append((self._group(source), first, last))
        for job, edges in by_job.items():
            newest = max(last for _, _, last in edges)
            for source, _, last in edges:
                if source != node and (last == newest or self._still(node, source, job, last)):
                    found.setdefault(source, set()).add(job)
        for edge, job in self.told_edges(node):
            found.setdefault(edge.source, set()).add(job)
        return dict(sorted(found.items()))

    def _still(self, node: int, source: int, job: int, last: int) -> bool:
        """Whether an edge holds though the job ran later without it."""
        if self.kind(source) in _ADDING_UP:
            return True
        return self.at is not None and (last >= self.at or self._next_run(node, job, last) > self.at)

    def _next_run(self, node: int, job: int, after: int) -> int:
        """When the job next wrote the node."""
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

    def told_edges(self, node: int) -> tuple[tuple[ColumnEdge, int], ...]:
        """What lineage facets say, and which job said it."""
        found = self._told.get(node)
        if found is None:
            if self._now is not None and self._unchanged(node):
                found = self._now.told_edges(node)
            else:
                found = tuple(self._find_told_edges(node))
            self._told[node] = found
        return found

    def _find_told_edges(self, node: int) -> Iterator[tuple[ColumnEdge, int]]:
        index = self.index
        for member in index.members[node]:
            for (name, job, role), timeline in index.timelines.get(member, {}).items():
                if name not in {COLUMN_LINEAGE, LINEAGE} or role != WRITTEN:
                    continue
                points = timeline.until(self.at)
                for place, (_, content) in enumerate(points, start=1):
                    for link in index.links(content):
                        source = index.group[link.source]
                        if source == node or (place < len(points) and self.kind(source) not in _ADDING_UP):
                            continue
                        yield ColumnEdge(source, link.source_column, node, *link[2:]), job

    def _unchanged(self, node: int) -> bool:
        """Whether nothing else was said of the node since this view's time."""
        at, index = self.at or 0, self.index
        return all(
            timeline.points[-1][0] <= at
            for member in index.members[node]
            for timeline in index.timelines.get(member, {}).values()
        )


def _in_order(edge: ColumnEdge) -> tuple[str, int, str, str, str, bool]:
    return edge.column, edge.source, edge.source_column, edge.type or "", edge.subtype or "", edge.masking


def moment(at: int | None) -> str | None:
    """A time of the store as ISO 8601, UTC."""
    return None if at is None else (_EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")


def microseconds(time: datetime) -> int:
    """A time as the store has it."""
    return (time - _EPOCH) // timedelta(microseconds=1)

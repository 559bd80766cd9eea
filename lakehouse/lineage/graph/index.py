"""The store's rows in memory, as the graph needs them.

What belongs here: loading rows, incrementally. Not: what they mean at a time (facets.py, view.py).

The store counts every change in its generation. Before each query the index compares generations and reads only rows
that are newer, so it is correct with any number of writing processes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from json import loads
from threading import RLock
from typing import Any

from cachetools import LRUCache
from sqlalchemy import Connection, func, select

from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.column_links import Link, links_in
from lakehouse.lineage.store.derivation import COLUMN_LINEAGE, LINEAGE, READ, WRITTEN
from lakehouse.lineage.store.store import Store
from lakehouse.lineage.store.timelines import Timeline
from lakehouse.lineage.store.upsert import in_groups

_KEPT_CONTENTS = 200_000

Key = tuple[str, int, str]
"""Facet, scope (the job that reported it, 0 for all), role."""


@dataclass
class Written:
    """The newest completed run that wrote a dataset, and the versions that it read."""

    at: int
    run: str
    read: dict[int, str | None] = field(default_factory=dict)


class Index:
    """The whole graph. Hold `lock` while reading it: `refresh` changes it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = RLock()
        self.generation = 0
        self.names: dict[int, tuple[str, str]] = {}
        self.by_name: dict[str, list[int]] = defaultdict(list)
        self.first: dict[int, int] = {}
        self.jobs: dict[int, tuple[str, str]] = {}
        self.symlinks: dict[int, dict[int, tuple[int, str]]] = defaultdict(dict)
        self.timelines: dict[int, dict[Key, Timeline]] = defaultdict(dict)
        self.made: dict[int, dict[tuple[int, int], tuple[int, int]]] = defaultdict(dict)
        """Target -> (source, job) -> first and last time."""
        self.used: dict[int, set[int]] = defaultdict(set)
        """Source -> targets, by tables and by columns."""
        self.versions: dict[int, tuple[int, str]] = {}
        """Dataset -> time and id of its newest version."""
        self.written: dict[int, Written] = {}
        self.group: dict[int, int] = {}
        """Dataset -> node: the smallest id among all names of the same thing."""
        self.members: dict[int, list[int]] = {}
        self._contents: LRUCache[int, dict[str, Any]] = LRUCache(_KEPT_CONTENTS)
        self._links: dict[int, tuple[Link, ...]] = {}

    def refresh(self) -> set[int] | None:
        """Load what is new in the store. Returns the nodes that changed; None: names were merged into other nodes."""
        with self.store.reading() as connection:
            newest = connection.execute(select(tables.state.c.generation)).scalar_one()
            if newest == self.generation:
                return set()
            before = self.generation
            regrouped = self._read_names(connection, before)
            touched = self._read_facets(connection, before)
            touched |= self._read_edges(connection, before)
            touched |= self._read_writing(connection, before)
            self.generation = newest
        return None if regrouped else {self.group[one] for one in touched if one in self.group}

    def content(self, content: int) -> dict[str, Any]:
        """The content of a facet."""
        found = self._contents.get(content)
        if found is None:
            with self.store.engine.connect() as connection:
                self._fetch(connection, [content])
            found = self._contents[content]
        return found

    def links(self, content: int) -> tuple[Link, ...]:
        """The column links of a lineage facet; table lineage is links without columns."""
        found = self._links.get(content)
        if found is None:
            found = self._links[content] = links_in(self.content(content))
        return found

    def _fetch(self, connection: Connection, wanted: list[int]) -> None:
        for group in in_groups(wanted):
            rows = connection.execute(
                select(tables.contents.c.id, tables.contents.c.body).where(tables.contents.c.id.in_(group))
            )
            for key, body in rows:
                self._contents[key] = loads(body)

    def _read_names(self, connection: Connection, before: int) -> bool:
        datasets, jobs, symlinks = tables.datasets, tables.jobs, tables.symlinks
        for row in connection.execute(select(datasets).where(datasets.c.generation > before)):
            self.first[row.id] = row.first
            if row.id not in self.names:
                self.names[row.id] = (row.namespace, row.name)
                self.by_name[row.name].append(row.id)
                self.group[row.id] = row.id
                self.members[row.id] = [row.id]
        for row in connection.execute(select(jobs).where(jobs.c.generation > before)):
            self.jobs[row.id] = (row.namespace, row.name)
        regrouped = False
        for row in connection.execute(select(symlinks).where(symlinks.c.generation > before)):
            self.symlinks[row.dataset][row.other] = (row.at, row.kind)
            regrouped |= self._join(row.dataset, row.other)
        return regrouped

    def _join(self, one: int, other: int) -> bool:
        kept, gone = sorted((self.group[one], self.group[other]))
        if kept == gone:
            return False
        # The smaller list is always the one that is relabelled, so a long chain of names costs n log n.
        moved = self.members.pop(gone)
        stayed = self.members.pop(kept)
        self.members[kept] = stayed + moved if len(stayed) >= len(moved) else moved + stayed
        for member in moved:
            self.group[member] = kept
        return True

    def _read_facets(self, connection: Connection, before: int) -> set[int]:
        facets = tables.facets
        order = (facets.c.owner, facets.c.name, facets.c.scope, facets.c.role)
        columns = (*order, facets.c.at, facets.c.content)
        if before:
            statement = select(*columns).where(facets.c.generation > before).order_by(facets.c.at, facets.c.content)
        else:
            earlier = func.lag(facets.c.content).over(partition_by=order, order_by=(facets.c.at, facets.c.content))
            rows = select(*columns, earlier.label("earlier")).subquery()
            changed = (rows.c.earlier.is_(None)) | (rows.c.earlier != rows.c.content)
            kept = [rows.c[column.name] for column in columns]
            statement = select(*kept).where(changed).order_by(*(rows.c[one.name] for one in columns))
        touched: set[int] = set()
        late: set[tuple[int, Key]] = set()
        wanted: set[int] = set()
        for owner, name, scope, role, at, content in connection.execute(statement):
            key = (name, scope, role)
            timeline = self.timelines[owner].setdefault(key, Timeline())
            if not timeline.append((at, content)):
                late.add((owner, key))
            touched.add(owner)
            if name in {COLUMN_LINEAGE, LINEAGE}:
                wanted.add(content)
        for owner, key in late:
            self.timelines[owner][key] = Timeline(self._points(connection, owner, key))
        wanted.update(timeline.points[-1][1] for owner in touched for timeline in self.timelines[owner].values())
        self._fetch(connection, [one for one in wanted if one not in self._contents])
        for owner in touched:
            self._register_sources(owner)
        return touched

    def _register_sources(self, owner: int) -> None:
        """Register the datasets that its columns ever came from."""
        for (name, _, role), timeline in self.timelines[owner].items():
            if name in {COLUMN_LINEAGE, LINEAGE} and role == WRITTEN:
                for _, content in timeline.points:
                    for link in self.links(content):
                        self.used[link.source].add(owner)

    def _points(self, connection: Connection, owner: int, key: Key) -> list[tuple[int, int]]:
        facets = tables.facets
        name, scope, role = key
        found = connection.execute(
            select(facets.c.at, facets.c.content).where(
                facets.c.owner == owner, facets.c.name == name, facets.c.scope == scope, facets.c.role == role
            )
        )
        return [(at, content) for at, content in found]

    def _read_edges(self, connection: Connection, before: int) -> set[int]:
        edges, touched = tables.edges, set()
        for row in connection.execute(select(edges).where(edges.c.generation > before)):
            self.made[row.target][row.source, row.job] = (row.first, row.last)
            self.used[row.source].add(row.target)
            touched |= {row.source, row.target}
        return touched

    def _read_writing(self, connection: Connection, before: int) -> set[int]:
        versions = tables.versions
        touched = set()
        for row in connection.execute(select(versions).where(versions.c.generation > before)):
            known = self.versions.get(row.dataset)
            # An earlier event about a known version moves its time back; then another version may be the newest.
            if known and known[1] == row.version and row.at < known[0]:
                known = self._newest_version(connection, row.dataset)
            self.versions[row.dataset] = max(known or (row.at, row.version), (row.at, row.version))
            touched.add(row.dataset)
        for row in self._newest_writing(connection, before):
            known = self.written.get(row.dataset)
            if known is None or (row.first, row.run) >= (known.at, known.run):
                self.written[row.dataset] = Written(row.first, row.run)
                touched.add(row.dataset)
        by_run: dict[str, list[Written]] = defaultdict(list)
        for dataset in touched:
            if dataset in self.written:
                by_run[self.written[dataset].run].append(self.written[dataset])
        both = tables.run_datasets
        for group in in_groups(list(by_run)):
            found = connection.execute(
                select(both.c.run, both.c.dataset, both.c.version).where(both.c.run.in_(group), both.c.role == READ)
            )
            for run, dataset, version in found:
                for one in by_run[run]:
                    one.read[dataset] = version
        return touched

    def _newest_version(self, connection: Connection, dataset: int) -> tuple[int, str]:
        versions = tables.versions
        row = connection.execute(
            select(versions.c.at, versions.c.version)
            .where(versions.c.dataset == dataset)
            .order_by(versions.c.at.desc(), versions.c.version.desc())
            .limit(1)
        ).one()
        return row.at, row.version

    def _newest_writing(self, connection: Connection, before: int) -> Iterable[Any]:
        both, runs = tables.run_datasets, tables.runs
        place = func.row_number().over(partition_by=both.c.dataset, order_by=(runs.c.first.desc(), runs.c.id.desc()))
        rows = (
            select(both.c.dataset, both.c.run, runs.c.first, place.label("place"))
            .join(runs, runs.c.id == both.c.run)
            .where(both.c.role == WRITTEN, runs.c.state == "COMPLETE", both.c.generation > before)
        ).subquery()
        return connection.execute(select(rows.c.dataset, rows.c.run, rows.c.first).where(rows.c.place == 1)).all()

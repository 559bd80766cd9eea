"""Asking the graph: what the pages and the command line show of it, as plain values.

What belongs here: finding nodes, parts of the graph, what a change would reach. Not: searching (searching.py), all of
one node (details.py), runs (run_queries.py). Answers have the form of the server's API (docs/lineage.md).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cachetools import LRUCache

from lakehouse.errors import SlipwayError, UnknownNameError, nearest_name, unknown_name
from lakehouse.lineage.graph import walk
from lakehouse.lineage.graph.cards import Card
from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.graph.layout import as_mapping, placed
from lakehouse.lineage.graph.naming import OURS, dataset_of
from lakehouse.lineage.graph.view import ColumnEdge, View, moment
from lakehouse.lineage.store.column_links import WHOLE
from lakehouse.lineage.store.store import Store

MOST_NODES = 5_000
MOST_COLUMNS = 200
"""Columns of a node in a graph; all of them are in its details."""
MOST_COLUMN_EDGES = 5_000
"""Edges between columns in one answer; it says how many there are."""
_VIEWS = 8


class Graph:
    """The graph of a store. Any number of threads may ask; what others write is seen by the next question."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.index = Index(store)
        self._now = View(self.index)
        self._then: LRUCache[int, View] = LRUCache(_VIEWS)
        self._whole: LRUCache[tuple[int | None, int, str | None, bool], dict[str, Any]] = LRUCache(_VIEWS)

    @contextmanager
    def view(self, at: int | None = None) -> Iterator[View]:
        """The graph at a time (microseconds since 1970; None: now), which holds still inside the block."""
        with self.index.lock:
            changed = self.index.refresh()
            if changed is None:
                self._now = View(self.index)
            elif changed:
                self._now.forget(changed)
            if changed is None or changed:
                self._then.clear()
                self._whole.clear()
            if at is None:
                yield self._now
                return
            if at not in self._then:
                self._then[at] = View(self.index, at, self._now)
            yield self._then[at]

    def find(self, view: View, *, id: str | None = None, name: str | None = None) -> int:  # noqa: A002  # the API's word
        """The node with the id, or with the name. Raises UnknownNameError with the nearest there is."""
        index = self.index
        if id is not None:
            dataset = dataset_of(id)
            if dataset in index.group and view.exists(index.group[dataset]):
                return index.group[dataset]
            raise UnknownNameError(f"There is no node {id!r}.", where="id", fix="Look it up by name.")
        found = [one for one in index.by_name.get(name or "", ()) if view.exists(index.group[one])]
        if found:
            # Of several things with one name the one that is called so comes first, and of these ours.
            best = max(
                found, key=lambda one: (view.naming(index.group[one]).name == name, index.names[one][0] == OURS, -one)
            )
            return index.group[best]
        names = [view.naming(node).name for node in view.nodes()]
        raise unknown_name("node", name or "", names, where="the lineage graph")

    def find_column(self, view: View, node: int, column: str) -> str:
        """The column's name. Raises UnknownNameError with the nearest there is."""
        known = self._columns(view, node)
        if column in known:
            return column
        raise unknown_name("column", column, known, where=view.naming(node).name)

    def find_place(self, view: View, text: str) -> walk.Place:
        """The node, or the node and the column, that a text as NAME or NAME.COLUMN names."""
        try:
            return self.find(view, name=text), WHOLE
        except UnknownNameError as error:
            name, _, column = text.rpartition(".")
            if name not in self.index.by_name:
                raise
            node = self.find(view, name=name)
            known = self._columns(view, node)
            if column not in known:
                near = nearest_name(column, known)
                raise UnknownNameError(
                    f"There is no column {column!r} in {name}, and no node named {text!r}.",
                    where="the lineage graph",
                    nearest=f"{name}.{near}" if near else error.nearest,
                    fix=error.fix if not known else f"It has: {', '.join(sorted(known)[:12])}.",
                ) from None
            return node, column

    def part(
        self,
        view: View,
        root: int | None,
        *,
        direction: str = walk.BOTH,
        depth: int | None = 2,
        column: str | None = None,
        limit: int = 400,
        domain: str | None = None,
        column_edges: bool = True,
        indirect: bool = True,
    ) -> dict[str, Any]:
        """A part of the graph with places to draw it at; without a root all of it, or of a domain, up to the limit.

        Without `column_edges` only a column's own are told: those of thousands of tables are most of an answer. Without
        `indirect` a column's values are followed, and not what decides about rows.
        """
        if direction not in walk.DIRECTIONS:
            raise SlipwayError(
                f"{direction!r} is no direction.", where="direction", nearest=nearest_name(direction, walk.DIRECTIONS)
            )
        limit = max(1, min(limit, MOST_NODES))
        if root is None:
            key = (view.at, limit, domain, column_edges)
            if key not in self._whole:
                nodes, truncated = self._all(view, domain, limit)
                columns = None if column_edges else []
                self._whole[key] = self._drawn(view, None, nodes, columns, truncated=truncated)
            return self._whole[key]
        if column is None:
            reached = walk.around(view, root, direction, depth, limit)
            columns = None if column_edges else []
            return self._drawn(view, root, list(reached.distance), columns, truncated=reached.truncated)
        column = self.find_column(view, root, column)
        reached = walk.along_columns(view, (root, column), direction, depth, limit, indirect=indirect)
        return self._drawn(view, root, list(reached.distance), reached.column_edges, truncated=reached.truncated)

    def column(self, view: View, node: int, column: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # see part
        """What a column is made from, or what is made from it."""
        part = self.part(view, node, column=column, limit=MOST_NODES, **more)
        kept = ("root", "nodes", "column_edges", "truncated")
        return {"column": column, **{name: part[name] for name in kept}}

    def impact(self, view: View, node: int, column: str | None, limit: int = MOST_NODES) -> dict[str, Any]:
        """Everything downstream of a node or a column, nearest first, and whom to ask."""
        place = (node, self.find_column(view, node, column) if column else WHOLE)
        reached = walk.along_columns(view, place, walk.DOWN, None, limit)
        affected, owners = [], Counter()
        for one, distance in sorted(reached.distance.items(), key=lambda it: (it[1], view.naming(it[0]).name)):
            if one == node:
                continue
            card = view.card(one)
            owners[card.owner or "nobody"] += 1
            affected.append(
                {
                    **named(card),
                    "owner": card.owner,
                    "distance": distance,
                    "columns": sorted(reached.columns.get(one, set()) - {WHOLE}),
                    "via": [view.naming(step).name for step in reached.way_to(one)],
                }
            )
        return {
            "of": named(view.card(node)),
            "column": column,
            "affected": affected,
            "owners": dict(owners.most_common()),
            "truncated": reached.truncated,
        }

    def _columns(self, view: View, node: int) -> set[str]:
        """The columns that its schema has, and those that lineage names."""
        known = {one["name"] for one in view.card(node).columns}
        known |= {edge.column for edge in view.column_edges(node)}
        for target in view.targets(node):
            known |= {edge.source_column for edge in view.column_edges_from(node, target)}
        return known - {WHOLE}

    def _all(self, view: View, domain: str | None, limit: int) -> tuple[list[int], bool]:
        nodes = [node for node in view.nodes() if domain is None or view.naming(node).domain == domain]
        if len(nodes) <= limit:
            return nodes, False
        # What hangs together with most is what a picture of everything is looked at for.
        nodes.sort(key=lambda node: (-self._neighbours(node), view.naming(node).name))
        return nodes[:limit], True

    def _neighbours(self, node: int) -> int:
        """About how many the node ever had; to count those of a time for all nodes would take too long."""
        index = self.index
        return sum(len(index.made.get(one, ())) + len(index.used.get(one, ())) for one in index.members[node])

    def _drawn(
        self, view: View, root: int | None, nodes: list[int], columns: list[ColumnEdge] | None, *, truncated: bool
    ) -> dict[str, Any]:
        nodes = sorted(nodes, key=lambda node: (view.naming(node).domain, view.naming(node).name, node))
        edges = list(walk.edges_between(view, nodes))
        places = placed(nodes, [(source, target) for source, target, _ in edges])
        updated = view.updated(nodes)
        ids = {node: view.naming(node).id for node in nodes}
        listed, number = _told_of(view, nodes, columns, everything=root is None)
        return {
            "root": ids[root] if root is not None else None,
            "nodes": [
                {**_shown(view.card(node)), "updated": moment(updated.get(node)), **as_mapping(places, node)}
                for node in nodes
            ],
            "edges": [
                {
                    "id": f"{ids[source]}-{ids[target]}",
                    "source": ids[source],
                    "target": ids[target],
                    "job": ", ".join(sorted(self.job_name(job) for job in jobs)),
                    "kind": "table",
                }
                for source, target, jobs in edges
            ],
            "column_edges": [_column_edge(ids, edge) for edge in listed if edge.source in ids and edge.target in ids],
            "column_edge_count": number,
            "truncated": truncated,
            "more": {ids[node]: {"up": up, "down": down} for node, (up, down) in walk.hidden(view, nodes).items()},
        }

    def job_name(self, job: int) -> str:
        """The job's name; events about datasets alone name none."""
        return self.index.jobs.get(job, ("", ""))[1]


def _told_of(
    view: View, nodes: list[int], columns: list[ColumnEdge] | None, *, everything: bool
) -> tuple[list[ColumnEdge], int]:
    """The edges between columns that an answer tells, and how many there are."""
    if columns is None and everything:
        number = sum(len(view.told_edges(node)) for node in nodes)
        if number > MOST_COLUMN_EDGES:
            return [], number  # of a crowd of edges some would tell nothing
    found = list(walk.column_edges_between(view, nodes)) if columns is None else columns
    return found[:MOST_COLUMN_EDGES], len(found)


def named(card: Card) -> dict[str, str]:
    """A node in a list."""
    return {"id": card.id, "name": card.name, "kind": card.kind}


def _shown(card: Card) -> dict[str, Any]:
    return {
        **named(card),
        "namespace": card.namespace,
        "physical": card.physical,
        "domain": card.domain,
        "owner": card.owner,
        "description": card.description,
        "health": card.health,
        "fresh": card.fresh,
        "breaker": card.breaker,
        "columns": [{"name": one["name"], "type": one["type"]} for one in card.columns[:MOST_COLUMNS]],
        "column_count": len(card.columns),
    }


def _column_edge(ids: dict[int, str], edge: ColumnEdge) -> dict[str, Any]:
    return {
        "source": {"node": ids[edge.source], "column": edge.source_column},
        "target": {"node": ids[edge.target], "column": edge.column},
        "type": edge.type,
        "subtype": edge.subtype,
        "masking": edge.masking,
    }

"""The lineage graph of a store: views of it at a time, and finding nodes and columns by name.

What belongs here: views, names. Not: searching (search.py), parts of the graph (subgraph.py), a node's details
(details.py), runs (runs.py). The answers that functions in this package return have the form of the server's API
(docs/lineage.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cachetools import LRUCache

from lakehouse.errors import UnknownNameError, nearest_name, unknown_name
from lakehouse.lineage.graph.index import Index
from lakehouse.lineage.graph.naming import OURS, dataset_of
from lakehouse.lineage.graph.view import View
from lakehouse.lineage.graph.walk import Place
from lakehouse.lineage.store.column_links import WHOLE
from lakehouse.lineage.store.store import Store

_VIEWS = 8


class Graph:
    """The graph of a store. Any number of threads may query it; each query sees what other processes wrote."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.index = Index(store)
        self.answers: LRUCache[tuple[Any, ...], dict[str, Any]] = LRUCache(_VIEWS)
        """Large answers, kept until the graph changes."""
        self._now = View(self.index)
        self._then: LRUCache[int, View] = LRUCache(_VIEWS)

    @contextmanager
    def view(self, at: int | None = None) -> Iterator[View]:
        """The graph as of a time (microseconds since 1970; None: now), which does not change inside the block."""
        with self.index.lock:
            changed = self.index.refresh()
            if changed is None:
                self._now = View(self.index)
            elif changed:
                self._now.forget(changed)
            if changed is None or changed:
                self._then.clear()
                self.answers.clear()
            if at is None:
                yield self._now
                return
            if at not in self._then:
                self._then[at] = View(self.index, at, self._now)
            yield self._then[at]

    def find(self, view: View, *, id: str | None = None, name: str | None = None) -> int:  # noqa: A002  # the API's word
        """Find a node by id or by name. Raises UnknownNameError with the nearest name."""
        index = self.index
        if id is not None:
            dataset = dataset_of(id)
            if dataset in index.group and view.exists(index.group[dataset]):
                return index.group[dataset]
            raise UnknownNameError(f"There is no node {id!r}.", where="id", fix="Look it up by name.")
        found = [one for one in index.by_name.get(name or "", ()) if view.exists(index.group[one])]
        if found:
            # Among nodes that share a name: first those whose main name it is, then those in Slipway's namespace.
            best = max(
                found, key=lambda one: (view.naming(index.group[one]).name == name, index.names[one][0] == OURS, -one)
            )
            return index.group[best]
        names = [view.naming(node).name for node in view.nodes()]
        raise unknown_name("node", name or "", names, where="the lineage graph")

    def find_column(self, view: View, node: int, column: str) -> str:
        """Find a column by name. Raises UnknownNameError with the nearest name."""
        known = self._columns(view, node)
        if column in known:
            return column
        raise unknown_name("column", column, known, where=view.naming(node).name)

    def find_place(self, view: View, text: str) -> Place:
        """Find a node by NAME, or a node and a column by NAME.COLUMN."""
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
                    fix=error.fix if not known else f"Its columns: {', '.join(sorted(known)[:12])}.",
                ) from None
            return node, column

    def job_name(self, job: int) -> str:
        """The job's name; empty for dataset events, which have no job."""
        return self.index.jobs.get(job, ("", ""))[1]

    def _columns(self, view: View, node: int) -> set[str]:
        """The columns in the node's schema, and those that occur in column lineage."""
        known = {one["name"] for one in view.card(node).columns}
        known |= {edge.column for edge in view.column_edges(node)}
        for target in view.targets(node):
            known |= {edge.source_column for edge in view.column_edges_from(node, target)}
        return known - {WHOLE}

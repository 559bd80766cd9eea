"""Runs: one of them with all that is known, lists of them, and the difference of two.

What belongs here: questions about runs, asked of the store. Not: the graph between nodes (graph.py).
"""

from json import loads
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Row, select

from lakehouse.errors import UnknownNameError, nearest_name
from lakehouse.lineage.graph.graph import Graph, named
from lakehouse.lineage.graph.view import View, moment
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import READ, WRITTEN

_SHOWN_ELSEWHERE = {"parent", "errorMessage", "slipway_code", "slipway_dagster"}
_MOST = 500


def entry(graph: Graph, row: Row[Any]) -> dict[str, Any]:
    """A run in a list."""
    began = row.began if row.began is not None else row.first
    return {
        "id": row.id,
        "job": graph.job_name(row.job),
        "state": row.state,
        "started": moment(began),
        "ended": moment(row.ended),
        "seconds": None if row.ended is None else max(0.0, (row.ended - began) / 1e6),
    }


def runs(
    graph: Graph,
    *,
    job: str | None = None,
    node: int | None = None,
    state: str | None = None,
    whole: bool = False,
    limit: int = 50,
    at: int | None = None,
) -> list[dict[str, Any]]:
    """Runs, newest first: all, or those of a job, or those that wrote a node; at a time those that had begun.

    `state`: only those. `whole`: only runs that are no step of another.
    """
    table, both = tables.runs, tables.run_datasets
    statement = select(table).order_by(table.c.first.desc(), table.c.id).limit(max(1, min(limit, _MOST)))
    if job is not None:
        statement = statement.where(
            table.c.job.in_([key for key, (_, name) in graph.index.jobs.items() if name == job])
        )
    if at is not None:
        statement = statement.where(table.c.first <= at)
    if state is not None:
        statement = statement.where(table.c.state == state.upper())
    if whole:
        statement = statement.where(table.c.parent.is_(None))
    if node is not None:
        wrote = select(both.c.run).where(both.c.dataset.in_(graph.index.members[node]), both.c.role == WRITTEN)
        statement = statement.where(table.c.id.in_(wrote))
    with graph.store.engine.connect() as connection:
        return [entry(graph, row) for row in connection.execute(statement)]


def find_run(connection: Connection, run: str) -> Row[Any]:
    """The run with the id, or with the beginning of one. Raises UnknownNameError with the nearest there is."""
    wanted = run.lower()
    table = tables.runs
    found = None
    if wanted.replace("-", "").isalnum():  # nothing else is asked for: PostgreSQL does not even take a NUL
        begin = select(table).where(table.c.id.startswith(wanted, autoescape=True)).limit(2)
        found = connection.execute(select(table).where(table.c.id == wanted)).first()
        if found is None and len(rows := connection.execute(begin).all()) == 1:
            found = rows[0]
    if found is not None:
        return found
    newest = [row.id for row in connection.execute(select(table.c.id).order_by(table.c.first.desc()).limit(_MOST))]
    raise UnknownNameError(
        f"There is no run {run[:80]!r}.",
        where="the lineage store",
        nearest=nearest_name(run[:80], newest) or (newest[0] if newest else None),
        fix="Give a run's id, or enough of its beginning; `nearest` is the one that looks like it, or the newest.",
    )


def run_details(graph: Graph, view: View, run: str, pages: "Pages") -> dict[str, Any]:
    """Everything that is known of a run."""
    table = tables.runs
    with graph.store.engine.connect() as connection:
        row = find_run(connection, run)
        facets = run_facets(connection, row.id)
        children = connection.execute(select(table).where(table.c.parent == row.id).order_by(table.c.first)).all()
        above = {
            one: connection.execute(select(table).where(table.c.id == one)).first()
            for one in {row.parent, row.root}
            if one
        }
        sides = {role: _datasets(graph, view, connection, row.id, role) for role in (READ, WRITTEN)}
    error = facets.get("errorMessage") or {}
    namespace = graph.index.jobs.get(row.job, ("", ""))[0]
    return {
        **entry(graph, row),
        "namespace": namespace,
        "parent": _above(graph, row.parent, above.get(row.parent), row.parent_job),
        "root": _above(graph, row.root, above.get(row.root), None),
        "children": [entry(graph, one) for one in children[:_MOST]],
        "inputs": sides[READ],
        "outputs": sides[WRITTEN],
        "error": error.get("message"),
        "stack": error.get("stackTrace"),
        "code": facets.get("slipway_code"),
        "facets": {name: facet for name, facet in facets.items() if name not in _SHOWN_ELSEWHERE},
        "links": pages.of_run(row.id, facets),
    }


def run_facets(connection: Connection, run: str) -> dict[str, dict[str, Any]]:
    """The newest word of each facet of the run."""
    facets, contents = tables.run_facets, tables.contents
    rows = connection.execute(
        select(facets.c.name, contents.c.body)
        .join(contents, contents.c.id == facets.c.content)
        .where(facets.c.run == run)
        .order_by(facets.c.at, facets.c.content)
    )
    found = {name: loads(body) for name, body in rows}
    return {name: facet for name, facet in found.items() if not facet.get("_deleted")}


def _datasets(graph: Graph, view: View, connection: Connection, run: str, role: str) -> list[dict[str, Any]]:
    both = tables.run_datasets
    rows = connection.execute(select(both).where(both.c.run == run, both.c.role == role))
    found = [
        {
            **named(view.card(graph.index.group[row.dataset])),
            "version": row.version,
            "rows": row.rows,
            "bytes": row.bytes,
        }
        for row in rows
        if row.dataset in graph.index.group
    ]
    return sorted(found, key=lambda one: one["name"])


def _above(graph: Graph, run: str | None, row: Row[Any] | None, job: int | None) -> dict[str, Any] | None:
    """A parent: as its own events tell, or as far as its children say."""
    if run is None:
        return None
    if row is not None:
        return entry(graph, row)
    nothing = {"started": None, "ended": None, "seconds": None}
    return {"id": run, "job": graph.job_name(job or 0), "state": "OTHER", **nothing}


class Pages:
    """Where Dagster's and MLflow's pages are, to link to."""

    def __init__(self, dagster: str, mlflow: str) -> None:
        self.dagster = dagster
        self.mlflow = mlflow

    def of_run(self, run: str, facets: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
        """Links to a run's pages."""
        links = []
        told = facets.get("slipway_dagster")
        if told and isinstance(told.get("runId"), str):
            links.append({"text": "Dagster: run", "url": f"{self.dagster}/runs/{_in_path(told['runId'])}"})
        elsewhere = facets.get("externalQuery")
        if elsewhere and str(elsewhere.get("source", "")).lower() == "mlflow":
            links.append({"text": "MLflow: run", "url": f"{self.mlflow}/#/runs/{_in_path(run.replace('-', ''))}"})
        return links

    def of_node(self, name: str, namespace: str, kind: str, versions: list[dict[str, Any]]) -> list[dict[str, str]]:
        """Links to a node's pages: what has a domain is an asset, and a model is in the registry."""
        links = []
        if namespace in {"slipway", "mlflow"} and kind != "FILE":
            links.append({"text": "Dagster: asset", "url": f"{self.dagster}/assets/{_in_path(name.replace('.', '/'))}"})
        if kind == "MODEL":
            page = f"{self.mlflow}/#/models/{_in_path(name)}"
            links.append({"text": "MLflow: model", "url": page})
            if versions:
                newest = versions[0]["snapshot"]
                links.append({"text": f"MLflow: version {newest}", "url": f"{page}/versions/{_in_path(newest)}"})
        return links


def _in_path(text: str) -> str:
    return quote(text, safe="/")

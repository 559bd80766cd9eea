"""Runs: lists of them, and the details of one.

What belongs here: queries of the store about runs. Not: the differences between two (comparison.py), links (links.py).
"""

from json import loads
from typing import Any

from sqlalchemy import Connection, Row, select

from lakehouse.errors import UnknownNameError, nearest_name
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.links import Pages
from lakehouse.lineage.graph.view import View, iso_time
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import READ, WRITTEN

_SHOWN_ELSEWHERE = {"parent", "errorMessage", "slipway_code", "slipway_dagster"}
_MOST = 500


def entry(graph: Graph, row: Row[Any]) -> dict[str, Any]:
    """Return a run as an entry of a list."""
    began = row.began if row.began is not None else row.first
    return {
        "id": row.id,
        "job": graph.job_name(row.job),
        "state": row.state,
        "started": iso_time(began),
        "ended": iso_time(row.ended),
        "seconds": None if row.ended is None else max(0.0, (row.ended - began) / 1e6),
    }


def runs(
    graph: Graph,
    *,
    job: str | None = None,
    node: int | None = None,
    state: str | None = None,
    top_level: bool = False,
    limit: int = 50,
    at: int | None = None,
) -> list[dict[str, Any]]:
    """Return runs, newest first: all, those of a job, or those that wrote a node; with `at`, those started by then.

    `state`: only runs in this state. `top_level`: only runs without a parent run.
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
    if top_level:
        statement = statement.where(table.c.parent.is_(None))
    if node is not None:
        wrote = select(both.c.run).where(both.c.dataset.in_(graph.index.members[node]), both.c.role == WRITTEN)
        statement = statement.where(table.c.id.in_(wrote))
    with graph.store.engine.connect() as connection:
        return [entry(graph, row) for row in connection.execute(statement)]


def find_run(connection: Connection, run: str) -> Row[Any]:
    """Find a run by id or by a unique prefix of it. Raises UnknownNameError with the nearest id."""
    wanted = run.lower()
    table = tables.runs
    found = None
    if wanted.replace("-", "").isalnum():  # PostgreSQL rejects a NUL in a parameter
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
        fix="Specify a run id or a unique prefix of it; `nearest` is the most similar id, or the newest run.",
    )


def run_details(graph: Graph, view: View, run: str, pages: Pages) -> dict[str, Any]:
    """Return the details of a run."""
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
        "parent": _ancestor(graph, row.parent, above.get(row.parent), row.parent_job),
        "root": _ancestor(graph, row.root, above.get(row.root), None),
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
    """Return the newest content of each facet of the run."""
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
            **view.card(graph.index.group[row.dataset]).reference(),
            "version": row.version,
            "rows": row.rows,
            "bytes": row.bytes,
        }
        for row in rows
        if row.dataset in graph.index.group
    ]
    return sorted(found, key=lambda one: one["name"])


def _ancestor(graph: Graph, run: str | None, row: Row[Any] | None, job: int | None) -> dict[str, Any] | None:
    """A parent or root run: from its own events, or else from what its children report."""
    if run is None:
        return None
    if row is not None:
        return entry(graph, row)
    nothing = {"started": None, "ended": None, "seconds": None}
    return {"id": run, "job": graph.job_name(job or 0), "state": "OTHER", **nothing}

"""The details of one node: facets, versions, checks, runs, neighbours.

What belongs here: reading them from view and store. Not: the summary of a node (cards.py).
"""

from typing import Any

from sqlalchemy import ColumnElement, func, select

from lakehouse.lineage.graph.cards import checks
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.links import Pages
from lakehouse.lineage.graph.runs import runs
from lakehouse.lineage.graph.view import View, iso_time
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import WRITTEN

_SHOWN_ELSEWHERE = {
    "schema",
    "ownership",
    "documentation",
    "tags",
    "datasetType",
    "storage",
    "columnLineage",
    "lineage",
    "dataQualityAssertions",
    "slipway_breaker",
    "slipway_contract",
    "slipway_stale",
}
_MOST_VERSIONS = 200
_MOST_RUNS = 20


def node_details(graph: Graph, view: View, node: int, pages: Pages) -> dict[str, Any]:
    """Return the details of a node, in the form of the API."""
    card = view.card(node)
    index = graph.index
    versions, number = _versions(graph, view, node)
    tags = (view.facet(node, "tags") or {}).get("tags") or ()
    updated = view.updated([node]).get(node)
    facets = {name: view.facet(node, name) for name in sorted(view.facet_names(node) - _SHOWN_ELSEWHERE)}
    chosen = (card.namespace, card.name)
    return {
        **card.reference(),
        "namespace": card.namespace,
        "physical": card.physical,
        "symlinks": [
            {"namespace": namespace, "name": name, "type": None}
            for namespace, name in sorted(index.names[one] for one in index.members[node])
            if (namespace, name) != chosen
        ],
        "domain": card.domain,
        "owners": [
            {"name": one["name"], "type": one.get("type")}
            for one in (view.facet(node, "ownership") or {}).get("owners") or ()
        ],
        "description": card.description,
        "tags": [{"key": one["key"], "value": one["value"], "column": one.get("field")} for one in tags],
        "columns": list(card.columns),
        "versions": versions,
        "version_count": number,
        "updated": iso_time(updated),
        "health": card.health,
        "up_to_date": card.up_to_date,
        "stale_reason": card.stale_reason,
        "checks": _checks(graph, view, node),
        "circuit_breaker": _breaker(view.facet(node, "slipway_breaker")),
        "contract": view.facet(node, "slipway_contract"),
        "storage": view.facet(node, "storage"),
        "facets": {name: facet for name, facet in facets.items() if facet is not None},
        "runs": runs(graph, node=node, limit=_MOST_RUNS, at=view.at),
        "upstream": _neighbours(view, view.sources(node)),
        "downstream": _neighbours(view, view.targets(node)),
        "links": pages.of_node(card.name, card.namespace, card.kind, versions),
    }


def _breaker(facet: dict[str, Any] | None) -> dict[str, str | None] | None:
    if facet is None:
        return None
    return {"state": _text(facet.get("state")), "since": _text(facet.get("since")), "reason": _text(facet.get("why"))}


def _neighbours(view: View, nodes: dict[int, set[int]]) -> list[dict[str, str]]:
    return sorted((view.card(one).reference() for one in nodes), key=lambda one: one["name"])


def _versions(graph: Graph, view: View, node: int) -> tuple[list[dict[str, Any]], int]:
    """The newest versions, newest first, and the number of all. `columns` counts those of the schema at that time."""
    versions, both = tables.versions, tables.run_datasets
    members = graph.index.members[node]
    where: list[ColumnElement[bool]] = [versions.c.dataset.in_(members)]
    if view.at is not None:
        where.append(versions.c.at <= view.at)
    counted = (both.c.run == versions.c.run) & (both.c.dataset == versions.c.dataset) & (both.c.role == WRITTEN)
    statement = (
        select(versions.c.dataset, versions.c.version, versions.c.at, versions.c.run, both.c.rows)
        .outerjoin(both, counted)
        .where(*where)
        .order_by(versions.c.at.desc(), versions.c.version.desc())
        .limit(_MOST_VERSIONS)
    )
    with graph.store.engine.connect() as connection:
        rows = connection.execute(statement).all()
        number = connection.execute(select(func.count()).select_from(versions).where(*where)).scalar_one()
    found = []
    for dataset, version, at, run, rows_written in rows:
        timeline = graph.index.timelines.get(dataset, {}).get(("schema", 0, WRITTEN))
        content = timeline.in_force(at) if timeline else None
        columns = None if content is None else len(graph.index.content(content).get("fields") or ())
        found.append(
            {"snapshot": version, "at": iso_time(at), "run": run or None, "rows": rows_written, "columns": columns}
        )
    return found, number


def _checks(graph: Graph, view: View, node: int) -> list[dict[str, Any]]:
    return [
        {
            "name": str(one.get("name") or one["assertion"]),
            "passed": one["success"],
            "severity": one.get("severity"),
            "column": one.get("column"),
            "expected": _text(one.get("expected")),
            "actual": _text(one.get("actual")),
            "at": iso_time(_last_reported(graph, view, one)),
            "job": graph.job_name(one["job"]) or None,
        }
        for one in checks(view, node)
    ]


def _last_reported(graph: Graph, view: View, check: dict[str, Any]) -> int:
    """The time of the last event with the same result; timelines in memory hold changes only."""
    facets = tables.facets
    statement = select(func.max(facets.c.at)).where(
        facets.c.owner == check["dataset"],
        facets.c.name == "dataQualityAssertions",
        facets.c.scope == check["job"],
        facets.c.role == WRITTEN,
        facets.c.content == check["content"],
    )
    if view.at is not None:
        statement = statement.where(facets.c.at <= view.at)
    with graph.store.engine.connect() as connection:
        return connection.execute(statement).scalar() or check["since"]


def _text(value: object) -> str | None:
    return None if value is None else str(value)

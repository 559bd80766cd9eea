"""The differences between two runs: versions read, code, contracts, schemas, parameters, versions written.

What belongs here: comparing. Not: showing the result.
"""

import json
from typing import Any

from sqlalchemy import Connection, Row, select

from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.runs import entry, find_run, run_facets
from lakehouse.lineage.graph.view import View
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import READ, WRITTEN

_PARAMETERS = {"executionParameters", "nominalTime", "processing_engine"}


def compare_runs(graph: Graph, view: View, a: str, b: str) -> dict[str, Any]:
    """Return what two runs read, wrote and used, side by side; `changed` is true where they differ."""
    with graph.store.engine.connect() as connection:
        rows = [find_run(connection, one) for one in (a, b)]
        facets = [run_facets(connection, row.id) for row in rows]
        read = [_versions(graph, view, connection, row, READ) for row in rows]
        wrote = [_versions(graph, view, connection, row, WRITTEN) for row in rows]
        nodes = [_nodes(graph, view, connection, row) for row in rows]
    code = [(one.get("slipway_code") or {}) for one in facets]
    contracts = [_facet_values(graph, of, row, "slipway_contract") for of, row in zip(nodes, rows, strict=True)]
    schemas = [_facet_values(graph, of, row, "schema") for of, row in zip(nodes, rows, strict=True)]
    return {
        "a": entry(graph, rows[0]),
        "b": entry(graph, rows[1]),
        "inputs": _side_by_side(*read),
        "outputs": _side_by_side(*wrote),
        "code": _compared("code", *(_text(one.get("version")) for one in code)),
        "definition": _compared("definition", *(_text(one.get("definition")) for one in code)),
        "contracts": _side_by_side(*contracts),
        "schemas": _side_by_side(*schemas),
        "parameters": _side_by_side(*(_parameters(one) for one in facets)),
    }


def _versions(graph: Graph, view: View, connection: Connection, row: Row[Any], role: str) -> dict[str, str | None]:
    both = tables.run_datasets
    found = connection.execute(select(both.c.dataset, both.c.version).where(both.c.run == row.id, both.c.role == role))
    known = graph.index.group  # a dataset of a run that was received just now may not be loaded yet
    return {view.naming(known[dataset]).name: version for dataset, version in found if dataset in known}


def _nodes(graph: Graph, view: View, connection: Connection, row: Row[Any]) -> dict[str, int]:
    both = tables.run_datasets
    found = connection.scalars(select(both.c.dataset).where(both.c.run == row.id).distinct())
    nodes = {graph.index.group[one] for one in found if one in graph.index.group}
    return {view.naming(node).name: node for node in nodes}


def _facet_values(graph: Graph, nodes: dict[str, int], row: Row[Any], name: str) -> dict[str, str | None]:
    """The facet of each node when the run ended, as a text."""
    then = View(graph.index, row.last)
    found = {}
    for name_of_node, node in nodes.items():
        facet = then.facet(node, name)
        if facet is None:
            continue
        if name == "schema":
            columns = facet.get("fields") or ()
            found[name_of_node] = ", ".join(" ".join(filter(None, (one["name"], one.get("type")))) for one in columns)
        else:
            found[name_of_node] = _text(facet.get("version") or facet.get("fingerprint"))
    return found


def _parameters(facets: dict[str, dict[str, Any]]) -> dict[str, str | None]:
    found = {}
    for name in _PARAMETERS & facets.keys():
        facet = facets[name]
        if name == "executionParameters":
            for one in facet.get("parameters") or ():
                if isinstance(one, dict):
                    found[str(one.get("name") or one.get("key"))] = _text(one.get("value"))
        else:
            found |= {f"{name}.{key}": _text(value) for key, value in facet.items()}
    return found


def _side_by_side(a: dict[str, str | None], b: dict[str, str | None]) -> list[dict[str, Any]]:
    """Differences first, then the rest, by name."""
    found = [
        {**_compared(name, a.get(name), b.get(name)), "changed": name not in a or name not in b or a[name] != b[name]}
        for name in sorted({*a, *b})
    ]
    return sorted(found, key=lambda one: not one["changed"])


def _compared(name: str, a: str | None, b: str | None) -> dict[str, Any]:
    return {"name": name, "a": a, "b": b, "changed": a != b}


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True)

"""Full-text search of nodes, and the overview of the graph.

What belongs here: search, overview. Not: parts of the graph (subgraph.py).
"""

from collections import Counter
from typing import Any

from sqlalchemy import func, select

from lakehouse.lineage.graph.cards import Card
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.view import View, iso_time
from lakehouse.lineage.store import schema as tables

_LISTED = 50


def search(
    graph: Graph, view: View, words: str, *, kind: str | None = None, domain: str | None = None, limit: int = 20
) -> dict[str, Any]:
    """Return the nodes that have all words in their name, columns, description, owner or location; best match first."""
    wanted = words.lower().split()
    hits: list[tuple[int, str, Card, list[str]]] = []
    for node in view.nodes():
        card = view.card(node)
        if (kind and card.kind.lower() != kind.lower()) or (domain and card.domain != domain):
            continue
        found = _match(card, wanted)
        if found:
            hits.append((found[0], card.name, card, found[1]))
    hits.sort(key=lambda hit: hit[:2])
    results = [
        {
            **card.reference(),
            "domain": card.domain,
            "owner": card.owner,
            "description": card.description,
            "columns_matched": columns,
            **card.state(),
        }
        for _, _, card, columns in hits[: max(0, limit)]
    ]
    jobs = [] if kind and kind.lower() != "job" else _matching_jobs(graph, wanted, domain, {hit[1] for hit in hits})
    return {"results": results, "total": len(hits), "jobs": jobs[: max(0, limit)]}


def overview(graph: Graph, view: View) -> dict[str, Any]:
    """Return counts, and the nodes that need attention."""
    cards = [view.card(node) for node in view.nodes()]
    with graph.store.engine.connect() as connection:
        runs, events = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.runs, tables.events)
        )
        oldest, newest = connection.execute(select(func.min(tables.runs.c.first), func.max(tables.runs.c.last))).one()
    domains = Counter(card.domain for card in cards)
    bad = [card for card in cards if card.health in {"warn", "fail"} or _is_blocking(card.circuit_breaker)]
    bad.sort(key=lambda card: (card.health != "fail", card.name))
    stale = sorted((card for card in cards if card.up_to_date is False), key=lambda card: card.name)
    return {
        "datasets": len(cards),
        "jobs": len(graph.index.jobs),
        "runs": runs,
        "events": events,
        "kinds": dict(sorted(Counter(card.kind for card in cards).items())),
        "domains": [{"name": name, "nodes": number} for name, number in sorted(domains.items())],
        "oldest": iso_time(oldest),
        "newest": iso_time(newest),
        "unhealthy": [_state(card) for card in bad[:_LISTED]],
        "stale": [_state(card) for card in stale[:_LISTED]],
    }


def _matching_jobs(graph: Graph, wanted: list[str], domain: str | None, known: set[str]) -> list[str]:
    """The jobs that have all words in their name, without those that have the name of a node that was found."""
    names = {name for _, name in graph.index.jobs.values()} - known
    return sorted(
        name
        for name in names
        if all(word in name.lower() for word in wanted) and (not domain or name.partition(".")[0] == domain)
    )


def _is_blocking(circuit_breaker: str | None) -> bool:
    return circuit_breaker is not None and circuit_breaker.lower() not in {"closed", ""}


def _state(card: Card) -> dict[str, Any]:
    return {
        **card.reference(),
        **card.state(),
        "stale_reason": card.stale_reason,
    }


def _match(card: Card, wanted: list[str]) -> tuple[int, list[str]] | None:
    """The rank of the match (lower is better) and the matching columns; None when a word does not occur."""
    if not all(word in card.text for word in wanted):
        return None
    name = card.name.lower()
    columns = [one["name"] for one in card.columns if any(word in one["name"].lower() for word in wanted)]
    if name == " ".join(wanted):
        return 0, columns
    if all(word in name for word in wanted):
        return (1 if name.startswith(wanted[0]) or f".{wanted[0]}" in name else 2) if wanted else 3, columns
    return 3 if columns else 4, columns

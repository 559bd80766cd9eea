"""Finding nodes by words, and all of the graph in numbers.

What belongs here: searching, the overview. Not: parts of the graph (graph.py).
"""

from collections import Counter
from typing import Any

from sqlalchemy import func, select

from lakehouse.lineage.graph.cards import Card
from lakehouse.lineage.graph.graph import Graph, named
from lakehouse.lineage.graph.view import View, moment
from lakehouse.lineage.store import schema as tables

_LISTED = 50


def search(
    graph: Graph, view: View, words: str, *, kind: str | None = None, domain: str | None = None, limit: int = 20
) -> dict[str, Any]:
    """Nodes with all of the words in their name, columns, description, owner or place; best first."""
    wanted = words.lower().split()
    hits: list[tuple[int, str, Card, list[str]]] = []
    for node in view.nodes():
        card = view.card(node)
        if (kind and card.kind.lower() != kind.lower()) or (domain and card.domain != domain):
            continue
        found = _hit(card, wanted)
        if found:
            hits.append((found[0], card.name, card, found[1]))
    hits.sort(key=lambda hit: hit[:2])
    results = [
        {
            **named(card),
            "domain": card.domain,
            "owner": card.owner,
            "description": card.description,
            "columns_matched": columns,
            "health": card.health,
            "fresh": card.fresh,
        }
        for _, _, card, columns in hits[: max(0, limit)]
    ]
    jobs = [] if kind and kind.lower() != "job" else _jobs_called(graph, wanted, domain, {hit[1] for hit in hits})
    return {"results": results, "total": len(hits), "jobs": jobs[: max(0, limit)]}


def overview(graph: Graph, view: View) -> dict[str, Any]:
    """All of it in numbers, and what needs somebody's eye."""
    cards = [view.card(node) for node in view.nodes()]
    with graph.store.engine.connect() as connection:
        runs, events = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.runs, tables.events)
        )
        oldest, newest = connection.execute(select(func.min(tables.runs.c.first), func.max(tables.runs.c.last))).one()
    domains = Counter(card.domain for card in cards)
    bad = [card for card in cards if card.health in {"warn", "fail"} or _open(card.breaker)]
    bad.sort(key=lambda card: (card.health != "fail", card.name))
    stale = sorted((card for card in cards if card.fresh is False), key=lambda card: card.name)
    return {
        "datasets": len(cards),
        "jobs": len(graph.index.jobs),
        "runs": runs,
        "events": events,
        "kinds": dict(sorted(Counter(card.kind for card in cards).items())),
        "domains": [{"name": name, "nodes": number} for name, number in sorted(domains.items())],
        "oldest": moment(oldest),
        "newest": moment(newest),
        "unhealthy": [_state(card) for card in bad[:_LISTED]],
        "stale": [_state(card) for card in stale[:_LISTED]],
    }


def _jobs_called(graph: Graph, wanted: list[str], domain: str | None, known: set[str]) -> list[str]:
    """Jobs with all of the words in their name, apart from those that are called like a node which was found."""
    names = {name for _, name in graph.index.jobs.values()} - known
    return sorted(
        name
        for name in names
        if all(word in name.lower() for word in wanted) and (not domain or name.partition(".")[0] == domain)
    )


def _open(breaker: str | None) -> bool:
    return breaker is not None and breaker.lower() not in {"closed", ""}


def _state(card: Card) -> dict[str, Any]:
    return {
        **named(card),
        "health": card.health,
        "breaker": card.breaker,
        "fresh": card.fresh,
        "why": card.stale_because,
    }


def _hit(card: Card, wanted: list[str]) -> tuple[int, list[str]] | None:
    """How well the words fit (less is better), and the columns that have them; None when a word is nowhere."""
    if not all(word in card.words for word in wanted):
        return None
    name = card.name.lower()
    columns = [one["name"] for one in card.columns if any(word in one["name"].lower() for word in wanted)]
    if name == " ".join(wanted):
        return 0, columns
    if all(word in name for word in wanted):
        return (1 if name.startswith(wanted[0]) or f".{wanted[0]}" in name else 2) if wanted else 3, columns
    return 3 if columns else 4, columns

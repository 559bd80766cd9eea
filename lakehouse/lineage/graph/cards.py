"""What is shown of a node at a glance: its owner, its health, whether it is in line with what it is made from.

What belongs here: reading a node's facets. Not: which are in force (view.py), all that is known of it (details.py).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.lineage.store.derivation import ASSERTIONS, WRITTEN

if TYPE_CHECKING:
    from lakehouse.lineage.graph.view import View


@dataclass(frozen=True, slots=True)
class Card:
    """What is shown of a node at a glance."""

    id: str
    name: str
    namespace: str
    physical: str
    kind: str
    domain: str
    owner: str | None
    description: str | None
    health: str
    fresh: bool | None
    stale_because: str | None
    breaker: str | None
    columns: tuple[dict[str, Any], ...]
    words: str
    """All that is searched, in small letters."""


def card_of(view: "View", node: int) -> Card:
    """Find all of it out."""
    called = view.naming(node)
    owners = (view.facet(node, "ownership") or {}).get("owners") or ()
    schema = (view.facet(node, "schema") or {}).get("fields") or ()
    breaker = (view.facet(node, "slipway_breaker") or {}).get("state")
    fresh, why = staleness(view, node)
    description = (view.facet(node, "documentation") or {}).get("description") or None
    owner = owners[0]["name"] if owners else None
    kind = view.kind(node)
    names = [one["name"] for one in schema]
    searched = (called.name, called.physical, called.domain, kind, owner or "", description or "", *names)
    return Card(
        id=called.id,
        name=called.name,
        namespace=called.namespace,
        physical=called.physical,
        kind=kind,
        domain=called.domain,
        owner=owner,
        description=description,
        health=_health(checks(view, node)),
        fresh=fresh,
        stale_because=why,
        breaker=str(breaker) if breaker else None,
        columns=tuple(
            {"name": one["name"], "type": one.get("type"), "description": one.get("description")} for one in schema
        ),
        words="\n".join(searched).lower(),
    )


def checks(view: "View", node: int) -> list[dict[str, Any]]:
    """The newest result of each check, failures first."""
    newest: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for member, job, content in view.by_job(node, ASSERTIONS):
        told = view.index.content(content)
        timeline = view.index.timelines[member][ASSERTIONS, job, WRITTEN]
        since = max(at for at, one in timeline.until(view.at) if one == content)
        for one in () if told.get("_deleted") else told["assertions"]:
            key = (str(one.get("name") or one["assertion"]), str(one.get("column") or ""))
            if key not in newest or newest[key][0] <= since:
                newest[key] = (since, {**one, "job": job, "dataset": member, "content": content, "since": since})
    return [one for _, one in sorted(newest.values(), key=lambda it: (it[1]["success"], _check_name(it[1])))]


def staleness(view: "View", node: int) -> tuple[bool | None, str | None]:
    """Whether the node is in line with what it is made from, as far as is known, and why not."""
    told = view.facet(node, "slipway_stale")
    if told is not None:
        stale = bool(told.get("stale", True))
        return not stale, str(told.get("why") or "") or None
    if view.at is not None:
        return None, None
    index = view.index
    made = [index.written[one] for one in index.members[node] if one in index.written]
    if not made:
        return None, None
    newest = max(made, key=lambda one: (one.at, one.run))
    known = None
    for source, version in newest.read.items():
        there = [index.versions[one] for one in index.members[index.group[source]] if one in index.versions]
        if version is None or not there:
            continue
        known = True
        if max(there)[1] != version:
            return False, f"{view.naming(index.group[source]).name} has a newer version."
    return known, None


def _health(checks: list[dict[str, Any]]) -> str:
    if not checks:
        return "unknown"
    failed = [one for one in checks if not one["success"]]
    if not failed:
        return "ok"
    return "warn" if all(str(one.get("severity") or "").lower().startswith("warn") for one in failed) else "fail"


def _check_name(check: dict[str, Any]) -> str:
    return str(check.get("name") or check["assertion"])

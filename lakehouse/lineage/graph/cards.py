"""A node's summary: its owner, its health, whether it is up to date.

What belongs here: reading a node's facets. Not: which facets are in force (facets.py), a node's details (details.py).
"""

from dataclasses import dataclass
from typing import Any

from lakehouse.lineage.graph.facets import Facets
from lakehouse.lineage.store.derivation import ASSERTIONS, WRITTEN


@dataclass(frozen=True, slots=True)
class Card:
    """A node's summary. `up_to_date` is None when unknown; `stale_reason` is set when it is False."""

    id: str
    name: str
    namespace: str
    physical: str
    kind: str
    domain: str
    owner: str | None
    description: str | None
    health: str
    up_to_date: bool | None
    stale_reason: str | None
    circuit_breaker: str | None
    columns: tuple[dict[str, Any], ...]
    text: str
    """Everything that a search looks through, in lower case."""

    def reference(self) -> dict[str, str]:
        """Id, name and kind: the node in a list."""
        return {"id": self.id, "name": self.name, "kind": self.kind}

    def state(self) -> dict[str, Any]:
        """Health, staleness and circuit breaker."""
        return {"health": self.health, "up_to_date": self.up_to_date, "circuit_breaker": self.circuit_breaker}


def card_of(facets: Facets, node: int) -> Card:
    """The summary of a node."""
    naming = facets.naming(node)
    owners = (facets.facet(node, "ownership") or {}).get("owners") or ()
    schema = (facets.facet(node, "schema") or {}).get("fields") or ()
    breaker = (facets.facet(node, "slipway_breaker") or {}).get("state")
    up_to_date, reason = staleness(facets, node)
    description = (facets.facet(node, "documentation") or {}).get("description") or None
    owner = owners[0]["name"] if owners else None
    kind = facets.kind(node)
    names = [one["name"] for one in schema]
    searched = (naming.name, naming.physical, naming.domain, kind, owner or "", description or "", *names)
    return Card(
        id=naming.id,
        name=naming.name,
        namespace=naming.namespace,
        physical=naming.physical,
        kind=kind,
        domain=naming.domain,
        owner=owner,
        description=description,
        health=_health(checks(facets, node)),
        up_to_date=up_to_date,
        stale_reason=reason,
        circuit_breaker=str(breaker) if breaker else None,
        columns=tuple(
            {"name": one["name"], "type": one.get("type"), "description": one.get("description")} for one in schema
        ),
        text="\n".join(searched).lower(),
    )


def checks(facets: Facets, node: int) -> list[dict[str, Any]]:
    """The newest result of each check, failures first."""
    newest: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for member, job, content in facets.by_job(node, ASSERTIONS):
        facet = facets.index.content(content)
        timeline = facets.index.timelines[member][ASSERTIONS, job, WRITTEN]
        since = max(at for at, one in timeline.until(facets.at) if one == content)
        for one in () if facet.get("_deleted") else facet["assertions"]:
            key = (str(one.get("name") or one["assertion"]), str(one.get("column") or ""))
            if key not in newest or newest[key][0] <= since:
                newest[key] = (since, {**one, "job": job, "dataset": member, "content": content, "since": since})
    return [one for _, one in sorted(newest.values(), key=lambda it: (it[1]["success"], _check_name(it[1])))]


def staleness(facets: Facets, node: int) -> tuple[bool | None, str | None]:
    """Whether the node is up to date with its inputs (None: unknown), and why it is not."""
    facet = facets.facet(node, "slipway_stale")
    if facet is not None:
        stale = bool(facet.get("stale", True))
        return not stale, str(facet.get("why") or "") or None
    if facets.at is not None:
        return None, None
    index = facets.index
    writes = [index.written[one] for one in index.members[node] if one in index.written]
    if not writes:
        return None, None
    newest = max(writes, key=lambda one: (one.at, one.run))
    known = None
    for source, version in newest.read.items():
        versions = [index.versions[one] for one in index.members[index.group[source]] if one in index.versions]
        if version is None or not versions:
            continue
        known = True
        if max(versions)[1] != version:
            return False, f"{facets.naming(index.group[source]).name} has a newer version."
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

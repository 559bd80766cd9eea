"""The answers of the lineage server, as types: what the pages and other programs can rely on.

What belongs here: shapes. Not: those about runs (run_answers.py), finding what is in them (lakehouse/lineage/). Times
are ISO 8601 in UTC; versions are texts, since snapshot ids are larger than what JavaScript counts exactly.
"""

from typing import Literal

from pydantic import BaseModel

from serving.lineage.run_answers import Link, NodeName, RunEntry

Health = Literal["ok", "warn", "fail", "unknown"]


class Problem(BaseModel):
    """What is wrong, where, what comes nearest, what to do."""

    kind: str
    what: str
    where: str | None = None
    nearest: str | None = None
    fix: str | None = None


class Failure(BaseModel):
    """Any answer that is none."""

    error: Problem


class Received(BaseModel):
    """An event was taken in, durably; `new` is False when it was known."""

    received: int
    new: int


class ColumnName(BaseModel):
    """A column in the graph."""

    name: str
    type: str | None


class Column(ColumnName):
    """A column of a node."""

    description: str | None


class Node(NodeName):
    """A node in the graph. `layer`, `x`, `y`: where it is drawn, left to right in the direction of the data."""

    namespace: str
    physical: str
    domain: str
    owner: str | None
    description: str | None
    health: Health
    updated: str | None
    fresh: bool | None
    breaker: str | None
    columns: list[ColumnName]
    column_count: int
    layer: int
    x: float
    y: float


class Edge(BaseModel):
    """A job made `target` from `source`."""

    id: str
    source: str
    target: str
    job: str | None = None
    kind: Literal["table"] = "table"


class ColumnPlace(BaseModel):
    """A column of a node; an empty column is the whole node (rows chosen, grouped or joined by the source)."""

    node: str
    column: str


class ColumnEdge(BaseModel):
    """A column made from another. `type`: DIRECT or INDIRECT; `subtype`: IDENTITY, AGGREGATION, ..."""

    source: ColumnPlace
    target: ColumnPlace
    type: str | None = None
    subtype: str | None = None
    masking: bool = False


class More(BaseModel):
    """How many neighbours of a node are not shown, by side."""

    up: int = 0
    down: int = 0


class GraphAnswer(BaseModel):
    """A part of the graph, placed. `root` is None for the whole of it."""

    root: str | None
    nodes: list[Node]
    edges: list[Edge]
    column_edges: list[ColumnEdge]
    column_edge_count: int
    truncated: bool
    more: dict[str, More]


class ColumnAnswer(BaseModel):
    """What one column is made from, or what is made from it."""

    root: str
    column: str
    nodes: list[Node]
    column_edges: list[ColumnEdge]
    truncated: bool


class DomainCount(BaseModel):
    """A domain, and how many nodes it has."""

    name: str
    nodes: int


class NodeState(NodeName):
    """A node that needs somebody's eye."""

    health: Health
    breaker: str | None = None
    fresh: bool | None = None
    why: str | None = None


class Overview(BaseModel):
    """All of it in numbers, and what needs somebody's eye."""

    datasets: int
    jobs: int
    runs: int
    events: int
    kinds: dict[str, int]
    domains: list[DomainCount]
    oldest: str | None
    newest: str | None
    unhealthy: list[NodeState]
    stale: list[NodeState]


class Found(NodeName):
    """A node that a search found, and by which of its columns."""

    domain: str
    owner: str | None
    description: str | None
    columns_matched: list[str]
    health: Health
    fresh: bool | None


class SearchAnswer(BaseModel):
    """What a search found, best first, and how much there is in all."""

    results: list[Found]
    total: int
    jobs: list[str] = []
    """Names of jobs, apart from those called like a node."""


class Owner(BaseModel):
    """Who answers for a node."""

    name: str
    type: str | None = None


class VersionEntry(BaseModel):
    """A version of a node: a table's snapshot, a model's version."""

    snapshot: str
    at: str
    run: str | None
    rows: int | None
    columns: int | None


class Check(BaseModel):
    """The newest result of a check."""

    name: str
    passed: bool
    severity: str | None
    column: str | None
    expected: str | None
    actual: str | None
    at: str
    job: str | None


class Breaker(BaseModel):
    """A source's circuit breaker."""

    state: str
    since: str | None = None
    why: str | None = None


class Staleness(BaseModel):
    """Whether a node is in line with what it is made from."""

    fresh: bool | None
    why: str | None = None


class Tag(BaseModel):
    """A tag of a node or of one of its columns."""

    key: str
    value: str
    column: str | None = None


class Name(BaseModel):
    """A name in a namespace."""

    namespace: str
    name: str
    type: str | None = None


class NodeAnswer(NodeName):
    """Everything that is known of a node."""

    namespace: str
    physical: str
    symlinks: list[Name]
    domain: str
    owners: list[Owner]
    description: str | None
    tags: list[Tag]
    columns: list[Column]
    versions: list[VersionEntry]
    version_count: int
    updated: str | None
    fresh: bool | None
    staleness: Staleness
    health: Health
    checks: list[Check]
    breaker: Breaker | None
    contract: dict | None
    storage: dict | None
    facets: dict[str, dict]
    """Whatever else was said of it, by facet."""
    runs: list[RunEntry]
    upstream: list[NodeName]
    downstream: list[NodeName]
    links: list[Link]


class Affected(NodeName):
    """A node downstream. `distance`: jobs in between, at least 1. `via`: the names on a shortest way to it."""

    owner: str | None
    distance: int
    columns: list[str]
    via: list[str]


class ImpactAnswer(BaseModel):
    """What a change would reach."""

    of: NodeName
    column: str | None
    affected: list[Affected]
    owners: dict[str, int]
    truncated: bool

"""The models of the lineage server's answers: the contract with the pages and other clients.

What belongs here: models. Not: those of runs (run_answers.py), queries (lakehouse/lineage/). Times are ISO 8601 in UTC;
versions are strings, because snapshot ids exceed the integers that JavaScript represents exactly.
"""

from typing import Literal

from pydantic import BaseModel

from serving.lineage.run_answers import Link, NodeName, RunEntry

Health = Literal["ok", "warn", "fail", "unknown"]


class State(BaseModel):
    """A node's state. `up_to_date` is None when unknown; `circuit_breaker` is set for sources that have one."""

    health: Health
    up_to_date: bool | None
    circuit_breaker: str | None


class Problem(BaseModel):
    """An error: what is wrong, where, the nearest valid value, what to do."""

    kind: str
    what: str
    where: str | None = None
    nearest: str | None = None
    fix: str | None = None


class Failure(BaseModel):
    """The answer to a failed request."""

    error: Problem


class Received(BaseModel):
    """The answer to posted events, which are on disk by then: how many, and how many of them were new."""

    received: int
    new: int


class Kind(BaseModel):
    """How a kind of node is shown. `icon`: paths on 16 by 16, stroked; `shape`: Cytoscape's; `color`: by scheme."""

    name: str
    label: str
    plural: str
    icon: list[str]
    shape: str
    color: dict[Literal["light", "dark"], str]
    aliases: list[str]


class KindsAnswer(BaseModel):
    """All kinds of nodes, in the order of the data."""

    kinds: list[Kind]


class ColumnName(BaseModel):
    """A column in the graph."""

    name: str
    type: str | None


class Column(ColumnName):
    """A column of a node."""

    description: str | None


class Node(NodeName, State):
    """A node in the graph. `layer`, `x`, `y`: its coordinates, left to right in the direction of the data."""

    namespace: str
    physical: str
    domain: str
    owner: str | None
    description: str | None
    updated: str | None
    columns: list[ColumnName]
    column_count: int
    layer: int
    x: float
    y: float


class Edge(BaseModel):
    """A job read `source` and wrote `target`."""

    id: str
    source: str
    target: str
    job: str | None = None
    kind: Literal["table"] = "table"


class ColumnPlace(BaseModel):
    """A column of a node; an empty column is the whole node (the source filters, groups or joins its rows)."""

    node: str
    column: str


class ColumnEdge(BaseModel):
    """An edge between columns. `type`: DIRECT or INDIRECT; `subtype`: IDENTITY, AGGREGATION, ..."""

    source: ColumnPlace
    target: ColumnPlace
    type: str | None = None
    subtype: str | None = None
    masking: bool = False


class More(BaseModel):
    """The number of upstream and downstream neighbours of a node that are not in the answer."""

    up: int = 0
    down: int = 0


class GraphAnswer(BaseModel):
    """A part of the graph with coordinates. `root` is None for the whole graph."""

    root: str | None
    nodes: list[Node]
    edges: list[Edge]
    column_edges: list[ColumnEdge]
    column_edge_count: int
    truncated: bool
    more: dict[str, More]


class ColumnAnswer(BaseModel):
    """The lineage of one column."""

    root: str
    column: str
    nodes: list[Node]
    column_edges: list[ColumnEdge]
    truncated: bool


class DomainCount(BaseModel):
    """A domain, and its number of nodes."""

    name: str
    nodes: int


class NodeState(NodeName, State):
    """A node that needs attention."""

    stale_reason: str | None


class Overview(BaseModel):
    """Counts, and the nodes that need attention."""

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


class Found(NodeName, State):
    """A search result, and its matching columns."""

    domain: str
    owner: str | None
    description: str | None
    columns_matched: list[str]


class SearchAnswer(BaseModel):
    """Search results, best match first, and the number of all."""

    results: list[Found]
    total: int
    jobs: list[str] = []
    """Names of matching jobs, without those that have the name of a node."""


class Owner(BaseModel):
    """An owner of a node."""

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


class CircuitBreaker(BaseModel):
    """A source's circuit breaker."""

    state: str
    since: str | None = None
    reason: str | None = None


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
    """The details of a node."""

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
    health: Health
    up_to_date: bool | None
    stale_reason: str | None
    checks: list[Check]
    circuit_breaker: CircuitBreaker | None
    contract: dict | None
    storage: dict | None
    facets: dict[str, dict]
    """All other facets, by name."""
    runs: list[RunEntry]
    upstream: list[NodeName]
    downstream: list[NodeName]
    links: list[Link]


class Affected(NodeName):
    """A downstream node. `distance`: number of jobs. `path`: the names on a shortest path, both ends included."""

    owner: str | None
    distance: int
    columns: list[str]
    path: list[str]


class ImpactAnswer(BaseModel):
    """The downstream impact of a change."""

    of: NodeName
    column: str | None
    affected: list[Affected]
    owners: dict[str, int]
    truncated: bool

"""The models of the lineage server's answers about runs.

What belongs here: models. Not: those of nodes (answers.py), queries (lakehouse/lineage/).
"""

from pydantic import BaseModel


class NodeName(BaseModel):
    """A node in a list."""

    id: str
    name: str
    kind: str


class RunEntry(BaseModel):
    """A run in a list."""

    id: str
    job: str
    state: str
    started: str | None
    ended: str | None
    seconds: float | None


class Link(BaseModel):
    """A link to a page of another tool."""

    text: str
    url: str


class RunInput(NodeName):
    """A dataset that a run read or wrote, and its version."""

    version: str | None
    rows: int | None
    bytes: int | None


class RunAnswer(RunEntry):
    """The details of a run."""

    namespace: str
    parent: RunEntry | None
    root: RunEntry | None
    children: list[RunEntry]
    inputs: list[RunInput]
    outputs: list[RunInput]
    error: str | None
    stack: str | None
    code: dict | None
    facets: dict[str, dict]
    links: list[Link]


class RunsAnswer(BaseModel):
    """Runs, newest first."""

    runs: list[RunEntry]


class Compared(BaseModel):
    """One property of two runs."""

    name: str
    a: str | None
    b: str | None
    changed: bool


class DiffAnswer(BaseModel):
    """The differences between two runs."""

    a: RunEntry
    b: RunEntry
    inputs: list[Compared]
    outputs: list[Compared]
    code: Compared
    definition: Compared
    contracts: list[Compared]
    schemas: list[Compared]
    parameters: list[Compared]

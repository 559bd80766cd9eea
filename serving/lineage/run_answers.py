"""What the lineage server answers about runs, as types.

What belongs here: shapes. Not: those about nodes (answers.py), finding what is in them (lakehouse/lineage/).
"""

from pydantic import BaseModel


class NodeName(BaseModel):
    """A node, to be shown in a list."""

    id: str
    name: str
    kind: str


class RunEntry(BaseModel):
    """A run, to be shown in a list."""

    id: str
    job: str
    state: str
    started: str | None
    ended: str | None
    seconds: float | None


class Link(BaseModel):
    """A page elsewhere."""

    text: str
    url: str


class RunInput(NodeName):
    """What a run read or wrote, and which version of it."""

    version: str | None
    rows: int | None
    bytes: int | None


class RunAnswer(RunEntry):
    """Everything that is known of a run."""

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
    """One thing in two runs."""

    name: str
    a: str | None
    b: str | None
    changed: bool


class DiffAnswer(BaseModel):
    """What was different between two runs."""

    a: RunEntry
    b: RunEntry
    inputs: list[Compared]
    outputs: list[Compared]
    code: Compared
    definition: Compared
    contracts: list[Compared]
    schemas: list[Compared]
    parameters: list[Compared]

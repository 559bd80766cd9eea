"""Rows of the store's tables, derived from events.

What belongs here: the rows of each part of an event. Not: merging them with stored rows (merging.py), what rows mean
together (graph/).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from lakehouse.lineage.store.run_state import RunDataset, RunState, state_of
from lakehouse.lineage.store.validation import Checked

LINEAGE, COLUMN_LINEAGE, ASSERTIONS = "lineage", "columnLineage", "dataQualityAssertions"
_BY_JOB = {LINEAGE, COLUMN_LINEAGE, ASSERTIONS, "dataQualityMetrics"}
"""Facets that each job reports separately."""
_VERSION = {"version", "datasetVersion"}
"""OpenLineage's schema uses the first name, its documentation the second."""
_PROVENANCE = {"_producer", "_schemaURL"}
WRITTEN, READ = "o", "i"

FacetKey = tuple[int, str, int, str, int, int]
"""Owner, name, scope, role, time, content: a row of `facets`."""


@lru_cache(200_000)
def hashed(kind: str, namespace: str, name: str) -> int:
    """The id of a dataset or a job."""
    return _hash(f"{kind}\0{namespace}\0{name}".encode())


def _hash(text: bytes) -> int:
    """64 bits of a hash, signed as databases have them."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)


@dataclass
class Facts:
    """The rows of a batch of events."""

    datasets: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    symlinks: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    jobs: dict[int, tuple[str, str]] = field(default_factory=dict)
    contents: dict[int, str] = field(default_factory=dict)
    facets: set[FacetKey] = field(default_factory=set)
    run_facets: set[tuple[str, str, int, int]] = field(default_factory=set)
    runs: dict[str, RunState] = field(default_factory=dict)
    run_datasets: dict[tuple[str, str, int], RunDataset] = field(default_factory=dict)
    versions: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    edges: dict[tuple[int, int, int], tuple[int, int]] = field(default_factory=dict)

    def add(self, checked: Checked) -> None:
        """Add the rows of an event."""
        event, at = checked.event, checked.at
        job = run = None
        if event.get("job"):
            job = self._job(event["job"], at)
        if event.get("run"):
            run = self._run(event, job or 0, at)
        sides = {READ: event.get("inputs") or [], WRITTEN: event.get("outputs") or []}
        ids = {role: [self._dataset(one, role, job, run, at) for one in side] for role, side in sides.items()}
        if event.get("dataset"):
            self._dataset(event["dataset"], WRITTEN, None, None, at)
        if run is None and job is not None:
            for source in ids[READ]:
                for target in ids[WRITTEN]:
                    self.add_edge(source, target, job, at, at)

    def add_edge(self, source: int, target: int, job: int, first: int, last: int) -> None:
        """Add an edge from what a job read to what it wrote; self-loops are ignored."""
        if source != target:
            before = self.edges.get((source, target, job), (first, last))
            self.edges[source, target, job] = (min(before[0], first), max(before[1], last))

    def _job(self, job: Mapping[str, Any], at: int) -> int:
        owner = self._named_job(job)
        for name, facet in (job.get("facets") or {}).items():
            if name == LINEAGE:
                for entry in facet["entries"]:
                    if entry["type"] == "DATASET" and entry.get("namespace") and entry.get("name"):
                        target = self._named(entry["namespace"], entry["name"], at)
                        self._sources_of(LINEAGE, entry, at)
                        self._facet(target, LINEAGE, owner, WRITTEN, at, entry)
            else:
                self._facet(owner, name, 0, WRITTEN, at, facet)
        return owner

    def _named_job(self, job: Mapping[str, Any]) -> int:
        owner = hashed("job", job["namespace"], job["name"])
        self.jobs[owner] = (job["namespace"], job["name"])
        return owner

    def _run(self, event: Mapping[str, Any], job: int, at: int) -> str:
        run = event["run"]["runId"].lower()
        facets = event["run"].get("facets") or {}
        state = state_of(event.get("eventType"))
        ended = None if state in {"RUNNING", "OTHER"} else at
        one = RunState(run, job, str(job), at, at, state, began=at if state == "RUNNING" else None, ended=ended)
        parent = facets.get("parent")
        if parent:
            root = parent.get("root")
            if root:
                self._named_job(root["job"])
            one = replace(
                one,
                parent=parent["run"]["runId"].lower(),
                parent_job=self._named_job(parent["job"]),
                root=root["run"]["runId"].lower() if root else None,
                parent_at=at,
            )
        self.runs[run] = self.runs[run].merged(one) if run in self.runs else one
        for name, facet in facets.items():
            self.run_facets.add((run, name, at, self._content(facet)))
        return run

    def _named(self, namespace: str, name: str, at: int) -> int:
        owner = hashed("dataset", namespace, name)
        before = self.datasets.get(owner)
        if before is None or at < before[2]:
            self.datasets[owner] = (namespace, name, at)
        return owner

    def _dataset(self, dataset: Mapping[str, Any], role: str, job: int | None, run: str | None, at: int) -> int:
        owner = self._named(dataset["namespace"], dataset["name"], at)
        facets = dataset.get("facets") or {}
        version = None
        for name, facet in facets.items():
            if name == "symlinks":
                self._symlinks(owner, facet, at)
            elif name in _VERSION:
                version = None if facet.get("_deleted") else facet["datasetVersion"]
            else:
                self._sources_of(name, facet, at)
                # A reader's assertions count as the dataset's own; its other facets stay apart from the writer's.
                side = WRITTEN if name == ASSERTIONS else role
                self._facet(owner, name, (job or 0) if name in _BY_JOB else 0, side, at, facet)
        own = dataset.get("inputFacets" if role == READ else "outputFacets") or {}
        counted = own.get("inputStatistics" if role == READ else "outputStatistics")
        for name, facet in own.items():
            if not name.endswith("Statistics"):
                self._facet(owner, name, job or 0, WRITTEN, at, facet)
        if version is not None and role == WRITTEN:
            seen = (at, run or "")
            self.versions[owner, version] = min(self.versions.get((owner, version), seen), seen)
        if run is not None:
            one = RunDataset(version, None if version is None else at)
            if counted:
                one = RunDataset(one.version, one.version_at, _count(counted, "rowCount"), _count(counted, "size"), at)
            key = (run, role, owner)
            self.run_datasets[key] = self.run_datasets[key].merged(one) if key in self.run_datasets else one
        return owner

    def _symlinks(self, owner: int, facet: Mapping[str, Any], at: int) -> None:
        for one in facet.get("identifiers") or ():
            other = self._named(one["namespace"], one["name"], at)
            if other != owner:
                reported = (at, one["type"])
                self.symlinks[owner, other] = max(self.symlinks.get((owner, other), reported), reported)

    def _sources_of(self, name: str, facet: Mapping[str, Any], at: int) -> None:
        """Register sources that only lineage facets name."""
        if name not in {LINEAGE, COLUMN_LINEAGE}:
            return
        columns = [one for one in (facet.get("fields") or {}).values() if isinstance(one, dict)]
        inside = [source for one in columns for source in one.get("inputFields") or one.get("inputs") or ()]
        for source in [*inside, *(facet.get("dataset") or ()), *(facet.get("inputs") or ())]:
            if source.get("type", "DATASET") == "DATASET" and source.get("namespace") and source.get("name"):
                self._named(source["namespace"], source["name"], at)

    def _facet(self, owner: int, name: str, scope: int, role: str, at: int, facet: Mapping[str, Any]) -> None:
        self.facets.add((owner, name, scope, role, at, self._content(facet)))

    def _content(self, facet: Mapping[str, Any]) -> int:
        kept = {name: value for name, value in facet.items() if name not in _PROVENANCE}
        text = to_json(kept)  # its keys are in order
        content = _hash(text)
        if content not in self.contents:
            self.contents[content] = text.decode()
        return content


def _count(facet: Mapping[str, Any], name: str) -> int | None:
    found = facet.get(name)
    return found if isinstance(found, int) and found >= 0 else None

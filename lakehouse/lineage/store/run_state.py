"""The state of a run, merged from its events in any order and with duplicates.

What belongs here: the state of a run and of its datasets, and merging two states. Not: storing them (merging.py). Each
`merged` is commutative, associative and idempotent: a test tries all orders.
"""

from dataclasses import dataclass

NEVER = -1
"""A time before all times, for what has not been reported."""

_RANK = {"OTHER": 0, "RUNNING": 1, "COMPLETE": 2, "ABORT": 3, "FAIL": 4}
FINAL = frozenset({"COMPLETE", "ABORT", "FAIL"})


@dataclass(frozen=True, slots=True)
class RunState:
    """A run. `state`: OTHER (nothing but events of that type), RUNNING, COMPLETE, ABORT, FAIL.

    A late event does not reopen a run that ended; of two ends the later one counts.
    """

    id: str
    job: int
    jobs: str
    """The jobs that events of the run name, comma-separated; more than one only if producers share a run id."""
    first: int
    last: int
    state: str
    began: int | None = None
    ended: int | None = None
    parent: str | None = None
    parent_job: int | None = None
    root: str | None = None
    parent_at: int | None = None

    def merged(self, other: "RunState") -> "RunState":
        """Merge two states."""
        end = max(self, other, key=lambda one: (one.state in FINAL, _or_never(one.ended), _RANK[one.state]))
        parent = max(self, other, key=lambda one: (_or_never(one.parent_at), one.parent or "", one.parent_job or 0))
        began = [one.began for one in (self, other) if one.began is not None]
        return RunState(
            id=self.id,
            job=min(self, other, key=lambda one: (one.first, one.job)).job,
            jobs=self.jobs if self.jobs == other.jobs else _union(self.jobs, other.jobs),
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            state=end.state,
            began=min(began, default=None),
            ended=end.ended,
            parent=parent.parent,
            parent_job=parent.parent_job,
            root=max(self, other, key=lambda one: (_or_never(one.parent_at), one.parent or "", one.root or "")).root,
            parent_at=parent.parent_at,
        )


@dataclass(frozen=True, slots=True)
class RunDataset:
    """A dataset that a run read or wrote: its version, rows and bytes."""

    version: str | None = None
    version_at: int | None = None
    rows: int | None = None
    bytes: int | None = None
    counted_at: int | None = None

    def merged(self, other: "RunDataset") -> "RunDataset":
        """Merge two states: the newest of each field."""
        version = max(self, other, key=lambda one: (_or_never(one.version_at), one.version or ""))
        counted = max(
            self, other, key=lambda one: (_or_never(one.counted_at), _or_never(one.rows), _or_never(one.bytes))
        )
        return RunDataset(version.version, version.version_at, counted.rows, counted.bytes, counted.counted_at)


def state_of(event_type: str | None) -> str:
    """The state of a run after an event of this type."""
    if event_type in FINAL:
        return str(event_type)
    return "RUNNING" if event_type in {"START", "RUNNING"} else "OTHER"


def _union(one: str, other: str) -> str:
    return ",".join(sorted({*one.split(","), *other.split(",")}))


def _or_never(time: int | None) -> int:
    return NEVER if time is None else time

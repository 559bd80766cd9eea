"""What a snapshot says of its making: run, code, contract, definition and the pins of what it was made from.

What belongs here: writing and reading these notes in Iceberg's snapshot summaries. Not: deciding anything by them
(upkeep.py does).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError, run

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

_PREFIX = "slipway."


@dataclass(frozen=True)
class Provenance:
    """Who made a snapshot, with what, from what.

    `pins` maps table names to the snapshot ids that were read. `definition` is the fingerprint of the declaration,
    `contract` the contract's version, `notes` anything else worth finding again (texts).
    """

    run_id: str
    definition: str
    input_snapshots: Mapping[str, int] = field(default_factory=dict)
    contract: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, str]:
        """The entries for an Iceberg snapshot summary. Snapshot ids are texts: they exceed 2**53."""
        return {
            f"{_PREFIX}run-id": self.run_id,
            f"{_PREFIX}code-version": code_version(),
            f"{_PREFIX}definition": self.definition,
            f"{_PREFIX}contract-version": self.contract,
            f"{_PREFIX}input-snapshots": json.dumps(
                {name: str(pin) for name, pin in sorted(self.input_snapshots.items())}
            ),
            **{f"{_PREFIX}{key}": value for key, value in self.notes.items()},
        }


@dataclass(frozen=True)
class SnapshotProvenance:
    """What a published snapshot's summary says; empty texts where the writer was not Slipway."""

    snapshot_id: int
    at: datetime
    run_id: str
    code_version: str
    definition: str
    contract: str
    input_snapshots: dict[str, int]
    rows: int
    operation: str


def read_provenance(snapshot: Snapshot) -> SnapshotProvenance:
    """The provenance that `snapshot` carries."""
    summary = snapshot.summary
    properties = summary.additional_properties if summary else {}
    input_snapshots = json.loads(properties.get(f"{_PREFIX}input-snapshots") or "{}")
    return SnapshotProvenance(
        snapshot_id=snapshot.snapshot_id,
        at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, tz=UTC),
        run_id=properties.get(f"{_PREFIX}run-id", ""),
        code_version=properties.get(f"{_PREFIX}code-version", ""),
        definition=properties.get(f"{_PREFIX}definition", ""),
        contract=properties.get(f"{_PREFIX}contract-version", ""),
        input_snapshots={name: int(pin) for name, pin in input_snapshots.items()},
        rows=int(properties.get("total-records") or 0),
        operation=summary.operation.value if summary else "",
    )


def ancestry(table: Table, snapshot_id: int | None = None) -> Iterator[Snapshot]:
    """The snapshot (default: the published one) and those that it was made from, newest first."""
    step = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else table.current_snapshot()
    while step is not None:
        yield step
        step = table.snapshot_by_id(step.parent_snapshot_id) if step.parent_snapshot_id else None


def is_compaction(snapshot: Snapshot) -> bool:
    """Whether the snapshot only wrote the same rows to other files: Iceberg calls that a replacement."""
    return snapshot.summary is not None and snapshot.summary.operation is Operation.REPLACE


@cache
def code_version() -> str:
    """The checkout's git commit (with `+changes` when files differ from it), else the package's version."""
    top = Path(__file__).resolve().parents[2]
    if (top / ".git").exists():
        try:
            commit = _git(top, "rev-parse", "--short=12", "HEAD")
            changed = _git(top, "status", "--porcelain", "--untracked-files=no")
        except (OSError, CalledProcessError):
            pass
        else:
            return f"{commit}+changes" if changed else commit
    try:
        return version("slipway")
    except PackageNotFoundError:
        return "unknown"


def _git(top: Path, *words: str) -> str:
    answer = run(["git", "-C", str(top), *words], check=True, stdout=-1, stderr=DEVNULL, text=True)  # noqa: S603, S607
    return answer.stdout.strip()

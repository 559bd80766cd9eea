"""Snapshot provenance: the run, code, contract, definition and input snapshots that a snapshot was built from.

What belongs here: writing and reading these notes in Iceberg's snapshot summaries. Not: deciding anything by them
(build_plan.py does).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError, run

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import UnknownNameError

_PREFIX = "slipway."


@dataclass(frozen=True)
class Provenance:
    """The provenance to record with a write.

    `input_snapshots` maps table names to the snapshot ids that were read. `definition` is the fingerprint of the
    declaration, `contract` the contract's version, `notes` anything else worth finding again (texts).
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
    """The recorded provenance of a snapshot; empty texts where the writer was not Slipway."""

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
    """The snapshot (default: the published one) and those before it, newest first."""
    step = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else table.current_snapshot()
    while step is not None:
        yield step
        step = table.snapshot_by_id(step.parent_snapshot_id) if step.parent_snapshot_id else None


def is_compaction(snapshot: Snapshot) -> bool:
    """Whether the snapshot is a compaction: the same rows in other files (Iceberg's operation `replace`)."""
    return snapshot.summary is not None and snapshot.summary.operation is Operation.REPLACE


def last_published(lake: Lakehouse, name: str) -> SnapshotProvenance | None:
    """The provenance of the table's newest published change; None for a table that Slipway never published to.

    Compactions, by whomever, change no rows and are passed over. When another writer changed the rows since Slipway
    published, it is that change, whose `definition` is empty.
    """
    if not lake.has(name):
        return None
    newest: SnapshotProvenance | None = None
    for snapshot in ancestry(lake.table(name)):
        made = read_provenance(snapshot)
        if not made.definition and is_compaction(snapshot):
            continue
        newest = newest or made
        if made.definition:
            return newest
    return None


def built_from(lake: Lakehouse, names: Iterable[str]) -> set[str]:
    """These tables and all tables that they are built from, directly or not, by their published provenance."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            made = last_published(lake, name)
            waiting += made.input_snapshots if made else ()
    return found


def changed_by_others(made: SnapshotProvenance) -> str:
    """Who else changed a table, as the cause of a rebuild; empty if it was Slipway."""
    when = made.at.strftime("%Y-%m-%d %H:%M UTC")
    return "" if made.definition else f"changed by another writer: {made.operation} {made.snapshot_id} of {when}"


def current_snapshots(lake: Lakehouse, names: Sequence[str]) -> dict[str, int]:
    """The snapshot id of the newest published change of each table; compactions are passed over.

    Raises UnknownNameError for a table that was never published.
    """
    input_snapshots = {}
    for name in names:
        made = last_published(lake, name)
        if made is None:
            raise UnknownNameError(
                f"{name} was never published, so it cannot be an input.",
                where=name,
                fix=f"Run `slipway materialize {name}` first.",
            )
        input_snapshots[name] = made.snapshot_id
    return input_snapshots


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

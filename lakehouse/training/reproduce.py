"""Rebuilding a training set's snapshot from its input snapshots, and comparing both bit by bit.

What belongs here: the rebuilding and the comparison of rows. Not: models (lakehouse/models/reproduction.py).

The training set is rebuilt: spine, label and features are read at its input snapshots and joined again. The feature
sets' own tables are read, not recomputed: snapshots do not change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, UnknownNameError
from lakehouse.tables.provenance import code_version, read_provenance
from lakehouse.tables.read import Pin, read, resolve
from lakehouse.training.assemble import AS_OF, assemble
from lakehouse.training.content_hash import content_hash
from lakehouse.training.stored_hashes import CONTENT, content_of, note
from lakehouse.training.training_set import TrainingSet


@dataclass(frozen=True)
class Reproduction:
    """A rebuilt training set, compared with the stored one.

    `recorded_hash` is the content hash that was stored with the snapshot (empty when there is none), `stored_hash` that
    of the rows that it holds now, `rebuilt_hash` that of the rows rebuilt from `pins`. `differing` are the columns that
    differ, `remarks` other facts that a reader should know. `rows` are the rebuilt rows in order of time and row key.
    """

    name: str
    snapshot_id: int
    input_snapshots: Mapping[str, int]
    as_of: str
    recorded_hash: str
    stored_hash: str
    rebuilt_hash: str
    differing: Sequence[str]
    remarks: Sequence[str]
    rows: pa.Table = field(repr=False)

    @property
    def identical(self) -> bool:
        """Whether the rebuilt rows equal the stored rows and those that were written, to the bit."""
        return self.rebuilt_hash == self.stored_hash and self.recorded_hash in {"", self.stored_hash}


def reproduce(lake: Lakehouse, training_set: TrainingSet, at: Pin = None) -> Reproduction:
    """Rebuild the training set's snapshot `at` (id, tag, branch, time; default: as published now) and compare.

    Raises UnknownNameError for a snapshot that does not exist (any more), of the training set or of its inputs, and
    SlipwayError for one that Slipway did not write.
    """
    name = training_set.name
    table = lake.table(name)
    pin = resolve(table, at)
    snapshot = table.snapshot_by_id(pin)
    made = read_provenance(snapshot) if snapshot else None
    as_of = note(lake, name, pin, AS_OF)
    if made is None or not made.input_snapshots or not as_of:
        raise SlipwayError(
            f"The snapshot {pin} of {name} has no input snapshots.",
            where=f"{name}@{pin}",
            fix=f"Name a snapshot that Slipway published (`slipway tables {name}` lists them).",
        )
    _check_there(lake, f"{name}@{pin}", made.input_snapshots)
    remarks = []
    if made.definition != training_set.fingerprint():
        remarks.append(
            f"The definition changed since it was built ({made.definition}, now {training_set.fingerprint()}): "
            "rows are rebuilt by the current definition."
        )
    if made.code_version != code_version():
        remarks.append(
            f"It was built by code version {made.code_version or 'unknown'}, and rebuilt by {code_version()}."
        )
    recorded = note(lake, name, pin, CONTENT)
    if not recorded:
        remarks.append(
            "No content hash was recorded when it was written: the comparison is with the rows as they are stored now."
        )
    stored = _stored(lake, training_set, pin, made.definition)
    rebuilt = assemble(lake, training_set, made.input_snapshots, None, datetime.fromisoformat(as_of))
    return Reproduction(
        name=name,
        snapshot_id=pin,
        input_snapshots=made.input_snapshots,
        as_of=as_of,
        recorded_hash=recorded,
        stored_hash=content_of(training_set, stored),
        rebuilt_hash=content_of(training_set, rebuilt),
        differing=_differing(training_set, stored, rebuilt),
        remarks=remarks,
        rows=rebuilt,
    )


def _check_there(lake: Lakehouse, where: str, input_snapshots: Mapping[str, int]) -> None:
    """Raise UnknownNameError for snapshots that no longer exist."""
    gone = [
        f"{table} at {pin}"
        for table, pin in input_snapshots.items()
        if not lake.has(table) or lake.table(table).snapshot_by_id(pin) is None
    ]
    if gone:
        raise UnknownNameError(
            f"Input snapshots no longer exist: {', '.join(gone)}.",
            where=where,
            fix="Reproduce a newer snapshot. Only the input snapshots of a champion or challenger are kept by tags.",
        )


def _stored(lake: Lakehouse, training_set: TrainingSet, pin: int, definition: str) -> pa.Table:
    try:
        return read(lake, training_set.name, training_set.columns, at=pin)
    except UnknownNameError as error:
        raise SlipwayError(
            f"The snapshot has other columns than the training set declares now: {error.what}",
            where=f"{training_set.name}@{pin}",
            nearest=error.nearest,
            fix=f"Check out the declaration that built it (definition {definition}).",
        ) from error


def _differing(training_set: TrainingSet, stored: pa.Table, rebuilt: pa.Table) -> list[str]:
    """Return the columns that differ."""
    order = [(training_set.event_time, "ascending"), (training_set.row_key, "ascending")]
    one, other = stored.sort_by(order), rebuilt.sort_by(order)
    return [
        name for name in training_set.columns if content_hash(one.select([name])) != content_hash(other.select([name]))
    ]

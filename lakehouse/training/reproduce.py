"""Making a training set's snapshot once more from its pins, and proving that it is the same.

What belongs here: the rebuilding and the comparison of rows. Not: models (lakehouse/models/reproduction.py).

What is rebuilt is the training set: spine, label and features are read at the snapshots that it was made from, and put
together again. The feature sets' own tables are read, not recomputed: they are snapshots, which nothing changes.
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
from lakehouse.training.content_hash import fingerprint
from lakehouse.training.stored_hashes import CONTENT, content_of, note
from lakehouse.training.training_set import TrainingSet


@dataclass(frozen=True)
class Reproduction:
    """A training set made once more.

    `noted` is the content that was noted when the snapshot was written (empty: by a version that noted none), `stored`
    that of the rows it holds now, `rebuilt` that of the rows made from `pins`. `differing` are the columns that are not
    the same, `remarks` what else a reader should know. `rows` are the rebuilt rows in order of time and row key.
    """

    name: str
    snapshot_id: int
    input_snapshots: Mapping[str, int]
    as_of: str
    noted: str
    stored: str
    rebuilt: str
    differing: Sequence[str]
    remarks: Sequence[str]
    rows: pa.Table = field(repr=False)

    @property
    def identical(self) -> bool:
        """Whether the rebuilt rows are those that are stored, and those that were written, to the last bit."""
        return self.rebuilt == self.stored and self.noted in {"", self.stored}


def reproduce(lake: Lakehouse, training_set: TrainingSet, at: Pin = None) -> Reproduction:
    """Rebuild the training set's snapshot `at` (id, tag, branch, time; default: as published now) and compare.

    Raises UnknownNameError for a snapshot that is not there (any more), of the training set or of what it was made
    from, SlipwayError for one that Slipway did not make.
    """
    name = training_set.name
    table = lake.table(name)
    pin = resolve(table, at)
    snapshot = table.snapshot_by_id(pin)
    made = read_provenance(snapshot) if snapshot else None
    as_of = note(lake, name, pin, AS_OF)
    if made is None or not made.input_snapshots or not as_of:
        raise SlipwayError(
            f"The snapshot {pin} of {name} does not say what it was made from.",
            where=f"{name}@{pin}",
            fix=f"Name a snapshot that Slipway published (`slipway tables {name}` lists them).",
        )
    _check_there(lake, f"{name}@{pin}", made.input_snapshots)
    remarks = []
    if made.definition != training_set.fingerprint():
        remarks.append(
            f"The definition is not the one it was made by ({made.definition}, now {training_set.fingerprint()}): "
            "rows are rebuilt by the present one."
        )
    if made.code_version != code_version():
        remarks.append(f"It was made by the code {made.code_version or 'unknown'}, and rebuilt by {code_version()}.")
    noted = note(lake, name, pin, CONTENT)
    if not noted:
        remarks.append(
            "No content was noted when it was written: the proof is against the rows as they are stored now."
        )
    stored = _stored(lake, training_set, pin, made.definition)
    rebuilt = assemble(lake, training_set, made.input_snapshots, None, datetime.fromisoformat(as_of))
    return Reproduction(
        name=name,
        snapshot_id=pin,
        input_snapshots=made.input_snapshots,
        as_of=as_of,
        noted=noted,
        stored=content_of(training_set, stored),
        rebuilt=content_of(training_set, rebuilt),
        differing=_differing(training_set, stored, rebuilt),
        remarks=remarks,
        rows=rebuilt,
    )


def _check_there(lake: Lakehouse, where: str, input_snapshots: Mapping[str, int]) -> None:
    """Raises UnknownNameError, naming them, for snapshots that are gone."""
    gone = [
        f"{table} at {pin}"
        for table, pin in input_snapshots.items()
        if not lake.has(table) or lake.table(table).snapshot_by_id(pin) is None
    ]
    if gone:
        raise UnknownNameError(
            f"What it was made from is not there any more: {', '.join(gone)}.",
            where=where,
            fix="Snapshots that a champion or challenger needs are kept by tags; others go when they expire. "
            "Reproduce a newer one.",
        )


def _stored(lake: Lakehouse, training_set: TrainingSet, pin: int, definition: str) -> pa.Table:
    try:
        return read(lake, training_set.name, training_set.columns, at=pin)
    except UnknownNameError as error:
        raise SlipwayError(
            f"The snapshot has other columns than the training set is declared with now: {error.what}",
            where=f"{training_set.name}@{pin}",
            nearest=error.nearest,
            fix=f"Check out the declaration that it was made by (definition {definition}).",
        ) from error


def _differing(training_set: TrainingSet, stored: pa.Table, rebuilt: pa.Table) -> list[str]:
    """The columns that are not the same in the two."""
    order = [(training_set.event_time, "ascending"), (training_set.row_key, "ascending")]
    one, other = stored.sort_by(order), rebuilt.sort_by(order)
    return [
        name for name in training_set.columns if fingerprint(one.select([name])) != fingerprint(other.select([name]))
    ]

"""Training frames: a spine joined with features as they were known at each row's time.

What belongs here: `training_frame`. Not: its result (frame.py), reading the spine (spine.py), what names mean
(selection.py), and declared training sets as tables (assemble.py, training_tables.py).

A spine is the rows that a model is trained on: entity keys and times, before any features. The features' tables are
read at fixed snapshots, only the columns that are needed, and kept in memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeAlias

import pyarrow as pa
from pyiceberg.types import StringType

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.columns import check_kinds
from lakehouse.features.duration import DAY, microseconds
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.point_in_time import History, check_present
from lakehouse.features.sameness import deprecations, warn
from lakehouse.query.run import input_snapshots_at
from lakehouse.tables.provenance import current_snapshots, read_provenance
from lakehouse.tables.read import Pin, arrow_field, check_columns, plan, read_plan, resolve
from lakehouse.training.frame import Joined, TrainingFrame
from lakehouse.training.lateness import rows_as_known
from lakehouse.training.on_demand import on_demand_features
from lakehouse.training.selection import Chosen, Declared, Feature, choose
from lakehouse.training.spine import Given, Spine, read_spine
from lakehouse.training.training_set import TrainingSet

At: TypeAlias = "str | int | datetime | Mapping[str, int | str] | None"
"""Where tables are read: a snapshot id, tag, branch or UTC time, or one for each table (as `.input_snapshots`)."""


def training_frame(  # noqa: PLR0913  # each is a question of its own
    spine: Given,
    features: Feature | Iterable[Feature],
    *,
    time: str | None = None,
    keys: Mapping[str, str] | None = None,
    max_age: str | None = None,
    allow_future: bool = False,
    as_known: bool = False,
    at: At = None,
    lake: Lakehouse | None = None,
    domains: Sequence[Declared] | None = None,
) -> TrainingFrame:
    """Join features to a spine, as they were known at each row's time; each row once and in the given order.

    `spine` is a frame (Polars, pandas, Arrow, DuckDB), a file (Parquet, CSV, JSON lines) or SQL over the lakehouse; it
    has the features' keys (`keys` maps key columns to the spine's names, where these differ) and one column of times
    (`time` names it, where there are several), UTC where they have no zone. `features` are feature sets,
    training sets, or names of those and of single features. Columns are called `<set>__<feature>`.

    A feature is null as long as its entity has no row, and when the newest is older than `max_age` ("30d"). With
    `as_known` a row counts from when it was published, and `max_age` from then on (lateness.py). `at` is where tables
    are read (default: as published now), `lake` is the lakehouse (default: from the environment), `domains` are where
    names are looked up (default: what the installed project declares).

    Raises SlipwayError (UnknownNameError, DeclarationError) for names, columns and snapshots that do not exist, keys of
    another type than the table's, a spine without a usable time, and times after the last day that each feature set is
    known for, unless `allow_future`. Warns (SlipwayWarning) of feature sets that are deprecated, with their successors,
    and of those whose tables were made by another definition than the one that is declared now.
    """
    lake = lake or open_lakehouse()
    wanted = [features] if isinstance(features, str | FeatureSet | TrainingSet) else list(features)
    chosen = choose(wanted, domains)
    warn(deprecations("The frame", [one.feature_set for one in chosen]))
    names = [one.feature_set.name for one in chosen]
    current_snapshots(lake, names)  # raises for one that was never published
    asked = _inputs_of(lake, wanted, at) or at
    input_snapshots = lambda more: _input_snapshots(lake, [*more, *names], asked)  # noqa: E731
    spoken = dict(keys or {})
    given = read_spine(lake, spine, input_snapshots=input_snapshots, texts=_text_keys(lake, chosen, spoken))
    column = given.time_column(time)
    here = input_snapshots(list(given.input_snapshots))
    reading = rows_as_known if as_known else None
    fitting = [_fit(lake, one, here[one.feature_set.name], given, spoken, reading) for one in chosen]
    warn(_outdated(lake, chosen, here) if at is None else ())
    # While one table is read, another is arranged.
    with ThreadPoolExecutor(2) as pool:
        joined = list(pool.map(lambda one: one(), fitting))
    # Each set alone: beside one that is up to date, one that is not would pass old values for new ones. But attributes
    # hold until they change: where there is anything else, theirs is no end.
    windowed = {one.feature_set.name for one in chosen if one.feature_set.aggregates}
    ends = {one.table: (one.history.until // DAY + 1) * DAY for one in joined if one.history.until is not None}
    ends = {table: end for table, end in ends.items() if table in windowed} or ends
    frame = TrainingFrame(
        spine=given,
        time=column,
        joined=joined,
        input_snapshots={**given.input_snapshots, **{one.table: one.snapshot_id for one in joined}},
        max_age=microseconds(max_age, where="max_age") if max_age else None,
        ends={} if allow_future else ends,
    )
    if given.rows is not None:
        frame.check(given.rows)
    return frame


def _outdated(lake: Lakehouse, chosen: Sequence[Chosen], here: Mapping[str, Pin]) -> Iterator[str]:
    """A sentence for each set whose definition changed after its table was made."""
    for one in (each.feature_set for each in chosen):
        snapshot = lake.table(one.name).snapshot_by_id(resolve(lake.table(one.name), here[one.name]))
        made = read_provenance(snapshot) if snapshot else None
        if made and made.definition and made.definition != one.fingerprint():
            yield f"{one.name} was built before its definition changed and has old values: rebuild it."


def _input_snapshots(lake: Lakehouse, names: Sequence[str], at: At) -> Mapping[str, Pin]:
    """Where each table is read."""
    if isinstance(at, Mapping):
        return {name: at.get(name) for name in names}
    text = at.isoformat() if isinstance(at, datetime) else None if at is None else str(at)
    return input_snapshots_at({name: lake.table(name) for name in names}, text)


def _inputs_of(lake: Lakehouse, features: Sequence[Feature], at: At) -> Mapping[str, int] | None:
    """Return the input snapshots of a training set among the features, if `at` is one of its snapshots."""
    if not isinstance(at, int | str) or not str(at).isdigit():
        return None
    for one in features:
        name = one if isinstance(one, str) else one.name
        snapshot = lake.table(name).snapshot_by_id(int(at)) if lake.has(name) else None
        if snapshot is not None and (isinstance(one, TrainingSet) or not isinstance(one, FeatureSet)):
            input_snapshots = read_provenance(snapshot).input_snapshots
            return input_snapshots or None
    return None


def _text_keys(lake: Lakehouse, chosen: Sequence[Chosen], spoken: Mapping[str, str]) -> frozenset[str]:
    """The spine's columns that are keys of a text type in a feature set's table."""
    return frozenset(
        spoken.get(key, key)
        for one in chosen
        for key in one.feature_set.entity.keys
        if isinstance(lake.table(one.feature_set.name).schema().find_type(key), StringType)
    )


def _fit(
    lake: Lakehouse,
    chosen: Chosen,
    at: Pin,
    spine: Spine,
    spoken: Mapping[str, str],
    reading: Callable[[Lakehouse, FeatureSet, Sequence[str], int], pa.Table] | None,
) -> Callable[[], Joined]:
    """What reads as much as is needed of a feature set's table. Raises SlipwayError when the spine does not fit it."""
    one = chosen.feature_set
    entity = list(one.entity.keys)
    mine = [spoken.get(key, key) for key in entity]
    check_present(spine.schema, mine, where=spine.name)
    planned = plan(lake, one.name, at=at)
    for key, here in zip(entity, mine, strict=True):
        check_kinds(
            arrow_field(planned.schema, key).type, spine.schema.field(here).type, where=f"{one.name}, key {key!r}"
        )
    taken = [here for here in chosen.named().values() if here in spine.schema.names]
    if taken:
        raise SlipwayError(
            f"{spine.name} has columns with the names of features: {', '.join(taken)}.",
            where=one.name,
            fix="Rename them in the spine, or select other features.",
        )
    made = on_demand_features(chosen, spine.schema, where=spine.name)
    inputs = made.inputs if made else ()
    needed = list(dict.fromkeys([one.row_key, one.event_time, *entity, *chosen.columns, *inputs]))
    check_columns(planned, needed)

    def join() -> Joined:
        rows = reading(lake, one, needed, planned.snapshot_id) if reading else read_plan(planned, needed)
        history = History.of(rows, entity=entity, time=one.event_time, row_key=one.row_key, where=one.name)
        return Joined(one.name, planned.snapshot_id, history, mine, chosen.named(), made)

    return join

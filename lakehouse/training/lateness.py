"""Data lateness: declared delays beside measured ones, and training values that were not available at serving time.

What belongs here: measuring a feature set and a training set. Not: when rows were published (tables/lateness.py), and
what declarations alone show (leaks.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.aggregation import window_length
from lakehouse.features.columns import entity_codes
from lakehouse.features.events import Events
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.lateness import HISTORY, READABLE, known_at
from lakehouse.tables.provenance import current_snapshots, read_provenance
from lakehouse.tables.read import arrow_field, plan, read
from lakehouse.training.training_set import TrainingSet

CHECK = "features_known_in_time"
_SEEN, _PLACE = "_seen", "_place"
_MICROSECOND = 1_000_000
_ENDLESS = np.iinfo(np.int64).max


@dataclass(frozen=True)
class EventLateness:
    """The lateness of a table of events: its declared delay, and seconds from event time until rows could be read.

    `live` rows have event times after the table was first published; only they are measured, unless a column
    `available_at` gives the time for all rows. `history` rows were loaded afterwards. None: there is no row to measure.
    """

    events: Events
    rows: int
    live: int
    history: int
    late: int
    p50: float | None
    p99: float | None
    longest: float | None

    @property
    def declared(self) -> str:
        """Return the delay, or the column that gives it."""
        return f"column {self.events.available_at}" if self.events.available_at else self.events.delay


@dataclass(frozen=True)
class DataLateness:
    """The lateness of a feature set's tables of events, and of its values.

    `values` counts values at times since all these tables were published, `late` those of them that were not available
    at serving time, because an event in their windows could not be read yet.
    """

    feature_set: FeatureSet
    events: Sequence[EventLateness]
    values: int
    late: int

    @property
    def share(self) -> float | None:
        """Return the share of late values; None when none could be measured."""
        return self.late / self.values if self.values else None


def measure_lateness(
    lake: Lakehouse, feature_set: FeatureSet, input_snapshots: Mapping[str, int] | None = None
) -> DataLateness:
    """Measure a feature set on its tables at `input_snapshots` (default: as published now).

    A value at time t is computed from the events up to t - delay. It is late when one of them could only be read after
    t: serving at t could not have used it. Events of the row's own time in the spine itself come with the request and
    are not late. Raises UnknownNameError for a table that was never published.
    """
    tables = [feature_set.spine, *(one.table for one in feature_set.events)]
    given = dict(input_snapshots or {})
    given.update(current_snapshots(lake, [name for name in tables if name not in given]))
    keys = list(feature_set.entity.keys)
    spine = read(lake, feature_set.spine, [feature_set.event_time, *keys], at=given[feature_set.spine])
    times = _microseconds(pl.Series(spine.column(feature_set.event_time)))
    late, measurable, measured = np.zeros(len(spine), bool), np.ones(len(spine), bool), []
    for events in feature_set.events:
        result, found, since = _measure(lake, feature_set, events, given[events.table], spine, times)
        measured.append(result)
        late |= found
        measurable &= times >= since
    values = int(measurable.sum()) if measured else 0
    return DataLateness(feature_set, measured, values, int((late & measurable).sum()))


def late_check_result(lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int]) -> CheckResult:
    """Check that few enough values of a training set were not available at serving time."""
    tolerance = training_set.late_tolerance or 0.0
    found = [
        measured for one in training_set.feature_sets for measured in _with_used(lake, one, input_snapshots[one.name])
    ]
    worst = max(found, key=lambda one: one.share or 0.0)
    measured = {"tolerance": tolerance, **{one.feature_set.name: one.share for one in found if one.share is not None}}
    if worst.share is None:
        message = "Nothing to measure yet: all rows were loaded as history."
        return CheckResult(CHECK, passed=True, message=message, measured=measured)
    message = (
        f"{worst.share:.2%} of {worst.values} values of {worst.feature_set.name} were not available at serving time; "
        f"the tolerance is {tolerance:.2%}."
    )
    passed = worst.share <= tolerance
    if not passed:
        slowest = max(worst.events, key=lambda one: one.late)
        message += (
            f" Rows of {slowest.events.table} have a declared delay of {slowest.declared}, but arrived up to "
            f"{spoken(slowest.longest)} after their event time."
        )
    return CheckResult(CHECK, passed, message, measured=measured)


def _with_used(lake: Lakehouse, one: FeatureSet, pin: int) -> list[DataLateness]:
    """Measure a set at a snapshot, and the sets that its features are derived from."""
    snapshot = lake.table(one.name).snapshot_by_id(pin)
    built_from = read_provenance(snapshot).input_snapshots if snapshot else {}
    used = [each for each in one.uses if each.name in built_from]
    return [
        measure_lateness(lake, one, built_from),
        *(measured for each in used for measured in _with_used(lake, each, built_from[each.name])),
    ]


def rows_as_known(lake: Lakehouse, one: FeatureSet, columns: Sequence[str], at: int) -> pa.Table:
    """Return a feature set's rows at a snapshot with the time from which they could be read as event time.

    A row that only became readable after a newer row of its entity (of ties, one with a larger row key) is left out:
    it never was the newest. Rows that were loaded as history keep their event time. Corrected rows have their current
    values.
    """
    time, keys = one.event_time, list(one.entity.keys)
    named = [one.row_key, time, *keys]
    more = [name for name in columns if name not in named]
    rows = known_at(lake, one.name, named, event_time=time, at=at, more=more).rows
    readable = pl.col(READABLE).dt.replace_time_zone(getattr(rows.schema[time], "time_zone", None))
    rows = (
        rows.with_columns(pl.when(HISTORY).then(time).otherwise(pl.max_horizontal(time, readable)).alias(_SEEN))
        .sort(time, one.row_key, nulls_last=True)
        .with_row_index(_PLACE)
        .sort(_SEEN, _PLACE)
        .filter(pl.col(_PLACE) >= pl.col(_PLACE).cum_max().over(keys))
        .unique([*keys, _SEEN], keep="last", maintain_order=True)
        .with_columns(pl.col(_SEEN).alias(time))
    )
    schema = plan(lake, one.name, at=at).schema
    return rows.select(columns).to_arrow().cast(pa.schema([arrow_field(schema, name) for name in columns]))


def checks_of(training_set: TrainingSet) -> dict[str, str]:
    """Return the check and its description by name, where the training set declares a tolerance."""
    description = f"At most {training_set.late_tolerance or 0:.2%} of the values were not available at serving time."
    return {CHECK: description} if training_set.late_tolerance is not None else {}


def spoken(seconds: float | None) -> str:
    """Return a length of time as text: `26.3 h`."""
    if seconds is None:
        return ""
    size, unit = next(((size, unit) for size, unit in _SIZES if abs(seconds) >= size), _SIZES[-1])
    return f"{seconds / size:.1f} {unit}"


_SIZES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def _measure(
    lake: Lakehouse, feature_set: FeatureSet, events: Events, pin: int, spine: pa.Table, times: np.ndarray
) -> tuple[EventLateness, np.ndarray, int]:
    """Return the lateness of a table of events, which spine rows it makes late, and since when it can be measured."""
    keys = list(feature_set.keys_of(events))
    time_columns = [events.available_at] if events.available_at else []
    known = known_at(lake, events.table, [*keys, *time_columns], event_time=events.event_time, at=pin)
    rows = known.rows.drop_nulls(time_columns)
    happened, readable = _microseconds(rows[events.event_time]), _microseconds(rows[READABLE])
    promised = _microseconds(rows[events.available_at]) if time_columns else happened + events.late
    live = ~rows[HISTORY].to_numpy()
    took = (promised - happened if time_columns else (readable - happened)[live]) / _MICROSECOND
    late = live & (readable > promised)
    result = EventLateness(
        events=events,
        rows=len(rows),
        live=int(live.sum()),
        history=int((~live).sum()),
        late=int(late.sum()),
        p50=float(np.quantile(took, 0.5)) if len(took) else None,
        p99=float(np.quantile(took, 0.99)) if len(took) else None,
        longest=float(took.max()) if len(took) else None,
    )
    found = _held_by(feature_set, events, rows, late, promised, readable, spine, times)
    since = _ENDLESS if known.since is None else int(_microseconds(pl.Series([known.since]))[0])
    return result, found, since


def _held_by(
    feature_set: FeatureSet,
    events: Events,
    rows: pl.DataFrame,
    late: np.ndarray,
    promised: np.ndarray,
    readable: np.ndarray,
    spine: pa.Table,
    times: np.ndarray,
) -> np.ndarray:
    """Return which spine rows have a late event in a window before it could be read."""
    length = window_length(feature_set.longest(events), where=f"feature set {feature_set.name}")
    start = promised[late]
    happened = _microseconds(rows[events.event_time])[late]
    end = readable[late]
    if length is not None:
        end = np.minimum(end, happened + (0 if events.available_at else events.late) + length)
    theirs = rows.filter(pl.Series(late)).select(feature_set.keys_of(events)).to_arrow()
    both, _ = entity_codes(
        [theirs.column(name) for name in theirs.column_names],
        [spine.column(name) for name in feature_set.entity.keys],
        where=f"feature set {feature_set.name}",
    )
    codes, asked = both
    order = np.lexsort((times, asked))
    # Times as ranks, so that entity and time make one number.
    ranks = np.unique(np.concatenate([times, start, end]))
    size = len(ranks) + 1
    place = asked[order] * size + np.searchsorted(ranks, times[order])
    own = "right" if events.table == feature_set.spine and not events.available_at and not events.late else "left"
    first = np.searchsorted(place, codes * size + np.searchsorted(ranks, start), side=own)
    last = np.searchsorted(place, codes * size + np.searchsorted(ranks, end), side="left")
    usable = (codes >= 0) & (last > first)
    marks = np.zeros(len(times) + 1, np.int64)
    np.add.at(marks, first[usable], 1)
    np.add.at(marks, last[usable], -1)
    found = np.zeros(len(times), bool)
    found[order] = np.cumsum(marks[:-1]) > 0
    return found


def _microseconds(times: pl.Series) -> np.ndarray:
    """Times as microseconds since 1970 UTC."""
    return times.cast(pl.Datetime("us", getattr(times.dtype, "time_zone", None))).to_physical().to_numpy()

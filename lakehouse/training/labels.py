"""Labels of a training set: which spine days they belong to, also when a separate source delivers them.

What belongs here: reading the label's table. Not: joining labels to rows (assemble.py), and when a label may be used
(leaks.py). A label's table may lack the training set's event time, as deliveries of labels often do: then a label
belongs to the day of the spine row that its row key names.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.build_plan import Input
from lakehouse.tables.days import days_filter
from lakehouse.tables.read import day_column, read
from lakehouse.training.training_set import TrainingSet


def label_input(lake: Lakehouse, training_set: TrainingSet) -> Input:
    """The label's table as an input of the training set."""
    table, time = training_set.label.source, training_set.event_time
    if not lake.has(table) or has_event_time(lake, training_set):
        return Input(table, times=[time])

    def days_touched(before: int, input_snapshots: Mapping[str, int], changed: Sequence[date]) -> list[date]:
        where = days_filter(day_column(lake.table(table)) or "", changed)
        keys = [
            read(lake, table, [training_set.label.row_key], at=at, where=where).column(0)
            for at in (before, input_snapshots[table])
        ]
        return _spine_days(lake, training_set, input_snapshots, pa.chunked_array([*keys[0].chunks, *keys[1].chunks]))

    return Input(table, days_touched=days_touched)


def has_event_time(lake: Lakehouse, training_set: TrainingSet) -> bool:
    """Whether the label's table holds the training set's event time."""
    return training_set.event_time in lake.table(training_set.label.source).schema().column_names


def label_filter(lake: Lakehouse, training_set: TrainingSet, days: Sequence[date] | None) -> str | None:
    """The filter of the label's rows that the spine rows of `days` can have; None where it takes all of them."""
    if days is None or not has_event_time(lake, training_set):
        return None
    return days_filter(training_set.event_time, days)


def days_of_labels(
    lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int], where: str
) -> list[date]:
    """The spine days of the labels that fulfil a filter."""
    label, time = training_set.label, training_set.event_time
    at = input_snapshots[label.source]
    if has_event_time(lake, training_set):
        found = read(lake, label.source, [label.row_key, time], at=at, where=where)
        return sorted(set(pc.cast(found.column(time), pa.date32()).unique().to_pylist()))
    keys = read(lake, label.source, [label.row_key], at=at, where=where).column(0)
    return _spine_days(lake, training_set, input_snapshots, keys)


def _spine_days(
    lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int], keys: pa.ChunkedArray
) -> list[date]:
    """The days of the spine rows with these row keys."""
    one = training_set
    if not len(keys):
        return []
    spine = read(lake, one.spine, [one.row_key, one.event_time], at=input_snapshots[one.spine])
    chosen = spine.filter(pc.is_in(spine.column(one.row_key), keys.combine_chunks()))
    return sorted(set(pc.cast(chosen.column(one.event_time), pa.date32()).unique().to_pylist()))

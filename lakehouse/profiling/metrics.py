"""Delivery metrics: the numbers per delivery that are compared with those of the deliveries before it.

What belongs here: all of them together, those of a delivery as a whole and of pairs of columns, and how many
independent rows a row is worth. Not: what a metric is (metric.py), the metrics of a column (column_metrics.py),
what is to be expected (forecasts.py), what is said about it (anomalies.py).
"""

from collections.abc import Collection, Sequence
from warnings import catch_warnings, simplefilter

import numpy as np

from lakehouse.profiling.co_occurrence import new_co_occurrences
from lakehouse.profiling.column_metrics import ColumnMetrics
from lakehouse.profiling.metric import Metric, Metrics, new_hashes
from lakehouse.profiling.profile import ROW_SKETCH, DeliveryProfile

_DEPENDS, _DECIDES = 0.2, 0.5
"""Dependencies that history shows at least so strong are read."""

_NEW = 0.2
"""Where more co-occurring values are new, one column does not decide the other."""
_NONE = np.zeros(0, np.int64)


def metrics_of(profiles: Sequence[DeliveryProfile], names: Collection[str] | None = None) -> list[Metric]:
    """All metrics of deliveries in order, the last of which is evaluated against the others; of these columns only."""
    metrics = Metrics()
    chosen = [name for name in profiles[-1].columns if names is None or name in names]
    _read_delivery(metrics, profiles)
    worths = [one.worths for one in profiles]
    for name in chosen:
        worth = np.array([one.get(name, 1.0) for one in worths])
        ColumnMetrics.of(metrics, profiles, name, worth).take()
    _read_dependencies(metrics, profiles, chosen)
    _co_occurrence_metrics(metrics, profiles, chosen)
    return metrics.found


def _read_delivery(metrics: Metrics, profiles: Sequence[DeliveryProfile]) -> None:
    rows = np.array([one.rows for one in profiles], float)
    metrics.plain((), "rows", "", "log", np.log(np.maximum(rows, 0.5)), 1 / np.sqrt(np.maximum(rows, 1)))
    metrics.share((), "repeated_rows", "", np.array([one.repeated for one in profiles], float), rows)
    gaps = np.diff([np.nan, *(one.day.toordinal() if one.day else np.nan for one in profiles)])
    event_time = profiles[-1].event_time
    metrics.plain((event_time,), "days_on", "", "plain", np.arcsinh(gaps), np.full(len(gaps), 0.5))
    sketches = [one.row_sketch_array for one in profiles]
    fresh, of = new_hashes(sketches, ROW_SKETCH)
    metrics.share((), "rows_seen_before", "", of - fresh, of)


def _read_dependencies(metrics: Metrics, profiles: Sequence[DeliveryProfile], names: Sequence[str]) -> None:
    pairs, _ = profiles[-1].measured_pairs
    if not pairs:
        return
    none = (np.nan, 0)
    measured = np.array(
        [
            one.measured_pairs[1]
            if one.measured_pairs[0] == pairs
            else [one.dependencies.get(pair, none) for pair in pairs]
            for one in profiles
        ],
        float,
    )
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # a pair that no delivery before had
        usual = np.abs(np.nanmedian(measured[:-1, :, 0], axis=0))
    for place, pair in enumerate(pairs):
        strength, rows = measured[:, place, 0], measured[:, place, 1]
        whole = " => " in pair
        if " ~ " in pair:
            columns, kind = tuple(pair.split(" ~ ")), "correlation"
        else:
            # What is decided is named first: it is what changes when it breaks more often than the decider.
            columns, kind = tuple(pair.split(" => " if whole else " > ")[::-1]), "dependency"
        if not all(name in names for name in columns) or not usual[place] >= (_DECIDES if whole else _DEPENDS):
            continue
        if whole:
            metrics.share(columns, kind, pair, np.nan_to_num(strength) * rows, np.where(np.isnan(strength), 0, rows))
        elif not (kind == "dependency" and profiles[-1].columns[columns[0]].kind == "text"):
            metrics.plain(columns, kind, pair, "plain", strength, 1 / np.sqrt(np.maximum(rows, 1)))


def _co_occurrence_metrics(metrics: Metrics, profiles: Sequence[DeliveryProfile], names: Sequence[str]) -> None:
    for pair in profiles[-1].co_occurrences:
        decider, _, decided = pair.partition(" => ")
        if not {decider, decided} <= set(names):
            continue
        given = [one.co_occurrence_arrays.get(pair, _NONE) if decider in one.columns else _NONE for one in profiles]
        sketches = [one.columns[decider].sketch_array if decider in one.columns else _NONE for one in profiles]
        found = new_co_occurrences(sketches, given)
        if found is not None and np.median(found[0][1:-1] / np.maximum(found[1][1:-1], 1)) < _NEW:
            metrics.share((decided, decider), "new_co_occurrences", pair, *found)

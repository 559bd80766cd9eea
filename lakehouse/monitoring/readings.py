"""Readings: the numbers that are taken of every delivery and compared with those of the deliveries before it.

What belongs here: all of them together, those of a delivery as a whole and of pairs of columns, and how many
independent rows a row is worth. Not: what a reading is (reading.py), the readings of a column (column_readings.py),
what is to be expected (expectation.py), what is said about it (anomalies.py).
"""

from collections.abc import Sequence

import numpy as np

from lakehouse.monitoring.column_readings import ColumnReadings
from lakehouse.monitoring.profile import ROW_SKETCH, DeliveryProfile
from lakehouse.monitoring.reading import Reading, Readings, new_hashes

_DECIDES = 0.8
"""From this strength on (0: no better than the most frequent value, 1: always) rows of one a come with one b."""

_DEPENDS, _TEXT_DEPENDS = 0.2, 0.75
"""Dependencies that history shows at least so strong are read: of pairs of two, chance alone makes a half."""


def readings_of(profiles: Sequence[DeliveryProfile]) -> list[Reading]:
    """All readings of deliveries in order, the last of which is judged against the others."""
    readings = Readings()
    _read_delivery(readings, profiles)
    worths, alone = worths_of(profiles), np.ones(len(profiles))
    for name in profiles[-1].columns:
        ColumnReadings.of(readings, profiles, name, worths.get(name, alone)).take()
    _read_dependencies(readings, profiles)
    return readings.found


def worths_of(profiles: Sequence[DeliveryProfile]) -> dict[str, np.ndarray]:
    """How many independent rows each row of a column is worth, shape (T,), from 0 to 1, where it is not one.

    Where all rows of one order have one country, there are as many independent countries as orders: chance moves their
    shares as much. A column with many values that decides this one says so.
    """
    worths: dict[str, np.ndarray] = {}
    for place, profile in enumerate(profiles):
        for pair, (strength, _) in profile.dependencies.items():
            other, arrow, name = pair.partition(" > ")
            column, decider = profile.columns.get(name), profile.columns.get(other)
            if not arrow or column is None or decider is None or not column.finite:
                continue
            most = column.top[0][1] / column.finite if column.top else 0.0
            if column.kind == "text":
                strength = (strength - most) / (1 - most) if most < 1 else 0.0  # noqa: PLW2901  # as the kind has it
            if strength >= _DECIDES and decider.diversity >= np.sqrt(column.finite):
                worth = worths.setdefault(name, np.ones(len(profiles)))
                worth[place] = min(worth[place], decider.diversity / column.finite)
    return worths


def _read_delivery(readings: Readings, profiles: Sequence[DeliveryProfile]) -> None:
    rows = np.array([one.rows for one in profiles], float)
    readings.plain((), "rows", "", "log", np.log(np.maximum(rows, 0.5)), 1 / np.sqrt(np.maximum(rows, 1)))
    readings.share((), "repeated_rows", "", np.array([one.repeated for one in profiles], float), rows)
    gaps = np.diff([np.nan, *(one.day.toordinal() if one.day else np.nan for one in profiles)])
    event_time = profiles[-1].event_time
    readings.plain((event_time,), "days_on", "", "plain", np.arcsinh(gaps), np.full(len(gaps), 0.5))
    sketches = [one.row_sketch for one in profiles]
    fresh, of = new_hashes(sketches, ROW_SKETCH)
    readings.share((), "rows_seen_before", "", of - fresh, of)


def _read_dependencies(readings: Readings, profiles: Sequence[DeliveryProfile]) -> None:
    for pair in profiles[-1].dependencies:
        measured = [one.dependencies.get(pair) for one in profiles]
        strength = np.array([np.nan if one is None else one[0] for one in measured])
        rows = np.array([0.0 if one is None else one[1] for one in measured])
        known = strength[:-1][np.isfinite(strength[:-1])]
        if " ~ " in pair:
            columns, kind = tuple(pair.split(" ~ ")), "correlation"
        else:
            # What is decided is named first: it is what changes when it breaks more often than the decider.
            columns, kind = tuple(pair.split(" > ")[::-1]), "dependency"
        is_text = kind == "dependency" and profiles[-1].columns[columns[0]].kind == "text"
        if not len(known) or abs(np.median(known)) < (_TEXT_DEPENDS if is_text else _DEPENDS):
            continue
        if is_text:
            readings.share(columns, kind, pair, np.nan_to_num(strength) * rows, np.where(np.isnan(strength), 0, rows))
        else:
            readings.plain(columns, kind, pair, "plain", strength, 1 / np.sqrt(np.maximum(rows, 1)))

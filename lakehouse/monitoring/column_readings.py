"""The readings of one column: shares of marks and categories, where its values lie, how many are new.

What belongs here: which numbers are taken of a column. Not: of a delivery and of pairs (readings.py).

The values of a column are read as the shares of them that lie below fixed values, which history's quantiles give: that
needs no scale, and is right for numbers of which many are equal. Values that move on (running numbers, days) are read
by their steps.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lakehouse.monitoring.column_profile import SHARES, SKETCH, TOP, ColumnProfile
from lakehouse.monitoring.distances import shares_below
from lakehouse.monitoring.profile import DeliveryProfile
from lakehouse.monitoring.reading import Form, Readings, new_hashes

CATEGORIES = 15
"""Categories of a column that are read one by one; the rest are one reading together."""
_SHAPES = 8
_INSIDE = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_OUTSIDE = (0.001, 0.999)
_EXTREME = 0.25
"""How far the largest of some hundred normal numbers varies, in units of the distance of their quarters."""
_APART = 3
"""Of so few shares the distance says nothing that each of them does not say."""
_FAR = 3.0
"""How many times as far from the middle as all but a thousandth lie."""
_HOURS = (0.1, 0.25, 0.5, 0.75, 0.9)
_DAY = 86_400_000_000.0
_EPOCH = 719_163
_GRID = np.array(SHARES)
_MIDDLE, _LOW, _HIGH, _LOWER, _UPPER = (int(np.searchsorted(_GRID, one)) for one in (0.5, 0.1, 0.9, 0.25, 0.75))
_MONOTONE = 0.9
_PARTS = (0.25, 0.5, 0.75)

Grids = Sequence[Sequence[float]]


@dataclass(frozen=True)
class ColumnReadings:
    """A column of T deliveries: its profiles (None where a delivery lacks it or has another kind), the numbers of rows
    with a finite value, what a row is worth, and the first microsecond of each delivery's day; shape (T,) each.
    """

    readings: Readings
    name: str
    columns: Sequence[ColumnProfile | None]
    finite: np.ndarray
    worth: np.ndarray
    days: np.ndarray
    event_time: str

    @classmethod
    def of(
        cls, readings: Readings, profiles: Sequence[DeliveryProfile], name: str, worth: np.ndarray
    ) -> "ColumnReadings":
        """The column of this name. What had another kind than now is not compared."""
        kind = profiles[-1].columns[name].kind
        found = [one.columns.get(name) for one in profiles]
        columns = [one if one and one.kind == kind else None for one in found]
        days = np.array([np.nan if one.day is None else one.day.toordinal() - _EPOCH for one in profiles]) * _DAY
        finite = np.array([0 if one is None else one.finite for one in columns], float)
        return cls(readings, name, columns, finite, worth, days, profiles[-1].event_time)

    def take(self) -> None:
        """Take them all."""
        rows, given = self._of(lambda one: one.rows), self._of(lambda one: one.given)
        self._share("null_share", "", self._of(lambda one: one.nulls), rows)
        self._share("nan_share", "", self._of(lambda one: one.nans), given)
        self._share("infinity_share", "", self._of(lambda one: one.infinities), given)
        for mark in sorted({mark for one in self.columns if one for mark in one.marks}):
            self._share(mark, "", self._of(lambda one: one.marks.get(mark, 0)))  # noqa: B023
        self._distinct()
        self._counted("category", [one.top if one else () for one in self.columns], CATEGORIES)
        sketches = [one.sketch if one else () for one in self.columns]
        self._share("new_values", "", *new_hashes(sketches, SKETCH))
        now = self.columns[-1]
        if now is None or now.kind == "text":
            if max((one.distinct for one in self.columns[:-1] if one), default=0) <= TOP:
                return  # its shapes and lengths are those of its categories
            self._counted("shape", [one.shapes if one else () for one in self.columns], _SHAPES)
            self._grids("length", [one.lengths if one else () for one in self.columns])
            return
        grids: Grids = [one.grid if one else () for one in self.columns]
        if now.kind == "time":
            self._hours()
            grids = [
                tuple(value - day for value in grid) if np.isfinite(day) else ()
                for grid, day in zip(grids, self.days, strict=True)
            ]
        if _drifts(grids[:-1]):
            self._steps(grids)
        else:
            self._grids("values", grids)
            self._ends(grids, now.kind)
            if self.name == self.event_time:
                self._parts(grids)

    def _of(self, count: Callable[[ColumnProfile], float]) -> np.ndarray:
        return np.array([np.nan if one is None else count(one) for one in self.columns], float)

    def _share(self, kind: str, detail: str, counts: np.ndarray, of: np.ndarray | None = None) -> None:
        self.readings.share([self.name], kind, detail, counts, self.finite if of is None else of, self.worth)

    def _plain(self, kind: str, detail: str, form: Form, values: np.ndarray, noise: np.ndarray) -> None:
        self.readings.plain([self.name], kind, detail, form, values, noise)

    def _noise(self) -> np.ndarray:
        return 0.5 / np.sqrt(self.finite * self.worth + 0.5)

    def _distinct(self) -> None:
        """How many different values there are, beside what so many rows have had."""
        distinct = self._of(lambda one: one.distinct)
        many, rows = np.log(np.maximum(distinct, 0.5)), np.log(np.maximum(self.finite, 1))
        usable = np.isfinite(many[:-1]) & (self.finite[:-1] > 0)
        if not usable.any():
            return
        spread = np.var(rows[:-1][usable])
        slope = np.cov(rows[:-1][usable], many[:-1][usable], bias=True)[0, 1] / spread if spread > 0 else 0.0
        values = many - np.clip(slope, 0, 1) * (rows - np.mean(rows[:-1][usable]))
        noise = 0.5 / np.sqrt(np.maximum(distinct * self.worth, 1))
        self._plain("distinct", "", "log", np.where(self.finite > 0, values, np.nan), noise)

    def _counted(self, kind: str, counted: Sequence[Iterable[tuple[object, int]]], most: int) -> None:
        """Shares of the most frequent categories of history, of all the others, of the largest that is new, and how
        far all of them together lie from history's (total variation).
        """
        shares: dict[object, float] = {}
        tables = [dict(one) for one in counted]
        for table, rows in zip(tables[:-1], self.finite[:-1], strict=True):
            for value, count in table.items():
                shares[value] = shares.get(value, 0.0) + count / rows
        frequent = sorted(shares, key=lambda one: (-shares[one], str(one)))[:most]
        # What comes now and then comes in bursts: it is read with all others.
        deliveries = sum(bool(table) for table in tables[:-1])
        frequent = [one for one in frequent if 2 * sum(one in table for table in tables[:-1]) > deliveries]
        counts = np.array([[table.get(value, 0) for value in frequent] for table in tables], float)
        counts = np.column_stack([counts.reshape(len(tables), len(frequent)), self.finite - counts.sum(axis=1)])
        for place, value in enumerate([*map(str, frequent), "all others"]):
            self._share(f"{kind}_share", value, counts[:, place])
        self._distance(f"{kind}_distance", counts, 0.5)
        seen: set[object] = set()
        newest = np.zeros(len(tables))
        for place, table in enumerate(tables):
            newest[place] = max((count for value, count in table.items() if value not in seen), default=0)
            seen.update(table)
        newest[0] = np.nan  # everything is new in the first
        self._share(f"new_{kind}", "", newest)

    def _distance(self, kind: str, counts: np.ndarray, factor: float) -> None:
        """How far each delivery's shares lie from the middle of history's: sum or largest of differences."""
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = counts / self.finite[:, None]
        known = shares[:-1][self.finite[:-1] > 0]
        if not len(known) or counts.shape[1] <= _APART:
            return
        off = np.abs(shares - np.median(known, axis=0))
        self._plain(kind, "", "plain", factor * off.sum(axis=1) if factor else off.max(axis=1), self._noise())

    def _grids(self, kind: str, grids: Grids) -> None:
        known = np.array([grid for grid in grids[:-1] if len(grid)])
        if not len(known):
            return
        usual = np.median(known, axis=0)
        inside, outside = ([float(usual[np.searchsorted(_GRID, one)]) for one in some] for some in (_INSIDE, _OUTSIDE))
        far = [float(usual[_MIDDLE] + _FAR * (one - usual[_MIDDLE])) for one in outside]
        inside, outside = (
            list(dict.fromkeys(inside)),
            [one for one in dict.fromkeys(outside + far) if one not in inside],
        )
        values = [*inside, *outside]
        shares = dict(zip(values, self._below(grids, values).T, strict=True))
        for value, below in shares.items():
            self._share(kind if value in inside else f"{kind}_outside", f"{value:g}", below)
        self._distance(f"{kind}_distance", np.column_stack([shares[value] for value in dict.fromkeys(inside)]), 0.0)

    def _below(self, grids: Grids, values: Sequence[float]) -> np.ndarray:
        """How many rows of each delivery lie below each value, shape (T, values)."""
        none = np.full(len(values), np.nan)
        below = np.array([shares_below(grid, values) if len(grid) else none for grid in grids])
        return below * self.finite[:, None]

    def _parts(self, grids: Grids) -> None:
        """How many rows there are from some time of the day on, and up to it: a file may end early or begin late."""
        known = np.array([grid for grid in grids[:-1] if len(grid)])
        if not len(known):
            return
        usual = np.median(known, axis=0)
        values = [float(usual[np.searchsorted(_GRID, share)]) for share in _PARTS]
        for value, below in zip(values, self._below(grids, values).T, strict=True):
            for kind, rows in (("early_rows", below), ("late_rows", self.finite - below)):
                noise = 0.5 / np.sqrt(self.worth)
                self.readings.plain((), kind, f"{value:g}", "root", np.sqrt(rows + 0.375), noise)

    def _ends(self, grids: Grids, kind: str) -> None:
        """How far the values lie apart; of times, when they begin and end."""
        known = np.array([grid for grid in grids[:-1] if len(grid)])
        if not len(known):
            return
        usual = np.median(known, axis=0)
        width = max(float(usual[_UPPER] - usual[_LOWER]), 1e-9)
        for detail, place in (("begin", 0), ("end", -1)) if kind == "time" else ():
            ends = np.array([(grid[place] - usual[place]) / width if len(grid) else np.nan for grid in grids])
            self._plain("span", detail, "plain", np.arcsinh(ends), np.full(len(grids), _EXTREME))
        spread = np.log1p(self._of(lambda one: one.std or 0.0) / width)
        # Three times as much noise as in a share: values with a long tail have few that decide how far they spread.
        self._plain("deviation", "", "plain", np.where(self.finite > 1, spread, np.nan), 3 * self._noise())

    def _steps(self, grids: Grids) -> None:
        """Of values that move on: how far since the delivery before, how wide they lie, how many lie behind."""
        steps, behind, wide = (np.full(len(grids), np.nan) for _ in range(3))
        before: Sequence[float] = ()
        usual = float(np.median([grid[_UPPER] - grid[_LOWER] for grid in grids[:-1] if len(grid)])) or 1.0
        for place, grid in enumerate(grids):
            if not len(grid):
                continue
            wide[place] = np.log(max((grid[_HIGH] - grid[_LOW]) / usual, 1e-6))
            if before:
                steps[place] = np.arcsinh((grid[_MIDDLE] - before[_MIDDLE]) / usual)
                behind[place] = float(shares_below(grid, before[-1:])[0])
            before = grid
        self._plain("step", "", "plain", steps, 2 * self._noise())
        self._plain("spread", "", "log", wide, 2 * self._noise())
        self._share("behind", "", behind * self.finite, np.where(np.isnan(behind), 0, self.finite))

    def _hours(self) -> None:
        hours = np.array([one.hours if one and one.hours else [0] * 24 for one in self.columns], float)
        total = hours[:-1].sum(axis=0)
        if not total.sum():
            return
        cuts = {int(np.searchsorted(np.cumsum(total) / total.sum(), share)) for share in _HOURS}
        for hour in sorted(cuts - {23}):
            self._share("hours", f"{hour + 1}:00", hours[:, : hour + 1].sum(axis=1))


def _drifts(grids: Grids) -> bool:
    """Whether the values move on from delivery to delivery: running numbers, days."""
    known = np.array([grid for grid in grids if len(grid)])
    if len(known) <= 2:  # noqa: PLR2004  # two steps at least
        return False
    steps = np.diff(known[:, _MIDDLE])
    spread = float(np.median(known[:, _UPPER] - known[:, _LOWER]))
    forward = max(float(np.mean(steps > 0)), float(np.mean(steps < 0)))
    return forward >= _MONOTONE and abs(known[-1, _MIDDLE] - known[0, _MIDDLE]) > spread

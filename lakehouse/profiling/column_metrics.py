"""Column metrics: shares of marks and categories, the distribution of values, how many are new.

What belongs here: which numbers are taken of a column. Not: of a delivery and of pairs (metrics.py).

The values of a column are read as the shares of them that lie below fixed values, which history's quantiles give: that
needs no scale, and is right for numbers of which many are equal. Values that move on (running numbers, days) are read
by their steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from lakehouse.profiling.column_profile import SHARES, SKETCH, TOP, ColumnProfile
from lakehouse.profiling.distances import shares_below, shares_below_all
from lakehouse.profiling.metric import Form, Metrics, new_hashes
from lakehouse.profiling.profile import DeliveryProfile

CATEGORIES = 15
"""Categories of a column that are read one by one; the rest are one metric together."""
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
_LOW_TAIL, _HIGH_TAIL = (
    tuple(int(np.searchsorted(_GRID, one)) for one in some)
    for some in ((0.001, 0.002, 0.005, 0.01), (0.99, 0.995, 0.998, 0.999))
)
_STEADY = 0.05
"""The least that a quantile far out is taken to move by chance, on a scale that is a logarithm's."""
_SOME = 3
_MONOTONE = 0.9
_PARTS = (0.25, 0.5, 0.75)
_NO_HASHES, _NO_COUNTS = np.zeros(0, np.int64), np.zeros(0)
_COUNTED = attrgetter("rows", "nulls", "nans", "infinities", "distinct")
_NOT_COUNTED = (np.nan,) * 5


@dataclass(frozen=True)
class ColumnMetrics:
    """A column of T deliveries: its profiles (None where a delivery lacks it or has another kind), the numbers of rows
    with a finite value, what a row is worth, and the first microsecond of each delivery's day; shape (T,) each.
    """

    metrics: Metrics
    name: str
    columns: Sequence[ColumnProfile | None]
    finite: np.ndarray
    worth: np.ndarray
    days: np.ndarray
    event_time: str

    @classmethod
    def of(cls, metrics: Metrics, profiles: Sequence[DeliveryProfile], name: str, worth: np.ndarray) -> "ColumnMetrics":
        """The column of this name. What had another kind than now is not compared."""
        kind = profiles[-1].columns[name].kind
        found = [one.columns.get(name) for one in profiles]
        columns = [one if one and one.kind == kind else None for one in found]
        days = np.array([np.nan if one.day is None else one.day.toordinal() - _EPOCH for one in profiles]) * _DAY
        finite = np.array([0 if one is None else one.finite for one in columns], float)
        return cls(metrics, name, columns, finite, worth, days, profiles[-1].event_time)

    def take(self) -> None:
        """Take them all."""
        counts = np.array([_COUNTED(one) if one else _NOT_COUNTED for one in self.columns], float)
        self._share("null_share", "", counts[:, 1], counts[:, 0])
        given = counts[:, 0] - counts[:, 1]
        self._share("nan_share", "", counts[:, 2], given)
        self._share("infinity_share", "", counts[:, 3], given)
        marks = sorted({mark for one in self.columns if one for mark in one.marks})
        if marks:
            none = [np.nan] * len(marks)
            bears = np.array([[one.marks.get(mark, 0) for mark in marks] if one else none for one in self.columns])
            self._shares([(mark, "") for mark in marks], bears.astype(float))
        self._distinct(counts[:, 4])
        self._counted("category", [one.top_counted if one else None for one in self.columns], CATEGORIES)
        sketches = [one.sketch_array if one else _NO_HASHES for one in self.columns]
        self._share("new_values", "", *new_hashes(sketches, SKETCH))
        now = self.columns[-1]
        if now is None or now.kind == "text":
            if max((one.distinct for one in self.columns[:-1] if one), default=0) <= TOP:
                return  # its shapes and lengths are those of its categories
            self._counted("shape", [one.shapes_counted if one else None for one in self.columns], _SHAPES)
            self._grids("length", _stacked([one.lengths_array if one else None for one in self.columns]))
            return
        if max((one.distinct for one in self.columns[:-1] if one), default=0) <= TOP:
            return
        grids = _stacked([one.grid_array if one else None for one in self.columns])
        if now.kind == "time":
            self._hours()
            grids = grids - self.days[:, None]
        if _drifts(grids[:-1]):
            self._steps(grids)
        else:
            self._grids("values", grids)
            self._ends(grids, now.kind)
            if self.name == self.event_time:
                self._parts(grids)

    def _share(self, kind: str, detail: str, counts: np.ndarray, of: np.ndarray | None = None) -> None:
        self.metrics.share([self.name], kind, detail, counts, self.finite if of is None else of, self.worth)

    def _shares(self, kinds: Sequence[tuple[str, str]], counts: np.ndarray) -> None:
        self.metrics.shares([self.name], kinds, counts, self.finite, self.worth)

    def _plain(self, kind: str, detail: str, form: Form, values: np.ndarray, noise: np.ndarray) -> None:
        self.metrics.plain([self.name], kind, detail, form, values, noise)

    def _noise(self) -> np.ndarray:
        return 0.5 / np.sqrt(self.finite * self.worth + 0.5)

    def _distinct(self, distinct: np.ndarray) -> None:
        """How many different values there are, beside what so many rows have had."""
        many, rows = np.log(np.maximum(distinct, 0.5)), np.log(np.maximum(self.finite, 1))
        usable = np.isfinite(many[:-1]) & (self.finite[:-1] > 0)
        if not usable.any():
            return
        spread = np.var(rows[:-1][usable])
        slope = np.cov(rows[:-1][usable], many[:-1][usable], bias=True)[0, 1] / spread if spread > 0 else 0.0
        values = many - np.clip(slope, 0, 1) * (rows - np.mean(rows[:-1][usable]))
        noise = 0.5 / np.sqrt(np.maximum(distinct * self.worth, 1))
        self._plain("distinct", "", "log", np.where(self.finite > 0, values, np.nan), noise)

    def _counted(self, kind: str, counted: Sequence[tuple[np.ndarray, np.ndarray] | None], most: int) -> None:
        """Shares of the most frequent categories of history, of all the others, of the largest that is new, and how
        far all of them together lie from history's (total variation).
        """
        tables = [(_NO_HASHES, _NO_COUNTS) if one is None else one for one in counted]
        places = np.repeat(np.arange(len(tables)), [len(codes) for codes, _ in tables])
        times = np.concatenate([one for _, one in tables])
        _, first, values = np.unique(
            np.concatenate([codes for codes, _ in tables]), return_index=True, return_inverse=True
        )
        past = places < len(tables) - 1
        among = np.bincount(values[past], minlength=len(first))
        shares = np.bincount(values[past], (times / np.maximum(self.finite, 1)[places])[past], len(first))
        # What comes now and then comes in bursts: it is read with all others.
        often = np.flatnonzero(2 * among > np.count_nonzero(np.bincount(places[past])))
        names = [self._name(kind, counted, int(places[one]), int(one), places) for one in first[often]]
        order = sorted(range(len(often)), key=lambda one: (-shares[often[one]], names[one]))[:most]
        column = np.full(len(first), len(order))
        column[often[order]] = np.arange(len(order))
        counts = np.zeros((len(tables), len(order) + 1))
        np.add.at(counts, (places, column[values]), times)
        counts[:, -1] = self.finite - counts[:, :-1].sum(axis=1)
        share = f"{kind}_share"
        self._shares([*((share, names[one]) for one in order), (share, "all others")], counts)
        self._distance(f"{kind}_distance", counts, 0.5)
        newest = np.zeros(len(tables))
        fresh = places == places[first][values]
        np.maximum.at(newest, places[fresh], times[fresh])
        newest[0] = np.nan  # everything is new in the first
        self._share(f"new_{kind}", "", newest)

    def _name(self, kind: str, counted: Sequence[object], delivery: int, place: int, places: np.ndarray) -> str:
        """The text of a category, from the delivery that had it first."""
        column = self.columns[delivery]
        if column is None:
            raise AssertionError(counted[delivery])  # it has none
        pairs = column.top if kind == "category" else column.shapes
        return str(pairs[place - int(np.searchsorted(places, delivery))][0])

    def _distance(self, kind: str, counts: np.ndarray, factor: float) -> None:
        """How far each delivery's shares lie from the middle of history's: sum or largest of differences."""
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = counts / self.finite[:, None]
        known = shares[:-1][self.finite[:-1] > 0]
        if not len(known) or counts.shape[1] <= _APART:
            return
        off = np.abs(shares - np.median(known, axis=0))
        self._plain(kind, "", "plain", factor * off.sum(axis=1) if factor else off.max(axis=1), self._noise())

    def _grids(self, kind: str, grids: np.ndarray) -> None:
        usual = _usual(grids)
        if usual is None:
            return
        inside, outside = ([float(usual[np.searchsorted(_GRID, one)]) for one in some] for some in (_INSIDE, _OUTSIDE))
        far = [float(usual[_MIDDLE] + _FAR * (one - usual[_MIDDLE])) for one in outside]
        inside = list(dict.fromkeys(inside))
        outside = [one for one in dict.fromkeys(outside + far) if one not in inside]
        below = self._below(grids, [*inside, *outside])
        kinds = [(kind, f"{value:g}") for value in inside] + [(f"{kind}_outside", f"{value:g}") for value in outside]
        self._shares(kinds, below)
        self._distance(f"{kind}_distance", below[:, : len(inside)], 0.0)

    def _below(self, grids: np.ndarray, values: Sequence[float]) -> np.ndarray:
        """How many rows of each delivery lie below each value, shape (T, values)."""
        return shares_below_all(grids, values) * self.finite[:, None]

    def _parts(self, grids: np.ndarray) -> None:
        """How many rows there are from some time of the day on, and up to it: a file may end early or begin late."""
        usual = _usual(grids)
        if usual is None:
            return
        values = [float(usual[np.searchsorted(_GRID, share)]) for share in _PARTS]
        for value, below in zip(values, self._below(grids, values).T, strict=True):
            for kind, rows in (("early_rows", below), ("late_rows", self.finite - below)):
                usually = max(float(np.nanmedian(rows[:-1])), 1.0)
                self.metrics.plain(
                    (), kind, f"{value:g}", "count", np.log(rows + 0.5), 1 / np.sqrt(usually * self.worth)
                )

    def _ends(self, grids: np.ndarray, kind: str) -> None:
        """How far the values lie apart; of times, when they begin and end."""
        usual = _usual(grids)
        if usual is None:
            return
        width = max(float(usual[_UPPER] - usual[_LOWER]), 1e-9)
        for detail, place in (("begin", 0), ("end", -1)) if kind == "time" else ():
            ends = (grids[:, place] - usual[place]) / width
            self._plain("span", detail, "plain", np.arcsinh(ends), np.full(len(grids), _EXTREME))
        self._tails(grids, usual, width)
        deviations = np.array([np.nan if one is None else one.std or 0.0 for one in self.columns])
        spread = np.log1p(deviations / width)
        # Three times as much noise as in a share: values with a long tail have few that decide how far they spread.
        self._plain("deviation", "", "plain", np.where(self.finite > 1, spread, np.nan), 3 * self._noise())

    def _tails(self, grids: np.ndarray, usual: np.ndarray, width: float) -> None:
        """How far out the few values in the tails lie, on a scale that is a logarithm's far out.

        What sampling alone moves a quantile by is what it moves its share by, read off the usual grid (Woodruff,
        "Confidence Intervals for Medians and Other Position Measures", 1952).
        """
        scaled = np.arcsinh((grids - usual[_MIDDLE]) / width)
        middle = np.arcsinh((usual - usual[_MIDDLE]) / width)
        rows = np.maximum(self.finite * self.worth, 1)
        many = float(np.median(self.finite))
        for kind, places in (("tail_low", _LOW_TAIL), ("tail_high", _HIGH_TAIL)):
            for place in places:
                share = float(_GRID[place])
                below = np.ceil(share * many)
                if (below if kind == "tail_low" else many - below + 1) < _SOME:
                    continue  # one or two rows far out come now and then
                moves = np.sqrt(share * (1 - share) / rows)
                low, high = (np.interp(share + sign * moves, _GRID, middle) for sign in (-1, 1))
                self._plain(kind, f"{share:g}", "plain", scaled[:, place], np.maximum((high - low) / 2, _STEADY))

    def _steps(self, grids: np.ndarray) -> None:
        """Of values that move on: how far since the delivery before, how wide they lie, how many lie behind."""
        usual = float(np.nanmedian(grids[:-1, _UPPER] - grids[:-1, _LOWER])) or 1.0
        steps, behind, wide = (np.full(len(grids), np.nan) for _ in range(3))
        given = np.flatnonzero(~np.isnan(grids[:, 0]))
        known = grids[given]
        wide[given] = np.log(np.maximum((known[:, _HIGH] - known[:, _LOW]) / usual, 1e-6))
        steps[given[1:]] = np.arcsinh(np.diff(known[:, _MIDDLE]) / usual)
        for place, before, now in zip(given[1:], known, known[1:], strict=False):
            behind[place] = float(shares_below(now, before[-1:])[0])
        self._plain("step", "", "plain", steps, 2 * self._noise())
        self._plain("spread", "", "log", wide, 2 * self._noise())
        self._share("behind", "", behind * self.finite, np.where(np.isnan(behind), 0, self.finite))

    def _hours(self) -> None:
        hours = np.array([one.hours if one and one.hours else [0] * 24 for one in self.columns], float)
        total = hours[:-1].sum(axis=0)
        if not total.sum():
            return
        cuts = {int(np.searchsorted(np.cumsum(total) / total.sum(), share)) for share in _HOURS}
        chosen = sorted(cuts - {23})
        if chosen:
            self._shares([("hours", f"{hour + 1}:00") for hour in chosen], np.cumsum(hours, axis=1)[:, chosen])


def _stacked(grids: Sequence[np.ndarray | None]) -> np.ndarray:
    """Grids as one array, shape (T, points), NaN where there is none."""
    none = np.full(len(_GRID), np.nan)
    return np.array([none if one is None or not len(one) else one for one in grids])


def _usual(grids: np.ndarray) -> np.ndarray | None:
    """The middle of history's grids; None where there is none."""
    known = grids[:-1][~np.isnan(grids[:-1, 0])]
    return np.median(known, axis=0) if len(known) else None


def _drifts(grids: np.ndarray) -> bool:
    """Whether the values move on from delivery to delivery: running numbers, days."""
    known = grids[~np.isnan(grids[:, 0])]
    if len(known) <= 2:  # noqa: PLR2004  # two steps at least
        return False
    steps = np.diff(known[:, _MIDDLE])
    spread = float(np.median(known[:, _UPPER] - known[:, _LOWER]))
    forward = max(float(np.mean(steps > 0)), float(np.mean(steps < 0)))
    return forward >= _MONOTONE and abs(known[-1, _MIDDLE] - known[0, _MIDDLE]) > spread

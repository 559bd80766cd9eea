"""305 daily deliveries of a web shop, one of them gone wrong: how many are noticed, and how many good ones alarmed by.

What belongs here: the measurement, beside a rule of ranges and nulls, and beside Evidently's data drift preset. Not:
the corruptions (corruptions.py), harmless changes (harmless.py), naming formats (format_changes.py).

Each corrupted delivery stands in a clean history: the published days before it. It is written as CSV and read as any
delivery is; noticed is what cannot be read, what a change of format explains, and what is an anomaly.
"""

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.arguments import Arguments, Measured, by_seed
from benchmarks.corruptions import BUILDING, HELD_OUT, STRENGTHS, NotApplicableError, applicable, corrupt
from benchmarks.delivered import DATA, DataSet, online_retail, small_payments, write_file
from benchmarks.drift_peer import PEER, drifted
from benchmarks.figures import Figure, report
from benchmarks.harmless import WAYS, write_harmless
from lakehouse.drift.detection import find_changes
from lakehouse.errors import DeliveryError
from lakehouse.profiling.anomalies import FEWEST, find_anomalies
from lakehouse.profiling.history import MOST
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile, profile_table
from lakehouse.sources.reading import read_leniently

CAUGHT = {"weak": 0.85, "medium": 0.97, "strong": 0.97}
FALSE_ALARMS = 0.02
NAMED = 0.95


@dataclass(frozen=True)
class Tried:
    """A delivery, what was done to it (nothing: it is good), and what was said. `place` is its number in the history,
    `rows` are as they were read (None: they could not be), `by_rule` whether the rule of ranges and nulls alarms.
    """

    kind: str
    strength: str
    place: int
    columns: tuple[str, ...]
    found: Sequence[Issue]
    rows: pa.Table | None
    by_rule: bool

    @property
    def named(self) -> bool:
        """Whether what is said first is about the right column, or the delivery as a whole."""
        first = self.found[0].columns[:1]
        return set(first) <= set(self.columns) if first else not self.columns


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments(
        "Daily deliveries of a web shop: corrupted ones noticed, good ones alarmed by; beside Evidently."
    )
    parser.size("--cases", 4, quick=1, full=6, about="corrupted deliveries of each kind and strength")
    parser.size("--good", 200, quick=4, about="good deliveries")
    parser.size("--harmless", 100, quick=3, about="deliveries with harmless changes")
    parser.add_argument("--kinds", choices=("building", "held_out", "all"), default="all", help="kinds of corruption")
    parser.seeds([1], full=[1, 2, 3])
    parser.add_argument("--evidently", action="store_true", help="beside Evidently, too (--full does it anyway)")
    parser.add_argument("--of-evidently", type=int, default=20, help="Evidently sees one delivery of so many")
    given = parser.given()
    if not given.quick and not (DATA / "online_retail").exists():
        print(f"Skipped: there is no folder online_retail under {DATA}.", file=sys.stderr)
        return 0
    with TemporaryDirectory(prefix="slipway-benchmark-") as name:
        shop = _Shop(small_payments() if given.quick else online_retail(), Path(name))
        found = by_seed(given, "deliveries", lambda seed: _measure(given, shop, seed))
    return report(found.figures, given, **found.cases)


def _measure(given: Namespace, shop: "_Shop", seed: int) -> Measured:
    data, folder = shop.data, shop.folder
    random = np.random.default_rng(seed)
    places = np.sort(random.choice(np.arange(FEWEST, len(data.deliveries)), given.good, replace=False))
    clean = [shop.try_(data.deliveries[place], int(place)) for place in places]
    harmless = [shop.try_harmless(number, int(random.choice(places))) for number in range(given.harmless)]
    kinds = {"building": BUILDING, "held_out": HELD_OUT, "all": (*BUILDING, *HELD_OUT)}[given.kinds]
    kinds = kinds[::5] if given.quick else kinds
    bad = [
        shop.try_corrupted(kind, strength, place, number)
        for kind in kinds
        if applicable(kind, data)
        for strength in STRENGTHS
        for number, place in enumerate(random.integers(20, len(data.deliveries), given.cases).tolist())
    ]
    bad = [one for one in bad if one is not None]
    figures = [*_caught(bad), *_alarms(clean, harmless), *_by_rule(bad, clean)]
    if given.evidently or given.full:
        figures += _by_evidently(data, bad[:: given.of_evidently], clean[:: given.of_evidently], folder)
    figures.append(
        Figure("one delivery judged, reading included", shop.seconds / shop.tried, "s", None, "", holds=True)
    )
    if not given.json:
        _print_kinds(bad)
    cases = {
        "missed": [f"{one.kind} {one.strength} {one.place} {one.columns}" for one in bad if not one.found],
        "wrongly_named": [_described(one) for one in bad if one.found and not one.named],
        "false_alarms": [_described(one) for one in [*clean, *harmless] if one.found],
    }
    return Measured(figures, cases)


class _Shop:
    """The published days, and trying one more."""

    def __init__(self, data: DataSet, folder: Path) -> None:
        self.data, self.folder = data, folder
        schema = data.source.contract.schema
        self.days = [
            profile_table(rows.to_arrow().select(schema.names).cast(schema), f"{place}", event_time=data.time).named(
                data.source.name, f"{place}.csv"
            )
            for place, rows in enumerate(data.deliveries)
        ]
        self.seconds, self.tried = 0.0, 0

    def try_(
        self, rows: pl.DataFrame, place: int, kind: str = "", strength: str = "", columns: Sequence[str] = ()
    ) -> Tried:
        path = write_file(rows, self.folder / "delivery.csv")
        return self._judge(path, place, kind, strength, tuple(columns))

    def try_corrupted(self, kind: str, strength: str, place: int, seed: int) -> Tried | None:
        try:
            made = corrupt(kind, strength, self.data, place, seed)
        except NotApplicableError:
            return None
        return self.try_(made.rows, place, kind, strength, made.columns)

    def try_harmless(self, number: int, place: int) -> Tried:
        way = WAYS[number % len(WAYS)]
        path = write_harmless(self.data.deliveries[place], way, self.folder, "harmless", number)
        tried = self._judge(path, place, way, "", ())
        plain = self.days[max(place - MOST, 0) : place]
        # Where the good delivery itself alarms, its other spelling does no more harm.
        return (
            tried if not find_anomalies(self.days[place], plain) else Tried(way, "", place, (), (), None, by_rule=False)
        )

    def _judge(self, path: Path, place: int, kind: str, strength: str, columns: tuple[str, ...]) -> Tried:
        history = self.days[max(place - MOST, 0) : place]
        began = time.perf_counter()
        try:
            read = read_leniently(self.data.source, path)
        except DeliveryError as error:
            found = [Issue("unreadable", (), error.what)]
            return Tried(kind, strength, place, columns, found, None, by_rule=True)
        profile = profile_table(read.rows, "now", event_time=self.data.time).named(self.data.source.name, "now.csv")
        found = [*find_changes(self.data.source, read, history, profile), *find_anomalies(profile, history)]
        self.seconds, self.tried = self.seconds + time.perf_counter() - began, self.tried + 1
        return Tried(kind, strength, place, columns, found, read.rows, _out_of_range(profile, history))


def _out_of_range(now: DeliveryProfile, history: Sequence[DeliveryProfile]) -> bool:
    """The rule: no number below the least or above the largest of history, no more nulls than ever before."""
    for name, column in now.columns.items():
        before = [one.columns[name] for one in history if name in one.columns]
        if column.null_share > max(one.null_share for one in before):
            return True
        ranges = [one for one in before if one.grid]
        if column.kind == "number" and column.grid and ranges:
            least, most = min(one.grid[0] for one in ranges), max(one.grid[-1] for one in ranges)
            if column.grid[0] < least or column.grid[-1] > most:
                return True
    return False


def _caught(bad: Sequence[Tried]) -> list[Figure]:
    figures = []
    for group, kinds in (
        ("", (*BUILDING, *HELD_OUT)),
        (", kinds seen while building", BUILDING),
        (", kinds held out", HELD_OUT),
    ):
        chosen = [one for one in bad if one.kind in kinds]
        for strength in STRENGTHS:
            of = [one for one in chosen if one.strength == strength]
            if of:
                share = sum(bool(one.found) for one in of) / len(of)
                goal = CAUGHT[strength]
                figures.append(
                    Figure(f"{strength}: noticed of {len(of)}{group}", share, "", None, f">= {goal}", share >= goal)
                )
        alarmed = [one for one in chosen if one.found]
        if alarmed:
            share = sum(one.named for one in alarmed) / len(alarmed)
            figures.append(
                Figure(
                    f"right column named first, of {len(alarmed)}{group}",
                    share,
                    "",
                    None,
                    f">= {NAMED}",
                    share >= NAMED,
                )
            )
    return figures


def _alarms(clean: Sequence[Tried], harmless: Sequence[Tried]) -> list[Figure]:
    share = sum(bool(one.found) for one in clean) / len(clean)
    wrong = sum(bool(one.found) for one in harmless)
    return [
        Figure(
            f"alarms among {len(clean)} good deliveries", share, "", None, f"<= {FALSE_ALARMS}", share <= FALSE_ALARMS
        ),
        Figure(f"alarms among {len(harmless)} harmless changes", wrong, "", None, "0", wrong == 0),
    ]


def _by_rule(bad: Sequence[Tried], clean: Sequence[Tried]) -> list[Figure]:
    return _beside("ranges and nulls", [(one, one.by_rule) for one in bad], [(one, one.by_rule) for one in clean])


def _by_evidently(data: DataSet, bad: Sequence[Tried], clean: Sequence[Tried], folder: Path) -> list[Figure]:
    tried = [*bad, *clean]
    alarms_by_method = drifted([(one.place, one.rows) for one in tried], data, folder)
    figures = []
    for name, alarms in alarms_by_method.items():
        pairs = list(zip(tried, alarms, strict=True))
        figures += _beside(f"{PEER}, {name}", pairs[: len(bad)], pairs[len(bad) :])
    return figures


def _beside(name: str, bad: Sequence[tuple[Tried, bool]], clean: Sequence[tuple[Tried, bool]]) -> list[Figure]:
    figures = []
    for strength in STRENGTHS:
        of = [(one, alarm) for one, alarm in bad if one.strength == strength]
        ours = sum(bool(one.found) for one, _ in of) / len(of)
        share = sum(alarm for _, alarm in of) / len(of)
        figures.append(
            Figure(f"{name}: {strength} noticed of {len(of)}", share, "", f"ours {ours:.3f}", "", holds=True)
        )
    ours = sum(bool(one.found) for one, _ in clean) / len(clean)
    share = sum(alarm for _, alarm in clean) / len(clean)
    figures.append(Figure(f"{name}: alarms of {len(clean)} good", share, "", f"ours {ours:.3f}", "", holds=True))
    return figures


def _print_kinds(bad: Sequence[Tried]) -> None:
    for kind in dict.fromkeys(one.kind for one in bad):
        of = [one for one in bad if one.kind == kind]
        seen = " ".join(
            f"{strength} {sum(bool(one.found) for one in of if one.strength == strength)}"
            f"/{sum(one.strength == strength for one in of)}"
            for strength in STRENGTHS
        )
        named = sum(one.named for one in of if one.found)
        held = "held out" if kind in HELD_OUT else "building"
        print(f"{kind:24} {held:9} {seen}; right column first {named}/{sum(bool(one.found) for one in of)}")


def _described(one: Tried) -> str:
    first = one.found[0]
    return f"{one.kind} {one.strength} {one.place} {one.columns}: {first.kind} {first.columns} {first.message}"


if __name__ == "__main__":
    sys.exit(main())

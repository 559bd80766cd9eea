"""Naming changed formats: 200 deliveries that were renamed, rescaled, recoded or dated in another way, over three data
sets, and what must raise nothing: clean deliveries and harmless changes.

What belongs here: the measurement. Not: the changes (format_cases.py, harmless.py). A change is named rightly when the
kind and the columns are, and the proposals, declared as mappings, read the file back equal to the clean rows.
"""

import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from benchmarks import format_cases
from benchmarks.arguments import Arguments, Measured, by_seed
from benchmarks.corruptions import NotApplicableError, applicable, corrupt
from benchmarks.delivered import DATA_SETS, SMALL, DataSet, Loader, write_file
from benchmarks.figures import Figure, report
from benchmarks.format_cases import Change, NothingToChangeError
from benchmarks.harmless import WAYS, write_harmless
from lakehouse.drift.detection import find_changes
from lakehouse.errors import SlipwayError
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile, profile_table
from lakehouse.sources import mappings
from lakehouse.sources.reading import read_delivery, read_leniently
from lakehouse.sources.source import Source

LEAST = 0.9
Sets = Mapping[str, Loader]
HISTORY = 30
OTHER = {
    "columns_swapped": {"columns_swapped"},
    "null_respelt": {"null_respelt"},
    "mojibake": {"encoding_changed"},
    "truncated": {"text_truncated"},
    "duplicated_rows": {"rows_duplicated"},
    "stale_delivery": {"delivery_stale", "delivery_repeated"},
    "column_added": {"column_added"},
    "column_removed": {"column_removed"},
    "sign_flipped": {"sign_flipped"},
}
"""Kinds of corruptions.py that have a name as changes, with what they are called."""


@dataclass
class Case:
    """What was found in one delivery, and whether it was right."""

    group: str
    what: str
    right: bool
    found: list[str]


def main() -> int:
    """Measure, and print the figures."""
    parser = Arguments("Changed formats named rightly, over three data sets; clean deliveries and harmless changes.")
    parser.size("--cases", 200, quick=6, about="changed deliveries")
    parser.size("--others", 90, quick=4, about="deliveries with changes of other kinds")
    parser.size("--harmless", 100, quick=3, about="deliveries with harmless changes")
    parser.size("--clean", 200, quick=5, about="clean deliveries")
    # Seeds 1 to 3 were looked at while building.
    parser.seeds([4], full=[4, 5, 6])
    parser.add_argument("--all-clean", action="store_true", help="every clean delivery")
    given = parser.given()
    sets = SMALL if given.quick else DATA_SETS
    with TemporaryDirectory(prefix="slipway-benchmark-") as name:
        found = by_seed(given, "format_changes", lambda seed: _measure(given, sets, Path(name), seed))
    if not given.json:
        print("\n".join(found.cases["wrong"]))
    return report(found.figures, given, **found.cases)


def _measure(given: Namespace, sets: Sets, folder: Path, seed: int) -> Measured:
    cases = _cases(sets, folder, given.cases, seed)
    other = _others(sets, folder, given.others, seed)
    harmless = _harmless(sets, folder, given.harmless, seed)
    clean, looked = _clean(sets, folder, None if given.all_clean else given.clean, seed)
    right = sum(case.right for case in cases) / len(cases)
    figures = [Figure(f"{len(cases)} changes named and undone rightly", right, "", None, f">= {LEAST}", right >= LEAST)]
    for group in format_cases.GROUPS:
        chosen = [case.right for case in cases if case.group == group]
        figures.append(
            Figure(f"of {len(chosen)} of the group {group}", float(np.mean(chosen)), "", None, "", holds=True)
        )
    named = float(np.mean([case.right for case in other]))
    figures += [
        Figure(f"{len(other)} other changes (swapped, null, encoding, ...) named", named, "", None, "", holds=True),
        Figure(
            f"harmless changes alarmed, of {len(harmless)}",
            sum(not one.right for one in harmless),
            "",
            None,
            "0",
            all(one.right for one in harmless),
        ),
        Figure(f"clean deliveries alarmed, of {looked}", len(clean), "", None, "<= 2%", len(clean) <= 0.02 * looked),
    ]
    wrong = [f"{one.group}: {one.what} -> {one.found}" for one in [*cases, *other, *harmless] if not one.right] + clean
    return Measured(figures, {"wrong": wrong})


@cache
def _profile(load: Loader, place: int) -> DeliveryProfile:
    data = load()
    rows = data.deliveries[place].to_arrow().select(data.source.contract.schema.names).cast(data.source.contract.schema)
    profile = profile_table(rows, f"{data.name} {place}", event_time=data.time)
    return profile.named(data.source.name, f"{data.deliveries[place][data.time].min():%Y-%m-%d}")


def _history(load: Loader, place: int) -> list[DeliveryProfile]:
    return [_profile(load, one) for one in range(max(0, place - HISTORY), place)]


def _place(data: DataSet, random: np.random.Generator) -> int:
    """A delivery with at least two before it."""
    return int(random.integers(2, len(data.deliveries)))


def _cases(sets: Sets, folder: Path, number: int, seed: int) -> list[Case]:
    random = np.random.default_rng(seed)
    results = []
    groups, names = list(format_cases.GROUPS), list(sets)
    while len(results) < number:
        group, name = groups[len(results) % len(groups)], names[(len(results) // len(groups)) % len(names)]
        data = sets[name]()
        place = _place(data, random)
        try:
            change = format_cases.draw(group, data, data.deliveries[place], random)
        except NothingToChangeError:
            continue
        ending = ("csv", "parquet")[int(random.integers(2))]
        path = write_file(change.rows, folder / f"delivery_{place}.{ending}")
        found = _found(data.source, path, _history(sets[name], place))
        right = _right(change, found, data, place, path)
        results.append(Case(group, f"{name} {place} {ending}: {change.what}", right, _shown(found)))
        path.unlink()
    return results


def _found(source: Source, path: Path, history: list[DeliveryProfile]) -> list[Issue]:
    return find_changes(source, read_leniently(source, path), history)


def _right(change: Change, found: list[Issue], data: DataSet, place: int, path: Path) -> bool:
    """Whether kind and columns are named, and the proposals undo the change to the bit."""
    named = {one.columns[0] for one in found if one.kind == change.kind and one.columns}
    if named != set(change.columns):
        return False
    proposals = ", ".join(one.proposal for one in found if one.proposal)
    try:
        declared = eval(f"[{proposals}]", {**vars(mappings), "date": date})  # noqa: S307  # what a person would paste
        read = read_delivery(replace(data.source, mappings=tuple(declared)), path)
    except SlipwayError:
        return False
    return not read.unreadable and read.rows.equals(_rows(data, place))


def _rows(data: DataSet, place: int) -> pa.Table:
    schema = data.source.contract.schema
    return data.deliveries[place].to_arrow().select(schema.names).cast(schema)


def _others(sets: Sets, folder: Path, number: int, seed: int) -> list[Case]:
    random = np.random.default_rng(seed + 1)
    results, names = [], list(sets)
    kinds = [kind for kind in OTHER if any(applicable(kind, load()) for load in sets.values())]
    while len(results) < number:
        kind, name = kinds[len(results) % len(kinds)], names[int(random.integers(len(names)))]
        data = sets[name]()
        place, strength = _place(data, random), ("medium", "strong")[int(random.integers(2))]
        try:
            if not applicable(kind, data):
                continue
            made = corrupt(kind, strength, data, place, seed)
        except NotApplicableError:
            continue
        path = write_file(made.rows, folder / f"delivery_{place}.parquet")
        found = _found(data.source, path, _history(sets[name], place))
        hit = [one for one in found if one.kind in OTHER[kind]]
        right = bool(hit) and (not made.columns or set(made.columns) >= {hit[0].columns[0]})
        what = f"{name} {place} {kind} {strength} {made.columns} {made.detail}"
        results.append(Case("other", what, right, _shown(found)))
    return results


def _harmless(sets: Sets, folder: Path, number: int, seed: int) -> list[Case]:
    random = np.random.default_rng(seed + 2)
    results = []
    for case in range(number):
        way, name = WAYS[case % len(WAYS)], list(sets)[case % len(sets)]
        data = sets[name]()
        place = _place(data, random)
        path = write_harmless(data.deliveries[place], way, folder, f"harmless_{case}", case)
        found = _found(data.source, path, _history(sets[name], place))
        same = read_delivery(data.source, path).rows.equals(_rows(data, place))
        results.append(Case("harmless", f"{name} {place} {way}", not found and same, _shown(found)))
        path.unlink()
    return results


def _clean(sets: Sets, folder: Path, most: int | None, seed: int) -> tuple[list[str], int]:
    places = [(name, place) for name, load in sets.items() for place in range(1, len(load().deliveries))]
    if most is not None:
        chosen = np.random.default_rng(seed + 3).choice(len(places), most, replace=False)
        places = [places[one] for one in sorted(chosen.tolist())]
    alarms = []
    for name, place in places:
        data = sets[name]()
        path = write_file(data.deliveries[place], folder / "clean.parquet")
        found = _found(data.source, path, _history(sets[name], place))
        if found:
            alarms.append(f"clean: {name} {place} -> {_shown(found)}")
    return alarms, len(places)


def _shown(found: list[Issue]) -> list[str]:
    return [f"{one.kind} {', '.join(one.columns)}: {one.proposal or one.message}" for one in found]


if __name__ == "__main__":
    sys.exit(main())

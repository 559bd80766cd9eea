"""Time drift: another notation, day and month swapped, another time zone.

What belongs here: columns of times. Not: other columns (values.py, texts.py). An event time is
known by where it should lie: right after the deliveries before, at the hours that are usual.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.drift.case import Case, few_unreadable, percent
from lakehouse.profiling.column_profile import ColumnProfile
from lakehouse.profiling.distribution_fit import ColumnHistory, Shape, moments
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile
from lakehouse.sources.casting import as_text
from lakehouse.sources.mappings import retyped, times
from lakehouse.sources.reading import delivered_name
from lakehouse.sources.time_mapping import UNITS

_CLOCK = r"(?:(?P<gap>[ T])(?P<clock>\d{1,2}:\d\d(?P<seconds>:\d\d(?P<parts>\.\d+)?)?)(?P<half> ?[AaPp][Mm])?)?"
_ZONE = r"(?P<zone> ?(?:Z|[+-]\d\d:?\d\d))?"
_NUMBERS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{2,4})" + _CLOCK + _ZONE)
_WORDS = re.compile(r"(\d{1,2})([ .-]?)([A-Za-z]{3,9})\2(\d{4})" + _CLOCK + _ZONE)
_DIGITS = re.compile(r"\d{8}" + _CLOCK + _ZONE)
_READ = 0.05
_NEAR = timedelta(days=20)
_HABIT = 0.6
"""The share of steps from day to day that must be the same for the next to be known."""
_FEW, _ENOUGH = 3, 5
_UNKNOWN_SPREAD = 0.15
_TOO_FEW = 0.15
"""What chance may do at most where rows by hour of day are compared; so it is for a hundred rows beside a hundred."""
_YEAR = 4
"""Digits of a year."""


def find_written_times(case: Case, name: str) -> Issue | None:
    """Times that could not be read: the form they are written in, of those that fit the one that is most in time."""
    share = case.unreadable(name)
    mistyped = any(one.kind == "type_changed" and name in one.columns for one in case.read.structure)
    if name in case.missing or (few_unreadable(case, name) and not mistyped):
        return None
    if mistyped and not share:
        return Issue("type_changed", (name,), "Its values say times all the same.", 2.0, 1.0, retyped(name).line())
    values = as_text(case.read.delivered.column(delivered_name(case.source, case.read, name)))
    mask = case.read.unreadable.get(name)
    odd = pc.drop_null(values.filter(pa.array(mask)) if mask is not None else values)
    found: list[tuple[float, float, str]] = []
    before = case.before.get(name)
    for form in _forms(odd.slice(0, 200).to_pylist()):
        tried = case.tried([times(name, form)], [name])
        if tried:
            left = tried.unreadable.get(name, 0.0)
            found.append((round(left, 2), _away(Shape.of(tried.columns[name]), before), form))
    best = min(found, default=None)
    if best and best[0] <= _READ * max(share, _READ):
        proposal = times(name, best[2]).line()
        concerned = share or 1.0
        message = f"`{name}` is written as {best[2]} in {percent(concerned)} of the rows."
        return Issue("time_format_changed", (name,), message, 3.0, concerned, proposal, {"form": best[2]})
    message = f"`{name}`: {percent(share)} of the rows have a value that is not a timestamp."
    return Issue("type_changed", (name,), message, 1 + share, share)


def _away(shape: Shape | None, before: ColumnHistory | None) -> float:
    """How far the median lies from where the next one should; 0 where nothing is known."""
    if shape is None or before is None or not before.shapes:
        return 0.0
    return abs(shape.middle - before.next_middle[0])


def _forms(words: Sequence[str]) -> list[str]:
    """The forms, in the words of strptime, in which most of the texts may be written."""
    counts = Counter(form for word in words for form in _forms_of(word.strip()))
    return [form for form, count in counts.most_common(8) if count >= 0.5 * len(words)]  # most


def _forms_of(word: str) -> list[str]:
    if re.fullmatch(r"-?\d{9,17}(\.\d+)?", word):
        return list(UNITS)
    if match := _NUMBERS.fullmatch(word):
        first, gap, _, last = match.groups()[:4]
        year = "%Y" if _YEAR in {len(first), len(last)} else "%y"
        begins = len(first) == _YEAR
        orders = [(year, "%m", "%d"), (year, "%d", "%m")] if begins else [("%d", "%m", year), ("%m", "%d", year)]
        return [gap.join(order) + _clock(match) for order in orders]
    if match := _WORDS.fullmatch(word):
        month = "%b" if len(match.group(3)) == 3 else "%B"  # noqa: PLR2004  # Jan, January
        return [match.group(2).join(("%d", month, "%Y")) + _clock(match)]
    if match := _DIGITS.fullmatch(word):
        return [order + _clock(match) for order in ("%Y%m%d", "%d%m%Y", "%m%d%Y")]
    return []


def _clock(match: re.Match[str]) -> str:
    parts = match.groupdict()
    form = ""
    if parts["clock"]:
        form = parts["gap"] + ("%I" if parts["half"] else "%H") + ":%M"
        form += ":%S" if parts["seconds"] else ""
        form += ".%f" if parts["parts"] else ""
    if parts["half"]:
        form += " %p" if parts["half"].startswith(" ") else "%p"
    if parts["zone"]:
        form += " %z" if parts["zone"].startswith(" ") else "%z"
    return form


def find_day_and_month(case: Case) -> Issue | None:
    """Event times that lie far away, and right after the last delivery when day and month change places."""
    name, last = case.source.event_time, max((one.last_day for one in case.history if one.last_day), default=None)
    if name not in case.before or last is None or case.profile.day is None:
        return None
    following = _following(case.history, last)
    counts = {
        one["values"]: one["counts"]
        for one in pc.value_counts(pc.drop_null(case.read.rows.column(name)).cast(pa.date32())).to_pylist()
    }
    total = sum(counts.values())
    expected = {day for day in counts if following[0] <= day <= following[1] or _is_a_gap(case.history, day)}
    moved = {day: swapped for day in counts if day not in expected and (swapped := _swapped(day)) is not None}
    there = {day for day, swapped in moved.items() if following[0] <= swapped <= following[1]}
    in_place = sum(counts[day] for day in expected) / total
    mended = sum(counts[day] for day in there) / total
    if case.profile.day in there and in_place < 0.1 and mended >= 0.9:  # noqa: PLR2004  # nearly none, nearly all
        mapping = times(name, day_month_swapped=True, since=moved[case.profile.day])
        message = (
            f"Day and month of `{name}` have changed places: {case.profile.day} should be "
            f"{moved[case.profile.day]}, right after {last}."
        )
        return Issue("day_month_swapped", (name,), message, 3.0, 1.0, mapping.line())
    # A share of the rows: their days are those of the other rows, with day and month the other way round.
    strange = [day for day, swapped in moved.items() if swapped == case.profile.day and counts[day] >= 4]  # noqa: PLR2004
    share = sum(counts[day] for day in strange) / total
    near = sum(count for day, count in counts.items() if abs(day - case.profile.day) <= _NEAR)
    if near / total + share < 0.95:  # noqa: PLR2004  # it is a delivery of many days, and those are some of them
        return None
    if share >= 0.01 and all(_spans(one) for one in case.history):  # noqa: PLR2004  # no slip of a hand
        message = f"Day and month of `{name}` have changed places in {percent(share)} of the rows."
        return Issue("day_month_swapped", (name,), message, 2 + share, share)
    return None


def _following(history: Sequence[DeliveryProfile], last: date) -> tuple[date, date]:
    """The first and the last day that the next delivery can be of; where days do not come regularly, there is none."""
    known = sorted({one.day for one in history if one.day})
    steps = sorted((later - earlier).days for earlier, later in pairwise(known))
    if len(steps) < _FEW - 1:
        return date.max, date.min
    usual, longest = steps[len(steps) // 2], steps[min(int(len(steps) * 0.9), len(steps) - 1)]
    regular = [step for step in steps if abs(step - usual) <= 0.1 * usual]
    if len(regular) < _HABIT * len(steps) or longest > max(2 * usual, 3):
        return date.max, date.min
    return last + timedelta(days=regular[0]), last + timedelta(days=longest)


def _is_a_gap(history: Sequence[DeliveryProfile], day: date) -> bool:
    """Whether a day lies between those that came, and none came of it: then it comes late."""
    spans = [(one.first_day, one.last_day) for one in history if one.first_day and one.last_day]
    within = min(first for first, _ in spans) < day < max(last for _, last in spans)
    return within and not any(first <= day <= last for first, last in spans)


def _spans(one: object) -> bool:
    """Whether a delivery's days lie close together."""
    first, last = getattr(one, "first_day", None), getattr(one, "last_day", None)
    return bool(first and last and last - first < _NEAR)


def _swapped(day: date) -> date | None:
    if day.day > 12 or day.day == day.month:  # noqa: PLR2004  # months of a year
        return None
    return date(day.year, day.day, day.month)


def find_clock(case: Case, name: str) -> Issue | None:
    """Times that lie some whole hours beside those that are usual."""
    before, now = case.before[name], case.profile.columns[name]
    if not case.enough(name) or not sum(now.hours) or not sum(before.pooled.hours):
        return None
    hours = _by_all_hours(before, now) or _by_opening_hours(before, now)
    if not hours or not _as_usual(before, np.roll(now.hours, -hours)):
        return None
    mapping = times(name, zone=f"{'+' if hours > 0 else '-'}{abs(hours):02}:00", since=_day_of(case, hours))
    side = "later" if hours > 0 else "earlier"
    message = f"The times of `{name}` are about {abs(hours)} h {side} in the day than ever: another time zone."
    return Issue("time_zone_changed", (name,), message, 2.0, 1.0, mapping.line(), {"hours": hours})


def _by_all_hours(before: ColumnHistory, now: ColumnProfile) -> int:
    """The hours by which the rows of each hour of the day lie beside the usual ones; 0 when they don't."""
    pooled, found = _shares(before.pooled.hours), _shares(now.hours)
    usual = [_shares(one.hours) for one in before.profiles if sum(one.hours)]
    apart = max(0.5 * float(np.abs(one - pooled).sum()) for one in usual)
    if len(usual) < _FEW:
        apart = max(apart, _UNKNOWN_SPREAD)
    chance = before.chance(now.given)
    if chance > _TOO_FEW:
        return 0
    as_it_is = 0.5 * float(np.abs(found - pooled).sum())
    shifts = {hours: 0.5 * float(np.abs(np.roll(found, -hours) - pooled).sum()) for hours in range(-11, 13) if hours}
    best = min(shifts, key=lambda one: (shifts[one], abs(one)))
    clear = as_it_is >= max(0.12, 1.5 * apart, 3 * chance)
    return best if clear and shifts[best] <= min(as_it_is / 2, max(0.1, 1.2 * apart, 2 * chance)) else 0


def _by_opening_hours(before: ColumnHistory, now: ColumnProfile) -> int:
    """The hours by which the day begins, is half done and ends beside the usual; 0 when they are not the same."""
    usual = before.moments_of_day
    if usual is None or len(usual) < _ENOUGH:
        return 0
    spread = np.maximum(usual.std(axis=0, ddof=1), max(0.25, 8 / np.sqrt(now.given)))
    moved = moments(now.hours) - usual.mean(axis=0)
    weights = 1 / spread**2
    about = round(float((moved * weights).sum() / weights.sum()))
    all_moved = (moved * np.sign(about) >= 2 * spread).all() and (np.abs(moved) >= 3 * spread).sum() > 1
    same = (np.abs(moved - about) <= np.maximum(1.5 * spread, 1.0)).all()
    if abs(about) <= 1 or not all_moved or not same:
        return 0
    # Of the hours about that, the one under which the hours of the rows are most likely.
    found, likely = _shares(now.hours), np.log(_shares(before.pooled.hours) + 1e-4)
    return max((about - 1, about, about + 1), key=lambda one: float(np.roll(found, -one) @ likely))


def _as_usual(before: ColumnHistory, hours: Sequence[int] | np.ndarray) -> bool:
    """Whether a day begins, is half done and ends when days did before."""
    usual = before.moments_of_day
    if usual is None:
        return False
    spread = usual.std(axis=0, ddof=1) if len(usual) > 1 else np.full(3, 1.0)
    return bool((np.abs(moments(hours) - usual.mean(axis=0)) <= np.maximum(2 * spread, 1.0)).all())


def _day_of(case: Case, hours: int) -> date | None:
    """The day of most of the rows, once their times are right."""
    shifted = pc.subtract(
        pc.drop_null(case.read.rows.column(case.source.event_time)), pa.scalar(timedelta(hours=hours))
    )
    counts = pc.value_counts(shifted.cast(pa.date32())).to_pylist()
    return max(counts, key=lambda one: one["counts"])["values"] if counts else None


def _shares(counts: Sequence[int]) -> np.ndarray:
    found = np.array(counts, float)
    return found / found.sum()

"""Drift detection: a delivery is compared with its contract and with the deliveries before it, by all detectors.

What belongs here: asking every detector in turn, and one answer for each column. Not: the detectors (changes_of_*.py),
and alarms without an explanation (lakehouse/profiling/anomalies.py).

An issue blocks a delivery, so a change is only named when the delivery does not fit what was, far beyond what clean
deliveries do, and the change explains it. A changed order of columns, another delimiter or encoding mark change no
value, and raise nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lakehouse.drift.case import Case
from lakehouse.drift.columns import find_renamed, find_swapped
from lakehouse.drift.deliveries import find_repeated
from lakehouse.drift.texts import (
    find_encoding,
    find_letters,
    find_null_word,
    find_recoded,
    find_truncated,
    find_unreadable,
)
from lakehouse.drift.times import find_clock, find_day_and_month, find_written_times
from lakehouse.drift.values import find_sentinel, find_unit
from lakehouse.profiling.issues import Issue
from lakehouse.profiling.profile import DeliveryProfile, profile_table
from lakehouse.sources.reading import Read
from lakehouse.sources.source import Source

_OF_COLUMNS: Sequence[Callable[[Case, str], Issue | None]] = (
    find_null_word,
    find_encoding,
    find_truncated,
    find_sentinel,
    find_unit,
    find_recoded,
    find_letters,
)
"""The first that explains a column is what is said of it."""


def find_changes(
    source: Source,
    read: Read,
    history: Sequence[DeliveryProfile],
    profile: DeliveryProfile | None = None,
) -> list[Issue]:
    """What changed in a delivery's format, the most telling first; `proposal` is what to add to the source's mappings.

    `read` comes from `read_leniently` (or `read_delivery`), `history` are the profiles of published deliveries, the
    newest last, `profile` is the delivery's own if it is known already. Earlier deliveries of the same name are not
    looked at: a corrected file may repeat what it corrects.
    """
    if profile is None:
        profile = profile_table(read.rows, "", event_time=source.event_time)
    known = [one for one in history if not one.delivery or one.delivery != profile.delivery]
    case = Case(source, read, profile, known)
    named = [*find_renamed(case)]
    found = [*_structure(case, named), *find_repeated(case)]
    if any(one.kind in {"delivery_repeated", "delivery_stale"} for one in found):
        return _ordered(found)
    found += [one for one in (_times(case, name) for name in _time_columns(case)) if one]
    taken = {name for one in found for name in one.columns}
    found += [one for one in find_swapped(case) if not taken & set(one.columns)]
    taken |= {name for one in found for name in one.columns}
    found += [one for one in (find_unreadable(case, name) for name in _others(case) if name not in taken) if one]
    taken |= {name for one in found for name in one.columns}
    for column in case.present:
        if column.name not in taken and column.name != source.event_time and case.enough(column.name):
            asked = (detect(case, column.name) for detect in _OF_COLUMNS)
            found += [one for one in asked if one][:1]
    return _ordered([_in_full(case, one) for one in found])


def _in_full(case: Case, found: Issue) -> Issue:
    """What keeps the file from being read first, and what it looks like after it."""
    others = [
        one.message
        for one in case.read.structure
        if one.message
        and one.kind in {"type_changed", "column_removed"}
        and found.kind != one.kind
        and set(one.columns) & set(found.columns[:1])
    ]
    others += [
        one.message
        for one in case.read.structure
        if one.kind == found.kind == "type_changed" and one.columns == found.columns and one.message != found.message
    ]
    return replace(found, message=" ".join([*others, found.message])) if others else found


def _time_columns(case: Case) -> list[str]:
    return [one.name for one in case.source.contract.columns if one.type == "timestamp"]


def _others(case: Case) -> list[str]:
    return [one.name for one in case.source.contract.columns if one.type not in {"timestamp", "text"}]


def _times(case: Case, name: str) -> Issue | None:
    found = find_written_times(case, name)
    if not found and name == case.source.event_time:
        found = find_day_and_month(case)
    if not found and name in case.before and name not in case.missing:
        found = find_clock(case, name)
    return found


def _structure(case: Case, named: Sequence[Issue]) -> list[Issue]:
    """What keeps the file from being read, without the columns that were found under another name."""
    found = list(named)
    renamed = {name for one in named for name in one.columns}
    for one in case.read.structure:
        left = tuple(name for name in one.columns if name not in renamed)
        if one.kind == "type_changed":
            continue  # told in more words by what its values say
        if not left:
            continue
        if one.kind == "column_added" and len(left) < len(one.columns):
            message = (
                f"The column {left[0]!r} is unknown."
                if len(left) == 1
                else f"The columns {', '.join(left)} are unknown."
            )
            proposal = ", ".join(f"ignored({name!r})" for name in left)
            found.append(replace(one, columns=left, message=message, proposal=proposal))
        else:
            # A name that is alike says nothing where the values are known and are not.
            keep = one.kind != "column_removed" or not set(left) & set(case.before)
            found.append(one if keep else replace(one, proposal=None))
    return found


def _ordered(found: Sequence[Issue]) -> list[Issue]:
    # In steps, so that several of about the same size stay in the order of the contract's columns.
    return sorted(found, key=lambda one: -round(one.size, 1))

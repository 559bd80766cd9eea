"""Text drift: values that cannot be read any more, other codes, null as a word, encoding, truncated texts.

What belongs here: columns as texts and as categories. Not: numbers that could be read (values.py) and times
(times.py).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.drift.case import Case, few_unreadable, percent
from lakehouse.drift.code_matching import match_codes
from lakehouse.drift.columns import similarity
from lakehouse.profiling.column_profile import Category, ColumnProfile
from lakehouse.profiling.distribution_fit import ColumnHistory, Shape, differing, shares_of
from lakehouse.profiling.issues import Issue
from lakehouse.sources.casting import as_text
from lakehouse.sources.mappings import decimal_comma, null_spellings, recoded, reencoded, retyped, scaled
from lakehouse.sources.reading import delivered_name

NULL_WORDS = frozenset(
    [
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "nan",
        "null",
        "none",
        "nil",
        "(null)",
        "<null>",
        "missing",
        "unknown",
        "undefined",
        "-",
        "--",
        ".",
        "?",
    ],
)
_LITTLE = 0.02
_CODES = 60
_KNOWN = 2
"""Deliveries before it that tell which codes there are."""
_LOOK = " Derived from how often each comes: check the rare ones before you declare it."
_LETTERS = {"padded": "white space around", "lower": "small letters only", "upper": "capital letters only"}
_NAMED = 0.9
"""The share of the odd values that a mapping must explain."""


def find_unreadable(case: Case, name: str) -> Issue | None:
    """Given values that say no value of the column's type: how they are written, where that can be told."""
    share = case.unreadable(name)
    mistyped = any(one.kind == "type_changed" and name in one.columns for one in case.read.structure)
    if (few_unreadable(case, name) and not mistyped) or name in case.missing:
        return None
    words = _odd_words(case, name)
    nulls = [word for word in words if word.lower() in NULL_WORDS]
    candidates: list[tuple[str, str, list]] = []
    if nulls and sum(words[word] for word in nulls) >= _NAMED * sum(words.values()):
        candidates.append(("null_respelt", "null is written in another way", [null_spellings(name, *nulls)]))
    kind = case.column(name).type
    if kind in {"int16", "int32", "int64", "float64"}:
        candidates.append(("number_format_changed", "numbers have a decimal comma", [decimal_comma(name)]))
        # Whole numbers that became too large for their type, or fractions.
        if kind != "float64":
            factors = (0.001, 0.01, 0.1, 1e-6, 10, 100, 1000)
            scales = [scaled(name, factor, since=case.since) for factor in factors]
            candidates += [("unit_changed", f"numbers have another unit ({one.line()})", [one]) for one in scales]
    codes = _code_words(case, name, words)
    if codes:
        candidates.append(("category_recoded", "codes are others", [recoded(name, codes)]))
    if mistyped:
        candidates.insert(0, ("type_changed", "values have another type", [retyped(name)]))
    for issue_kind, how, mappings in candidates:
        tried = case.tried(mappings, [name])
        if not tried or tried.unreadable.get(name, 0.0) > max(0.1 * share, 0.0):
            continue
        must = {"number_format_changed": 0.5, "unit_changed": 0.75}.get(issue_kind, 0.0)
        if must and not _fits(tried.columns[name], case.before.get(name), must):
            continue
        concerned = share or 1.0
        proposal = ", ".join(one.line() for one in mappings)
        message = f"`{name}`: {how} in {percent(concerned)} of the rows."
        return Issue(issue_kind, (name,), message, 2 + concerned, concerned, proposal)
    message = f"`{name}`: {percent(share)} of the rows have a value that is not {kind}."
    return Issue("type_changed", (name,), message, 1 + share, share)


def _odd_words(case: Case, name: str) -> Counter[str]:
    """The texts that could not be read, with their counts."""
    mask = case.read.unreadable.get(name)
    if mask is None:
        return Counter()
    values = as_text(case.read.delivered.column(delivered_name(case.source, case.read, name)))
    counts = pc.value_counts(values.filter(mask))
    found = Counter({one["values"]: one["counts"] for one in counts.to_pylist() if one["values"] is not None})
    return Counter({word[:200]: count for word, count in found.most_common(1_000)})


def _fits(found: ColumnProfile, before: ColumnHistory | None, must: float) -> bool:
    return before is None or not found.given or similarity(found, before) >= must


def _code_words(case: Case, name: str, words: Counter[str]) -> dict[str | int, str | int] | None:
    before = case.before.get(name)
    if not before or not before.few_values or not 0 < len(words) <= _CODES:
        return None
    total = sum(words.values())
    matched = match_codes({word: count / total for word, count in words.items()}, before.categories, total)
    return {_code(word): _value(case, name, means) for word, means in matched.codes.items()} if matched else None


def find_recoded(case: Case, name: str) -> Issue | None:
    """A category whose codes are others, or mean others, than before."""
    before, now = case.before[name], case.profile.columns[name]
    if not 1 < now.distinct <= _CODES or case.column(name).type in {"float64", "bool", "timestamp"}:
        return None
    if now.kind != before.kind or not before.few_values or len(before.categories) == 1:
        return None
    found = shares_of(now)
    new = {code: share for code, share in found.items() if code not in before.categories}
    apart = differing(found, before.categories)
    limit = max(0.12, 2.5 * before.categories_apart, 2.0 * before.chance(now.given))
    share = sum(new.values())
    if apart < limit:
        return None
    # Either new codes stand for the old ones, in a share of the rows, or the old ones were given other meanings.
    sent = {code: one / share for code, one in new.items()} if share > limit / 2 else found
    matched = match_codes(sent, before.categories, round(now.given * (share if new else 1)))
    if not matched or matched.apart > max(limit / 2, 1.5 * before.categories_apart) or matched.apart > apart / 3:
        return None
    if len(before.profiles) < _KNOWN or _moves_on(case, name):
        return None
    codes = {code: means for code, means in matched.codes.items() if code != means}
    rows = share if sent is not found else sum(found[code] for code in codes)
    shown = ", ".join(f"{code} for {means}" for code, means in list(codes.items())[:6])
    message = f"`{name}` comes in other codes in {percent(rows)} of the rows: {shown}."
    message += "" if matched.sure else _LOOK
    since = case.since if sent is found else None
    mapping = recoded(name, {_code(code): _value(case, name, means) for code, means in codes.items()}, since=since)
    measured = {"total_variation": round(apart, 4), "total_variation_mended": round(matched.apart, 4)}
    return Issue("category_recoded", (name,), message, 2 + rows, rows, mapping.line(), measured)


def _moves_on(case: Case, name: str) -> bool:
    """Whether the values follow one another in time, as those of a running number do, and are no codes."""
    if case.source.event_time not in case.read.rows.column_names:
        return False
    rows = pa.table({"time": case.read.rows.column(case.source.event_time), "code": case.read.rows.column(name)})
    spans = rows.drop_null().group_by("code").aggregate([("time", "min"), ("time", "max")]).sort_by("time_min")
    first, last = (spans.column(one).to_numpy() for one in ("time_min", "time_max"))
    return bool((last[:-1] < first[1:]).all())


def _code(code: Category) -> str | int:
    return int(code) if isinstance(code, float) else code


def _value(case: Case, name: str, means: Category) -> str | int:
    return str(means) if case.column(name).type == "text" else int(means)


def find_null_word(case: Case, name: str) -> Issue | None:
    """A word such as NA that comes as often as never before in a column of texts."""
    before, now = case.before[name], case.profile.columns[name]
    if now.kind != "text" or not now.given:
        return None
    found: dict[str, float] = {}
    for value, count in now.top:
        here = count / now.rows
        if str(value).strip().lower() not in NULL_WORDS or count < 4:  # noqa: PLR2004  # fewer are no habit
            continue
        if here >= max(0.01, 3 * before.largest_share(value)):
            found[str(value)] = here
    if not found:
        return None
    share = sum(found.values())
    shown = " and ".join(map(repr, found))
    message = f"`{name}` is {shown} in {percent(share)} of the rows, as never before: null in another spelling."
    return Issue("null_respelt", (name,), message, 1 + share, share, null_spellings(name, *found).line())


def find_encoding(case: Case, name: str) -> Issue | None:
    """Texts with signs of a wrong encoding, far more than before."""
    before, now = case.before[name], case.profile.columns[name]
    share = now.marks.get("broken", 0) / max(now.rows, 1)
    if now.kind != "text" or share < max(0.01, 3 * before.largest_mark("broken")) or now.marks["broken"] < 4:  # noqa: PLR2004
        return None
    message = f"`{name}` has letters of a wrong encoding in {percent(share)} of the rows."
    for encoding in ("latin-1", "cp1252"):
        mapping = reencoded(name, encoding)
        tried = case.tried([mapping], [name])
        if tried and tried.columns[name].marks.get("broken", 0) / max(tried.columns[name].rows, 1) <= 0.1 * share:
            return Issue("encoding_changed", (name,), message, 1 + share, share, mapping.line())
    return Issue("encoding_changed", (name,), message, 1 + share, share)


def find_truncated(case: Case, name: str) -> Issue | None:
    """Texts that end at one length as often as never before, in place of longer ones."""
    before, now = case.before[name], case.profile.columns[name]
    if now.kind != "text" or not now.lengths or now.given < 20:  # noqa: PLR2004  # too few to tell
        return None
    lengths = Shape(np.array(now.lengths), now.given)
    usual = [Shape(np.array(one.lengths), one.given) for one in before.profiles if one.lengths]
    best: tuple[float, float] | None = None
    for length in np.unique(lengths.grid[:-1]):
        here = _at(lengths, length)
        more = here - max((_at(one, length) for one in usual), default=1.0)
        longer = min((_above(one, length) for one in usual), default=0.0) - _above(lengths, length)
        if more >= max(0.15, 2 / np.sqrt(now.given)) and longer >= 0.5 * more and (best is None or more > best[0]):
            best = (more, float(length))
    if not best or _shorter(lengths, usual, best[1]):
        return None
    usual_words = dict(before.pooled.top)
    known = sum(count for word, count in now.top if len(str(word)) == best[1] and word in usual_words)
    if known > 0.3 * best[0] * now.given:  # what is cut off is a new word
        return None
    share, length = best
    message = f"`{name}` is cut off at {length:g} characters in {percent(share)} of the rows."
    measured = {"longest": length, "longest_before": max(one.grid[-1] for one in usual)}
    return Issue("text_truncated", (name,), message, 1 + share, share, measured=measured)


def _at(lengths: Shape, length: float) -> float:
    return float(np.diff(lengths.below(np.array([length - 1, length])))[0])


def _above(lengths: Shape, length: float) -> float:
    return 1 - float(lengths.below(np.array([length]))[0])


def _shorter(lengths: Shape, usual: Sequence[Shape], length: float) -> bool:
    """Whether texts of other lengths changed as well: cutting leaves the shorter ones as they were."""
    at = np.array([length - 1])
    before = [float(one.below(at)[0]) for one in usual]
    found = float(lengths.below(at)[0])
    return not min(before) - 0.1 <= found <= max(before) + 0.1  # what chance may do


def find_letters(case: Case, name: str) -> Issue | None:
    """Texts whose letters were all large or all small, and are not any more."""
    before, now = case.before[name], case.profile.columns[name]
    if now.kind != "text" or now.given < 20:  # noqa: PLR2004  # too few to tell
        return None
    for mark, what in (
        ("padded", "white space around"),
        ("lower", "small letters only"),
        ("upper", "capital letters only"),
    ):
        share = now.marks.get(mark, 0) / now.rows
        most = before.largest_mark(mark)
        if share >= (max(0.05, 3 * most) if mark == "padded" else most + max(0.05, 0.5 * (1 - most))):
            message = f"`{name}` has {what} in {percent(share)} of the rows; before, in at most {percent(most)}."
            return Issue("letters_changed", (name,), message, 1 + share, share)
    return None

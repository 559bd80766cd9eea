"""Column values, prepared so that many deliveries in one column can be profiled one after the other.

What belongs here: from an Arrow column to hashes and ranks, once for all rows; from the rows of one delivery to its
ColumnProfile. Not: what belongs to a delivery as a whole (profile.py).

Whatever costs much is done once for each different text: lengths, shapes, hashes. The rest is numbers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.profiling.column_profile import (
    HASH_BITS,
    SHAPES,
    SHARES,
    SKETCH,
    TOP,
    ColumnKind,
    ColumnProfile,
    most_frequent,
)

Bits = np.ndarray
"""Unsigned 64-bit numbers."""
_LONGEST = 4_096
"""Characters of a text that are compared; of longer ones the beginning and the length are."""
_SHOWN = 64
_SHAPE_LENGTH = 32
_DECIMALS = 6
_HOUR, _DAY, _SECOND = 3_600_000_000, 86_400_000_000, 1_000_000
_NULL = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Values:
    """A column of n rows. `given` (n,): not null. `hashes` (n,): equal where values are equal; nulls have one too.

    `numbers` (n,): floats, of times microseconds since 1970; anything where not given. `exact`: the same as whole
    numbers, where the type has no fractions. `codes` (n,): which of `texts` it is.
    """

    name: str
    kind: ColumnKind
    given: np.ndarray
    hashes: Bits
    numbers: np.ndarray | None = None
    exact: np.ndarray | None = None
    codes: np.ndarray | None = None
    texts: "_Texts | None" = field(default=None)


@dataclass(frozen=True)
class _Texts:
    """The m different texts of a column and what is known of each, shape (m,)."""

    shown: Sequence[str]
    shapes: Sequence[str]
    lengths: np.ndarray
    marks: dict[str, np.ndarray]


def values_of(name: str, column: pa.ChunkedArray | pa.Array) -> Values:
    """Make a column ready. What is neither number, time, truth nor text is compared as its text."""
    kind = column.type
    given = (
        pc.is_valid(column).to_numpy(zero_copy_only=False)
        if isinstance(column, pa.Array)
        else _numpy(pc.is_valid(column))
    )
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        naive = column.cast(pa.timestamp("us", kind.tz if pa.types.is_timestamp(kind) else None), safe=False)
        exact = _numpy(pc.fill_null(naive.cast(pa.int64()), 0))
        return Values(name, "time", given, _hashes(exact, given), exact.astype(float), exact)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        exact = _numpy(pc.fill_null(column.cast(pa.int64(), safe=False), 0))
        return Values(name, "number", given, _hashes(exact, given), exact.astype(float), exact)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        floats = _numpy(pc.fill_null(column.cast(pa.float64(), safe=False), 0.0)) + 0.0  # one zero, not two
        return Values(name, "number", given, _hashes(floats.view(np.int64), given), floats)
    return _text_values(name, column, given)


def profile_values(values: Values, rows: np.ndarray | slice) -> ColumnProfile:
    """The profile of one delivery: the rows (numbers of rows, or a slice) of a column. Their order does not matter."""
    given = values.given[rows]
    total = len(given)
    if values.texts is None:
        return _profile_numbers(values, rows, given, total)
    codes = values.codes[rows][given]  # type: ignore[index]
    found, counts = np.unique(codes, return_counts=True)
    texts = values.texts
    hashes = _first_hashes(values, rows, given)
    shown = _largest(counts, TOP)
    by_shape = ((texts.shapes[int(code)], int(count)) for code, count in zip(found, counts, strict=True))
    return ColumnProfile(
        name=values.name,
        kind="text",
        rows=total,
        nulls=total - len(codes),
        distinct=len(found),
        diversity=_diversity(counts),
        lengths=grid_of(np.sort(texts.lengths[codes])),
        top=most_frequent(((texts.shown[int(found[one])], int(counts[one])) for one in shown), TOP),
        shapes=most_frequent(by_shape, SHAPES),
        marks={mark: int(bears[codes].sum()) for mark, bears in texts.marks.items()},
        sketch=hashes,
    )


def grid_of(ordered: np.ndarray) -> tuple[float, ...]:
    """The values at SHARES, of values in order: the smallest that at least that share of values is at most."""
    if not len(ordered):
        return ()
    places = np.ceil(np.array(SHARES) * len(ordered) - 1e-9).astype(np.int64) - 1
    return tuple(ordered[np.clip(places, 0, None)].astype(float).tolist())


def smallest_hashes(hashes: Bits, cap: int) -> tuple[int, ...]:
    """The `cap` smallest of the different hashes, as kept in profiles."""
    chosen = np.partition(hashes, cap - 1)[:cap] if len(hashes) > cap else hashes
    return tuple(np.unique(chosen >> np.uint64(64 - HASH_BITS)).tolist())


def combine(hashes: Bits, other: Bits) -> Bits:
    """Hashes of pairs, from those of their parts; the order of the parts matters."""
    return _mixed(hashes * np.uint64(0x100000001B3) ^ other)


def _profile_numbers(values: Values, rows: np.ndarray | slice, given: np.ndarray, total: int) -> ColumnProfile:
    floats = values.numbers[rows][given]  # type: ignore[index]
    finite = floats[np.isfinite(floats)]
    nans = int(np.isnan(floats).sum())
    # Sorted first, so that sums do not depend on the rows' order.
    ordered = np.sort(finite)
    exact = ordered if values.exact is None else np.sort(values.exact[rows][given])
    found, counts = _runs(exact)
    shown = _largest(counts, TOP)
    kept = list(zip(found[shown].tolist(), counts[shown].tolist(), strict=True))
    infinite = floats[np.isinf(floats)]
    marks, hours, weekdays = (
        ({}, (), ())
        if not len(exact)
        else _time_marks(exact)
        if values.kind == "time"
        else (_marks(found, counts), (), ())
    )
    return ColumnProfile(
        name=values.name,
        kind=values.kind,
        rows=total,
        nulls=total - len(floats),
        nans=nans,
        infinities=len(infinite),
        distinct=len(found) + len(np.unique(infinite)),
        diversity=_diversity(counts),
        mean=float(ordered.mean()) if len(ordered) else None,
        std=float(ordered.std()) if len(ordered) else None,
        grid=grid_of(ordered),
        top=most_frequent(kept, TOP),
        marks=marks,
        hours=hours,
        weekdays=weekdays,
        sketch=_first_hashes(values, rows, given),
    )


def _diversity(counts: np.ndarray) -> float:
    return float(counts.sum() ** 2 / np.square(counts).sum()) if len(counts) else 0.0


def _runs(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values of an ordered array, and how often each stands there."""
    if not len(ordered):
        return ordered, np.zeros(0, np.int64)
    begins = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    return ordered[begins], np.diff(np.append(begins, len(ordered)))


def _largest(counts: np.ndarray, cap: int) -> np.ndarray:
    """Places of the largest counts, and of all that equal the last of them (ties are told apart by value, later)."""
    if len(counts) <= cap:
        return np.arange(len(counts))
    limit = np.partition(counts, len(counts) - cap)[len(counts) - cap]
    above, equal = np.flatnonzero(counts > limit), np.flatnonzero(counts == limit)
    return np.concatenate([above, equal[: cap - len(above)]])


def _marks(found: np.ndarray, counts: np.ndarray) -> dict[str, int]:
    marks = {"zero": int(counts[found == 0].sum()), "negative": int(counts[found < 0].sum())}
    left = np.ones(len(found), bool)
    for decimals in range(_DECIMALS):
        written_out = left if found.dtype.kind == "i" else left & (np.round(found, decimals) == found)
        marks[f"decimals_{decimals}"] = int(counts[written_out].sum())
        left = left & ~written_out
    marks[f"decimals_{_DECIMALS}"] = int(counts[left].sum())
    return marks


def _time_marks(exact: np.ndarray) -> tuple[dict[str, int], tuple[int, ...], tuple[int, ...]]:
    marks = {"midnight": int((exact % _DAY == 0).sum()), "whole_second": int((exact % _SECOND == 0).sum())}
    hours = np.bincount(exact % _DAY // _HOUR, minlength=24)
    weekdays = np.bincount((exact // _DAY + 3) % 7, minlength=7)  # 1970 began on a Thursday
    return marks, tuple(hours.tolist()), tuple(weekdays.tolist())


def _first_hashes(values: Values, rows: np.ndarray | slice, given: np.ndarray) -> tuple[int, ...]:
    hashes = values.hashes[rows][given]
    if values.texts is None and values.exact is None:
        hashes = hashes[~np.isnan(values.numbers[rows][given])]  # type: ignore[index]
    return smallest_hashes(np.unique(hashes), SKETCH)


def _text_values(name: str, column: pa.ChunkedArray | pa.Array, given: np.ndarray) -> Values:
    texts = column if pa.types.is_large_string(column.type) else _as_text(column)
    sizes = pc.utf8_length(texts)
    if (pc.max(sizes).as_py() or 0) > _LONGEST:
        long = pc.greater(sizes, _LONGEST)
        cut = pc.utf8_slice_codeunits(texts, 0, _LONGEST)
        numbered = pc.binary_join_element_wise(cut, sizes.cast(pa.large_string()), pa.scalar("…", pa.large_string()))
        texts = pc.if_else(long, numbered, texts)
    encoded = texts.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks() if encoded.num_chunks != 1 else encoded.chunk(0)
    different = encoded.dictionary
    codes = pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)
    # A cut text ends with its length.
    lengths = pc.utf8_length(different).to_numpy(zero_copy_only=False).astype(float)
    beyond = np.flatnonzero(lengths > _LONGEST)
    words = different.to_pylist()
    for place in beyond.tolist():
        lengths[place] = float(words[place].rpartition("…")[2])
    hashed = np.array([_text_hash(word) for word in words] or [0], np.uint64)
    hashes = np.where(given, hashed[codes], _NULL)
    marks = _text_marks(different)
    # Whole texts are not needed any more: they may be large.
    begun = pc.utf8_slice_codeunits(different, 0, _SHOWN)
    shapes = pc.replace_substring_regex(pc.utf8_slice_codeunits(begun, 0, _SHAPE_LENGTH), r"\p{Nd}", "9")
    shapes = pc.replace_substring_regex(shapes, r"\p{L}", "a")
    return Values(
        name, "text", given, hashes, codes=codes, texts=_Texts(begun.to_pylist(), shapes.to_pylist(), lengths, marks)
    )


def _as_text(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    try:
        return column.cast(pa.large_string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists, bytes that are no text
        found = [None if one is None else repr(one)[:_LONGEST] for one in column.to_pylist()]
        return pa.array(found, pa.large_string())


def _text_marks(texts: pa.Array) -> dict[str, np.ndarray]:
    def bears(pattern: str) -> np.ndarray:
        return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)

    lettered = bears(r"\p{L}")
    return {
        "blank": bears(r"^\s*$"),
        "padded": bears(r"^\s+\S|\S\s+$"),
        "upper": lettered & ~bears(r"\p{Ll}"),
        "lower": lettered & ~bears(r"\p{Lu}"),
        "numeric": bears(r"^\s*[-+]?(\d+([.,]\d+)*|[.,]\d+)([eE][-+]?\d+)?\s*$"),
        "beyond_ascii": bears(r"[^\x00-\x7F]"),
        "broken": bears("\ufffd|Ã.|Â[\u00a0-\u00bf]|â€"),
    }


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _hashes(exact: np.ndarray, given: np.ndarray) -> Bits:
    return np.where(given, _mixed(exact.astype(np.int64, copy=False).view(np.uint64)), _NULL)


def _mixed(bits: Bits) -> Bits:
    """Every bit of the result depends on every bit given. Source: Steele, Lea, Flood, "SplitMix" (2014), finaliser."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _numpy(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)

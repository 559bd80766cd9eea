"""Value co-occurrence: which value of one column came with which of another, for values that all deliveries sample.

What belongs here: the record of a delivery, and how many co-occurring values are new beside those of deliveries before.
Not: how strongly one column decides another within a delivery (dependencies.py), what is usual (forecasts.py).

An article has its name and few prices, a customer one country. Whatever is wrong with a row breaks that, also where
each column alone looks as before. The values that are looked at are those with the smallest hashes, so that deliveries
look at the same ones and know them again.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lakehouse.profiling.column_profile import HASH_BITS, ColumnProfile
from lakehouse.profiling.column_values import Values
from lakehouse.profiling.dependencies import COLUMNS

MOST = 192
"""Co-occurring values of a pair of columns that are kept at most."""
PAIRS = 20
"""Pairs of columns at most, those that repeat most."""
_REPEATS = 0.3
"""Of a value's rows after the first, the share beside a repeated value: 1 where it decides, 0 where all differ."""
_FEWEST = 20
"""Values that the first column must have, and rows that must repeat one."""
_ROWS = 5_000
"""Rows that are looked at, at most."""
_BITS = 16
"""Of a co-occurring value's hash, which is only compared with others of the same value."""
_MIX = np.uint64(0x100000001B3)
_KNOWN_AGAIN = 0.25
"""The share of values that must be known from before; numbers that never come again have nothing to compare."""


def co_occurrences_of(
    columns: Sequence[Values], rows: np.ndarray, row_hashes: np.ndarray, profiles: Mapping[str, ColumnProfile]
) -> dict[str, tuple[int, ...]]:
    """By pair `a => b`: for each different b beside a value in the sketch of a, the value's place there and some bits
    of b's hash, as one number, ascending. Times and measured numbers decide nothing.
    """
    found: dict[str, tuple[float, np.ndarray]] = {}
    for decider in columns[:COLUMNS]:
        if decider.kind == "time" or (decider.numbers is not None and decider.exact is None):
            continue
        chosen, places = _sampled(decider, rows, row_hashes, profiles[decider.name].sketch_array)
        values = len(np.unique(places))
        if values < _FEWEST or len(places) - values < _FEWEST:
            continue
        for decided in columns[:COLUMNS]:
            if decided.name == decider.name or decided.kind == "time":
                continue
            bits = (decided.hashes[chosen] >> np.uint64(64 - _BITS)).astype(np.int64)
            pairs = np.unique(places << _BITS | bits)
            repeats = 1 - (len(pairs) - values) / (len(places) - values)
            if repeats >= _REPEATS:
                found[f"{decider.name} => {decided.name}"] = (repeats, pairs[:MOST])
    ordered = sorted(found.items(), key=lambda one: -one[1][0])
    return {pair: tuple(one.tolist()) for pair, (_, one) in ordered[:PAIRS]}


def new_co_occurrences(
    sketches: Sequence[np.ndarray], co_occurrences: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """How many of each delivery's co-occurring values are new, of values that came before, and of how many; shape (T,).

    `sketches`: of the deciding column. None where its values do not come again.
    """
    if not len(co_occurrences[-1]) or np.isin(sketches[-1], np.concatenate(sketches[:-1])).mean() < _KNOWN_AGAIN:
        return None
    sizes = [len(one) for one in co_occurrences]
    deliveries = np.repeat(np.arange(len(co_occurrences)), sizes)
    values = np.concatenate([one[pairs >> _BITS] for one, pairs in zip(sketches, co_occurrences, strict=True)])
    pairs = values.view(np.uint64) * _MIX + (np.concatenate(co_occurrences) & (1 << _BITS) - 1).view(np.uint64)
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    known = deliveries[first][which] < deliveries
    new = np.zeros(len(pairs), bool)
    new[np.unique(pairs, return_index=True)[1]] = True
    fresh, of = (np.bincount(deliveries[one], minlength=len(sizes)).astype(float) for one in (new & known, known))
    return fresh, of


def _sampled(
    values: Values, rows: np.ndarray, row_hashes: np.ndarray, sketch: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose value is in the sketch, and its place there."""
    hashes = (values.hashes[rows] >> np.uint64(64 - HASH_BITS)).astype(np.int64)
    places = np.searchsorted(sketch, hashes)
    inside = values.given[rows] & (places < len(sketch))
    inside[inside] = sketch[places[inside]] == hashes[inside]
    chosen, places = rows[inside], places[inside]
    if len(chosen) > _ROWS:
        kept = np.argpartition(row_hashes[chosen], _ROWS)[:_ROWS]
        chosen, places = chosen[kept], places[kept]
    return chosen, places

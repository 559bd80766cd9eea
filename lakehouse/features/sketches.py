"""Sketches: small summaries of many values, the same in any order, that can be merged.

What belongs here: what a value leaves in a HyperLogLog and in a DDSketch, and reading the answer off. Not: windows.
A sketch of a window depends on the set of its values alone, so every engine has the same one.
"""

import hashlib
import math

import numpy as np
import pyarrow as pa

from lakehouse.features.windows import Ints

REGISTER_BITS = 10
REGISTERS = 1 << REGISTER_BITS
"""A HyperLogLog of 1,024 registers is 1.04 / 32 = 3.3% off."""
_HASH_BITS = 64 - REGISTER_BITS
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
_SMALL = 2.5 * REGISTERS

ACCURACY = 0.01
"""A DDSketch's answer is within 1% of the value."""
_BUCKETS_A_DOUBLING = 1 / math.log((1 + ACCURACY) / (1 - ACCURACY))
_ZERO, _SIGN = 1 << 20, 1 << 19
"""The bucket of 0, and how far the buckets of numbers around 1 lie from it."""


def registers_and_ranks(values: pa.Array) -> tuple[Ints, Ints]:
    """Which register each value goes to, and the rank it leaves there (leading zeros + 1), shape (n,) each.

    A value is hashed as its text, so that equal values of any integer type leave the same.
    """
    texts = (str(value).encode() for value in values.to_pylist())
    hashes = [int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) for text in texts]
    register = np.array([number & (REGISTERS - 1) for number in hashes], np.int64)
    rank = np.array([_HASH_BITS - (number >> REGISTER_BITS).bit_length() + 1 for number in hashes], np.int64)
    return register, rank


def distinct_estimate(at_least: list[Ints]) -> np.ndarray:
    """The number of different values, from how many registers hold a rank of at least 1, 2, 3, ...; shape (m,).

    Source: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007), with their linear counting for small numbers.
    """
    if not at_least:
        return np.zeros(0)
    # The sum of 2**-rank over registers: each rank reached takes away half of what is left.
    total = np.full(len(at_least[0]), float(REGISTERS))
    for rank, registers in enumerate(at_least, start=1):
        total -= registers * 2.0**-rank
    estimate = _ALPHA * REGISTERS**2 / total
    empty = REGISTERS - at_least[0]
    few = (estimate <= _SMALL) & (empty > 0)
    estimate[few] = REGISTERS * np.log(REGISTERS / empty[few])
    return estimate


def buckets(values: np.ndarray) -> Ints:
    """The bucket of each number, in the order of the numbers, shape (n,).

    Source: Masson, Rim, Lee, "DDSketch" (2019), with the logarithm interpolated between powers of two: plain
    arithmetic, the same on every machine.
    """
    fraction, exponent = np.frexp(np.abs(values))
    # |value| = fraction * 2**exponent with the fraction in [0.5, 1): exponent + 2 * fraction - 2 is near log2(|value|).
    index = np.floor((exponent + (2 * fraction - 2)) * _BUCKETS_A_DOUBLING).astype(np.int64) + _SIGN
    return np.where(values == 0, _ZERO, np.where(values > 0, _ZERO + index, _ZERO - index))


def bucket_values(bucket: Ints) -> np.ndarray:
    """The number that stands for each bucket, within 1% of all that it holds, shape (n,)."""
    index = np.abs(bucket - _ZERO) - _SIGN
    low, high = _lower_end(index), _lower_end(index + 1)
    ratio = np.divide(low, high, out=np.ones(len(low)), where=high > 0)
    middle = np.minimum(low * (2 / (1 + ratio)), np.finfo(np.float64).max)
    return np.where(bucket == _ZERO, 0.0, np.sign(bucket - _ZERO) * middle)


def _lower_end(index: Ints) -> np.ndarray:
    place = index / _BUCKETS_A_DOUBLING
    exponent = np.floor(place)
    return np.ldexp(place - exponent + 1, exponent.astype(np.int64))

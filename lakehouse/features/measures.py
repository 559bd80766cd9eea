"""Measures as exact numbers, and exact sums as floating point numbers.

What belongs here: reading a column as integers of a common unit, running totals that cannot overflow, and the one
rounding at the end. Not: windows and aggregations.

A number is `whole / unit`. A declared number of decimals gives the unit 10**scale, a decimal column brings its own. Any
other floating point number is a whole multiple of a power of two: the smallest one of the column makes the unit. Sums
are sums of integers, so their order makes no difference; a mean is rounded once, when integers become a float. Integers
over 64 bits are Python's own: slower, never wrong.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lakehouse.errors import SlipwayError

_MOST = np.iinfo(np.int64).max
_FLOAT_SLACK = 1e-6
_FLOAT_STEP = 4 * np.finfo(np.float64).eps
_TOO_LARGE = 2.0**63
_EXACT = 1 << 53
"""Integers below are floating point numbers without rounding."""
_MANTISSA = 53
_LARGEST_EXACT = 18
"""So many decimal digits fit into 64 bits."""


@dataclass(frozen=True)
class Measure:
    """Numbers `whole / unit`, shape (n,): int64, or Python integers where 64 bits don't hold them.

    `counts` says that the column holds whole numbers, and so do its sums.
    """

    whole: np.ndarray
    unit: int
    counts: bool


def read_measure(column: pa.ChunkedArray, scale: int | None, *, where: str) -> Measure:
    """A column without nulls as exact numbers.

    Raises SlipwayError for what is no number, is infinite, has more decimals than declared, or does not fit.
    """
    kind = column.type
    if pa.types.is_decimal(kind):
        if kind.precision > _LARGEST_EXACT:
            raise SlipwayError(
                f"A {kind} does not fit into 64 bits.", where=where, nearest=f"decimal({_LARGEST_EXACT}, {kind.scale})"
            )
        return Measure(_unscaled(column), 10**kind.scale, counts=kind.scale == 0)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return Measure(_integers(column, where), 1, counts=True)
    if not pa.types.is_floating(kind):
        raise SlipwayError(
            f"A {kind} cannot be aggregated.",
            where=where,
            nearest="a number",
            fix="Cast the column in its dbt model, or take count(), distinct(), first(), last() or top() of it.",
        )
    values = column.cast(pa.float64()).to_numpy()
    if not np.isfinite(values).all():
        raise SlipwayError(
            "The measure has values that are infinite or not a number.",
            where=where,
            fix="Let the source's contract reject them.",
        )
    if scale is not None:
        return Measure(_scaled(values, scale, where), 10**scale, counts=False)
    whole, exponent = _multiples_of_a_power_of_two(values)
    return Measure(whole, 1 << exponent, counts=False)


def running(values: np.ndarray) -> np.ndarray:
    """Running totals, shape (n + 1,), the first 0: int64 when they cannot leave 64 bits, else Python integers."""
    totals = np.zeros(len(values) + 1, values.dtype)
    if values.dtype != object and len(values):
        largest = max(int(values.max()), -int(values.min()))
        if largest * len(values) > _MOST:
            values, totals = values.astype(object), totals.astype(object)
    np.cumsum(values, out=totals[1:])
    return totals


def product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The products, as Python integers where 64 bits may not hold them."""
    if object not in (first.dtype, second.dtype) and _largest(first) * _largest(second) <= _MOST:
        return first * second
    return first.astype(object) * second.astype(object)


def divided(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotients of integers as float64, each rounded once; infinite where no float64 is so large."""
    if object in (numerator.dtype, denominator.dtype):
        return _divided_by_python(numerator.astype(object), denominator.astype(object))
    if _largest(numerator) < _EXACT and _largest(denominator) < _EXACT:
        return numerator / denominator
    return _divided_by_python(numerator.astype(object), denominator.astype(object))


def _divided_by_python(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    try:
        return np.array(numerator / denominator, dtype=np.float64)
    except OverflowError:
        halves = np.array_split(np.arange(max(len(numerator), len(denominator))), 2)
        if not len(halves[1]):
            return np.array([np.inf])
        every = np.broadcast_to(denominator, numerator.shape)
        return np.concatenate([_divided_by_python(numerator[half], every[half]) for half in halves])


def _largest(values: np.ndarray) -> int:
    return max(int(values.max()), -int(values.min())) if len(values) else 0


def _integers(column: pa.ChunkedArray, where: str) -> np.ndarray:
    try:
        return column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        raise SlipwayError(
            f"A value of the measure, which is {column.type}, does not fit into 64 bits with a sign.",
            where=where,
            nearest="int64",
            fix="Cast the measure in its dbt model.",
        ) from None


def _multiples_of_a_power_of_two(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers and an exponent e such that each value is its integer divided by 2**e, exactly."""
    fraction, exponent = np.frexp(values)
    mantissa = np.ldexp(fraction, _MANTISSA).astype(np.int64)
    # What ends in zero bits is a multiple of a larger power: amounts like 12.0 stay small.
    zeros = np.frexp((mantissa & -mantissa).astype(np.float64))[1] - 1
    zeros[mantissa == 0] = 0
    mantissa >>= zeros
    places = exponent.astype(np.int64) - _MANTISSA + zeros
    places[mantissa == 0] = 0
    lowest = min(int(places.min()), 0) if len(places) else 0
    shift = places - lowest
    if len(values) and int((shift + np.frexp(mantissa.astype(np.float64))[1]).max()) < 63:  # noqa: PLR2004  # bits
        return mantissa << shift, -lowest
    return mantissa.astype(object) << shift.astype(object), -lowest


def _scaled(values: np.ndarray, scale: int, where: str) -> np.ndarray:
    """Binary floating point numbers as integers of `scale` decimals; only the error of their own format is let pass."""
    scaled = values * 10.0**scale
    whole = np.rint(scaled)
    if (np.abs(scaled - whole) > np.maximum(_FLOAT_SLACK, np.abs(scaled) * _FLOAT_STEP)).any():
        raise SlipwayError(
            f"The measure has more than {scale} decimals.",
            where=where,
            nearest=f"scale={_decimals(values)}",
            fix="Declare how many decimals the measure has: it is summed exactly. Or declare none.",
        )
    if not (np.abs(whole) < _TOO_LARGE).all():
        raise SlipwayError(
            f"A value of the measure with {scale} decimals does not fit into 64 bits.",
            where=where,
            fix="Declare the measure with a smaller scale.",
        )
    return whole.astype(np.int64)


def _decimals(values: np.ndarray) -> int:
    """The fewest decimals that hold every value, at most 9."""
    return next((scale for scale in range(9) if np.allclose(values, values.round(scale), rtol=0, atol=1e-10)), 9)


def _unscaled(column: pa.ChunkedArray) -> np.ndarray:
    """The integers behind a decimal column, read from memory: each is 16 bytes, of which 18 digits fill the low 8."""
    wide = (
        column if pa.types.is_decimal128(column.type) else column.cast(pa.decimal128(_LARGEST_EXACT, column.type.scale))
    )
    parts = [np.zeros(0, np.int64)]
    for chunk in wide.chunks:
        words = np.frombuffer(chunk.buffers()[1], dtype=np.int64)
        parts.append(words[2 * chunk.offset : 2 * (chunk.offset + len(chunk)) : 2])
    return np.concatenate(parts)

"""What simulated worlds have in common: their random streams, their parameters' limits, their files.

What belongs here: what a domain's simulator needs whatever it simulates, and what its DEMO says to `slipway demo`. Not:
any one world (assets/<domain>/simulator.py).
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lakehouse.errors import DeclarationError, DeliveryError


@dataclass(frozen=True)
class DemoWorld:
    """What `slipway demo` simulates for a domain: `number` files, one for each day or month (`unit`).

    `names` gives the names of so many files, oldest first; `write` puts them into a folder. `labels_after` is for how
    many units at the end there are no labels yet.
    """

    unit: str
    number: int
    names: Callable[[int], Sequence[str]]
    write: Callable[[int, Path], Sequence[Path]]
    labels_after: int


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """Open the random stream of one purpose, and of one day or month where the key has a second number."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def invalid(name: str, must_be: str, nearest: object) -> DeclarationError:
    """The error for a parameter that no world can have."""
    return DeclarationError(
        f"{name} must be {must_be}.", where=f"Simulation.{name}", nearest=str(nearest), fix=f"Write {name}={nearest!r}."
    )


def check_parameters(world: Any, limits: Mapping[str, tuple[float, float]]) -> None:  # noqa: ANN401 - a dataclass
    """Raise DeclarationError for a parameter that is no number within its limits, or, without limits, no date."""
    for field in fields(world):
        value = getattr(world, field.name)
        if field.name in limits:
            _check_number(field.name, value, field.default, limits[field.name])
        elif isinstance(value, datetime) or not isinstance(value, date):
            nearest = value.date() if isinstance(value, datetime) else field.default
            raise invalid(field.name, f"a date without a time, not {value!r}", nearest)


def _check_number(
    name: str,
    value: Any,  # noqa: ANN401 - anything may have been passed
    default: Any,  # noqa: ANN401 - a dataclass field's
    limits: tuple[float, float],
) -> None:
    """Raises DeclarationError for what is no number of the default's type within the limits."""
    least, most = limits
    kind = type(default)
    number = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if number and isinstance(value, int | kind) and least <= value <= most:
        return
    nearest = kind(min(max(value, least), most)) if number else default
    raise invalid(name, f"a {'whole ' if kind is int else ''}number from {least} to {most}, not {value!r}", nearest)


def write_if_changed(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, unless it is there already. Raises DeliveryError when that cannot be."""
    # With the process in its name, two simulations at once cannot write into each other's file.
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.read_bytes() == content:
            return
        try:
            beside.write_bytes(content)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise DeliveryError(
            f"The file could not be written: {error.strerror}.",
            where=str(path),
            fix="Choose a folder that can be written to and has space left (about 20 MB per million rows).",
        ) from error

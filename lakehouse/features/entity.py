"""The declaration of an entity, and of examples of feature values.

What belongs here: the small declarations that a feature set is made of. Not: the set (feature_set.py), and running
examples (examples.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import DeclarationError


@dataclass(frozen=True, init=False)
class Entity:
    """The entity that features describe, by its key columns: one, or several that form the key together."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        if not keys or len(set(keys)) != len(keys):
            raise DeclarationError(
                "An entity has one key column or several different ones.",
                where=f"Entity({', '.join(map(repr, keys))})",
                nearest='Entity("customer_id")',
            )
        object.__setattr__(self, "keys", keys)

    def __str__(self) -> str:
        return ", ".join(self.keys)


@dataclass(frozen=True)
class Example:
    """Given rows by table, a spine row, and the feature values expected for it; run as a test."""

    given: Mapping[str, Sequence[Mapping[str, Any]]]
    at: Mapping[str, Any]
    expected: Mapping[str, Any]
    description: str = ""

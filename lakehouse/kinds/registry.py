"""The registry of kinds: every kind of asset that this process knows.

What belongs here: registering and finding kinds. Not: any kind by name. A kind registers itself when its module is
imported; the modules of this package are imported the first time somebody asks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from lakehouse import kinds
from lakehouse.errors import DeclarationError
from lakehouse.kinds.asset import Asset

_registered: dict[str, type[Asset]] = {}
AssetType = TypeVar("AssetType", bound=type[Asset])


def register(kind: AssetType) -> AssetType:
    """Add a kind of asset to the registry; use it as a class decorator. Raises DeclarationError for a second one."""
    name = kind.kind.name
    if name in _registered:
        raise DeclarationError(
            f"The kind of asset {name!r} is registered twice.",
            where=f"{kind.__module__}.{kind.__name__}",
            nearest=f"{_registered[name].__module__}.{_registered[name].__name__}",
            fix="Give one of them another name.",
        )
    _registered[name] = kind
    return kind


@contextmanager
def registered(kind: type[Asset]) -> Iterator[None]:
    """Register a kind for the duration of a block."""
    asset_kinds()
    register(kind)
    try:
        yield
    finally:
        del _registered[kind.kind.name]


def asset_kinds() -> Sequence[type[Asset]]:
    """All kinds of assets by rank: sources first."""
    _discover()
    return sorted(_registered.values(), key=lambda one: (one.kind.rank, one.kind.name))


def presentation() -> list[dict[str, Any]]:
    """What pages show of each kind, by rank: its dataset type in events, labels, icon, shape and colors (see Icon)."""
    return [
        {
            "name": one.kind.dataset_type,
            "label": one.kind.name,
            "plural": one.kind.plural,
            "icon": list(one.kind.icon.paths),
            "shape": one.kind.icon.shape,
            "color": {"light": one.kind.icon.color, "dark": one.kind.icon.dark_color},
        }
        for one in asset_kinds()
    ]


@cache
def _discover() -> None:
    for module in iter_modules(kinds.__path__, f"{kinds.__name__}."):
        import_module(module.name)

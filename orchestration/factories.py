"""The factories of Dagster assets, by kind.

What belongs here: registering factories, running them, and what all of them pass to Dagster. Not: any factory
(orchestration/kinds).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError
from lakehouse.kinds.asset import Asset
from lakehouse.kinds.graph import AssetGraph
from lakehouse.kinds.registry import asset_kinds
from orchestration import kinds as factories
from orchestration.checks import asset_key, check_specs

A = TypeVar("A", bound=Asset)


@dataclass(frozen=True)
class Declared(Generic[A]):
    """The assets of one kind that a domain declares, and the graph and lakehouse that they belong to."""

    lake: Lakehouse
    graph: AssetGraph
    domain: Domain
    assets: Sequence[A]


Factory = Callable[[Declared[A]], Sequence[dg.AssetsDefinition]]
_factories: dict[type[Asset], Factory[Any]] = {}


def factory(kind: type[A]) -> Callable[[Factory[A]], Factory[A]]:
    """Make the decorated function build the assets of a kind. It is called once for each domain that has some."""

    def register(function: Factory[A]) -> Factory[A]:
        _factories[kind] = function
        return function

    return register


def build_assets(lake: Lakehouse, graph: AssetGraph, domain: Domain) -> list[dg.AssetsDefinition]:
    """The Dagster assets of a domain, by kind. Raises DeclarationError for a kind that has no factory."""
    _discover()
    found: list[dg.AssetsDefinition] = []
    for kind in asset_kinds():
        assets = [asset for asset in graph.of_kind(kind) if asset.domain == domain.name]
        if assets and kind.kind.materializable:
            if kind not in _factories:
                raise DeclarationError(
                    f"No factory is registered for assets of the kind {kind.kind.name!r}.",
                    where=assets[0].name,
                    fix=f"Write orchestration/kinds/{kind.kind.slug}.py with a function under @factory.",
                )
            found += _factories[kind](Declared(lake, graph, domain, assets))
    return found


def spec_arguments(asset: Asset, *, kinds: set[str], tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The arguments that `dg.asset` and `dg.AssetSpec` have in common. `kinds` are the technologies shown in the UI."""
    return {
        "key": asset_key(asset.name),
        "deps": [asset_key(name) for name in asset.inputs],
        "group_name": asset.domain,
        "description": asset.description,
        "owners": [asset.owner] if asset.owner else None,
        "kinds": kinds,
        "tags": {"slipway/kind": asset.kind.slug, **(tags or {})},
        "code_version": asset.fingerprint,
    }


def asset_definition(
    asset: Asset,
    *,
    kinds: set[str],
    tags: Mapping[str, str] | None = None,
    **options: Any,  # noqa: ANN401  # whatever else `dg.asset` takes
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make the decorated function the step of an asset; as `dg.asset`, with all that the asset decides filled in."""
    arguments: dict[str, Any] = {**spec_arguments(asset, kinds=kinds, tags=tags), **options}
    return dg.asset(check_specs=check_specs(asset.name, asset.checks), **arguments)


@cache
def _discover() -> None:
    for module in iter_modules(factories.__path__, f"{factories.__name__}."):
        import_module(module.name)

"""The asset graph: every declared asset by name, with its inputs, what reads it, and whether it is stale.

What belongs here: questions about names. Not: what a kind says about its assets (its own module).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, ClassVar, TypeVar

from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.kinds.asset import Asset, Icon, Kind, Staleness
from lakehouse.kinds.registry import asset_kinds
from lakehouse.transforms.project import TransformProject

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.models.registry import Registry

A = TypeVar("A", bound=Asset)


class UndeclaredAsset(Asset):
    """A name that nothing declares, such as a table whose declaration was deleted. Its declaration is the name."""

    kind: ClassVar[Kind] = Kind(
        name="table",
        plural="tables",
        dataset_type="TABLE",
        icon=Icon("round-rectangle", ("M2 3h12v10.5H2z", "M2 6.5h12M6.5 6.5v7")),
        rank=99,
        materializable=False,
    )
    declaration: str

    @classmethod
    def declared_in(cls, domain: Domain, graph: "AssetGraph") -> "Sequence[UndeclaredAsset]":  # noqa: ARG003
        """None."""
        return ()

    @property
    def name(self) -> str:
        """The name itself."""
        return self.declaration

    @property
    def owner(self) -> str:
        """Nobody."""
        return ""

    @property
    def description(self) -> str:
        """Nothing."""
        return ""

    @property
    def fingerprint(self) -> str:
        """Nothing."""
        return ""

    @cached_property
    def code(self) -> str:
        """Nothing."""
        return ""


class AssetGraph:
    """The assets of some domains and of the dbt project, so that inputs come first.

    `engine` computes the tables that name no engine themselves. Raises DeclarationError for a name that is declared
    twice and for assets that are inputs of each other.
    """

    def __init__(self, domains: Iterable[Domain], project: TransformProject, engine: str = "embedded") -> None:
        self.domains = tuple(domains)
        self.project = project
        self.engine = engine
        self._assets = _inputs_first([asset for domain in self.domains for asset in _declared_in(domain, self)])

    def __iter__(self) -> Iterator[Asset]:
        return iter(self._assets.values())

    def __len__(self) -> int:
        return len(self._assets)

    def __contains__(self, name: str) -> bool:
        return name in self._assets

    def __getitem__(self, name: str) -> Asset:
        return self._assets[name]

    def get(self, name: str) -> Asset:
        """The asset of that name; an UndeclaredAsset where there is none."""
        return self._assets.get(name) or UndeclaredAsset(name)

    def of_kind(self, kind: type[A]) -> list[A]:
        """All assets of a kind, inputs first."""
        return [asset for asset in self if isinstance(asset, kind)]

    def of_domain(self, domain: str) -> list[Asset]:
        """All assets of a domain, inputs first."""
        return [asset for asset in self if asset.domain == domain]

    def inputs(self, name: str) -> Sequence[str]:
        """The names that an asset reads; none where nothing declares it."""
        return self._assets[name].inputs if name in self._assets else ()

    def outputs(self, name: str) -> Sequence[str]:
        """The names of the assets that read this one."""
        return self._outputs.get(name, ())

    def upstream(self, name: str) -> list[str]:
        """Every name that an asset depends on, directly or not, nearest first."""
        return _reached(name, self.inputs)

    def downstream(self, name: str) -> list[str]:
        """Every asset that depends on this name, directly or not, nearest first."""
        return _reached(name, self.outputs)

    def columns(self, name: str, where: str) -> Sequence[str]:
        """The columns of a declared table. Raises DeclarationError, which names `where` the table is asked for."""
        known = sorted(asset.name for asset in self if asset.kind.table and asset.kind.materializable)
        if name not in known:
            raise DeclarationError(
                f"There is no table {name!r}.",
                where=where,
                nearest=nearest_name(name, known),
                fix="Use one of: " + ", ".join(known) + ".",
            )
        return list(self._assets[name].columns)

    def require(self, name: str, columns: Iterable[str], where: str) -> None:
        """Check that a declared table has these columns. Raises DeclarationError with the nearest that it has."""
        known = self.columns(name, where)
        for column in columns:
            if column not in known:
                raise DeclarationError(
                    f"{name} has no column {column!r}.",
                    where=where,
                    nearest=nearest_name(column, known),
                    fix="Use one of: " + ", ".join(known) + ".",
                )

    def check(self, domain: Domain) -> None:
        """Check a domain's declarations against each other. Raises DeclarationError with the nearest valid name."""
        assets = self.of_domain(domain.name)
        for asset in assets:
            asset.check(self)
        for asset in assets:
            _check_owners(asset, domain)
        for kind in asset_kinds():
            kind.check_domain(domain, self)

    def staleness(
        self, lake: "Lakehouse", registry: "Registry | None" = None, domains: Iterable[str] | None = None
    ) -> dict[str, Staleness]:
        """The staleness of each asset of some domains (None: all), inputs first, where it can be told.

        An asset with a stale input is stale. Deliveries that were not landed yet are not considered. Without a
        registry, models and predictions are left out: opening one takes MLflow seconds.
        """
        wanted = None if domains is None else set(domains)
        found: dict[str, Staleness] = {}
        for asset in self:
            if wanted is not None and asset.domain not in wanted:
                continue
            behind = [name for name in asset.inputs if name in found and found[name].stale]
            known = asset.staleness(lake, registry, behind)
            if known is not None:
                found[asset.name] = known
        return found

    @cached_property
    def _outputs(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for asset in self:
            for name in asset.inputs:
                found.setdefault(name, []).append(asset.name)
        return found


def _declared_in(domain: Domain, graph: AssetGraph) -> Iterator[Asset]:
    for kind in asset_kinds():
        for asset in kind.declared_in(domain, graph):
            if asset.domain != domain.name:
                raise DeclarationError(
                    f"The {asset.kind.name} {asset.name} is declared in the domain {domain.name}.",
                    where=asset.code,
                    nearest=f"{domain.name}.{asset.name.rpartition('.')[2]}",
                    fix="Begin its name with the name of the domain that declares it.",
                )
            yield asset


def _inputs_first(assets: Sequence[Asset]) -> dict[str, Asset]:
    by_name: dict[str, Asset] = {}
    for asset in assets:
        if asset.name in by_name:
            other = by_name[asset.name]
            raise DeclarationError(
                f"{asset.name} is declared twice: as a {other.kind.name} and as a {asset.kind.name}.",
                where=asset.code,
                nearest=other.code,
                fix="Give one of them another name.",
            )
        by_name[asset.name] = asset
    try:
        names = TopologicalSorter(
            {name: [one for one in asset.inputs if one in by_name] for name, asset in by_name.items()}
        ).static_order()
        return {name: by_name[name] for name in names}
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        asset = by_name[circle[0]]
        raise DeclarationError(
            f"Assets are inputs of each other: {' <- '.join(circle)}.",
            where=f"{asset.kind.name} {asset.name}",
            fix="Remove one of these inputs.",
        ) from None


def _check_owners(asset: Asset, domain: Domain) -> None:
    for name, owner in asset.owners.items():
        if owner not in domain.owners:
            raise DeclarationError(
                f"{owner!r} is not an owner in the domain {domain.name}.",
                where=f"{name}, owner",
                nearest=nearest_name(owner, domain.owners),
                fix=f"Use one of {', '.join(domain.owners)}, or add it to OWNERS in assets/{domain.name}/__init__.py.",
            )


def _reached(name: str, step: Callable[[str], Sequence[str]]) -> list[str]:
    found, waiting = [], list(step(name))
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found.append(one)
            waiting += step(one)
    return found

"""The run that a domain needs: one that lands pending deliveries, or one that rebuilds stale assets.

What belongs here: the plan, shared by the command line, the schedule and the sensor. Not: starting runs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import DeliveryError
from lakehouse.ingestion.pending import pending_of
from lakehouse.ingestion.state import load_state
from lakehouse.kinds.graph import AssetGraph
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.sources.circuit_breaker import Standing as BreakerStanding
from lakehouse.sources.circuit_breaker import breaker_status
from lakehouse.sources.deliveries import new_files, stamps
from lakehouse.tables.days import describe_days
from lakehouse.tables.provenance import last_published
from orchestration.checks import asset_key
from orchestration.dependencies import asset_graph, roots


@dataclass(frozen=True)
class PlannedRun:
    """A run of all assets of a job (`only` is None) or of some, and why.

    `days` are those that it lands, where they are known. `content` identifies the deliveries that it lands.
    """

    only: list[dg.AssetKey] | None
    because: Sequence[str]
    days: Sequence[date] = ()
    content: Sequence[str] = ()


@dataclass(frozen=True)
class _Waiting:
    """The pending deliveries of one source. `days` is None while their files were not opened yet."""

    because: str
    days: Sequence[date] | None
    content: Sequence[str]


def plan_deliveries(lake: Lakehouse, domain: Domain, *, open_files: bool = True) -> PlannedRun | None:
    """A run that lands what was delivered to any source of the domain, and updates what is made from it.

    None when nothing is pending. Sources without pending deliveries are left out, and so is what needs a source that
    was never delivered. Without `open_files`, a file that was never inspected counts as a delivery without being
    opened. Raises DeliveryError when no source has a place with files.
    """
    waiting = _find_waiting(lake, domain, open_files=open_files)
    if not waiting:
        return None
    because = [one.because for one in waiting.values()]
    content = [text for one in waiting.values() for text in one.content]
    arriving = [name for name, one in waiting.items() if one.days is None or one.days]
    if not arriving:
        # Nothing that came has a readable day: it is evaluated, and no derived table can change.
        return PlannedRun([asset_key(name) for name in waiting], because, content=content)
    graph = asset_graph(lake, [domain])
    chosen = [*waiting, *_buildable(lake, graph, domain, arriving)]
    every = [asset for asset in graph.of_domain(domain.name) if asset.kind.materializable]
    only = [asset_key(name) for name in chosen] if len(chosen) < len(every) else None
    return PlannedRun(only, because, sorted({day for one in waiting.values() for day in one.days or ()}), content)


def _find_waiting(lake: Lakehouse, domain: Domain, *, open_files: bool) -> dict[str, _Waiting]:
    """What is pending, by source. A source without a place to look at has nothing pending, unless that is so of all."""
    found: dict[str, _Waiting] = {}
    errors: list[DeliveryError] = []
    for source in domain.sources:
        new = [] if open_files else new_files(lake.home, source)
        if new:
            standing = breaker_status(lake, source.name, source.breaker, source.definition())
            found[source.name] = _Waiting(
                f"{source.name}: {len(new)} new {'file' if len(new) == 1 else 'files'}", None, _content(standing, new)
            )
            continue
        try:
            state = load_state(lake, source)
        except DeliveryError as error:
            errors.append(error)
            continue
        pending = pending_of(state)
        if not pending.to_land:
            continue
        files = [*(one for one, _ in pending.deliveries.values()), *pending.faulty, *(one for one, _ in pending.copies)]
        content = [*stamps(lake.home, source, files), *(f"replaced {name}" for name in pending.replaced)]
        came = f"{describe_days(pending.days)} to land" if pending.days else "a delivery with no new day"
        found[source.name] = _Waiting(f"{source.name}: {came}", pending.days, _content(state.breaker, content))
    if errors and len(errors) == len(domain.sources):
        raise errors[0]
    return found


def _content(standing: BreakerStanding, files: Sequence[str]) -> list[str]:
    """What identifies pending files. A breaker that changed its state makes another attempt of the same files."""
    return [f"{standing.source} {standing.state} {standing.since}", *sorted(files)]


def plan_builds(lake: Lakehouse, domain: Domain, *, models: bool = True) -> PlannedRun | None:
    """A run of what is stale; None when nothing is, or when it cannot be built yet."""
    graph = asset_graph(lake, [domain])
    stale = _stale(lake, graph, domain)
    return _run_of(
        lake, graph, domain, {name: why for name, why in stale.items() if models or not graph[name].kind.trained}
    )


def plan_run(lake: Lakehouse, domain: Domain, *, models: bool = True, only_made: bool = False) -> PlannedRun | None:
    """The run that is due; None when everything is up to date. With `only_made` no asset is built a first time."""
    planned = plan_deliveries(lake, domain) or plan_builds(lake, domain, models=models)
    if planned is None or not only_made:
        return planned
    built = _built(lake, domain, models=models)
    chosen = built if planned.only is None else [key for key in planned.only if key in built]
    return replace(planned, only=chosen) if chosen else None


def plan_predictions(lake: Lakehouse, domain: Domain) -> PlannedRun | None:
    """A run of the predictions alone, where they are all that a live model lacks."""
    graph = asset_graph(lake, [domain])
    names = {model.predictions for model in domain.models if open_registry(lake.home).champion(model.name)}
    stale = _stale(lake, graph, domain)
    if set(stale) - names:
        return None  # their inputs are stale themselves
    return _run_of(lake, graph, domain, stale)


def _built(lake: Lakehouse, domain: Domain, *, models: bool) -> list[dg.AssetKey]:
    """The sources, and what was built from them before."""
    registry = open_registry(lake.home) if models else None
    return [
        asset_key(one.name)
        for one in asset_graph(lake, [domain]).of_domain(domain.name)
        if one.kind.materializable and (not one.inputs or one.is_built(lake, registry))
    ]


def _buildable(lake: Lakehouse, graph: AssetGraph, domain: Domain, arriving: Collection[str] = ()) -> list[str]:
    """What the domain derives from tables that were published, or are about to be (`arriving`)."""
    missing = [name for name in roots(graph, domain) if name not in arriving and last_published(lake, name) is None]
    blocked = {name for root in missing for name in graph.downstream(root)}
    assets = [asset for asset in graph.of_domain(domain.name) if asset.inputs and asset.kind.materializable]
    return [asset.name for asset in assets if asset.name not in blocked]


def _stale(lake: Lakehouse, graph: AssetGraph, domain: Domain) -> dict[str, str]:
    """The reasons of the domain's stale assets, inputs first."""
    found = graph.staleness(lake, open_registry(lake.home), [domain.name])
    return {name: one.reason for name, one in found.items() if one.stale}


def _run_of(lake: Lakehouse, graph: AssetGraph, domain: Domain, stale: Mapping[str, str]) -> PlannedRun | None:
    buildable = _buildable(lake, graph, domain)
    chosen = {name: reason for name, reason in stale.items() if name in buildable}
    if not chosen:
        return None
    return PlannedRun([asset_key(name) for name in chosen], [f"{name}: {reason}" for name, reason in chosen.items()])

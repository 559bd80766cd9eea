"""Which runs a domain needs: for deliveries that wait, else for what is stale.

What belongs here: the plan, shared by the command line, the schedule and the sensor. Not: starting runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.ingestion.pending import find_pending
from lakehouse.kinds.graph import AssetGraph
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.tables.days import spans
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import published_days
from lakehouse.transforms.project import load_project
from orchestration.checks import asset_key
from orchestration.partitions import days_of


@dataclass(frozen=True)
class PlannedRun:
    """A run of days `first` to `last`, of all of a job's assets or of some `only`, and why."""

    first: date
    last: date
    only: list[dg.AssetKey] | None
    because: Sequence[str]


def plan_deliveries(lake: Lakehouse, domain: Domain) -> list[PlannedRun]:
    """Runs for what was delivered and not landed: all but the last gapless span of days are only landed.

    Raises DeliveryError where nothing that came can be read, and nothing was ever landed.
    """
    (source,) = domain.sources
    pending = find_pending(lake, source)
    landings = [
        PlannedRun(first, last, [asset_key(source.name)], (f"{source.name}: {first} to {last} were delivered",))
        for first, last in spans(pending.days)
    ]
    if pending.to_land and not landings:
        # What came has no day of its own; it is judged beside the newest one.
        known = days_of(lake, source)
        if not known:
            raise next(one.error() for one in pending.faulty)
        newest, because = known[-1], f"{source.name}: something came that has no new day"
        return [PlannedRun(newest, newest, [asset_key(source.name)], (because,))]
    return [*landings[:-1], *(PlannedRun(one.first, one.last, None, one.because) for one in landings[-1:])]


def plan_builds(lake: Lakehouse, domain: Domain, *, models: bool = True) -> list[PlannedRun]:
    """A run for the stale assets, when no delivery waits to be landed."""
    graph = _graph(lake, domain)
    stale = {name: reason for name, reason in _stale(lake, graph).items() if models or not graph[name].kind.trained}
    return _run_of(lake, domain, stale)


def plan_runs(lake: Lakehouse, domain: Domain, *, models: bool = True, only_made: bool = False) -> list[PlannedRun]:
    """The runs that are due; none when everything is up to date. With `only_made` no asset is built a first time."""
    planned = plan_deliveries(lake, domain) or plan_builds(lake, domain, models=models)
    if not only_made:
        return planned
    built = _built(lake, domain, models=models)
    chosen = [
        replace(one, only=built if one.only is None else [key for key in one.only if key in built]) for one in planned
    ]
    return [one for one in chosen if one.only]


def _built(lake: Lakehouse, domain: Domain, *, models: bool) -> list[dg.AssetKey]:
    """The sources, and what was built from them before."""
    registry = open_registry(lake.home) if models else None
    return [
        asset_key(one.name)
        for one in _graph(lake, domain)
        if one.kind.materializable and (not one.inputs or one.is_built(lake, registry))
    ]


def plan_predictions(lake: Lakehouse, domain: Domain) -> list[PlannedRun]:
    """A run for predictions alone, where they are all that a live model lacks."""
    names = {model.predictions for model in domain.models if open_registry(lake.home).champion(model.name)}
    stale = _stale(lake, _graph(lake, domain))
    if set(stale) - names:
        return []  # their inputs are stale themselves
    return _run_of(lake, domain, stale)


def _graph(lake: Lakehouse, domain: Domain) -> AssetGraph:
    return AssetGraph([domain], load_project(lake.settings, lake.home), lake.settings.engine)


def _stale(lake: Lakehouse, graph: AssetGraph) -> dict[str, str]:
    """The reasons of the stale assets, inputs first."""
    found = graph.staleness(lake, open_registry(lake.home))
    return {name: one.reason for name, one in found.items() if one.stale}


def _run_of(lake: Lakehouse, domain: Domain, stale: Mapping[str, str]) -> list[PlannedRun]:
    (source,) = domain.sources
    if not stale or last_published(lake, source.name) is None:
        return []
    newest = max(published_days(lake, source.name))
    keys = [asset_key(name) for name in stale]
    return [PlannedRun(newest, newest, keys, tuple(f"{name}: {reason}" for name, reason in stale.items()))]

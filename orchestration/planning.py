"""Which runs a domain needs: for deliveries that wait, else for what is out of line.

What belongs here: the plan, shared by the command line, the schedule and the sensor. Not: starting runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.ingestion.pending import find_pending
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.staleness import Standing, stale_assets
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
    """A run for what is not in line with its inputs, when nothing waits to be landed."""
    project = load_project(lake.settings, lake.home)
    trained = {model.name for model in domain.models}
    standing = [
        one
        for one in stale_assets(lake, domain, project, open_registry(lake.home))
        if models or one.name not in trained
    ]
    return _run_of(lake, domain, standing)


def plan_runs(lake: Lakehouse, domain: Domain, *, models: bool = True, only_made: bool = False) -> list[PlannedRun]:
    """Everything that has to be done now; nothing when all is in line. With `only_made` nothing is made first."""
    planned = plan_deliveries(lake, domain) or plan_builds(lake, domain, models=models)
    if not only_made:
        return planned
    made = _made(lake, domain, models=models)
    chosen = [
        replace(one, only=made if one.only is None else [key for key in one.only if key in made]) for one in planned
    ]
    return [one for one in chosen if one.only]


def _made(lake: Lakehouse, domain: Domain, *, models: bool) -> list[dg.AssetKey]:
    """The source, and what was made from it before."""
    (source,) = domain.sources
    trained = {model.name for model in domain.models}
    project = load_project(lake.settings, lake.home)
    own = [one.table for one in project.models if one.table.split(".")[0] == domain.name]
    names = [name for name in (*own, *domain.made) if name not in trained and last_published(lake, name) is not None]
    registry = open_registry(lake.home) if models else None
    names += [name for name in trained if registry is not None and registry.champion(name) is not None]
    return [asset_key(name) for name in (source.name, *names)]


def plan_predictions(lake: Lakehouse, domain: Domain) -> list[PlannedRun]:
    """A run for predictions alone, where they are all that a champion lacks."""
    names = {model.predictions for model in domain.models if open_registry(lake.home).champion(model.name)}
    project = load_project(lake.settings, lake.home)
    standing = stale_assets(lake, domain, project, open_registry(lake.home))
    if {one.name for one in standing} - names:
        return []  # what they are made from is out of line itself
    return _run_of(lake, domain, standing)


def _run_of(lake: Lakehouse, domain: Domain, standing: Sequence[Standing]) -> list[PlannedRun]:
    (source,) = domain.sources
    if not standing or last_published(lake, source.name) is None:
        return []
    newest = max(published_days(lake, source.name))
    keys = [asset_key(one.name) for one in standing]
    return [PlannedRun(newest, newest, keys, tuple(f"{one.name}: {one.because}" for one in standing))]

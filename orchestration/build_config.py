"""Shared parts of the steps that build derived tables: their settings and how their result is reported.

What belongs here: the configuration a person can give such a step, and reporting a build. Not: any one kind of table.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date

import dagster as dg
from pydantic import Field

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.incremental import Outcome
from orchestration.checks import asset_check_results, clear_failures, repeated_results
from orchestration.memory import MemoryWatch
from orchestration.metadata import materialized
from orchestration.progress import Progress
from orchestration.source_days import parse_days


class BuildConfig(dg.Config):
    """How much to recompute. By default: what is stale, and nothing else."""

    rebuild: bool = Field(default=False, description="Rebuild the whole table.")
    days: str = Field(
        default="", description="Recompute these days even if they are up to date: 2018-04-01 or 2018-04-01:2018-04-30."
    )

    def asked(self) -> list[date]:
        """The days that `days` names. Raises SlipwayError for a text that names none."""
        return parse_days(self.days, "config, days")


def report(
    context: dg.AssetExecutionContext,
    lake: Lakehouse,
    progress: Progress,
    build: Callable[[], Outcome],
    pictures: Callable[[Outcome], Mapping[str, bytes]],
    **more: dg.MetadataValue,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Run `build` and report to Dagster: checks first, then the materialization; a failed audit fails the step."""
    table = ".".join(context.asset_key.path)
    progress.report(table, "looking for changes")
    began = time.monotonic()
    with clear_failures(), MemoryWatch() as watch:
        try:
            built = build()
        except AuditError as rejected:
            yield from asset_check_results(table, rejected.check_results)
            raise
    if built.recomputed:
        yield from asset_check_results(table, built.check_results)
    else:
        yield from repeated_results(context.instance, table, [key.name for key in context.selected_asset_check_keys])
    cost = {"seconds": round(time.monotonic() - began, 3), "peak_memory_mb": watch.peak_mb()}
    yield materialized(lake, built, pictures(built), **cost, **more)

"""The factory of sources: one materialization lands everything that was delivered, or chosen days of it.

What belongs here: from a source to its Dagster asset. Not: landing (lakehouse/ingestion). A source has no Dagster
partitions (docs/adr/0011-days-are-config.md): its days are metadata, and chosen by config.
"""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
from pydantic import Field

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.choice import engine_named
from lakehouse.ingestion.check_results import check_names, current_check_results
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.result import LandingResult
from lakehouse.kinds.source import SourceAsset
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.model import Model
from lakehouse.models.snapshot_retention import needed
from lakehouse.reports.contract.page import rules_table
from lakehouse.sources.circuit_breaker import blocked
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import AuditError, CheckResult
from lakehouse.tables.read import plan, rows_by_day
from orchestration.checks import asset_check_results, asset_key, clear_failures, repeated_results
from orchestration.factories import Declared, asset_definition, factory
from orchestration.metadata import materialized
from orchestration.notifications import notify_of_landing
from orchestration.pictures import rows_per_day
from orchestration.progress import Progress
from orchestration.source_days import choose_days, parse_days

_DAYS_SHOWN = 400
"""Maximum number of a source's newest days in a materialization's metadata."""


class LandingConfig(dg.Config):
    """Which deliveries to land (default: all pending ones)."""

    days: str = Field(
        default="",
        description="Land only deliveries of these days: 2018-04-01, 2018-04-01:2018-04-30, several separated by ','.",
    )

    def asked(self) -> list[date]:
        """The days that `days` names. Raises SlipwayError for a text that names none."""
        return parse_days(self.days, "config, days")


@factory(SourceAsset)
def source_assets(declared: Declared[SourceAsset]) -> list[dg.AssetsDefinition]:
    """The assets of a domain's sources."""
    return [source_asset(asset, declared) for asset in declared.assets]


def source_asset(asset: SourceAsset, declared: Declared[SourceAsset]) -> dg.AssetsDefinition:
    """The asset that lands a source's deliveries, with its contract's checks."""
    source, domain = asset.declaration, declared.domain
    downstream = [name for name in declared.graph.downstream(source.name) if name in declared.graph]

    @asset_definition(
        asset,
        kinds={"iceberg", *source.contract.libraries(), *engine_named(declared.graph.engine).kinds["ingestion"]},
        tags={"slipway/contract": source.contract.version},
        metadata={
            "contract": f"{source.contract.table} {source.contract.version}",
            "contract_rules": dg.MetadataValue.md(rules_table(source.contract)),
        },
    )
    def land_deliveries(
        context: dg.AssetExecutionContext,
        config: LandingConfig,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        progress.report(source.name, "looking for deliveries")
        with clear_failures():
            asked = config.asked()
            chosen = choose_days(lake, source, asked) if asked else None
            try:
                landed = land(
                    lake,
                    source,
                    run_id=context.run.run_id,
                    asked=chosen,
                    progress=lambda text: progress.report(source.name, text),
                    consumers=[model.name for model in domain.models],
                    trained_on=_trained_on(lake, source, domain.models),
                )
            except AuditError as rejected:
                yield from asset_check_results(source.name, rejected.check_results)
                raise
            notify_of_landing(lake, source, landed, context.log.warning)
            _report_downstream(context, lake, source, landed, downstream)
            if (landed.rejected or landed.waiting) and not landed.outcome.recomputed:
                yield from asset_check_results(source.name, _rejected_check_results(landed))
                landed.raise_if_nothing_passed()
        if landed.outcome.recomputed:
            yield from asset_check_results(source.name, [*landed.outcome.check_results, *current_check_results(landed)])
        else:
            # A rejected or waiting delivery fails its check until it is resolved, also when a run finds nothing new.
            standing = current_check_results(landed)
            rest = [name for name in check_names(source) if name not in {one.name for one in standing}]
            yield from repeated_results(context.instance, source.name, rest)
            yield from asset_check_results(source.name, standing)
        snapshot = landed.outcome.snapshot_id
        picture = {"rows_of_each_day": rows_per_day(lake, source.name, snapshot)}
        days = days_metadata(lake, source, snapshot)
        yield materialized(lake, landed.outcome, picture, quarantined=landed.quarantined, **days)

    return land_deliveries


def days_metadata(lake: Lakehouse, source: Source, snapshot: int) -> dict[str, dg.MetadataValue]:
    """The days that the table holds at a snapshot: how many, the first, the last, and the rows of each."""
    rows = dict(sorted(rows_by_day(plan(lake, source.name, at=snapshot)).items()))
    if not rows:
        return {"days": dg.MetadataValue.int(0)}
    shown = list(rows.items())[-_DAYS_SHOWN:]
    schema = dg.TableSchema([dg.TableColumn("day", "date"), dg.TableColumn("rows", "int")])
    records = [dg.TableRecord({"day": day.isoformat(), "rows": number}) for day, number in reversed(shown)]
    return {
        "days": dg.MetadataValue.int(len(rows)),
        "first_day": dg.MetadataValue.text(min(rows).isoformat()),
        "last_day": dg.MetadataValue.text(max(rows).isoformat()),
        "rows_by_day": dg.MetadataValue.table(records, schema=schema),
    }


def _trained_on(lake: Lakehouse, source: Source, models: Sequence[Model]) -> int | None:
    """The source's snapshot that the first champion was trained on, where the contract asks for it."""
    if not any(one.like_champion for one in source.contract.distributions):
        return None
    registry = open_registry(lake.home)
    champions = [version for model in models if (version := registry.champion(model.name)) is not None]
    found = [needed(lake, version, []).get(source.name, []) for version in champions]
    return next((input_snapshots[0] for input_snapshots in found if input_snapshots), None)


def _report_downstream(
    context: dg.AssetExecutionContext, lake: Lakehouse, source: Source, landed: LandingResult, downstream: Sequence[str]
) -> None:
    """Report since when and why assets downstream are stale, when the circuit breaker opens or closes."""
    if not landed.transitions:
        return
    for table in downstream:
        stale = blocked(lake, [source.name, table]) or "no longer"
        observed = dg.AssetObservation(asset_key(table), description=f"Stale: {stale}", metadata={"stale": stale})
        context.log_event(observed)


def _rejected_check_results(landed: LandingResult) -> list[CheckResult]:
    """Check results of a landing without accepted deliveries: of the first rejected one, and of the whole landing."""
    audited = [one.reason.check_results for one in landed.rejected if isinstance(one.reason, AuditError)]
    return [*(audited[0] if audited else []), *current_check_results(landed)]

"""Sources as assets: a day is a partition, a backfill is one run.

What belongs here: the factory from a source's declaration to its asset. Not: landing (lakehouse/sources).
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from lakehouse.catalog import Lakehouse
from lakehouse.contracts.audit import AuditError
from lakehouse.errors import DeliveryError
from lakehouse.sources.deliveries import find_files
from lakehouse.sources.landing import check_names, land
from lakehouse.sources.source import Source
from lakehouse.tables.days import in_words
from lakehouse.tables.read import published_days
from orchestration.checks import asset_key, check_results, check_specs, clear_failures, repeated_results
from orchestration.metadata import materialized
from orchestration.partitions import days_of
from orchestration.pictures import rows_per_day
from orchestration.progress import Progress


def source_asset(
    source: Source, partitions: dg.DailyPartitionsDefinition, engine: str = "embedded"
) -> dg.AssetsDefinition:
    """The asset that lands a source's deliveries, and its contract's checks; `engine` is what writes them."""

    @dg.asset(
        key=asset_key(source.name),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=check_specs(source.name, check_names(source)),
        group_name=source.name.split(".")[0],
        description=source.description,
        owners=[source.owner],
        kinds={"iceberg", "pandera", *(["spark"] if engine == "spark" else [])},
        tags={"slipway/kind": "source", "slipway/contract": source.contract.version},
        metadata={"contract": f"{source.contract.table} {source.contract.version}"},
        code_version=source.contract.fingerprint(),
    )
    def land_deliveries(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lakehouse], progress: dg.ResourceParam[Progress]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        asked = [date.fromisoformat(key) for key in context.partition_keys]
        progress.tell(source.name, "looking for deliveries")
        with clear_failures():
            missing = sorted(set(asked) - set(days_of(lake, source)))
            if missing:
                find_files(lake.home, source)  # says where it looked, when there is nothing at all
                raise DeliveryError(
                    f"There is no delivery for {in_words(missing)}; nothing was landed.",
                    where=str(lake.home.delivered_at(source.name)),
                    nearest=str(max(days_of(lake, source), default="")) or None,
                    fix="Deliver the missing days, or choose days that were delivered.",
                )
            try:
                landed = land(
                    lake,
                    source,
                    run_id=context.run.run_id,
                    asked=asked,
                    progress=lambda text: progress.tell(source.name, text),
                )
            except AuditError as refused:
                yield from check_results(source.name, refused.verdicts)
                raise
        if landed.outcome.recomputed:
            yield from check_results(source.name, landed.verdicts)
        else:
            yield from repeated_results(context.instance, source.name, check_names(source))
        present = published_days(lake, source.name)
        if present and max(present) not in asked:
            # The tables downstream follow the newest partition: a late day must reach it, too.
            context.log_event(
                dg.AssetMaterialization(
                    asset_key(source.name),
                    partition=max(present).isoformat(),
                    description="An earlier day changed the table.",
                    tags={"dagster/data_version": str(landed.outcome.snapshot_id)},
                )
            )
        picture = {"rows_of_each_day": rows_per_day(lake, source.name, landed.outcome.snapshot_id)}
        yield materialized(lake, landed.outcome, picture, quarantined=landed.quarantined)

    return land_deliveries

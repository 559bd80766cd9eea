"""Delivered files as inputs of their landing, and what landing did to a source's breaker.

What belongs here: reading the ingestion log, the profiles and the circuit breakers for one run. Not:
landing (ingestion/), and events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from openlineage.client.event_v2 import InputDataset
from openlineage.client.facet_v2 import (
    data_quality_metrics_input_dataset,
    dataset_type_dataset,
    input_statistics_input_dataset,
    schema_dataset,
    storage_dataset,
)

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.ingestion.ingestion_log import DELIVERIES, Status
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.custom_facets import BreakerFacet, DeliveryFacet
from lakehouse.lineage.emit.facets import instant, symlink, version_of
from lakehouse.lineage.emit.masking import Masking
from lakehouse.profiling.history import PROFILES
from lakehouse.profiling.profile import DeliveryProfile
from lakehouse.sources.circuit_breaker import BREAKERS
from lakehouse.sources.source import Source
from lakehouse.tables.duck import literal
from lakehouse.tables.system_table import entries

_REPORTED = (Status.PUBLISHED, Status.REJECTED, Status.WAITING)


@dataclass(frozen=True)
class Delivered:
    """A file that a run looked at, and what became of it."""

    place: names.Named
    name: str
    status: Status
    line: dict[str, Any]

    @property
    def published(self) -> bool:
        """Whether its rows are in the table."""
        return self.status is Status.PUBLISHED


def delivered_in(lake: Lakehouse, source: Source, run_id: str) -> list[Delivered]:
    """The files that a run of Dagster judged, in order of their names."""
    where = f"source = {literal(source.name)} and run_id = {literal(run_id)}"
    last = {(row["delivery"], row["fingerprint"]): row for row in _rows(lake, where)}
    base = lake.home.delivered_at(source.name)
    found = []
    for line in last.values():
        status = Status(line["status"])
        if status in _REPORTED:
            path = at_origin(lake, base if base.is_file() else base / line["delivery"])
            found.append(Delivered(names.Named(names.FILES, str(path)), line["delivery"], status, line))
    return sorted(found, key=lambda one: one.name)


def at_origin(lake: Lakehouse, path: Path) -> Path:
    """Where a file of the home was when the home was made: a home that moved keeps its names, as its tables do."""
    return lake.home.origin / path.relative_to(lake.home.root) if path.is_relative_to(lake.home.root) else path


def _rows(lake: Lakehouse, where: str) -> list[dict[str, Any]]:
    return pl.DataFrame(pl.from_arrow(entries(lake, DELIVERIES, where))).sort("at").rows(named=True)


def file_inputs(lake: Lakehouse, source: Source, delivered: Sequence[Delivered]) -> list[InputDataset]:
    """The files as inputs, with what their profiles say of columns: counts, never values."""
    profiles = _profiles(lake, source.name, [one.line["fingerprint"] for one in delivered])
    return [as_input(source, one, profiles.get(one.line["fingerprint"])) for one in delivered]


def as_input(source: Source, one: Delivered, profile: DeliveryProfile | None) -> InputDataset:
    """A file as an input; what its `profile` says is left out where there is none."""
    columns = profile.columns.values() if profile else ()
    facets: dict[str, Any] = {
        "symlinks": symlink(f"{source.name}/{one.name}", "FILE"),
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(names.FILE),
        "version": version_of(one.line["fingerprint"]),
        "storage": storage_dataset.StorageDatasetFacet("file", "".join(Path(one.name).suffixes).lstrip(".") or None),
    }
    if columns:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            [schema_dataset.SchemaDatasetFacetFields(column.name, column.kind) for column in columns]
        )
    inputs: dict[str, Any] = {
        "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(one.line["rows"], None, 1),
        "slipway_delivery": DeliveryFacet(one.status, one.line["rows"], one.line["published"], one.line["quarantined"]),
    }
    if profile is not None:
        inputs["dataQualityMetrics"] = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            {
                column.name: data_quality_metrics_input_dataset.ColumnMetrics(
                    nullCount=column.nulls, distinctCount=round(column.diversity), count=column.rows
                )
                for column in columns
            },
            profile.rows,
            fileCount=1,
        )
    return InputDataset(*one.place, facets=facets, inputFacets=inputs)


def _profiles(lake: Lakehouse, source: str, fingerprints: Sequence[str]) -> dict[str, DeliveryProfile]:
    if not fingerprints:
        return {}
    chosen = ", ".join(literal(one) for one in fingerprints)
    where = f"source = {literal(source)} and fingerprint in ({chosen})"
    found = {}
    for row in entries(lake, PROFILES, where).to_pylist():
        try:
            found[row["fingerprint"]] = DeliveryProfile.from_row(row)
        except ValueError:
            continue  # written by a version that this one cannot read
    return found


def breaker_at(lake: Lakehouse, source: Source, at: datetime, masking: Masking) -> BreakerFacet:
    """The state of the source's breaker at a time."""
    lines = pl.DataFrame(pl.from_arrow(entries(lake, BREAKERS, f"source = {literal(source.name)}"))).sort("at")
    # Written down before the step told of it, by the same clock.
    before = lines.filter(pl.col("at") <= at.astimezone(UTC).replace(tzinfo=None))
    if before.is_empty():
        return BreakerFacet("closed")
    last = before.row(-1, named=True)
    return BreakerFacet(last["state"], instant(last["at"].replace(tzinfo=UTC)), masking.text(last["reason"] or ""))

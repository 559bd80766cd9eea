"""Datasets with their standard facets: tables, delivered files, models.

What belongs here: dataset facets. Not: facets of runs and jobs (events.py), and finding the facts (table_facts.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openlineage.client.event_v2 import InputDataset, OutputDataset, set_producer
from openlineage.client.facet_v2 import (
    catalog_dataset,
    data_quality_assertions_dataset,
    data_quality_metrics_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    datasource_dataset,
    documentation_dataset,
    input_statistics_input_dataset,
    lifecycle_state_change_dataset,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
    storage_dataset,
    symlinks_dataset,
    tags_dataset,
)

from lakehouse.catalog.lakehouse import CATALOG_NAME, Lakehouse
from lakehouse.kinds.asset import Asset
from lakehouse.kinds.model import SCORE
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.column_facet import Places, column_lineage, made_columns
from lakehouse.lineage.emit.custom_facets import ContractFacet, SnapshotFacet, StaleFacet
from lakehouse.lineage.emit.masking import Masking
from lakehouse.lineage.emit.run_events import Checked, OutputVersion
from lakehouse.lineage.emit.table_facts import TableFacts
from lakehouse.settings import redact

set_producer(names.PRODUCER)


@dataclass(frozen=True)
class Facets:
    """Facets of datasets of one lakehouse."""

    lake: Lakehouse
    masking: Masking

    def table(self, facts: TableFacts, declared: Asset) -> dict[str, Any]:
        """What is true of a table whoever reads or writes it."""
        owner = declared.owner or facts.owner
        description = declared.description or facts.description
        found: dict[str, Any] = {
            "symlinks": symlink(declared.name, "TABLE"),
            "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(declared.kind.dataset_type, "ICEBERG"),
            "dataSource": datasource_dataset.DatasourceDatasetFacet(CATALOG_NAME, redact(self._catalog)),
            "catalog": catalog_dataset.CatalogDatasetFacet(
                "iceberg",
                self._catalog.partition(":")[0],
                CATALOG_NAME,
                warehouseUri=redact(self.lake.settings.warehouse or f"file://{self.lake.home.origin / 'warehouse'}"),
            ),
            "storage": storage_dataset.StorageDatasetFacet("iceberg", "parquet"),
            "schema": schema_dataset.SchemaDatasetFacet(
                [
                    schema_dataset.SchemaDatasetFacetFields(
                        one.name,
                        one.type,
                        self._doc(one.doc or declared.columns.get(one.name, "")),
                        ordinal_position=place,
                    )
                    for place, one in enumerate(facts.columns, start=1)
                ]
            ),
            "tags": tags(declared),
        }
        if owner:
            found["ownership"] = owned_by(owner)
        if description:
            found["documentation"] = documentation_dataset.DocumentationDatasetFacet(self.masking.plain(description))
        if facts.made is not None:
            made = facts.made
            found["version"] = version_of(str(made.snapshot_id))
            found["slipway_snapshot"] = SnapshotFacet(
                str(made.snapshot_id),
                instant(made.at),
                made.run_id,
                made.definition,
                made.code_version,
                made.operation,
                made.rows,
            )
            if declared.contract and made.contract:
                found["slipway_contract"] = ContractFacet(
                    made.contract, declared.fingerprint if made.contract == declared.contract else ""
                )
        return found

    def table_input(self, facts: TableFacts, declared: Asset) -> InputDataset:
        """A table that is read."""
        inputs = {}
        if facts.made is not None:
            inputs["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                facts.made.rows, facts.number("total-files-size"), facts.number("total-data-files")
            )
        return InputDataset(*facts.place, facets=self.table(facts, declared), inputFacets=inputs)

    def table_output(
        self,
        facts: TableFacts,
        declared: Asset,
        made: OutputVersion | None,
        checked: Sequence[Checked],
        places: Places,
    ) -> OutputDataset:
        """A table that is written; without `made` it was to be written, and was not published."""
        facets = self.table(facts, declared)
        outputs: dict[str, Any] = {}
        if made is not None:
            if facts.made is None and made.snapshot is not None:
                # The snapshot has expired since; what it was called is still known.
                facets["version"] = version_of(str(made.snapshot))
            columns = made_columns(declared, made)
            if columns.columns or columns.rows:
                facets["columnLineage"] = column_lineage(columns, places, {one.name for one in facts.columns})
            facets["dataQualityMetrics"] = data_quality_metrics_dataset.DataQualityMetricsDatasetFacet(
                {},
                facts.made.rows if facts.made else None,
                facts.number("total-files-size"),
                facts.number("total-data-files"),
                lastUpdated=instant(facts.made.at) if facts.made else None,
            )
            if made.recomputed and facts.change:
                facets["lifecycleStateChange"] = changed(facts.change)
            outputs["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                made.rows_written,
                (facts.number("added-files-size") or 0) if made.recomputed else 0,
                (facts.number("added-data-files") or 0) if made.recomputed else 0,
            )
            facets["slipway_stale"] = self.stale(made.stale)
        if checked:
            outputs["dataQualityAssertions"] = self.assertions(checked, declared)
        return OutputDataset(*facts.place, facets=facets, outputFacets=outputs)

    def model(self, declared: Asset, version: int | None) -> dict[str, Any]:
        """What is true of a version of a model."""
        field = schema_dataset.SchemaDatasetFacetFields(
            SCORE, "double", declared.columns.get(SCORE), ordinal_position=1
        )
        found: dict[str, Any] = {
            "symlinks": symlink(declared.name, "MODEL"),
            "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("MODEL"),
            "schema": schema_dataset.SchemaDatasetFacet([field]),
            "storage": storage_dataset.StorageDatasetFacet("mlflow", "skops"),
            "tags": tags(declared),
        }
        if declared.owner:
            found["ownership"] = owned_by(declared.owner)
        if declared.description:
            text = self.masking.plain(declared.description)
            found["documentation"] = documentation_dataset.DocumentationDatasetFacet(text)
        if version is not None:
            found["version"] = version_of(str(version))
        return found

    def model_output(
        self, declared: Asset, made: OutputVersion | None, checked: Sequence[Checked], places: Places
    ) -> OutputDataset:
        """A model that is trained."""
        facets = self.model(declared, made.version if made else None)
        outputs: dict[str, Any] = {}
        if made is not None:
            facets["columnLineage"] = column_lineage(declared.column_lineage, places, {SCORE})
            if made.recomputed:
                facets["lifecycleStateChange"] = changed("CREATE" if made.version == 1 else "ALTER")
        if checked:
            outputs["dataQualityAssertions"] = self.assertions(checked, declared)
        return OutputDataset(names.MODELS, declared.name, facets=facets, outputFacets=outputs)

    def assertions(
        self, checked: Iterable[Checked], declared: Asset
    ) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
        """The results of checks. What a check found is told in numbers: its words may quote rows."""
        columns = sorted({*declared.column_lineage.columns, *declared.columns}, key=len, reverse=True)
        return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            [
                data_quality_assertions_dataset.Assertion(
                    assertion=one.name,
                    success=one.passed,
                    column=next((name for name in columns if one.name.startswith(f"{name}_")), None),
                    severity="error" if one.blocking else "warn",
                    name=f"{declared.name}.{one.name}",
                    description=self._doc(describe_check(declared, one.name)),
                    expected=_expected(one),
                    actual=_actual(one),
                )
                for one in checked
            ]
        )

    def stale(self, why: str) -> StaleFacet:
        """Whether a circuit breaker blocks the table's deliveries; `why` is empty where none does."""
        return StaleFacet(bool(why), self.masking.text(why) if why else None)

    def _doc(self, text: str) -> str | None:
        return self.masking.plain(text) if text else None

    @property
    def _catalog(self) -> str:
        return self.lake.settings.catalog_address or f"sqlite:///{self.lake.home.origin / 'catalog.db'}"


def describe_check(asset: Asset, name: str) -> str:
    """The description of an asset's check; empty where the asset has no such check."""
    check = asset.checks.get(name)
    return check.description if check else ""


def symlink(name: str, kind: str) -> symlinks_dataset.SymlinksDatasetFacet:
    """The name that people see."""
    return symlinks_dataset.SymlinksDatasetFacet([symlinks_dataset.Identifier(names.NAMESPACE, name, kind)])


def tags(declared: Asset) -> tags_dataset.TagsDatasetFacet:
    """What a thing can be found by."""
    found = {"slipway/kind": declared.kind.slug, "slipway/domain": declared.domain}
    if declared.contract:
        found["slipway/contract"] = declared.contract
    return tags_dataset.TagsDatasetFacet(
        [tags_dataset.TagsDatasetFacetFields(key, value, source="SLIPWAY") for key, value in found.items()]
    )


def owned_by(owner: str) -> ownership_dataset.OwnershipDatasetFacet:
    """Who looks after it."""
    return ownership_dataset.OwnershipDatasetFacet([ownership_dataset.Owner(owner, "MAINTAINER")])


def version_of(version: str) -> dataset_version_dataset.DatasetVersionDatasetFacet:
    """Which state it is. A text: snapshot ids exceed what JavaScript can count to."""
    return dataset_version_dataset.DatasetVersionDatasetFacet(version)


def changed(how: str) -> lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet:
    """What happened to it."""
    return lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(
        lifecycle_state_change_dataset.LifecycleStateChange[how]
    )


def instant(at: datetime) -> str:
    """A time in UTC as the standard writes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _expected(one: Checked) -> str | None:
    if one.bound:
        return one.bound
    return "0" if "failed_rows" in one.measured else None


def _actual(one: Checked) -> str | None:
    for name in ("measured", "failed_rows"):
        if name in one.measured:
            return _number(one.measured[name])
    measures = ", ".join(f"{name}={_number(value)}" for name, value in sorted(one.measured.items()))
    return measures or None


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"

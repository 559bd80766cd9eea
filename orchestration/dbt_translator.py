"""How dagster-dbt describes this project's dbt resources: keys, groups, owners, checks, code references.

What belongs here: the translator and selection by dbt's syntax. Not: running dbt (lakehouse/transforms).
Importing dagster-dbt takes seconds, so this module is imported by the functions that need it, not at module level.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import (  # noqa: TID253  # the graph's factories import this module in their functions
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtManifestAssetSelection,
    DbtProject,
)

from lakehouse.engines.choice import engine_named
from lakehouse.errors import SlipwayError, unknown_name
from lakehouse.kinds.dbt_model import DbtModelAsset
from lakehouse.transforms.project import ModelTest, TransformModel, TransformProject, table_of
from orchestration.checks import asset_key

UNIQUE_ID = "dagster_dbt/unique_id"
"""Metadata key that links a check to its dbt test, as dagster-dbt writes it."""


class TransformTranslator(DagsterDbtTranslator):
    """A translator by which an asset key is the Iceberg identifier and a check has the name of its dbt test."""

    def __init__(self, project: TransformProject, engine: str) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=True, enable_source_metadata=False))
        self._engine = engine
        self._folder = project.folder
        self._models: dict[str, TransformModel] = {model.unique_id: model for model in project.models}
        self._tests: dict[str, tuple[TransformModel, ModelTest]] = {
            test.unique_id: (model, test) for model in project.models for test in model.tests
        }

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """The asset of a dbt resource, stored in Iceberg and computed by the engine of the settings."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        kinds = {"iceberg", "dbt", *engine_named(self._engine).kinds["transforms"]}
        return spec.replace_attributes(kinds=kinds, metadata={**spec.metadata, "dagster/storage_kind": "iceberg"})

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """The check of a dbt test; None when the test belongs to another model."""
        if unique_id not in self._tests:
            return None
        model, test = self._tests[unique_id]
        key = asset_key(model.table)
        if key != asset_spec.key:
            return None
        parents = {self.get_asset_spec(manifest, one, project).key for one in manifest["parent_map"][unique_id]}
        return dg.AssetCheckSpec(
            name=test.name,
            asset=key,
            description=test.description,
            additional_deps=parents - {key},
            metadata={UNIQUE_ID: unique_id},
            blocking=test.blocking,
        )

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """The Iceberg identifier of the resource's table, in parts."""
        return asset_key(table_of(dbt_resource_props))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The domain, which is the schema."""
        return dbt_resource_props["schema"]

    def get_code_version(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The fingerprint by which a model is stale: of its SQL, its macros and its column types."""
        model = self._models.get(dbt_resource_props["unique_id"])
        return model.fingerprint() if model else super().get_code_version(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str] | None:
        """The owner in `meta.owner`, else what dagster-dbt reads: `meta.dagster.owners` or the owner of the group."""
        model = self._models.get(dbt_resource_props["unique_id"])
        return [model.owner] if model and model.owner else [*(super().get_owners(dbt_resource_props) or ())] or None

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Dbt's tags, and the kind of the asset."""
        return {**super().get_tags(dbt_resource_props), "slipway/kind": DbtModelAsset.kind.slug}

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Documented columns, the table's name, and a code reference to the yml; dagster-dbt adds one to the SQL."""
        metadata = {
            **super().get_metadata(dbt_resource_props),
            "dagster/table_name": table_of(dbt_resource_props),
        }
        _, _, yml = (dbt_resource_props.get("patch_path") or "").partition("://")
        if not yml:
            return metadata
        reference = dg.LocalFileCodeReference(file_path=str(self._folder / yml), label="documentation and tests")
        return {**metadata, "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def dbt_project_of(project: TransformProject) -> DbtProject:
    """The dbt project as dagster-dbt knows it. Its manifest is the one that Slipway has parsed."""
    return DbtProject(project.folder, target_path=project.work / "target", profiles_dir=project.folder)


def dbt_selection(project: TransformProject, select: str) -> set[dg.AssetKey]:
    """The assets of the models that a selection in dbt's syntax names, such as `tag:daily+` or `path:models/staging`.

    Raises SlipwayError for a selection that dbt cannot read, UnknownNameError for one without a model.
    """
    from dbt_common.events.event_manager_client import cleanup_event_logger
    from dbt_common.exceptions import DbtBaseException

    cleanup_event_logger()  # dbt would print that nothing matches, which the error below reports
    selection = DbtManifestAssetSelection.build(
        manifest=project.manifest,
        select=select,
        dagster_dbt_translator=TransformTranslator(project, "embedded"),
        project=dbt_project_of(project),
    )
    try:
        found = selection.resolve(dg.Definitions().resolve_asset_graph())  # it reads the manifest, not the graph
    except DbtBaseException as error:
        raise SlipwayError(f"dbt cannot read the selection {select!r}: {error}", where="dbt selection") from error
    if not found:
        names = {model.unique_id.split(".")[-1] for model in project.models}
        raise unknown_name("dbt selection", select, names, where="dbt selection")
    return set(found)

"""Metadata of a materialization: counts, causes, schema, input snapshots and pictures.

What belongs here: turning outcomes into Dagster metadata. Not: drawing (pictures.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.settings import Settings
from lakehouse.sources.circuit_breaker import blocked
from lakehouse.tables.days import describe_days
from lakehouse.tables.incremental import Outcome


def with_pages(assets: Sequence[dg.AssetsDefinition], settings: Settings) -> Sequence[dg.AssetsDefinition]:
    """The assets, each with a link to its page on the lineage server."""

    def linked(spec: dg.AssetSpec) -> dg.AssetSpec:
        page = dg.MetadataValue.url(settings.lineage_page(".".join(spec.key.path)))
        return spec.merge_attributes(metadata={"lineage": page})

    return dg.map_asset_specs(linked, assets)


def outcome_metadata(lake: Lakehouse, outcome: Outcome) -> dict[str, Any]:
    """Rows, snapshot, what was recomputed and why, input snapshots and the table's schema."""
    table = lake.table(outcome.name)
    columns = [dg.TableColumn(one.name, str(one.field_type), one.doc) for one in table.schema().fields]
    done = "nothing: it was up to date"
    if outcome.recomputed:
        done = "everything" if outcome.days is None else describe_days(outcome.days)
    stale = blocked(lake, [outcome.name])
    return {
        **({"stale": stale} if stale else {}),
        "dagster/row_count": outcome.rows,
        "dagster/table_name": outcome.name,
        "dagster/column_schema": dg.TableSchema(columns),
        "snapshot": str(outcome.snapshot_id),
        "recomputed": done,
        "because": "; ".join(outcome.causes) or "nothing changed",
        "rows_written": outcome.rows_written,
        **({"inputs": input_snapshots_table(outcome.input_snapshots)} if outcome.input_snapshots else {}),
    }


def input_snapshots_table(input_snapshots: Mapping[str, int]) -> dg.MetadataValue:
    """Input snapshots as a table."""
    records = [dg.TableRecord({"table": name, "snapshot": str(pin)}) for name, pin in input_snapshots.items()]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn("table"), dg.TableColumn("snapshot")]))


def picture(png: bytes, title: str) -> dg.MetadataValue:
    """A PNG that the UI shows in place."""
    from base64 import b64encode

    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{b64encode(png).decode()})")


def column_lineage(edges: Mapping[str, Sequence[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Column lineage: column -> the (table, column) pairs that it is computed from."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=dg.AssetKey(table.split(".")), column_name=name) for table, name in sources
            ]
            for column, sources in edges.items()
        }
    )


def materialized(
    lake: Lakehouse,
    outcome: Outcome,
    pictures: Mapping[str, bytes] | None = None,
    **more: Any,  # noqa: ANN401
) -> dg.MaterializeResult:
    """The result of a step. The data version is the snapshot id, so an unchanged snapshot leaves downstream fresh."""
    shown = {name: picture(png, name) for name, png in (pictures or {}).items()}
    return dg.MaterializeResult(
        asset_key=dg.AssetKey(outcome.name.split(".")),
        metadata={**outcome_metadata(lake, outcome), **shown, **more},
        data_version=dg.DataVersion(str(outcome.snapshot_id)),
    )

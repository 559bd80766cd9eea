"""The plugin of dbt-duckdb: gives dbt the lakehouse's tables and stores models on audit branches.

What belongs here: the plugin that profiles.yml names. Not: deciding what is published (build.py).
"""

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin  # noqa: TID253  # dbt imports this module, nobody else does
from dbt.adapters.duckdb.utils import TargetConfig  # noqa: TID253
from duckdb import DuckDBPyConnection

from lakehouse.catalog.lakehouse import open_lakehouse
from lakehouse.engines.choice import engine_of
from lakehouse.errors import ContractError, SlipwayError, nearest_name
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import days_filter
from lakehouse.tables.incremental import base_snapshot
from lakehouse.tables.provenance import Provenance, last_published
from lakehouse.tables.publish import needs_schema_change
from lakehouse.tables.read import attach, plan
from lakehouse.tables.rows import Rows
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write_audit_publish import stage
from lakehouse.transforms.project import TransformModel
from lakehouse.transforms.session import BuildSession, active_session


class Plugin(BasePlugin):
    """Named `lakehouse` in profiles.yml."""

    connection: DuckDBPyConnection

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Show every published table under its own name, pinned to what is published now."""
        self.connection = conn
        session = active_session()
        lake = session.lake if session else open_lakehouse()
        for name in lake.names():
            if last_published(lake, name) is not None:
                attach(conn, plan(lake, name), name)

    def store(self, target_config: TargetConfig) -> None:
        """Run a model's SQL for the days that need it, write to an audit branch, show the branch to dbt."""
        session = active_session()
        if session is None:
            raise SlipwayError(
                "dbt runs outside of Slipway, so nothing can be audited or published.",
                where="dbt build",
                fix="Run models with `slipway materialize`; dbt's compile, show and test work without it.",
            )
        config: dict[str, Any] = target_config.config
        model = next(one for one in session.project.models if one.unique_id == config["unique_id"])
        if any(_waits(session, name) for name in model.inputs):
            session.deferred.add(model.table)
            raise SlipwayError(f"{model.table} is built after its input, whose columns changed, was published.")
        work = session.plan_build(model)
        session.works[model.table] = work
        cursor = self.connection.cursor()
        # dbt keeps one connection for all builds of a process: what it is to see now is shown here, pin by pin.
        for name, pin in work.input_snapshots.items():
            attach(cursor, plan(session.lake, name, at=pin), name)
        if not work.needed:
            attach(cursor, plan(session.lake, model.table), model.table)
            return
        replace = days_filter(model.day_column, work.days) if model.day_column and work.days is not None else None
        cursor.execute("set TimeZone = 'UTC'")
        rows = _rows(session, model, config["sql"], work, cursor, replace)
        shape = _shape(model, rows.schema)
        provenance = Provenance(session.run_id, work.definition, work.input_snapshots)
        base = base_snapshot(session.lake, shape, work.before)
        if replace and needs_schema_change(session.lake, shape):  # other columns concern all rows
            rows = _rows(session, model, config["sql"], work, cursor, None)
        staged = stage(session.lake, shape, rows, provenance, replace, base)
        session.staged[model.table] = staged
        attach(cursor, plan(session.lake, staged.draft.name, at=staged.draft.branch), model.table)


def _waits(session: BuildSession, name: str) -> bool:
    """Whether models that select from this one are built after it is published."""
    return name in session.deferred or (name in session.staged and session.staged[name].new_columns)


def _rows(
    session: BuildSession,
    model: TransformModel,
    sql: str,
    work: BuildPlan,
    cursor: DuckDBPyConnection,
    replace: str | None,
) -> Rows:
    """The model's rows that the filter lets through, computed by the engine of the settings."""
    return engine_of(session.lake).model_rows(session.lake, model, sql, work.input_snapshots, cursor, replace)


def _shape(model: TransformModel, schema: Any) -> TableShape:  # noqa: ANN401  # an Arrow schema; pyarrow has no stubs
    for column in model.columns:
        if column not in schema.names:
            raise ContractError(
                f"The model has no column {column!r}, which its yml documents.",
                where=model.table,
                nearest=nearest_name(column, schema.names),
                fix="Correct the SQL or its YAML file.",
            )
    docs = {name: text for name, text in model.columns.items() if text}
    return TableShape(model.table, schema, model.day_column, model.description, docs, model.owner)

"""dbt-duckdb's door to the lakehouse: shows dbt the tables and stores models on audit branches.

What belongs here: the plugin that profiles.yml names. Not: deciding what is published (build.py).
"""

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin  # noqa: TID253  # dbt imports this module, nobody else does
from dbt.adapters.duckdb.utils import TargetConfig  # noqa: TID253
from duckdb import DuckDBPyConnection

from lakehouse.catalog import open_lakehouse
from lakehouse.errors import ContractError, SlipwayError, nearest_name
from lakehouse.tables.days import days_filter
from lakehouse.tables.pins import Provenance
from lakehouse.tables.publish import needs_schema_change
from lakehouse.tables.read import attach, plan, quoted
from lakehouse.tables.upkeep import beginning, last_made
from lakehouse.tables.write import TableShape, write_draft
from lakehouse.transforms.project import TransformModel
from lakehouse.transforms.session import active_session


class Plugin(BasePlugin):
    """Named `lakehouse` in profiles.yml."""

    connection: DuckDBPyConnection

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Show every published table under its own name, pinned to what is published now."""
        self.connection = conn
        session = active_session()
        lake = session.lake if session else open_lakehouse()
        for name in lake.names():
            if last_made(lake, name) is not None:
                attach(conn, plan(lake, name), name)

    def store(self, target_config: TargetConfig) -> None:
        """Run a model's SQL for the days that need it, write to an audit branch, show the branch to dbt."""
        session = active_session()
        if session is None:
            raise SlipwayError(
                "dbt was started by itself, so nothing can be audited and published.",
                where="dbt build",
                fix="Run models with `slipway materialize fraud.stg_transactions`; compile, show and test work as ever.",
            )
        config: dict[str, Any] = target_config.config
        model = next(one for one in session.project.models if one.unique_id == config["unique_id"])
        work = session.find_work(model)
        session.works[model.table] = work
        cursor = self.connection.cursor()
        # dbt keeps one connection for all builds of a process: what it is to see now is shown here, pin by pin.
        for name, pin in work.pins.items():
            attach(cursor, plan(session.lake, name, at=pin), name)
        if not work.needed:
            attach(cursor, plan(session.lake, model.table), model.table)
            return
        where = ""
        if model.day_column and work.days is not None:
            where = f" where {days_filter(model.day_column, work.days)}"
        order = f" order by {quoted(model.day_column)}" if model.day_column else ""
        cursor.execute("set TimeZone = 'UTC'")
        # The filter reaches the scan of the inputs: DuckDB pushes it down through projections and group keys.
        rows = cursor.sql(f"select * from ({config['sql']}){where}{order}").to_arrow_table()  # noqa: S608
        shape = _shape(model, rows.schema)
        changed = needs_schema_change(session.lake, shape)
        if changed:
            raise ContractError(
                f"The model's columns changed ({changed}).",
                where=model.table,
                fix=f"Drop the table with `slipway tables {model.table} --drop`; the next run makes it anew.",
            )
        provenance = Provenance(session.run_id, work.definition, work.pins)
        replace = days_filter(model.day_column, work.days) if model.day_column and work.days is not None else None
        base = beginning(session.lake, shape, work.before)
        draft = write_draft(session.lake, shape, rows, provenance, replace, base)
        session.drafts[model.table] = draft
        session.rows_written[model.table] = len(rows)
        attach(cursor, plan(session.lake, model.table, at=draft.branch), model.table)


def _shape(model: TransformModel, schema: Any) -> TableShape:  # noqa: ANN401  # an Arrow schema; pyarrow has no stubs
    for column in model.columns:
        if column not in schema.names:
            raise ContractError(
                f"The model has no column {column!r}, which its yml documents.",
                where=model.table,
                nearest=nearest_name(column, schema.names),
                fix="Mend the SQL or the yml beside it.",
            )
    docs = {name: text for name, text in model.columns.items() if text}
    return TableShape(model.table, schema, model.day_column, model.description, docs, model.owner)

"""Rows of dbt models, computed by DuckDB.

What belongs here: running a model's compiled SQL. Not: the dbt plugin (transforms/plugin.py).
"""

import duckdb
import pyarrow as pa

from lakehouse.tables.duck import quoted
from lakehouse.transforms.project import TransformModel


def model_rows(model: TransformModel, sql: str, connection: duckdb.DuckDBPyConnection, replace: str | None) -> pa.Table:
    """Return the rows of a model's compiled SQL, in order of its day column. See Engine.model_rows."""
    # The filter reaches the scan of the inputs: DuckDB pushes it down through projections and group keys.
    chosen = f" where {replace}" if replace else ""
    order = f" order by {quoted(model.day_column)}" if model.day_column else ""
    return connection.sql(f"select * from ({sql}){chosen}{order}").to_arrow_table()

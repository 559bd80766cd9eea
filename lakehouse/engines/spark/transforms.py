"""Rows of dbt models, computed by Spark.

What belongs here: running a model's SQL over pinned tables. Not: translating it (sql_translation.py), and what becomes
of the rows (transforms/plugin.py).
"""

from collections.abc import Mapping

import duckdb

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.engines.spark.sql_translation import to_spark
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import SparkRows, pinned, spark_filter
from lakehouse.tables.duck import quoted
from lakehouse.transforms.project import TransformModel


def model_rows(
    lake: Lakehouse,
    model: TransformModel,
    sql: str,
    input_snapshots: Mapping[str, int],
    connection: duckdb.DuckDBPyConnection,
    replace: str | None,
) -> SparkRows:
    """Return the rows of the model's compiled SQL that meet the filter `replace` (None: all), still on Spark.

    DuckDB, to which the same snapshots are attached, decides the columns and their types. See Engine.model_rows.
    Raises SlipwayError for SQL that cannot be translated for Spark, and what DuckDB raises for SQL that it cannot run.
    """
    where = f"model {model.table} on Spark"
    schema = connection.sql(f"select * from ({sql}) limit 0").to_arrow_table().schema
    tables, views = {}, {}
    with spark_errors(where):
        for name, pin in input_snapshots.items():
            known = connection.sql(f"select * from {'.'.join(quoted(part) for part in name.split('.'))} limit 0")
            tables[name] = {column: str(kind) for column, kind in zip(known.columns, known.types, strict=True)}
            views[name] = f"slipway_{name.replace('.', '__')}_{pin}"
            used = [column for column in known.columns if column.lower() in sql.lower()] or known.columns[:1]
            shown = known.columns if "*" in sql.replace("count(*)", "") else used
            pinned(lake, name, shown, at=pin).frame.createOrReplaceTempView(views[name])
        rows = spark_of(lake).sql(to_spark(sql, model.table, tables, views)).toDF(*schema.names)
        if replace:
            rows = rows.where(spark_filter(replace))
    # Nothing says in which order rows of one time stand: with all columns it is the same order each time.
    order = [model.day_column] if model.day_column else []
    return SparkRows(rows, schema, list(dict.fromkeys([*order, *schema.names])), where)

"""A model's rows on Spark.

What belongs here: running a model's SQL over pinned tables. Not: translating it (spark_sql.py) and what becomes of the
rows (plugin.py).
"""

from collections.abc import Mapping

import duckdb

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import SparkRows, pinned, spark_filter
from lakehouse.spark.words import in_words
from lakehouse.tables.duck import quoted
from lakehouse.transforms.project import TransformModel
from lakehouse.transforms.spark_sql import to_spark


def rows_on_spark(
    lake: Lakehouse,
    model: TransformModel,
    sql: str,
    input_snapshots: Mapping[str, int],
    cursor: duckdb.DuckDBPyConnection,
    replace: str | None,
) -> SparkRows:
    """The rows of the model's compiled SQL that the filter `replace` lets through (None: all), still on Spark.

    `cursor` shows the same pinned tables to DuckDB, which says what the SQL means: its columns and their types.
    Raises SlipwayError for SQL that cannot be carried to Spark, and what DuckDB raises for SQL that it cannot run.
    """
    where = f"model {model.table} on Spark"
    schema = cursor.sql(f"select * from ({sql}) limit 0").to_arrow_table().schema
    tables, views = {}, {}
    with in_words(where):
        for name, pin in input_snapshots.items():
            known = cursor.sql(f"select * from {'.'.join(quoted(part) for part in name.split('.'))} limit 0")
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

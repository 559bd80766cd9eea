"""Contract checks of a whole table, on Spark: the same counts, so the same results.

What belongs here: running the counts on Spark. Not: what is checked (lakehouse/contracts).
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import sqlglot

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.compile import unjudged
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.expressions import in_spark
from lakehouse.contracts.table_checks import counting, joined_sql, schema_check_result
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import pinned
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import quoted
from lakehouse.tables.read import Pin, plan, resolve


def audit(
    lake: Lakehouse,
    contract: Contract,
    *,
    at: Pin = None,
    where: str | None = None,
    input_snapshots: Mapping[str, int] | None = None,
) -> list[CheckResult]:
    """Check a table against a contract, on Spark. See Engine.audit."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    planned = plan(lake, contract.table, at=at, where=where)
    schema = schema_check_result(contract, planned)
    if not schema.passed:
        return [schema]
    session = spark_of(lake)
    work = counting(contract)
    mark = uuid4().hex[:8]
    held = {
        one: f"held_{number}_{mark}" for number, one in enumerate(dict.fromkeys(o.table for o in contract.references))
    }
    scanned = f"scanned_{mark}"
    columns = list(contract.schema.names)
    pinned(lake, contract.table, columns, at=planned.snapshot_id, where=where).frame.createOrReplaceTempView(scanned)
    for name, view in held.items():
        snapshot = resolve(lake.table(name), (input_snapshots or {}).get(name))
        wanted = [column for one in contract.references if one.table == name for column in one.to_columns]
        pinned(lake, name, list(dict.fromkeys(wanted)), at=snapshot).frame.createOrReplaceTempView(view)
    joined = joined_sql(work.rules, held)

    def ask(sql: str) -> list[dict[str, Any]]:
        # The statement calls the rows `scanned`; several audits in one session must not meet.
        with_rows = f"with scanned as (select * from {quoted(scanned)}) {sql}"
        return session.sql(in_spark(sqlglot.parse_one(with_rows, read="duckdb"))).toArrow().to_pylist()

    try:
        selected = ", ".join(f"{sql} as c{place}" for place, sql in enumerate(work.aggregates.values()))
        try:
            row = ask(f"select {selected} from {joined}")[0]
        except (PySparkException, Py4JJavaError) as error:
            judge = lambda rule: ask(f"select count_if({rule.in_duckdb}) as c from scanned")  # noqa: E731
            raise unjudged(contract, work.rules, judge, error) from None
        counts = {label: int(row[f"c{place}"] or 0) for place, label in enumerate(work.aggregates)}
        return [schema, *work.check_results(counts, joined, ask)]
    finally:
        for view in (scanned, *held.values()):
            session.catalog.dropTempView(view)

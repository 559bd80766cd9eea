"""Contract checks of a whole table, on Spark: the same counts, so the same results.

What belongs here: running the counts on Spark. Not: what is checked (lakehouse/contracts). Rules that Python judges,
such as custom pandera checks, run in Spark's Python workers, on Arrow batches.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import polars as pl
import pyarrow as pa
import sqlglot

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.compile import not_evaluated
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.counting import InPython, counting
from lakehouse.contracts.expressions import in_spark
from lakehouse.contracts.row_checks import SAMPLE_ROWS
from lakehouse.contracts.rules.row_rule import FAILED_RULE, PythonRule
from lakehouse.contracts.table_checks import schema_check_result
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import pinned
from lakehouse.spark.worker import on_worker
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import quoted
from lakehouse.tables.read import Pin, plan, resolve

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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
    wanted: dict[str, list[str]] = {}
    for rule in work.rules:
        for name, columns in rule.referenced_tables().items():
            wanted.setdefault(name, []).extend(columns)
    held = {name: f"held_{number}_{mark}" for number, name in enumerate(wanted)}
    scanned = f"scanned_{mark}"
    rows = pinned(lake, contract.table, list(contract.schema.names), at=planned.snapshot_id, where=where).frame
    rows.createOrReplaceTempView(scanned)
    for name, view in held.items():
        snapshot = resolve(lake.table(name), (input_snapshots or {}).get(name))
        pinned(lake, name, list(dict.fromkeys(wanted[name])), at=snapshot).frame.createOrReplaceTempView(view)

    def ask(sql: str) -> list[dict[str, Any]]:
        # The statement calls the rows `scanned`; several audits in one session must not meet.
        with_rows = f"with scanned as (select * from {quoted(scanned)}) {sql}"
        return session.sql(in_spark(sqlglot.parse_one(with_rows, read="duckdb"))).toArrow().to_pylist()

    try:
        selected = ", ".join(f"{sql} as c{place}" for place, sql in enumerate(work.aggregates.values()))
        try:
            row = ask(f"select {selected} from {work.joined_sql(held)}")[0]
        except (PySparkException, Py4JJavaError) as error:
            evaluate = lambda rule: ask(f"select count_if({rule.in_duckdb}) as c from scanned")  # noqa: E731
            raise not_evaluated(contract, work.rules, evaluate, error) from None
        counts = {label: int(row[f"c{place}"] or 0) for place, label in enumerate(work.aggregates)}
        in_python = _in_python(rows, rules) if (rules := work.python_rules()) else {}
        return [schema, *work.check_results(counts, ask, held, in_python)]
    finally:
        for view in (scanned, *held.values()):
            session.catalog.dropTempView(view)


def _in_python(rows: "DataFrame", rules: Sequence[PythonRule]) -> InPython:
    """Return how many rows fail each rule that Python judges, with a few of them."""
    from pyspark.sql import functions as F  # noqa: N812  # as all of Spark's users call it
    from pyspark.sql.types import StringType, StructField, StructType

    def failing(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with on_worker():
            for batch in batches:
                frame = pl.DataFrame(pl.from_arrow(batch))
                for rule in rules:
                    chosen = batch.filter(pa.array(rule.failing_rows(frame)))
                    names = pa.array([rule.name] * len(chosen), pa.string())
                    yield pa.RecordBatch.from_arrays([*chosen.columns, names], [*chosen.schema.names, FAILED_RULE])

    schema = StructType([*rows.schema.fields, StructField(FAILED_RULE, StringType())])
    failed = rows.mapInArrow(failing, schema)
    counts = {row[FAILED_RULE]: row["count"] for row in failed.groupBy(FAILED_RULE).count().collect()}
    found = {}
    for rule in rules:
        shown = failed.where(F.col(FAILED_RULE) == rule.name).drop(FAILED_RULE).limit(SAMPLE_ROWS)
        number = counts.get(rule.name, 0)
        found[rule.name] = number, shown.toArrow().to_pylist() if number else []
    return found

"""The audit of a whole table, or of a branch, at a snapshot, without holding its rows in memory.

What belongs here: the pass of DuckDB. Not: the same on Spark (engines/spark), what is counted (counting.py), and the
audit of rows in memory (row_checks.py).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.compile import not_evaluated
from lakehouse.contracts.contract import SCHEMA, TABLE_CHECKS, Contract
from lakehouse.contracts.counting import check_in_python, counting
from lakehouse.contracts.referenced_tables import check_references
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import connect
from lakehouse.tables.read import Pin, Plan, arrow_field, attach, plan

MEMORY = 768 << 20
"""Bytes that DuckDB may use; what does not fit is spilled to disk."""
BATCH_ROWS = 100_000
"""Rows in a batch that Python evaluates."""


def audit_table(
    lake: Lakehouse,
    contract: Contract,
    *,
    at: Pin = None,
    where: str | None = None,
    input_snapshots: Mapping[str, int] | None = None,
) -> list[CheckResult]:
    """Audit the rows of the contract's table at `at` (snapshot, branch, tag) that meet the filter `where`.

    One pass counts for all rules and distributions, a second runs the rules that Python judges, a third looks for a few
    rows that fail. Tables that are referred to are read at `input_snapshots` (default: the current ones). Freshness and
    volume are about deliveries, and not checked. Raises ContractError for a rule that raises, UnknownNameError for an
    unknown table or snapshot.
    """
    check_references(lake, contract, input_snapshots)
    planned = plan(lake, contract.table, at=at, where=where)
    schema = schema_check_result(contract, planned)
    if not schema.passed:
        return [schema]
    work = counting(contract, planned)
    with TemporaryDirectory(prefix="slipway-") as scratch, connect(MEMORY, str(Path(scratch))) as connection:
        attach(connection, planned, "scanned")
        for name in {one for rule in work.rules for one in rule.referenced_tables()}:
            attach(connection, plan(lake, name, at=(input_snapshots or {}).get(name)), name)
        sql = ", ".join(work.aggregates.values())
        try:
            (row,) = connection.execute(f"select {sql} from {work.joined_sql()}").fetchall()
        except duckdb.Error as error:
            raise not_evaluated(
                contract,
                work.rules,
                lambda rule: connection.sql(f"select count_if({rule.in_duckdb}) from scanned").fetchall(),
                error,
            ) from None
        counts = {label: int(number or 0) for label, number in zip(work.aggregates, row, strict=True)}

        def ask(sql: str) -> list[dict[str, Any]]:
            return connection.sql(sql).to_arrow_table().to_pylist()

        in_python = check_in_python(rules, _batches(connection)) if (rules := work.python_rules()) else {}
        return [schema, *work.check_results(counts, ask, in_python=in_python)]


def _batches(connection: duckdb.DuckDBPyConnection) -> Iterator[pl.DataFrame]:
    for batch in connection.sql("select * from scanned").to_arrow_reader(BATCH_ROWS):
        yield pl.DataFrame(pl.from_arrow(batch))


def schema_check_result(contract: Contract, planned: Plan) -> CheckResult:
    """Return whether the table has the contract's columns, in its types."""
    present = {field.name: arrow_field(planned.schema, field.name).type for field in planned.schema.fields}
    faults = [
        f"{field.name} is missing" if field.name not in present else f"{field.name} is {present[field.name]}"
        for field in contract.schema
        if present.get(field.name) != _kept_as(field.type)
    ]
    message = TABLE_CHECKS[SCHEMA] + (f" Failed: {', '.join(faults)}." if faults else "")
    return CheckResult(SCHEMA, not faults, message, blocking=contract.action(SCHEMA) == "block")


def _kept_as(kind: pa.DataType) -> pa.DataType:
    """Return the type that Iceberg stores a column in: it has no integer of 16 bits."""
    return pa.int32() if pa.types.is_int16(kind) else kind

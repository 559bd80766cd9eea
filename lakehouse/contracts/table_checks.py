"""Auditing a whole table, or a branch of one, at a snapshot: in one pass, without holding its rows.

What belongs here: what has to be counted for a contract, the pass of DuckDB, and the verdicts from the counts. Not:
the same on Spark (on_spark.py), and parting rows into good and broken ones (sorting.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.types import IntegerType, LongType

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.audit import rule_check_result
from lakehouse.contracts.columns import ARROW_TYPES
from lakehouse.contracts.compile import RowRule, compile_rules, given, unjudged
from lakehouse.contracts.contract import SCHEMA, TABLE_CHECKS, Contract
from lakehouse.contracts.distributions import counts_of, judge_counts
from lakehouse.contracts.row_checks import SAMPLE_ROWS
from lakehouse.contracts.rules import Distribution
from lakehouse.errors import ContractError, UnknownNameError, nearest_name, unknown_name
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.duck import borrow, connect, literal, quoted
from lakehouse.tables.read import Pin, Plan, arrow_field, attach, plan

MEMORY = 768 << 20
"""Bytes that DuckDB may take for it; what does not fit goes by way of the disk."""

MOST_BITS = 1 << 29
BITS_A_ROW = 64
_OF = "_broken_rule"

ROWS = "rows"
Ask: TypeAlias = Callable[[str], Sequence[dict[str, Any]]]
"""Runs a statement in DuckDB's words, and gives its rows."""


@dataclass(frozen=True)
class Counting:
    """What is counted in one pass over a table: label -> DuckDB's aggregate.

    Labels are `rows`, a row rule's name (rows that break it; for a key, rows that have one), `<key rule>/distinct`, and
    `<distribution>/<count>`.
    """

    contract: Contract
    rules: Sequence[RowRule]
    distributions: Sequence[Distribution]
    aggregates: Mapping[str, str]

    def check_results(self, counts: Mapping[str, int], joined: str, ask: Ask) -> list[CheckResult]:
        """The verdicts from the counts, with a few of the rows that break each rule."""
        broken = {one.name: counts[one.name] - counts.get(f"{one.name}/distinct", 0) for one in self.rules}
        shown: dict[str, list[dict[str, Any]]] = {name: [] for name in broken}
        odd = [rule for rule in self.rules if broken[rule.name]]
        if odd:
            for row in ask(" union all ".join(f"({_sample_sql(rule, joined)})" for rule in odd)):
                shown[row.pop(_OF)].append(row)
        found = [
            rule_check_result(one.name, one.description, one.action, broken[one.name], counts[ROWS], shown[one.name])
            for one in self.rules
        ]
        for one in self.distributions:
            begin = f"{one.name}/"
            own = {label.removeprefix(begin): number for label, number in counts.items() if label.startswith(begin)}
            blocking = self.contract.action(one.name) == "block"
            found.append(judge_counts(one, counts[ROWS], own, blocking=blocking))
        return found


def counting(contract: Contract, planned: Plan | None = None) -> Counting:
    """What has to be counted for all rules and distributions of the contract; of planned files, in a quicker way."""
    rules = compile_rules(contract)
    aggregates = {ROWS: "count(*)"}
    for rule in rules:
        if rule.key:
            names = [quoted(one) for one in rule.key]
            # Each engine has its own words for several columns together; the counting is the same.
            distinct = names[0] if len(names) == 1 else f"row({', '.join(names)})"
            aggregates[rule.name] = f"count_if({given(rule.key)})"
            aggregates[f"{rule.name}/distinct"] = f"count(distinct case when {given(rule.key)} then {distinct} end)"
            bounds = _bounds(planned, rule.key[0]) if planned and len(rule.key) == 1 else None
            if bounds:
                low, high = bounds
                aggregates[f"{rule.name}/distinct"] = (
                    f"coalesce(bit_count(bitstring_agg({distinct}, {low}, {high})), 0)"
                )
        else:
            aggregates[rule.name] = f"count_if({condition_of(rule)})"
    # "As the champion's" needs the champion's rows, which are not looked at here.
    judged = [one for one in contract.distributions if one.null_share is not None or one.quantiles or one.shares]
    for one in judged:
        for label, condition in counts_of(contract, one).items():
            aggregates[f"{one.name}/{label}"] = f"count_if({condition})"
    return Counting(contract, rules, judged, aggregates)


def condition_of(rule: RowRule) -> str:
    """DuckDB's condition that a row breaks the rule, where the tables that are referred to are joined."""
    if rule.reference is not None:
        return f"{given(rule.reference.columns)} and {quoted(found_mark(rule))} is null"
    return rule.in_duckdb


def found_mark(rule: RowRule) -> str:
    """The column that says that a reference was found."""
    return f"_found_{rule.name}"


def check_references(lake: Lakehouse, contract: Contract, input_snapshots: Mapping[str, int] | None = None) -> None:
    """Raises UnknownNameError for a reference to a table or a column that is not there, ContractError for other kinds.

    Only the tables' schemas are looked at.
    """
    for one in contract.references:
        where = f"contract of {contract.table}, reference to {one.table}"
        if not lake.has(one.table):
            error = unknown_name("table", one.table, lake.names(), where=where)
            error.fix = "Let it be made before this one is landed, or refer to another table."
            raise error
        planned = plan(lake, one.table, at=(input_snapshots or {}).get(one.table))
        names = [field.name for field in planned.schema.fields]
        for column, other in zip(one.columns, one.to_columns, strict=True):
            if other not in names:
                raise UnknownNameError(
                    f"{one.table} has no column {other!r}.",
                    where=f"{where}, to_columns",
                    nearest=nearest_name(other, names),
                    fix="Use one of: " + ", ".join(name for name in names if not name.startswith("_")) + ".",
                )
            kinds = ARROW_TYPES[contract.column(column).type], arrow_field(planned.schema, other).type
            if _sort_of(kinds[0]) != _sort_of(kinds[1]):
                alike = [
                    name for name in names if _sort_of(arrow_field(planned.schema, name).type) == _sort_of(kinds[0])
                ]
                raise ContractError(
                    f"{column} is {kinds[0]} and {other} of {one.table} is {kinds[1]}: neither is found in the other.",
                    where=f"{where}, to_columns",
                    nearest=nearest_name(other, alike) or nearest_name(column, alike),
                    fix="Look numbers up among numbers, texts among texts and times among times.",
                )


def _sort_of(kind: pa.DataType) -> str:
    """What values of the type can be compared with."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return "time" if pa.types.is_temporal(kind) else str(kind)


def read_referenced(
    lake: Lakehouse, contract: Contract, input_snapshots: Mapping[str, int] | None = None
) -> dict[str, pa.Table]:
    """The values that the contract's references look up, table by table, each at its pin (None: as published now)."""
    check_references(lake, contract, input_snapshots)
    found = {}
    for name in dict.fromkeys(one.table for one in contract.references):
        columns = list(dict.fromkeys(c for one in contract.references if one.table == name for c in one.to_columns))
        planned = plan(lake, name, at=(input_snapshots or {}).get(name))
        chosen = ", ".join(quoted(one) for one in columns)
        with borrow() as connection:
            view = attach(connection, planned, "held")
            found[name] = connection.sql(f"select distinct {chosen} from {view}").to_arrow_table()
    return found


def audit_table(
    lake: Lakehouse,
    contract: Contract,
    *,
    at: Pin = None,
    where: str | None = None,
    input_snapshots: Mapping[str, int] | None = None,
) -> list[CheckResult]:
    """The verdicts on the rows of the contract's table at `at` (snapshot, branch, tag) that meet the filter `where`.

    One pass counts for all rules and distributions; a few rows of each broken rule are looked for after that. Tables
    that are referred to are read at `pins` (default: as published now). Freshness and volume are about deliveries, and
    not judged. Raises ContractError for a rule that raises, UnknownNameError for a table or snapshot that is not there.
    """
    check_references(lake, contract, input_snapshots)
    planned = plan(lake, contract.table, at=at, where=where)
    schema = schema_check_result(contract, planned)
    if not schema.passed:
        return [schema]
    work = counting(contract, planned)
    with TemporaryDirectory(prefix="slipway-") as scratch, connect(MEMORY, str(Path(scratch))) as connection:
        attach(connection, planned, "scanned")
        held = {
            name: plan(lake, name, at=(input_snapshots or {}).get(name))
            for name in {o.table for o in contract.references}
        }
        for name, one in held.items():
            attach(connection, one, name)
        joined = joined_sql(work.rules)
        sql = ", ".join(work.aggregates.values())
        try:
            (row,) = connection.execute(f"select {sql} from {joined}").fetchall()
        except duckdb.Error as error:
            raise unjudged(
                contract,
                work.rules,
                lambda rule: connection.sql(f"select count_if({rule.in_duckdb}) from scanned").fetchall(),
                error,
            ) from None
        counts = {label: int(number or 0) for label, number in zip(work.aggregates, row, strict=True)}

        def ask(sql: str) -> list[dict[str, Any]]:
            return connection.sql(sql).to_arrow_table().to_pylist()

        return [schema, *work.check_results(counts, joined, ask)]


def schema_check_result(contract: Contract, planned: Plan) -> CheckResult:
    """Whether the table has the contract's columns, in its types."""
    present = {field.name: arrow_field(planned.schema, field.name).type for field in planned.schema.fields}
    faults = [
        f"{field.name} is missing" if field.name not in present else f"{field.name} is {present[field.name]}"
        for field in contract.schema
        if present.get(field.name) != _kept_as(field.type)
    ]
    says = TABLE_CHECKS[SCHEMA] + (f" Not so: {', '.join(faults)}." if faults else "")
    return CheckResult(SCHEMA, not faults, says, blocking=contract.action(SCHEMA) == "block")


def _bounds(planned: Plan, column: str) -> tuple[int, int] | None:
    """Between which whole numbers a column lies, by the files' statistics; None where a bit for each is too many.

    A bit for each number that there can be counts distinct ones ten times as fast as a hash table does.
    """
    field = planned.schema.find_field(column)
    low, high = [], []
    for task in planned.tasks:
        file = task.file
        bounds = [(one or {}).get(field.field_id) for one in (file.lower_bounds, file.upper_bounds)]
        if not isinstance(field.field_type, IntegerType | LongType) or None in bounds:
            return None
        low.append(from_bytes(field.field_type, bounds[0]))
        high.append(from_bytes(field.field_type, bounds[1]))
    if not low or max(high) - min(low) > min(MOST_BITS, 1_000 + BITS_A_ROW * planned.rows):
        return None
    return min(low), max(high)


def _kept_as(kind: pa.DataType) -> pa.DataType:
    """The type that Iceberg keeps a column in: it has no integer of 16 bits."""
    return pa.int32() if pa.types.is_int16(kind) else kind


def joined_sql(rules: Sequence[RowRule], views: Mapping[str, str] | None = None) -> str:
    """The FROM item: the scanned rows, and beside each a mark for each reference that was found.

    `views` are names for the tables that are referred to (default: their own).
    """
    sql = "scanned"
    for rule in rules:
        if rule.reference is None:
            continue
        held = f"_held_{rule.name}"
        names = [f"{held}_{place}" for place in range(len(rule.reference.columns))]
        chosen = ", ".join(
            f"{quoted(one)} as {quoted(name)}" for one, name in zip(rule.reference.to_columns, names, strict=True)
        )
        name = (views or {}).get(rule.reference.table, rule.reference.table)
        table = ".".join(quoted(part) for part in name.split("."))
        on = " and ".join(
            f"scanned.{quoted(one)} = {quoted(held)}.{quoted(name)}"
            for one, name in zip(rule.reference.columns, names, strict=True)
        )
        sql += (
            f" left join (select distinct {chosen}, true as {quoted(found_mark(rule))} from {table}) as {quoted(held)}"
            f" on {on}"
        )
    return sql


def _sample_sql(rule: RowRule, joined: str) -> str:
    """A few rows that break the rule."""
    chosen = f"select {literal(rule.name)} as {_OF}, scanned.* from"
    if rule.key:
        names = ", ".join(quoted(one) for one in rule.key)
        again = f"select {names} from scanned where {given(rule.key)} group by {names} having count(*) > 1"
        same = " and ".join(f"scanned.{quoted(one)} = again.{quoted(one)}" for one in rule.key)
        sql = f"{chosen} scanned semi join ({again} limit {SAMPLE_ROWS}) as again on {same}"
    else:
        sql = f"{chosen} {joined} where {condition_of(rule)}"
    return f"{sql} limit {SAMPLE_ROWS}"

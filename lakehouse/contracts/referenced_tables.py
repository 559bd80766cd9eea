"""The tables that a contract's references look values up in.

What belongs here: checking that they exist with fitting columns, and reading them. Not: the rule
(rules/reference.py).
"""

from collections.abc import Mapping

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.types import ARROW_TYPES
from lakehouse.errors import ContractError, UnknownNameError, nearest_name, unknown_name
from lakehouse.tables.duck import borrow, quoted
from lakehouse.tables.read import arrow_field, attach, plan


def check_references(lake: Lakehouse, contract: Contract, input_snapshots: Mapping[str, int] | None = None) -> None:
    """Raise UnknownNameError for a reference to an unknown table or column, ContractError for one of another type.

    Only the schemas of the tables are read.
    """
    for one in contract.references:
        where = f"contract of {contract.table}, reference to {one.table}"
        if not lake.has(one.table):
            error = unknown_name("table", one.table, lake.names(), where=where)
            error.fix = "Publish that table before this one is ingested, or refer to another table."
            raise error
        planned = plan(lake, one.table, at=(input_snapshots or {}).get(one.table))
        names = [field.name for field in planned.schema.fields]
        for column, other in zip(one.columns, one.to_columns, strict=True):
            if other not in names:
                raise UnknownNameError(
                    f"{one.table} has no column {other!r}.",
                    where=f"{where}, to_columns",
                    nearest=nearest_name(other, names),
                    fix=f"Columns of {one.table}: "
                    + ", ".join(name for name in names if not name.startswith("_"))
                    + ".",
                )
            kinds = ARROW_TYPES[contract.column(column).type], arrow_field(planned.schema, other).type
            if _sort_of(kinds[0]) != _sort_of(kinds[1]):
                alike = [
                    name for name in names if _sort_of(arrow_field(planned.schema, name).type) == _sort_of(kinds[0])
                ]
                raise ContractError(
                    f"{column} is {kinds[0]} and {other} of {one.table} is {kinds[1]}: they cannot be compared.",
                    where=f"{where}, to_columns",
                    nearest=nearest_name(other, alike) or nearest_name(column, alike),
                    fix="Refer to a column of the same type: numbers, texts or times.",
                )


def _sort_of(kind: pa.DataType) -> str:
    """Return what values of the type can be compared with."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return "time" if pa.types.is_temporal(kind) else str(kind)


def read_referenced(
    lake: Lakehouse, contract: Contract, input_snapshots: Mapping[str, int] | None = None
) -> dict[str, pa.Table]:
    """Return the values that references look up, by table, each at its input snapshot (default: the current one)."""
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

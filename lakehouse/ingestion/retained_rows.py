"""Retained rows: rows of a source's table that a landing keeps, in the columns of the current contract.

What belongs here: reading them, whatever contract they were landed by. Not: which rows go (pending.py), and changing
the table's columns (tables/publish.py).
"""

import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import ContractError
from lakehouse.sources.source import Source
from lakehouse.tables.read import read


def with_retained_rows(
    lake: Lakehouse, source: Source, arriving: pa.Table, base: int, where: str | None, leaving: pa.Table
) -> pa.Table:
    """Return the retained rows (see `retained_rows`) and the arriving ones, sorted by event time, file and row."""
    retained = retained_rows(lake, source, base, where, leaving)
    order = [source.event_time, "_file", "_row"]
    return pa.concat_tables([retained, arriving]).sort_by([(name, "ascending") for name in order])


def retained_rows(lake: Lakehouse, source: Source, base: int, where: str | None, leaving: pa.Table) -> pa.Table:
    """The rows at the snapshot `base` that meet the filter, but for those `leaving` (`_fingerprint` and `day`).

    A column that the contract did not have then is null. Raises ContractError where a value can be none of a column
    that is of another kind now: nothing is lost by landing.
    """
    rows = read(lake, source.name, at=base, where=where)
    marked = rows.append_column("day", rows.column(source.event_time).cast(pa.date32()))
    retained = marked.join(leaving, keys=["_fingerprint", "day"], join_type="left anti")
    columns = [_column(source, retained, field) for field in source.shape.schema]
    return pa.table(columns, schema=source.shape.schema)


def _column(source: Source, rows: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in rows.schema.names:
        return pa.chunked_array([pa.nulls(len(rows), field.type)])
    try:
        return rows.column(field.name).cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        there = rows.column(field.name).type
        raise ContractError(
            f"{field.name} was {there} and is {field.type} now; some published values cannot be converted.",
            where=f"{source.name}, column {field.name}",
            nearest=str(there),
            fix=f"Give the new column another name, or deliver the files again that the {len(rows)} rows came from.",
        ) from None

"""Errors of SQL statements, with the nearest table or column that exists.

What belongs here: DuckDB's errors as SlipwayError. Not: what a statement may do (statement.py).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, UnknownNameError, nearest_name
from lakehouse.tables.read import Plan

_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")


_NO_COLUMN = re.compile(r'(?:Referenced column|does not have a column named|Column) "([^"]+)"')


@contextmanager
def readable_errors(lake: Lakehouse, planned: Mapping[str, Plan]) -> Iterator[None]:
    """Turn DuckDB's errors into SlipwayErrors that name the nearest table or column."""
    try:
        yield
    except duckdb.PermissionException as error:
        raise SlipwayError(
            "A query may read the lakehouse's tables only, not files or URLs.",
            where=f"SQL: {str(error).splitlines()[0]}",
            nearest="select * from fraud.transactions limit 10",
            fix="Land the file as a source to query it.",
        ) from None
    except duckdb.Error as error:
        text = str(error)
        table = _NO_TABLE.search(text)
        if table:
            raise _unknown_table(lake, table.group(1)) from None
        column = _NO_COLUMN.search(text)
        if column:
            known = {name: None for one in planned.values() for name in one.schema.column_names}
            raise UnknownNameError(
                f"There is no column {column.group(1)!r}.",
                where=", ".join(planned) or "SQL",
                nearest=nearest_name(column.group(1), known),
                fix=("Use one of: " + ", ".join(known) + ".") if known else "Name a table after FROM.",
            ) from None
        raise sql_error(error) from None


def _unknown_table(lake: Lakehouse, word: str) -> UnknownNameError:
    """A table named without its domain: the nearest by the second part of the names."""
    names = lake.names()
    by_last = {name.rsplit(".", 1)[-1]: name for name in names}
    near = nearest_name(word, by_last)
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004  # as many as errors show
    return UnknownNameError(
        f"There is no table named {word!r}.",
        where="the lakehouse",
        nearest=by_last[near] if near else nearest_name(word, names),
        fix=f"Use one of: {shown}." if names else "No table exists yet.",
    )


def sql_error(error: duckdb.Error) -> SlipwayError:
    """Return DuckDB's message about a statement with the place that it points at."""
    fault, _, place = str(error).partition("\n\nLINE ")
    words = " ".join((fault.partition(": ")[2] or fault).split())
    return SlipwayError(
        words if words.endswith(("!", "?", ".")) else f"{words}.",
        where=f"SQL{_pointed_at(place)}",
        fix="Correct the statement; `slipway tables NAME` shows a table's columns and their types.",
    )


def _pointed_at(place: str) -> str:
    """From `1: select a frm b` and the line of carets under it to words; nothing from nothing."""
    line, _, carets = place.partition("\n")
    number, _, text = line.partition(": ")
    # The carets stand under the whole line, of which DuckDB's word for it was cut off.
    shift = len("LINE ")
    token = line[carets.find("^") - shift : carets.rfind("^") + 1 - shift] if "^" in carets else ""
    return f", line {number}, at {token or text!r}" if text else ""

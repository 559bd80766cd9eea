"""Upserts on SQLite and PostgreSQL.

What belongs here: the statements. Not: the rows (derivation.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table, and_, case, or_
from sqlalchemy.dialects import postgresql, sqlite

_GROUP = 500
"""Values in one IN (...), which databases limit."""

Row = Mapping[str, Any]


def in_groups(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Split values into groups that fit one statement."""
    for start in range(0, len(values), _GROUP):
        yield values[start : start + _GROUP]


def add_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows whose key does not exist."""
    if rows:
        connection.execute(_adding(connection.dialect.name, table), rows)


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    smallest: tuple[str, ...] = (),
    largest: tuple[str, ...] = (),
    newest: tuple[str, ...] = (),
    oldest: tuple[str, ...] = (),
) -> None:
    """Insert the rows, or update those whose key exists.

    Columns in `smallest` and `largest` keep the smaller and the larger value. With `newest` or `oldest` a row replaces
    the stored one if it is later, or earlier, by these columns in order. Otherwise it always replaces it.
    """
    if rows:
        connection.execute(_upserting(connection.dialect.name, table, smallest, largest, newest, oldest), rows)


@cache
def _adding(dialect: str, table: Table) -> Executable:
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def _upserting(  # the key of the statement's cache
    dialect: str,
    table: Table,
    smallest: tuple[str, ...],
    largest: tuple[str, ...],
    newest: tuple[str, ...],
    oldest: tuple[str, ...],
) -> Executable:
    statement = _insert(dialect, table)
    new, old = statement.excluded, table.c
    keys = [column.name for column in table.primary_key]
    if smallest or largest:
        smaller = {name: new[name] < old[name] for name in smallest}
        larger = {name: new[name] > old[name] for name in largest}
        changes = {name: case((differs, new[name]), else_=old[name]) for name, differs in {**smaller, **larger}.items()}
        changes["generation"] = new["generation"]
        where = or_(*smaller.values(), *larger.values())
    else:
        changes = {column.name: new[column.name] for column in table.c if column.name not in keys}
        where = _comes_first(new, old, oldest, newest)
    return statement.on_conflict_do_update(index_elements=keys, set_=changes, where=where)


def _comes_first(new: Any, old: Any, oldest: Sequence[str], newest: Sequence[str]) -> ColumnElement[bool] | None:  # noqa: ANN401  # columns by name
    """Compare columns in order, like tuples."""
    names = oldest or newest
    parts = []
    for place, name in enumerate(names):
        differs = new[name] < old[name] if oldest else new[name] > old[name]
        parts.append(and_(*(new[before] == old[before] for before in names[:place]), differs))
    return or_(*parts) if parts else None


def _insert(dialect: str, table: Table) -> Any:  # noqa: ANN401  # either dialect's insert, alike in use
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)

"""Writing rows that may be there already, on SQLite and on PostgreSQL.

What belongs here: the statements. Not: what the rows say (derivation.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, case, or_
from sqlalchemy.dialects import postgresql, sqlite

_GROUP = 500
"""Values in one IN (...); what a database takes at once is limited."""

Row = Mapping[str, Any]


def in_groups(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values, no more than a statement takes at a time."""
    for start in range(0, len(values), _GROUP):
        yield values[start : start + _GROUP]


def add_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows whose key is not there yet."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    smallest: Sequence[str] = (),
    largest: Sequence[str] = (),
    newest: Sequence[str] = (),
    oldest: Sequence[str] = (),
) -> None:
    """Insert the rows, or change those whose key is there.

    Columns in `smallest` and `largest` keep the smaller and the larger value. With `newest` or `oldest` the row
    replaces the other when it comes later, or earlier, by these columns in order. With none of them it replaces it.
    """
    if not rows:
        return
    statement = _insert(connection, table)
    new, old = statement.excluded, table.c
    smaller = [new[name] < old[name] for name in smallest]
    larger = [new[name] > old[name] for name in largest]
    if smaller or larger:
        changes = {name: case((new[name] < old[name], new[name]), else_=old[name]) for name in smallest}
        changes |= {name: case((new[name] > old[name], new[name]), else_=old[name]) for name in largest}
        changes["generation"] = new["generation"]
        where = or_(*smaller, *larger)
    else:
        keys = {column.name for column in table.primary_key}
        changes = {column.name: new[column.name] for column in table.c if column.name not in keys}
        where = _comes_first(new, old, oldest, newest)
    keys = [column.name for column in table.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes, where=where), rows)


def _comes_first(new: Any, old: Any, oldest: Sequence[str], newest: Sequence[str]) -> ColumnElement[bool] | None:  # noqa: ANN401  # columns by name
    """The row's columns, compared in order like a tuple."""
    names = oldest or newest
    parts = []
    for place, name in enumerate(names):
        differs = new[name] < old[name] if oldest else new[name] > old[name]
        parts.append(and_(*(new[before] == old[before] for before in names[:place]), differs))
    return or_(*parts) if parts else None


def _insert(connection: Connection, table: Table) -> Any:  # noqa: ANN401  # either dialect's insert, alike in use
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)

"""Rebuilding the store's tables from its events, after another version of Slipway created them.

What belongs here: whether that is needed, and doing it. Not: what the tables hold (derivation.py, merging.py).
"""

import zlib

from sqlalchemy import Engine, insert, inspect, select, update

from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import Facts
from lakehouse.lineage.store.merging import add_facts
from lakehouse.lineage.store.validation import BadEventError, read_event

_AT_ONCE = 500


def has_current_columns(engine: Engine) -> bool:
    """Whether every table has the columns of this version."""
    found = inspect(engine)
    return all(
        {column.name for column in table.c} <= {column["name"] for column in found.get_columns(table.name)}
        for table in tables.metadata.sorted_tables
    )


def rebuild(engine: Engine) -> None:
    """Rebuild all other tables from the events, in one transaction: a killed process changes nothing."""
    derived = [table for table in tables.metadata.sorted_tables if table is not tables.events]
    events = tables.events
    with engine.begin() as connection:
        # Take the writers' lock first: another process may be rebuilding, too.
        counted = update(tables.state).values(generation=tables.state.c.generation + 1)
        generation = connection.execute(counted.returning(tables.state.c.generation)).scalar_one()
        tables.metadata.drop_all(connection, tables=derived)
        tables.metadata.create_all(connection, tables=derived)
        connection.execute(insert(tables.state), {"id": 1, "format": tables.FORMAT, "generation": generation})
        last = ""
        following = select(events.c.id, events.c.body).order_by(events.c.id).limit(_AT_ONCE)
        while rows := connection.execute(following.where(events.c.id > last)).all():
            facts = Facts()
            for row in rows:
                try:
                    facts.add(read_event(zlib.decompress(row.body)))
                except BadEventError:
                    continue  # an event that this version rejects
            add_facts(connection, facts, generation)
            last = rows[-1].id

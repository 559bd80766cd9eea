"""Making the store's tables anew from the events that it keeps, when another version of Slipway made them.

What belongs here: telling whether that is needed, and doing it. Not: what the tables hold (derivation.py, merging.py).
"""

import zlib

from sqlalchemy import Engine, insert, inspect, select, update

from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.derivation import Facts
from lakehouse.lineage.store.merging import add_facts
from lakehouse.lineage.store.validation import BadEventError, read_event

_AT_ONCE = 500


def is_of_this_form(engine: Engine) -> bool:
    """Whether every table has the columns that this version asks for."""
    found = inspect(engine)
    return all(
        {column.name for column in table.c} <= {column["name"] for column in found.get_columns(table.name)}
        for table in tables.metadata.sorted_tables
    )


def remake(engine: Engine) -> None:
    """All tables but that of the events from the events, in one transaction: a kill leaves it as it was."""
    derived = [table for table in tables.metadata.sorted_tables if table is not tables.events]
    events = tables.events
    with engine.begin() as connection:
        # First of all the writers' turn, as everybody takes it: another process may have come to the same conclusion.
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
                    continue  # what is refused by now
            add_facts(connection, facts, generation)
            last = rows[-1].id

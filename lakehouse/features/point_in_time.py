"""Point-in-time joins: for each spine row, the values that were the newest at its time.

What belongs here: joining tables to a spine as of the spine's times. Not: windows (windows.py) and training sets.
Every spine row comes out once, in order. No value yet means null. Of rows with the same entity and time the one with
the largest row key counts.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.features.columns import entity_codes, event_times
from lakehouse.features.windows import Timeline


def as_of_join(
    spine: pa.Table, table: pa.Table, *, entity: str, time: str, row_key: str, columns: Mapping[str, str]
) -> pa.Table:
    """The spine with the columns of `table` (name there -> name here) as they stood at each spine row's time.

    Both tables hold the columns `entity` and `time`; `table` also holds `row_key`, which decides between peers.
    Raises SlipwayError when a column is missing or the keys are of different kinds.
    """
    for name, side, needed in (
        ("the spine", spine, [entity, time]),
        ("the joined table", table, [entity, time, row_key, *columns]),
    ):
        for column in needed:
            if column not in side.column_names:
                raise SlipwayError(
                    f"There is no column {column!r} in {name}.",
                    where=name,
                    nearest=nearest_name(column, side.column_names),
                )
    # Sorted by row key first: among peers the last one counts.
    ordered = table.take(pc.sort_indices(table, [(row_key, "ascending")]))
    known = ordered.filter(pc.is_valid(ordered.column(entity)))
    (codes, spine_codes), entities = entity_codes(known.column(entity), spine.column(entity), where=f"key {entity!r}")
    found = Timeline(codes, event_times(known, time), entities).at_most(spine_codes, event_times(spine, time))
    taken = pa.array(found, mask=found < 0)
    out = spine
    for name, here in columns.items():
        out = out.append_column(here, known.column(name).take(taken))
    return out

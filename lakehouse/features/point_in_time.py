"""Point-in-time joins: for each spine row, the values that were the newest at its time.

What belongs here: joining tables to a spine as of the spine's times. Not: windows (windows.py) and training sets.
Every spine row comes out once, in order. No value yet means null. Of rows with the same entity and time the one with
the largest row key counts.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.features.windows import Ints, Timeline, encode


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
                    f"There is no column {column!r} in {name}.", where=name, nearest=nearest_name(column, side.column_names)
                )
    if pa.types.is_integer(spine.column(entity).type) != pa.types.is_integer(table.column(entity).type):
        raise SlipwayError(
            f"The key {entity!r} is {spine.column(entity).type} in the spine and {table.column(entity).type} in the table.",
            where=entity,
            fix="Give both sides keys of one type.",
        )
    # Sorted by row key first: among peers the last one counts.
    ordered = table.take(pc.sort_indices(table, [(row_key, "ascending")]))
    known = ordered.filter(pc.is_valid(ordered.column(entity)))
    spine_known = pc.is_valid(spine.column(entity)).to_numpy(zero_copy_only=False)
    (table_codes, spine_codes), entities = encode(_keys(known.column(entity)), _keys(spine.column(entity)))
    timeline = Timeline(table_codes, _micros(known.column(time)), entities, keep_order=True)
    found = timeline.at_most(np.where(spine_known, spine_codes, -1), _micros(spine.column(time)))
    taken = pa.array(found, mask=found < 0)
    out = spine
    for name, here in columns.items():
        out = out.append_column(here, known.column(name).take(taken))
    return out


def _keys(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_integer(column.type):
        return pc.fill_null(column, 0).to_numpy()
    return pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False).astype(str)


def _micros(column: pa.ChunkedArray) -> Ints:
    return column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()

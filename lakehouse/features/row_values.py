"""The values of features that look at single rows: the calendar, features of other sets, expressions.

What belongs here: computing row_features.py's declarations on a spine. Not: windows and attributes (compute.py).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.features.duration import DAY
from lakehouse.features.expressions import values_of
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.point_in_time import as_of_join
from lakehouse.features.row_features import UTC_ZONE, CalendarFeature
from lakehouse.features.windows import Ints

_SATURDAY = 5
"""Monday is 0."""


def calendar_values(feature_set: FeatureSet, time: Ints) -> dict[str, pa.Array]:
    """The columns that are read off the rows' own times (microseconds UTC)."""
    found = [one for one in feature_set.features if isinstance(one, CalendarFeature)]
    return {one.column: pa.array(_calendar(one, time)) for one in found}


def _calendar(one: CalendarFeature, time: Ints) -> Ints:
    if one.zone != UTC_ZONE:  # what a clock there shows, counted as if it were UTC
        shown = pl.Series(time).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(one.zone)
        time = shown.dt.replace_time_zone(None).cast(pl.Int64).to_numpy()
    if one.part == "is_weekend":
        # 1970-01-01 was a Thursday.
        return ((time // DAY + 3) % 7 >= _SATURDAY).astype(np.int64)
    hour = time % DAY // (DAY // 24)
    return ((hour >= one.first_hour) & (hour <= one.last_hour)).astype(np.int64)


def used_features(feature_set: FeatureSet, tables: Mapping[str, pa.Table], spine: pa.Table) -> dict[str, pa.Array]:
    """The features of other sets that expressions read, as they stood at each row's time, by `<set>__<feature>`."""
    found = {}
    for used in feature_set.uses:
        if used.name not in tables:  # the spine brings them already
            continue
        table = tables[used.name]
        if used.event_time != feature_set.event_time:
            names = [feature_set.event_time if name == used.event_time else name for name in table.column_names]
            table = table.rename_columns(names)
        short = used.name.rsplit(".", 1)[-1]
        columns = {name: f"{short}__{name}" for name in used.columns if name in table.column_names}
        joined = as_of_join(
            spine,
            table,
            entity=used.entity.keys,
            time=feature_set.event_time,
            row_key=used.row_key,
            columns=columns,
            where=f"feature set {feature_set.name}, {used.name}",
        )
        found.update({name: joined.column(name) for name in columns.values()})
    return found


def derived_values(
    feature_set: FeatureSet, columns: Mapping[str, pa.Array | pa.ChunkedArray]
) -> dict[str, pa.Array | pa.ChunkedArray]:
    """The derived columns, from all others by name; one may read those before it.

    Serving calls this with the request's values, training with the spine's. Raises SlipwayError for a column that is
    not there.
    """
    known, found = dict(columns), {}
    for one in feature_set.derivations:
        where = f"feature set {feature_set.name}, derived({one.column!r})"
        for name in one.reads:
            if name not in known:
                raise SlipwayError(
                    f"There is no column {name!r}.",
                    where=where,
                    nearest=nearest_name(name, list(known)),
                    fix="Name a feature of the set (a derived one that is declared before), a column of the spine, or "
                    "`<set>__<feature>`.",
                )
        values = values_of(one.expression, pa.table({name: known[name] for name in one.reads}), where=where)
        if values.dtype.is_float():
            values = values.to_frame("v").select(pl.when(pl.col("v").is_finite()).then("v")).to_series()
        values = values.cast(pl.Int64) if values.dtype.is_integer() else values
        found[one.column] = known[one.column] = _arrow(values)
    return found


def _arrow(values: pl.Series) -> pa.Array:
    found = values.to_arrow()
    kind = found.type
    plain = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return found.cast(pa.string()) if plain else found

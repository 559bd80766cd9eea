"""Feature sets that must be as new as the spine that they are joined to.

What belongs here: the comparison of pinned snapshots before rows are joined. Not: joining them (assemble.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import FeatureSet
from lakehouse.tables.days import days_filter
from lakehouse.tables.duck import connect, quoted
from lakehouse.tables.provenance import read_provenance
from lakehouse.tables.read import attach, changed_days, plan
from lakehouse.tables.sizes import memory_left
from lakehouse.training.training_set import TrainingSet


def require_current_features(
    lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
) -> None:
    """Raise SlipwayError for a feature set without a row for each pinned row of the spine on these days (None: all).

    An as-of join would give such a row the features of the entity's row before.
    """
    spine = training_set.spine
    for one in training_set.feature_sets:
        if one.spine != spine or one.event_time != training_set.event_time:
            continue  # a row of another spine stands for its entity until a newer one comes
        snapshot = lake.table(one.name).snapshot_by_id(input_snapshots[one.name])
        built_from = read_provenance(snapshot).input_snapshots.get(spine) if snapshot else None
        if built_from is None:
            continue  # written by another program, which records no input snapshots
        changed = changed_days(lake, spine, built_from, input_snapshots[spine])
        looked_at = days if changed is None else [day for day in changed if days is None or day in days]
        if changed is not None and not looked_at:
            continue
        lacking = _lacking(lake, one, input_snapshots, looked_at)
        if lacking:
            raise SlipwayError(
                f"{one.name} has no features yet of {lacking:,} rows of {spine}.",
                where=training_set.name,
                nearest=f"slipway materialize {one.name}",
                fix="Materialize the feature set first, or everything upstream: "
                f"`slipway materialize +{training_set.name}`.",
            )


def _lacking(lake: Lakehouse, one: FeatureSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None) -> int:
    """How many rows of the spine have no row in the feature set."""
    where = days_filter(one.event_time, days) if days is not None else None
    keys = f"{quoted(one.row_key)}, {quoted(one.event_time)}"
    with connect(memory_left(lake.settings), str(lake.home.work)) as connection:
        spine = attach(connection, plan(lake, one.spine, at=input_snapshots[one.spine], where=where), "spine")
        rows = attach(connection, plan(lake, one.name, at=input_snapshots[one.name], where=where), "features")
        found = connection.execute(f"select count(*) from {spine} anti join {rows} using ({keys})").fetchone()
    return found[0] if found else 0

"""Feature sets that must be as new as the spine that they are joined to.

What belongs here: the comparison of pinned snapshots before rows are joined. Not: joining them (assemble.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError
from lakehouse.tables.days import describe_days
from lakehouse.tables.provenance import read_provenance
from lakehouse.tables.read import changed_days
from lakehouse.training.training_set import TrainingSet


def require_current_features(
    lake: Lakehouse, training_set: TrainingSet, input_snapshots: Mapping[str, int], days: Sequence[date] | None
) -> None:
    """Raise SlipwayError for a feature set that was not built from the pinned spine on these days (None: all).

    Such a set lacks rows of the spine, or has older ones. An as-of join would take the entity's row before.
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
        lacking = None if changed is None else sorted(set(changed) & set(days) if days is not None else set(changed))
        if lacking is None or lacking:
            which = f" of {describe_days(lacking)}" if lacking else ""
            raise SlipwayError(
                f"{one.name} was not built from the published rows{which} of {spine}.",
                where=training_set.name,
                nearest=f"slipway materialize {one.name}",
                fix="Materialize the feature set first, or all that is upstream: "
                f"`slipway materialize +{training_set.name}`.",
            )

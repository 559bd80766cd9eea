"""On-demand features: derived features that read columns of a request, which in training are columns of the spine.

What belongs here: which features of a set are on-demand, and computing them from the spine's columns. Not: expressions
(features/row_features.py). A feature set's table holds an on-demand feature for the table's own row, and another row of
the same entity has other columns: so the feature is recomputed from the set's stored features and the spine's columns,
by the definition that serving uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.row_values import derived_values
from lakehouse.training.selection import Chosen


@dataclass(frozen=True)
class OnDemandFeatures:
    """The on-demand features of `one`, a feature set reduced to them, which read the spine's columns `brings`.

    `inputs` are the stored features that they read as well.
    """

    one: FeatureSet
    inputs: Sequence[str]
    brings: Sequence[str]

    def values(
        self, known: Mapping[str, pa.Array], spine: pa.Table, like: pa.Schema
    ) -> dict[str, pa.Array | pa.ChunkedArray]:
        """Compute them for each row of the spine, in the types of the set's table; `known` are the inputs' values."""
        brought = {name: spine.column(name) for name in self.brings}
        found = derived_values(self.one, {**known, **brought})
        return {name: values.cast(like.field(name).type) for name, values in found.items() if name in like.names}


def on_demand_features(chosen: Chosen, spine: pa.Schema, *, where: str) -> OnDemandFeatures | None:
    """Return the on-demand features among those chosen; None when there are none.

    Raises SlipwayError for a column that the spine lacks, and for features that read features of other sets as well.
    """
    one = chosen.feature_set
    brought = [name for name in one.spine_columns() if name not in one.columns]
    on_demand: list[str] = []
    for derived in one.derivations:
        if any(name in brought or name in on_demand for name in derived.reads):
            on_demand.append(derived.column)
    wanted = [name for name in chosen.columns if name in on_demand]
    if not wanted:
        return None
    needed = [derived for derived in reversed(one.derivations) if derived.column in on_demand]
    kept = []
    for derived in needed:
        if derived.column in wanted or any(derived.column in other.reads for other in kept):
            kept.insert(0, derived)
    reads = list(dict.fromkeys(name for derived in kept for name in derived.reads))
    brings = [name for name in reads if name in brought]
    inputs = [name for name in reads if name in one.columns and name not in on_demand]
    foreign = [name for name in reads if name not in one.columns and name not in brings]
    if foreign:
        raise SlipwayError(
            f"On-demand features that read other feature sets cannot be joined: {', '.join(wanted)} (read: "
            f"{', '.join(foreign)}).",
            where=one.name,
            fix="Select the features that they read, and compute them from those.",
        )
    for name in brings:
        if name not in spine.names:
            raise SlipwayError(
                f"{where} has no column {name!r}, which {', '.join(wanted)} is computed from.",
                where=one.name,
                nearest=nearest_name(name, spine.names),
                fix="Add the column to the spine, or select other features of the set.",
            )
    return OnDemandFeatures(replace(one, features=tuple(kept)), inputs, brings)

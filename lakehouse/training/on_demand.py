"""Derived features that read what a request brings: in a training frame the spine brings it.

What belongs here: which features of a set those are, and their values on the spine's own columns. Not: expressions
(features/row_features.py). A feature set's table holds such a feature as it was for the table's row, and another row of
the same entity brings something else: so it is computed anew, from the set's features as they were known, by the
definition that serving uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from lakehouse.errors import SlipwayError, nearest_name
from lakehouse.features.feature_set import FeatureSet
from lakehouse.features.row_values import derived_values
from lakehouse.training.selection import Chosen


@dataclass(frozen=True)
class Requested:
    """Derived features of `one` (a feature set that declares nothing else) which read columns that the spine `brings`.

    `inputs` are the features that they read besides, as the set's table holds them.
    """

    one: FeatureSet
    inputs: Sequence[str]
    brings: Sequence[str]

    def values(
        self, known: Mapping[str, pa.Array], spine: pa.Table, like: pa.Schema
    ) -> dict[str, pa.Array | pa.ChunkedArray]:
        """Their values in each row of the spine, in the types of the set's table; `known` are the inputs there."""
        brought = {name: spine.column(name) for name in self.brings}
        found = derived_values(self.one, {**known, **brought})
        return {name: values.cast(like.field(name).type) for name, values in found.items() if name in like.names}


def requested(chosen: Chosen, spine: pa.Schema, *, where: str) -> Requested | None:
    """The features among those chosen that need something of the spine; None when there are none.

    Raises SlipwayError, naming it, for a column that the spine does not bring, and for features that read those of
    other sets as well.
    """
    one = chosen.feature_set
    brought = [name for name in one.spine_columns() if name not in one.columns]
    on_request: list[str] = []
    for derived in one.derivations:
        if any(name in brought or name in on_request for name in derived.reads):
            on_request.append(derived.column)
    wanted = [name for name in chosen.columns if name in on_request]
    if not wanted:
        return None
    needed = [derived for derived in reversed(one.derivations) if derived.column in on_request]
    kept = []
    for derived in needed:
        if derived.column in wanted or any(derived.column in other.reads for other in kept):
            kept.insert(0, derived)
    reads = list(dict.fromkeys(name for derived in kept for name in derived.reads))
    brings = [name for name in reads if name in brought]
    inputs = [name for name in reads if name in one.columns and name not in on_request]
    foreign = [name for name in reads if name not in one.columns and name not in brings]
    if foreign:
        raise SlipwayError(
            f"{', '.join(wanted)} read columns of the spine and features of other sets: {', '.join(foreign)}.",
            where=one.name,
            fix="Ask for the features that they read, and compute them from those.",
        )
    for name in brings:
        if name not in spine.names:
            raise SlipwayError(
                f"{where} does not bring {name!r}, which {', '.join(wanted)} is made of.",
                where=one.name,
                nearest=nearest_name(name, spine.names),
                fix="Add the column to the spine, or ask for other features of the set.",
            )
    return Requested(replace(one, features=tuple(kept)), inputs, brings)

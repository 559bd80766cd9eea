"""Features in depth: everything that a page says of a feature set and of each of its features.

What belongs here: bringing together what declarations, tables, dbt and the data tell. Not: showing it (site.py, the
command line).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.examples import Difference, differences
from lakehouse.features.feature_set import Declared, Example, Feature, FeatureSet
from lakehouse.features.lineage import Edge, feature_lineage
from lakehouse.kinds.graph import AssetGraph
from lakehouse.reports.feature_catalog import wording
from lakehouse.reports.feature_catalog.distribution import Distribution, distributions
from lakehouse.reports.feature_catalog.entries import Entry
from lakehouse.reports.feature_catalog.lineage import Graph, delivered, graph_of


@dataclass(frozen=True)
class Since:
    """When a feature was first published. `at_least`: the first snapshots are gone, so it may be longer."""

    day: datetime
    at_least: bool


@dataclass(frozen=True)
class Check:
    """Something that is checked, and whether it keeps a table from being published."""

    name: str
    description: str
    table: str
    blocking: bool = True


@dataclass(frozen=True)
class TriedExample:
    """An example, and what came out otherwise than it says."""

    example: Example
    differences: Sequence[Difference]


@dataclass(frozen=True)
class FeatureDetail:
    """One feature. `reads` are the columns that decide it, `delivered` those that these come from in the end.

    `used_by` are feature sets, training sets and models, `distribution` is None before the set is published.
    """

    name: str
    column: str
    description: str
    formula: str
    type: str | None
    unit: str | None
    reads: Sequence[Edge]
    delivered: Sequence[Edge]
    used_by: Sequence[str]
    since: Since | None
    distribution: Distribution | None


@dataclass(frozen=True)
class Detail:
    """A feature set with all of its features."""

    entry: Entry
    features: Sequence[FeatureDetail]
    checks: Sequence[Check]
    examples: Sequence[TriedExample]
    graph: Graph
    sources: Sequence[str]

    @property
    def checks_by_table(self) -> dict[str, list[Check]]:
        """The checks by the table that they are of, the set's own first."""
        return {
            table: [one for one in self.checks if one.table == table] for table in (one.table for one in self.checks)
        }


def detail(lake: Lakehouse, assets: AssetGraph, entry: Entry, *, only: str = "") -> Detail:
    """All there is to say of a feature set, or of it and the feature `only`."""
    one = entry.feature_set
    wanted = [
        (declared, feature)
        for declared in one.features
        for feature in declared.features()
        if only in ("", feature.column)
    ]
    made = entry.freshness.published
    shown = [feature.column for _, feature in wanted]
    drawn = distributions(lake, one.name, shown, row_key=one.row_key, at=made.snapshot_id) if made else {}
    since = _since(lake, one.name) if made else {}
    units = _units(assets)
    return Detail(
        entry=entry,
        features=[
            _feature(assets, entry, declared, feature, units, since.get(feature.column), drawn.get(feature.column))
            for declared, feature in wanted
        ],
        checks=_checks(assets, one),
        examples=[
            TriedExample(example, differences(one, number)) for number, example in enumerate(one.examples, start=1)
        ],
        graph=graph_of(assets, one),
        sources=assets.upstream(one.name),
    )


def _feature(
    assets: AssetGraph,
    entry: Entry,
    declared: Declared,
    feature: Feature,
    units: Mapping[Edge, str],
    since: Since | None,
    distribution: Distribution | None,
) -> FeatureDetail:
    one = entry.feature_set
    reads = _reads(one, feature.column)
    models = [user.model for user in entry.users if feature.column in user.columns]
    sets = [user.name for user in entry.sets_on_it if feature.column in user.columns_used(one)]
    return FeatureDetail(
        name=f"{one.name}.{feature.column}",
        column=feature.column,
        description=wording.meaning(one, declared, feature),
        formula=wording.formula(one, declared, feature),
        type=entry.types.get(feature.column),
        unit=wording.unit(one, declared, units),
        reads=reads,
        delivered=list(dict.fromkeys(end for column in reads for end in delivered(assets, column))),
        used_by=[*sets, *entry.training_sets, *models],
        since=since,
        distribution=distribution,
    )


def _reads(one: FeatureSet, column: str) -> list[Edge]:
    """The columns that decide a feature, without keys and times where there are others."""
    read = feature_lineage(one)[column]
    plain = {(one.spine, name) for name in one.spine_keys()}
    plain |= {(events.table, name) for events in one.events for name in (events.event_time, *one.keys_of(events))}
    return [edge for edge in read if edge not in plain] or read


def _checks(assets: AssetGraph, one: FeatureSet) -> list[Check]:
    """The set's own checks, and those of its inputs."""
    return [
        Check(name, check.description, table, check.blocking)
        for table in (one.name, *one.inputs())
        for name, check in assets.get(table).checks.items()
    ]


def _units(assets: AssetGraph) -> dict[Edge, str]:
    return {(model.table, name): unit for model in assets.project.models for name, unit in model.units.items()}


def _since(lake: Lakehouse, name: str) -> dict[str, Since]:
    """Column -> the first published snapshot, of those that are kept, whose schema has it."""
    table = lake.table(name)
    schemas = table.schemas()
    found: dict[str, Since] = {}
    step = table.current_snapshot()
    while step is not None:
        before = table.snapshot_by_id(step.parent_snapshot_id) if step.parent_snapshot_id else None
        cut = before is None and step.parent_snapshot_id is not None
        schema = schemas[step.schema_id] if step.schema_id is not None else table.schema()
        at = Since(datetime.fromtimestamp(step.timestamp_ms / 1000, tz=UTC), at_least=cut)
        found.update({one.name: at for one in schema.fields})
        step = before
    return found

"""dbt models.

What belongs here: what a dbt model says as an asset. Not: reading the dbt project and its SQL, and running dbt
(lakehouse/transforms).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from lakehouse.engines.choice import engine_named
from lakehouse.kinds.asset import Asset, Check, Icon, Kind, Staleness, staleness_of
from lakehouse.kinds.column_lineage import ColumnLineage, Edge, distinct
from lakehouse.kinds.registry import register
from lakehouse.transforms.lineage import Followed, follow_all
from lakehouse.transforms.project import TransformModel
from lakehouse.transforms.session import BuildSession

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.registry import Registry


@dataclass(frozen=True, eq=False)
class SqlLineage:
    """The lineage of a domain's dbt models, read from their SQL when it is first asked for."""

    graph: "AssetGraph"
    domain: str

    @cached_property
    def by_table(self) -> Mapping[str, tuple[TransformModel, Followed]]:
        """The models, each with the lineage of its SQL."""
        models = [one.declaration for one in self.graph.of_kind(DbtModelAsset) if one.domain == self.domain]
        own = {model.table for model in models}
        others = {name for model in models for name in model.inputs if name not in own and name in self.graph}
        columns = {name: list(self.graph[name].columns) for name in sorted(others)}
        return follow_all(models, columns, self.graph.project.work)


@register
@dataclass(frozen=True, eq=False)
class DbtModelAsset(Asset):
    """The table that a dbt model builds."""

    kind: ClassVar[Kind] = Kind(
        name="dbt model",
        plural="dbt models",
        dataset_type="TABLE",
        icon=Icon("round-rectangle", ("M2 3h12v10.5H2z", "M2 6.5h12M6.5 6.5v7"), "#0a58b8", "#7ab5ff"),
        rank=20,
    )
    declaration: TransformModel
    lineage: SqlLineage

    @classmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":
        """One for each model of the dbt project whose schema is the domain."""
        lineage = SqlLineage(graph, domain.name)
        return [cls(one, lineage) for one in graph.project.models if one.table.partition(".")[0] == domain.name]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.declaration.table

    @property
    def inputs(self) -> Sequence[str]:
        """The tables that `source` and `ref` name."""
        return self.declaration.inputs

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The columns that the model's YAML describes."""
        return self.declaration.columns

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The model's dbt tests."""
        return {test.name: Check(test.description, test.blocking) for test in self.declaration.tests}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The lineage of the model's SQL."""
        return sql_columns(self.lineage.by_table[self.name][1], self.columns)

    @cached_property
    def code(self) -> str:
        """The model's SQL file."""
        folder = self.lineage.graph.project.folder
        found = sorted((folder / "models").rglob(f"{self.name.rpartition('.')[2]}.sql"))
        return str(found[-1].relative_to(folder.parent)) if found else "dbt_project"

    @property
    def engine(self) -> str:
        """The dbt adapter."""
        return f"dbt-{engine_named(self.lineage.graph.engine).sql_engine}"

    @property
    def sql(self) -> str:
        """The model's SQL."""
        return self.declaration.sql.strip()

    @property
    def owners(self) -> Mapping[str, str]:
        """None: a dbt project may leave owners out, or have its own."""
        return {}

    def staleness(
        self,
        lake: "Lakehouse",
        registry: "Registry | None",  # noqa: ARG002
        stale_inputs: Sequence[str],
    ) -> Staleness:
        """Stale when an input or the model changed since it was built."""
        session = BuildSession(lake, self.lineage.graph.project, run_id="")
        return staleness_of(lambda: session.plan_build(self.declaration), stale_inputs)


def sql_columns(followed: Followed, columns: Sequence[str] | Mapping[str, str]) -> ColumnLineage:
    """The lineage of these columns of a query."""
    rows = [Edge(*pair, "INDIRECT", "FILTER") for pair in sorted(followed.rows)]
    rows += [Edge(*pair, "INDIRECT", "GROUP_BY") for pair in sorted(followed.groups)]
    return ColumnLineage(
        {name: tuple(Edge(*pair, *kind) for pair, kind in followed.kinds.get(name, {}).items()) for name in columns},
        distinct(rows),
    )

"""A custom kind of asset: one class and its factory, and every part of the platform supports it.

What belongs here: the protocol of kinds as a user of it meets it. Not: any of the built-in kinds.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import assets
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.domain import Domain
from lakehouse.errors import DeclarationError
from lakehouse.ingestion.landing import land
from lakehouse.kinds.asset import Asset, Check, Icon, Kind, Staleness, staleness_of
from lakehouse.kinds.column_lineage import ColumnLineage, Edge
from lakehouse.kinds.graph import AssetGraph
from lakehouse.kinds.registry import asset_kinds, register, registered
from lakehouse.lineage.emit.outbox import Outbox
from lakehouse.loading import load_domain
from lakehouse.tables.build_plan import BuildPlan, Input, plan_build
from lakehouse.tables.check_result import CheckResult
from lakehouse.tables.incremental import Computed, Outcome, bring_up_to_date
from lakehouse.tables.read import read
from lakehouse.tables.shape import TableShape
from lakehouse.transforms.project import load_project
from orchestration.build_config import report
from orchestration.cli import app
from orchestration.definitions import build_defs
from orchestration.factories import Declared, asset_definition, factory
from orchestration.progress import Progress
from serving.lineage.kinds import kinds
from tests import scenario
from tests.conftest import flush_lineage

NAME, ORDERS = "shop.turnover", "shop.orders"


# The kind: the declaration of its assets, and what an asset describes.


@dataclass(frozen=True)
class Summary:
    """A declaration: the sum of a column of a source."""

    name: str
    source: str
    column: str
    description: str
    owner: str

    def fingerprint(self) -> str:
        return f"{self.source}.{self.column}"


@dataclass(frozen=True, eq=False)
class SummaryAsset(Asset):
    """The table of a summary."""

    kind: ClassVar[Kind] = Kind(
        name="summary",
        plural="summaries",
        dataset_type="SUMMARY",
        icon=Icon("star", ("M8 1v14",)),
        rank=35,
        declaration=Summary,
        module="summaries",
    )
    declaration: Summary

    @classmethod
    def declared_in(cls, domain: Domain, _graph: AssetGraph) -> "Sequence[SummaryAsset]":
        return [cls(one) for one in domain.declared(Summary)]

    @property
    def inputs(self) -> Sequence[str]:
        return (self.declaration.source,)

    @property
    def columns(self) -> Mapping[str, str]:
        return {"total": f"The sum of {self.declaration.column}."}

    @property
    def checks(self) -> Mapping[str, Check]:
        return {"total_given": Check("There is a total.")}

    @property
    def column_lineage(self) -> ColumnLineage:
        return ColumnLineage({"total": (Edge(*self.inputs, self.declaration.column, "DIRECT", "AGGREGATION"),)})

    def check(self, graph: AssetGraph) -> None:
        graph.require(self.declaration.source, [self.declaration.column], f"summary {self.name}")

    def work(self, lake: Lakehouse) -> BuildPlan:
        return plan_build(lake, self.name, [Input(self.declaration.source)], self.fingerprint)

    def staleness(self, lake, _registry, stale_inputs: Sequence[str]) -> Staleness:
        return staleness_of(lambda: self.work(lake), stale_inputs)


# Its factory.


@factory(SummaryAsset)
def summary_assets(declared: Declared[SummaryAsset]) -> list[dg.AssetsDefinition]:
    return [summary_asset(asset) for asset in declared.assets]


def summary_asset(asset: SummaryAsset) -> dg.AssetsDefinition:
    def compute(lake: Lakehouse, work: BuildPlan) -> Computed:
        values = read(
            lake, asset.declaration.source, [asset.declaration.column], at=work.input_snapshots[asset.inputs[0]]
        )
        rows = pa.table({"total": pa.array([sum(values.column(0).to_pylist())], pa.float64())})
        shape = TableShape(asset.name, rows.schema, None, asset.description, asset.columns, asset.owner)
        return Computed(shape, rows)

    @asset_definition(asset, kinds={"iceberg"})
    def add_up(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lakehouse],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        def build() -> Outcome:
            return bring_up_to_date(
                lake,
                lambda: asset.work(lake),
                lambda work: compute(lake, work),
                lambda _draft, _work: [CheckResult("total_given", passed=True, message="1 row.")],
                run_id=context.run.run_id,
            )

        yield from report(context, lake, progress, build, lambda _: {})

    return add_up


# A domain of a project that declares one.


SOURCES = """
from lakehouse.contracts.contract import Column, Contract
from lakehouse.sources.source import Source

orders = Source(
    name="shop.orders",
    event_time="ordered_at",
    time_zone="UTC",
    contract=Contract(
        table="shop.orders",
        version="1.0.0",
        owner="team:shop",
        columns=[
            Column("order_id", "int64", "The order."),
            Column("ordered_at", "timestamp", "When it was ordered (UTC)."),
            Column("amount", "float64", "What it costs, in euros."),
        ],
        volume=(0.0, 1e6),
        quarantine_share=0.5,
        freshness="24h",
    ),
    description="Orders of the shop.",
    owner="team:shop",
)
"""
SUMMARIES = f"""
from {__name__} import Summary

turnover = Summary("{NAME}", "{ORDERS}", "amount", "What was sold.", "team:shop")
"""


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Iterator[Domain]:
    """The domain, loaded from its folder, with the kind registered."""
    folder = tmp_path / "assets" / "shop"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('OWNERS = ("team:shop",)\n')
    (folder / "sources.py").write_text(SOURCES)
    (folder / "summaries.py").write_text(SUMMARIES)
    monkeypatch.setattr(assets, "__path__", [*assets.__path__, str(folder.parent)])
    with registered(SummaryAsset):
        domain = load_domain("shop")
        monkeypatch.setattr("lakehouse.loading.load_domains", lambda *_: [domain])
        yield domain
    for name in [name for name in sys.modules if name.startswith("assets.shop")]:
        del sys.modules[name]


def deliver(lake: Lakehouse, day: int, *amounts: float) -> None:
    """Put a day's orders into the drop folder."""
    at = datetime(2026, 1, day, 9)  # noqa: DTZ001  # delivered without a zone
    rows = {
        "order_id": [100 * day + number for number, _ in enumerate(amounts)],
        "ordered_at": [at + timedelta(minutes=number) for number, _ in enumerate(amounts)],
        "amount": amounts,
    }
    folder = lake.home.drop_folder(ORDERS)
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(folder / f"2026-01-{day:02}.parquet")


@pytest.fixture
def lake(tmp_path: Path, shop: Domain) -> Lakehouse:
    """A lakehouse whose shop was delivered orders and built."""
    made = scenario.make_lake(tmp_path / "home")
    deliver(made, 5, 10.0, 5.5)
    scenario.run_main(made, shop)
    return made


def test_it_is_in_the_dagster_graph_with_its_checks_and_built_by_its_factory(lake: Lakehouse, shop: Domain) -> None:
    graph = build_defs(lake, [shop]).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["shop", "turnover"]))
    assert {key.to_user_string() for key in node.parent_keys} == {"shop/orders"}
    assert (node.tags["slipway/kind"], node.description, node.owners) == ("summary", "What was sold.", ["team:shop"])
    assert node.code_version == "shop.orders.amount"
    assert {key.name for key in graph.asset_check_keys if key.asset_key == node.key} == {"total_given"}
    assert read(lake, NAME).column("total").to_pylist() == [15.5]


def slipway(lake: Lakehouse, *words: str) -> dict:
    done = CliRunner().invoke(app, [*words, "--json", "--home", str(lake.home.root)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_is_listed_by_slipway_tables_and_stale_when_its_input_changed(lake: Lakehouse, shop: Domain) -> None:
    table = slipway(lake, "tables", NAME)
    assert (table["kind"], table["stale"], table["reason"], table["owner"]) == ("summary", False, None, "team:shop")
    deliver(lake, 6, 4.5)
    land(lake, shop.sources[0], run_id="landing-run")
    table = slipway(lake, "tables", NAME)
    assert table["stale"] is True
    assert table["reason"].startswith("shop.orders has a new snapshot")
    graph = AssetGraph([shop], load_project(lake.settings, lake.home))
    assert graph.staleness(lake)[NAME].stale
    assert scenario.run_main(lake, shop).recomputed == [NAME], "the main job rebuilds what is stale"
    assert read(lake, NAME).column("total").to_pylist() == [20.0]


def test_it_is_in_lineage_with_its_type_columns_and_code(lake: Lakehouse) -> None:
    flush_lineage(lake)
    outbox = Outbox(lake.home.lineage / "outbox.db")
    events = [one.body for one in outbox.waiting("nobody", 100_000)]
    outbox.shut()
    (ended,) = [one for one in events if one.get("eventType") == "COMPLETE" and one["job"]["name"] == NAME]
    facets = ended["outputs"][0]["facets"]
    assert facets["datasetType"]["datasetType"] == "SUMMARY"
    (edge,) = facets["columnLineage"]["fields"]["total"]["inputFields"]
    assert (edge["field"], edge["transformations"][0]["subtype"]) == ("amount", "AGGREGATION")
    (shown,) = [one for one in kinds() if one["name"] == "SUMMARY"]
    assert (shown["label"], shown["plural"], shown["shape"], shown["icon"]) == (
        "summary",
        "summaries",
        "star",
        ["M8 1v14"],
    )


def test_what_it_names_is_checked_against_the_graph(shop: Domain, tmp_path: Path) -> None:
    lake = scenario.make_lake(tmp_path / "home")
    wrong = shop.with_only(Summary, [Summary(NAME, ORDERS, "amuont", "Wrong.", "team:shop")])
    with pytest.raises(DeclarationError, match=r"shop.orders has no column 'amuont'") as caught:
        build_defs(lake, domains=[wrong])
    assert (caught.value.where, caught.value.nearest) == (f"summary {NAME}", "amount")
    foreign = shop.with_only(Summary, [Summary(NAME, ORDERS, "amount", "Wrong.", "team:shpo")])
    with pytest.raises(DeclarationError, match="'team:shpo' is not an owner"):
        build_defs(lake, domains=[foreign])
    with pytest.raises(DeclarationError, match="declared in the domain shop") as caught:
        build_defs(lake, domains=[shop.with_only(Summary, [Summary("shpo.all", ORDERS, "amount", "", "team:shop")])])
    assert caught.value.nearest == "shop.all"
    twice = shop.with_only(Summary, [*shop.declared(Summary), *shop.declared(Summary)])
    with pytest.raises(DeclarationError, match=r"shop.turnover is declared twice"):
        build_defs(lake, domains=[twice])


def test_a_kind_is_registered_once_and_forgotten_after_the_block() -> None:
    with registered(SummaryAsset), pytest.raises(DeclarationError, match="'summary' is registered twice"):
        register(SummaryAsset)
    assert SummaryAsset not in asset_kinds()
    assert [one.kind.name for one in asset_kinds()] == [
        "source",
        "quarantine",
        "dbt model",
        "feature set",
        "training set",
        "model",
        "predictions",
    ]


def test_a_kind_without_a_factory_is_named(shop: Domain, tmp_path: Path, monkeypatch) -> None:
    from orchestration import factories

    monkeypatch.delitem(factories._factories, SummaryAsset)
    with pytest.raises(DeclarationError, match="No factory is registered for assets of the kind 'summary'"):
        build_defs(scenario.make_lake(tmp_path / "home"), [shop])

"""dbt models as assets: keys, checks, owners, tags, code references, and selection in dbt's syntax.

What belongs here: the assets that a dbt project gives. Not: running them (integration/test_main_job.py).
"""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SlipwayError, UnknownNameError
from lakehouse.kinds.dbt_model import DbtModelAsset
from lakehouse.kinds.graph import AssetGraph
from lakehouse.loading import load_domain
from lakehouse.transforms.project import TransformProject, load_project
from orchestration.checks import asset_key
from orchestration.dbt_translator import dbt_selection
from orchestration.factories import Declared
from orchestration.kinds.dbt_model import transform_assets
from tests import scenario

TOP = Path(__file__).resolve().parents[2]
MODELS = "dbt_project/models"
SINGULAR = """\
{{ config(severity="warn", meta={"dagster": {"ref": {"name": "daily_activity"}}}) }}
select * from {{ ref("stg_transactions") }} join {{ ref("daily_activity") }} on day = tx_datetime where false
"""
RELATIONSHIP = """\
data_tests:
          - relationships:
              description: Every report is about a payment.
              arguments:
                to: ref("stg_transactions")
                field: transaction_id
          - unique
          - not_null"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """An empty home with a copy of the dbt project that also has tags, a group, and tests across models."""
    top = tmp_path_factory.mktemp("dbt")
    shutil.copytree(TOP / "dbt_project", top / "dbt_project")

    def edit(file: str, old: str, new: str) -> None:
        path = top / MODELS / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    edit("staging/fraud/stg_transactions.yml", "    config:\n", "    config:\n      tags: [daily]\n")
    edit("marts/fraud/fraud_reports.yml", "data_tests: [unique, not_null]", RELATIONSHIP)
    owner = '      meta:\n        owner: "team:payments"\n'
    edit("marts/fraud/daily_activity.yml", owner, '      meta:\n        dagster:\n          owners: ["team:cards"]\n')
    edit("marts/fraud/daily_activity.yml", "event_time: day", "  event_time: day")
    (top / "dbt_project/tests").mkdir()
    (top / "dbt_project/tests/activity_matches_payments.sql").write_text(SINGULAR)
    lake = scenario.make_lake(top / "home")
    return Lakehouse(replace(lake.settings, project_folder=top), lake.home)


@pytest.fixture(scope="module")
def project(lake: Lakehouse) -> TransformProject:
    return load_project(lake.settings, lake.home)


@pytest.fixture(scope="module")
def assets(lake: Lakehouse, project: TransformProject) -> dg.AssetsDefinition:
    return fraud_assets(lake, project)


def fraud_assets(lake: Lakehouse, project: TransformProject, engine: str = "embedded") -> dg.AssetsDefinition:
    domain = load_domain("fraud")
    graph = AssetGraph([domain], project, engine)
    (assets,) = transform_assets(Declared(lake, graph, domain, graph.of_kind(DbtModelAsset)))
    return assets


def spec(assets: dg.AssetsDefinition, table: str) -> dg.AssetSpec:
    return assets.get_asset_spec(asset_key(table))


def test_an_asset_key_is_the_iceberg_identifier_and_a_domain_has_its_own_models(assets):
    assert {key.to_user_string() for key in assets.keys} == {
        "fraud/stg_transactions",
        "fraud/fraud_reports",
        "fraud/daily_activity",
    }
    assert {dep.asset_key for dep in spec(assets, "fraud.stg_transactions").deps} == {asset_key("fraud.transactions")}
    assert {one.group_name for one in assets.specs} == {"fraud"}
    assert spec(assets, "fraud.stg_transactions").metadata["dagster/table_name"] == "fraud.stg_transactions"


def test_an_asset_shows_its_columns_its_sql_and_its_files(assets):
    one = spec(assets, "fraud.stg_transactions")
    assert "#### Raw SQL" in (one.description or "")
    columns = {
        column.name: (column.type, column.description) for column in one.metadata["dagster/column_schema"].columns
    }
    assert columns["amount"] == ("decimal(12,2)", "The amount paid, exact to the cent.")
    files = [Path(one.file_path) for one in one.metadata["dagster/code_references"].code_references]
    assert [path.name for path in files] == ["stg_transactions.yml", "stg_transactions.sql"]
    assert all(path.exists() for path in files)


def test_an_owner_is_given_in_meta_or_as_dagster_dbt_reads_it(assets):
    assert spec(assets, "fraud.stg_transactions").owners == ["team:payments"]
    assert spec(assets, "fraud.daily_activity").owners == ["team:cards"]


def test_tags_of_dbt_are_tags_of_the_asset(assets):
    tags = spec(assets, "fraud.stg_transactions").tags
    assert tags["daily"] == ""
    assert tags["slipway/kind"] == "dbt_model"


@pytest.mark.parametrize(("engine", "kind"), [("embedded", "duckdb"), ("spark", "spark")])
def test_the_engine_is_a_kind_of_the_asset(lake, project, engine, kind):
    assert spec(fraud_assets(lake, project, engine), "fraud.fraud_reports").kinds == {
        "iceberg",
        "dbt",
        kind,
    }


def test_the_code_version_is_the_fingerprint_that_staleness_compares(assets, project):
    for model in project.models:
        if model.table.startswith("fraud."):
            assert spec(assets, model.table).code_version == model.fingerprint()


def test_a_check_has_the_name_the_description_and_the_severity_of_its_dbt_test(assets):
    checks = {check.name: check for check in assets.check_specs}
    named = checks["not_null_stg_transactions_amount"]
    assert (named.asset_key, named.description, named.blocking) == (
        asset_key("fraud.stg_transactions"),
        "amount is not null.",
        True,
    )
    related = next(check for name, check in checks.items() if name.startswith("relationships"))
    assert related.asset_key == asset_key("fraud.fraud_reports")
    assert related.description == "Every report is about a payment."
    assert {dep.asset_key for dep in related.additional_deps} == {asset_key("fraud.stg_transactions")}


def test_a_test_in_sql_is_a_check_of_the_model_that_it_names(assets):
    singular = next(check for check in assets.check_specs if check.name == "activity_matches_payments")
    assert singular.asset_key == asset_key("fraud.daily_activity")
    assert not singular.blocking


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("tag:daily", {"stg_transactions"}),
        ("tag:daily+", {"stg_transactions", "daily_activity"}),
        ("+daily_activity", {"stg_transactions", "daily_activity"}),
        ("path:models/marts", {"fraud_reports", "daily_activity", "late_payments"}),
        ("path:models/marts,fqn:*.fraud.*", {"fraud_reports", "daily_activity"}),
        ("fraud_reports stg_statements", {"fraud_reports", "stg_statements"}),
        ("source:fraud.transactions+", {"stg_transactions", "fraud_reports", "daily_activity"}),
    ],
)
def test_models_are_selected_in_dbts_syntax(project, select, expected):
    assert {key.path[-1] for key in dbt_selection(project, select)} == expected


def test_a_selection_without_a_model_is_an_error_that_names_the_nearest(project, capsys):
    with pytest.raises(UnknownNameError, match="daily_activty") as raised:
        dbt_selection(project, "daily_activty")
    assert raised.value.nearest == "daily_activity"
    assert capsys.readouterr().out == ""


def test_a_selection_that_dbt_cannot_read_is_an_error(project):
    with pytest.raises(SlipwayError, match="not a valid method name"):
        dbt_selection(project, "colour:red")


def test_jobs_of_ones_own_select_with_dagster_dbt(assets):
    from dagster_dbt import build_dbt_asset_selection, get_asset_key_for_model

    selection = build_dbt_asset_selection([assets], dbt_select="tag:daily+")
    assert selection.resolve([assets]) == {asset_key("fraud.stg_transactions"), asset_key("fraud.daily_activity")}
    assert get_asset_key_for_model([assets], "fraud_reports") == asset_key("fraud.fraud_reports")

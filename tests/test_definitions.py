"""The graph that people see: what is in it, that it explains itself, and that it stays light to load.

What belongs here: the definitions as a whole. Not: running them (integration/test_main_job.py).
"""

import ast
import inspect
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from assets import DOMAINS
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.examples import differences
from lakehouse.loading import load_domains
from orchestration import definitions
from orchestration.definitions import build_defs

TOP = Path(__file__).resolve().parent.parent
HEAVY = ("mlflow", "sklearn", "xgboost", "pandera", "matplotlib", "pyspark", "scipy")
DBT = ("dbt", "dagster_dbt")

GRAPH = {
    "fraud.transactions": set(),
    "fraud.stg_transactions": {"fraud.transactions"},
    "fraud.fraud_reports": {"fraud.transactions"},
    "fraud.daily_activity": {"fraud.stg_transactions"},
    "fraud.customer_spend": {"fraud.stg_transactions"},
    "fraud.terminal_risk": {"fraud.stg_transactions", "fraud.fraud_reports"},
    "fraud.transaction_time": {"fraud.stg_transactions"},
    "fraud.training": {
        "fraud.stg_transactions",
        "fraud.fraud_reports",
        "fraud.customer_spend",
        "fraud.terminal_risk",
        "fraud.transaction_time",
    },
    "fraud.scorer": {"fraud.training"},
    "fraud.predictions": {
        "fraud.stg_transactions",
        "fraud.customer_spend",
        "fraud.terminal_risk",
        "fraud.transaction_time",
        "fraud.scorer",
    },
    "credit.statements": set(),
    "credit.stg_statements": {"credit.statements"},
    "credit.late_payments": {"credit.stg_statements"},
    "credit.repayment": {"credit.stg_statements"},
    "credit.balance": {"credit.stg_statements"},
    "credit.training": {
        "credit.stg_statements",
        "credit.late_payments",
        "credit.repayment",
        "credit.balance",
    },
    "credit.scorer": {"credit.training"},
    "credit.predictions": {
        "credit.stg_statements",
        "credit.repayment",
        "credit.balance",
        "credit.scorer",
    },
}


@pytest.fixture(scope="module")
def defs(landed_home: Path) -> dg.Definitions:
    """The definitions over the landed world; nothing here writes."""
    from tests import scenario

    return build_defs(scenario.make_lake(landed_home))


@pytest.fixture(scope="module")
def graph(defs: dg.Definitions):
    """The asset graph."""
    return defs.resolve_asset_graph()


def _name(key: dg.AssetKey) -> str:
    return ".".join(key.path)


def test_the_graph_is_the_main_job_from_delivery_to_prediction(graph) -> None:
    found = {_name(key): {_name(one) for one in graph.get(key).parent_keys} for key in graph.materializable_asset_keys}
    assert found == GRAPH


def test_every_asset_explains_itself(graph) -> None:
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.group_name == key.path[0]
        assert node.code_version, key
        assert "slipway/kind" in node.tags, key
        assert node.metadata["lineage"].url == f"http://127.0.0.1:5050/#/node/{_name(key)}"


def test_every_table_and_model_has_a_blocking_check_and_every_check_describes_what_it_checks(graph) -> None:
    checks = [graph.get(key) for key in graph.asset_check_keys]
    assert {_name(check.key.asset_key) for check in checks if check.blocking} == set(GRAPH)
    assert all(check.description for check in checks)
    rules = {check.key.name: check.blocking for check in checks if _name(check.key.asset_key) == "fraud.transactions"}
    assert not rules["TX_AMOUNT_in_range"], "its rows are quarantined; the rest is published"
    for name in ("quarantine_share", "schema", "volume", "freshness", "conservation"):
        assert rules[name], name


def test_every_job_starts_without_a_partition_and_without_config(defs: dg.Definitions, graph) -> None:
    assert not [key for key in graph.materializable_asset_keys if graph.get(key).is_partitioned]
    for job in defs.resolve_all_job_defs():
        assert job.partitions_def is None
        assert dg.validate_run_config(job), job.name


def test_a_source_takes_the_days_to_land_as_config(defs: dg.Definitions) -> None:
    step = {"config": {"days": "2018-04-01:2018-04-07, 2018-05-01"}}
    assert dg.validate_run_config(defs.resolve_job_def("fraud_main"), {"ops": {"fraud__transactions": step}})


def test_loading_the_definitions_opens_no_delivered_file(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse.sources import deliveries
    from tests import scenario

    scenario.deliver(lake, scenario.payments_on(scenario.EVERY_DAY[:2]))

    def opened(*_: object) -> None:
        pytest.fail("a delivered file was opened")

    monkeypatch.setattr(deliveries, "_look_into", opened)
    build_defs(lake).resolve_asset_graph()


def test_each_domain_has_its_jobs_and_its_automation_is_off_until_somebody_starts_it(defs: dg.Definitions) -> None:
    assert {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")} == {
        f"{domain}_{job}" for domain in DOMAINS for job in ("main", "daily", "retrain")
    }
    schedules = {schedule.name: schedule for schedule in defs.schedules or ()}
    assert set(schedules) == {f"{domain}_{name}" for domain in DOMAINS for name in ("daily_load", "weekly_retraining")}
    assert schedules["fraud_daily_load"].cron_schedule == "0 6 * * *"
    assert schedules["fraud_weekly_retraining"].cron_schedule == "0 7 * * 1"
    assert all(schedule.default_status is dg.DefaultScheduleStatus.STOPPED for schedule in schedules.values())
    sensors = list(defs.sensors or ())
    assert [sensor.name for sensor in sensors] == [f"{domain}_new_deliveries" for domain in DOMAINS]
    assert all(sensor.default_status is dg.DefaultSensorStatus.STOPPED for sensor in sensors)


def test_the_daily_job_leaves_the_champion_alone(defs: dg.Definitions) -> None:
    daily = {_name(key) for key in defs.resolve_job_def("fraud_daily").asset_layer.executable_asset_keys}
    retrain = {_name(key) for key in defs.resolve_job_def("fraud_retrain").asset_layer.executable_asset_keys}
    assert daily == {name for name in GRAPH if name.startswith("fraud.")} - {"fraud.scorer"}
    assert retrain == {"fraud.training", "fraud.scorer"}


def test_asset_keys_are_the_tables_names(graph, built: Lakehouse) -> None:
    made = {name for name in built.names() if not name.startswith("slipway.")}  # the platform's own records
    assert made <= {_name(key) for key in graph.materializable_asset_keys}


def test_a_second_domain_needs_no_line_in_the_orchestration() -> None:
    for path in (*(TOP / "orchestration").glob("*.py"), *(TOP / "orchestration" / "kinds").glob("*.py")):
        assert "fraud" not in path.read_text(), path.name
    assert len(inspect.getsource(definitions).splitlines()) < 60
    assert [domain.name for domain in load_domains(["fraud"])] == ["fraud"]


def _imported(program: str, names: Sequence[str]) -> list[str]:
    """Those of the modules that a program imports in a process of its own."""
    program += f"\nimport sys\nprint([name for name in {list(names)} if name in sys.modules])\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout.strip())


def test_importing_the_definitions_imports_nothing_heavy() -> None:
    assert _imported("import orchestration.definitions", [*HEAVY, *DBT]) == []


def test_building_the_definitions_imports_dbt_and_nothing_else_that_is_heavy(built_home: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from lakehouse.catalog.lakehouse import open_lakehouse\n"
        "from lakehouse.settings import Settings\n"
        "from orchestration.definitions import build_defs\n"
        f"build_defs(open_lakehouse(Settings.from_environment({{}}, home=Path({str(built_home)!r}))))\n"
    )
    assert _imported(program, [*HEAVY, *DBT]) == [*DBT]


EXAMPLES = [
    (feature_set, number)
    for domain in load_domains()
    for feature_set in domain.feature_sets
    for number in range(1, len(feature_set.examples) + 1)
]


@pytest.mark.parametrize(("feature_set", "number"), EXAMPLES, ids=[f"{one.name}-{number}" for one, number in EXAMPLES])
def test_the_examples_of_a_feature_set_hold(feature_set, number: int) -> None:
    assert [str(one) for one in differences(feature_set, number)] == []


def test_every_feature_set_has_an_example() -> None:
    assert {one.name for one, _ in EXAMPLES} == {one.name for domain in load_domains() for one in domain.feature_sets}


def test_the_floors_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

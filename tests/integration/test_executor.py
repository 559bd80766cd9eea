"""The setting SLIPWAY_EXECUTOR: a run of several processes, each with a lakehouse of its own.

What belongs here: how runs are executed. Not: what their steps do.
"""

from collections.abc import Iterator
from multiprocessing import forkserver

import dagster as dg
import pytest

from lakehouse.catalog.lakehouse import Lakehouse, open_lakehouse
from lakehouse.errors import SettingsError
from lakehouse.settings import Settings
from lakehouse.tables.read import published_days
from orchestration.definitions import build_defs
from orchestration.executor import executor_of
from orchestration.instance import open_instance
from tests import scenario

DAYS = scenario.EVERY_DAY[:3]


@pytest.fixture
def _new_fork_server() -> Iterator[None]:
    """A fork server of this test's environment: one that another test of this process started has that test's."""
    forkserver._forkserver._stop()  # as in the standard library's own tests: there is no public way
    yield
    forkserver._forkserver._stop()


def daily_job() -> dg.JobDefinition:
    """The job that the process of each step builds again, over the lakehouse of its environment."""
    return build_defs(open_lakehouse()).resolve_job_def("fraud_daily")


@pytest.mark.usefixtures("_new_fork_server")
def test_in_processes_of_their_own_steps_open_the_lakehouse_again(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_EXECUTOR", "multiprocess")
    scenario.deliver(lake, scenario.payments_on(DAYS))
    keys = [dg.AssetKey(["fraud", "transactions"]), dg.AssetKey(["fraud", "stg_transactions"])]
    with open_instance(lake) as instance:
        job = dg.reconstructable(daily_job)
        config = {"ops": {"fraud__transactions": {"config": {"days": f"{DAYS[0]}:{DAYS[1]}"}}}}
        with dg.execute_job(job, instance=instance, run_config=config, asset_selection=keys) as result:
            assert result.success
        started = [one.message for one in instance.all_logs(result.run_id) if "Launching subprocess" in one.message]
    assert len(started) == 2, "one for each step"
    for name in ("fraud.transactions", "fraud.stg_transactions"):
        assert published_days(lake, name) == DAYS[:2], name


def test_the_default_is_this_process() -> None:
    assert executor_of(Settings.from_environment({})) is dg.in_process_executor
    assert executor_of(Settings.from_environment({"SLIPWAY_EXECUTOR": "multiprocess"})).name == "multiprocess"


def test_an_unknown_executor_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="Unknown executor 'multiproces'") as error:
        Settings.from_environment({"SLIPWAY_EXECUTOR": "multiproces"})
    assert error.value.nearest == "multiprocess"

"""A small graph for tests of lineage that run in processes of their own, and its runs.

What belongs here: assets that need no lakehouse, so that a process starts fast. Not: the real graph (orchestration/).
    python -m tests.lineage_graph HOME in_process|multiprocess [MARK]
A step that finds the file MARK's folder waits there until it is killed. Where Spark's listener is switched on, each
step has a query, of which one does not end.
"""

import os
import sys
import time
from pathlib import Path

import dagster as dg

from tests import spark_queries

PATIENCE = 60.0


class Configured(dg.Config):
    """What a step is to do: `wait` names a file that it makes before it waits to be killed; `fail` is the reason."""

    wait: str = ""
    fail: str = ""


@dg.asset(key=["shop", "first"], check_specs=[dg.AssetCheckSpec("is_fine", asset=["shop", "first"])])
def first():
    """An asset with a check."""
    have_query(1, "START", "COMPLETE")
    yield dg.AssetCheckResult(passed=True, check_name="is_fine", metadata={"rows": 3, "sample": "a row's value"})
    yield dg.MaterializeResult(metadata={"recomputed": "everything"})


@dg.multi_asset(
    name="shop_both",
    specs=[dg.AssetSpec(["shop", "second"], deps=[["shop", "first"]]), dg.AssetSpec(["shop", "third"])],
)
def both(config: Configured):
    """Two assets of one step, the second of which can fail or wait."""
    have_query(2, "START")
    yield dg.MaterializeResult(asset_key=["shop", "second"])
    if config.wait:
        Path(config.wait).touch()
        time.sleep(PATIENCE)
    if config.fail:
        raise ValueError(config.fail)
    yield dg.MaterializeResult(asset_key=["shop", "third"])


@dg.op
def alone():
    """A step that makes no asset."""


@dg.job
def no_assets():
    """A job without assets."""
    alone()


def have_query(number: int, *kinds: str) -> None:
    """A query, as Spark's listener would tell of it, in a process that has one."""
    from lakehouse.settings import Settings

    settings = Settings.from_environment()
    if settings.spark_listener:
        spark_queries.wrote(
            settings.home / "lineage", *(spark_queries.query(kind, number, time.time()) for kind in kinds)
        )


def definitions(executor: str = "in_process") -> dg.Definitions:
    """The graph, run by one of Dagster's executors."""
    chosen = dg.multiprocess_executor if executor == "multiprocess" else dg.in_process_executor
    job = dg.define_asset_job("shop_main", dg.AssetSelection.all(), executor_def=chosen)
    return dg.Definitions(assets=[first, both], jobs=[job, no_assets])


def in_process() -> dg.JobDefinition:
    """The job in one process."""
    return definitions().resolve_job_def("shop_main")


def in_many() -> dg.JobDefinition:
    """The job with a process for each step."""
    return definitions("multiprocess").resolve_job_def("shop_main")


def config(*, wait: str = "", fail: str = "") -> dict:
    """The run's settings."""
    return {"ops": {"shop_both": {"config": {"wait": wait, "fail": fail}}}}


def main(home: str, executor: str, mark: str = "") -> None:
    """Run the job in a home, as a command of its own."""
    from orchestration.instance import open_instance
    from tests import scenario

    ours = {name: value for name, value in os.environ.items() if name.startswith("SLIPWAY_")}
    with open_instance(scenario.make_lake(Path(home), ours)) as instance:
        job = dg.reconstructable(in_many if executor == "multiprocess" else in_process)
        dg.execute_job(job, instance, run_config=config(wait=mark), raise_on_error=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A program in whose Spark OpenLineage's own listener is at work: what test_spark_listener.py starts.

What belongs here: runs of Dagster in one process, because a process has one Spark. Not: judging what was told.

    python -m tests.with_listener HOME     prints, as JSON, which runs succeeded
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.sources.source import Source
from lakehouse.spark.listener import events_file
from lakehouse.spark.session import spark_of
from lakehouse.spark.tables import pinned
from orchestration.definitions import build_defs
from orchestration.instance import open_instance
from orchestration.main_job import QUIET
from tests import scenario
from tests.conftest import flush_lineage

DAYS = scenario.EVERY_DAY[:2]
SECRET = "value-4929-of-a-row"  # noqa: S105  # it stands for one
ON = {**scenario.SPARK, "SLIPWAY_SPARK_LISTENER": "on"}


def looking(lake: Lakehouse) -> dg.JobDefinition:
    """Steps that read a table by its files, write scratch and a file of their own, and survive a query that fails."""

    def fail(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                raise ValueError(SECRET)
            yield batch

    @dg.asset(key=["shop", "counted"])
    def counted() -> None:
        snapshot = lake.table("fraud.transactions").current_snapshot()
        assert snapshot is not None
        files = pinned(lake, "fraud.transactions", ["_file", "TX_AMOUNT"], at=snapshot.snapshot_id).frame
        files.write.parquet(str(lake.home.work / "scratch"))

    @dg.asset(key=["shop", "broken"], deps=[counted])
    def broken() -> None:
        spark = spark_of(lake)
        try:
            spark.range(3).mapInArrow(fail, "id long").toArrow()
        except Exception:  # noqa: BLE001  # what the step makes of it is its own affair
            # Nobody writes so to the file; a full disk may.
            with events_file(lake.home.lineage).open("ab") as file:
                file.write(b'{"eventType": "STA\n\xff\xfe\n[]\n{}\n')
        spark.range(3).write.parquet(str(lake.home.root.parent / "elsewhere"))

    return dg.Definitions(
        assets=[counted, broken], jobs=[dg.define_asset_job("shop_main", executor_def=dg.in_process_executor)]
    ).resolve_job_def("shop_main")


def main(home: str) -> None:
    """Land two days, then look at them; between the runs something that is no step's."""
    lake = scenario.make_lake(Path(home), ON)
    scenario.deliver(lake, scenario.payments_on(DAYS))
    domain = scenario.small_domain()
    domain = domain.with_only(Source, [scenario.lenient_source])
    landing = build_defs(lake, domains=[domain]).resolve_job_def("fraud_main")
    outcomes = {}
    with open_instance(lake) as instance:
        keys = [dg.AssetKey(["fraud", "transactions"])]
        landed = landing.execute_in_process(instance=instance, run_config=QUIET, asset_selection=keys)
        spark_of(lake).range(5).toArrow()
        looked = looking(lake).execute_in_process(instance=instance, run_config=QUIET)
        for one in (landed, looked):
            outcomes[one.run_id] = one.success
        flush_lineage(lake)
    sys.stdout.write(json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

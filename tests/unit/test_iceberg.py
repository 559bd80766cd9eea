"""pyiceberg's tables with many snapshots: commits say what pyiceberg's own say, and copy none of the past.

What belongs here: `lakehouse.catalog.iceberg`. Not: what is written (test_tables.py).
"""

import copy

from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadataV2

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.publish import publish
from lakehouse.tables.write import write_draft
from tests import scenario
from tests.scenario import EVERY_DAY


def ledger(lake: Lakehouse, writes: int) -> Table:
    shape = scenario.ledger_shape()

    for day in EVERY_DAY[:writes]:
        publish(lake, write_draft(lake, shape, scenario.ledger_rows([day]), scenario.provenance()))
    return lake.table(shape.name)


def test_a_deep_copy_of_the_metadata_shares_what_is_frozen_and_nothing_else(lake: Lakehouse) -> None:
    metadata = ledger(lake, 3).metadata
    copied = metadata.model_copy(deep=True)
    assert copied == metadata
    assert all(one is other for one, other in zip(copied.snapshots, metadata.snapshots, strict=True))
    assert copied.schemas[0] is metadata.schemas[0]
    assert metadata.model_config["frozen"]
    for name in ("schemas", "partition_specs", "sort_orders", "snapshots", "snapshot_log", "metadata_log", "refs"):
        assert getattr(copied, name) is not getattr(metadata, name), name
    assert copied.properties is not metadata.properties


def test_what_is_written_down_is_what_pyiceberg_writes(lake: Lakehouse) -> None:
    table = ledger(lake, 3)
    plain = TableMetadataV2.model_validate_json(table.metadata.model_dump_json())
    assert type(plain) is not type(table.metadata)
    assert plain.model_dump_json() == table.metadata.model_dump_json()
    assert copy.deepcopy(plain).schemas[0] is not plain.schemas[0]


def test_a_transaction_sees_what_is_staged_as_pyiceberg_does(lake: Lakehouse) -> None:
    table = ledger(lake, 2)
    ours, theirs = table.transaction(), Transaction(table)
    assert ours.table_metadata == theirs.table_metadata
    assert ours.table_metadata is ours.table_metadata, "computed once"
    for one in (ours, theirs):
        one.set_properties({"said": "twice"})
    assert ours.table_metadata.properties["said"] == "twice"
    assert ours.table_metadata.properties == theirs.table_metadata.properties
    ours.commit_transaction()
    assert table.properties["said"] == "twice"


def test_what_was_just_written_is_known_as_it_would_be_read(lake: Lakehouse) -> None:
    table = ledger(lake, 3)
    table.metadata.properties["commit.retry.num-retries"] = "0"  # as some writers do, for themselves
    with table.transaction() as transaction:
        transaction.set_properties({"said": "once"})
    known = lake.table(".".join(table.name())).metadata
    with table.io.new_input(table.metadata_location).open() as stream:
        read = type(known).model_validate_json(stream.read())
    assert known.model_dump_json() == read.model_dump_json()
    assert known.properties["said"] == "once"

"""System tables: appended records are readable, even when the rewrite after an append fails."""

import errno
import logging
from dataclasses import replace

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from pyiceberg.table.update.schema import UpdateSchema

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables import system_table as module
from lakehouse.tables.system_table import SystemTable, append, entries

NOTES = SystemTable("slipway.notes", pa.schema([("number", pa.int64())]), "Numbers.")


def test_a_rewrite_that_fails_does_not_make_a_written_record_a_failure(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(module, "_keep_small", full)
    with caplog.at_level(logging.WARNING, "slipway.system_table"):
        append(lake, NOTES, [{"number": 1}], "run")
    assert entries(lake, NOTES).column("number").to_pylist() == [1]
    assert "slipway.notes could not be compacted" in caplog.text


def test_a_system_table_of_many_appends_is_few_files_with_every_record(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    for number in range(6):
        append(lake, NOTES, [{"number": number}], "run")
    assert sorted(entries(lake, NOTES).column("number").to_pylist()) == list(range(6))
    assert len(module.planned_files(lake.table(NOTES.name), module.resolve(lake.table(NOTES.name)))) <= 3


def test_two_processes_that_add_a_column_at_once_both_write_their_records(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider = replace(NOTES, schema=NOTES.schema.append(pa.field("word", pa.string())))
    append(lake, NOTES, [{"number": 1}], "run")
    begin = Table.update_schema

    def late(table: Table) -> UpdateSchema:
        monkeypatch.undo()
        append(lake, wider, [{"number": 2, "word": "two"}], "other")
        return begin(table)

    monkeypatch.setattr(Table, "update_schema", late)
    append(lake, wider, [{"number": 3, "word": "three"}], "run")
    found = {one["number"]: one["word"] for one in entries(lake, wider).to_pylist()}
    assert found == {1: None, 2: "two", 3: "three"}

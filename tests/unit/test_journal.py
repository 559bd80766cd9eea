"""Journals: what was written down is told as written down, whatever becomes of the rewrite after it."""

import errno
import logging

import pyarrow as pa
import pytest

from lakehouse.catalog import Lakehouse
from lakehouse.tables import journal as module
from lakehouse.tables.journal import Journal, append, entries

NOTES = Journal("slipway.notes", pa.schema([("number", pa.int64())]), "Numbers.")


def test_a_rewrite_that_fails_does_not_make_a_written_record_a_failure(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(module, "_keep_small", full)
    with caplog.at_level(logging.WARNING, "slipway.journal"):
        append(lake, NOTES, [{"number": 1}], "run")
    assert entries(lake, NOTES).column("number").to_pylist() == [1]
    assert "slipway.notes could not be rewritten" in caplog.text


def test_a_journal_of_many_appends_is_few_files_with_every_record(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    for number in range(6):
        append(lake, NOTES, [{"number": number}], "run")
    assert sorted(entries(lake, NOTES).column("number").to_pylist()) == list(range(6))
    assert len(module.planned_files(lake.table(NOTES.name), module.resolve(lake.table(NOTES.name)))) <= 3

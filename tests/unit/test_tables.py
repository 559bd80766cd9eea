"""Tables: reading them at any pin, writing drafts, publishing, changing schemas. On real Iceberg tables.

What belongs here: lakehouse/tables/ in one process. Not: processes that are killed or that write at the same time
(integration/test_write_path_crashes.py, integration/test_two_writers.py).
"""

import ast
import json
import time
import warnings
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, AssertRefSnapshotId, SetSnapshotRefUpdate
from pyiceberg.types import LongType, StringType

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import ContractError, DeclarationError, PublishConflictError, UnknownNameError
from lakehouse.spark.tables import _full_name
from lakehouse.tables import publish as publish_module
from lakehouse.tables import write as write_module
from lakehouse.tables.build_plan import BuildPlan, Input, plan_build
from lakehouse.tables.check_result import AuditError, CheckResult
from lakehouse.tables.days import days_filter
from lakehouse.tables.describe import drop
from lakehouse.tables.draft_checks import check_columns_match, check_row_count
from lakehouse.tables.incremental import Computed, bring_up_to_date
from lakehouse.tables.provenance import Provenance, code_version, last_published, read_provenance
from lakehouse.tables.publish import change_schema, publish
from lakehouse.tables.read import changed_days, plan, published_days, read, resolve, rows_by_day
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import AUDIT_PREFIX, write_draft
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests import scenario
from tests.scenario import EVERY_DAY, LEDGER, ledger_rows, ledger_shape, provenance

NAME = "books.ledger"
DAYS = EVERY_DAY[:5]
# One worth looking at: a pin is told by the numbers and notes that a reader finds.
KEYS = ["number", "note"]


def content(lake, at=None, where=None, name=NAME):
    """The rows as a sorted list of (number, note)."""
    rows = read(lake, name, KEYS, at=at, where=where)
    return sorted(zip(rows["number"].to_pylist(), rows["note"].to_pylist(), strict=True))


def expected(days, note="first", per_day=10):
    return [(day.toordinal() * 1_000 + place, note) for day in sorted(days) for place in range(per_day)]


def draft_of(lake, days, note, *, replace=True, shape=None, **made):
    where = days_filter("at", days) if replace else None
    rows = ledger_rows(days, note=note)
    return write_draft(lake, shape or ledger_shape(), rows, provenance(**made), where)


def files_by_day(lake, at=None):
    found = {}
    for task in plan(lake, NAME, at=at).tasks:
        found.setdefault(task.file.partition[0], []).append(task.file.file_path)
    return found


def audit_branches(lake, name=NAME):
    return [branch for branch in lake.table(name).metadata.refs if branch.startswith(AUDIT_PREFIX)]


def accept(*_):
    """An audit without checks."""
    return ()


def refuse(*_):
    raise ContractError("The rows are bad.")


@pytest.fixture
def ledger(lake):
    """Five days published."""
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    return lake


# Reading.


def test_what_was_written_is_read_with_its_types(lake):
    rows = pa.table(
        {
            "at": pa.array([datetime(2018, 4, 1, 12), None], pa.timestamp("us")),  # noqa: DTZ001
            "zoned": pa.array([datetime(2018, 4, 1, 12, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "day": pa.array([date(2018, 4, 1), None], pa.date32()),
            "small": pa.array([-(2**31), None], pa.int32()),
            "big": pa.array([2**63 - 1, None], pa.int64()),
            "narrow": pa.array([0.5, None], pa.float32()),
            "wide": pa.array([0.1, float("nan")], pa.float64()),
            "exact": pa.array([Decimal("12345678.90"), None], pa.decimal128(12, 2)),
            "words": pa.array(["naïve 'quoted' \x00 text", None], pa.string()),
            "raw": pa.array([b"\x00\xff", None], pa.binary()),
            "flag": pa.array([True, None], pa.bool_()),
            'odd "name" & more': pa.array([1, None], pa.int64()),
        }
    )
    shape = TableShape("books.kinds", rows.schema, "at")
    publish(lake, write_draft(lake, shape, rows, provenance()))
    found = read(lake, "books.kinds")
    assert found.schema.equals(rows.schema)
    order = [("big", "ascending")]
    assert pl.DataFrame(pl.from_arrow(found.sort_by(order))).equals(pl.DataFrame(pl.from_arrow(rows.sort_by(order))))


def test_columns_come_in_the_order_they_were_asked_for(ledger):
    assert read(ledger, NAME, ["note", "number"]).schema.names == ["note", "number"]
    assert read(ledger, NAME).schema.equals(LEDGER)


def test_a_table_without_rows_has_its_columns(lake):
    write_module.ensure_table(lake, ledger_shape())
    found = read(lake, NAME)
    assert (found.num_rows, found.schema) == (0, LEDGER)


def test_a_table_that_another_engine_made_and_nobody_wrote_to_is_empty(lake):
    lake._catalog.create_namespace("books")
    lake._catalog.create_table(NAME, write_module.iceberg_schema(ledger_shape()))
    assert (content(lake), content(lake, where="number > 3")) == ([], [])
    assert (plan(lake, NAME).rows, published_days(lake, NAME), last_published(lake, NAME)) == (0, [], None)


def test_a_filter_reads_only_the_days_it_can_hold(ledger):
    whole, one = plan(ledger, NAME), plan(ledger, NAME, where=days_filter("at", DAYS[2:3]))
    assert (len(whole.tasks), len(one.tasks)) == (5, 1)
    assert (whole.days, one.days) == (DAYS, DAYS[2:3])
    assert (whole.rows, one.rows) == (50, 10)
    assert content(ledger, where=days_filter("at", DAYS[2:3])) == expected(DAYS[2:3])
    assert len(plan(ledger, NAME, where=days_filter("at", [DAYS[0], DAYS[3]])).tasks) == 2


def test_a_filter_on_any_column_prunes_by_its_statistics(ledger):
    first = DAYS[3].toordinal() * 1_000
    assert len(plan(ledger, NAME, where=f"number >= {first} and number < {first + 5}").tasks) == 1
    assert content(ledger, where=f"number >= {first} and number < {first + 5}") == expected(DAYS[3:4], per_day=5)
    assert plan(ledger, NAME, where="number < 0").tasks == ()
    assert content(ledger, where="number < 0") == []


def test_row_counts_and_days_come_from_metadata(ledger):
    assert rows_by_day(plan(ledger, NAME)) == dict.fromkeys(DAYS, 10)
    assert published_days(ledger, NAME) == DAYS


@pytest.fixture(scope="module")
def shared_ledger(tmp_path_factory):
    """A ledger that is only read."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("shared") / "home")
    rows = ledger_rows(DAYS, per_day=30)
    publish(lake, write_draft(lake, ledger_shape(), rows, provenance()))
    return lake, pl.DataFrame(pl.from_arrow(rows))


@hypothesis_settings(max_examples=25)
@given(
    days=st.sets(st.sampled_from(EVERY_DAY[:7]), min_size=1),
    low=st.integers(-1, 31),
    high=st.integers(-1, 31),
)
def test_pruning_loses_no_row(shared_ledger, days, low, high):
    lake, rows = shared_ledger
    where = f"({days_filter('at', days)}) and amount >= {low} and amount < {high}"
    wanted = rows.filter(pl.col("at").dt.date().is_in(list(days)), pl.col("amount") >= low, pl.col("amount") < high)
    found = read(lake, NAME, ["number"], where=where)["number"].to_pylist()
    assert sorted(found) == sorted(wanted["number"])


# Reading at a pin.


@pytest.fixture
def history(ledger):
    """Three states: first; second on the fourth day; third on the fifth. The lake and the three snapshot ids."""
    ids = [resolve(ledger.table(NAME))]
    for day, note in ((DAYS[3], "second"), (DAYS[4], "third")):
        time.sleep(0.01)
        ids.append(publish(ledger, draft_of(ledger, [day], note)).snapshot_id)
    return ledger, ids


def states():
    first = expected(DAYS)
    second = expected(DAYS[:3]) + expected(DAYS[3:4], "second") + expected(DAYS[4:])
    third = expected(DAYS[:3]) + expected(DAYS[3:4], "second") + expected(DAYS[4:], "third")
    return [first, second, third]


def test_a_snapshot_id_is_read_as_number_and_as_text(history):
    lake, ids = history
    assert [content(lake, at=one) for one in ids] == states()
    assert [content(lake, at=str(one)) for one in ids] == states()
    assert content(lake) == content(lake, at="main") == states()[2]


def test_a_tag_keeps_its_state(history):
    lake, ids = history
    lake.table(NAME).manage_snapshots().create_tag(ids[1], "quarter-end").commit()
    assert content(lake, at="quarter-end") == states()[1]


def test_a_branch_is_read_by_its_name(history):
    lake, _ = history
    draft = draft_of(lake, DAYS[:1], "draft")
    assert content(lake, at=draft.branch) == sorted(expected(DAYS[:1], "draft") + states()[2][10:])
    assert content(lake) == states()[2]


def test_a_time_is_read_as_it_was_then(history):
    lake, ids = history
    log = {entry.snapshot_id: entry.timestamp_ms for entry in lake.table(NAME).history()}
    made = [datetime.fromtimestamp(log[one] / 1000, tz=UTC) for one in ids]
    assert [content(lake, at=moment) for moment in made] == states()
    assert content(lake, at=made[2] - timedelta(milliseconds=1)) == states()[1]
    assert content(lake, at=made[1].replace(tzinfo=None)) == states()[1], "a time without a zone is UTC"
    assert content(lake, at=made[1].astimezone(tz=None)) == states()[1]
    assert content(lake, at=datetime.now(UTC)) == states()[2]


def test_a_drafts_time_is_not_the_tables(history):
    lake, _ = history
    draft_of(lake, DAYS[:1], "draft")
    assert content(lake, at=datetime.now(UTC) + timedelta(hours=1)) == states()[2]


# Columns that were renamed, added, dropped.


@pytest.fixture
def renamed(ledger):
    """`note` is called `remark` now, `amount` is gone, `page` is new. The lake, the id before that, the new shape."""
    old = resolve(ledger.table(NAME))
    with ledger.table(NAME).update_schema(allow_incompatible_changes=True) as update:
        update.rename_column("note", "remark")
        update.delete_column("amount")
        update.add_column("page", LongType())
    schema = pa.schema(
        [("number", pa.int64()), ("at", pa.timestamp("us")), ("remark", pa.string()), ("page", pa.int64())]
    )
    return ledger, old, TableShape(NAME, schema, "at")


def test_renamed_and_added_columns_are_read_under_their_new_names(renamed):
    lake, _, _ = renamed
    found = read(lake, NAME)
    assert found.schema.names == ["number", "at", "remark", "page"]
    assert set(found["remark"].to_pylist()) == {"first"}
    assert found["page"].null_count == 50


def test_an_old_snapshot_keeps_its_columns(renamed):
    lake, old, _ = renamed
    assert read(lake, NAME, at=old).schema.equals(LEDGER)
    assert content(lake, at=old) == expected(DAYS)
    assert content(lake, at=old, where="note = 'first' and amount < 3.0") == expected(DAYS, per_day=3)


def test_filters_are_understood_in_the_columns_that_are_shown(renamed):
    lake, old, _ = renamed
    assert len(read(lake, NAME, where="remark = 'first' and page is null")) == 50
    with pytest.raises(ValueError, match="remark"):
        read(lake, NAME, at=old, where="remark = 'first'")


def test_a_name_that_was_used_before_means_the_new_column(renamed):
    lake, old, _ = renamed
    with lake.table(NAME).update_schema() as update:
        update.add_column("note", StringType())
    assert read(lake, NAME, ["note"])["note"].null_count == 50
    assert read(lake, NAME, ["note"], at=old)["note"].unique().to_pylist() == ["first"]


def test_old_and_new_files_are_read_together(renamed):
    lake, old, shape = renamed
    rows = ledger_rows(DAYS[4:], note="second").rename_columns(["number", "at", "amount", "remark"])
    rows = rows.append_column("page", pa.array(range(10), pa.int64())).select(shape.schema.names)
    publish(lake, write_draft(lake, shape, rows, provenance(), days_filter("at", DAYS[4:])))
    found = read(lake, NAME).sort_by("number")
    assert found["remark"].to_pylist() == ["first"] * 40 + ["second"] * 10
    assert found["page"].to_pylist() == [None] * 40 + list(range(10))
    assert content(lake, at=old) == expected(DAYS)


# Files with deletes, as other engines write them.


class DeletesWriter(ManifestWriterV2):
    """pyiceberg reads manifests of delete files; it has no writer for them."""

    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


def delete_positions(lake, day, positions):
    """Delete rows of a day's only file by their positions, merge-on-read, the way that Spark does."""
    table = lake.table(NAME)
    (task,) = plan(lake, NAME, where=days_filter("at", [day])).tasks
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
            pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"}),
        ]
    )
    path = task.file.file_path.replace(".parquet", f"-{positions[0]}-deletes.parquet")
    with table.io.new_output(path).create() as stream:
        pq.write_table(pa.table([[task.file.file_path] * len(positions), positions], schema=schema), stream)
    parent, sequence = table.current_snapshot(), table.metadata.last_sequence_number + 1
    new_id = table.metadata.new_snapshot_id()
    deletes = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=task.file.partition,
        record_count=len(positions),
        file_size_in_bytes=len(table.io.new_input(path)),
    )
    deletes.spec_id = table.spec().spec_id
    folder = f"{table.location()}/metadata/{new_id}"
    manifest = table.io.new_output(f"{folder}-deletes.avro")
    with DeletesWriter(table.spec(), table.schema(), manifest, new_id, "deflate") as writer:
        entry = {"status": ManifestEntryStatus.ADDED, "sequence_number": None, "file_sequence_number": None}
        writer.add_entry(ManifestEntry.from_args(snapshot_id=new_id, data_file=deletes, **entry))
    manifests = [*parent.manifests(table.io), writer.to_manifest_file()]
    listed = table.io.new_output(f"{folder}-list.avro")
    with write_manifest_list(2, listed, new_id, parent.snapshot_id, sequence, "deflate") as lists:
        lists.add_manifests(manifests)
    snapshot = Snapshot(
        snapshot_id=new_id,
        parent_snapshot_id=parent.snapshot_id,
        sequence_number=sequence,
        timestamp_ms=int(time.time() * 1000),
        manifest_list=listed.location,
        summary=Summary(Operation.DELETE),
        schema_id=table.metadata.current_schema_id,
    )
    main = SetSnapshotRefUpdate.model_validate({"ref-name": "main", "type": "branch", "snapshot-id": new_id})
    unchanged = AssertRefSnapshotId.model_validate({"ref": "main", "snapshot-id": parent.snapshot_id})
    lake._catalog.commit_table(table, (unchanged,), (AddSnapshotUpdate(snapshot=snapshot), main))
    return parent.snapshot_id, new_id


def without(days, positions):
    gone = {DAYS[2].toordinal() * 1_000 + place for place in positions}
    return [row for row in expected(days) if row[0] not in gone]


@pytest.fixture
def deleted(ledger):
    """Rows 2, 3 and 7 of the third day are deleted by position. Returns the lake, the ids before and after."""
    return ledger, *delete_positions(ledger, DAYS[2], [2, 3, 7])


def test_deleted_rows_are_not_read(deleted):
    lake, before, after = deleted
    assert plan(lake, NAME).local_files is None, "this is what the way around DuckDB is for"
    assert content(lake) == content(lake, at=after) == without(DAYS, [2, 3, 7])
    assert content(lake, at=before) == expected(DAYS)


def test_deleted_rows_are_not_read_by_columns_and_filters_either(deleted):
    lake, _, _ = deleted
    assert content(lake, where=days_filter("at", DAYS[2:3])) == without(DAYS[2:3], [2, 3, 7])
    assert len(read(lake, NAME, ["amount"], where="amount < 3.5")) == 4 * 5 - 2
    assert plan(lake, NAME, where=days_filter("at", DAYS[:2])).local_files, "days without deletes go the fast way"
    assert content(lake, where=days_filter("at", DAYS[:2])) == expected(DAYS[:2])


def test_deletes_add_up(deleted):
    lake, _, after = deleted
    delete_positions(lake, DAYS[2], [0, 9])
    assert content(lake) == without(DAYS, [0, 2, 3, 7, 9])
    assert content(lake, at=after) == without(DAYS, [2, 3, 7])


def test_columns_renamed_after_a_delete_are_read_right(deleted):
    lake, before, after = deleted
    with lake.table(NAME).update_schema() as update:
        update.rename_column("note", "remark")
        update.add_column("page", LongType())
    found = read(lake, NAME, where="remark = 'first'")
    assert found.schema.names == ["number", "at", "amount", "remark", "page"]
    assert sorted(found["number"].to_pylist()) == [number for number, _ in without(DAYS, [2, 3, 7])]
    assert content(lake, at=after, where="note = 'first'") == without(DAYS, [2, 3, 7])
    assert content(lake, at=before) == expected(DAYS)


def test_replacing_a_day_with_deletes_leaves_only_the_new_rows(deleted):
    lake, _, _ = deleted
    publish(lake, draft_of(lake, DAYS[2:3], "second"))
    assert content(lake) == sorted(expected(DAYS[:2] + DAYS[3:]) + expected(DAYS[2:3], "second"))


def test_replacing_another_day_keeps_deleted_rows_deleted(deleted):
    lake, _, _ = deleted
    publish(lake, draft_of(lake, DAYS[4:], "second"))
    assert content(lake) == without(DAYS[:4], [2, 3, 7]) + expected(DAYS[4:], "second")


def test_a_day_with_new_deletes_is_a_changed_day(deleted):
    lake, before, after = deleted
    assert list(changed_days(lake, NAME, before, after) or ()) == DAYS[2:3]


def test_nested_columns_are_read(lake):
    rows = pa.table({"number": [1, 2], "tags": [["a", "b"], None], "place": [{"x": 1}, {"x": 2}]})
    lake._catalog.create_namespace("books")
    lake._catalog.create_table("books.nested", rows.schema).append(rows)  # by somebody else: we only write flat columns
    assert plan(lake, "books.nested").local_files is None
    found = read(lake, "books.nested").sort_by("number").to_pylist()
    assert found == rows.to_pylist()


# Names that do not exist.


def test_every_reader_and_writer_finds_a_table_by_one_function(lake, monkeypatch):
    where = {NAME: ("books", "ledger__experiment")}
    monkeypatch.setattr(Lakehouse, "identifier", staticmethod(lambda name: where.get(name, tuple(name.split(".")))))
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    assert lake.names() == ["books.ledger__experiment"]
    assert len(content(lake)) == 50
    assert _full_name(lake, NAME) == "`lake`.`books`.`ledger__experiment`"
    drop(lake, NAME)
    assert not lake.has(NAME)


def test_a_name_without_a_domain_is_no_table(lake):
    assert lake.find("ledger") is None
    with pytest.raises(DeclarationError, match="has no namespace") as caught:
        lake.drop_table("ledger")
    assert caught.value.fix == "Use DOMAIN.ledger."


def test_an_unknown_table_names_the_nearest(ledger):
    with pytest.raises(UnknownNameError) as caught:
        read(ledger, "books.leger")
    assert caught.value.nearest == NAME
    with pytest.raises(UnknownNameError, match="There is no table named 'ledger'"):
        read(ledger, "ledger")


def test_an_unknown_column_names_the_nearest(ledger):
    with pytest.raises(UnknownNameError) as caught:
        read(ledger, NAME, ["number", "amuont"])
    assert (caught.value.nearest, caught.value.where) == ("amount", NAME)


def test_an_unknown_snapshot_tag_or_branch_names_the_nearest(ledger):
    table = ledger.table(NAME)
    snapshot_id = resolve(table)
    table.manage_snapshots().create_tag(snapshot_id, "quarter-end").commit()
    for asked, nearest in (("quarterend", "quarter-end"), ("mian", "main"), (snapshot_id - 1, str(snapshot_id))):
        with pytest.raises(UnknownNameError) as caught:
            read(ledger, NAME, at=asked)
        assert (caught.value.nearest, caught.value.where) == (nearest, NAME)


def test_a_time_before_the_first_snapshot_is_rejected(ledger):
    with pytest.raises(UnknownNameError, match="had no snapshot at 2001-01-01") as caught:
        read(ledger, NAME, at=datetime(2001, 1, 1, tzinfo=UTC))
    assert int(caught.value.nearest or 0) in {one.snapshot_id for one in ledger.table(NAME).metadata.snapshots}


# Writing and publishing.


def test_a_draft_is_not_seen_until_it_is_published(ledger):
    draft = draft_of(ledger, DAYS[1:2], "second")
    assert content(ledger) == expected(DAYS)
    assert audit_branches(ledger) == [draft.branch]
    published = publish(ledger, draft)
    assert content(ledger) == sorted(expected(DAYS[:1] + DAYS[2:]) + expected(DAYS[1:2], "second"))
    assert published.snapshot_id == draft.snapshot_id == resolve(ledger.table(NAME))
    assert published.rows == 50
    assert audit_branches(ledger) == [], "publishing drops the branch"


def test_a_first_draft_leaves_an_empty_table_until_it_is_published(lake):
    draft = write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance())
    assert content(lake) == []
    assert last_published(lake, NAME) is None
    assert content(lake, at=draft.branch) == expected(DAYS)
    publish(lake, draft)
    assert content(lake) == expected(DAYS)


def test_publishing_twice_changes_nothing(ledger):
    draft = draft_of(ledger, DAYS[1:2], "second")
    first = publish(ledger, draft)
    before = ledger.table(NAME).metadata_location
    assert publish(ledger, draft) == first
    assert ledger.table(NAME).metadata_location == before


def test_publishing_again_what_others_built_on_takes_nothing_back(ledger):
    draft = draft_of(ledger, DAYS[1:2], "second")
    mine = publish(ledger, draft)
    newer = publish(ledger, draft_of(ledger, DAYS[2:3], "third"))
    assert publish(ledger, draft) == mine
    assert resolve(ledger.table(NAME)) == newer.snapshot_id
    assert content(ledger, where=days_filter("at", DAYS[2:3])) == expected(DAYS[2:3], "third")


def test_a_draft_is_rejected_when_somebody_published_meanwhile(ledger):
    mine = draft_of(ledger, DAYS[1:2], "mine")
    theirs = draft_of(ledger, [DAYS[2], EVERY_DAY[9]], "theirs")
    main = publish(ledger, theirs).snapshot_id
    with pytest.raises(PublishConflictError) as caught:
        publish(ledger, mine)
    assert str(main) in str(caught.value)
    assert str(mine.base_snapshot_id) in str(caught.value)
    assert caught.value.where == NAME
    assert resolve(ledger.table(NAME)) == main
    kept = expected([DAYS[0], DAYS[1], DAYS[3], DAYS[4]]) + expected([DAYS[2], EVERY_DAY[9]], "theirs")
    assert content(ledger) == sorted(kept)
    assert audit_branches(ledger) == [mine.branch], "the failed draft stays for inspection"
    assert (DAYS[1].toordinal() * 1_000, "mine") in content(ledger, at=mine.branch)


def test_a_conflict_between_the_look_and_the_commit_is_rejected_too(ledger, monkeypatch):
    mine, theirs = draft_of(ledger, DAYS[1:2], "mine"), draft_of(ledger, DAYS[1:2], "theirs")
    looked = publish_module._check_ancestry

    def look_away(*words):
        looked(*words)
        monkeypatch.undo()
        publish(ledger, theirs)

    monkeypatch.setattr(publish_module, "_check_ancestry", look_away)
    with pytest.raises(PublishConflictError):
        publish(ledger, mine)
    assert content(ledger, where=days_filter("at", DAYS[1:2])) == expected(DAYS[1:2], "theirs")


def test_an_orphan_branch_never_replaces_main(ledger):
    table = ledger.table(NAME)
    main = resolve(table)
    table.append(
        ledger_rows(EVERY_DAY[8:9], note="orphan"), branch="audit-orphan"
    )  # pyiceberg makes it without a parent
    orphan = ledger.table(NAME).metadata.refs["audit-orphan"].snapshot_id
    with pytest.raises(PublishConflictError):
        publish(ledger, write_module.Draft(NAME, "audit-orphan", main, orphan))
    assert content(ledger) == expected(DAYS)


def test_a_draft_whose_branch_was_dropped_is_rejected_at_once(ledger):
    draft = draft_of(ledger, DAYS[1:2], "second")
    ledger.table(NAME).manage_snapshots().remove_branch(draft.branch).commit()
    started = time.monotonic()
    with pytest.raises(PublishConflictError, match=f"its branch {draft.branch} was dropped"):
        publish(ledger, draft)
    assert time.monotonic() - started < 2
    assert content(ledger) == expected(DAYS)


def test_drafts_of_one_table_can_be_written_at_the_same_time(ledger, monkeypatch):
    fill = write_module.fill
    others = []

    def meanwhile(*words):
        fill(*words)
        if not others:
            others.append(None)
            others[0] = draft_of(ledger, DAYS[2:3], "other")

    monkeypatch.setattr(write_module, "fill", meanwhile)
    mine = draft_of(ledger, DAYS[1:2], "mine")
    assert content(ledger, at=mine.branch, where="note != 'first'") == expected(DAYS[1:2], "mine")
    assert content(ledger, at=others[0].branch, where="note != 'first'") == expected(DAYS[2:3], "other")
    publish(ledger, mine)
    with pytest.raises(PublishConflictError):
        publish(ledger, others[0])


def test_a_draft_begins_at_the_snapshot_that_its_rows_were_made_from(ledger):
    base = resolve(ledger.table(NAME))
    rows = ledger_rows(DAYS[1:2], note="mine")
    publish(ledger, draft_of(ledger, DAYS[1:2], "theirs"))
    mine = write_draft(ledger, ledger_shape(), rows, provenance(), days_filter("at", DAYS[1:2]), base)
    assert mine.base_snapshot_id == base
    with pytest.raises(PublishConflictError):
        publish(ledger, mine)
    assert content(ledger, where=days_filter("at", DAYS[1:2])) == expected(DAYS[1:2], "theirs")


def test_replacing_days_leaves_the_other_days_files_untouched(ledger):
    before = files_by_day(ledger)
    publish(ledger, draft_of(ledger, DAYS[1:3], "second"))
    after = files_by_day(ledger)
    same = {day for day in before if before[day] == after[day]}
    assert same == {(day - date(1970, 1, 1)).days for day in (DAYS[0], DAYS[3], DAYS[4])}
    first, second = [one.snapshot_id for one in ledger.table(NAME).history()][-2:]
    assert list(changed_days(ledger, NAME, first, second) or ()) == DAYS[1:3]


def test_a_day_can_be_replaced_by_nothing(ledger):
    nothing = LEDGER.empty_table()
    where = days_filter("at", DAYS[1:2])
    publish(ledger, write_draft(ledger, ledger_shape(), nothing, provenance(run_id="emptied-run"), where))
    assert content(ledger) == expected(DAYS[:1] + DAYS[2:])
    made = last_published(ledger, NAME)
    assert made
    assert (made.run_id, made.rows) == ("emptied-run", 40)


def test_days_that_were_not_there_are_added(ledger):
    publish(ledger, draft_of(ledger, EVERY_DAY[7:9], "second"))
    assert content(ledger) == expected(DAYS) + expected(EVERY_DAY[7:9], "second")


def test_a_table_without_days_is_replaced_whole(lake):
    shape = TableShape("books.rates", pa.schema([("number", pa.int64()), ("note", pa.string())]))
    for note in ("first", "second"):
        rows = pa.table({"number": [1, 2], "note": [note] * 2})
        publish(lake, write_draft(lake, shape, rows, provenance()))
    assert content(lake, name="books.rates") == [(1, "second"), (2, "second")]
    first, second = [one.snapshot_id for one in lake.table("books.rates").history()][-2:]
    assert changed_days(lake, "books.rates", first, second) is None


def test_rows_with_other_columns_are_rejected(ledger):
    wider = LEDGER.append(pa.field("page", pa.int64()))
    rows = ledger_rows(DAYS[:1]).append_column("page", pa.array([1] * 10, pa.int64()))
    with pytest.raises(ContractError, match="page is new") as caught:
        write_draft(ledger, ledger_shape(schema=wider), rows, provenance())
    assert caught.value.where == NAME
    assert audit_branches(ledger) == []


def test_a_shape_with_a_column_that_is_not_there_is_rejected():
    with pytest.raises(DeclarationError) as caught:
        TableShape("books.ledger", LEDGER, "att")
    assert caught.value.nearest == "at"
    with pytest.raises(DeclarationError, match="'nubmer'"):
        TableShape("books.ledger", LEDGER, "at", column_docs={"nubmer": "x"})


def test_a_table_can_only_be_partitioned_by_a_time(lake):
    with pytest.raises(DeclarationError, match="is a string, not a timestamp"):
        write_draft(lake, TableShape(NAME, LEDGER, "note"), ledger_rows(DAYS), provenance())


def test_a_namespace_that_another_process_makes_at_the_same_time_is_used(lake, monkeypatch):
    exists = lake._catalog.namespace_exists

    def meanwhile(name):
        monkeypatch.undo()
        there = exists(name)
        scenario.make_lake(lake.home.root)._catalog.create_namespace("books")
        return there

    monkeypatch.setattr(lake._catalog, "namespace_exists", meanwhile)
    publish(lake, write_draft(lake, ledger_shape(), ledger_rows(DAYS), provenance()))
    assert content(lake) == expected(DAYS)


def test_the_declarations_words_reach_the_table(ledger):
    table = ledger.table(NAME)
    assert table.schema().find_field("number").doc == "The booking's number."
    assert table.properties["comment"] == "What was booked."
    assert table.properties["owner"] == "team:books"


# What a snapshot says of its making.


def test_a_published_snapshot_has_its_provenance(ledger):
    big = 2**63 - 1
    made = Provenance("run-abc", "def-1", {"fraud.b": big, "fraud.a": 7}, "1.2.3", {"clock": "2018-05-01"})
    where = days_filter("at", DAYS[:1])
    published = publish(ledger, write_draft(ledger, ledger_shape(), ledger_rows(DAYS[:1]), made, where))
    snapshot = ledger.table(NAME).snapshot_by_id(published.snapshot_id)
    properties = snapshot.summary.additional_properties
    assert properties["slipway.run-id"] == "run-abc"
    assert properties["slipway.code-version"] == code_version() != ""
    assert properties["slipway.definition"] == "def-1"
    assert properties["slipway.contract-version"] == "1.2.3"
    assert properties["slipway.clock"] == "2018-05-01"
    assert json.loads(properties["slipway.input-snapshots"]) == {"fraud.a": "7", "fraud.b": str(big)}, (
        "ids are texts: 2**53 is too small"
    )
    found = read_provenance(snapshot)
    assert found.input_snapshots == {"fraud.a": 7, "fraud.b": big}
    assert (found.run_id, found.contract, found.rows) == ("run-abc", "1.2.3", 50)
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=1)


def test_every_snapshot_of_a_write_has_its_provenance(ledger):
    publish(ledger, draft_of(ledger, DAYS[:2], "second", run_id="replacing-run"))
    ours = [one for one in ledger.table(NAME).metadata.snapshots if read_provenance(one).run_id == "replacing-run"]
    assert [one.summary.operation.value for one in ours] == ["delete", "append"]


def test_a_snapshot_by_others_has_no_provenance(ledger):
    ledger.table(NAME).append(ledger_rows(EVERY_DAY[9:10]))
    theirs = last_published(ledger, NAME)
    assert (theirs.definition, theirs.operation, theirs.rows) == ("", "append", 60)
    found = read_provenance(ledger.table(NAME).current_snapshot())
    assert (found.run_id, found.input_snapshots, found.rows) == ("", {}, 60)


# The audit.


def test_a_failing_audit_leaves_main_untouched_and_the_branch_readable(ledger):
    main = resolve(ledger.table(NAME))
    audited = []

    def look(lake, draft):
        audited.append(content(lake, at=draft.branch, where=days_filter("at", DAYS[:1])))
        refuse()

    rows = ledger_rows(DAYS[:1], note="bad")
    with pytest.raises(ContractError, match="The rows are bad"):
        write_audit_publish(ledger, ledger_shape(), rows, provenance(), days_filter("at", DAYS[:1]), look)
    assert audited == [expected(DAYS[:1], "bad")], "the audit reads the branch"
    assert resolve(ledger.table(NAME)) == main
    assert content(ledger) == expected(DAYS)
    (branch,) = audit_branches(ledger)
    assert branch.startswith(f"{AUDIT_PREFIX}run-1234-"), "the run is in the branch's name"
    assert content(ledger, at=branch, where=days_filter("at", DAYS[:1])) == expected(DAYS[:1], "bad")


def test_a_passing_audit_is_followed_by_publishing(ledger):
    rows = ledger_rows(DAYS[:1], note="good")
    replace = days_filter("at", DAYS[:1])
    published = write_audit_publish(ledger, ledger_shape(), rows, provenance(), replace, accept).published
    assert published.snapshot_id == resolve(ledger.table(NAME))
    assert content(ledger) == expected(DAYS[:1], "good") + expected(DAYS[1:])
    assert audit_branches(ledger) == []


def result(name, *, passed, blocking=True):
    return CheckResult(name, passed, f"{name} was checked.", blocking)


def test_a_failed_blocking_check_stops_publishing_and_is_named(ledger):
    main = resolve(ledger.table(NAME))
    results = [result("fine", passed=True), result("bad", passed=False), result("odd", passed=False, blocking=False)]
    prepared = []
    with pytest.raises(AuditError, match="bad was checked") as caught:
        write_audit_publish(
            ledger,
            ledger_shape(),
            ledger_rows(DAYS),
            provenance(),
            None,
            lambda *_: results,
            before_publish=lambda: prepared.append(None),
        )
    assert caught.value.check_results == results, "the error has the results of all checks"
    assert "odd" not in caught.value.what
    assert (resolve(ledger.table(NAME)), prepared) == (main, [])
    (branch,) = audit_branches(ledger)
    assert branch in caught.value.fix


def test_the_results_of_the_audit_are_returned_with_what_was_published(ledger):
    results = [result("fine", passed=True), result("odd", passed=False, blocking=False)]
    written = write_audit_publish(ledger, ledger_shape(), ledger_rows(DAYS[:1]), provenance(), None, lambda *_: results)
    assert written.check_results == tuple(results)
    assert written.published.snapshot_id == resolve(ledger.table(NAME))


def test_what_has_to_be_ahead_of_a_table_is_written_after_its_audit_and_before_its_commit(ledger):
    main, steps = resolve(ledger.table(NAME)), []

    def audit(*_):
        steps.append("audit")
        return ()

    def before_publish():
        steps.append("before")
        assert resolve(ledger.table(NAME)) == main
        raise PublishConflictError("Somebody was faster.")

    with pytest.raises(PublishConflictError, match="Somebody was faster"):
        write_audit_publish(
            ledger, ledger_shape(), ledger_rows(DAYS[:1]), provenance(), None, audit, None, before_publish
        )
    assert steps == ["audit", "before"]
    assert resolve(ledger.table(NAME)) == main


def test_a_draft_that_lost_rows_or_columns_fails_its_checks(ledger):
    draft = draft_of(ledger, DAYS[:2], "second")
    assert check_row_count(ledger, draft, 50).passed
    short = check_row_count(ledger, draft, 20, days_filter("at", DAYS[:1]))
    assert (short.passed, short.measured) == (False, {"rows": 10, "expected": 20})
    assert check_columns_match(ledger, draft, ledger_shape()).passed
    other = check_columns_match(ledger, draft, ledger_shape(schema=WIDER))
    assert not other.passed
    assert "page is new" in other.message


def test_nothing_but_the_write_path_publishes():
    top = Path(__file__).parents[2]
    publishing = {
        str(path.relative_to(top))
        for folder in ("lakehouse", "orchestration", "serving", "assets")
        for path in (top / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module == "lakehouse.tables.publish"
        and {"publish", "change_schema"} & {one.name for one in node.names}
    }
    assert publishing == {"lakehouse/tables/write_audit_publish.py"}


def test_old_audit_branches_go_with_the_next_write(ledger, monkeypatch):
    old = draft_of(ledger, DAYS[:1], "rejected")
    monkeypatch.setattr(write_module, "BRANCH_AGE", timedelta(milliseconds=50))
    time.sleep(0.1)
    ledger.table(NAME).manage_snapshots().create_branch(resolve(ledger.table(NAME)), "of-somebody-else").commit()
    new = draft_of(ledger, DAYS[1:2], "second")
    assert audit_branches(ledger) == [new.branch] != [old.branch]
    assert "of-somebody-else" in ledger.table(NAME).metadata.refs
    publish(ledger, new)


def test_audit_branches_are_kept_for_a_week(ledger):
    draft_of(ledger, DAYS[:1], "rejected")
    table, now = ledger.table(NAME), datetime.now(UTC)
    assert write_module.expired_branches(table, now + timedelta(days=6, hours=23)) == []
    assert write_module.expired_branches(table, now + timedelta(days=7, minutes=1)) == audit_branches(ledger)


def test_a_branch_that_was_just_opened_on_an_old_snapshot_is_not_old(ledger, monkeypatch):
    monkeypatch.setattr(write_module, "BRANCH_AGE", timedelta(milliseconds=400))
    time.sleep(0.5)  # main is older now than a branch may get
    fill = write_module.fill
    others = []

    def meanwhile(*words):
        if not others:
            others.append(None)
            others[0] = draft_of(ledger, DAYS[2:3], "other")
        fill(*words)

    monkeypatch.setattr(write_module, "fill", meanwhile)
    mine = draft_of(ledger, DAYS[1:2], "mine")
    assert set(audit_branches(ledger)) == {mine.branch, others[0].branch}
    publish(ledger, mine)
    assert content(ledger, where="note = 'mine'") == expected(DAYS[1:2], "mine")


def test_an_abandoned_empty_branch_goes_too(ledger):
    base = resolve(ledger.table(NAME))
    write_module._open_branch(ledger, NAME, f"{AUDIT_PREFIX}killed", base)
    table, now = ledger.table(NAME), datetime.now(UTC)
    assert write_module.expired_branches(table, now + timedelta(days=6)) == []
    assert write_module.expired_branches(table, now + timedelta(days=7, minutes=1)) == [f"{AUDIT_PREFIX}killed"]


# Changed schemas.

WIDER = pa.schema(
    [("number", pa.int64()), ("at", pa.timestamp("us")), ("amount", pa.string()), ("page", pa.int32())]
)  # `note` is gone, `page` is new, `amount` is a text now


def wider_rows(days):
    rows = pl.DataFrame(pl.from_arrow(ledger_rows(days)))
    rows = rows.with_columns(amount=pl.col("amount").cast(pl.String), page=pl.lit(3, pl.Int32)).drop("note")
    return rows.to_arrow().cast(WIDER)


def test_columns_are_added_dropped_and_retyped_in_one_commit(ledger):
    before, versions = resolve(ledger.table(NAME)), len(ledger.table(NAME).metadata.metadata_log)
    shape = ledger_shape(schema=WIDER)
    replace = days_filter("at", DAYS[:1])
    published = write_audit_publish(ledger, shape, wider_rows(DAYS[:2]), provenance(), replace, accept).published
    table = ledger.table(NAME)
    assert len(table.metadata.metadata_log) == versions + 1
    assert {one.name: str(one.field_type) for one in table.schema().fields} == {
        "number": "long",
        "at": "timestamp",
        "amount": "string",
        "page": "int",
    }
    found = read(ledger, NAME).sort_by("number")
    assert found.select(WIDER.names).equals(wider_rows(DAYS[:2])), "a schema change replaces the whole table"
    assert published.rows == 20
    assert content(ledger, at=before) == expected(DAYS), "the past keeps its columns and types"
    assert ledger.names() == [NAME], "the trial table is gone"
    assert published_days(ledger, NAME) == DAYS[:2]


def test_a_changed_schema_is_audited_before_it_touches_the_table(ledger):
    table = ledger.table(NAME)
    seen = []

    def look(lake, draft):
        seen.append(read(lake, draft.name, at=draft.branch).sort_by("number").select(WIDER.names))
        assert lake.table(NAME).metadata_location == table.metadata_location
        refuse()

    shape = ledger_shape(schema=WIDER)
    with pytest.raises(ContractError, match="The rows are bad"):
        write_audit_publish(ledger, shape, wider_rows(DAYS[:2]), provenance(), None, look)
    assert seen == [wider_rows(DAYS[:2])]
    assert ledger.table(NAME).metadata_location == table.metadata_location, "not even the schema changed"
    assert read(ledger, NAME).schema.equals(LEDGER)
    # The next try repeats the trial and succeeds.
    write_audit_publish(ledger, shape, wider_rows(DAYS[:3]), provenance(), None, accept)
    assert len(read(ledger, NAME)) == 30


def test_a_writer_with_the_old_columns_is_rejected_after_the_change(ledger):
    mine = draft_of(ledger, DAYS[:1], "mine")
    write_audit_publish(ledger, ledger_shape(schema=WIDER), wider_rows(DAYS), provenance(), None, accept)
    with pytest.raises(PublishConflictError):
        publish(ledger, mine)
    with pytest.raises(ContractError, match="page is gone"):
        draft_of(ledger, DAYS[:1], "mine")
    assert len(read(ledger, NAME)) == 50


def test_the_column_that_partitions_a_table_cannot_change(ledger):
    renamed = pa.schema([("number", pa.int64()), ("booked_at", pa.timestamp("us")), ("note", pa.string())])
    rows = ledger_rows(DAYS).drop_columns("amount").rename_columns(renamed.names)
    with pytest.raises(ContractError, match="'at' partitions the table by day") as caught:
        write_audit_publish(ledger, TableShape(NAME, renamed, "booked_at"), rows, provenance(), None, accept)
    assert "--drop" in (caught.value.fix or "")
    assert read(ledger, NAME).schema.equals(LEDGER)


@pytest.mark.parametrize("filled", [True, False], ids=["with rows", "without rows"])
def test_a_schema_change_keeps_what_somebody_published_meanwhile(lake, monkeypatch, filled):
    write_module.ensure_table(lake, ledger_shape())
    if filled:
        publish(lake, draft_of(lake, DAYS[:2], "first"))
    fill = publish_module.fill

    def meanwhile(*words):
        fill(*words)
        monkeypatch.undo()
        publish(lake, draft_of(lake, DAYS[2:3], "theirs"))

    monkeypatch.setattr(publish_module, "fill", meanwhile)
    with pytest.raises(PublishConflictError):
        change_schema(lake, ledger_shape(schema=WIDER), wider_rows(DAYS[:2]), provenance())
    assert content(lake) == (expected(DAYS[:2]) if filled else []) + expected(DAYS[2:3], "theirs")
    assert read(lake, NAME).schema.equals(LEDGER)


def test_a_schema_change_made_from_an_older_state_is_rejected(ledger):
    base = resolve(ledger.table(NAME))
    publish(ledger, draft_of(ledger, DAYS[2:3], "theirs"))
    with pytest.raises(PublishConflictError):
        change_schema(ledger, ledger_shape(schema=WIDER), wider_rows(DAYS), provenance(), base)
    assert read(ledger, NAME).schema.equals(LEDGER)


def test_a_schema_change_goes_on_when_somebody_only_opened_a_branch(ledger, monkeypatch):
    fill = publish_module.fill

    def meanwhile(*words):
        fill(*words)
        monkeypatch.undo()
        draft_of(ledger, DAYS[2:3], "draft")

    monkeypatch.setattr(publish_module, "fill", meanwhile)
    change_schema(ledger, ledger_shape(schema=WIDER), wider_rows(DAYS[:2]), provenance())
    assert read(ledger, NAME).sort_by("number").select(WIDER.names).equals(wider_rows(DAYS[:2]))


# Keeping a table up to date with its inputs.

MADE = "books.made"


def made_work(lake):
    return plan_build(lake, MADE, [Input(NAME)], "definition-1")


def compute(lake):
    """The ledger's rows of the days to do, marked as made."""

    def rows_of(work: BuildPlan):
        where = days_filter("at", work.days) if work.days is not None else None
        rows = read(lake, NAME, at=work.input_snapshots[NAME], where=where).sort_by("number")
        made = pa.array([f"made of {note}" for note in rows["note"].to_pylist()], pa.string())
        return Computed(ledger_shape(MADE), rows.set_column(3, "note", made))

    return rows_of


def bring(lake, computing=None, audit=accept):
    return bring_up_to_date(lake, lambda: made_work(lake), computing or compute(lake), audit, run_id="made-run")


def test_a_derived_table_follows_its_input_day_by_day(ledger):
    assert bring(ledger).days is None, "at first everything is made"
    assert content(ledger, name=MADE) == expected(DAYS, "made of first")
    publish(ledger, draft_of(ledger, [DAYS[2], EVERY_DAY[9]], "second"))
    outcome = bring(ledger)
    assert outcome.days == (DAYS[2], EVERY_DAY[9])
    kept = expected(set(DAYS) - {DAYS[2]}, "made of first")
    assert content(ledger, name=MADE) == sorted(kept + expected(outcome.days, "made of second"))
    made = last_published(ledger, MADE)
    assert made
    assert made.input_snapshots == {NAME: resolve(ledger.table(NAME))}


def test_nothing_is_done_when_nothing_changed(ledger):
    first = bring(ledger)
    before = ledger.table(MADE).metadata_location
    again = bring(ledger, computing=lambda _: pytest.fail("nothing to compute"))
    assert not again.recomputed
    assert (again.snapshot_id, again.rows) == (first.snapshot_id, first.rows)
    assert ledger.table(MADE).metadata_location == before


def test_a_conflict_makes_the_work_be_done_again_from_the_new_state(ledger):
    bring(ledger)
    publish(ledger, draft_of(ledger, DAYS[2:3], "second"))
    rounds = []

    def computing(work):
        made = compute(ledger)(work)
        rounds.append(work.days)
        if len(rounds) == 1:
            publish(ledger, draft_of(ledger, DAYS[3:4], "third"))
            bring(ledger)  # another run brings both days while this one computes
        return made

    outcome = bring(ledger, computing)
    assert rounds == [(DAYS[2],)]
    assert not outcome.recomputed
    assert content(ledger, name=MADE, where="note = 'made of third'") == expected(DAYS[3:4], "made of third")


def test_a_table_that_two_runs_make_first_is_not_made_of_older_rows(ledger):
    def computing(work):
        made = compute(ledger)(work)
        if not ledger.has(MADE):
            publish(ledger, draft_of(ledger, EVERY_DAY[9:10], "newer"))
            bring(ledger)
        return made

    bring(ledger, computing)
    assert content(ledger, name=MADE, where="note = 'made of newer'") == expected(EVERY_DAY[9:10], "made of newer")


def test_conflict_after_conflict_is_given_up_with_a_clear_error(ledger):
    bring(ledger)
    rounds = []

    def audit(draft, _):
        rounds.append(draft)
        publish(ledger, write_draft(ledger, ledger_shape(MADE), ledger_rows(DAYS), provenance(definition="other")))
        return ()

    publish(ledger, draft_of(ledger, DAYS[2:3], "second"))
    with pytest.raises(PublishConflictError, match=f"Another process published {MADE}"):
        bring(ledger, audit=audit)
    assert len(rounds) == 3


def test_warnings_are_not_part_of_a_write(ledger):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        publish(ledger, draft_of(ledger, DAYS[1:3], "second"))
        bring(ledger)


def test_a_write_reports_its_own_snapshot_when_another_is_published_right_after_it(ledger, monkeypatch):
    mine = draft_of(ledger, DAYS[:1], "mine")
    commit = ledger.commit

    def followed(*words):
        commit(*words)
        monkeypatch.undo()
        publish(ledger, draft_of(ledger, DAYS[1:2], "theirs"))

    monkeypatch.setattr(type(ledger), "commit", lambda _, *words: followed(*words))
    published = publish(ledger, mine)
    assert published.snapshot_id == mine.snapshot_id != resolve(ledger.table(NAME))
    assert published.rows == 10 * len(DAYS)


def test_a_filter_of_no_days_is_true_of_no_row(ledger):
    assert content(ledger, where=days_filter("at", [])) == []
    before = files_by_day(ledger)
    publish(ledger, draft_of(ledger, [], "none"))
    assert content(ledger) == expected(DAYS)
    assert files_by_day(ledger) == before

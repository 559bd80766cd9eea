"""Taking up what Spark's listener wrote: whose a query is, what is kept of it, and that nothing is lost or doubled.

What belongs here: files made by hand. Not: the listener in a real Spark (integration/test_spark_listener.py), steps of
real runs (integration/test_lineage_runs.py).
"""

import json
import resource
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from openlineage.client.facet_v2 import parent_run

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import SettingsError
from lakehouse.lineage.emit import names
from lakehouse.lineage.emit.masking import Masking
from lakehouse.lineage.emit.outbox import Outbox
from lakehouse.lineage.spark import files as spark_files
from lakehouse.lineage.spark.events import Places, events_of
from lakehouse.lineage.spark.files import SparkFiles, note_step
from lakehouse.settings import Settings
from lakehouse.spark import listener, session
from lakehouse.spark.listener import events_file, listener_properties
from tests import scenario
from tests.spark_queries import SECRET, Event, age, dataset, facet, query, run_id, wrote

BEGIN = 1_790_000_000.0
RUN = "9b2f4f6a-0000-4000-8000-000000000001"


def under(run_id: str, step: str) -> parent_run.ParentRunFacet | None:
    """The facet for a step's queries; of another run nobody knows anything."""
    if run_id != RUN:
        return None
    root = parent_run.Root(parent_run.RootRun(RUN), parent_run.RootJob("slipway", "shop_main"))
    return parent_run.ParentRunFacet(
        parent_run.Run(names.step_run(run_id, step)), parent_run.Job("slipway", step), root
    )


@pytest.fixture
def files(lake: Lakehouse) -> Iterator[SparkFiles]:
    """The files of a home in which nothing was written yet."""
    yield again(lake)
    let_go()


def let_go() -> None:
    """As if this process were gone."""
    for one in spark_files._notes.values():
        one.close()
    spark_files._notes.clear()
    for held in spark_files._alive.values():
        held.release()
    spark_files._alive.clear()


def again(lake: Lakehouse) -> SparkFiles:
    """As another process would see them, or this one after a crash."""
    return SparkFiles(lake, Outbox(lake.home.lineage / "outbox.db"), Masking(), under)


def steps(lineage: Path, *began: tuple[float, str]) -> None:
    """Note steps by the seconds after the beginning; one without a name is an end."""
    for at, step in began:
        note_step(lineage, BEGIN + at, *((RUN, step) if step else ()))


def events_in(files: SparkFiles) -> list[tuple[str, str, str]]:
    """Kind, job and query of what is in the outbox."""
    found = [one.body for one in files.outbox.waiting("nobody", 1_000)]
    return [(one["eventType"], one["job"]["name"], one["run"]["runId"][-1]) for one in found]


def test_a_query_belongs_to_the_step_at_whose_time_it_began(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"), (10, ""), (10.0004, "shop.second"), (20, ""), (30, "shop.third"), (40, ""))
    wrote(
        lineage,
        query("START", 0, BEGIN + 1),
        query("START", 1, BEGIN + 2),
        query("RUNNING", 1, BEGIN + 3),
        query("COMPLETE", 1, BEGIN + 11),  # Spark tells late: what counts is when it began
        query("START", 2, BEGIN + 10.0005),  # in the millisecond in which the step began
        query("COMPLETE", 2, BEGIN + 12),
        query("START", 3, BEGIN + 21),
        query("COMPLETE", 3, BEGIN + 22),
        query("COMPLETE", 0, BEGIN + 23),
        query("START", 4, BEGIN + 29),  # between steps it is nobody's work, wherever it ends
        query("COMPLETE", 4, BEGIN + 31),
    )
    assert files.take() == 4
    assert events_in(files) == [
        ("START", "shop.first.append_data", "1"),
        ("COMPLETE", "shop.first.append_data", "1"),
        ("START", "shop.second.append_data", "2"),
        ("COMPLETE", "shop.second.append_data", "2"),
    ]
    assert files.outbox.keys_of(RUN) == {f"{run_id(one)}/{kind}" for one in (1, 2) for kind in ("START", "END")}
    for one in files.outbox.waiting("nobody"):
        parent = one.body["run"]["facets"]["parent"]
        assert parent["root"]["run"]["runId"] == RUN
        assert parent["run"]["runId"] == names.step_run(RUN, parent["job"]["name"])


def test_what_is_taken_up_twice_is_there_once_and_half_a_line_waits(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    end = json.dumps(query("COMPLETE", 1, BEGIN + 2)).encode()
    wrote(lineage, query("START", 1, BEGIN + 1), raw=end[:100])
    assert files.take() == 1
    assert files.take() == 0
    wrote(lineage, raw=end[100:] + b"\n")
    assert files.take() == 1
    assert again(files.lake).take() == 0
    assert [kind for kind, *_ in events_in(files)] == ["START", "COMPLETE"]


def test_an_outbox_that_cannot_be_written_loses_nothing(files: SparkFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    wrote(lineage, query("START", 1, BEGIN + 1))
    assert files.take() == 1
    steps(lineage, (2, ""))
    wrote(lineage, query("COMPLETE", 1, BEGIN + 3), query("COMPLETE", 1, BEGIN + 4))

    def full(*_: object) -> int:
        raise sqlite3.OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "add", full)
        with pytest.raises(sqlite3.OperationalError):
            files.take()
    assert files.take() == 1


def test_lines_that_are_no_events_are_skipped_and_all_others_reported(
    files: SparkFiles, caplog: pytest.LogCaptureFixture
) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    odd = {**query("START", 4, BEGIN + 1), "eventTime": "yesterday"}
    strange = (
        b'{"eventType": "STA\n\xff\xfe\x00\n[]\n{}\nnull\n{"run": 1, "job": 2}\n' + json.dumps(odd).encode() + b"\n"
    )
    wrote(lineage, query("START", 1, BEGIN + 1), raw=strange)
    with events_file(lineage).with_suffix(".steps").open("ab") as notes:
        notes.write(b"no step\n[1]\n")
    wrote(lineage, query("COMPLETE", 1, BEGIN + 2))
    assert files.take() == 2
    wrote(lineage, raw=strange)
    assert files.take() == 0
    assert [one.getMessage() for one in caplog.records if "no event" in one.getMessage()] == [
        f"Lineage left out what is no event in {events_file(lineage).name}: Spark's listener wrote it, or somebody."
    ]


def test_of_a_query_that_failed_the_first_end_counts(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    kinds = ("START", "FAIL", "COMPLETE")
    wrote(lineage, *(query(kind, 1, BEGIN + place) for place, kind in enumerate(kinds, start=1)))
    assert files.take() == 2
    assert [kind for kind, *_ in events_in(files)] == ["START", "FAIL"]


def test_the_end_of_a_run_waits_for_ends_that_spark_reports_late(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    wrote(lineage, query("START", 1, BEGIN + 1))
    assert files.take(wait=0.05) == 1
    wrote(lineage, query("COMPLETE", 1, BEGIN + 2))
    assert files.take(wait=60) == 1  # and does not wait when there is nothing to wait for


def test_steps_of_runs_that_dagster_does_not_know_are_nobodys(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    note_step(lineage, BEGIN, "another-run", "shop.first")
    wrote(lineage, query("START", 1, BEGIN + 1), query("COMPLETE", 1, BEGIN + 2))
    assert files.take() == 0


def test_a_note_on_a_full_disk_is_an_error_and_takes_no_other_note_with_it(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    whole = events_file(lineage).with_suffix(".steps").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 5, hard))
    try:
        with pytest.raises(OSError, match="space"):
            steps(lineage, (10, ""))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    steps(lineage, (20, "shop.second"))
    wrote(lineage, query("START", 1, BEGIN + 21))
    assert files.take() == 1
    assert events_in(files) == [("START", "shop.second.append_data", "1")]


def test_what_a_process_left_is_taken_up_its_queries_end_and_the_files_go(files: SparkFiles) -> None:
    lineage = files.lake.home.lineage
    steps(lineage, (0, "shop.first"))
    wrote(
        lineage,
        query("START", 1, BEGIN + 1, inputs=[dataset("s3://lake", "raw")]),
        query("START", 2, BEGIN + 2),
        query("COMPLETE", 2, BEGIN + 3),
        raw=b'{"eventType": "COMPL',
    )
    assert files.take() == 3
    mine = events_file(lineage)
    for suffix in (".jsonl", ".steps", ".lock"):
        mine.with_suffix(suffix).rename(mine.with_name(f"1-1{suffix}"))
    age(lineage)
    assert again(files.lake).take_left() == 0  # whose files they are still works on them
    let_go()
    wrote(lineage, raw=b"\n")
    events_file(lineage).rename(mine.with_name("1-2.jsonl"))
    (mine.parent / "1-1.jsonl").touch()
    assert again(files.lake).take_left() == 0  # its Spark may have something to tell yet
    age(lineage)
    assert again(files.lake).take_left() == 1
    assert events_in(files)[-1] == ("ABORT", "shop.first.append_data", "1")
    last = files.outbox.waiting("nobody")[-1].body
    assert last["eventTime"] == query("COMPLETE", 2, BEGIN + 3)["eventTime"]
    assert last["inputs"] == []
    assert not list(mine.parent.iterdir())
    assert again(files.lake).take_left() == 0


# What is kept of an event

TABLE = names.Named("file", "/home/warehouse/shop/orders")
PLACES = Places((TABLE, names.Named("s3://lake", "wh/shop/items")), (names.Named("file", "/home"),))


def kept(inputs: list[Event] | None = None, outputs: list[Event] | None = None) -> Event:
    parent = under(RUN, "shop.first")
    assert parent is not None
    found = events_of(
        query("COMPLETE", 1, BEGIN, inputs=inputs, outputs=outputs), parent, lambda: PLACES, Masking(("token-1234",))
    )
    assert found is not None
    return found.body


def test_a_table_has_one_name_however_a_query_names_it() -> None:
    read = facet(rowCount=3)
    body = kept(
        inputs=[
            dataset("file", TABLE.name, inputFacets={"inputStatistics": read, "subset": facet()}),
            dataset("file", f"{TABLE.name}/data"),
            dataset("file", f"{TABLE.name}/data/day=2024-01-01/"),
            dataset("s3a://lake", "/wh/shop/items/data"),
            dataset("file", "/home/warehouse/shop/orders_of_others"),  # in the home, and no table of it
        ]
    )
    assert body["inputs"] == [
        {**TABLE._asdict(), "inputFacets": {"inputStatistics": read}},
        {"namespace": "s3://lake", "name": "wh/shop/items"},
    ]


def test_drafts_scratch_and_deliveries_are_no_datasets_and_what_is_elsewhere_is() -> None:
    body = kept(
        inputs=[dataset("file", "/home/drop/shop/orders"), dataset("kafka://127.0.0.1", "orders")],
        outputs=[
            dataset("file", TABLE.name),
            dataset("file", "/home/work/scratch"),
            dataset("file", "/home2/report", outputFacets={"outputStatistics": facet(rowCount=1)}),
            dataset("https://me:token-1234@127.0.0.1", "a"),
        ],
    )
    assert body["inputs"] == [{"namespace": "kafka://127.0.0.1", "name": "orders"}]
    assert [(one["namespace"], one["name"]) for one in body["outputs"]] == [
        ("file", "/home2/report"),
        ("https://***@127.0.0.1", "a"),
    ]
    assert set(body["outputs"][0]["outputFacets"]) == {"outputStatistics"}


def test_only_what_is_known_to_be_harmless_is_kept() -> None:
    body = kept()
    assert set(body["run"]["facets"]) == {"parent", "processing_engine", "spark_applicationDetails"}
    assert set(body["job"]["facets"]) == {"jobType"}
    assert SECRET not in json.dumps(body)


# Switching it on


def test_the_listener_is_off_unless_it_is_switched_on_and_others_stay(lake: Lakehouse) -> None:
    assert listener_properties(lake.settings, lake.home, "") == {}
    on = Settings.from_environment({"SLIPWAY_SPARK_LISTENER": "on"}, home=lake.home.root)
    events_in = listener_properties(on, lake.home, "org.example.Other")
    assert events_in["spark.extraListeners"] == f"org.example.Other,{listener._CLASS}"
    assert events_in["spark.openlineage.transport.location"] == str(events_file(lake.home.lineage))
    assert events_in["spark.openlineage.facets.sql.disabled"] == "true"
    with pytest.raises(SettingsError, match="neither on nor off") as caught:
        Settings.from_environment({"SLIPWAY_SPARK_LISTENER": "of"}, home=lake.home.root)
    assert caught.value.nearest == "off"


def test_spark_connect_is_reported_to_have_listeners_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"SLIPWAY_SPARK_LISTENER": "on", "SLIPWAY_SPARK_MASTER": "sc://127.0.0.1:1"}
    lake = scenario.make_lake(tmp_path / "home", {**scenario.SPARK, **given})
    assert listener_properties(lake.settings, lake.home, "") == {}
    monkeypatch.setattr(session, "_check_answers", lambda _: None)
    monkeypatch.setattr("pyspark.sql.SparkSession.builder", None)
    with pytest.raises(SettingsError, match="does not start"):
        session.spark_of(lake)
    assert "whoever starts the server decides" in caplog.text

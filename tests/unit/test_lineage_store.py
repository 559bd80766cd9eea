"""The lineage store: what is rejected, duplicates, and that events in any order give the same rows.

What belongs here: lakehouse/lineage/{validation,derivation,store}.py. Not: what the graph makes of it
(test_lineage_graph.py), other databases (integration/test_lineage_postgres.py).
"""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from lakehouse.errors import SettingsError
from lakehouse.lineage.store import schema as tables
from lakehouse.lineage.store.store import BadEventError, Store, open_store
from lakehouse.lineage.store.validation import LARGEST_EVENT, MOST_DATASETS, MOST_FACETS, given_event, read_event
from lakehouse.settings import Settings
from tests import sample_events as sample

AMOUNTING = (
    *(tables.datasets, tables.symlinks, tables.jobs, tables.contents, tables.facets, tables.runs, tables.run_facets),
    *(tables.run_datasets, tables.versions, tables.edges),
)


@pytest.fixture
def store(tmp_path):
    opened = open_store(Settings.from_environment({}, home=tmp_path / "home"))
    yield opened
    opened.close()


def amounts_to(store):
    """All that the store holds but when it was written."""
    found = {}
    with store.engine.connect() as connection:
        for table in AMOUNTING:
            columns = [column for column in table.c if column.name != "generation"]
            found[table.name] = {tuple(row) for row in connection.execute(select(*columns))}
        found["events"] = set(connection.scalars(select(tables.events.c.id)))
    return found


def in_memory():
    engine = create_engine("sqlite://", connect_args={"check_same_thread": False})
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(tables.state.insert(), {"id": 1, "format": tables.FORMAT, "generation": 0})
    return Store(engine)


# The same again.


def test_the_same_event_again_changes_nothing(store):
    first = sample.world()
    assert store.receive_many(first) == len(first)
    before, generation = amounts_to(store), store.generation()
    assert store.receive_many(first) == 0
    assert not store.receive(first[3])
    assert (amounts_to(store), store.generation()) == (before, generation)


def test_an_event_that_is_written_differently_is_the_same_event(store):
    one = sample.world()[2]
    other = json.loads(json.dumps(dict(reversed(one.items())), indent=3))
    assert store.receive(one)
    assert not store.receive(other)


def test_of_many_events_none_is_kept_when_one_is_rejected(store):
    events = [*sample.world(), {**sample.world()[0], "eventTime": "yesterday"}]
    with pytest.raises(BadEventError):
        store.receive_many(events)
    assert not any(amounts_to(store).values())
    assert store.generation() == 0


# Any order.

RUN = [
    *sample.made(
        "fraud.customer_spend",
        7,
        1,
        [sample.dataset("fraud.transactions", version=1)],
        version=1,
        rows=5,
        columns={},
    ),
    sample.event("RUNNING", "fraud.customer_spend", 7, 1.5, [sample.dataset("fraud.reports", version=3)], []),
    sample.event("OTHER", "fraud.customer_spend", 7, 3, [], [], parent=sample.parent(12)),
    sample.event("FAIL", "fraud.customer_spend", 7, 2, [sample.dataset("fraud.transactions", version=2)], []),
    sample.event(
        "START", "fraud.another_name", 7, 1, [], [sample.dataset("fraud.customer_spend", columns={"a": "int"})]
    ),
    sample.event(
        "ABORT",
        "fraud.customer_spend",
        8,
        9,
        [sample.dataset("fraud.reports")],
        [sample.dataset("fraud.x")],
    ),
    {**sample.event("START", "fraud.customer_spend", 7, 1), "eventType": None},
]


@settings(max_examples=25)
@given(
    st.permutations(RUN), st.lists(st.sampled_from(RUN), max_size=4), st.lists(st.booleans(), min_size=11, max_size=11)
)
def test_events_of_a_run_come_to_the_same_in_any_order_and_any_number_of_times(order, again, cuts):
    in_order, shuffled = in_memory(), in_memory()
    in_order.receive_many(RUN)
    batch = []
    for one, cut in zip([*order, *again], cuts, strict=False):
        batch.append(one)
        if cut:
            shuffled.receive_many(batch)
            batch = []
    shuffled.receive_many(batch)
    assert amounts_to(shuffled) == amounts_to(in_order)


def test_a_run_that_ended_does_not_run_again(store):
    end = sample.event("COMPLETE", "job", 1, 5)
    for one in (end, sample.event("RUNNING", "job", 1, 4), sample.event("RUNNING", "job", 1, 6)):
        store.receive(one)
    assert state_of(store, 1) == ("COMPLETE", 5)


def test_of_two_ends_the_later_one_counts(store):
    for kind, minutes in (("FAIL", 7), ("COMPLETE", 5), ("ABORT", 6)):
        store.receive(sample.event(kind, "job", 1, minutes))
    assert state_of(store, 1) == ("FAIL", 7)


def test_a_run_of_which_only_other_events_came_has_no_state_yet(store):
    store.receive(sample.event("OTHER", "job", 1, 1))
    assert state_of(store, 1) == ("OTHER", None)


def state_of(store, number):
    with store.engine.connect() as connection:
        row = connection.execute(select(tables.runs).where(tables.runs.c.id == sample.run_id(number))).one()
    begin = round(sample.BEGIN.timestamp() * 1e6)
    return row.state, None if row.ended is None else (row.ended - begin) / 60e6


# Several at once.


def test_two_writers_at_once_lose_and_double_nothing(store, tmp_path):
    other = open_store(Settings.from_environment({}, home=tmp_path / "home"))
    events = [one for turn in range(12) for one in sample.world(turn)]
    taken = []

    def write(through, mine):
        taken.append(sum(through.receive(one) for one in mine))

    writers = [
        threading.Thread(target=write, args=(through, mine))
        for through, mine in ((store, events), (other, events[::-1]))
    ]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    other.close()
    alone = in_memory()
    alone.receive_many(events)
    assert sum(taken) == len(events)
    assert amounts_to(store) == amounts_to(alone)


# What is rejected.


def changed(**parts):
    return {**sample.world()[2], **parts}


def with_output(**facets):
    one = sample.world()[2]
    one["outputs"] = [{**sample.place("x"), "facets": facets}]
    return one


def deep(levels):
    value = "end"
    for _ in range(levels):
        value = {"in": value}
    return value


SOON = (datetime.now(UTC) + timedelta(days=3)).isoformat()
REJECTED = [
    ([], "JSON object", "body"),
    ("text", "JSON object", "body"),
    ({}, "required", "eventTime"),
    (changed(eventTime=None), "string", "eventTime"),
    (changed(eventTime=1_700_000_000), "string", "eventTime"),
    (changed(eventTime="yesterday"), "Invalid time", "eventTime"),
    (changed(eventTime="2026-03-01T10:00:00"), "time zone", "eventTime"),
    (changed(eventTime="2026-13-01T10:00:00Z"), "Invalid time", "eventTime"),
    (changed(eventTime="1969-01-01T00:00:00Z"), "out of range", "eventTime"),
    (changed(eventTime="9999-12-31T23:59:59-23:59"), "out of range", "eventTime"),
    (changed(eventTime=SOON), "out of range", "eventTime"),
    (changed(eventType="FINISH"), "Unknown event type", "eventType"),
    (changed(eventType=["START"]), "Unknown event type", "eventType"),
    (changed(producer=3), "string", "producer"),
    (changed(run=None, job=None), "neither run nor job", "event"),
    (changed(job=None), "run", "event"),
    (changed(dataset=sample.place("x")), "Invalid event", "event"),
    (changed(run={"runId": "not-a-uuid"}), "match pattern", "run.runId"),
    (changed(run={"runId": 7}), "string", "run.runId"),
    (changed(run=[]), "dictionary", "run"),
    (changed(job={"namespace": "slipway"}), "required", "job.name"),
    (changed(job={"namespace": "slipway", "name": ""}), "at least 1", "job.name"),
    (changed(job={"namespace": "slipway", "name": "x" * 3_000}), "at most", "job.name"),
    (changed(inputs={}), "list", "inputs"),
    (changed(inputs=[None]), "dictionary", "inputs[0]"),
    (changed(inputs=[{"namespace": "n" * 2_000, "name": "x"}]), "at most", "inputs[0].namespace"),
    (changed(outputs=[sample.place("x")] * (MOST_DATASETS + 1)), "datasets", "event"),
    (
        changed(inputs=[sample.place("x")] * 1_000, outputs=[sample.place("y")] * 1_000),
        "edges between inputs",
        "event",
    ),
    (with_output(**{f"f{one}": sample.facet() for one in range(MOST_FACETS + 1)}), "facets", "event"),
    (with_output(schema="text"), "dictionary", "outputs[0].facets.schema"),
    (with_output(schema=sample.facet(fields={"name": "a"})), "list", "outputs[0].facets.schema.fields"),
    (
        with_output(schema=sample.facet(fields=[{"name": 1}])),
        "string",
        "outputs[0].facets.schema.fields[0].name",
    ),
    (with_output(version=sample.facet(datasetVersion=3)), "string", "outputs[0].facets.version.datasetVersion"),
    (with_output(own={"a": 1}), "required", "outputs[0].facets.own._producer"),
    (with_output(columnLineage=sample.facet(fields=[])), "dictionary", "outputs[0].facets.columnLineage.fields"),
    (with_output(own=sample.facet(deep=deep(500))), "Invalid JSON", "body"),
    (with_output(own=sample.facet(value="a\0b")), "NUL", "event.outputs[0].facets.own.value"),
    (with_output(**{"a\0b": sample.facet()}), "NUL", "event.outputs[0].facets"),
    (with_output(own=sample.facet(value=10**400)), "", ""),
    (with_output(own=sample.facet(value="x" * LARGEST_EVENT)), "bytes", "body"),
]


@pytest.mark.parametrize(("event", "message", "where"), REJECTED, ids=[f"{one[2]}: {one[1]}" for one in REJECTED])
def test_what_is_rejected_is_rejected_with_a_reason_and_changes_nothing(store, event, message, where):
    if not message:
        assert store.receive(event), "a large number is a number"
        return
    with pytest.raises(BadEventError) as caught:
        store.receive(event)
    assert message in caught.value.what
    assert where in (caught.value.where or "")
    assert len(str(caught.value)) < 1_000
    assert not any(amounts_to(store).values())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"', b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_json_is_rejected(body):
    with pytest.raises(BadEventError):
        read_event(body)


def test_numbers_that_json_does_not_have_are_rejected():
    with pytest.raises(BadEventError):
        given_event(with_output(own=sample.facet(value=float("nan"))))
    body = json.dumps(with_output(own=sample.facet(value=1))).replace('"value": 1', '"value": 1e999')
    with pytest.raises(BadEventError):
        read_event(body.encode())


def test_names_are_data_whatever_they_say(store):
    names = ["<script>alert(1)</script>", "x'; DROP TABLE lineage_events; --", "${jndi:x}", "ƒräud.täble🦆", "%s %n"]
    for number, name in enumerate(names):
        assert store.receive(sample.event("COMPLETE", name, number, number, [], [sample.dataset(name)]))
    found = amounts_to(store)
    assert {row[2] for row in found["lineage_jobs"]} == set(names)
    assert set(names) <= {row[2] for row in found["lineage_datasets"]}


@pytest.mark.parametrize("name", ["version", "datasetVersion"])
def test_a_version_is_understood_by_both_names_of_its_facet(store, name):
    made = {**sample.place("a"), "facets": {name: sample.facet(datasetVersion="17")}}
    store.receive(sample.event("COMPLETE", "job", 1, 1, [], [made]))
    assert {row[1] for row in amounts_to(store)["lineage_versions"]} == {"17"}


def test_job_events_and_dataset_events_are_taken(store):
    common = {"eventTime": sample.at(1), "producer": "https://127.0.0.1", "schemaURL": sample.SPEC}
    job = {"namespace": "slipway", "name": "nightly"}
    assert store.receive({**common, "job": job, "inputs": [sample.dataset("a")], "outputs": [sample.dataset("b")]})
    assert store.receive({**common, "dataset": sample.dataset("c", version=4)})
    found = amounts_to(store)
    assert len(found["lineage_edges"]) == 1
    assert {row[1] for row in found["lineage_versions"]} == {"4"}


# Opening.


def test_a_store_of_a_newer_version_is_not_written_to(store, tmp_path):
    with store.engine.begin() as connection:
        connection.execute(tables.state.update().values(format=tables.FORMAT + 1))
    with pytest.raises(SettingsError, match="newer"):
        open_store(Settings.from_environment({}, home=tmp_path / "home"))


def test_a_store_of_another_version_is_rebuilt_from_its_events(store, tmp_path):
    store.receive_many(sample.world())
    before = amounts_to(store)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("alter table lineage_runs drop column parent_at")
        connection.exec_driver_sql("drop table lineage_edges")
        connection.exec_driver_sql("create table lineage_edges (source bigint, target bigint)")
    store.close()
    again = open_store(Settings.from_environment({}, home=tmp_path / "home"))
    assert amounts_to(again) == before
    assert not again.receive(sample.world()[0]), "it is known"
    again.close()


def test_a_database_that_cannot_be_used_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    address = f"sqlite:///{tmp_path}/file/lineage.db"
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_store(Settings.from_environment({"SLIPWAY_LINEAGE_DATABASE": address}, home=tmp_path / "home"))
    assert "SLIPWAY_LINEAGE_DATABASE" in (caught.value.where or "")


def test_a_file_that_is_no_database_is_a_clear_error(store, tmp_path):
    store.close()
    file = tmp_path / "home" / "lineage" / "lineage.db"
    for left in file.parent.glob("lineage.db-*"):
        left.unlink()
    file.write_bytes(b"damaged" * 1_000)
    with pytest.raises(SettingsError, match="cannot be used"):
        open_store(Settings.from_environment({}, home=tmp_path / "home"))

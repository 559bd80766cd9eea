"""Runs of Dagster and their lineage, however the runs end: killed, failing, in many processes, on bad disks.

What belongs here: a small graph's runs, the event log's storage, reconciling. Not: events of tables
(test_lineage.py), the outbox by itself (unit/test_lineage_outbox.py).
"""

import inspect
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.lineage.emit.outbox import Outbox
from orchestration.instance import open_instance
from orchestration.lineage import claims as lineage_claims
from orchestration.lineage.emitter import Emitter
from orchestration.lineage.event_log import LineageEventLogStorage
from orchestration.lineage.listener import listener_of
from orchestration.lineage.reconcile import reconcile
from tests import lineage_graph, scenario, spark_queries
from tests.conftest import flush_lineage

TOP = Path(__file__).resolve().parents[2]
NAMES = {"shop.first", "shop.second", "shop.third", "shop_both", "shop_main"}


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without tables in which Dagster and dbt have made what they make at first. To be copied."""
    from orchestration.lineage.declared import conversion_of

    before = dict(os.environ)
    lake = scenario.make_lake(tmp_path_factory.mktemp("empty") / "home")
    open_instance(lake).dispose()
    conversion_of(lake)
    os.environ.clear()
    os.environ.update(before)
    return lake.home.root


@pytest.fixture
def lake(empty_home: Path, tmp_path: Path) -> Lakehouse:
    """A lakehouse without tables."""
    return scenario.make_lake(shutil.copytree(empty_home, tmp_path / "home"))


@pytest.fixture
def instance(lake: Lakehouse) -> Iterator[dg.DagsterInstance]:
    """The home's own instance."""
    with open_instance(lake) as opened:
        yield opened


def emitted_events(lake: Lakehouse) -> list[dict]:
    """All events of the home, in their order."""
    outbox = Outbox(lake.home.lineage / "outbox.db")
    events = [one.body for one in outbox.waiting("nobody", 100_000)]
    outbox.shut()
    return events


def states(lake: Lakehouse) -> dict[str, list[str]]:
    """The states of each job's runs, in their order."""
    found: dict[str, list[str]] = {}
    for one in emitted_events(lake):
        found.setdefault(one["job"]["name"], []).append(one["eventType"])
    return found


def run(instance: dg.DagsterInstance, lake: Lakehouse, **config: str) -> dg.ExecuteInProcessResult:
    """The small graph's job in this process."""
    result = lineage_graph.in_process().execute_in_process(
        instance=instance, run_config=lineage_graph.config(**config), raise_on_error=False
    )
    assert listener_of(lake).settle(30)
    return result


def command(lake: Lakehouse, executor: str, mark: str = "") -> subprocess.Popen:
    """The small graph's job in a process of its own."""
    words = [sys.executable, "-W", "ignore", "-m", "tests.lineage_graph", str(lake.home.root), executor, mark]
    return subprocess.Popen(
        words, cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


# The storage


def test_the_storage_is_dagsters_own_in_all_but_two_methods() -> None:
    """So pools, watching, wiping, migrations and whatever comes with the next version work as they always did."""
    own = {name for name in vars(LineageEventLogStorage) if callable(getattr(LineageEventLogStorage, name))}
    changed = {"store_event", "from_config_value", "config_type", "_connect"}
    assert {name for name in own if hasattr(SqliteEventLogStorage, name) and not name.startswith("__")} == changed
    for name, member in inspect.getmembers(SqliteEventLogStorage, callable):
        if name not in changed and not name.startswith("__") and not inspect.ismethod(member):
            assert getattr(LineageEventLogStorage, name) is member, name


def test_the_storage_pools_watches_counts_and_wipes(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    storage = instance.event_log_storage
    assert isinstance(storage, LineageEventLogStorage)
    assert storage.supports_global_concurrency_limits
    instance.event_log_storage.set_concurrency_slots("pool", 2)
    assert storage.get_concurrency_info("pool").slot_count == 2
    assert storage.claim_concurrency_slot("pool", "run", "step").is_claimed
    result = run(instance, lake)
    assert result.success
    assert storage.get_records_for_run(result.run_id, limit=5).has_more
    assert storage.get_stats_for_run(result.run_id).materializations == 3
    assert len(storage.get_step_stats_for_run(result.run_id)) == 2
    assert storage.get_asset_records([dg.AssetKey(["shop", "first"])])
    storage.upgrade()
    storage.wipe_asset(dg.AssetKey(["shop", "first"]))
    assert not storage.get_asset_records([dg.AssetKey(["shop", "first"])])
    storage.delete_events(result.run_id)
    assert not storage.get_logs_for_run(result.run_id)
    storage.wipe()


def test_a_home_from_before_gets_the_storage_and_a_chosen_one_stays(lake: Lakehouse) -> None:
    config = lake.home.dagster / "dagster.yaml"
    config.write_text("# mine\ntelemetry:\n  enabled: false\n")
    with open_instance(lake) as instance:
        assert isinstance(instance.event_log_storage, LineageEventLogStorage)
    assert config.read_text().startswith("# mine\n")
    before = config.read_text()
    open_instance(lake).dispose()
    assert config.read_text() == before, "once"
    chosen = "storage:\n  sqlite:\n    base_dir: " + str(lake.home.dagster) + "\n"
    config.write_text(chosen)
    with open_instance(lake) as instance:
        assert not isinstance(instance.event_log_storage, LineageEventLogStorage)
    assert config.read_text() == chosen


def test_a_full_disk_costs_nobody_what_was_written_in_dagsters_settings(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = lake.home.dagster / "dagster.yaml"
    config.write_text("# mine\ntelemetry:\n  enabled: false\n")
    config.chmod(0o600)
    write = Path.write_text

    def full(path: Path, text: str, *args: object, **more: object) -> int:
        if "dagster.yaml" in path.name:
            write(path, text[:10])
            raise OSError(28, "No space left on device")
        return write(path, text, *args, **more)

    monkeypatch.setattr(Path, "write_text", full)
    open_instance(lake).dispose()
    monkeypatch.undo()
    assert config.read_text() == "# mine\ntelemetry:\n  enabled: false\n"
    open_instance(lake).dispose()
    assert "LineageEventLogStorage" in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    assert not list(lake.home.dagster.glob(".dagster.yaml*"))


def test_the_event_log_stays_in_its_usual_place(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    result = run(instance, lake)
    assert (lake.home.dagster / "history" / "runs" / f"{result.run_id}.db").is_file()


# Runs


def test_every_run_and_step_starts_and_ends_below_its_root(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    result = run(instance, lake)
    assert states(lake) == {name: ["START", "COMPLETE"] for name in NAMES}
    by_job = {one["job"]["name"]: one["run"] for one in emitted_events(lake)}
    assert by_job["shop_main"]["runId"] == result.run_id
    assert "parent" not in by_job["shop_main"]["facets"]
    for name in NAMES - {"shop_main"}:
        parent = by_job[name]["facets"]["parent"]
        assert parent["root"]["run"]["runId"] == result.run_id
        above = "shop_both" if name in {"shop.second", "shop.third"} else "shop_main"
        assert parent["job"]["name"] == above
        assert parent["run"]["runId"] == by_job[above]["runId"]
        assert by_job[name]["facets"]["slipway_dagster"]["runId"] == result.run_id
    assert len({one["runId"] for one in by_job.values()}) == len(NAMES)


def test_a_job_without_assets_is_reported_too(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    job = lineage_graph.definitions().resolve_job_def("no_assets")
    assert job.execute_in_process(instance=instance).success
    flush_lineage(lake)
    assert states(lake) == {"no_assets": ["START", "COMPLETE"], "no_assets.alone": ["START", "COMPLETE"]}


def test_a_failure_is_reported_without_the_text_of_a_foreign_error(
    instance: dg.DagsterInstance, lake: Lakehouse
) -> None:
    assert not run(instance, lake, fail="the card of Jane Doe").success
    found = states(lake)
    assert found["shop.second"] == ["START", "COMPLETE"], "it was made before the step failed"
    assert found["shop.third"] == found["shop_both"] == found["shop_main"] == ["START", "FAIL"]
    last = {one["job"]["name"]: one for one in emitted_events(lake)}
    message = last["shop.third"]["run"]["facets"]["errorMessage"]
    assert "ValueError" in message["message"]
    assert "lineage_graph.py" in message["stackTrace"]
    assert "Jane Doe" not in json.dumps(emitted_events(lake))
    assert "a row's value" not in json.dumps(emitted_events(lake)), "check metadata holds samples"


def test_landed_days_and_schedules_are_the_nominal_time(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    job = lineage_graph.in_process()
    days = {"slipway/days": "2026-01-01:2026-01-31"}
    for tags in (days, {".dagster/scheduled_execution_time": "2026-02-01T06:00:00+00:00"}):
        job.execute_in_process(instance=instance, tags=tags, run_config=lineage_graph.config())
    flush_lineage(lake)
    times = [one["run"]["facets"]["nominalTime"] for one in emitted_events(lake) if one["job"]["name"] == "shop_main"]
    assert times[0]["nominalStartTime"] == "2026-01-01T00:00:00.000000Z"
    assert times[0]["nominalEndTime"] == "2026-02-01T00:00:00.000000Z"
    assert times[-1]["nominalStartTime"] == "2026-02-01T06:00:00.000000Z"


def test_the_end_of_a_run_reports_what_a_step_process_had_no_time_to_emit(
    instance: dg.DagsterInstance, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = Emitter.emit
    monkeypatch.setattr(Emitter, "emit", lambda self, entry, storage: entry.step_key or emit(self, entry, storage))
    run(instance, lake)
    assert states(lake) == {name: ["START", "COMPLETE"] for name in NAMES}


def test_steps_in_their_own_processes_are_reported_once(lake: Lakehouse) -> None:
    assert command(lake, "multiprocess").wait(120) == 0
    assert states(lake) == {name: ["START", "COMPLETE"] for name in NAMES}
    with open_instance(lake) as instance:
        assert reconcile(lake, instance).events == 0


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_events_of_sparks_listener_have_their_step_as_parent_in_any_process(
    lake: Lakehouse, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_SPARK_LISTENER", "on")
    assert command(lake, executor).wait(120) == 0
    queries = ["shop.first.append_data", "shop_both.append_data"]
    assert states(lake)[queries[0]] == ["START", "COMPLETE"]
    assert states(lake)[queries[1]] == ["START"]
    spark_queries.age(lake.home.lineage)
    with open_instance(lake) as instance:
        reconcile(lake, instance)
        found = states(lake)
        assert found[queries[1]] == ["START", "ABORT"]  # it went with its process
        assert {name: found[name] for name in found.keys() - queries} == {one: ["START", "COMPLETE"] for one in NAMES}
        runs = {one["job"]["name"]: one["run"] for one in emitted_events(lake)}
        for name in queries:
            parent = runs[name]["facets"]["parent"]
            assert parent["run"]["runId"] == runs[name.removesuffix(".append_data")]["runId"]
            assert parent["root"]["run"]["runId"] == runs["shop_main"]["runId"]
        assert not list((lake.home.lineage / "spark").iterdir())
        assert reconcile(lake, instance).events == 0


@pytest.mark.parametrize("spoilt", ["a folder where the file is", "a broken file"])
def test_no_step_fails_by_what_sparks_listener_left(
    lake: Lakehouse, spoilt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lake.home.lineage / "spark"
    folder.mkdir()
    if spoilt == "a broken file":
        (folder / "1-1.jsonl").write_bytes(b"\xff\n{\n")
    else:
        (folder / "1-1.jsonl").mkdir()
    spark_queries.age(lake.home.lineage)
    monkeypatch.setenv("SLIPWAY_SPARK_LISTENER", "on")
    assert command(lake, "in_process").wait(120) == 0
    found = states(lake)
    assert {name: found[name] for name in NAMES} == {name: ["START", "COMPLETE"] for name in NAMES}


def test_a_killed_run_is_closed_once_by_reconciling(lake: Lakehouse, tmp_path: Path) -> None:
    mark = tmp_path / "waiting"
    process = command(lake, "in_process", str(mark))
    until = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.02)
    with open_instance(lake) as instance:
        assert reconcile(lake, instance).aborted == 0, "it is alive"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done = reconcile(lake, instance)
        assert done.aborted == 1
        found = states(lake)
        assert found["shop.first"] == ["START", "COMPLETE"]
        assert found["shop.second"] == ["START", "COMPLETE"]
        assert found["shop.third"] == found["shop_both"] == found["shop_main"] == ["START", "ABORT"]
        before = emitted_events(lake)
        again = reconcile(lake, instance)
        assert again.events == 0
        assert emitted_events(lake) == before
        # Dagster learns of it later: the run was closed, and is not closed again.
        (dead,) = instance.get_runs()
        instance.report_run_failed(dead)
        flush_lineage(lake)
        assert emitted_events(lake) == before


def test_a_run_of_another_machine_is_not_taken_for_gone(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id, gone = "0" * 32, {2**22 + 1: 0.0}
    lineage_claims.claim(lake.home.lineage, run_id)
    assert not lineage_claims.is_gone(lake.home.lineage, run_id, gone), "this very process works on it"
    claimed = lake.home.lineage / "running" / run_id
    claimed.write_text(claimed.read_text().replace(str(os.getpid()), str(2**22 + 1), 1))
    assert lineage_claims.is_gone(lake.home.lineage, run_id, gone)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert not lineage_claims.is_gone(lake.home.lineage, run_id, gone), "its numbers of processes mean nothing here"


def test_a_step_whose_process_died_is_fully_reported(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    result = run(instance, lake, fail="no")
    log = instance.event_log_storage
    entries = [one for one in log.get_logs_for_run(result.run_id) if one.dagster_event]
    before = ids(emitted_events(lake))
    log.delete_events(result.run_id)
    listener_of(lake)._emitter.outbox.shut()
    for path in lake.home.lineage.glob("outbox.db*"):
        path.unlink()
    assert isinstance(log, LineageEventLogStorage)
    for one in entries:
        if one.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            continue
        # A step's own process emits what it stores; that it failed is emitted by the process that waited for it.
        elsewhere = one.step_key == "shop_both" and one.dagster_event_type is not dg.DagsterEventType.STEP_FAILURE
        (SqliteEventLogStorage.store_event(log, one) if elsewhere else log.store_event(one))
    flush_lineage(lake)
    assert states(lake)["shop.second"] == ["START", "COMPLETE"]
    assert states(lake)["shop.third"] == ["START", "FAIL"]
    assert ids(emitted_events(lake)) == before


def test_a_forked_process_has_its_own_listener(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    run(instance, lake)
    before, parents = ids(emitted_events(lake)), listener_of(lake)
    with parents._emitter.outbox._lock, parents._wake:  # held by threads that the child does not have
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            run(instance, lake)
            own = listener_of(lake)
            own.flush(30)
            os._exit(0 if own is not parents and own.lost == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sum(ids(emitted_events(lake)).values()) == 2 * sum(before.values())


def test_a_canceled_run_is_aborted_with_its_steps(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    result = run(instance, lake)
    log = instance.event_log_storage
    entries = [one for one in log.get_logs_for_run(result.run_id) if one.dagster_event]
    place = next(i for i, one in enumerate(entries) if one.step_key == "shop_both" and one.dagster_event.is_step_start)
    log.delete_events(result.run_id)
    for path in lake.home.lineage.glob("outbox.db*"):
        path.unlink()
    for one in entries[: place + 1]:
        if one.dagster_event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            log.store_event(one)
    run_ = instance.get_run_by_id(result.run_id)
    assert run_ is not None
    instance.report_run_canceled(run_)
    flush_lineage(lake)
    found = states(lake)
    assert found["shop.first"] == ["START", "COMPLETE"]
    assert found["shop_both"] == found["shop.third"] == found["shop_main"] == ["START", "ABORT"]


# What is lost, and found again


def ids(events: list[dict]) -> Counter:
    """Events by run and state."""
    return Counter((one["run"]["runId"], one["eventType"]) for one in events)


def test_a_lost_outbox_is_rebuilt_from_dagsters_log(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    run(instance, lake)
    before = ids(emitted_events(lake))
    for path in lake.home.lineage.glob("outbox.db*"):
        path.unlink()
    done = reconcile(lake, instance)
    assert done.events == sum(before.values())
    assert ids(emitted_events(lake)) == before


def test_a_corrupt_row_and_a_corrupt_file_are_repaired(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    run(instance, lake)
    reconcile(lake, instance)
    before = ids(emitted_events(lake))
    file = lake.home.lineage / "outbox.db"
    with sqlite3.connect(file) as raw:
        raw.execute("update events set body = '{\"broken' where key like '%/START' and seq < 5")
        broken = raw.execute("select count(*) from events where body = '{\"broken'").fetchone()[0]
    raw.close()
    done = reconcile(lake, instance)
    assert done.corrupt == done.events == broken > 0
    assert ids(emitted_events(lake)) == before
    listener_of(lake)._emitter.outbox.shut()
    for beside in ("-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)
    file.write_bytes(b"no database " * 500)
    done = reconcile(lake, instance)
    assert done.corrupt == 1
    assert ids(emitted_events(lake)) == before


def test_an_outbox_on_a_full_disk_loses_no_run(
    instance: dg.DagsterInstance, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lakehouse.lineage.emit import outbox as module

    opened = module._opened

    def full(path: Path) -> sqlite3.Connection:
        connection = opened(path)
        connection.execute(f"pragma max_page_count = {connection.execute('pragma page_count').fetchone()[0]}")
        return connection

    monkeypatch.setattr(module, "_opened", full)
    assert run(instance, lake).success
    assert listener_of(lake).lost > 0
    assert caplog.text.count("Lineage events were not emitted") == 1, "logged once"
    assert "reconcile" in caplog.text
    monkeypatch.undo()
    listener_of(lake)._emitter.outbox.shut()
    done = reconcile(lake, instance)
    assert done.events > 0, "lost events are emitted"
    assert ids(emitted_events(lake)) == Counter(dict.fromkeys(ids(emitted_events(lake)), 1))
    assert states(lake) == {name: ["START", "COMPLETE"] for name in NAMES}


def test_a_lineage_folder_that_cannot_be_used_fails_no_run(
    instance: dg.DagsterInstance, lake: Lakehouse, caplog: pytest.LogCaptureFixture
) -> None:
    # A file in the folder's place: unlike a mode, it stops root as well.
    lake.home.lineage.rmdir()
    lake.home.lineage.write_text("")
    assert run(instance, lake).success
    assert listener_of(lake).lost > 0
    assert "Lineage events were not emitted" in caplog.text
    lake.home.lineage.unlink()
    lake.home.lineage.mkdir()
    reconcile(lake, instance)
    assert states(lake) == {name: ["START", "COMPLETE"] for name in NAMES}


def test_errors_in_lineage_fail_no_run(
    instance: dg.DagsterInstance, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.lineage.emit.conversion import Conversion

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Conversion, "step_ended", broken)
    assert run(instance, lake).success
    assert listener_of(lake).lost == 2
    monkeypatch.undo()
    assert reconcile(lake, instance).events > 0
    assert states(lake) == {name: ["START", "COMPLETE"] for name in NAMES}


def test_the_next_run_emits_what_the_one_before_left(instance: dg.DagsterInstance, lake: Lakehouse) -> None:
    run(instance, lake)
    before = ids(emitted_events(lake))
    with sqlite3.connect(lake.home.lineage / "outbox.db") as raw:
        raw.execute("delete from events where key like '%/END'")
    raw.close()
    run(instance, lake)
    assert before <= ids(emitted_events(lake))
    assert set(ids(emitted_events(lake)).values()) == {1}


def test_storing_an_event_does_not_wait_for_emitting_it(
    instance: dg.DagsterInstance, lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(instance, lake)
    storage = instance.event_log_storage
    assert isinstance(storage, LineageEventLogStorage)
    entries = [one for one in storage.get_logs_for_run(result.run_id) if one.step_key == "shop__first"]
    held, emitted = threading.Event(), []

    def slow(_emitter: Emitter, entry: dg.EventLogEntry, _storage: LineageEventLogStorage) -> None:
        held.wait(60)
        emitted.append(entry)

    monkeypatch.setattr(Emitter, "emit", slow)
    for one in entries:
        listener_of(lake).enqueue(one, storage)
    assert not emitted, "all events were stored, and none emitted"
    held.set()
    flush_lineage(lake)
    assert emitted == entries


def test_listening_imports_nothing_heavy() -> None:
    code = "import sys, orchestration.definitions, orchestration.instance; print([m for m in ('openlineage', 'mlflow',"
    code += " 'sqlglot', 'lakehouse.lineage.emit.conversion') if m in sys.modules])"
    words = [sys.executable, "-W", "ignore", "-c", code]
    answer = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=True)
    assert "openlineage" not in answer.stdout
    assert "mlflow" not in answer.stdout
    assert "conversion" not in answer.stdout


def test_homes_in_one_process_are_kept_apart(empty_home: Path, tmp_path: Path) -> None:
    lakes = [scenario.make_lake(shutil.copytree(empty_home, tmp_path / name)) for name in ("one", "two")]
    for lake in lakes:
        with open_instance(lake) as instance:
            run(instance, lake)
    assert [len(emitted_events(lake)) for lake in lakes] == [10, 10]
    assert not set(ids(emitted_events(lakes[0]))) & set(ids(emitted_events(lakes[1])))

"""The main job through Dagster on the small world: what it makes, what it leaves alone, what stops it.

What belongs here: whole runs. Not: single steps (unit/, the other files here).
"""

from dataclasses import replace
from datetime import timedelta

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from assets.fraud.simulator import Simulation
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.domain import Domain
from lakehouse.errors import SlipwayError
from lakehouse.features.feature_set import FeatureSet, count
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.model import Gate
from lakehouse.sources.source import Source
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import published_days, read, resolve
from lakehouse.training.training_set import TrainingSet
from orchestration import sensors
from orchestration.checks import asset_key, last_evaluation
from orchestration.definitions import build_defs
from orchestration.instance import open_instance
from orchestration.main_job import JobReport
from orchestration.planning import plan_deliveries, plan_run
from orchestration.sensors import delivery_sensor, run_request
from tests import scenario

TABLES = (
    "fraud.stg_transactions",
    "fraud.fraud_reports",
    "fraud.daily_activity",
    "fraud.customer_spend",
    "fraud.terminal_risk",
    "fraud.transaction_time",
    "fraud.training",
)


run, small_domain = scenario.run_main, scenario.small_domain


def test_from_deliveries_to_a_live_model_and_predictions(live: Lakehouse, live_report: JobReport) -> None:
    lake, report = live, live_report
    rows = len(scenario.payments())
    assert set(report.recomputed) == {"fraud.transactions", *TABLES, "fraud.scorer", "fraud.predictions"}
    assert read(lake, "fraud.transactions").num_rows == rows
    assert read(lake, "fraud.training").num_rows == rows, "every spine row once"
    registry = open_registry(lake.home)
    champion = registry.champion("fraud.scorer")
    assert champion is not None
    assert champion.input_snapshots["fraud.training"] == resolve(lake.table("fraud.training"))
    scored = pl.DataFrame(pl.from_arrow(read(lake, "fraud.predictions")))
    assert published_days(lake, "fraud.predictions") == [scenario.LAST]
    assert len(scored) == len(scenario.payments_on([scenario.LAST]))
    assert scored["model_version"].unique().to_list() == [champion.version]
    assert str(resolve(lake.table("fraud.customer_spend"))) in scored["input_snapshots"][0]
    steps = {step.name: step for step in report.steps}
    assert steps["fraud.transactions"].rows == rows
    assert all(step.seconds > 0 and step.peak_memory_mb > 0 for step in report.steps)


def test_every_published_snapshot_has_its_provenance(live: Lakehouse) -> None:
    for name in (*TABLES, "fraud.predictions"):
        made = last_published(live, name)
        assert made is not None
        assert made.run_id
        assert made.code_version
        assert made.input_snapshots, name
        for table, pin in made.input_snapshots.items():
            assert live.table(table).snapshot_by_id(pin) is not None
    landed = last_published(live, "fraud.transactions")
    assert landed is not None
    assert landed.contract == "1.0.0"


def test_nothing_new_recomputes_nothing_and_starts_no_run(live: Lakehouse) -> None:
    before = {name: resolve(live.table(name)) for name in live.names()}
    report = run(live, small_domain())
    assert report.recomputed == []
    assert report.runs == []
    assert {name: resolve(live.table(name)) for name in live.names()} == before


def test_a_run_of_the_whole_job_with_nothing_new_leaves_everything_as_it_is(live: Lakehouse) -> None:
    before = {name: resolve(live.table(name)) for name in live.names()}
    defs = build_defs(live, domains=[small_domain()])
    with open_instance(live) as instance:
        result = defs.resolve_job_def("fraud_main").execute_in_process(instance=instance)
    assert result.success
    assert {name: resolve(live.table(name)) for name in live.names()} == before
    assert _stale(live, small_domain()) == {}
    found = [event.event_specific_data.materialization for event in result.all_events if event.is_step_materialization]
    assert all(str(one.metadata["recomputed"].value).startswith("nothing") for one in found)


def test_one_more_day_recomputes_that_day_and_the_labels_that_ripened(live: Lakehouse) -> None:
    days = [*scenario.EVERY_DAY, scenario.LAST + timedelta(days=1)]
    files = {name: _files(live, name) for name in TABLES}
    scenario.deliver(live, _next_day())
    report = run(live, small_domain())
    assert "fraud.transactions" in report.recomputed
    for name in TABLES:
        changed = {day for day, paths in _files(live, name).items() if files[name].get(day) != paths}
        ripened = {days[-8]} if name == "fraud.training" else set()
        assert changed == {days[-1]} | ripened, name
    labels = pl.DataFrame(pl.from_arrow(read(live, "fraud.training", ["tx_datetime", "is_fraud"])))
    unknown = labels.filter(pl.col("is_fraud").is_null())["tx_datetime"].dt.date().unique().sort().to_list()
    assert unknown == days[-7:], "labels of the last week are not known, whatever the files say"


def _with_declarations(domain: Domain, feature_sets: list[FeatureSet], training: TrainingSet) -> Domain:
    return domain.with_only(FeatureSet, feature_sets).with_only(TrainingSet, [training])


def test_staleness_names_the_cause(live: Lakehouse) -> None:
    fraud = small_domain()
    assert _stale(live, fraud) == {}
    spend = fraud.feature_sets[0]
    changed = replace(spend, features=[*spend.features, count("payment").over("3d")])
    training = replace(fraud.training_sets[0], feature_sets=[changed, *fraud.feature_sets[1:]])
    stale = _stale(live, _with_declarations(fraud, [changed, *fraud.feature_sets[1:]], training))
    assert "code version" in stale["fraud.customer_spend"]
    assert "fraud.terminal_risk" not in stale
    assert "fraud.stg_transactions" not in stale


def test_a_new_feature_is_added_to_the_table_and_only_what_depends_on_it_is_recomputed(live: Lakehouse) -> None:
    fraud = small_domain()
    spend = fraud.feature_sets[0]
    changed = replace(spend, features=[*spend.features, count("payment").over("3d")])
    training = replace(fraud.training_sets[0], feature_sets=[changed, *fraud.feature_sets[1:]])
    report = run(live, _with_declarations(fraud, [changed, *fraud.feature_sets[1:]], training))
    assert report.recomputed == ["fraud.customer_spend", "fraud.training", "fraud.scorer", "fraud.predictions"]
    assert "payment_count_3d" in read(live, "fraud.customer_spend").column_names
    assert "customer_spend__payment_count_3d" in read(live, "fraud.training").column_names


def test_a_model_that_fails_a_gate_stays_challenger_and_nothing_downstream_moves(live: Lakehouse) -> None:
    before = resolve(live.table("fraud.predictions"))
    strict = small_domain(Gate("auc_ceiling", "auc", at_most=0.01, description="Nothing honest is that bad."))
    with pytest.raises(SlipwayError, match=r"was not promoted.*above"):
        run(live, strict)
    assert run(live, strict).recomputed == [], "the same data are not tried again"
    registry = open_registry(live.home)
    champion, challenger = registry.champion("fraud.scorer"), registry.challenger("fraud.scorer")
    assert champion is not None
    assert champion.version == 1
    assert challenger is not None
    assert challenger.version == 2
    assert challenger.tags["slipway.reason"]
    assert resolve(live.table("fraud.predictions")) == before
    last = last_evaluation(open_instance(live), "fraud.scorer", "auc_ceiling")
    assert last is not None
    assert not last.passed


def test_the_champion_scores_the_new_day_when_a_challenger_is_not_promoted(live: Lakehouse) -> None:
    scenario.deliver(live, _next_day())
    strict = small_domain(Gate("auc_ceiling", "auc", at_most=0.01, description="Nothing honest is that bad."))
    with pytest.raises(SlipwayError, match="was not promoted"):
        run(live, strict)
    scored = pl.DataFrame(pl.from_arrow(read(live, "fraud.predictions")))
    new = scored.filter(pl.col("tx_datetime").dt.date() > scenario.LAST)
    assert len(new) == len(_next_day())
    assert new["model_version"].unique().to_list() == [1]


def test_one_mistyped_time_waits_in_quarantine_and_everything_else_goes_on(live: Lakehouse) -> None:
    wrong = pl.when(pl.int_range(pl.len()) == 0).then(pl.datetime(1999, 1, 1, time_unit="us")).otherwise("TX_DATETIME")
    scenario.deliver(live, _next_day())
    path = live.home.drop_folder("fraud.transactions") / "transactions_2018-05-16.parquet"
    pl.read_parquet(path).with_columns(TX_DATETIME=wrong).write_parquet(path)
    source = small_domain().sources[0]
    tolerant = replace(source, contract=replace(source.contract, quarantine_share=0.05))
    run(live, small_domain().with_only(Source, [tolerant]))
    assert published_days(live, "fraud.transactions")[-1].isoformat() == "2018-05-16"
    assert read(live, quarantine_name("fraud.transactions"))["_rule"].to_pylist() == ["TX_DATETIME_in_range"]
    assert run(live, small_domain().with_only(Source, [tolerant])).recomputed == []


def test_a_redelivery_that_takes_a_day_away_takes_it_away_everywhere(lake: Lakehouse) -> None:
    drop = lake.home.drop_folder("fraud.transactions")
    drop.mkdir(parents=True)
    scenario.payments().write_parquet(drop / "all.parquet")
    run(lake, small_domain())
    scenario.payments_on(scenario.EVERY_DAY[:-1]).write_parquet(drop / "all.parquet")
    run(lake, small_domain())
    for name in ("fraud.transactions", "fraud.stg_transactions", "fraud.customer_spend", "fraud.training"):
        assert published_days(lake, name) == scenario.EVERY_DAY[:-1], name
    assert published_days(lake, "fraud.predictions") == [scenario.EVERY_DAY[-2]]


def test_a_failed_dbt_test_leaves_that_model_and_its_dependants_at_their_last_good_snapshot(live: Lakehouse) -> None:
    before = {name: resolve(live.table(name)) for name in live.names()}
    scenario.deliver(live, _next_day())
    message = "description: Number of customers who paid."
    rejected = (
        "\n        data_tests:\n          - accepted_values:\n              arguments:\n"
        "                values: [-1]\n                quote: false"
    )
    project = _project_with(live, "marts/fraud/daily_activity.yml", message, message + rejected)
    with pytest.raises(SlipwayError, match="daily_activity") as found:
        run(project, small_domain())
    assert "rows failed" in str(found.value), "the test's own result, not an error on the way to it"
    assert resolve(live.table("fraud.transactions")) != before["fraud.transactions"]
    assert resolve(live.table("fraud.stg_transactions")) != before["fraud.stg_transactions"]
    assert resolve(live.table("fraud.daily_activity")) == before["fraud.daily_activity"]
    assert resolve(live.table("fraud.customer_spend")) == before["fraud.customer_spend"], "its step did not run"
    assert any(name.startswith("audit-") for name in live.table("fraud.daily_activity").refs()), "kept for inspection"
    with open_instance(live) as instance:
        reported = {name: instance.get_latest_materialization_event(asset_key(name)) for name in TABLES[:3]}
    snapshots = {
        name: event.asset_materialization.metadata["snapshot"].value
        for name, event in reported.items()
        if event and event.asset_materialization
    }
    assert snapshots == {name: str(resolve(live.table(name))) for name in TABLES[:3]}, "what was published is reported"
    failed = last_evaluation(
        open_instance(live), "fraud.daily_activity", "accepted_values_daily_activity_customers__False___1"
    )
    assert failed is not None
    assert not failed.passed


def test_broken_rows_go_to_quarantine_and_too_many_stop_the_run(live: Lakehouse) -> None:
    day = _next_day()
    before = resolve(live.table("fraud.transactions"))
    scenario.deliver(live, scenario.broken(day, every=3))
    with pytest.raises(SlipwayError, match="TX_AMOUNT"):
        run(live, small_domain())
    assert resolve(live.table("fraud.transactions")) == before
    assert not live.has(quarantine_name("fraud.transactions"))
    scenario.deliver(live, scenario.broken(day, every=1_000))
    source = small_domain().sources[0]
    tolerant = replace(source, contract=replace(source.contract, quarantine_share=0.05))
    run(live, small_domain().with_only(Source, [tolerant]))
    assert read(live, quarantine_name("fraud.transactions"))["_rule"].to_pylist() == ["TX_AMOUNT_in_range"]


def test_a_waiting_delivery_asks_for_a_run_of_its_days(live: Lakehouse) -> None:
    fraud = small_domain()
    assert plan_run(live, fraud) is None
    scenario.deliver(live, _next_day())
    planned = plan_deliveries(live, fraud)
    assert planned is not None
    request = run_request(fraud, planned)
    assert request.job_name == "fraud_daily"
    assert request.asset_selection is None
    assert request.tags["slipway/days"] == "2018-05-16:2018-05-16"
    assert "2018-05-16" in request.tags["slipway/because"]


def test_the_sensor_requests_one_run_for_new_files_and_opens_none_of_them(
    live: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.sources import deliveries

    sensor = delivery_sensor(small_domain())

    def tick() -> dg.RunRequest | dg.SkipReason:
        with open_instance(live) as instance:
            context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"lake": live})
            (found,) = sensor(context)  # type: ignore[misc]  # one of the two
            cursors.append(context.cursor)
        return found

    cursor, cursors = None, []

    def no_catalog(*_: object, **__: object) -> None:
        raise SlipwayError("The catalog does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(sensors, "plan_builds", no_catalog)
        assert isinstance(tick(), dg.SkipReason)
    assert cursors[-1] is None, "what could not be planned is planned by the next tick"
    assert isinstance(tick(), dg.SkipReason)
    cursor = cursors[-1]
    assert cursor is not None
    scenario.deliver(live, _next_day())
    monkeypatch.setattr(deliveries, "_look_into", lambda *_: pytest.fail("a delivered file was opened"))
    first, second = tick(), tick()
    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.RunRequest)
    assert first.run_key == second.run_key
    monkeypatch.undo()
    run(live, small_domain())
    assert isinstance(tick(), dg.SkipReason)


def _next_day() -> pl.DataFrame:
    """A delivery of the day after the world's last. Payments of that day with other dates would rightly be rejected."""
    longer = Simulation(
        days=scenario.DAYS + 1,
        customers=scenario.CUSTOMERS,
        terminals=scenario.TERMINALS,
        start=scenario.START,
        seed=scenario.SEED,
    ).simulate()
    return longer.filter(pl.col("TX_DATETIME").dt.date() > scenario.LAST).with_columns(
        TRANSACTION_ID=pl.col("TRANSACTION_ID") + 1_000_000
    )


def _files(lake: Lakehouse, name: str) -> dict:
    """The data files of each day."""
    from lakehouse.tables.days import EPOCH
    from lakehouse.tables.read import plan

    files: dict = {}
    for task in plan(lake, name).tasks:
        day = EPOCH + scenario.timedelta(days=task.file.partition[0])
        files.setdefault(day, set()).add(task.file.file_path)
    return files


def _stale(lake: Lakehouse, domain: Domain) -> dict[str, str]:
    """What Dagster calls stale, with its reasons."""
    graph = build_defs(lake, domains=[domain]).resolve_asset_graph()
    with open_instance(lake) as instance:
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        stale = {}
        for name in (*TABLES, "fraud.scorer", "fraud.predictions"):
            if resolver.get_status(asset_key(name)) is not StaleStatus.FRESH:
                causes = list(resolver.get_stale_root_causes(asset_key(name)))
                stale[name] = "; ".join(cause.reason for cause in causes)
    return stale


def test_a_dbt_model_can_get_new_columns_and_what_is_made_from_it_follows(live: Lakehouse) -> None:
    project = _project_with(
        live,
        "staging/fraud/stg_transactions.sql",
        '"TX_AMOUNT" as decimal(12, 2)) as amount',
        '"TX_AMOUNT" as decimal(12, 2)) as amount,\n    "TX_AMOUNT" > 100 as is_large',
    )
    report = run(project, small_domain())
    assert "is_large" in read(live, "fraud.stg_transactions").column_names
    assert "fraud.daily_activity" in report.recomputed
    made = last_published(live, "fraud.daily_activity")
    assert made is not None
    assert made.input_snapshots["fraud.stg_transactions"] == resolve(live.table("fraud.stg_transactions"))
    assert not [name for name in live.names() if name.endswith("__trial")]
    assert read(live, "fraud.training").num_rows == len(scenario.payments())


def _project_with(lake: Lakehouse, file: str, old: str, new: str) -> Lakehouse:
    """The same home with a copy of the dbt project in which a model's file reads otherwise."""
    import shutil

    top = lake.home.root.parent / "project"
    shutil.copytree(lake.settings.project / "dbt_project", top / "dbt_project")
    path = top / "dbt_project" / "models" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return Lakehouse(replace(lake.settings, project_folder=top), lake.home)

"""When rows really became readable, beside the delay that was declared: from real snapshots under a clock of our own.

What belongs here: the measure, its check and its command. Not: what declarations alone show (unit/test_leaks.py).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from assets.fraud.training import training as fraud_training
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.features.feature_set import Entity, Events, FeatureSet, count, derived, hour_between
from lakehouse.loading import load_domains
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.days import days_filter
from lakehouse.tables.lateness import HISTORY, READABLE, known_at
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import write_draft
from lakehouse.training.lateness import CHECK, checks_of, late_check_result, measure_lateness, spoken
from lakehouse.training.training_frame import training_frame
from lakehouse.training.training_set import Label, TrainingSet
from lakehouse.training.training_tables import build_training_set
from orchestration.cli import app
from tests.foreign_writes import Clock, append, compact

PAYMENTS, REPORTS = "shop.payments", "shop.reports"
FIRST = datetime(2026, 3, 10, 6)  # noqa: DTZ001  # when both tables were published first
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch, FIRST)


def frame(times: Sequence[datetime], terminals: Sequence[int] = (), first: int = 0) -> pl.DataFrame:
    """Rows at these times, numbered from `first`; of terminal 1 by default."""
    return pl.DataFrame(
        {
            "number": range(first, first + len(times)),
            "at": times,
            "terminal_id": list(terminals) or [1] * len(times),
            "bad": [number % 2 for number in range(len(times))],
            "reported_at": [time + 20 * HOUR for time in times],
        },
        schema={
            "number": pl.Int64,
            "at": pl.Datetime("us"),
            "terminal_id": pl.Int64,
            "bad": pl.Int64,
            "reported_at": pl.Datetime("us"),
        },
    )


def put(lake: Lakehouse, name: str, rows: pl.DataFrame, *, by_day: bool = True, definition: str = "one") -> None:
    """Publish rows in place of the days that they are of."""
    table = rows.sort("at", "number").to_arrow()
    shape = TableShape(name, table.schema, "at" if by_day else None, "A table.", {}, "team:shop")
    where = days_filter("at", rows["at"].dt.date().unique().to_list()) if by_day else None
    publish(lake, write_draft(lake, shape, table, Provenance("run-12345678", definition), where))


def noon(day: int) -> datetime:
    return datetime(2026, 3, day, 12)  # noqa: DTZ001  # table times are UTC without a zone


def risk(delay: str = "0d", **more) -> FeatureSet:
    arguments = {"features": [count("tx").over("1d", "2d")], "delay": delay, **more}
    return FeatureSet(
        "shop.risk",
        Entity("terminal_id"),
        REPORTS,
        "at",
        spine=PAYMENTS,
        row_key="number",
        description="Risk.",
        owner="team:shop",
        **arguments,
    )


def arrive(lake: Lakehouse, clock: Clock, days: Sequence[int], late: timedelta = 18 * HOUR) -> None:
    """A report and a payment at noon of each of these days, published `late` after."""
    for day in days:
        clock.at = noon(day) + late
        put(lake, REPORTS, frame([noon(day)], first=day))
        put(lake, PAYMENTS, frame([noon(day)], first=day))


@pytest.fixture
def shop(lake, clock):
    """Nine days loaded as history, then four that came 18 hours after noon."""
    history = frame([noon(day) for day in range(1, 10)], first=1)
    put(lake, REPORTS, history)
    put(lake, PAYMENTS, history)
    arrive(lake, clock, range(10, 14))
    return lake


def readable(lake: Lakehouse, **more) -> dict[datetime, datetime]:
    found = known_at(lake, REPORTS, ["number"], event_time="at", **more)
    return dict(found.rows.sort("at", READABLE).select("at", READABLE).iter_rows())


EXPECTED = {noon(day): FIRST if day < 10 else noon(day) + 18 * HOUR for day in range(1, 14)}


def test_rows_are_readable_from_when_their_snapshot_was_published(shop):
    assert readable(shop) == EXPECTED
    found = known_at(shop, REPORTS, [], event_time="at")
    assert found.since == FIRST
    assert sorted(found.rows.filter(HISTORY)["at"]) == [noon(day) for day in range(1, 10)]


def test_history_and_live_rows_are_counted_separately(shop):
    (measured,) = measure_lateness(shop, risk("1d")).events
    assert (measured.rows, measured.history, measured.live, measured.late) == (13, 9, 4, 0)
    assert (measured.p50, measured.p99, measured.longest) == (64_800, 64_800, 64_800)


def test_rows_keep_their_arrival_times_when_files_are_rewritten(shop, clock):
    clock.at = noon(20)
    compact(shop, REPORTS)
    assert readable(shop) == EXPECTED
    put(shop, REPORTS, pl.DataFrame(pl.from_arrow(read(shop, REPORTS))), definition="another")
    assert readable(shop) == EXPECTED, "a rebuild under a new definition"
    compact(shop, REPORTS)
    arrive(shop, clock, [20], late=2 * DAY)
    assert readable(shop) == {**EXPECTED, noon(20): noon(22)}


def test_what_an_expired_snapshot_brought_counts_as_history(shop, clock):
    """When it was published is lost with it: then nothing is claimed of it, and nothing younger changes."""
    compact(shop, REPORTS)
    first, *_, last = shop.table(REPORTS).history()
    middle = next(one for one in shop.table(REPORTS).history() if one.timestamp_ms > first.timestamp_ms)
    clock.at = noon(20)
    kept = {middle.snapshot_id, last.snapshot_id}
    gone = [one.snapshot_id for one in shop.table(REPORTS).history() if one.timestamp_ms < middle.timestamp_ms]
    assert not kept & set(gone)
    shop.table(REPORTS).maintenance.expire_snapshots().by_ids(gone).commit()
    found = known_at(shop, REPORTS, [], event_time="at")
    assert found.since == noon(10) + 18 * HOUR
    assert sorted(found.rows.filter(~pl.col(HISTORY))["at"]) == [noon(day) for day in (11, 12, 13)]
    assert {at: when for at, when in readable(shop).items() if at > noon(10)} == {
        at: when for at, when in EXPECTED.items() if at > noon(10)
    }


def test_snapshots_of_other_writers_are_measured_too(shop, clock):
    clock.at = noon(15)
    append(shop, REPORTS, frame([noon(14)], first=14).to_arrow())
    assert readable(shop) == {**EXPECTED, noon(14): noon(15)}


def test_rows_that_come_after_others_of_their_day_are_later_than_these(shop, clock):
    clock.at = noon(16)
    put(shop, REPORTS, frame([noon(12), noon(12) + HOUR, noon(12)], [1, 1, 2], first=12))
    found = known_at(shop, REPORTS, ["terminal_id"], event_time="at").rows.filter(pl.col("at").dt.day() == 12)
    assert found.sort("at", "terminal_id").select("at", "terminal_id", READABLE).rows() == [
        (noon(12), 1, noon(12) + 18 * HOUR),
        (noon(12), 2, noon(16)),
        (noon(12) + HOUR, 1, noon(16)),
    ]
    (measured,) = measure_lateness(shop, risk("1d")).events
    assert (measured.late, measured.longest) == (2, 4 * 86_400)


def test_equal_rows_came_one_after_the_other(shop, clock):
    clock.at = noon(16)
    put(shop, REPORTS, pl.concat([frame([noon(12)], first=12)] * 3))
    found = known_at(shop, REPORTS, ["number"], event_time="at").rows.filter(pl.col("at") == noon(12))
    assert sorted(found[READABLE]) == [noon(12) + 18 * HOUR, noon(16), noon(16)]


def test_corrected_rows_are_as_old_as_what_they_correct(shop, clock):
    clock.at = noon(16)
    put(shop, REPORTS, frame([noon(12)], [7], first=12))
    assert readable(shop) == EXPECTED
    by_terminal = known_at(shop, REPORTS, ["terminal_id"], event_time="at").rows
    assert by_terminal.filter(terminal_id=7)[READABLE].to_list() == [noon(12) + 18 * HOUR], "it is the same event"


def test_a_day_that_was_withdrawn_and_came_back_is_as_old_as_at_first(shop, clock):
    clock.at = noon(16)
    shop.table(REPORTS).delete(days_filter("at", [noon(12).date()]))
    clock.at = noon(17)
    put(shop, REPORTS, frame([noon(12)], first=12))
    assert readable(shop) == EXPECTED


def test_the_past_is_measured_as_it_was(shop, clock):
    pin = resolve(shop.table(REPORTS))
    arrive(shop, clock, [14])
    assert readable(shop, at=pin) == EXPECTED
    assert len(readable(shop)) == 14


def test_an_audit_branch_is_not_readable_before_it_is_published(shop, clock):
    rows = frame([noon(14)], first=14).to_arrow()
    clock.at = noon(15)
    where = days_filter("at", [noon(14).date()])
    shape = TableShape(REPORTS, rows.schema, "at")
    draft = write_draft(shop, shape, rows, Provenance("run-12345678", "one"), where)
    assert readable(shop) == EXPECTED
    clock.at = noon(18)
    publish(shop, draft)
    assert readable(shop)[noon(14)] == noon(18)


def test_a_table_that_is_not_partitioned_by_day_is_measured_too(lake, clock):
    for day in range(8, 13):
        clock.at = noon(day) + 18 * HOUR
        put(lake, REPORTS, frame([noon(one) for one in range(1, day + 1)], first=1), by_day=False)
    first = noon(8) + 18 * HOUR
    assert readable(lake) == {noon(day): max(first, noon(day) + 18 * HOUR) for day in range(1, 13)}


def test_events_by_another_time_than_the_tables_days_are_measured_too(shop):
    """The event time of a report is 20 hours after its payment, two hours after it was published."""
    found = known_at(shop, REPORTS, ["number"], event_time="reported_at").rows
    assert dict(found.select("reported_at", READABLE).iter_rows()) == {
        at + 20 * HOUR: when for at, when in EXPECTED.items()
    }
    feature = count("tx").over("1d").of(Events(REPORTS, "reported_at"))
    one = measure_lateness(shop, risk(features=[feature])).events[0]
    assert (one.rows, one.history, one.late) == (13, 8, 0)
    assert one.longest == -2 * 3_600


def test_an_empty_table_and_a_single_row(lake, clock):
    put(lake, REPORTS, frame([noon(1)]).clear(), by_day=False)
    put(lake, PAYMENTS, frame([noon(1)]).clear(), by_day=False)
    found = measure_lateness(lake, risk())
    assert (found.events[0].rows, found.events[0].p50, found.values, found.share) == (0, None, 0, None)
    arrive(lake, clock, [12])
    one = measure_lateness(lake, risk("1d"))
    assert (one.events[0].history, one.values) == (1, 0)


# Training values that were not available at serving time.


def test_a_delay_that_is_too_short_gives_values_not_available_at_serving_time(shop):
    """Payments at noon hold the report of that noon, which comes 18 hours later."""
    early, right = measure_lateness(shop, risk("0d")), measure_lateness(shop, risk("18h"))
    assert (early.values, early.late, early.share) == (4, 4, 1.0)
    assert (right.values, right.late, right.share) == (4, 0, 0.0)


def test_a_window_that_ended_before_the_row_could_be_read_never_held_it_too_early(shop, clock):
    clock.at = noon(20)
    put(shop, REPORTS, frame([noon(13), noon(13) - HOUR], [1, 1], first=13))  # an hour before noon, a week late
    put(shop, PAYMENTS, frame([noon(13) + n * DAY for n in range(6)], first=13))
    short = measure_lateness(shop, risk("18h", features=[count("tx").over("1d")]))
    long = measure_lateness(shop, risk("18h", features=[count("tx").over("4d")]))
    assert (short.late, long.late) == (1, 4)


def test_the_payments_own_row_comes_with_the_request(shop):
    own = FeatureSet(
        "shop.spend",
        Entity("terminal_id"),
        PAYMENTS,
        "at",
        [count("tx").over("12h")],
        row_key="number",
        description="Spend.",
        owner="team:shop",
    )
    assert (measure_lateness(shop, own).values, measure_lateness(shop, own).late) == (4, 0)
    longer = replace(own, features=[count("tx").over("2d")])
    assert measure_lateness(shop, longer).late == 0, "yesterday's row came before noon"
    assert measure_lateness(shop, longer).events[0].late == 4, "though no row was readable at its own time"


def test_a_declared_available_at_column_is_compared_with_publishing_times(shop):
    one = replace(risk(), available_at="reported_at")
    found = measure_lateness(shop, one)
    assert (found.events[0].declared, found.events[0].p50) == ("column reported_at", 72_000)
    assert found.share == 0.0, "20 hours are declared, 18 were needed"
    hasty = pl.DataFrame(pl.from_arrow(read(shop, REPORTS))).with_columns(reported_at=pl.col("at") + HOUR)
    put(shop, REPORTS, hasty)
    spine = frame([noon(day) + 6 * HOUR for day in range(10, 14)], first=10)
    put(shop, PAYMENTS, spine)
    assert measure_lateness(shop, one).share == 1.0


def test_features_without_events_have_nothing_to_wait_for(shop):
    calendar = risk(features=[hour_between(0, 6, "night")])
    found = measure_lateness(shop, calendar)
    assert (list(found.events), found.share) == ([], None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_late_values_equal_those_of_a_row_by_row_definition(data, lake, monkeypatch):
    """Against the definition, row by row: any terminals, delays, windows, any order of arrival."""
    from lakehouse.tables.lateness import Readable

    hours = st.integers(0, 24 * 6)
    events = data.draw(st.lists(st.tuples(hours, st.integers(0, 60), st.integers(0, 2)), min_size=1, max_size=12))
    asked = data.draw(st.lists(st.tuples(hours, st.integers(0, 3)), min_size=1, max_size=12))
    delay, window = data.draw(st.integers(0, 30)), data.draw(st.one_of(st.none(), st.integers(1, 60)))
    start = noon(1)
    rows = pl.DataFrame(
        [
            {"at": start + hour * HOUR, "terminal_id": terminal, READABLE: start + (hour + took) * HOUR, HISTORY: False}
            for hour, took, terminal in events
        ],
        schema={"at": pl.Datetime("us"), "terminal_id": pl.Int64, READABLE: pl.Datetime("us"), HISTORY: pl.Boolean},
    )
    spine = pl.DataFrame(
        [{"at": start + hour * HOUR, "terminal_id": terminal} for hour, terminal in asked],
        schema={"at": pl.Datetime("us"), "terminal_id": pl.Int64},
    )
    known = Readable(rows, start)
    monkeypatch.setattr("lakehouse.training.lateness.known_at", lambda *_, **__: known)
    monkeypatch.setattr("lakehouse.training.lateness.read", lambda *_, **__: spine.to_arrow())
    declared = count("tx").over(f"{window}h" if window else "lifetime")
    found = measure_lateness(lake, risk(f"{delay}h", features=[declared]), {REPORTS: 1, PAYMENTS: 1})

    def late(time: int, terminal: int) -> bool:
        return any(
            of == terminal and hour + delay <= time < hour + took and (not window or time < hour + delay + window)
            for hour, took, of in events
        )

    assert found.late == sum(late(*one) for one in asked)


# The check of a training set.

LABEL = Label(REPORTS, "bad", "number", "reported_at")


def training(*sets: FeatureSet, tolerance: float | None = None) -> TrainingSet:
    return TrainingSet(
        "shop.training", PAYMENTS, "number", "at", ["terminal_id"], LABEL, sets, "Payments.", "team:shop", tolerance
    )


def build(lake: Lakehouse, feature_set: FeatureSet) -> None:
    from lakehouse.engines.choice import engine_of
    from lakehouse.feature_tables.build import build_feature_set

    build_feature_set(lake, engine_of(lake, feature_set.engine), feature_set, run_id="feature-run")


def test_a_training_set_that_serving_could_not_match_is_not_published(shop):
    early = risk("0d")
    build(shop, early)
    with pytest.raises(AuditError) as rejected:
        build_training_set(shop, training(early, tolerance=0.25), run_id="training-run")
    (check_result,) = [one for one in rejected.value.check_results if not one.passed]
    assert (check_result.name, check_result.blocking) == (CHECK, True)
    assert check_result.message == (
        "100.00% of 4 values of shop.risk were not available at serving time; the tolerance is 25.00%. Rows of "
        "shop.reports have a declared delay of 0d, but arrived up to 18.0 h after their event time."
    )
    assert check_result.measured == {"tolerance": 0.25, "shop.risk": 1.0}
    built = build_training_set(shop, training(early, tolerance=1.0), run_id="training-run")
    assert [one.passed for one in built.check_results if one.name == CHECK] == [True]


def test_without_a_tolerance_nothing_is_measured(shop):
    early = risk("0d")
    build(shop, early)
    built = build_training_set(shop, training(early), run_id="training-run")
    assert CHECK not in {one.name for one in built.check_results}


def test_enough_delay_passes_the_strictest_check(shop):
    right = risk("18h")
    build(shop, right)
    built = build_training_set(shop, training(right, tolerance=0.0), run_id="training-run")
    (check_result,) = [one for one in built.check_results if one.name == CHECK]
    assert (check_result.passed, check_result.measured["shop.risk"]) == (True, 0.0)


def test_feature_sets_that_a_set_uses_are_measured_too(shop):
    early = risk("0d")
    on_it = FeatureSet(
        "shop.doubled",
        Entity("terminal_id"),
        REPORTS,
        "at",
        [derived("double", "risk__tx_count_1d * 2")],
        spine=PAYMENTS,
        row_key="number",
        uses=[early],
        description="Risk.",
        owner="team:shop",
    )
    build(shop, early)
    build(shop, on_it)
    with pytest.raises(AuditError) as rejected:
        build_training_set(shop, training(on_it, tolerance=0.25), run_id="training-run")
    (check_result,) = [one for one in rejected.value.check_results if not one.passed]
    assert check_result.measured == {"tolerance": 0.25, "shop.risk": 1.0}


def test_rows_loaded_as_history_are_not_measured(built):
    input_snapshots = {name: resolve(built.table(name)) for name in fraud_training.inputs()}
    check_result = late_check_result(built, replace(fraud_training, late_tolerance=0.0), input_snapshots)
    assert check_result.passed
    assert check_result.message == "Nothing to measure yet: all rows were loaded as history."


def test_dagster_shows_the_check_only_where_it_is_declared():
    from lakehouse.kinds.training_set import TrainingSetAsset
    from orchestration.kinds.training_set import training_asset

    def names(one: TrainingSet) -> set[str]:
        return {spec.name for spec in training_asset(TrainingSetAsset(one, "embedded")).check_specs}

    declared = replace(fraud_training, late_tolerance=0.05)
    assert names(declared) - names(fraud_training) == {CHECK}
    (spec,) = [
        spec for spec in training_asset(TrainingSetAsset(declared, "embedded")).check_specs if spec.name == CHECK
    ]
    assert spec.blocking
    assert "At most 5.00% of the values" in str(spec.description)
    assert checks_of(fraud_training) == {}


# Joins with what was really readable.


def kept_up_to_date(lake: Lakehouse, clock: Clock) -> FeatureSet:
    """A feature set that is brought up to date 19 hours after each noon, as its events come."""
    one = risk("0d", features=[count("tx").over("lifetime")])
    history = frame([noon(day) for day in range(1, 10)], first=1)
    put(lake, REPORTS, history)
    put(lake, PAYMENTS, history)
    build(lake, one)
    for day in range(10, 14):
        arrive(lake, clock, [day])
        clock.at = noon(day) + 19 * HOUR
        build(lake, one)
    return one


def test_a_frame_as_known_holds_what_could_be_read_at_each_time(lake, clock):
    one = kept_up_to_date(lake, clock)
    times = [noon(5), noon(9), noon(10), noon(11), noon(11) + 19 * HOUR - timedelta(seconds=1), noon(11) + 19 * HOUR]
    spine = pl.DataFrame(
        {"at": times, "terminal_id": [1] * len(times)}, schema={"at": pl.Datetime("us"), "terminal_id": pl.Int64}
    )
    plain = training_frame(spine, one, lake=lake).polars()["risk__tx_count_lifetime"].to_list()
    known = training_frame(spine, one, lake=lake, as_known=True).polars()["risk__tx_count_lifetime"].to_list()
    assert plain == [5, 9, 10, 11, 11, 11]
    assert known == [5, 9, 9, 10, 10, 11], "history from its own time, the rest from when it was published"


def test_a_frame_as_known_survives_a_compaction(lake, clock):
    one = kept_up_to_date(lake, clock)
    spine = frame([noon(day) for day in range(1, 14)]).select("at", "terminal_id")
    before = training_frame(spine, one, lake=lake, as_known=True)
    clock.at = noon(20)
    compact(lake, one.name)
    assert training_frame(spine, one, lake=lake, as_known=True).content_hash == before.content_hash


def test_a_row_that_came_after_a_newer_one_never_was_the_newest(lake, clock):
    one = kept_up_to_date(lake, clock)
    clock.at = noon(16)
    put(lake, PAYMENTS, frame([noon(11), noon(11) + HOUR], first=11).with_columns(number=pl.Series([11, 90])))
    clock.at = noon(16) + HOUR
    build(lake, one)
    spine = pl.DataFrame(
        {"at": [noon(17)], "terminal_id": [1]}, schema={"at": pl.Datetime("us"), "terminal_id": pl.Int64}
    )
    known = training_frame(spine, one, lake=lake, as_known=True, allow_future=True).polars()
    assert known["risk__tx_count_lifetime"].to_list() == [13]


def test_of_ties_one_that_came_after_one_with_a_larger_row_key_never_was_the_newest(lake, clock):
    one = risk(features=[count("tx").over("lifetime")])
    rows = frame([noon(10), noon(10)], first=3).select("number", "at", "terminal_id")
    rows = rows.with_columns(tx_count_lifetime=pl.Series([3, 4]))
    put(
        lake,
        one.name,
        rows[:1].with_columns(at=pl.lit(noon(9)), number=pl.lit(1, pl.Int64)),
        definition=one.fingerprint(),
    )
    clock.at = noon(11)
    put(lake, one.name, rows[1:], definition=one.fingerprint())
    clock.at = noon(12)
    put(lake, one.name, rows, definition=one.fingerprint())
    spine = pl.DataFrame(
        {"at": [noon(13)], "terminal_id": [1]}, schema={"at": pl.Datetime("us"), "terminal_id": pl.Int64}
    )
    for known in (False, True):
        found = training_frame(spine, one, lake=lake, as_known=known, allow_future=True).polars()
        assert found["risk__tx_count_lifetime"].to_list() == [4]


# The commands.


def slipway(monkeypatch, lake: Lakehouse, one: FeatureSet, *words: str) -> tuple[int, str]:
    """Run a command in a project that declares this set; its exit code and output."""
    (fraud,) = load_domains(["fraud"])
    domain = replace(fraud, name="shop", declarations=[*fraud.sources, one, training(one)])
    monkeypatch.setattr("lakehouse.loading.load_domains", lambda: [domain])
    done = CliRunner().invoke(app, [*words, "--home", str(lake.home.root)], env={"COLUMNS": "200"})
    return done.exit_code, f"{done.output}{done.exception or ''}"


@pytest.mark.parametrize("name", ["shop.risk", "shop.training"])
def test_the_command_shows_the_declared_delay_beside_the_measured_one(shop, monkeypatch, name):
    early = risk("1h")
    code, output = slipway(monkeypatch, shop, early, "lateness", name, "--json")
    (lateness,) = json.loads(output)
    assert (code, lateness["feature_set"], lateness["values"], lateness["share_too_late"]) == (0, "shop.risk", 4, 0.0)
    assert lateness["events"] == [
        {
            "table": REPORTS,
            "declared": "1h",
            "seconds": {"p50": 64_800, "p99": 64_800, "longest": 64_800},
            "rows": 13,
            "rows_live": 4,
            "rows_history": 9,
            "rows_too_late": 4,
        }
    ]
    _, words = slipway(monkeypatch, shop, risk("0d"), "lateness", name)
    assert "18.0 h" in words
    assert "100.00% of 4 training values (4) were not available at serving time." in words


def test_an_unknown_name_gets_the_nearest(shop, monkeypatch):
    code, output = slipway(monkeypatch, shop, risk(), "lateness", "shop.risks")
    assert code == 1
    assert "nearest: shop.risk" in output


def test_a_training_set_as_known_is_asked_for_on_the_command_line(lake, clock, monkeypatch):
    one = kept_up_to_date(lake, clock)
    sql = 'select terminal_id, "at" from shop.payments where day("at") = 11'

    def known(*more: str) -> int:
        file = lake.home.root.parent / "frame.parquet"
        code, output = slipway(
            monkeypatch, lake, one, "training-set", one.name, "--spine", sql, "--out", str(file), *more
        )
        assert code == 0, output
        return pl.read_parquet(file)["risk__tx_count_lifetime"].item()

    assert (known(), known("--as-known")) == (11, 10)


@pytest.mark.parametrize(
    ("seconds", "message"), [(0.25, "0.2 s"), (90, "1.5 min"), (64_800, "18.0 h"), (864_000, "10.0 d"), (None, "")]
)
def test_durations_are_formatted_for_people(seconds, message):
    assert spoken(seconds) == message

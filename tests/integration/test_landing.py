"""Landing deliveries: every row once, unchanged, with its origin; bad rows go to quarantine.

What belongs here: deliveries that can be landed, again and again and in any order. Not: files that cannot
(test_bad_deliveries.py) and processes that die meanwhile (the tests of the write path).
"""

import hashlib
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.fraud.simulator import SCHEMA
from assets.fraud.sources import transactions as source
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.errors import DeliveryError
from lakehouse.ingestion.check_results import check_names, current_check_results
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.pending import find_pending
from lakehouse.sources.reading import read_delivery
from lakehouse.tables import write_audit_publish as steps
from lakehouse.tables.check_result import AuditError
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import plan, read, resolve
from tests import scenario

DAYS = scenario.EVERY_DAY
WEEK = DAYS[:7]
NAME = source.name
QUARANTINE = quarantine_name(NAME)
DELIVERED = list(SCHEMA)


def table(lake, name=NAME):
    return pl.DataFrame(pl.from_arrow(read(lake, name)))


def as_delivered(lake):
    """The landed rows in the delivered columns and order."""
    return table(lake).sort("TRANSACTION_ID").select(DELIVERED).cast(SCHEMA)


def snapshot(lake, name=NAME):
    return resolve(lake.table(name)) if lake.has(name) else None


def published(lake, name=NAME):
    """The snapshot that a landing published; None while there was none."""
    made = last_published(lake, name)
    return made.snapshot_id if made else None


def put(lake, name, rows):
    """Deliver rows as one Parquet file."""
    path = lake.home.drop_folder(NAME) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    return path


def files_by_day(lake):
    """The data files of each day of the landed table."""
    found = {}
    for task in plan(lake, NAME).tasks:
        found.setdefault(task.file.partition[0], set()).add(task.file.file_path)
    return {date(1970, 1, 1) + timedelta(days=day): files for day, files in found.items()}


# Rows arrive unchanged.


@pytest.mark.parametrize(
    ("file_format", "gzip"), [("parquet", False), ("csv", False), ("csv", True), ("jsonl", False), ("jsonl", True)]
)
def test_daily_files_of_every_format_land_as_the_same_rows(lake, file_format, gzip):
    rows = scenario.payments_on(WEEK)
    files = scenario.deliver(lake, rows, file_format, gzip=gzip)
    landed = scenario.land_all(lake)
    assert as_delivered(lake).equals(rows)
    assert landed.outcome.days == tuple(WEEK)
    assert (landed.outcome.rows, landed.outcome.rows_written, landed.quarantined) == (len(rows), len(rows), 0)
    assert all(check_result.passed for check_result in landed.outcome.check_results)
    check_results = [*landed.outcome.check_results, *current_check_results(landed)]
    assert {check_result.name for check_result in check_results} == set(check_names(source))
    assert set(table(lake)["_file"]) == {path.name for path in files}


def test_one_large_file_is_found_in_the_configured_drop_folder(lake, tmp_path):
    path = tmp_path / "all.parquet"
    scenario.payments().write_parquet(path)
    lake.home.remember_source(NAME, path)
    landed = scenario.land_all(lake)
    assert as_delivered(lake).equals(scenario.payments())
    assert landed.outcome.days == tuple(DAYS)
    assert set(table(lake)["_file"]) == {"all.parquet"}


def test_each_row_names_its_file_its_row_number_the_fingerprint_and_its_arrival(lake):
    # As rows may come: not in order of time, and in a folder of their own.
    rows = scenario.payments_on(WEEK).sample(fraction=1, shuffle=True, seed=1)
    path = put(lake, "week/1.parquet", rows)
    before = datetime.now(UTC).replace(tzinfo=None)
    scenario.land_all(lake)
    after = datetime.now(UTC).replace(tzinfo=None)
    landed = table(lake).sort("_row")
    assert landed.select(DELIVERED).cast(SCHEMA).equals(rows)
    assert landed["_row"].to_list() == list(range(1, len(rows) + 1))
    assert set(landed["_file"]) == {"week/1.parquet"}
    assert set(landed["_fingerprint"]) == {hashlib.sha256(path.read_bytes()).hexdigest()[:32]}
    assert landed["_arrived_at"].n_unique() == 1
    assert before <= landed["_arrived_at"][0] <= after


def test_the_landed_table_is_sorted_by_time_within_each_day(lake):
    put(lake, "a.parquet", scenario.payments_on(WEEK).sample(fraction=1, shuffle=True, seed=1))
    scenario.land_all(lake)
    for day in WEEK:
        where = f"TX_DATETIME >= '{day}T00:00:00' and TX_DATETIME < '{day + timedelta(days=1)}T00:00:00'"
        times = pl.DataFrame(pl.from_arrow(read(lake, NAME, where=where)))["TX_DATETIME"]
        assert times.is_sorted()


def test_the_snapshot_names_run_contract_and_code(lake):
    scenario.deliver(lake, scenario.payments_on(WEEK))
    scenario.land_all(lake, run_id="run-of-today")
    made = last_published(lake, NAME)
    assert (made.run_id, made.contract, made.definition) == (
        "run-of-today",
        source.contract.version,
        source.contract.fingerprint(),
    )
    assert made.code_version


def test_other_files_in_the_folder_are_left_alone(lake):
    folder = scenario.deliver(lake, scenario.payments_on(WEEK))[0].parent
    (folder / "README.txt").write_text("hello")
    (folder / ".half-written.parquet").write_bytes(b"PAR1")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.parquet").write_bytes(b"PAR1")
    assert scenario.land_all(lake).outcome.rows == len(scenario.payments_on(WEEK))


# The same delivery again.


def test_the_same_files_again_change_nothing(lake):
    files = scenario.deliver(lake, scenario.payments_on(WEEK))
    scenario.land_all(lake)
    before = snapshot(lake), len(lake.table(NAME).snapshots())
    again = scenario.land_all(lake)
    assert (again.outcome.recomputed, again.outcome.snapshot_id, again.outcome.check_results) == (False, before[0], ())
    for path in files:
        os.utime(path, (1, 1))  # looked into again, and found to be the same
    assert not scenario.land_all(lake).outcome.recomputed
    assert (snapshot(lake), len(lake.table(NAME).snapshots())) == before


def test_a_landed_file_may_be_renamed_or_removed(lake):
    files = scenario.deliver(lake, scenario.payments_on(WEEK))
    scenario.land_all(lake)
    before = snapshot(lake)
    files[0].rename(files[0].with_name("renamed.parquet"))
    files[1].unlink()
    assert not scenario.land_all(lake).outcome.recomputed
    assert snapshot(lake) == before


def test_a_new_file_under_the_old_name_of_a_renamed_one_takes_nothing_away(lake):
    put(lake, "today.parquet", scenario.payments_on(WEEK[:3])).rename(lake.home.drop_folder(NAME) / "kept.parquet")
    scenario.land_all(lake)
    (lake.home.drop_folder(NAME) / "kept.parquet").rename(lake.home.drop_folder(NAME) / "older.parquet")
    put(lake, "kept.parquet", scenario.payments_on(WEEK[3:]))
    scenario.land_all(lake)
    assert as_delivered(lake).equals(scenario.payments_on(WEEK))


def test_one_file_under_two_names_is_rejected(lake):
    files = scenario.deliver(lake, scenario.payments_on(WEEK))
    copy = files[2].with_name("copy.parquet")
    copy.write_bytes(files[2].read_bytes())
    landed = scenario.land_all(lake)
    (rejection,) = landed.rejected
    assert "the same delivery arrived twice" in rejection.reason.what
    assert {rejection.reason.nearest, rejection.reason.where.rsplit("/", 1)[-1]} == {"copy.parquet", files[2].name}
    assert rejection.reason.fix
    assert as_delivered(lake).equals(scenario.payments_on(WEEK))
    before = snapshot(lake)
    assert not find_pending(lake, source).anything
    files[2].with_name("another.parquet").write_bytes(files[2].read_bytes())
    with pytest.raises(DeliveryError, match="the same delivery arrived twice"):
        scenario.land_all(lake)
    assert snapshot(lake) == before


def test_a_file_delivered_again_with_other_content_takes_the_place_of_its_rows(lake):
    rows = scenario.payments_on(WEEK)
    scenario.deliver(lake, rows)
    scenario.land_all(lake)
    files = files_by_day(lake)
    corrected = rows.with_columns(
        TX_AMOUNT=pl.when(pl.col("TX_TIME_DAYS") == 2).then(pl.col("TX_AMOUNT") + 1).otherwise("TX_AMOUNT")
    )
    scenario.deliver(lake, corrected.filter(pl.col("TX_TIME_DAYS") == 2))
    landed = scenario.land_all(lake)
    assert landed.outcome.days == (WEEK[2],)
    assert as_delivered(lake).equals(corrected)
    after = files_by_day(lake)
    assert {day for day in WEEK if files[day] != after[day]} == {WEEK[2]}


def test_a_corrected_file_that_holds_fewer_days_takes_the_others_away(lake):
    put(lake, "a.parquet", scenario.payments_on(WEEK))
    scenario.land_all(lake)
    put(lake, "a.parquet", scenario.payments_on(WEEK[:5]))
    landed = scenario.land_all(lake)
    assert landed.outcome.days == tuple(WEEK)
    assert as_delivered(lake).equals(scenario.payments_on(WEEK[:5]))
    assert not scenario.land_all(lake).outcome.recomputed


# Part of the days.


def test_days_can_be_landed_one_by_one(lake):
    rows = scenario.payments_on(WEEK)
    scenario.deliver(lake, rows)
    for day in reversed(WEEK):
        assert land(lake, source, run_id="r", asked=[day]).outcome.days == (day,)
    assert as_delivered(lake).equals(rows)
    assert not scenario.land_all(lake).outcome.recomputed


def test_a_large_file_can_be_landed_day_by_day_and_keeps_its_row_numbers(lake):
    rows = scenario.payments_on(WEEK).sample(fraction=1, shuffle=True, seed=1)
    put(lake, "all.parquet", rows)
    land(lake, source, run_id="r", asked=[WEEK[3], WEEK[5]])
    assert as_delivered(lake).equals(scenario.payments_on([WEEK[3], WEEK[5]]))
    assert find_pending(lake, source).days == [day for day in WEEK if day not in {WEEK[3], WEEK[5]}]
    land(lake, source, run_id="r", asked=WEEK[:4])
    scenario.land_all(lake)
    assert table(lake).sort("_row").select(DELIVERED).cast(SCHEMA).equals(rows)


def test_days_that_nobody_delivered_are_nothing_to_land(lake):
    scenario.deliver(lake, scenario.payments_on(WEEK))
    landed = land(lake, source, run_id="r", asked=[date(2030, 1, 1)])
    assert (landed.outcome.recomputed, landed.outcome.rows) == (False, 0)
    assert len(table(lake)) == 0


def test_a_correction_landed_for_one_day_leaves_the_other_days_as_they_were(lake):
    rows = scenario.payments_on(WEEK)
    put(lake, "all.parquet", rows)
    scenario.land_all(lake)
    corrected = rows.with_columns(TX_AMOUNT=pl.col("TX_AMOUNT") + 1)
    put(lake, "all.parquet", corrected)
    land(lake, source, run_id="r", asked=[WEEK[1]])
    mixed = pl.concat([corrected.filter(pl.col("TX_TIME_DAYS") == 1), rows.filter(pl.col("TX_TIME_DAYS") != 1)])
    assert as_delivered(lake).equals(mixed.sort("TRANSACTION_ID"))
    scenario.land_all(lake)
    assert as_delivered(lake).equals(corrected)


# Late files.


def late_payments(day, number):
    """Payments of a day that come in a file of their own, with numbers that no other payment has."""
    noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001  # table times are UTC without a zone
    rows = scenario.payments_on([day]).head(number)
    return rows.with_columns(
        TRANSACTION_ID=pl.col("TRANSACTION_ID") + 1_000_000, TX_DATETIME=pl.lit(noon).cast(pl.Datetime("us"))
    ).cast(SCHEMA)


def test_a_late_file_for_an_earlier_day_joins_that_days_rows(lake):
    rows = scenario.payments_on(WEEK)
    scenario.deliver(lake, rows)
    scenario.land_all(lake)
    files, arrived = files_by_day(lake), table(lake).select("TRANSACTION_ID", "_arrived_at")
    late = late_payments(WEEK[1], 5)
    put(lake, "late.parquet", late)
    landed = scenario.land_all(lake)
    assert landed.outcome.days == (WEEK[1],)
    assert as_delivered(lake).equals(pl.concat([rows, late]))
    after = files_by_day(lake)
    assert {day for day in WEEK if files[day] != after[day]} == {WEEK[1]}
    kept = table(lake).select("TRANSACTION_ID", "_arrived_at").join(arrived, on=["TRANSACTION_ID", "_arrived_at"])
    assert len(kept) == len(rows), "rows that were there keep the time at which they arrived"


def test_a_late_file_beside_a_file_landed_in_part_loses_no_row(lake):
    """Regression: landing a file's second day took away its first one, when another file brought rows for that."""
    rows, late = scenario.payments_on(WEEK), late_payments(WEEK[0], 5)
    put(lake, "all.parquet", rows)
    land(lake, source, run_id="r", asked=[WEEK[0]])
    put(lake, "late.parquet", late)
    scenario.land_all(lake)
    assert as_delivered(lake).equals(pl.concat([rows, late]))


FILES = {
    "a.parquet": scenario.payments_on(WEEK[:3]),
    "b.parquet": scenario.payments_on(WEEK[3:6]),
    "late.parquet": pl.concat([late_payments(WEEK[0], 4), late_payments(WEEK[4], 3)]),
}
CORRECTED = {name: rows.with_columns(TX_AMOUNT=pl.col("TX_AMOUNT") + 1) for name, rows in FILES.items()}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(FILES)), st.booleans(), st.sets(st.sampled_from(WEEK[:6]), min_size=1)),
        min_size=1,
        max_size=4,
    )
)
def test_in_whatever_order_files_come_and_days_are_landed_the_end_is_the_same(tmp_path_factory, steps):
    lake = scenario.make_lake(tmp_path_factory.mktemp("order") / "home")
    delivered = {}
    for name, corrected, days in steps:
        delivered[name] = (CORRECTED if corrected else FILES)[name]
        put(lake, name, delivered[name])
        land(lake, source, run_id="r", asked=sorted(days))
    scenario.land_all(lake)
    assert as_delivered(lake).equals(pl.concat(delivered.values()).sort("TRANSACTION_ID"))
    assert not scenario.land_all(lake).outcome.recomputed


# Quarantine.


def with_faults(rows, *faults):
    """The rows, with (TRANSACTION_ID, column, value) faults put in."""
    for number, column, value in faults:
        fault = pl.lit(value, SCHEMA[column])
        rows = rows.with_columns(
            pl.when(pl.col("TRANSACTION_ID") == number).then(fault).otherwise(column).alias(column)
        )
    return rows


TOLERANT = replace(source, contract=replace(source.contract, quarantine_share=0.1, freshness="24h"))
FAULTS = [(3, "TX_AMOUNT", -5.0), (4, "TX_AMOUNT", float("nan")), (5, "TX_FRAUD", 7), (5, "CUSTOMER_ID", None)]


def test_rows_that_fail_a_rule_are_quarantined_with_its_name(lake):
    rows = with_faults(scenario.payments_on(WEEK), *FAULTS)
    scenario.deliver(lake, rows)
    landed = scenario.land_all(lake, lenient=True)
    bad = [3, 4, 5]
    assert as_delivered(lake).equals(rows.filter(~pl.col("TRANSACTION_ID").is_in(bad)))
    held = table(lake, QUARANTINE).sort("TRANSACTION_ID")
    assert held["TRANSACTION_ID"].to_list() == bad
    assert held["_rule"].to_list() == [
        "TX_AMOUNT_in_range",
        "TX_AMOUNT_not_null, TX_AMOUNT_in_range",
        "CUSTOMER_ID_not_null, TX_FRAUD_one_of",
    ]
    assert held["_row"].to_list() == [4, 5, 6]
    assert landed.quarantined == 3
    check_results = {check_result.name: check_result for check_result in landed.outcome.check_results}
    assert not check_results["TX_AMOUNT_in_range"].passed
    assert check_results["conservation"].measured == {
        "delivered": len(rows),
        "written": len(rows) - 3,
        "quarantined": 3,
        "waiting": 0,
    }


def test_the_same_bad_rows_are_quarantined_once(lake):
    rows = with_faults(scenario.payments_on(WEEK), *FAULTS)
    put(lake, "all.parquet", rows)
    for day in WEEK:
        land(lake, TOLERANT, run_id="r", asked=[day])
    assert table(lake, QUARANTINE)["TRANSACTION_ID"].sort().to_list() == [3, 4, 5]
    before = snapshot(lake), snapshot(lake, QUARANTINE)
    assert not land(lake, TOLERANT, run_id="r").outcome.recomputed
    assert (snapshot(lake), snapshot(lake, QUARANTINE)) == before


def test_rows_without_a_time_are_quarantined_once_whatever_days_are_landed(lake):
    rows = with_faults(scenario.payments_on(WEEK), (3, "TX_DATETIME", None), (200, "TX_DATETIME", None))
    put(lake, "all.parquet", rows)
    for day in WEEK:
        land(lake, TOLERANT, run_id="r", asked=[day])
    held = table(lake, QUARANTINE).sort("TRANSACTION_ID")
    assert held.select("TRANSACTION_ID", "_rule").rows() == [(3, "TX_DATETIME_not_null"), (200, "TX_DATETIME_not_null")]
    assert as_delivered(lake).equals(rows.filter(pl.col("TX_DATETIME").is_not_null()))
    assert not land(lake, TOLERANT, run_id="r").outcome.recomputed


@pytest.mark.parametrize("year", [1900, 1970, 2150])
def test_one_time_outside_of_the_contract_is_quarantined_and_rejects_nothing(lake, year):
    """Regression: the day of one mistyped time was taken for a day that lacks rows."""
    rows = with_faults(scenario.payments_on(WEEK), (3, "TX_DATETIME", datetime(year, 1, 1)))  # noqa: DTZ001
    put(lake, "all.parquet", rows)
    scenario.land_all(lake)
    assert table(lake, QUARANTINE).select("TRANSACTION_ID", "_rule").rows() == [(3, "TX_DATETIME_in_range")]
    assert len(table(lake)) == len(rows) - 1
    assert not scenario.land_all(lake).outcome.recomputed


def test_a_corrected_delivery_takes_its_rows_out_of_quarantine(lake):
    rows = scenario.payments_on(WEEK)
    put(lake, "all.parquet", with_faults(rows, *FAULTS))
    scenario.land_all(lake)
    put(lake, "all.parquet", rows)
    scenario.land_all(lake)
    assert as_delivered(lake).equals(rows)
    assert len(table(lake, QUARANTINE)) == 0
    assert not scenario.land_all(lake).outcome.recomputed


def test_a_changed_contract_evaluates_quarantined_deliveries_again(lake):
    rows = with_faults(scenario.payments_on(WEEK), *FAULTS[:2])
    put(lake, "all.parquet", rows)
    scenario.land_all(lake)
    assert table(lake, QUARANTINE)["TRANSACTION_ID"].sort().to_list() == [3, 4]
    columns = [
        replace(column, at_least=-10) if column.name == "TX_AMOUNT" else column for column in source.contract.columns
    ]
    relaxed = replace(source, contract=replace(source.contract, columns=columns, version="2.0.0"))
    land(lake, relaxed, run_id="r")
    assert table(lake, QUARANTINE)["TRANSACTION_ID"].to_list() == [4]
    assert as_delivered(lake).equals(rows.filter(pl.col("TRANSACTION_ID") != 4))
    assert last_published(lake, NAME).contract == "2.0.0"
    assert not land(lake, relaxed, run_id="r").outcome.recomputed


def test_too_many_bad_rows_reject_the_whole_delivery(lake):
    good, bad = scenario.payments_on(WEEK[:6]), scenario.broken(scenario.payments_on([WEEK[6]]), every=10)
    scenario.deliver(lake, good)
    scenario.land_all(lake)
    before = snapshot(lake)
    scenario.deliver(lake, bad)
    with pytest.raises(AuditError, match="nothing was published") as caught:
        scenario.land_all(lake)
    assert "quarantine_share" in caught.value.where
    assert "TX_AMOUNT is at least 0" in caught.value.what
    check_results = {check_result.name: check_result for check_result in caught.value.check_results}
    assert check_results["quarantine_share"].sample[0]["TX_AMOUNT"] < 0
    assert (snapshot(lake), lake.has(QUARANTINE)) == (before, False)
    assert as_delivered(lake).equals(good)
    # The draft stays on its branch for inspection, and the next good delivery lands as ever.
    branch = caught.value.fix.split("--at ")[1].split("`")[0]
    assert len(read(lake, NAME, at=branch)) > len(good)
    scenario.deliver(lake, scenario.payments_on([WEEK[6]]))
    scenario.land_all(lake)
    assert as_delivered(lake).equals(scenario.payments_on(WEEK))


def test_a_run_that_was_killed_before_publishing_is_taken_up_again(lake, monkeypatch):
    """Bad rows are in quarantine already, the good ones are nowhere: both are landed by the next run."""
    rows = with_faults(scenario.payments_on(WEEK), *FAULTS)
    scenario.deliver(lake, rows)

    publish = steps.publish

    def killed(lake, draft):
        if draft.name == scenario.lenient_source.name:
            raise KeyboardInterrupt
        return publish(lake, draft)

    with monkeypatch.context() as patched:
        patched.setattr(steps, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            scenario.land_all(lake, lenient=True)
    assert len(table(lake)) == 0
    assert len(table(lake, QUARANTINE)) == 3
    scenario.land_all(lake, lenient=True)
    assert len(table(lake)) == len(rows) - 3
    assert len(table(lake, QUARANTINE)) == 3


# Checks of the whole delivery.


def rejected(lake, check):
    before = published(lake)
    with pytest.raises(AuditError) as caught:
        scenario.land_all(lake)
    failed = [
        check_result.name
        for check_result in caught.value.check_results
        if check_result.blocking and not check_result.passed
    ]
    assert failed == [check]
    assert published(lake) == before
    return caught.value


def test_a_transaction_that_was_delivered_before_is_rejected(lake):
    rows = scenario.payments_on(WEEK)
    scenario.deliver(lake, rows.filter(pl.col("TX_TIME_DAYS") < 6))
    scenario.land_all(lake)
    doubled = with_faults(
        rows.filter(pl.col("TX_TIME_DAYS") == 6), (int(rows["TRANSACTION_ID"][-1]), "TRANSACTION_ID", 17)
    )
    scenario.deliver(lake, doubled)
    error = rejected(lake, "TRANSACTION_ID_unique_across_deliveries")
    check_result = next(one for one in error.check_results if one.name.endswith("across_deliveries"))
    assert check_result.sample == [
        {"TRANSACTION_ID": 17, "files": check_result.sample[0]["files"]},
    ]
    assert sorted(check_result.sample[0]["files"]) == [
        f"transactions_{WEEK[0]}.parquet",
        f"transactions_{WEEK[6]}.parquet",
    ]


def test_a_day_with_far_too_few_or_too_many_rows_is_rejected(lake):
    scenario.deliver(lake, scenario.payments_on(WEEK[:6]))
    scenario.land_all(lake)
    scenario.deliver(lake, scenario.payments_on([WEEK[6]]).tail(20))
    assert f"{WEEK[6]} with 20" in rejected(lake, "volume").what
    crowd = [late_payments(WEEK[6], 80).with_columns(pl.col("TRANSACTION_ID") + 1_000 * number) for number in range(4)]
    scenario.deliver(lake, pl.concat(crowd).cast(SCHEMA))
    assert f"{WEEK[6]} with" in rejected(lake, "volume").what


def test_a_delivery_whose_newest_day_has_no_good_row_is_stale(lake):
    # One row of the last day, and it goes to quarantine: the newest event left is a day older than the newest day.
    rows = scenario.payments_on(WEEK[:3])
    last = scenario.payments_on([WEEK[3]]).head(1).with_columns(TX_AMOUNT=pl.lit(-1.0))
    put(lake, "all.parquet", pl.concat([rows, last]))
    assert f"the limit is {source.contract.freshness}" in rejected(lake, "freshness").what


def test_a_repeated_transaction_in_one_delivery_is_kept_once(lake):
    rows = scenario.payments_on(WEEK)
    put(lake, "all.parquet", pl.concat([rows, rows.tail(1)]))
    landed = scenario.land_all(lake)
    assert as_delivered(lake).equals(rows)
    assert table(lake, QUARANTINE)["_rule"].to_list() == ["TRANSACTION_ID_unique"]
    assert landed.quarantined == 1


# Widths and zones of the same values.


def test_wider_and_dictionary_columns_land_in_the_contracts_types(lake):
    rows = scenario.payments_on(WEEK)
    wide = rows.with_columns(
        pl.col("TRANSACTION_ID", "CUSTOMER_ID", "TX_FRAUD").cast(pl.Int64),
        TERMINAL_ID=pl.col("TERMINAL_ID").cast(pl.UInt16),
        TX_AMOUNT=pl.col("TX_AMOUNT").cast(pl.Decimal(12, 2)),
        TX_DATETIME=pl.col("TX_DATETIME").cast(pl.Datetime("ns")),
    )
    put(lake, "wide.parquet", wide)
    scenario.land_all(lake)
    assert as_delivered(lake).equals(rows)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_times_with_a_zone_land_as_utc(tmp_path, name):
    rows = scenario.payments_on(WEEK)
    paris = pl.col("TX_DATETIME").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Paris")
    path = tmp_path / name
    if name.endswith("parquet"):
        rows.with_columns(paris).write_parquet(path)
    else:
        text = rows.with_columns(paris.dt.strftime("%Y-%m-%dT%H:%M:%S%:z"))
        (text.write_csv if name.endswith("csv") else text.write_ndjson)(path)
    found = read_delivery(source, path).rows
    assert pl.DataFrame(pl.from_arrow(found)).cast(SCHEMA).equals(rows)
    assert found.schema.field("TX_DATETIME").type == pa.timestamp("us")


def test_a_csv_may_be_quoted_and_separated_otherwise(tmp_path):
    rows = scenario.payments_on(WEEK)
    text = rows.with_columns(pl.col("TX_DATETIME").dt.strftime("%Y-%m-%d %H:%M:%S"))
    for number, (separator, quotes) in enumerate(
        [(";", "never"), ("\t", "always"), ("|", "necessary"), (",", "always")]
    ):
        path = tmp_path / f"{number}.csv"
        text.write_csv(path, separator=separator, quote_style=quotes, include_bom=number == 1, line_terminator="\r\n")
        assert pl.DataFrame(pl.from_arrow(read_delivery(source, path).rows)).cast(SCHEMA).equals(rows)


def test_a_changed_contract_evaluates_every_delivery_again(lake):
    rows = with_faults(scenario.payments_on(WEEK), (3, "TX_AMOUNT", -5.0))
    put(lake, "all.parquet", rows)
    land(lake, TOLERANT, run_id="r")
    assert len(table(lake, QUARANTINE)) == 1
    columns = [replace(one, at_least=None) if one.name == "TX_AMOUNT" else one for one in TOLERANT.contract.columns]
    looser = replace(TOLERANT, contract=replace(TOLERANT.contract, columns=columns, version="2.0.0"))
    assert land(lake, looser, run_id="r", asked=[WEEK[-1]]).outcome.recomputed
    assert len(table(lake, QUARANTINE)) == 0
    assert as_delivered(lake).equals(rows)
    assert not land(lake, looser, run_id="r").outcome.recomputed

"""A delivery that cannot be landed is one clear error, and nothing of it or of its neighbours is published.

What belongs here: bad files and bad places. Not: bad rows in good files (test_landing.py).
"""

import gzip
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.fraud.sources import transactions as source
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.errors import DeliveryError
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.sources.deliveries import inspect
from lakehouse.sources.reading import read_delivery
from lakehouse.tables.read import read, resolve
from tests import scenario

NAME = source.name
DAYS = scenario.EVERY_DAY
ROWS = scenario.payments_on(DAYS[5:6])
COUNT = len(ROWS)


@pytest.fixture(scope="module")
def week_home(tmp_path_factory):
    """A home with five good days landed."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("week") / "home")
    scenario.deliver(lake, scenario.payments_on(DAYS[:5]))
    scenario.land_all(lake)
    return lake.home.root


@pytest.fixture
def week(week_home, tmp_path):
    return scenario.make_lake(shutil.copytree(week_home, tmp_path / "week"))


def state(lake):
    """All that readers of the home's tables can see."""
    table = lake.table(NAME)
    return lake.names(), resolve(table), len(read(lake, NAME)), lake.has(quarantine_name(NAME))


def rejected(lake, name, *, message, where="", nearest=None, kind=source):
    """The file is rejected with one complete error, and readers see no difference."""
    before = state(lake)
    with pytest.raises(DeliveryError) as caught:
        land(lake, kind, run_id="r").raise_if_nothing_passed()
    error = caught.value
    assert message in error.what
    assert f"{lake.home.drop_folder(NAME) / name}{where}" == error.where
    assert error.fix
    if nearest is not None:
        assert error.nearest == nearest
    assert len(str(error).splitlines()) <= 4
    assert state(lake) == before
    # It blocks nothing: good deliveries still land, and the file is not evaluated again until its content changes.
    scenario.deliver(lake, scenario.payments_on(DAYS[6:7]))
    landed = land(lake, kind, run_id="r")
    assert (landed.outcome.recomputed, landed.rejected) == (True, [])
    return error


def text(rows=ROWS):
    return rows.with_columns(pl.col("TX_DATETIME").dt.strftime("%Y-%m-%dT%H:%M:%S"))


def csv_lines(rows=ROWS):
    return text(rows).write_csv().splitlines()


def json_lines(rows=ROWS):
    return text(rows).write_ndjson().splitlines()


def joined(lines):
    return "\n".join(lines) + "\n"


def with_cell(row, column, value):
    """The rows as CSV, with one cell changed (rows from 1)."""
    cells = [line.split(",") for line in csv_lines()]
    cells[row][ROWS.columns.index(column)] = value
    return joined(",".join(line) for line in cells)


def put(lake, name, content):
    path = lake.home.drop_folder(NAME) / name
    if isinstance(content, pl.DataFrame):
        content.write_parquet(path)
    elif isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Files that are invalid in their format.


def test_an_empty_file(week):
    put(week, "bad.parquet", b"")
    rejected(week, "bad.parquet", message="is empty (0 bytes)")


@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv", "bad.csv.gz"])
def test_a_file_without_rows(week, name):
    nothing = csv_lines()[0] + "\n"
    content = {"bad.parquet": ROWS.head(0), "bad.csv": nothing, "bad.csv.gz": gzip.compress(nothing.encode())}
    put(week, name, content[name])
    rejected(week, name, message="holds no rows")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_parquet_file(week, kept):
    path = put(week, "bad.parquet", ROWS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    rejected(week, "bad.parquet", message="cannot be read as parquet: it is damaged, cut off or of another format")


def test_a_parquet_file_with_changed_bytes(week):
    path = put(week, "bad.parquet", ROWS)
    content = bytearray(path.read_bytes())
    content[200:600] = bytes(400)
    path.write_bytes(bytes(content))
    rejected(week, "bad.parquet", message="cannot be read as parquet")


def test_a_csv_file_that_is_called_parquet(week):
    put(week, "bad.parquet", joined(csv_lines()))
    rejected(week, "bad.parquet", message="cannot be read as parquet")


PACKED = gzip.compress(joined(csv_lines()).encode())
DAMAGE = {
    "cut off": PACKED[: len(PACKED) // 2],
    "without its end": PACKED[:-8],
    "with changed bytes": PACKED[:200] + bytes(40) + PACKED[240:],
    "with another checksum": PACKED[:-8] + bytes(4) + PACKED[-4:],
    "not packed at all": joined(csv_lines()).encode(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_gzip_file(week, damage):
    put(week, "bad.csv.gz", DAMAGE[damage])
    rejected(week, "bad.csv.gz", message="cannot be read as csv: it is damaged")


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (lambda line: ",".join(line.split(",")[:5]), "5 columns instead of 9", 31),
        (lambda line: line + ",7", "10 columns instead of 9", 31),
        (lambda _: "# a remark", "1 columns instead of 9", 31),
    ],
)
def test_a_csv_line_that_does_not_fit(week, change, message, line):
    lines = csv_lines()
    lines[30] = change(lines[30])
    put(week, "bad.csv", joined(lines))
    rejected(week, "bad.csv", message=message, where=f", row {line - 1}")


def test_a_quote_that_is_never_closed(week):
    lines = csv_lines()
    lines[30] = '"' + lines[30]
    put(week, "bad.csv", joined(lines))
    rejected(week, "bad.csv", message="A quoted value of the file never ends")


def test_a_csv_file_that_is_cut_off(week):
    put(week, "bad.csv", joined(csv_lines())[:-12])
    rejected(week, "bad.csv", message="columns instead of 9", where=f", row {COUNT}")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_csv_file_in_another_encoding(week, encoding):
    put(week, "bad.csv", joined(csv_lines()).replace("TX_AMOUNT", "TX_AMOÜNT").encode(encoding))
    rejected(week, "bad.csv", message="utf-8")


@pytest.mark.parametrize("row", ["{oops", '{"TRANSACTION_ID": 1', "}"])
def test_invalid_json(week, row):
    put(week, "bad.jsonl", joined([*json_lines()[:4], row, *json_lines()[4:]]))
    error = rejected_somewhere(week, "bad.jsonl")
    assert "cannot be read as json" in error.what


def rejected_somewhere(lake, name):
    """The same as `rejected`, where the reading library decides how exact the place in the file is."""
    before = state(lake)
    with pytest.raises(DeliveryError) as caught:
        scenario.land_all(lake)
    assert str(lake.home.drop_folder(NAME) / name) in caught.value.where
    assert state(lake) == before
    return caught.value


@pytest.mark.parametrize(("row", "kind"), [("[1, 2]", "array"), ("null", "null"), ('"text"', "varchar")])
def test_json_rows_that_are_not_objects(week, row, kind):
    put(week, "bad.jsonl", joined([*json_lines()[:4], row, *json_lines()[4:]]))
    rejected(week, "bad.jsonl", message=f"JSON {kind}, not an object", where=", row 5")


def test_a_json_array_in_place_of_lines(week):
    put(week, "bad.jsonl", "[" + ",".join(json_lines()) + "]")
    rejected(week, "bad.jsonl", message="JSON array, not an object", where=", row 1")


# Columns.


@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv", "bad.jsonl"])
@pytest.mark.parametrize(
    ("change", "message", "nearest"),
    [
        (lambda rows: rows.drop("TX_FRAUD"), "column 'TX_FRAUD' is missing", ""),
        (lambda rows: rows.rename({"TX_AMOUNT": "TX_AMUONT"}), "column 'TX_AMOUNT' is missing", "TX_AMUONT"),
        (lambda rows: rows.with_columns(TX_AMOUNTS=pl.lit(5)), "column 'TX_AMOUNTS' is unknown", "TX_AMOUNT"),
        (lambda rows: rows.rename(str.lower), "column 'TRANSACTION_ID' is missing", "transaction_id"),
    ],
)
def test_columns_that_are_missing_misspelt_or_unknown(week, name, change, message, nearest):
    rows = change(text() if name != "bad.parquet" else ROWS)
    content = {"bad.parquet": lambda: rows, "bad.csv": rows.write_csv, "bad.jsonl": rows.write_ndjson}
    put(week, name, content[name]())
    rejected(week, name, message=message, nearest=nearest or None)


def test_a_column_that_is_there_twice(week):
    table = ROWS.to_arrow()
    put(week, "bad.parquet", pa.table([*table.columns, table.column("TX_FRAUD")], names=[*ROWS.columns, "TX_FRAUD"]))
    rejected(week, "bad.parquet", message="'TX_FRAUD' appears twice")
    (week.home.drop_folder(NAME) / "bad.parquet").unlink()
    # As the file of another day: the days after the first one have landed meanwhile.
    lines = csv_lines(scenario.payments_on(DAYS[7:8]))
    put(week, "bad.csv", joined([f"{line},{'TX_FRAUD' if number == 0 else 0}" for number, line in enumerate(lines)]))
    error = rejected_somewhere(week, "bad.csv")
    assert "'TX_FRAUD' appears twice" in error.what


# Types. A value is never coerced.


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        ("TX_AMOUNT", pl.String, "is large_string, but the contract says float64"),
        ("TX_FRAUD", pl.Float64, "is double, but the contract says int16"),
        ("TX_FRAUD", pl.Boolean, "is bool, but the contract says int16"),
        ("TX_DATETIME", pl.Date, "is date32[day], but the contract says timestamp"),
        ("TX_DATETIME", pl.Int64, "is int64, but the contract says timestamp"),
    ],
)
def test_a_parquet_column_of_another_type(week, column, kind, message):
    put(week, "bad.parquet", ROWS.with_columns(pl.col(column).cast(kind)))
    error = rejected(week, "bad.parquet", message=message)
    assert repr(column) in error.what
    assert error.nearest


def test_a_parquet_value_that_does_not_fit(week):
    put(week, "bad.parquet", ROWS.with_columns(CUSTOMER_ID=pl.col("CUSTOMER_ID").cast(pl.Int64) + 2**40))
    rejected(week, "bad.parquet", message="'CUSTOMER_ID' does not fit into int32")


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("CUSTOMER_ID", "abc", "int32"),
        ("CUSTOMER_ID", "5.7", "int32"),
        ("CUSTOMER_ID", "1e2", "int32"),
        ("CUSTOMER_ID", "0x10", "int32"),
        ("CUSTOMER_ID", "99999999999", "int32"),
        ("TX_FRAUD", "true", "int16"),
        ("TX_AMOUNT", "12.5 EUR", "float64"),
        ("TX_DATETIME", "01/04/2018 10:00", "timestamp"),
        ("TX_DATETIME", "2018-02-30T00:00:00", "timestamp"),
        ("TX_DATETIME", "infinity", "timestamp"),
        ("TX_DATETIME", "20180-04-01T00:00:00", "timestamp"),
        ("TX_DATETIME", "2018-04-01T00:00:00.123456789", "timestamp"),
    ],
)
def test_a_value_of_another_type_keeps_its_row_out_and_nothing_else(week, column, value, kind):
    put(week, "odd.csv", with_cell(12, column, value))
    held = quarantined_alone(week, column, row=12)
    assert held[column] == value
    assert source.contract.column(column).type == kind


def test_a_json_value_of_another_type_keeps_its_row_out(week):
    lines = json_lines()
    lines[6] = lines[6].replace('"TX_FRAUD":0', '"TX_FRAUD":0.5')
    put(week, "odd.jsonl", joined(lines))
    assert str(quarantined_alone(week, "TX_FRAUD", row=7)["TX_FRAUD"]) == "0.5"


def quarantined_alone(lake, column, row):
    """Land and return the only quarantined row as it was delivered; all others are published."""
    landed = land(lake, source, run_id="r")
    assert (landed.rejected, landed.quarantined) == ([], 1)
    assert reconciliation_of(lake, source).balanced
    assert len(read(lake, NAME)) == len(scenario.payments_on(DAYS[:6])) - 1
    (held,) = read(lake, quarantine_name(NAME)).to_pylist()
    assert f"{column}_readable" in held["_rule"].split(", ")
    assert (held["_row"], held[column]) == (row, None)
    return json.loads(held["_delivered"])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("CUSTOMER_ID", "abc", "is not int32"),
        ("TX_AMOUNT", "12.5 EUR", "is not float64"),
        ("TX_DATETIME", "soon", "is not timestamp"),
    ],
)
def test_a_column_without_a_readable_value_rejects_the_file(week, column, value, message):
    put(week, "bad.csv", text().with_columns(pl.lit(value).alias(column)).write_csv())
    error = rejected_somewhere(week, "bad.csv")
    assert message in error.what
    assert column in error.what
    assert error.fix


def test_whole_numbers_with_a_point_are_whole_numbers(week):
    """Other programs write 5.0 where a column may hold nothing: the value is the same."""
    put(week, "good.csv", with_cell(12, "CUSTOMER_ID", "5.0"))
    land(week, source, run_id="r")
    assert len(read(week, NAME)) == len(scenario.payments_on(DAYS[:6]))


# Times.


@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv", "bad.jsonl"])
def test_times_without_a_zone_where_none_is_declared(week, name):
    zoneless = replace(source, time_zone=None)
    put(week, name, {"bad.parquet": ROWS, "bad.csv": joined(csv_lines()), "bad.jsonl": joined(json_lines())}[name])
    # The days before were landed while the zone was declared; without them the new file is the first to be read.
    for path in week.home.drop_folder(NAME).glob("transactions_*"):
        path.unlink()
    before = state(week)
    with pytest.raises(DeliveryError, match="'TX_DATETIME' have no time zone") as caught:
        land(week, zoneless, run_id="r").raise_if_nothing_passed()
    assert caught.value.nearest == "2018-04-01T00:00:31Z"
    assert 'time_zone="UTC"' in caught.value.fix
    assert state(week) == before


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (pa.array([2**62] * COUNT).cast(pa.timestamp("ms")), "out of bounds"),
        (pa.array([2**62] * COUNT).cast(pa.timestamp("us")), "row 1 lies outside of the years 1 to 9999"),
        (pa.array([1_522_540_800_000_000_001] * COUNT).cast(pa.timestamp("ns")), "lose data"),
    ],
)
def test_times_out_of_range(week, times, message):
    put(week, "bad.parquet", ROWS.to_arrow().set_column(1, "TX_DATETIME", times))
    error = rejected(week, "bad.parquet", message=message)
    assert "out of range or finer than a microsecond" in error.what


def test_a_file_all_of_whose_times_are_missing(week):
    put(week, "bad.parquet", ROWS.with_columns(TX_DATETIME=pl.lit(None, pl.Datetime("us"))))
    rejected(week, "bad.parquet", message="No row has a time in 'TX_DATETIME'")


# Places.


def test_a_place_that_does_not_exist(lake, tmp_path):
    lake.home.remember_source(NAME, tmp_path / "nowhere")
    with pytest.raises(DeliveryError, match="no such file or folder") as caught:
        scenario.land_all(lake)
    assert caught.value.where == str(tmp_path / "nowhere")
    assert NAME in caught.value.fix


@pytest.mark.parametrize("content", [[], ["README.txt"], [".hidden.parquet"], ["data.xlsx", "data.parquet.bak"]])
def test_a_folder_without_a_file_of_a_known_format(lake, tmp_path, content):
    for name in content:
        (tmp_path / name).write_text("hello")
    lake.home.remember_source(NAME, tmp_path)
    with pytest.raises(DeliveryError, match="no file to land") as caught:
        scenario.land_all(lake)
    assert caught.value.where == str(tmp_path)
    assert ".csv.gz" in caught.value.fix


def test_a_file_of_no_known_format(lake, tmp_path):
    path = tmp_path / "all.xlsx"
    path.write_text("hello")
    lake.home.remember_source(NAME, path)
    with pytest.raises(DeliveryError, match="not that of a known format") as caught:
        scenario.land_all(lake)
    assert (caught.value.where, caught.value.nearest) == (str(path), ".parquet")


def test_a_missing_file_and_a_folder_in_place_of_one(tmp_path):
    with pytest.raises(DeliveryError, match="does not exist"):
        read_delivery(source, tmp_path / "gone.parquet")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(DeliveryError, match="cannot be opened: Is a directory"):
        read_delivery(source, tmp_path / "folder.parquet")


@contextmanager
def nobody():
    """Temporarily drop root's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv", "bad.jsonl.gz"])
def test_a_file_that_may_not_be_read(name):
    # Not below tmp_path: whoever is nobody may not even enter that.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        with nobody():
            lake = scenario.make_lake(Path(folder) / "home")
            drop = lake.home.drop_folder(NAME)
            drop.mkdir(parents=True)
            (drop / name).write_bytes(b"something")
            (drop / name).chmod(0)
            (found,) = inspect(lake.home, source)
            assert (found.name, found.days) == (name, {})
            assert "cannot be opened: Permission denied" in found.error().what
            assert found.error().where == str(drop / name)
            assert found.error().fix
        shutil.rmtree(lake.home.root)


# Beside a bad file.


def test_the_search_for_deliveries_names_bad_files_with_their_fault(week):
    put(week, "bad.parquet", b"")
    found = inspect(week.home, source)
    assert [one.name for one in found if not one.fault] == [f"transactions_{day}.parquet" for day in DAYS[:5]]
    assert [(one.name, one.error().what) for one in found if one.fault] == [
        ("bad.parquet", "The file is empty (0 bytes).")
    ]


def test_once_the_bad_file_is_gone_the_rest_lands(week):
    bad = put(week, "bad.csv", joined(csv_lines())[:-12])
    rejected(week, "bad.csv", message="columns instead of 9", where=f", row {COUNT}")
    bad.unlink()
    land(week, source, run_id="r")
    assert len(read(week, NAME)) == len(scenario.payments_on([*DAYS[:5], DAYS[6]]))

"""Deliveries as they really come: each kind lands right, waits in quarantine, or rejects its own file only.

What belongs here: files that other programs write, through landing. Not: unusual values (test_hard_inputs.py), and
damaged files (test_bad_deliveries.py).
"""

import os
import re
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.contracts.contract import Column, Contract
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.errors import DeclarationError
from lakehouse.ingestion import landing
from lakehouse.ingestion.landing import land
from lakehouse.ingestion.reconciliation import reconciliation_of
from lakehouse.sources.mappings import renamed, times
from lakehouse.sources.source import Source
from lakehouse.tables.read import read

NAME = "shop.events"
COLUMNS = [
    Column("id", "int64", description="The event's number."),
    Column("happened", "timestamp", description="When it happened."),
    Column("amount", "float64", description="How much.", nullable=True),
    Column("note", "text", description="A remark.", nullable=True),
]
CONTRACT = Contract(NAME, "1.0.0", COLUMNS, "team:shop", quarantine_share=0.9, volume=(0.0, 1e6))
SOURCE = Source(NAME, "happened", CONTRACT, "Events of a shop.", "team:shop", time_zone="UTC")
GOOD = b"id,happened,amount,note\n100,2018-04-09 10:00,1.5,good\n"


def put(lake, name, content):
    path = lake.home.drop_folder(NAME) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content)
    return path


def landed(lake, *mappings):
    """Land the drop folder: the published ids, and what the errors of rejected files say by name."""
    source = replace(SOURCE, mappings=mappings)
    result = land(lake, source, run_id="r")
    reconciliation = reconciliation_of(lake, source)
    assert reconciliation.balanced, reconciliation.message
    ids = sorted(read(lake, NAME).column("id").to_pylist()) if lake.has(NAME) else []
    return ids, {one.delivery: one.reason for one in result.rejected}


def texts(*lines):
    return "\n".join(["id,happened,amount,note", *lines, ""]).encode()


@pytest.mark.parametrize(
    ("content", "mappings"),
    [
        (
            b'id,"happened\n(UTC)",amount,note\r\n1,2018-04-01 10:00,1.5,a\r\n2,2018-04-01 11:00,2.5,b\r\n',
            [renamed("happened\n(UTC)", "happened")],
        ),
        (
            b'id;happened;amount;"note, first, or, last"\n1;2018-04-01 10:00;1.5;"a; b"\n2;2018-04-01 11:00;2.5;c\n',
            [renamed("note, first, or, last", "note")],
        ),
        (b"id,happened,amount,note\n1,2018-04-01 10:00,1,a\r\n2,2018-04-01 11:00,2,b\r\n", []),
        (b"id,happened,amount,note\r\n1,2018-04-01 10:00,1,a\r\n2,2018-04-01 11:00,2,b\n", []),
        (b"id,happened,amount,note\r1,2018-04-01 10:00,1,a\r2,2018-04-01 11:00,2,b\r", []),
        (b'\xef\xbb\xbfid,happened,amount,note\n1,2018-04-01 10:00,1,"a\r\n\nb"\n2,2018-04-01 11:00,2,b', []),
    ],
    ids=["line break in header", "semicolons", "lf header", "lf at the end", "cr only", "byte order mark, line breaks"],
)
def test_a_csv_file_lands_with_any_line_ends_and_quoted_names(lake, content, mappings):
    put(lake, "x_2018-04-01.csv", content)
    assert landed(lake, *mappings) == ([1, 2], {})


def test_a_quoted_value_that_never_ends_rejects_its_file(lake):
    put(lake, "good.csv", GOOD)
    put(lake, "x.csv", texts("1,2018-04-01 10:00,1,a", '2,2018-04-01 10:00,1,"cut off'))
    ids, rejected = landed(lake)
    assert (ids, list(rejected)) == ([100], ["x.csv"])


def test_json_lines_with_a_byte_order_mark_land(lake):
    row = '{"id": %d, "happened": "2018-04-01 10:00", "amount": 1.5, "note": "a"}\n'
    put(lake, "x_2018-04-01.jsonl", b"\xef\xbb\xbf" + (row % 1 + row % 2).encode())
    assert landed(lake) == ([1, 2], {})


def test_a_json_key_that_comes_twice_in_a_row_rejects_the_file(lake):
    put(lake, "good.csv", GOOD)
    row = '{"id": 1, "happened": "2018-04-01 10:00", "amount": 10, "note": "a"}\n'
    twice = '{"id": 2, "happened": "2018-04-01 10:00", "amount": 10, "note": "a", "amount": 99}\n'
    put(lake, "x.jsonl", (row + twice).encode())
    ids, rejected = landed(lake)
    assert ids == [100]
    assert rejected["x.jsonl"].what == "The row has the key 'amount' twice."
    assert rejected["x.jsonl"].where.endswith("x.jsonl, row 2")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([{"text": "a", "lang": "en"}, None]),
        pa.array([["a"], ["b"]]),
        pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
        pa.array([b"a", b"b"]),
    ],
    ids=["struct", "list", "map", "binary"],
)
def test_a_nested_or_binary_column_rejects_its_file_and_names_its_type(lake, values):
    put(lake, "good.csv", GOOD)
    happened = pa.array([1_522_576_800_000_000] * 2, pa.timestamp("us", "UTC"))
    put(lake, "x.parquet", pa.table({"id": [1, 2], "happened": happened, "amount": [1.0, 2.0], "note": values}))
    ids, rejected = landed(lake)
    assert ids == [100]
    kind = str(values.type).partition("<")[0]
    assert re.fullmatch(f"The column 'note' is {kind}.*, but the contract says text.", rejected["x.parquet"].what)
    assert "mapping" not in rejected["x.parquet"].fix


@pytest.mark.parametrize(("ambiguous", "published"), [("quarantine", "2:0"), ("earlier", "0:10"), ("later", "1:10")])
def test_local_times_that_do_not_exist_or_come_twice_follow_the_declared_policy(lake, ambiguous, published):
    put(
        lake,
        "x_2018-10-28.csv",
        texts("1,2018-03-25 01:59,1,a", "2,2018-03-25 02:30,1,b", "3,2018-03-25 03:30,1,c", "4,2018-10-28 02:10,1,d"),
    )
    ids, rejected = landed(lake, times("happened", zone="Europe/Berlin", ambiguous=ambiguous))
    assert rejected == {}
    held = read(lake, quarantine_name(NAME)).column("id").to_pylist()
    assert sorted([*ids, *held]) == [1, 2, 3, 4]
    rows = {row["id"]: row["happened"] for row in read(lake, NAME).to_pylist()}
    assert f"{rows[1]:%H:%M}" == "00:59"
    assert f"{rows[3]:%H:%M}" == "01:30"
    assert 2 in held
    if ambiguous == "quarantine":
        assert 4 in held
    else:
        assert f"{rows[4].hour}:{rows[4].minute}" == published


def test_a_policy_for_ambiguous_times_is_one_of_three():
    with pytest.raises(DeclarationError, match="Invalid policy 'earliest'") as caught:
        replace(SOURCE, mappings=[times("happened", zone="Europe/Berlin", ambiguous="earliest")])
    assert caught.value.nearest == "earlier"


def test_temporary_and_marker_files_are_no_deliveries(lake):
    put(lake, "part-0000.csv", texts("1,2018-04-01 10:00,1,a"))
    put(lake, "_temporary/0/task_1/part-0001.csv", texts("2,2018-04-01 10:00,1,a"))
    put(lake, "_SUCCESS.csv", b"")
    put(lake, "day=1/.part-0002.csv", texts("3,2018-04-01 10:00,1,a"))
    assert landed(lake) == ([1], {})


def test_a_symbolic_link_out_of_the_drop_folder_is_not_followed(lake, tmp_path):
    (tmp_path / "secret.csv").write_bytes(texts("2,2018-04-01 10:00,1,a"))
    inside = put(lake, "x.csv", texts("1,2018-04-01 10:00,1,a"))
    inside.with_name("link.csv").symlink_to(tmp_path / "secret.csv")
    assert landed(lake) == ([1], {})


HOSTILE = ["t[1]", "trans*", "t?", "{x}", "%s", "$(id)", "a'b", 'a"b', "ä b", "-r", "n" * 200]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_name_is_never_a_pattern(lake, ending):
    """Each file has its own row; beside a name with a pattern there are files that the pattern would match."""
    names = [*HOSTILE, "t1", "transactions", "tx"]
    for number, name in enumerate(names):
        rows = pl.DataFrame({"id": [number], "happened": ["2018-04-01 10:00"], "amount": [1.0], "note": [name]})
        path = lake.home.drop_folder(NAME) / f"{name}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rows.write_csv() if ending == "csv" else rows.write_ndjson())
    ids, rejected = landed(lake)
    assert (ids, rejected) == (list(range(len(names))), {})
    rows = read(lake, NAME)
    assert rows.column("_file").to_pylist() == [f"{note}.{ending}" for note in rows.column("note").to_pylist()]


@pytest.mark.parametrize("name", [b"caf\xe9.csv", b"n" * 250 + b".csv"], ids=["not UTF-8", "as long as possible"])
def test_any_file_name_lands_and_may_be_rejected_and_corrected(lake, name):
    folder = lake.home.drop_folder(NAME)
    folder.mkdir(parents=True)
    path = os.fsencode(folder) + b"/" + name
    for content, ids in [(texts("1,2018-04-01 10:00,1,a,too,many"), []), (texts("1,2018-04-01 10:00,1,a"), [1])]:
        with open(path, "wb") as file:  # noqa: PTH123  # bytes are no path
            file.write(content)
        found, rejected = landed(lake)
        assert (found, len(rejected)) == (ids, 1 - len(ids)), rejected


@pytest.mark.parametrize(
    ("names", "what"),
    [(["id", "Id"], "id and Id differ in upper and lower case only"), (["id", "_file"], "'_file' is reserved")],
)
def test_names_that_no_table_can_have_are_found_when_they_are_declared(names, what):
    with pytest.raises(DeclarationError, match=what):
        Contract(NAME, "1.0.0", [Column(name, "int64", description="A number.") for name in names], "team:shop")


def test_a_file_that_changes_while_it_is_landed_is_landed_by_the_next_run(lake, monkeypatch):
    put(lake, "good.csv", GOOD)
    path = put(lake, "x.csv", texts("1,2018-04-01 10:00,1,a"))
    load = landing.load_state

    def changed(*words):
        state = load(*words)
        path.write_bytes(texts("2,2018-04-01 10:00,1,a"))
        return state

    with monkeypatch.context() as patch:
        patch.setattr(landing, "load_state", changed)
        ids, rejected = landed(lake)
    assert (ids, rejected["x.csv"].what) == ([100], "The file changed while it was landed.")
    assert landed(lake) == ([2, 100], {})


def test_whatever_a_reader_raises_rejects_that_file_only(lake, monkeypatch):
    def broken(path, shown):
        if path.name == "x.csv":
            raise RuntimeError("a row says: secret")
        return opened(path, shown)

    from lakehouse.sources import file_formats

    opened = file_formats.open_csv
    monkeypatch.setattr(file_formats, "open_csv", broken)
    put(lake, "good.csv", GOOD)
    put(lake, "x.csv", texts("1,2018-04-01 10:00,1,a"))
    ids, rejected = landed(lake)
    assert ids == [100]
    assert rejected["x.csv"].what == "The file cannot be read (RuntimeError)."

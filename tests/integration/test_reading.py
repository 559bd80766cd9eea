"""Reading a delivery: exact, through its source's mappings, and clear about what cannot be read.

What belongs here: files and what is read from them. Not: what landing makes of it (test_landing.py), and files that are
no files of their format (test_bad_deliveries.py).
"""

import gzip
import json
import math
from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.contract import Column, Contract
from lakehouse.errors import DeliveryError
from lakehouse.sources import csv_files, file_formats
from lakehouse.sources.mappings import (
    absent,
    decimal_comma,
    file_encoding,
    ignored,
    null_spellings,
    recoded,
    reencoded,
    renamed,
    retyped,
    scaled,
    swapped,
    times,
)
from lakehouse.sources.reading import read_delivery, read_leniently
from lakehouse.sources.source import Source
from lakehouse.sources.structure import StructureError

COLUMNS = [
    Column("number", "int64", description="The booking's number."),
    Column("at", "timestamp", description="When it was booked."),
    Column("amount", "float64", description="The amount.", nullable=True),
    Column("fee", "float64", description="The fee.", nullable=True),
    Column("level", "int16", description="The customer's level.", nullable=True),
    Column("note", "text", description="What it was for.", nullable=True),
]
LEDGER = Source(
    "books.ledger",
    "at",
    Contract(table="books.ledger", version="1.0.0", columns=COLUMNS, owner="team:books"),
    "Bookings.",
    "team:books",
    time_zone="UTC",
)
START = datetime(2018, 6, 9, 8)  # noqa: DTZ001  # table times are UTC without a zone
SCHEMA = LEDGER.contract.schema


def mapped(*mappings):
    return replace(LEDGER, mappings=mappings)


def bookings(count=4):
    """Bookings of 9 June 2018, whose month and day can be mistaken for each other."""
    return pl.DataFrame(
        {
            "number": range(1, count + 1),
            "at": [START + timedelta(minutes=7 * place, microseconds=place) for place in range(count)],
            "amount": [12.5 * place + 0.01 for place in range(count)],
            "fee": [0.1 * place for place in range(count)],
            "level": [place % 3 for place in range(count)],
            "note": [f"Büro {place}" for place in range(count)],
        },
        schema=pl.Schema(pl.DataFrame(SCHEMA.empty_table()).schema),
    )


def write(folder, rows, name="ledger_2018-06-09.csv"):
    path = folder / name
    if name.endswith(".parquet"):
        rows.write_parquet(path)
    elif name.endswith(".jsonl"):
        rows.with_columns(pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")).write_ndjson(path)
    else:
        rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    return path


def same(read, rows):
    assert read.rows.schema == SCHEMA
    assert pl.DataFrame(read.rows).equals(rows.cast(dict(pl.DataFrame(read.rows).schema)))
    assert not read.unreadable


FORMATS = ["a.csv", "a.parquet", "a.jsonl"]


# Each change of format, and the mapping that undoes it.

CHANGES = {
    "renamed": (lambda rows: rows.rename({"amount": "amt"}), [renamed("amt", "amount")]),
    "two renamed": (
        lambda rows: rows.rename({"amount": "a", "fee": "f"}),
        [renamed("f", "fee"), renamed("a", "amount")],
    ),
    "a column more": (lambda rows: rows.with_columns(batch=pl.lit(7)), [ignored("batch")]),
    "swapped": (lambda rows: rows.rename({"amount": "fee", "fee": "amount"}), [swapped("fee", "amount")]),
    "cents": (lambda rows: rows.with_columns((pl.col("amount") * 100).round()), [scaled("amount", 0.01)]),
    "thousandths": (lambda rows: rows.with_columns((pl.col("amount") / 1000).round(9)), [scaled("amount", 1000)]),
    "sign": (lambda rows: rows.with_columns(-pl.col("amount")), [scaled("amount", -1)]),
    "level by ten": (lambda rows: rows.with_columns(pl.col("level") * 10), [scaled("level", 0.1)]),
    "level as share": (lambda rows: rows.with_columns(pl.col("level") / 100), [scaled("level", 100)]),
    "recoded": (
        lambda rows: rows.with_columns(pl.col("level").replace_strict([0, 1, 2], ["low", "mid", "top"])),
        [recoded("level", {"low": 0, "mid": 1, "top": 2})],
    ),
    "permuted": (
        lambda rows: rows.with_columns(pl.col("level").replace_strict([0, 1, 2], [2, 0, 1])),
        [recoded("level", {2: 0, 0: 1, 1: 2})],
    ),
    "decimal comma": (
        lambda rows: rows.with_columns(pl.col("amount").cast(pl.String).str.replace(".", ",", literal=True)),
        [decimal_comma("amount")],
    ),
    "written times": (
        lambda rows: rows.with_columns(pl.col("at").dt.strftime("%d.%m.%Y %H:%M:%S%.6f")),
        [times("at", "%d.%m.%Y %H:%M:%S.%f")],
    ),
    "counted times": (lambda rows: rows.with_columns(pl.col("at").dt.epoch("us")), [times("at", "microseconds")]),
    "another clock": (
        lambda rows: rows.with_columns(pl.col("at") + timedelta(hours=2)),
        [times("at", zone="Europe/Berlin", since=date(2018, 6, 9))],
    ),
    "an offset": (lambda rows: rows.with_columns(pl.col("at") - timedelta(minutes=330)), [times("at", zone="-05:30")]),
    "day and month": (
        lambda rows: rows.with_columns(pl.col("at") + timedelta(days=89)),  # the sixth of September
        [times("at", day_month_swapped=True)],
    ),
    "mojibake": (
        lambda rows: rows.with_columns(pl.col("note").str.replace_all("ü", "Ã¼")),
        [reencoded("note", "latin-1")],
    ),
    "texts": (
        lambda rows: rows.with_columns(pl.col("amount", "level").cast(pl.String)),
        [retyped("amount"), retyped("level")],
    ),
    "floats": (lambda rows: rows.with_columns(pl.col("level").cast(pl.Float64)), [retyped("level")]),
}


@pytest.mark.parametrize("name", FORMATS[:2])
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_mapping_undoes_is_equal_to_the_bit(tmp_path, name, change):
    rows = bookings()
    make, mappings = CHANGES[change]
    same(read_delivery(mapped(*mappings), write(tmp_path, make(rows), name)), rows)


@pytest.mark.parametrize("change", ["renamed", "recoded", "decimal comma", "written times", "mojibake", "texts"])
@pytest.mark.parametrize("name", FORMATS[1:])
def test_files_from_before_the_change_are_still_read(tmp_path, name, change):
    rows = bookings()
    mappings = CHANGES[change][1] if change != "recoded" else [recoded("level", {"low": 0, "mid": 1})]
    same(read_delivery(mapped(*mappings), write(tmp_path, rows, name)), rows)


amounts = st.floats(allow_nan=False, width=64)
notes = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(st.lists(st.tuples(amounts, st.integers(0, 2), notes), min_size=1, max_size=8), st.sampled_from(FORMATS))
@settings(max_examples=12)
def test_exact_through_many_mappings_at_once(tmp_path_factory, values, name):
    """Any number, code and text comes back as it was, from any format."""
    # JSON has no infinite numbers.
    values = [(0.0 if name == "a.jsonl" and not math.isfinite(one) else one, *more) for one, *more in values]
    rows = bookings(len(values)).with_columns(
        pl.Series("amount", [one for one, _, _ in values]),
        pl.Series("level", [level for _, level, _ in values], pl.Int16),
        pl.Series("note", [note for _, _, note in values]),
    )
    sent = rows.with_columns(
        (pl.col("number") * 1000).alias("no"),
        pl.col("level").replace_strict([0, 1, 2], ["a", "b", None], return_dtype=pl.String).fill_null("NA"),
    ).drop("number")
    source = mapped(
        renamed("no", "number"),
        scaled("number", 0.001),
        null_spellings("level", "NA"),
        recoded("level", {"a": 0, "b": 1}),
        retyped("amount"),
        times("at", zone="+00:00"),
    )
    wanted = rows.with_columns(pl.when(pl.col("level") < 2).then("level"))
    same(read_delivery(source, write(tmp_path_factory.mktemp("any"), sent, name)), wanted)


@given(st.decimals(0, 10**9, places=2), st.sampled_from([100, 0.01, 1000, 0.001]))
@settings(max_examples=12)
def test_scaling_by_powers_of_ten_moves_the_point(tmp_path_factory, amount, factor):
    """No digit is lost: what is scaled equals what would have been written without."""
    path = tmp_path_factory.mktemp("scaled") / "a.csv"
    path.write_text(f"number,at,amount,fee,level,note\n1,2018-06-09,{amount},,,\n")
    expected = float(amount.scaleb({100: 2, 0.01: -2, 1000: 3, 0.001: -3}[factor]))
    assert read_delivery(mapped(scaled("amount", factor)), path).rows["amount"].to_pylist() == [expected]


def test_a_mapping_holds_from_its_day_on(tmp_path):
    rows = bookings(3).with_columns(at=pl.Series([START + timedelta(days=day) for day in (-1, 0, 1)]))
    sent = rows.with_columns(fee=pl.lit(100.0))
    source = mapped(scaled("fee", 0.01, since=date(2018, 6, 9), until=date(2018, 6, 9)))
    assert read_delivery(source, write(tmp_path, sent)).rows["fee"].to_pylist() == [100.0, 1.0, 100.0]
    chosen = read_delivery(source, write(tmp_path, sent, "a.parquet"), ["fee"])
    assert chosen.rows.to_pydict() == {"fee": [100.0, 1.0, 100.0]}


def test_a_mapping_of_the_event_time_holds_by_the_day_of_the_delivery(tmp_path):
    source = mapped(times("at", day_month_swapped=True, since=date(2018, 6, 1)))
    swapped_rows = bookings().with_columns(pl.col("at") + timedelta(days=89))
    same(read_delivery(source, write(tmp_path, swapped_rows, "ledger_20180609.csv")), bookings())
    early = bookings().with_columns(pl.col("at") - timedelta(days=61))  # the ninth of April
    same(read_delivery(source, write(tmp_path, early, "ledger_20180409.csv")), early)


def test_a_column_that_does_not_come_any_more(tmp_path):
    rows = bookings()
    path = write(tmp_path, rows.drop("fee"))
    with pytest.raises(StructureError, match="'fee' is missing"):
        read_delivery(LEDGER, path)
    same(read_delivery(mapped(absent("fee")), path), rows.with_columns(fee=pl.lit(None, pl.Float64)))


# Values that cannot be read.


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", "abc"),
        ("number", "5.7"),
        ("number", "1_000"),
        ("level", "70000"),
        ("amount", "12,5"),
        ("amount", "12.5 EUR"),
        ("amount", "1_0.5"),
        ("at", "09/06/2018 10:00"),
        ("at", "2018-02-30T00:00:00"),
        ("at", "infinity"),
        ("at", "20180-04-01T00:00:00"),
        ("at", "2018-04-01T00:00:00.123456789"),
    ],
)
def test_a_value_that_cannot_be_read_is_null_and_marked(tmp_path, column, value):
    rows = bookings().with_columns(pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")).cast(pl.String)
    place = pl.int_range(pl.len()) == 2
    sent = rows.with_columns(pl.when(place).then(pl.lit(value)).otherwise(column).alias(column))
    read = read_delivery(LEDGER, write(tmp_path, sent))
    assert list(read.unreadable) == [column]
    assert read.unreadable[column].tolist() == [False, False, True, False]
    assert read.rows[column][2].as_py() is None
    assert read.delivered[column][2].as_py() == value
    good = pl.DataFrame(read.rows).filter(~place)
    assert good.equals(bookings().filter(~place).cast(dict(good.schema)))


def test_mixed_types_in_json(tmp_path):
    path = tmp_path / "a.jsonl"
    values = [1, "2", 2.5, True, None, {"a": 1}, [3]]
    lines = [
        {"number": 1, "at": "2018-06-09T00:00:00Z", "amount": one, "fee": 1, "level": 1, "note": one} for one in values
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    read = read_delivery(LEDGER, path)
    assert read.rows["amount"].to_pylist() == [1.0, 2.0, 2.5, None, None, None, None]
    assert read.unreadable["amount"].tolist() == [False, False, False, True, False, True, True]
    assert read.rows["note"].to_pylist() == ["1", "2", "2.5", "true", None, '{"a":1}', "[3]"]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("level", pa.array([1, 2**20, -(2**20), None]), [1, None, None, None]),
        ("level", pa.array([1, 2**63, 5, 6], pa.uint64()), [1, None, 5, 6]),
        ("amount", pa.array([2**53 + 1, 2**53, -(2**53), None]), [None, 2.0**53, -(2.0**53), None]),
        ("amount", pa.array(["1.10", None, "2", "3"]).cast(pa.decimal128(9, 2)), [1.1, None, 2.0, 3.0]),
        ("amount", pa.array([math.inf, -math.inf, 1.5, None], pa.float32()), [math.inf, -math.inf, 1.5, None]),
        ("at", pa.array([0, 2**62, 1, None]).cast(pa.timestamp("ms")), [0, None, 1000, None]),
        ("at", pa.array([0, 1001, 2000, None]).cast(pa.timestamp("ns")), [0, None, 2, None]),
        ("at", pa.array([0, 2**62, -1, None]).cast(pa.timestamp("us", "Asia/Tokyo")), [0, None, -1, None]),
    ],
)
def test_typed_values_that_do_not_fit(tmp_path, column, values, expected):
    table = bookings().to_arrow()
    path = tmp_path / "a.parquet"
    pq.write_table(table.set_column(table.column_names.index(column), column, values), path)
    read = read_delivery(LEDGER, path)
    found = read.rows[column].cast(pa.int64()) if column == "at" else read.rows[column]
    assert found.to_pylist() == expected
    lost = (
        [one is None and given is not None for one, given in zip(expected, values.to_pylist(), strict=True)]
        if (column != "at")
        else [False, expected[1] is None, False, False]
    )
    assert read.unreadable.get(column, pl.Series([False] * 4).to_numpy()).tolist() == lost


def test_not_a_number_and_infinity_are_read_as_they_are(tmp_path):
    rows = bookings(3).with_columns(amount=pl.Series([math.nan, math.inf, -math.inf]))
    for name in ("a.csv", "a.parquet"):
        found = read_delivery(LEDGER, write(tmp_path, rows, name)).rows["amount"].to_pylist()
        assert math.isnan(found[0])
        assert found[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("amount", ["much", "more", "most", "much"], "'much' in column 'amount' is not float64"),
        ("at", ["05.06.2018"] * 4, "'05.06.2018' in column 'at' is not timestamp"),
        ("level", ["x", None, None, None], "'x' in column 'level' is not int16"),
    ],
)
def test_a_column_without_a_readable_value_refuses_the_file(tmp_path, column, values, message):
    path = write(tmp_path, bookings().with_columns(pl.Series(column, values)))
    with pytest.raises(StructureError, match=message) as caught:
        read_delivery(LEDGER, path)
    assert caught.value.where == f"{path}, row 1"
    assert caught.value.issues[0].kind == "type_changed"
    assert caught.value.issues[0].columns == (column,)
    assert read_leniently(LEDGER, path).structure == caught.value.issues


def test_times_without_a_zone_are_unreadable_unless_one_is_declared(tmp_path):
    zoneless = replace(LEDGER, time_zone=None)
    for name in FORMATS:
        with pytest.raises(StructureError, match="'at' have no time zone"):
            read_delivery(zoneless, write(tmp_path, bookings(), name))
        same(read_delivery(replace(zoneless, mappings=(times("at", zone="+00:00"),)), tmp_path / name), bookings())
    path = tmp_path / "some.csv"
    path.write_text("number,at,amount,fee,level,note\n1,2018-06-09 08:00:00,1,,,\n2,2018-06-09T08:00:00+02:00,1,,,\n")
    read = read_delivery(zoneless, path)
    assert read.unreadable["at"].tolist() == [True, False]
    assert read.rows["at"].to_pylist() == [None, START - timedelta(hours=2)]


# Columns.


def test_columns_that_are_not_the_contracts_are_named_with_what_to_declare(tmp_path):
    path = write(tmp_path, bookings().rename({"amount": "amounts"}))
    with pytest.raises(StructureError, match="'amount' is missing") as caught:
        read_delivery(LEDGER, path)
    assert caught.value.nearest == "amounts"
    assert "renamed('amounts', 'amount')" in caught.value.fix
    read = read_leniently(LEDGER, path)
    assert [one.kind for one in read.structure] == ["column_removed", "column_added"]
    assert read.rows["amount"].null_count == 4
    assert read.rows.drop(["amount"]).equals(read_delivery(LEDGER, write(tmp_path, bookings())).rows.drop(["amount"]))


def test_columns_that_the_contract_lets_come(tmp_path):
    lenient = replace(LEDGER, contract=replace(LEDGER.contract, may_add={"note_*": "warn", "x": "ignore"}))
    path = write(tmp_path, bookings().with_columns(x=pl.lit(1), note_2=pl.lit("b")))
    read = read_delivery(lenient, path)
    same(read, bookings())
    assert read.added == ("note_2",)
    assert read.delivered.column_names == [*bookings().columns, "x", "note_2"]
    # What is not named there, and what is named to be blocked, refuses the file.
    for may_add in ({"x": "ignore"}, {"x": "ignore", "note_*": "block"}):
        strict = replace(LEDGER, contract=replace(LEDGER.contract, may_add=may_add))
        with pytest.raises(StructureError, match="column 'note_2' is unknown") as caught:
            read_delivery(strict, path)
        assert "ignored('note_2')" in caught.value.fix


def test_the_order_of_columns_counts_only_where_the_contract_requires_it(tmp_path):
    path = write(tmp_path, bookings().select(reversed(bookings().columns)))
    same(read_delivery(LEDGER, path), bookings())
    with pytest.raises(StructureError, match="another order"):
        read_delivery(replace(LEDGER, contract=replace(LEDGER.contract, ordered=True)), path)


def test_ten_thousand_columns(tmp_path):
    wide = bookings().with_columns(pl.lit(1).alias(f"x{place}") for place in range(10_000))
    path = write(tmp_path, wide, "a.parquet")
    with pytest.raises(StructureError, match="'x0', 'x1', 'x2' and 9,997 more are unknown"):
        read_delivery(LEDGER, path)
    same(read_delivery(replace(LEDGER, contract=replace(LEDGER.contract, may_add={"x*": "ignore"})), path), bookings())


# Files.


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_another_encoding_is_named_and_can_be_declared(tmp_path, encoding, packed):
    path = write(tmp_path, bookings(), "a.csv")
    content = path.read_text().encode(encoding)
    path = tmp_path / ("b.csv.gz" if packed else "b.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DeliveryError, match=f"not in utf-8, and looks like {encoding}") as caught:
        read_delivery(LEDGER, path)
    assert f'file_encoding("{encoding}")' in caught.value.fix
    same(read_delivery(mapped(file_encoding(encoding)), path), bookings())


def test_a_line_longer_than_is_read(tmp_path, monkeypatch):
    for module in (file_formats, csv_files):
        monkeypatch.setattr(module, "LONGEST_LINE", 3 << 20)
    monkeypatch.setattr(csv_files, "_BLOCK", 1 << 20)
    long = bookings(1).with_columns(note=pl.lit("x" * (12 << 20)))
    path = write(tmp_path, long)
    quoted = tmp_path / "quoted.csv"
    quoted.write_text(path.read_text().replace("xxx", "xx\n").replace(",xx", ',"xx')[:-1] + '"\n')
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for one in (path, quoted, packed):
        with pytest.raises(DeliveryError, match="longer than 3 MiB"):
            read_delivery(LEDGER, one)


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_of_ten_megabytes(tmp_path, name):
    rows = bookings(2).with_columns(note=pl.lit("ä" * (5 << 20)))
    same(read_delivery(LEDGER, write(tmp_path, rows, name)), rows)


@pytest.mark.parametrize("name", FORMATS)
def test_one_row_and_a_column_of_nothing_but_nulls(tmp_path, name):
    rows = bookings(1).with_columns(amount=pl.lit(None, pl.Float64), note=pl.lit(None, pl.String))
    same(read_delivery(LEDGER, write(tmp_path, rows, name)), rows)


def test_null_in_a_file_of_one_row_without_any_value(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(bookings(1).to_arrow().set_column(2, "amount", pa.nulls(1)), path)
    assert read_delivery(LEDGER, path).rows["amount"].to_pylist() == [None]


def test_a_json_column_may_have_any_name(tmp_path):
    names = ["$amount", "/a", "a/b", "a~1", "*", 'a"b', "it's", "$", "a.b", "0", "a</b>"]
    contract = replace(
        LEDGER.contract, columns=[*COLUMNS[:2], *(Column(name, "text", description="It.") for name in names)]
    )
    path = tmp_path / "day.jsonl"
    path.write_text(json.dumps({"number": 1, "at": "2018-06-09T08:00:00", **{name: name for name in names}}) + "\n")
    (row,) = read_delivery(replace(LEDGER, contract=contract), path).rows.select(names).to_pylist()
    assert row == {name: name for name in names}

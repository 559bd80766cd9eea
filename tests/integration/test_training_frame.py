"""Training frames: any spine, any features, every row once and as known at its time; and what a bad spine is told.

What belongs here: lakehouse.training_frame on small published tables, and the content hash of rows. Not: declared
training sets (test_incremental.py, test_reproduce.py), the join itself (test_point_in_time.py).
"""

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import DeclarationError, SlipwayError, SlipwayWarning, UnknownNameError
from lakehouse.feature_tables.build import feature_shape
from lakehouse.features.feature_set import Entity, FeatureSet, attribute, count, derived, mean
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import resolve
from lakehouse.tables.write import write_draft
from lakehouse.training import spine as spine_module
from lakehouse.training.content_hash import GROUP, ContentHash, content_hash
from lakehouse.training.training_frame import training_frame
from lakehouse.training.training_set import Label, TrainingSet


def feature_set(name, key, *features):
    return FeatureSet(
        name=name,
        entity=Entity(key),
        source="shop.payments",
        event_time="paid_at",
        row_key="payment_id",
        features=features,
        description="What a shop knows.",
        owner="team:shop",
    )


spend = feature_set("shop.spend", "customer_id", count("tx").over("1d"), mean("amount").over("1d", "7d"))
risk = feature_set("shop.risk", "terminal", count("tx").over("7d"))
learning = TrainingSet(
    name="shop.learning",
    spine="shop.payments",
    row_key="payment_id",
    event_time="paid_at",
    carry=["customer_id", "terminal"],
    label=Label("shop.reports", "is_fraud", "payment_id", "known_at"),
    feature_sets=[risk, spend],
    description="What the shop's model learns from.",
    owner="team:shop",
)
DOMAINS = [SimpleNamespace(feature_sets=[spend, risk], training_sets=[learning])]

SPEND = [
    # payment, time, customer, count, means
    (1, "2018-04-01T10:00", 7, 1, 5.0, 5.5),
    (2, "2018-04-02T10:00", 7, 2, None, 6.5),
    (4, "2018-04-02T12:00", 8, 4, 8.0, 8.5),
    (3, "2018-04-02T12:00", 8, 3, 7.0, 7.5),
    (5, "2018-04-03T09:00", 6, 5, 9.0, 9.5),
]
RISK = [(1, "2018-04-01T10:00", "T1", 10), (2, "2018-04-03T00:00", "T2", 20)]
SPINE = [
    # case, customer, terminal, time; what is known of customer and terminal
    ("a", 8, "T1", "2018-04-02T12:00", (4, 8.0, 8.5), 10),  # of two rows at noon the one with the larger row key
    ("b", 7, "T2", "2018-04-02T23:00", (2, None, 6.5), None),  # the terminal's first row lies later
    ("c", 7, "T1", "2018-04-01T10:00", (1, 5.0, 5.5), 10),
    ("c", 7, "T1", "2018-04-01T10:00", (1, 5.0, 5.5), 10),  # a row that comes twice
    ("d", 9, "T9", "2018-04-03T10:00", (None, None, None), None),  # nobody knows them
    ("e", 8, "T2", "2018-04-01T00:00", (None, None, None), None),
]
FEATURES = ["spend__tx_count_1d", "spend__amount_mean_1d", "spend__amount_mean_7d", "risk__tx_count_7d"]


def times(texts):
    return pa.array([datetime.fromisoformat(text) for text in texts], pa.timestamp("us"))


def put(lake, one, rows, key_type):
    ids, at, keys, *values = zip(*rows, strict=True)
    types = [pa.int64() if "count" in name else pa.float64() for name in one.columns]
    columns = [pa.array(ids), times(at), pa.array(keys, key_type), *map(pa.array, values, types)]
    table = pa.table(columns, names=["payment_id", "paid_at", *one.entity.keys, *one.columns])
    provenance = Provenance("test", one.fingerprint())
    return publish(lake, write_draft(lake, feature_shape(one, table.schema), table, provenance)).snapshot_id


@pytest.fixture
def shop(lake):
    """A lakehouse with two feature sets' tables."""
    put(lake, spend, SPEND, pa.int64())
    put(lake, risk, RISK, pa.string())
    return lake


@pytest.fixture
def wanted():
    case, customer, terminal, at, *_ = zip(*SPINE, strict=True)
    return pa.table({"case": case, "customer_id": customer, "terminal": terminal, "at": times(at)})


@pytest.fixture
def framed(shop):
    """training_frame on that lakehouse, with what it declares."""

    def frame(spine, features=(spend, risk), **more):
        return training_frame(spine, features, lake=shop, domains=DOMAINS, **more)

    return frame


def known(frame):
    return [tuple(row[name] for name in FEATURES) for row in frame.arrow().to_pylist()]


def test_every_row_comes_once_in_order_with_what_was_known_at_its_time(framed, wanted):
    frame = framed(wanted)
    assert frame.arrow().select(wanted.column_names).equals(wanted)
    assert frame.arrow().column_names == [*wanted.column_names, *FEATURES]
    assert known(frame) == [(*customer, terminal) for *_, customer, terminal in SPINE]
    assert (frame.rows, frame.features) == (len(SPINE), FEATURES)


def test_features_are_chosen_by_set_by_name_and_by_declaration(framed, wanted):
    assert framed(wanted, "shop.risk").features == ["risk__tx_count_7d"]
    assert framed(wanted, "shop.spend.amount_mean_7d", allow_future=True).features == ["spend__amount_mean_7d"]
    mixed = ["shop.spend.amount_mean_7d", risk, "shop.spend.tx_count_1d", "shop.spend.amount_mean_7d"]
    assert framed(wanted, mixed).features == ["spend__amount_mean_7d", "spend__tx_count_1d", "risk__tx_count_7d"]
    for declared in ("shop.learning", learning, ["shop.learning", "shop.risk"]):
        assert framed(wanted, declared).features == [FEATURES[3], *FEATURES[:3]]


def test_a_spine_of_any_kind_gives_the_same(framed, wanted, shop, tmp_path):
    frame = pl.DataFrame(pl.from_arrow(wanted))
    pq.write_table(wanted, tmp_path / "spine.parquet", row_group_size=2)
    frame.write_csv(tmp_path / "spine.csv")
    frame.write_ndjson(tmp_path / "spine.jsonl")
    with duckdb.connect() as connection:
        given = {
            "polars": frame,
            "lazy": frame.lazy(),
            "pandas": wanted.to_pandas(),
            "duckdb": connection.from_arrow(wanted),
            "chunks": pa.concat_tables([wanted.slice(0, 1), wanted.slice(1)]),
            "file": tmp_path / "spine.parquet",
            "file by its name": str(tmp_path / "spine.parquet"),
            "csv": tmp_path / "spine.csv",
            "jsonl": tmp_path / "spine.jsonl",
        }
        expected = framed(wanted)
        for name, one in given.items():
            frame = framed(one)
            assert known(frame) == known(expected), name
            assert frame.arrow().column("case").to_pylist() == wanted.column("case").to_pylist(), name
            assert (
                frame.input_snapshots
                == expected.input_snapshots
                == {one: resolve(shop.table(one)) for one in ("shop.spend", "shop.risk")}
            )
            assert frame.content_hash == expected.content_hash, name


def test_results_of_any_kind_hold_the_same(framed, wanted):
    frame = framed(wanted)
    rows = frame.arrow().to_pylist()
    assert frame.polars().to_dicts() == rows
    assert frame.duckdb().to_arrow_table().to_pylist() == rows
    assert pa.Table.from_pandas(frame.pandas(), schema=frame.schema).to_pylist() == rows


def test_a_spine_is_asked_for_in_sql_and_its_tables_are_pinned(framed, shop):
    sql = "select payment_id as case, customer_id, paid_at as at from shop.spend order by payment_id"
    frame = framed(sql, spend)
    before = known_spend(frame)
    assert before == [row[3:] for row in sorted(SPEND)][:2] + [(4, 8.0, 8.5)] * 2 + [(5, 9.0, 9.5)]
    assert frame.input_snapshots == {"shop.spend": resolve(shop.table("shop.spend"))}
    assert framed("shop.spend", spend, time="paid_at").rows == len(SPEND)
    put(shop, spend, [(9, "2018-04-05T10:00", 7, 9, 9.0, 9.5)], pa.int64())
    assert framed(sql, spend).rows == 1
    again = framed(sql, spend, at=frame.input_snapshots)
    assert known_spend(again) == before
    assert (again.input_snapshots, again.content_hash) == (frame.input_snapshots, frame.content_hash)


def known_spend(frame):
    return [tuple(row[name] for name in FEATURES[:3]) for row in frame.arrow().to_pylist()]


@pytest.mark.parametrize("how", ["id", "text", "tag", "time", "input_snapshots"])
def test_tables_are_read_where_they_are_pinned(framed, wanted, shop, how):
    first = framed(wanted)
    old = first.input_snapshots["shop.spend"]
    moment = datetime.now(UTC)
    time.sleep(0.01)  # Iceberg counts in milliseconds
    shop.table("shop.spend").manage_snapshots().create_tag(old, "kept").commit()
    put(shop, spend, [(1, "2018-04-01T10:00", 7, 99, 9.0, 9.5), SPEND[-1]], pa.int64())
    assert framed(wanted).content_hash != first.content_hash
    at = {"id": old, "text": str(old), "tag": "kept", "time": moment, "input_snapshots": first.input_snapshots}[how]
    again = framed(wanted, at=at)
    assert again.input_snapshots == first.input_snapshots
    assert again.content_hash == first.content_hash


def test_a_training_sets_snapshot_stands_for_what_it_was_made_from(framed, wanted, shop):
    first = framed(wanted, learning)
    table = pa.table({"payment_id": [1], "paid_at": times(["2018-04-01"])})
    shape = lakehouse.tables.write.TableShape("shop.learning", table.schema)
    made = publish(
        shop, write_draft(shop, shape, table, Provenance("test", "x", {**first.input_snapshots, "shop.payments": 1}))
    )
    put(shop, spend, SPEND[:1], pa.int64())
    again = framed(wanted, "shop.learning", at=made.snapshot_id)
    assert (again.input_snapshots, again.content_hash) == (first.input_snapshots, first.content_hash)


def test_values_older_than_asked_do_not_count(framed, wanted):
    day = framed(wanted, max_age="12h").arrow().column("spend__tx_count_1d").to_pylist()
    assert day == [4, None, 1, 1, None, None]
    assert framed(wanted, max_age="13h").arrow().column("spend__tx_count_1d").to_pylist()[1] == 2


def test_a_spine_may_call_its_keys_and_times_otherwise(framed, wanted):
    renamed = wanted.rename_columns(["case", "client", "terminal", "asked_at"])
    renamed = renamed.append_column("seen_at", renamed.column("asked_at"))
    frame = framed(renamed, keys={"customer_id": "client"}, time="asked_at")
    assert known(frame) == known(framed(wanted))


@pytest.fixture
def pair(shop):
    """A feature set of an entity with a key of two columns, published."""
    one = replace(feature_set("shop.pair", "", count("tx").over("1d")), entity=Entity("customer_id", "terminal"))
    rows = {
        "payment_id": [1, 2, 3],
        "paid_at": times(["2018-04-01T10:00", "2018-04-01T11:00", "2018-04-02T10:00"]),
        "customer_id": [7, 7, 8],
        "terminal": ["T1", "T2", "T1"],
        "tx_count_1d": [71, 72, 81],
    }
    table = pa.table(rows)
    publish(shop, write_draft(shop, feature_shape(one, table.schema), table, Provenance("test", one.fingerprint())))
    return one


def test_a_key_of_several_columns_needs_all_of_them(framed, wanted, pair):
    frame = framed(wanted, [pair, spend], allow_future=True)
    assert frame.arrow().column("pair__tx_count_1d").to_pylist() == [81, 72, 71, 71, None, None]
    other = changed("customer_id", [7, None, 7, 8, 8, 8])(wanted)
    assert framed(other, pair, allow_future=True).arrow().column(4).to_pylist() == [71, None, 71, None, None, None]
    renamed = wanted.rename_columns(["case", "client", "machine", "at"])
    keys = {"customer_id": "client", "terminal": "machine"}
    assert framed(renamed, pair, keys=keys, allow_future=True).arrow().column(4).to_pylist()[:3] == [81, 72, 71]
    with pytest.raises(SlipwayError, match="no column 'terminal' in the spine"):
        framed(wanted.drop_columns(["terminal"]), pair)
    with pytest.raises(SlipwayError, match="different types: string and int64") as caught:
        framed(changed("terminal", [1] * 6)(wanted), pair)
    assert caught.value.where == "shop.pair, key 'terminal'"


def test_a_feature_made_of_what_a_request_brings_is_made_of_what_the_spine_brings(wanted, shop):
    share = derived("share", "amount / amount_mean_7d")
    double, half = derived("double", "share * 2"), derived("half", "amount_mean_7d / 2")
    one = feature_set("shop.ratio", "customer_id", mean("amount").over("7d"), share, double, half)
    rows = [(1, "2018-04-01T10:00", 7, 5.0, 1.0, 2.0, 2.5), (2, "2018-04-02T12:00", 8, 8.0, 1.0, 2.0, 4.0)]
    put(shop, one, rows, pa.int64())
    domains = [SimpleNamespace(feature_sets=[one], training_sets=[])]

    def frame(spine, features):
        return training_frame(spine, features, lake=shop, domains=domains, allow_future=True)

    brought = wanted.append_column("amount", pa.array([4.0, 10.0, 2.5, None, 1.0, 1.0]))
    found = frame(brought, one).arrow()
    # The means are 8, 5, 5, 5; nobody knows the last two, who come before their first row.
    assert found.column("ratio__share").to_pylist() == [0.5, 2.0, 0.5, None, None, None]
    assert found.column("ratio__double").to_pylist() == [1.0, 4.0, 1.0, None, None, None]
    assert found.column("ratio__half").to_pylist() == [4.0, 2.5, 2.5, 2.5, None, None]  # needs nothing: as it is stored
    alone = frame(brought, "shop.ratio.double")
    assert alone.features == ["ratio__double"]
    assert alone.arrow().column("ratio__double").equals(found.column("ratio__double"))
    with pytest.raises(SlipwayError, match="has no column 'amount', which share, double is computed from"):
        frame(wanted, one)
    assert frame(wanted, "shop.ratio.half").rows == len(SPINE)


def test_a_training_set_carries_every_column_of_a_key(pair):
    assert replace(learning, feature_sets=[pair]).features == ["pair__tx_count_1d"]
    with pytest.raises(DeclarationError, match="joined by 'terminal', which the training set does not carry"):
        replace(learning, feature_sets=[pair], carry=["customer_id"])


def test_keys_that_are_texts_keep_their_zeros_in_a_csv_file(framed, shop, tmp_path):
    put(shop, risk, [(1, "2018-04-02T10:00", "007", 10)], pa.string())
    (tmp_path / "spine.csv").write_text("terminal,at\n007,2018-04-02 10:00:00\n7,2018-04-02 10:00:00\n")
    assert framed(tmp_path / "spine.csv", risk).arrow().column("risk__tx_count_7d").to_pylist() == [10, None]


@pytest.mark.parametrize("block", [1, 2, 100])
def test_a_file_is_written_block_by_block_with_input_snapshots_and_fingerprint(
    framed, wanted, tmp_path, monkeypatch, block
):
    expected = framed(wanted)
    pq.write_table(wanted, tmp_path / "spine.parquet")
    monkeypatch.setattr(spine_module, "BLOCK_ROWS", block)
    frame = framed(tmp_path / "spine.parquet")
    frame.to_parquet(tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.to_pylist() == expected.arrow().to_pylist()
    assert "_rows" not in vars(frame)  # the whole was never in memory
    stored_metadata = json.loads(pq.read_metadata(tmp_path / "out.parquet").metadata[b"slipway"])
    assert stored_metadata == frame.described()
    assert (
        stored_metadata["content_hash"] == expected.content_hash == content_hash(written) == framed(wanted).content_hash
    )
    assert stored_metadata["input_snapshots"] == {name: str(pin) for name, pin in expected.input_snapshots.items()}
    assert sorted(one.name for one in tmp_path.iterdir() if one.suffix == ".parquet") == [
        "out.parquet",
        "spine.parquet",
    ]


@pytest.mark.parametrize("kind", ["frame", "file", "sql"])
def test_a_spine_without_rows_gives_a_frame_without_rows(framed, wanted, tmp_path, kind):
    pq.write_table(wanted.slice(0, 0), tmp_path / "spine.parquet")
    sql = "select customer_id, 'T1' as terminal, paid_at as at from shop.spend where false"
    frame = framed({"frame": wanted.slice(0, 0), "file": tmp_path / "spine.parquet", "sql": sql}[kind])
    assert frame.arrow().column_names[-4:] == FEATURES
    assert (frame.rows, frame.polars().height) == (0, 0)
    assert pq.read_table(frame.to_parquet(tmp_path / "out.parquet")).num_rows == 0


def test_feature_sets_without_rows_know_nothing(framed, wanted, shop):
    put(shop, risk, [(1, "2018-04-01T10:00", None, 1)], pa.string())
    assert framed(wanted, risk).arrow().column("risk__tx_count_7d").to_pylist() == [None] * len(SPINE)


# What a bad spine, and a bad question, is told: what, where, the nearest, what to do.


def changed(name, values, type_=None):
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array(values, type_))


def without(name):
    return lambda table: table.drop_columns([name])


LATER = ["2018-04-01T10:00"] * 5 + ["2018-04-04T00:00"]
BAD_SPINES = {
    "text time": (changed("at", ["2018-04-01"] * 6), {"time": "at"}, "'at' is string, not a timestamp", "timestamp"),
    "text time, not named": (changed("at", ["2018-04-01"] * 6), {}, "has no column of times", "timestamp"),
    "no time": (without("at"), {}, "has no column of times", "timestamp"),
    "unknown time": (lambda table: table, {"time": "att"}, "no column 'att'", "at"),
    "two times": (lambda table: table.append_column("on", table.column("at")), {}, "2 columns of times: at, on", "at"),
    "missing times": (changed("at", [None] * 6, pa.timestamp("us")), {}, "missing in 6 rows", None),
    "later than data": (
        changed("at", times(LATER)),
        {},
        "1 rows of the spine are after the features' last day",
        "2018-04-03T23:59",
    ),
    "no key": (without("terminal"), {}, "no column 'terminal' in the spine", None),
    "other key type": (changed("customer_id", list("123456")), {}, "different types: int64 and string", "int64"),
    "float keys": (changed("customer_id", [1.0] * 6), {}, "different types: int64 and double", "int64"),
    "a feature's name": (
        lambda table: table.append_column("risk__tx_count_7d", table.column("case")),
        {},
        "with the names of features: risk__tx_count_7d",
        None,
    ),
    "doubled column": (lambda table: table.append_column("case", table.column("case")), {}, "appear twice: case", None),
    "no length of time": (lambda table: table, {"max_age": "30"}, "'30' is not a duration", "30d"),
    "unknown snapshot": (lambda table: table, {"at": "nowhere"}, "no snapshot, tag or branch", None),
}


@pytest.mark.parametrize("fault", BAD_SPINES)
def test_a_bad_spine_gets_a_clear_error(framed, wanted, fault):
    change, more, what, nearest = BAD_SPINES[fault]
    with pytest.raises(SlipwayError, match=what) as caught:
        framed(change(wanted), **more)
    assert caught.value.where
    assert caught.value.fix
    assert (nearest or "") in (caught.value.nearest or "")


def test_times_after_the_data_are_taken_when_that_is_allowed(framed, wanted):
    late = changed("at", times(LATER))(wanted)
    frame = framed(late, allow_future=True)
    assert known(frame)[-1] == (4, 8.0, 8.5, 20)
    assert framed(changed("at", times([*LATER[:5], "2018-04-03T23:59:59.999999"]))(wanted)).rows == 6


def test_a_set_that_ended_long_ago_is_not_excused_by_one_beside_it_that_did_not(shop, framed, wanted):
    put(shop, risk, RISK[:1], pa.string())
    assert framed(wanted, spend).rows == len(SPINE)
    for sets in (risk, [spend, risk], [risk, spend]):
        with pytest.raises(SlipwayError, match=r"shop\.risk ends before 2018-04-02T00:00") as caught:
            framed(wanted, sets)
        assert "Build shop.risk" in (caught.value.fix or "")


def test_a_set_whose_definition_changed_since_its_table_was_built_gets_a_clear_error(framed, wanted):
    changed = replace(spend, delay="1d")
    with pytest.warns(SlipwayWarning, match=r"shop\.spend was built before its definition changed"):
        assert framed(wanted, changed).content_hash == framed(wanted, spend).content_hash
    assert framed(wanted, changed, at=framed(wanted, spend).input_snapshots).rows == len(SPINE)


def test_attributes_hold_until_they_change_beside_a_set_that_declares_up_to_when_anything_is_known(
    shop, framed, wanted
):
    state = feature_set("shop.state", "customer_id", attribute("rank", named="rank"))
    put(shop, state, [(1, "2018-03-01T10:00", 8, 3)], pa.int64())
    frame = framed(wanted, [spend, state])
    assert frame.polars()["state__rank"].drop_nulls().to_list() == [3] * sum(row[1] == 8 for row in SPINE)
    with pytest.raises(SlipwayError, match=r"shop\.state ends before 2018-03-02"):
        framed(wanted, state)


def test_a_file_with_bad_rows_gets_a_clear_error_when_they_are_read(framed, wanted, tmp_path):
    pq.write_table(changed("at", times(LATER))(wanted), tmp_path / "spine.parquet")
    frame = framed(tmp_path / "spine.parquet")
    with pytest.raises(SlipwayError, match="are after the features' last day"):
        frame.to_parquet(tmp_path / "out.parquet")
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".parquet"] == ["spine.parquet"]


@pytest.mark.parametrize(
    ("spine", "what", "nearest"),
    [
        ("spin.parquet", "no such file", "spine.parquet"),
        ("spine.xlsx", "not read from .xlsx", "spine.parquet"),
        ("broken.parquet", "cannot be read", None),
        ("broken.csv", "has no column of times", None),
        (7, "A int cannot be a spine", "Polars"),
        ("select * from shop.spent", "There is no table named 'shop.spent'", "shop.spend"),
        ("select custumer_id, paid_at from shop.spend", "no column 'custumer_id'", "customer_id"),
        ("selekt 1", "syntax error", None),
        ("drop table shop.spend", "A query only reads", None),
    ],
)
def test_what_cannot_be_read_as_a_spine_gets_a_clear_error(framed, wanted, tmp_path, monkeypatch, spine, what, nearest):
    monkeypatch.chdir(tmp_path)
    pq.write_table(wanted, "spine.parquet")
    for name in ("broken.parquet", "broken.csv", "spine.xlsx"):
        (tmp_path / name).write_text("nothing\n1\n")
    with pytest.raises(SlipwayError, match=what) as caught:
        framed(spine)
    assert (nearest or "") in (caught.value.nearest or "")


@pytest.mark.parametrize(
    ("features", "what", "nearest"),
    [
        ("shop.spent", "no feature set or training set named 'shop.spent'", "shop.spend"),
        ("shop.spend.amount_mean_2d", "shop.spend has no feature 'amount_mean_2d'", "shop.spend.amount_mean_7d"),
        ("spend", "no feature set or training set named 'spend'", "shop.spend"),
        ([], "No feature is selected", "customer_spend"),
        ([spend, feature_set("web.spend", "customer_id", count("tx").over("1d"))], "both have a feature", None),
        (feature_set("shop.clicks", "customer_id", count("tx").over("1d")), "shop.clicks was never published", None),
    ],
)
def test_features_that_cannot_be_computed_get_a_clear_error(framed, wanted, features, what, nearest):
    with pytest.raises((UnknownNameError, DeclarationError), match=what) as caught:
        framed(wanted, features)
    assert (nearest or "") in (caught.value.nearest or "")


def test_a_column_that_the_snapshot_does_not_have_gets_a_clear_error(framed, wanted):
    newer = feature_set("shop.spend", "customer_id", count("tx").over("1d", "30d"))
    with pytest.raises(UnknownNameError, match="'tx_count_30d'") as caught:
        framed(wanted, newer)
    assert caught.value.nearest == "tx_count_1d"


def test_a_folder_that_is_not_there_gets_a_clear_error(framed, wanted, tmp_path):
    with pytest.raises(SlipwayError, match="no such folder"):
        framed(wanted).to_parquet(tmp_path / "nowhere" / "out.parquet")


def test_names_are_looked_up_in_what_the_installed_project_declares():
    with pytest.raises(UnknownNameError) as caught:
        training_frame(pl.DataFrame(), "fraud.customer_spent", lake=SimpleNamespace())
    assert caught.value.nearest == "fraud.customer_spend"


def test_importing_the_platform_imports_nothing_heavy():
    code = "import sys, lakehouse; print([n for n in ('polars', 'pyarrow', 'pyiceberg', 'duckdb') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert lakehouse.training_frame is training_frame
    with pytest.raises(AttributeError, match="no attribute 'training_fram'"):
        _ = lakehouse.training_fram


# The content hash.

KINDS = {
    "whole": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "number": (st.floats(), pa.float64()),
    "short": (st.floats(width=32), pa.float32()),
    "text": (st.text(), pa.string()),
    "bytes": (st.binary(), pa.binary()),
    "yes": (st.booleans(), pa.bool_()),
    "money": (st.decimals(-999, 999, places=2), pa.decimal128(12, 2)),
    "day": (st.dates(), pa.date32()),
    "time": (st.datetimes(), pa.timestamp("us")),
    "list": (st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=3), pa.list_(pa.int64())),
    "pair": (st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.text(max_size=2)}), None),
}


PAIR = pa.struct([("a", pa.int64()), ("b", pa.string())])
SCHEMA = pa.schema([(name, kind or PAIR) for name, (_, kind) in KINDS.items()])
ROW = st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, (values, _) in KINDS.items()})
CONTENTS = st.lists(ROW, max_size=8).map(lambda rows: pa.Table.from_pylist(rows, SCHEMA))


@given(CONTENTS, st.integers(1, 5))
def test_a_content_hash_does_not_depend_on_how_rows_are_kept(rows, step):
    expected = content_hash(rows)
    content = ContentHash(rows.schema)
    for start in range(0, len(rows), step):
        content.update(rows.slice(start, step))
    assert content.hexdigest() == expected
    other = {
        "text": pa.large_string(),
        "bytes": pa.large_binary(),
        "list": pa.large_list(pa.int64()),
        "money": pa.decimal128(20, 2),
    }
    kept = pa.schema([field.with_type(other.get(field.name, field.type)) for field in rows.schema])
    assert content_hash(rows.cast(kept)) == expected
    encoded = rows.set_column(3, "text", rows.column("text").dictionary_encode())
    assert content_hash(encoded) == expected


@given(CONTENTS, st.data())
def test_any_other_value_order_or_name_is_another_fingerprint(rows, data):
    expected = content_hash(rows)
    assert content_hash(rows.rename_columns([f"{name}_" for name in rows.column_names])) != expected
    assert content_hash(pa.concat_tables([rows, rows.slice(0, 1)])) != expected or not len(rows)
    if len(rows):
        column = data.draw(st.sampled_from(list(KINDS)))
        values = rows.column(column).to_pylist()
        place = data.draw(st.integers(0, len(rows) - 1))
        values[place] = None if values[place] is not None else zero(column)
        changed_rows = rows.set_column(
            rows.column_names.index(column), rows.schema.field(column), pa.array(values, rows.schema.field(column).type)
        )
        assert content_hash(changed_rows) != expected


def zero(column):
    zeros = {"text": "", "bytes": b"", "yes": False, "list": [], "pair": {"a": 0, "b": ""}, "money": Decimal(0)}
    at = {"day": date(1970, 1, 1), "time": datetime.fromisoformat("1970-01-01")}
    return {"whole": 0, "number": 0.0, "short": 0.0, **zeros, **at}[column]


def test_a_content_hash_is_the_one_that_is_documented():
    """Written out by hand, for those who want to compute it elsewhere; it must never change."""
    import hashlib

    rows = pa.table({"id": pa.array([1, None, -2], pa.int16()), "name": ["a", "", None]})
    ids = bytes([0b101]) + b"".join(n.to_bytes(8, "little", signed=True) for n in (1, 0, -2))
    names = bytes([0b011]) + b"".join(n.to_bytes(8, "little") for n in (1, 0, 0)) + b"a"
    columns = [["id", "integer", ids], ["name", "string", names]]
    stored_metadata = [[name, kind, hashlib.sha256(raw).hexdigest()] for name, kind, raw in columns]
    assert content_hash(rows) == hashlib.sha256(json.dumps([stored_metadata, 3]).encode()).hexdigest()


def test_rows_of_several_groups_have_one_content_hash_in_any_blocks():
    rows = pa.table({"n": pa.array(range(2 * GROUP + 5)), "t": pa.array([str(n % 7) for n in range(2 * GROUP + 5)])})
    content = ContentHash(rows.schema)
    for start, end in ((0, 3), (3, GROUP), (GROUP, GROUP + 1), (GROUP + 1, len(rows))):
        content.update(rows.slice(start, end - start))
    assert content.hexdigest() == content_hash(rows)
    assert content_hash(rows.select(["n"])) != content_hash(pa.table({"n": rows.column("n").cast(pa.timestamp("us"))}))

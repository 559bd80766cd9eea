"""The fire drill: what a bad delivery does to a model without checks, what it does with them, and what it never does.

What belongs here: injecting faults into a small world. Not: what each detector finds (tests/unit/).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from assets.credit.contracts import statements_contract
from assets.credit.simulator import CreditSimulation, write_monthly_files
from assets.credit.sources import statements
from assets.fraud.contracts import transactions_contract
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.contract import Reference
from lakehouse.drills.fault_files import read_texts, write_texts
from lakehouse.drills.fault_injection import FAULTS, GoodDelivery, find_fault, inject, roles_of
from lakehouse.drills.unvalidated_baseline import read_as_it_comes
from lakehouse.errors import SlipwayError, UnknownNameError
from lakehouse.loading import load_domain
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.models.retraining import retrain
from lakehouse.sources.source import Source
from lakehouse.tables.provenance import Provenance
from lakehouse.tables.publish import publish
from lakehouse.tables.read import read, resolve
from lakehouse.tables.shape import TableShape
from lakehouse.tables.write import ensure_table, write_draft
from orchestration.cli import app
from orchestration.drill import Drill
from tests import scenario


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A home with simulated statements, their tables and a champion."""
    lake = scenario.make_lake(tmp_path_factory.mktemp("drill") / "home")
    write_monthly_files(CreditSimulation(clients=900).simulate(), lake.home.drop_folder(statements.name))
    domain = load_domain("credit")
    scenario.build_domain(lake, domain)
    quick = replace(domain.models[0], candidates=domain.models[0].candidates[:1])
    done = retrain(lake, open_registry(lake.home), quick, domain.training_sets[0], run_id="model-run")
    assert done.decision is not None
    assert done.decision.promoted
    return lake


@pytest.fixture(scope="module")
def drill(live: Lakehouse) -> Iterator[Drill]:
    with Drill(live, load_domain("credit")) as good:
        yield good


@pytest.fixture
def good() -> GoodDelivery:
    """Two months of statements as texts, and which columns play which part."""
    rows = CreditSimulation(months=2, clients=60).simulate()
    before, after = (
        rows.with_columns(pl.col("statement_date").dt.strftime("%Y-%m-%d"))
        .with_columns(pl.all().cast(pl.String))
        .partition_by("statement_date", maintain_order=True)
    )
    used = {"pay_status": 0.3, "bill_amount": 0.1}
    return GoodDelivery(after, before, roles_of(statements_contract, "statement_date", used))


def digest(folder: Path) -> dict[str, str]:
    """What is in a folder, file by file, but for what was noted in the scratch space and databases' own side files."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "work" not in path.relative_to(folder).parts
    }


def test_a_drill_shows_the_model_with_and_without_checks(live: Lakehouse, drill: Drill) -> None:
    before = digest(live.home.root)
    result = drill.run(find_fault("vendor_format_change"))
    assert result.alarm.rejected
    assert result.without_contracts["accuracy"] < drill.good["accuracy"] - 0.2
    assert result.with_contracts == drill.before
    assert abs(result.with_contracts["accuracy"] - drill.good["accuracy"]) < 0.05
    assert digest(live.home.root) == before


def test_tables_of_other_domains_that_the_contract_refers_to_are_copied(live: Lakehouse) -> None:
    shape = TableShape("bank.educations", pa.schema([("code", pa.int32()), ("message", pa.string())]))
    rows = pa.table({"code": pa.array([*range(7)], pa.int32()), "message": ["school"] * 7})
    publish(live, write_draft(live, shape, rows, Provenance("test", "test"), None, resolve(ensure_table(live, shape))))
    domain = load_domain("credit")
    contract = replace(statements_contract, references=[Reference("education", shape.name, "code")])
    with Drill(live, domain.with_only(Source, [replace(statements, contract=contract)])) as good:
        assert good.control is not None
        assert not good.control.rejected


def test_an_unchanged_delivery_raises_no_alarm(drill: Drill) -> None:
    assert drill.delivery == "statements_2005-08.csv"
    assert drill.control is not None
    assert not drill.control.rejected
    assert not drill.control.quarantined


def test_the_pipeline_without_checks_computes_what_the_platform_computes(live: Lakehouse, drill: Drill) -> None:
    rows = read_as_it_comes(statements, drill.rows, min(drill.days))
    found = drill.baseline.inputs(rows).sort("statement_id")
    names = list(drill.baseline.champion.inputs)
    kept = pl.DataFrame(pl.from_arrow(read(live, "credit.training"))).filter(pl.col("statement_date").dt.month() == 8)
    same = kept.sort("statement_id").select(pl.col(name).cast(pl.Float64) for name in names)
    assert found.select(names).equals(same)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_the_list_raises_an_alarm_that_names_it(drill: Drill, name: str) -> None:
    result = drill.run(find_fault(name))
    assert result.alarm.raised
    assert result.kind_named or result.column_named, result.alarm.message
    if result.alarm.rejected:
        assert result.with_contracts == drill.before


def test_a_missing_column_is_read_as_zeros_without_checks_and_rejected_with_them(drill: Drill) -> None:
    result = drill.run(find_fault("column_removed"))
    assert result.columns == (drill.roles.number,)
    assert result.alarm.rejected
    assert str(drill.roles.number) in result.alarm.message
    assert result.without_contracts["auc"] < drill.good["auc"] - 0.05
    assert result.with_contracts == drill.before


def test_the_command_reports_the_drill_as_json(live: Lakehouse) -> None:
    words = ["drill", "credit", "--fault", "stale_delivery", "--home", str(live.home.root), "--json"]
    result = CliRunner().invoke(app, words)
    report = json.loads(result.stdout)
    (one,) = report["faults"]
    assert report["delivery"] == "statements_2005-08.csv"
    assert one["alarm"]
    assert one["rejected"]
    assert one["seconds"] > 0
    assert {"accuracy", "auc"} <= set(one["without_contracts"]) & set(one["with_contracts"])


def test_the_list_has_a_fault_for_each_kind_of_change() -> None:
    listed = json.loads(CliRunner().invoke(app, ["drill", "--list", "--json"]).stdout)["faults"]
    assert [one["name"] for one in listed] == list(FAULTS)
    assert len(listed) >= 10


def test_a_home_without_a_champion_gets_a_clear_error(tmp_path: Path) -> None:
    lake = scenario.make_lake(tmp_path / "home")
    with pytest.raises(SlipwayError, match="no champion") as caught, Drill(lake, load_domain("credit")):
        pass
    assert caught.value.nearest == "slipway demo --domain credit"


def test_an_unknown_fault_has_a_nearest_one() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_fault("column_rename")
    assert caught.value.nearest == "column_renamed"


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_changes_only_what_it_names(good: GoodDelivery, name: str, tmp_path: Path) -> None:
    faulty = inject(find_fault(name), good)
    changed = {
        column
        for column in {*good.rows.columns, *faulty.rows.columns}
        if column not in faulty.rows.columns
        or column not in good.rows.columns
        or len(faulty.rows) != len(good.rows)
        or not faulty.rows[column].equals(good.rows[column])
    }
    if faulty.columns:
        assert set(faulty.columns) <= changed | {"bill_amount", "pay_amount"}
        renamed = changed - set(good.rows.columns)
        assert changed - renamed <= set(faulty.columns)
    else:
        assert changed or faulty.encoding != "utf-8"
    write_texts(faulty.rows, tmp_path / "a.csv", {}, faulty.encoding)
    write_texts(good.rows, tmp_path / "b.csv", {})
    assert (tmp_path / "a.csv").read_bytes() != (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "jsonl"])
def test_a_file_that_is_taken_apart_and_put_together_holds_the_same(ending: str, tmp_path: Path) -> None:
    (first, *_) = scenario.write_daily_files(
        scenario.payments_on(scenario.EVERY_DAY[:1]),
        tmp_path,
        ending.split(".", maxsplit=1)[0],
        gzip=ending.endswith("gz"),  # type: ignore[arg-type]  # one of its formats
    )
    rows, kinds = read_texts(first)
    copy = tmp_path / f"copy.{ending}"
    write_texts(rows, copy, kinds)
    again, kinds_again = read_texts(copy)
    assert again.equals(rows)
    assert kinds_again == kinds


def test_roles_leave_keys_and_what_is_known_later_aside() -> None:
    late = frozenset({"TX_FRAUD", "TX_FRAUD_SCENARIO"})
    roles = roles_of(transactions_contract, "TX_DATETIME", {"TX_AMOUNT": 0.4, "TX_FRAUD": 0.5}, late)
    assert roles.number == "TX_AMOUNT"
    assert roles.amounts == ("TX_AMOUNT",)
    assert roles.category == "TX_FRAUD"  # the only one with few values, so it is what there is


def test_a_source_without_a_column_for_it_cannot_get_it(good: GoodDelivery) -> None:
    with pytest.raises(SlipwayError, match="no column for it"):
        inject(find_fault("category_recoded"), replace(good, roles=replace(good.roles, category=None)))


def test_another_encoding_is_named_by_its_kind_with_the_mapping_that_reads_it(drill: Drill) -> None:
    result = drill.run(find_fault("encoding_changed"))
    assert result.alarm.rejected
    assert result.kind_named
    assert result.alarm.issues[0].proposal == "file_encoding('utf-16')"

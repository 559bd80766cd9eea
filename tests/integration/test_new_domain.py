"""`slipway new-domain`: what it writes runs at once, in a copy of the demo project.

What belongs here: the new domain from its name to its predictions, names that it refuses, writes that fail. Not: how
sources, features, training sets and models work, which the fraud domain's tests show.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import polars as pl
import pytest

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.errors import DeclarationError, SlipwayError
from lakehouse.models.artifact_relocation import open_registry
from lakehouse.tables.provenance import last_published
from lakehouse.tables.read import read
from lakehouse.tables.system_table import is_system_table
from orchestration.cli import init, new_domain
from orchestration.cli.sample_events import KNOWN_AFTER, sample_deliveries, sample_events
from tests import scenario

ROOT = Path(__file__).parents[2]
NOBODY = 65534
TABLES = {"orders.events", "orders.account_activity", "orders.account_record", "orders.training", "orders.predictions"}


class Project(NamedTuple):
    """A copy of the demo project with a new domain `orders`, which ran; and what the commands said."""

    folder: Path
    home: Path
    made: dict[str, Any]
    ran: dict[str, Any]


def slipway(folder: Path, *words: object) -> Any:
    """Call a command in the project in `folder`; its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *map(str, words), "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def copy_project(folder: Path) -> Path:
    """A demo project in `folder`."""
    init.write_all(folder, init.project_files("demo", demo=True))
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = copy_project(tmp_path_factory.mktemp("top") / "demo")
    home = folder / "home"
    made = slipway(folder, "new-domain", "orders", "--home", home)
    ran = slipway(folder, "materialize", "group:orders", "--home", home)
    return Project(folder, home, made, ran)


def rows_of(project: Project, table: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(read(scenario.make_lake(project.home), table)))


def test_the_files_are_those_of_every_domain(project: Project) -> None:
    names = {path.name for path in (project.folder / "assets" / "orders").iterdir()}
    assert names == {path.name for path in (ROOT / "assets" / "fraud").glob("*.py")} - {"simulator.py"}
    written = [project.folder / "assets" / "orders" / name for name in names if name.endswith(".py")]
    test = project.folder / "tests" / "test_orders.py"
    assert sorted(project.made["files"]) == sorted(str(path) for path in (*written, test))
    registered = ast.parse((project.folder / "assets" / "__init__.py").read_text()).body[-1]
    assert isinstance(registered, ast.Assign)
    assert ast.literal_eval(registered.value) == ("fraud", "credit", "orders")


def test_the_files_are_in_the_style_of_the_house(project: Project) -> None:
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "--config", ROOT / "pyproject.toml", "assets/orders"],
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_it_runs_at_once_from_delivery_to_predictions(project: Project) -> None:
    assert set(project.ran["recomputed"]) == TABLES | {"orders.scorer"}
    lake = scenario.make_lake(project.home)
    assert {name for name in lake.names() if not is_system_table(name)} == TABLES
    rows = sample_events().height
    assert list(project.made["deliveries"].values()) == [rows]
    for table in TABLES - {"orders.predictions"}:
        made = last_published(lake, table)
        assert made is not None
        assert made.rows == rows
    champion = open_registry(lake.home).champion("orders.scorer")
    assert champion is not None
    assert 0.7 < champion.metrics["auc"] < 0.95, "the sample can be learned from, and not by heart"
    scored = rows_of(project, "orders.predictions")
    newest = sample_events().filter(pl.col("happened_at").dt.date() == pl.col("happened_at").dt.date().max())
    assert scored.height == newest.height
    assert scored["score"].is_between(0, 1).all()


def test_no_outcome_is_used_before_it_is_known(project: Project) -> None:
    training = rows_of(project, "orders.training").sort("event_id")
    events = rows_of(project, "orders.events").sort("event_id")
    clock = datetime.combine(events["happened_at"].max().date() + timedelta(days=1), datetime.min.time())  # type: ignore[union-attr]
    known = events["outcome_known_at"] <= clock
    assert training["outcome"].is_not_null().to_list() == known.to_list()
    assert 0 < (~known).sum() < known.sum()
    # Each feature made of outcomes, once more by hand: only those that were known at the event's own time.
    mine, past = training.select("event_id", "account_id", "happened_at"), events
    pairs = mine.join(past, on="account_id", suffix="_past").filter(
        pl.col("happened_at_past") + KNOWN_AFTER <= pl.col("happened_at"),
        pl.col("happened_at_past") + KNOWN_AFTER > pl.col("happened_at") - timedelta(days=7),
    )
    rates = pairs.group_by("event_id").agg(rate=pl.col("outcome").mean())
    by_hand = mine.join(rates, on="event_id", how="left", maintain_order="left")["rate"].fill_null(0.0)
    assert training["account_record__outcome_rate_7d"].to_list() == by_hand.to_list()


def test_a_second_run_recomputes_nothing(project: Project) -> None:
    assert slipway(project.folder, "materialize", "group:orders", "--home", project.home)["recomputed"] == []


def test_all_domains_are_shown(project: Project) -> None:
    found = slipway(project.folder, "features", "--home", project.home)["feature_sets"]
    assert {one["name"].split(".")[0] for one in found} == {"fraud", "credit", "orders"}
    tables = slipway(project.folder, "tables", "--home", project.home)["tables"]
    assert {table["kind"] for table in tables} == {
        "source",
        "feature set",
        "training set",
        "predictions",
        "system table",
    }
    assert not any(table["stale"] for table in tables)


def test_assets_of_two_domains_are_materialized_together(project: Project, tmp_path: Path) -> None:
    home = shutil.copytree(project.home, tmp_path / "home")
    slipway(project.folder, "simulate", "--days", 2, "--customers", 20, "--terminals", 20, "--home", home)
    ran = slipway(project.folder, "materialize", "orders.events or fraud.transactions", "--home", home)
    assert ran["recomputed"] == ["fraud.transactions"]
    assert [step["name"] for step in ran["steps"]] == ["fraud.transactions", "orders.events"]


@pytest.fixture(scope="module")
def two_domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project with a domain of each form: labels in the events, and labels that are delivered later."""
    folder = tmp_path_factory.mktemp("two") / "shop"
    init.write_all(folder, init.project_files("shop"))
    lake = scenario.make_lake(folder / ".slipway")
    new_domain._write(lake, folder / "assets", "orders")
    new_domain._write(lake, folder / "assets", "returns", with_labels=True)
    return folder


def test_the_test_that_is_written_with_a_domain_passes(two_domains: Path) -> None:
    """It lands, builds features and training set, and joins labels once they are known, or delivered."""
    tests = ["tests/test_orders.py", "tests/test_returns.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=two_domains,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_a_domain_with_labels_of_their_own_is_in_the_style_of_the_house(two_domains: Path) -> None:
    for words in (["check"], ["format", "--check"]):
        config = ["--no-cache", "--config", ROOT / "pyproject.toml"]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, *config, "assets/returns"],
            cwd=two_domains,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_outcomes_are_delivered_once_they_are_known() -> None:
    events, outcomes = sample_deliveries("shop", with_labels=True).values()
    assert "outcome" not in events.columns
    assert 0 < outcomes.height < events.height
    assert outcomes["outcome_known_at"].max().date() == events["happened_at"].max().date()  # type: ignore[union-attr]


def test_a_test_that_is_there_already_stays(lake: Lakehouse, assets: Path) -> None:
    test = assets.parent / "tests" / "test_orders.py"
    test.parent.mkdir()
    test.write_text("mine")
    files, _ = new_domain._write(lake, assets, "orders")
    assert test not in files
    assert test.read_text() == "mine"


# --- names and failures: no copy needed, the folder of domains is given


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A folder of domains with one domain in it."""
    folder = tmp_path / "assets"
    (folder / "fraud").mkdir(parents=True)
    shutil.copy(ROOT / "assets" / "__init__.py", folder)
    (folder / "simulating.py").touch()
    return folder


@pytest.mark.parametrize(
    ("name", "why", "nearest"),
    [
        ("Orders", "is not a valid domain name", "orders"),
        ("my-shop", "is not a valid domain name", "my_shop"),
        ("9lives", "is not a valid domain name", "lives"),
        ("a__b", "is not a valid domain name", "a_b"),
        ("../up", "is not a valid domain name", "up"),
        ("", "is not a valid domain name", "orders"),
        ("class", "is a reserved word of Python", "classes"),
        ("import", "is a reserved word of Python", "imports"),
        ("match", "is a reserved word of Python", "matches"),
        ("order", "is a reserved word of SQL", "orders"),
        ("information_schema", "is a reserved word of SQL", "information_schemas"),
        ("config", "is a reserved word of Dagster", "configs"),
        ("fraud", "is taken", "fraud_2"),
        ("simulating", "is taken", "simulating_2"),
        ("Class", "is not a valid domain name", "classes"),
    ],
)
def test_names_that_cannot_be_used(lake: Lakehouse, assets: Path, name: str, why: str, nearest: str) -> None:
    with pytest.raises(DeclarationError, match=why) as rejected:
        new_domain._check_name(lake, assets, name)
    assert rejected.value.nearest == nearest


@pytest.mark.parametrize("name", ["orders", "shop2", "card_payments"])
def test_names_that_can_be_used(lake: Lakehouse, assets: Path, name: str) -> None:
    new_domain._check_name(lake, assets, name)


def test_a_name_whose_tables_or_deliveries_exist_is_taken(landed: Lakehouse, assets: Path) -> None:
    (assets / "fraud").rmdir()
    with pytest.raises(DeclarationError, match="tables fraud"):
        new_domain._check_name(landed, assets, "fraud")
    drop = landed.home.drop_folder("orders.events")
    drop.mkdir(parents=True)
    (drop / "mine.csv").touch()
    with pytest.raises(DeclarationError, match="holds deliveries"):
        new_domain._check_name(landed, assets, "orders")


def _tree(*folders: Path) -> Sequence[str]:
    return sorted(str(path) for folder in folders for path in folder.rglob("*"))


def test_when_the_delivery_cannot_be_written_nothing_is_left(lake: Lakehouse, assets: Path) -> None:
    (lake.home.root / "drop").write_text("in the way")
    (assets.parent / "tests").mkdir()
    before, text = _tree(assets.parent), (assets / "__init__.py").read_text()
    with pytest.raises(SlipwayError, match="No files were left") as failed:
        new_domain._write(lake, assets, "orders")
    assert str(failed.value.where).startswith(str(lake.home.root / "drop"))
    assert _tree(assets.parent) == before
    assert (assets / "__init__.py").read_text() == text


def test_when_the_folder_of_domains_is_not_ours_nothing_is_left(lake: Lakehouse, assets: Path) -> None:
    # The superuser may write everywhere, and everybody may look into this folder.
    with TemporaryDirectory() as folder:
        theirs = shutil.copytree(assets, Path(folder) / "assets")
        Path(folder).chmod(0o755)
        theirs.chmod(0o555)
        before = _tree(theirs, lake.home.root)
        me = os.geteuid()
        if me == 0:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(SlipwayError, match=r"Permission denied\. No files were left") as failed:
                new_domain._write(lake, theirs, "orders")
        finally:
            os.seteuid(me)
            theirs.chmod(0o755)
        assert "create another project" in str(failed.value)
        assert _tree(theirs, lake.home.root) == before


def test_a_domain_that_somebody_else_made_meanwhile_stays(lake: Lakehouse, assets: Path) -> None:
    (assets / "orders").mkdir()
    (assets / "orders" / "mine.py").touch()
    before = _tree(assets)
    with pytest.raises(SlipwayError, match="No files were left"):
        new_domain._write(lake, assets, "orders")
    assert _tree(assets) == before
    assert not list(lake.home.root.rglob("*.csv"))


@pytest.mark.parametrize(
    "text",
    [
        'DOMAINS = ("fraud",)\n',
        'DOMAINS = (\n    "fraud",\n)\n',
        "DOMAINS = ()\n",
        '"""(): none yet."""\nDOMAINS = (\n)\n',
        '"""Doc."""\nDOMAINS = ("fraud", "é")  # two\nREST = 1\n',
    ],
)
def test_the_line_in_domains_whatever_the_tuple_looks_like(tmp_path: Path, text: str) -> None:
    module = tmp_path / "__init__.py"
    module.write_text(text)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    exec(text, before)  # noqa: S102  # a line of ours
    exec(new_domain._with_domain(module, "orders"), after)  # noqa: S102
    assert after["DOMAINS"] == (*before["DOMAINS"], "orders")
    assert after.get("REST") == before.get("REST")


def test_without_the_tuple_nothing_is_guessed(tmp_path: Path) -> None:
    module = tmp_path / "__init__.py"
    module.write_text("DOMAINS = []\n")
    with pytest.raises(DeclarationError, match="no tuple DOMAINS"):
        new_domain._with_domain(module, "orders")

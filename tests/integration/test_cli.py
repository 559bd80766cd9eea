"""The command line as people and scripts use it: exit codes, texts, JSON.

What belongs here: every command and every way to call it wrongly. Not: what the commands do underneath, which
has tests of its own, and `slipway new-domain` (test_new_domain.py).
Most calls run in this process; those that need a fresh process, or one beside another, start their own.
"""

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from assets.fraud.simulator import Simulation, write_daily_files
from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.contracts.quarantine import quarantine_name
from lakehouse.tables.publish import publish
from lakehouse.tables.read import resolve
from lakehouse.tables.system_table import is_system_table
from lakehouse.tables.write import write_draft
from orchestration.checks import last_evaluation
from orchestration.cli import main
from orchestration.cli.deliveries import show_rejected
from orchestration.cli.output import console, notes
from orchestration.instance import open_instance
from tests import generate_cli_docs, scenario

ROOT = Path(__file__).parents[2]
COMMANDS = generate_cli_docs.all_commands()
DAYS = 32

# What issue 3 promises of `slipway demo --json`.
PROMISED = {"seconds", "peak_memory_mb", "tables", "models", "gates", "steps", "recomputed"}
FRAUD_TABLES = {
    "fraud.transactions",
    "fraud.stg_transactions",
    "fraud.fraud_reports",
    "fraud.daily_activity",
    "fraud.customer_spend",
    "fraud.terminal_risk",
    "fraud.transaction_time",
    "fraud.training",
    "fraud.predictions",
}


class CommandResult(NamedTuple):
    """A command's exit code and its output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be JSON and nothing else."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """Both outputs without the borders and line breaks of the terminal."""
        bare = "".join(" " if mark in "│╭╰╮╯─┃┏┓┗┛━" else mark for mark in self.out + " " + self.err)
        return " ".join(bare.split())


Slipway = Callable[..., CommandResult]


@pytest.fixture
def slipway(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Slipway:
    """Call a command in this process, on a terminal that is wide enough for any path."""
    for screen in (console, notes):
        monkeypatch.setattr(screen, "_width", 200)

    def call(*words: object) -> CommandResult:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["slipway", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        heard = capsys.readouterr()
        assert "Traceback" not in heard.out + heard.err
        code = left.value.code
        return CommandResult(code if isinstance(code, int) else 0, heard.out, heard.err)

    return call


def start(*words: object, cwd: Path = ROOT, **more: Any) -> CommandResult:
    """Call a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **more,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return CommandResult(done.returncode, done.stdout, done.stderr)


class World(NamedTuple):
    """A home on which `slipway demo --source` ran, the folder it ran on, the last day's rows, its result."""

    home: Path
    source: Path
    last_day: pl.DataFrame
    first: CommandResult


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    rows = Simulation(days=DAYS, customers=800, terminals=1_000, start=scenario.START, seed=0).simulate()
    last = pl.col("TX_TIME_DAYS") == DAYS - 1
    write_daily_files(rows.filter(~last), folder / "payments")
    home, source = folder / "home", folder / "payments"
    return World(home, source, rows.filter(last), start("demo", "--source", source, "--home", home, "--json"))


@pytest.fixture
def books(tmp_path: Path) -> Lakehouse:
    """A lakehouse with one small table: two snapshots published, a third on an audit branch."""
    lake = scenario.make_lake(tmp_path / "books")
    days = [date(2024, 1, day) for day in (1, 2, 3)]
    for note in ("first", "second"):
        rows = scenario.ledger_rows(days, per_day=50, note=note)
        publish(lake, write_draft(lake, scenario.ledger_shape(), rows, scenario.provenance()))
    write_draft(lake, scenario.ledger_shape(), scenario.ledger_rows(days[:1], note="third"), scenario.provenance())
    return lake


# --- help and documentation


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_shows_how_to_call_it(slipway: Slipway, name: str) -> None:
    result = slipway(*name.split(), "--help")
    assert result.code == 0
    examples = generate_cli_docs.examples(COMMANDS[name])
    assert any(example.startswith(f"slipway {name}") for example in examples), "a command without an example"
    assert "Examples" in result.out
    assert examples[0].split("  # ")[0] in result.words
    for option in ("--json",) if name == "init" else ("--home", "--json"):  # a new project has no home yet
        assert option in result.out


def test_the_page_of_commands_is_up_to_date() -> None:
    assert generate_cli_docs.PAGE.read_text() == generate_cli_docs.page(), "run `python -m tests.generate_cli_docs`"


def test_without_a_command_the_help_is_shown(slipway: Slipway) -> None:
    result = slipway()
    assert result.code == 2
    assert all(name.split()[0] in result.out + result.err for name in COMMANDS)


def _heavy_modules(*words: object) -> set[str]:
    """Which of the libraries that take long to load a call has loaded."""
    heavy = ("dagster", "mlflow", "sklearn", "xgboost", "matplotlib", "dbt", "pandera", "pyiceberg", "duckdb")
    code = (
        "import sys\nfrom orchestration.cli import main\n"
        f"sys.argv = ['slipway', *{[str(word) for word in words]!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', *(name for name in {heavy!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_help_loads_no_heavy_library() -> None:
    assert _heavy_modules("--help") == set()


def test_listing_tables_loads_only_what_reads_tables(world: World) -> None:
    assert _heavy_modules("tables", "--home", world.home) <= {"pyiceberg", "duckdb"}


# --- demo


def test_demo_reports_everything_it_promises(world: World) -> None:
    assert world.first.code == 0, world.first.out
    output = world.first.json
    assert set(output) >= PROMISED
    assert set(output["tables"]) == FRAUD_TABLES
    for table in output["tables"].values():
        assert set(table) == {"rows", "snapshot_id"}
        assert table["rows"] > 0
        assert int(table["snapshot_id"]) > 0
        assert isinstance(table["snapshot_id"], str), "JavaScript cannot count that far"
    champion = output["models"]["fraud.scorer"]
    assert set(champion) >= {"version", "alias", "metrics"}
    assert champion["alias"] == "champion"
    assert 0.75 <= champion["metrics"]["auc"] <= 0.95
    assert {gate["name"] for gate in output["gates"]} == {"auc_band", "precision_floor", "no_worse_than_champion"}
    assert all(gate["passed"] for gate in output["gates"])
    for step in output["steps"]:
        assert set(step) >= {"name", "seconds", "rows"}
    assert set(output["recomputed"]) == FRAUD_TABLES | {"fraud.scorer"}
    assert output["seconds"] >= sum(step["seconds"] for step in output["steps"])
    assert output["peak_memory_mb"] > 100


def test_demo_again_recomputes_nothing(slipway: Slipway, world: World) -> None:
    result = slipway("demo", "--source", world.source, "--home", world.home, "--json")
    assert result.code == 0
    output = result.json
    assert output["recomputed"] == []
    assert output["tables"] == world.first.json["tables"]
    assert output["models"] == world.first.json["models"]


def test_demo_on_one_day_more_recomputes_and_names_the_reason(slipway: Slipway, world: World, tmp_path: Path) -> None:
    home, source = tmp_path / "home", tmp_path / "payments"
    shutil.copytree(world.home, home)
    shutil.copytree(world.source, source)
    write_daily_files(world.last_day, source)
    result = slipway("demo", "--source", source, "--home", home, "--json")
    assert result.code == 0, result.out
    output = result.json
    assert set(output["recomputed"]) == FRAUD_TABLES | {"fraud.scorer"}
    steps = {step["name"]: step["rows"] for step in output["steps"]}
    assert steps["fraud.transactions"] == world.last_day.height, "only the new day was landed"
    assert steps["fraud.customer_spend"] < output["tables"]["fraud.customer_spend"]["rows"]
    rows = world.first.json["tables"]["fraud.transactions"]["rows"] + world.last_day.height
    assert output["tables"]["fraud.transactions"]["rows"] == output["tables"]["fraud.training"]["rows"] == rows
    assert output["models"]["fraud.scorer"]["version"] == 2
    assert any("2018-05-02" in cause for cause in output["because"])


def test_demo_in_words(slipway: Slipway, world: World) -> None:
    result = slipway("demo", "--source", world.source, "--home", world.home)
    assert result.code == 0
    assert "nothing was recomputed" in result.words
    assert "fraud.scorer" in result.words
    assert "version 1 (champion)" in result.words
    assert "slipway up" in result.words


def test_demo_on_a_folder_that_is_not_there(slipway: Slipway, tmp_path: Path) -> None:
    (tmp_path / "payments.parquet").touch()
    result = slipway("demo", "--source", tmp_path / "payment.parquet", "--home", tmp_path / "home")
    assert result.code == 1
    assert "There is no such file or folder." in result.words
    assert "payments.parquet" in result.words, "the nearest"


def test_days_of_a_demo_without_the_domain_that_they_apply_to(slipway: Slipway, tmp_path: Path) -> None:
    result = slipway("demo", "--domain", "credit", "--days", 60, "--home", tmp_path / "home", "--json")
    assert result.code == 1
    assert result.json["nearest"] == "--domain fraud --days 60"


def test_demo_on_a_truncated_file(slipway: Slipway, world: World, tmp_path: Path) -> None:
    whole = min(world.source.glob("*.parquet"))
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[:-200])
    result = slipway("demo", "--source", cut, "--home", tmp_path / "home", "--json")
    assert result.code == 1
    assert "damaged" in result.json["what"]
    assert result.json["where"] == str(cut)
    tables = slipway("tables", "--home", tmp_path / "home", "--json").json["tables"]
    rows = {one["name"]: one["rows"] for one in tables if one["rows"]}
    assert rows == {"slipway.deliveries": 1}, "the file is logged as rejected, and nothing of it is landed"


# --- tables


def test_all_tables(slipway: Slipway, world: World) -> None:
    result = slipway("tables", "--home", world.home, "--json")
    assert result.code == 0
    found = {table["name"]: table for table in result.json["tables"]}
    assert {name for name in found if not is_system_table(name)} == FRAUD_TABLES
    kinds = {name.split(".")[1]: table["kind"] for name, table in found.items()}
    assert kinds["transactions"] == "source"
    assert kinds["daily_activity"] == "dbt model"
    assert kinds["terminal_risk"] == "feature set"
    assert kinds["training"] == "training set"
    assert kinds["predictions"] == "predictions"
    training = found["fraud.training"]
    assert training["rows"] == world.first.json["tables"]["fraud.training"]["rows"]
    assert training["snapshot_id"] == world.first.json["tables"]["fraud.training"]["snapshot_id"]
    assert training["owner"] == "team:payments"
    assert training["description"].startswith("Each payment")
    assert training["stale"] is False
    words = slipway("tables", "--home", world.home).words
    assert all(name in words for name in FRAUD_TABLES)
    assert "up to date" in words


def test_one_table(slipway: Slipway, world: World) -> None:
    output = slipway("tables", "fraud.training", "--home", world.home, "--json").json
    columns = {column["name"]: column for column in output["columns"]}
    assert columns["amount"]["type"] == "decimal(12, 2)"
    assert "last 7 days" in columns["customer_spend__amount_mean_7d"]["doc"]
    newest = output["snapshots"][0]
    assert newest["snapshot_id"] == output["snapshot_id"]
    assert newest["published"] is True
    assert newest["run_id"]
    assert newest["code_version"]
    assert set(newest["input_snapshots"]) >= {"fraud.stg_transactions", "fraud.customer_spend"}
    assert [branch["name"] for branch in output["branches"]] == ["main"]
    # What the champion was trained on is kept from expiry.
    (tag,) = output["tags"]
    assert (tag["name"], tag["snapshot_id"]) == ("model-fraud.scorer-1", output["snapshot_id"])
    assert Path(output["location"]).is_relative_to(world.home)
    words = slipway("tables", "fraud.training", "--home", world.home).words
    for expected in (
        "owned by team:payments",
        output["snapshot_id"],
        "customer_spend__amount_mean_7d",
        output["location"],
    ):
        assert expected in words.replace(" ", "") or expected in words


def test_a_stale_table_has_a_reason(slipway: Slipway, world: World, tmp_path: Path) -> None:
    lake = scenario.make_lake(shutil.copytree(world.home, tmp_path / "home"))
    assert slipway("tables", "fraud.daily_activity", "--drop", "--yes", "--home", lake.home.root).code == 0
    assert slipway("tables", "fraud.terminal_risk", "--drop", "--yes", "--home", lake.home.root).code == 0
    output = slipway("tables", "fraud.training", "--home", lake.home.root, "--json").json
    assert output["stale"] is True
    assert "fraud.terminal_risk was never published" in output["reason"]
    assert "fraud.training is stale" in slipway("tables", "--home", lake.home.root).words
    entry = slipway("features", "fraud.terminal_risk", "--home", lake.home.root, "--json").json
    assert entry["freshness"]["stale"] is True
    assert entry["freshness"]["newest_day"] is None


def test_an_audit_branch_waits_for_inspection(slipway: Slipway, books: Lakehouse) -> None:
    output = slipway("tables", "books.ledger", "--home", books.home.root, "--json").json
    assert output["kind"] == "not declared"
    waiting = [branch for branch in output["branches"] if branch["awaits_inspection"]]
    assert len(waiting) == 1
    assert waiting[0]["kept_until"] > waiting[0]["at"]
    published = {one["snapshot_id"]: one["published"] for one in output["snapshots"]}
    assert published[waiting[0]["snapshot_id"]] is False
    assert published[output["snapshot_id"]] is True
    assert "kept for inspection" in slipway("tables", "books.ledger", "--home", books.home.root).words


@pytest.mark.parametrize("words", [("tables", "fraud.training"), ("query", "select 1"), ("contract", "suggest", "a.b")])
def test_a_command_that_only_reads_names_the_missing_home_and_creates_none(
    slipway: Slipway, tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = slipway(*words, "--home", str(tmp_path / "elsewhere"), "--json")
    assert result.code == 1
    assert result.json["where"] == str(tmp_path / "elsewhere")
    assert "SLIPWAY_HOME" in result.json["fix"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_table_that_is_not_there_is_named_with_the_home(slipway: Slipway, books: Lakehouse) -> None:
    result = slipway("tables", "xyzzy", "--home", books.home.root, "--json")
    assert result.json["where"] == f"the home {books.home.root}"
    assert "--home or SLIPWAY_HOME" in result.json["fix"]


def test_an_empty_home_has_no_tables(slipway: Slipway, tmp_path: Path) -> None:
    assert slipway("tables", "--home", tmp_path / "new", "--json").json == {"tables": []}
    assert "slipway demo" in slipway("tables", "--home", tmp_path / "new").words


@pytest.mark.parametrize(
    ("words", "message", "nearest", "code"),
    [
        (("materialize", "group:fruad"), "There is no group named 'group:fruad'", "group:fraud", 1),
        (("materialize", "x", "--days", "2018-04-31"), "Invalid day 2018-04-31.", "2018-04-30", 1),
        (
            ("materialize", "x", "--days", "2018-04-01:2018-02-30"),
            "Invalid day 2018-02-30.",
            "2018-04-01:2018-02-28",
            1,
        ),
        (("materialize", "x", "--days", "2018-13-01"), "Invalid days", "2018-04-01:2018-04-30", 1),
        (
            ("quarantine", "fraud.transactions", "--drop"),
            "The option --reason is missing",
            "--reason 'test payments'",
            2,
        ),
        (
            ("circuit-breaker", "fraud.transactions", "--open"),
            "The option --reason is missing",
            "--reason 'mapping declared'",
            2,
        ),
    ],
)
def test_a_wrong_argument_gets_an_error_with_the_nearest_valid_one(
    slipway: Slipway, tmp_path: Path, words: tuple[str, ...], message: str, nearest: str, code: int
) -> None:
    result = slipway(*words, "--home", tmp_path / "home", "--json")
    assert result.code == code
    assert message in result.json["what"]
    assert result.json["nearest"] == nearest


def test_drop_asks_first(slipway: Slipway, books: Lakehouse) -> None:
    result = slipway("tables", "books.ledger", "--drop", "--home", books.home.root)
    assert result.code == 1
    assert "terminal is not interactive" in result.words
    assert "--yes" in result.words
    assert slipway("tables", "--drop", "--yes", "--home", books.home.root).code == 1
    assert books.has("books.ledger")


def test_a_dropped_table_is_gone_with_its_files(slipway: Slipway, books: Lakehouse) -> None:
    folder = Path(slipway("tables", "books.ledger", "--home", books.home.root, "--json").json["location"])
    assert any(folder.rglob("*.parquet"))
    result = slipway("tables", "books.ledger", "--drop", "--yes", "--home", books.home.root, "--json")
    assert result.json == {"dropped": ["books.ledger"]}
    assert not books.has("books.ledger")
    assert not folder.exists()
    again = slipway("tables", "books.ledger", "--drop", "--yes", "--home", books.home.root)
    assert again.code == 1
    assert "There is no table named 'books.ledger'" in again.words


def test_the_quarantine_is_shown_and_goes_with_its_source(slipway: Slipway, lake: Lakehouse) -> None:
    days = scenario.EVERY_DAY[:3]
    scenario.deliver(lake, scenario.broken(scenario.payments_on(days), every=10))
    scenario.land_all(lake, lenient=True)
    quarantine = quarantine_name("fraud.transactions")
    found = {one["name"]: one for one in slipway("tables", "--home", lake.home.root, "--json").json["tables"]}
    assert found[quarantine]["kind"] == "quarantine"
    assert found[quarantine]["rows"] > 0
    result = slipway("tables", "fraud.transactions", "--drop", "--yes", "--home", lake.home.root, "--json")
    assert result.json == {"dropped": ["fraud.transactions", quarantine]}
    assert scenario.land_all(lake, lenient=True).outcome.days == tuple(days), "the same deliveries can be landed again"


# --- query


def test_rows_as_json(slipway: Slipway, books: Lakehouse) -> None:
    sql = """select note, count(*) as bookings, sum(number) as numbers, min("at") as first
        from books.ledger group by note"""
    for asked in (["--json"], ["--format", "json"]):
        result = slipway("query", sql, *asked, "--home", books.home.root)
        assert result.code == 0
        (row,) = result.json
        assert row["note"] == "second"
        assert row["bookings"] == 150
        assert row["numbers"] == sum(
            scenario.ledger_rows([date(2024, 1, day) for day in (1, 2, 3)], per_day=50)["number"].to_pylist()
        )
        assert row["first"] == "2024-01-01T00:00:00"


def test_values_that_json_cannot_represent(slipway: Slipway, books: Lakehouse) -> None:
    sql = (
        "select 'nan'::double as nothing, 12.30::decimal(12, 2) as money, "
        "123456789012345678.91::decimal(38, 2) as exact, null as missing, "
        "[1, 2] as list, {'a': 1.5} as nested, '2024-01-01'::date as day, 1 as twice, 2 as twice, "
        "'[bold]x[/bold]' as marked"
    )
    (row,) = slipway("query", sql, "--json", "--home", books.home.root).json
    assert row == {
        "nothing": None,
        "money": 12.3,
        "exact": "123456789012345678.91",
        "missing": None,
        "list": [1, 2],
        "nested": {"a": 1.5},
        "day": "2024-01-01",
        "twice": 1,
        "twice_2": 2,
        "marked": "[bold]x[/bold]",
    }
    assert "[bold]x[/bold]" in slipway("query", sql, "--home", books.home.root).words


def test_a_query_without_rows(slipway: Slipway, books: Lakehouse, tmp_path: Path) -> None:
    sql = "select number, note from books.ledger where number < 0"
    home = books.home.root
    assert slipway("query", sql, "--json", "--home", home).json == []
    assert slipway("query", sql, "--format", "csv", "--home", home).out == "number,note\n"
    assert "0 rows" in slipway("query", sql, "--home", home).words
    assert slipway("query", sql, "--output", tmp_path / "none.parquet", "--home", home).code == 0
    assert pl.read_parquet(tmp_path / "none.parquet").schema == {"number": pl.Int64(), "note": pl.String()}


def test_rows_as_csv_and_parquet(slipway: Slipway, books: Lakehouse, tmp_path: Path) -> None:
    sql, home = "from books.ledger order by number", books.home.root
    result = slipway("query", sql, "--format", "csv", "--home", home)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert len(rows) == 150
    assert rows[0] == {"number": "738886000", "at": "2024-01-01T00:00:00", "amount": "0.0", "note": "second"}
    for name in ("rows.csv", "rows.json", "rows.parquet"):
        written = slipway("query", sql, "--output", tmp_path / name, "--home", home)
        assert written.code == 0
        assert written.out == ""
        assert "150 rows in" in written.words
    assert (tmp_path / "rows.csv").read_text() == result.out
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 150
    parquet = pl.read_parquet(tmp_path / "rows.parquet")
    assert parquet.schema["at"] == pl.Datetime("us")
    assert parquet["number"].is_sorted()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_terminal_is_given_a_hundred_rows_and_the_number_of_all(slipway: Slipway, books: Lakehouse) -> None:
    result = slipway("query", "from books.ledger", "--home", books.home.root)
    assert "the first 100 of 150 rows" in result.words
    assert result.out.count("second") == 100
    snapshot = resolve(books.table("books.ledger"))
    assert f"books.ledger at {snapshot}" in result.words


def test_at_a_snapshot_a_branch_or_a_time(slipway: Slipway, books: Lakehouse) -> None:
    table, home = books.table("books.ledger"), books.home.root
    sql = "select distinct note from books.ledger"
    earlier = table.metadata.snapshots[1].snapshot_id
    branch = next(name for name in table.metadata.refs if name != "main")
    for at, note in ((earlier, "first"), (branch, "third"), ("main", "second"), ("2124-01-01T00:00:00", "second")):
        assert slipway("query", sql, "--at", at, "--json", "--home", home).json == [{"note": note}]
    result = slipway("query", sql, "--at", "mian", "--json", "--home", home)
    assert result.code == 1
    assert result.json["nearest"] == "main"
    assert slipway("query", sql, "--at", "2001-01-01", "--home", home).code == 1
    assert slipway("query", "select 1", "--at", "main", "--home", home).code == 1


@pytest.mark.parametrize(
    "sql",
    [
        "drop table books.ledger",
        "insert into books.ledger values (1)",
        "create table x as select 1",
        "copy (select 1) to 'stolen.csv'",
        "with x as (copy (select 1) to 'stolen.csv') select * from x",
        "explain analyze copy (select 1) to 'stolen.csv'",
        "attach 'other.db'",
        "install httpfs",
        "set memory_limit = '1GB'",
        "select * from read_csv('pyproject.toml')",
        "select 1; select 2",
        " ",
    ],
)
def test_a_query_only_reads_and_only_tables(
    slipway: Slipway, books: Lakehouse, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = slipway("query", sql, "--home", books.home.root, "--json")
    assert result.code == 1
    assert result.json["error"] == "SlipwayError"
    assert not (tmp_path / "stolen.csv").exists()


@pytest.mark.parametrize(
    ("sql", "what", "nearest"),
    [
        ("from books.legder", "There is no table named 'books.legder'.", "books.ledger"),
        ("from ledger", "There is no table named 'ledger'.", "books.ledger"),
        ("select amont from books.ledger", "There is no column 'amont'.", "amount"),
        (
            "select l.nmber from books.ledger l join books.ledger m using (number)",
            "There is no column 'nmber'.",
            "number",
        ),
        ("selct 1", 'syntax error at or near "selct".', None),
        ("select amount + 'x' from books.ledger", "Could not convert string 'x' to DOUBLE.", None),
    ],
)
def test_an_invalid_query(slipway: Slipway, books: Lakehouse, sql: str, what: str, nearest: str | None) -> None:
    result = slipway("query", sql, "--home", books.home.root, "--json")
    assert result.code == 1
    assert result.json["what"] == what
    assert result.json["nearest"] == nearest
    assert result.json["fix"]


def test_reading_statements_other_than_select(slipway: Slipway, books: Lakehouse) -> None:
    home = books.home.root
    described = slipway("query", "describe books.ledger", "--json", "--home", home).json
    assert [row["column_name"] for row in described] == ["number", "at", "amount", "note"]
    assert slipway("query", "summarize books.ledger", "--home", home).code == 0
    assert slipway("query", "explain select * from books.ledger", "--home", home).code == 0
    listed = slipway("query", "select table_name from information_schema.tables", "--json", "--home", home).json
    assert listed == [{"table_name": "ledger"}]


def test_formats_and_outputs_that_do_not_go_together(slipway: Slipway, books: Lakehouse, tmp_path: Path) -> None:
    home = books.home.root
    for words in (
        ["--format", "parquet"],
        ["--json", "--format", "csv"],
        ["--output", tmp_path / "rows.txt"],
        ["--output", tmp_path / "nowhere" / "rows.csv"],
        ["--format", "csv", "--output", tmp_path],
    ):
        assert slipway("query", "from books.ledger", *words, "--home", home).code == 1
    assert slipway("query", "from books.ledger", "--format", "xlsx", "--home", home).code == 2


def test_a_reader_that_closes_the_pipe_early(books: Lakehouse) -> None:
    words = [sys.executable, "-m", "orchestration.cli", "query", "from books.ledger, range(20000)", "--format", "csv"]
    with subprocess.Popen(
        [*words, "--home", str(books.home.root)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "number,at,amount,note,range\n"
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


# --- features


def test_all_feature_sets(slipway: Slipway, world: World) -> None:
    found = slipway("features", "--home", world.home, "--json").json["feature_sets"]
    found = [one for one in found if one["name"].startswith("fraud.")]
    assert [one["name"] for one in found] == ["fraud.customer_spend", "fraud.terminal_risk", "fraud.transaction_time"]
    assert {one["freshness"]["newest_day"] for one in found} == {"2018-05-01"}
    assert all(one["training_sets"] == ["fraud.training"] for one in found)
    words = slipway("features", "--home", world.home).words
    assert "fraud.terminal_risk" in words
    assert "delay 7d" in words


def test_one_feature_set(slipway: Slipway, world: World) -> None:
    output = slipway("features", "fraud.terminal_risk", "--home", world.home, "--json").json
    assert output["owner"] == "team:payments"
    assert output["description"].startswith("How busy a terminal is")
    assert (output["entity"], output["delay"]) == ("terminal_id", "7d")
    assert (output["source"], output["spine"]) == ("fraud.fraud_reports", "fraud.stg_transactions")
    assert output["windows"] == ["1d", "7d", "30d"]
    column = output["columns"][-1]
    assert column == {
        "name": "is_fraud_rate_30d",
        "type": "double",
        "meaning": "share of events with is_fraud in the last 30 days",
    }
    (model,) = output["models"]
    assert (model["name"], model["champion"], len(model["columns"])) == ("fraud.scorer", 1, 6)
    assert output["freshness"]["stale"] is False
    words = slipway("features", "fraud.customer_spend", "--home", world.home).words
    for expected in (
        "How often and how much",
        "customer_id",
        "1d, 7d, 30d",
        "amount_mean_7d",
        "fraud.scorer",
        "2018-05-01",
    ):
        assert expected in words


def test_one_feature(slipway: Slipway, world: World) -> None:
    output = slipway("features", "fraud.terminal_risk.is_fraud_rate_7d", "--home", world.home, "--json").json
    assert output["formula"] == "rate(is_fraud) over (t-7d-7d, t-7d], else 0"
    assert (output["type"], output["unit"], output["entity"]) == ("double", "share, 0 to 1", ["terminal_id"])
    assert output["inputs"] == ["fraud.fraud_reports.is_fraud"]
    assert output["delivered_as"] == ["fraud.transactions.TX_FRAUD"]
    assert output["used_by"] == ["fraud.training", "fraud.scorer"]
    assert {"examples_hold", "not_null_fraud_reports_is_fraud"} <= set(output["checks"])
    assert output["since"] is not None
    drawn = output["distribution"]
    assert drawn["null_share"] == 0
    assert drawn["bars_without_zeros"], "nearly no terminal has a fraud"
    assert sum(bar["rows"] for bar in drawn["bars"]) + drawn["zeros"] == drawn["rows"] == output["freshness"]["rows"]
    words = slipway("features", "fraud.customer_spend.amount_mean_7d", "--home", world.home).words
    for expected in ("mean(amount) over (t-7d, t]", "median", "training-set fraud.customer_spend.amount_mean_7d"):
        assert expected in words


def test_features_are_searched_by_word_entity_source_and_owner(slipway: Slipway, world: World) -> None:
    filters = ["--entity", "terminal_id", "--source", "fraud.transactions", "--owner", "team:payments"]
    found = slipway("features", "rate", "30d", *filters, "--home", world.home, "--json").json["features"]
    assert [one["name"] for one in found] == ["fraud.terminal_risk.is_fraud_rate_30d"]
    assert "fraud.customer_spend.amount_mean_1d" in slipway("features", "amount", "--home", world.home).words
    none = slipway("features", "nothing-like-it", "--home", world.home)
    assert "No match among 35 features" in none.err
    error = slipway("features", "--owner", "team:payment", "--home", world.home, "--json").json
    assert (error["error"], error["nearest"]) == ("UnknownNameError", "team:payments")


def test_the_catalog_as_a_site_and_features_that_are_equal(slipway: Slipway, world: World, tmp_path: Path) -> None:
    output = slipway("features", "--html", tmp_path / "site", "--home", world.home, "--json").json
    assert [Path(file).name for file in output["files"]][:2] == ["index.html", "fraud.customer_spend.html"]
    assert all(Path(file).exists() for file in output["files"])
    assert slipway("features", "--duplicates", "--home", world.home, "--json").json == {"duplicates": []}
    both = slipway("features", "amount", "--duplicates", "--home", world.home, "--json").json
    assert both["where"] == "--duplicates"


def test_features_of_a_home_without_tables(slipway: Slipway, tmp_path: Path) -> None:
    output = slipway("features", "fraud.customer_spend", "--home", tmp_path / "new", "--json").json
    assert output["freshness"]["newest_day"] is None
    assert output["freshness"]["stale"] is True
    assert output["models"][0]["champion"] is None
    assert slipway("features", "--home", tmp_path / "new").code == 0


# --- models


def test_all_models(slipway: Slipway, world: World) -> None:
    models = slipway("models", "--home", world.home, "--json").json["models"]
    assert {one["name"]: one["champion"] for one in models} == {"fraud.scorer": 1, "credit.scorer": None}
    assert "version 1" in slipway("models", "--home", world.home).words


def test_one_model(slipway: Slipway, world: World) -> None:
    output = slipway("models", "fraud.scorer", "--home", world.home, "--json").json
    assert output["owner"] == "team:fraud"
    (version,) = output["versions"]
    assert (version["version"], version["alias"], version["reason"]) == (1, "champion", None)
    assert version["metrics"] == world.first.json["models"]["fraud.scorer"]["metrics"]
    assert version["input_snapshots"]["fraud.training"] == world.first.json["tables"]["fraud.training"]["snapshot_id"]
    assert version["trained_at"]
    assert [gate["name"] for gate in output["gates"]] == ["auc_band", "precision_floor", "no_worse_than_champion"]
    assert all(gate["passed"] for gate in output["gates"])
    words = slipway("models", "fraud.scorer", "--home", world.home).words
    for expected in ("champion", "meets the gate", "fraud.terminal_risk", version["candidate"]):
        assert expected in words


def test_models_of_a_home_without_models(slipway: Slipway, tmp_path: Path) -> None:
    home = tmp_path / "new"
    assert "No model has been trained" in slipway("models", "--home", home).words
    assert slipway("models", "fraud.scorer", "--home", home, "--json").json["versions"] == []
    assert "has not been trained" in slipway("models", "fraud.scorer", "--home", home).words
    assert not (home / "mlflow" / "mlflow.db").exists(), "looking makes no database"


# --- simulate


def test_simulated_files(slipway: Slipway, tmp_path: Path) -> None:
    small = ["--days", 3, "--customers", 50, "--terminals", 80, "--seed", 4, "--start", "2020-02-28"]
    output = slipway("simulate", *small, "--format", "csv", "--gzip", "--output", tmp_path / "out", "--json").json
    assert output["files"] == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"transactions_2020-02-{day}.csv.gz" for day in (28, 29)
    ] + ["transactions_2020-03-01.csv.gz"]
    result = slipway("simulate", *small, "--home", tmp_path / "home")
    assert result.code == 0
    assert f"{output['transactions']:,} transactions" in result.words
    assert len(list((tmp_path / "home" / "drop" / "fraud" / "transactions").glob("*.parquet"))) == 3


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["--days", "0"], "1"),
        (["--start", "2018-02-30"], "2018-04-01"),
        (["--gzip"], "--format csv --gzip"),
        (["--customers", "-5"], "1"),
    ],
)
def test_simulations_with_invalid_options(slipway: Slipway, tmp_path: Path, words: list[str], nearest: str) -> None:
    result = slipway("simulate", *words, "--output", tmp_path / "out", "--json")
    assert result.code == 1
    assert result.json["nearest"] == nearest
    assert not (tmp_path / "out").exists()


# --- materialize and up


def test_materialize_rebuilds_a_dropped_table(slipway: Slipway, world: World, tmp_path: Path) -> None:
    home = shutil.copytree(world.home, tmp_path / "home")
    rows = scenario.make_lake(home).table("fraud.daily_activity").scan().to_arrow().num_rows
    assert slipway("tables", "fraud.daily_activity", "--drop", "--yes", "--home", home).code == 0
    result = slipway("materialize", "fraud.daily_activity", "--home", home, "--json")
    assert result.code == 0, result.out
    assert result.json["recomputed"] == ["fraud.daily_activity"]
    assert scenario.make_lake(home).table("fraud.daily_activity").scan().to_arrow().num_rows == rows == DAYS - 1


def test_materialize_lands_the_days_that_were_delivered_and_asks_for_no_others(
    slipway: Slipway, tmp_path: Path
) -> None:
    first = datetime.now(UTC).date() - timedelta(days=6)
    small = ["--days", 3, "--customers", 50, "--terminals", 80, "--start", first]
    made = slipway("simulate", *small, "--home", tmp_path / "home", "--json").json
    result = slipway("materialize", "fraud.transactions", "--home", tmp_path / "home", "--json")
    assert result.code == 0, "the days from then to yesterday are still to come"
    assert [step["rows"] for step in result.json["steps"]] == [made["transactions"]]


def test_materialize_a_source_without_deliveries(slipway: Slipway, tmp_path: Path) -> None:
    result = slipway("materialize", "fraud.transactions", "--home", tmp_path / "home", "--json")
    assert result.code == 1
    assert "There is no such file or folder." in result.json["what"]


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["fraud.customer_spent"], "fraud.customer_spend"),
        (["fraud.transactions", "--days", "2018-04-31"], "2018-04-30"),
        (["fraud.transactions", "--days", "2018-04-05:2018-04-02"], "2018-04-02:2018-04-05"),
        (["fraud.transactions", "--days", "2019-01-01"], "2018-05-01"),
    ],
)
def test_materialize_with_an_unknown_name_or_day(
    slipway: Slipway, world: World, words: list[str], nearest: str
) -> None:
    result = slipway("materialize", *words, "--home", world.home, "--json")
    assert result.code == 1
    assert result.json["nearest"] == nearest


def test_up_needs_a_checkout(slipway: Slipway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_PROJECT", str(tmp_path))
    result = slipway("up", "--home", tmp_path / "home", "--json")
    assert result.code == 1
    assert result.json["what"] == "There is no workspace.yaml."
    assert slipway("up", "--port", "0").code == 2


# --- wrong names, wrong usage, homes that cannot be used


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["tables", "fraud.trainings"], "fraud.training"),
        (["tables", "fraud.trainings", "--drop", "--yes"], "fraud.training"),
        (["features", "fraud.customer_spending"], "fraud.customer_spend"),
        (["models", "fraud.scores"], "fraud.scorer"),
        (["query", "from fraud.trainings"], "fraud.training"),
        (["materialize", "fraud.trainings"], "fraud.training"),
    ],
)
def test_an_unknown_name_gets_the_nearest(slipway: Slipway, world: World, words: list[str], nearest: str) -> None:
    result = slipway(*words, "--home", world.home)
    assert result.code == 1
    assert f"nearest: {nearest}" in result.words
    as_json = slipway(*words, "--home", world.home, "--json")
    assert as_json.code == 1
    assert set(as_json.json) == {"error", "what", "where", "nearest", "fix"}
    assert as_json.json["nearest"] == nearest


@pytest.mark.parametrize(
    "words", [["tabels"], ["tables", "--hme", "x"], ["query"], ["simulate", "--days", "many"], ["models", "a", "b"]]
)
def test_wrong_usage(slipway: Slipway, words: list[str]) -> None:
    result = slipway(*words)
    assert result.code == 2
    assert "Usage: slipway" in result.words


def test_a_home_of_a_newer_format(slipway: Slipway, tmp_path: Path) -> None:
    home = scenario.make_lake(tmp_path / "home").home.root
    marker = home / "home.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 99}))
    for words in (["tables"], ["models"], ["query", "select 1"], ["demo"], ["materialize", "fraud.training"]):
        result = slipway(*words, "--home", home, "--json")
        assert result.code == 1
        assert "wrote the home (format 99" in result.json["what"]


def test_places_that_are_no_home(slipway: Slipway, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("a letter")
    for place in ("file", "letters", "file/below"):
        result = slipway("tables", "--home", tmp_path / place, "--json")
        assert result.code == 1
        assert result.json["error"] == "HomeError"
        assert result.json["fix"]


def test_a_setting_that_does_not_exist(slipway: Slipway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOMES", str(tmp_path))
    result = slipway("tables", "--json")
    assert result.code == 1
    assert result.json["nearest"] == "SLIPWAY_HOME"


@pytest.fixture
def busy_home(books: Lakehouse) -> Iterator[Path]:
    """A home in which another process is at work."""
    code = (
        "import sys, pathlib\nfrom lakehouse.catalog.home import at_work, open_home\n"
        "from lakehouse.settings import Settings\n"
        "home = open_home(Settings.from_environment(home=pathlib.Path(sys.argv[1])))\n"
        "with at_work(home, 'slipway demo'):\n    print('at work', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(books.home.root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "at work\n"
        yield books.home.root
        other.communicate("")


def test_a_second_slipway_in_the_same_home(slipway: Slipway, busy_home: Path) -> None:
    for words in (
        ["demo", "--days", "3"],
        ["materialize", "fraud.training"],
        ["tables", "books.ledger", "--drop", "--yes"],
        ["new-domain", "orders"],
    ):
        result = slipway(*words, "--home", busy_home, "--json")
        assert result.code == 1
        assert "Another Slipway process uses this home: process" in result.json["what"]
        assert "`slipway demo`" in result.json["what"]
    assert slipway("tables", "--home", busy_home).code == 0, "looking is always possible"
    assert slipway("query", "from books.ledger", "--home", busy_home).code == 0


# --- what is not published


@pytest.fixture
def days_landed(slipway: Slipway, lake: Lakehouse) -> Lakehouse:
    """Six days are landed through Dagster, and nothing else was ever built; one of their rows is in quarantine."""
    rows = scenario.payments_on(scenario.EVERY_DAY[:6])
    one = pl.col("TRANSACTION_ID") == 3
    scenario.deliver(lake, rows.with_columns(TX_AMOUNT=pl.when(one).then(-1.0).otherwise("TX_AMOUNT")))
    result = slipway("materialize", "fraud.transactions", "--home", lake.home.root)
    assert result.code == 0
    assert "1 rows are in quarantine: `slipway quarantine fraud.transactions`" in result.words
    return lake


def test_a_rejected_delivery_is_reported_until_it_is_corrected(slipway: Slipway, days_landed: Lakehouse) -> None:
    home = ("--home", days_landed.home.root)
    table, good = "fraud.transactions", scenario.payments_on([scenario.EVERY_DAY[5]])
    (path,) = scenario.deliver(days_landed, good.with_columns(pl.col("TX_AMOUNT") * 100))
    first = slipway("materialize", table, *home)
    assert first.code == 1
    assert "slipway: ContractError" in first.words
    line = f"mappings=[scaled('TX_AMOUNT', 0.01, since=date(2018, 4, {scenario.EVERY_DAY[5].day}))]"
    recipe = ("assets/fraud/sources.py", line, "from datetime import date", "from lakehouse.sources.mappings import")
    again = slipway("materialize", table, *home)
    assert again.code == 1
    assert f"{path.name} is rejected since 2" in again.words
    assert "is up to date" not in again.words
    asked = slipway("materialize", table, *home, "--json")
    assert (asked.code, [one["delivery"] for one in asked.json["rejected"]]) == (1, [path.name])
    instance = open_instance(days_landed)
    standing = last_evaluation(instance, table, "deliveries")
    assert standing is not None
    assert (standing.passed, standing.metadata["deliveries"].value) == (False, path.name)
    for words in (again.words, slipway("quarantine", table, *home).words):
        assert all(part in words for part in recipe)
    (rejection,) = slipway("circuit-breaker", table, *home, "--json").json[0]["rejected_deliveries"]
    assert all(part in rejection["remedy"] for part in recipe)
    # Only the source was ever built, so evaluating it again builds nothing else.
    retried = slipway("quarantine", table, "--retry", *home)
    assert retried.code == 1
    assert f"{path.name} was evaluated again: rejected" in retried.words
    assert "0 rows published, 1 still fail a rule." in retried.words
    assert "champion" not in retried.words
    scenario.deliver(days_landed, good)
    mended = slipway("materialize", table, *home, "--json")
    assert (mended.code, mended.json["rejected"]) == (0, [])
    standing = last_evaluation(instance, table, "deliveries")
    assert standing is not None
    assert standing.passed


def test_a_delivery_rejected_again_is_reported_as_evaluated_again(capsys: pytest.CaptureFixture[str]) -> None:
    line = {
        "source": "s.t",
        "delivery": "a",
        "message": "was rejected",
        "reason": "odd",
        "remedy": "mend",
        "branch": "",
    }
    show_rejected({**line, "evaluated": 2, "evaluated_now": True})
    show_rejected({**line, "evaluated": 2, "evaluated_now": False})
    assert capsys.readouterr().out.count("It was evaluated again and rejected again.") == 1


def test_a_retry_builds_nothing_that_was_never_built(slipway: Slipway, days_landed: Lakehouse) -> None:
    result = slipway("quarantine", "fraud.transactions", "--retry", "--home", days_landed.home.root, "--json")
    assert (result.code, result.json["recomputed"], result.json["evaluated_again"]) == (0, [], [])


def test_a_delivery_is_dropped_and_a_copy_is_named(slipway: Slipway, days_landed: Lakehouse) -> None:
    home, table = ("--home", days_landed.home.root), "fraud.transactions"
    folder = days_landed.home.drop_folder(table)
    first = min(folder.iterdir())
    words = pl.read_parquet(first).with_columns(TX_AMOUNT=pl.lit("caf\xe9")).write_csv()
    (folder / "latin.csv").write_bytes(words.encode("latin-1"))
    (folder / "none.csv").touch()
    (folder / "copy.parquet").write_bytes(first.read_bytes())
    assert slipway("materialize", table, *home).code == 1
    shown = slipway("quarantine", table, *home).words
    assert 'file_encoding("latin-1")' in shown.replace("'", '"')
    assert "The file is empty (0 bytes)." in shown
    assert "Have it delivered again, or remove it." in slipway("circuit-breaker", table, *home).words
    drop = ("quarantine", table, "--drop", "--delivery")
    assert "latin.csv" in slipway(*drop, "latn.csv", "--reason", "no", *home).words, "the nearest"
    assert slipway(*drop, "none.csv", *home).code == 2, "without a reason"
    assert slipway(*drop, "latin.csv", "--reason", "a mistake", *home).code == 0
    assert slipway(*drop, "none.csv", "--reason", "a mistake", *home).code == 0
    result = slipway("materialize", table, *home)
    assert result.code == 0
    assert "latin.csv was dropped and is not landed: a mistake" in result.words
    assert f"copy.parquet is a copy of {first.name}, and was not landed." in result.words

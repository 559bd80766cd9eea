"""`slipway contract`: drafts, pages, comparisons, export to the Open Data Contract Standard and import from it.

What belongs here: the commands on a landed world, and the standard's own schema and tooling. Not: comparing and
proposing contracts without the commands (tests/unit/test_contract_versions.py).
"""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from typer.testing import CliRunner

from assets.fraud.contracts import transactions_contract
from lakehouse.contracts.as_json import from_object, to_json
from lakehouse.contracts.odcs import to_odcs
from lakehouse.contracts.suggest import suggest
from lakehouse.contracts.table_checks import audit_table
from lakehouse.contracts.versions import keep_version
from lakehouse.errors import SlipwayError
from orchestration.cli import app
from orchestration.cli.contract import result_of
from orchestration.cli.output import console, print_table
from tests import scenario
from tests.contracts_in_full import FULL

TABLE = transactions_contract.table
TOOLING = Path.home() / ".cache" / "slipway" / "tests" / "datacontract-cli-1.2"


@pytest.fixture(scope="module")
def home(landed_home):
    """A landed world that these tests only read."""
    return landed_home


@pytest.fixture
def ask(home):
    def run(*words, code=0, at=home):
        result = CliRunner().invoke(app, ["contract", *map(str, words), "--home", str(at)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout

    return run


def declared_in(source):
    names = {}
    exec(compile(source, "draft", "exec"), names)  # noqa: S102  # what the product wrote itself
    (found,) = (value for name, value in names.items() if name.endswith("_contract"))
    return found


def test_a_draft_is_python_and_passes_for_the_data_it_was_drawn_from(home):
    lake = scenario.make_lake(home)
    source = suggest(lake, TABLE).source
    draft = declared_in(source)
    assert draft.table == TABLE
    by_name = {column.name: column for column in draft.columns}
    assert list(by_name) == [column.name for column in transactions_contract.columns]
    assert by_name["TRANSACTION_ID"].unique
    assert by_name["TX_FRAUD"].one_of == (0, 1)
    assert by_name["TX_AMOUNT"].at_least == 0
    assert by_name["TX_AMOUNT"].at_most is None, "a bound that nobody declared"
    assert "# Seen: 0 (" in source
    assert all(one.passed for one in audit_table(lake, draft))


def test_what_is_published_is_audited_by_the_contract_as_declared_now(ask, monkeypatch):
    found = json.loads(ask("audit", TABLE, "--json"))
    assert (found["table"], found["contract"]) == (TABLE, transactions_contract.version)
    assert found["checks"]
    assert all(check["passed"] for check in found["checks"])
    assert f"{len(found['checks'])} of {len(found['checks'])} checks passed" in ask("audit", TABLE)
    columns = [
        replace(column, at_most=10.0) if column.name == "TX_AMOUNT" else column
        for column in transactions_contract.columns
    ]
    blocks = {**dict(transactions_contract.then), "TX_AMOUNT_in_range": "block"}
    stricter = replace(transactions_contract, version="2.0.0", columns=columns, then=blocks)
    monkeypatch.setattr("orchestration.cli.contract_audit.declared_contract", lambda _: stricter)
    failed = [one for one in json.loads(ask("audit", TABLE, "--json", code=1))["checks"] if not one["passed"]]
    assert [(one["name"], one["action"]) for one in failed] == [("TX_AMOUNT_in_range", "block")]
    assert failed[0]["failed_rows"] > 0


def test_a_draft_of_a_declared_contract_can_be_put_in_its_place(ask, tmp_path):
    source = ask("suggest", TABLE)
    draft = declared_in(source)
    assert draft == replace(transactions_contract, version="1.1.0")
    assert "# Seen: 0 (" in source
    suggested = json.loads(ask("suggest", TABLE, "--json"))
    assert from_object(suggested["contract"]) == draft
    assert suggested["source"] == source
    ask("suggest", TABLE, "--file", tmp_path / "draft.py")
    assert (tmp_path / "draft.py").read_text() == source
    with pytest.raises(SlipwayError, match="is not overwritten"):
        ask("suggest", TABLE, "--file", tmp_path / "draft.py")


def test_a_draft_leaves_out_rules_that_published_rows_fail(home):
    columns = [
        replace(one, at_most=10, known_after="1d") if one.name == "TX_AMOUNT" else one
        for one in transactions_contract.columns
    ]
    declared = replace(transactions_contract, columns=columns)
    draft = suggest(scenario.make_lake(home), TABLE, declared=declared)
    amount = draft.contract.column("TX_AMOUNT")
    assert (amount.at_least, amount.at_most, amount.known_after) == (0, None, "1d")
    assert "Declared at_most=10: published rows do not meet it." in draft.comments["TX_AMOUNT"]
    assert draft.contract.version == "2.0.0"  # it promises less


def test_only_files_with_a_contract_are_read(ask, tmp_path):
    draft, wrong = tmp_path / "draft.py", tmp_path / "wrong.yaml"
    draft.write_text("contract = 1\n")
    wrong.write_text("kind: [\nversion: ]]\n")
    with pytest.raises(SlipwayError, match="not a contract file") as caught:
        ask("import", draft)
    assert "an ODCS file" in str(caught.value.fix)
    with pytest.raises(SlipwayError) as caught:
        ask("import", wrong)
    assert len(caught.value.what.splitlines()) == 1
    assert caught.value.where == "wrong.yaml, line 2"


def test_a_draft_is_formatted_as_the_project_is(ask, tmp_path):
    ask("suggest", TABLE, "--file", tmp_path / "contracts.py")
    top = Path(__file__).resolve().parents[2]
    words = [
        Path(sys.executable).with_name("ruff"),
        "check",
        "--config",
        top / "pyproject.toml",
        "--ignore",
        "FIX,TD,INP001",
    ]
    done = subprocess.run([*words, tmp_path / "contracts.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_contract_is_shown_with_its_checks_and_versions(ask, landed):
    keep_version(landed, transactions_contract, "run-1")
    output = ask("show", TABLE, at=landed.home.root)
    assert "TX_AMOUNT_in_range" in output
    assert "quarantine" in output
    shown = json.loads(ask("show", TABLE, "--json"))
    assert shown["contract"] == json.loads(to_json(transactions_contract))
    assert {name: one["action"] == "block" for name, one in shown["checks"].items()} == {
        name: blocks for name, (_, blocks) in transactions_contract.checks().items()
    }
    with pytest.raises(SlipwayError, match="no source named"):
        ask("show", "fraud.transaction")


def test_check_names_are_unbroken_and_a_result_shows_its_measure(monkeypatch, capsys):
    monkeypatch.setattr(console, "_width", 80)
    name = "TRANSACTION_ID_unique_across_deliveries"
    rows = [[name, "block", "No TRANSACTION_ID was delivered before, whatever its description.", "broken " * 9]]
    print_table("Checks", ["check", "action", "description", "last audit"], rows, unbroken=["check"])
    assert name in capsys.readouterr().out
    message = "The median is 9 rows per day; the limits are 1 and 2 times it. Failed: 2018-05-15 with 91 (typical: 9)."
    audit = {"passed": False, "failed_rows": 0, "rows": 91, "message": message}
    assert result_of(audit) == "failed: 2018-05-15 with 91 (typical: 9)."


def test_a_comparison_names_the_models_that_a_change_affects(ask, tmp_path):
    old = tmp_path / "old.json"
    earlier = json.loads(to_json(transactions_contract))
    earlier["columns"] = [{**one, "at_most": 10} if one["name"] == "TX_AMOUNT" else one for one in earlier["columns"]]
    old.write_text(json.dumps(earlier))
    found = json.loads(ask("diff", old, TABLE, "--json", code=1))
    assert found["breaking"]
    assert found["models"] == ["fraud.scorer"]
    assert found["needs_new_major_version"]
    assert [one["columns"] for one in found["changes"]] == [["TX_AMOUNT"]]
    words = ask("diff", old, TABLE, code=1)
    assert "Affected models: fraud.scorer." in words
    assert "A new major version is needed: 2.0.0." in words
    assert "No changes." in ask("diff", TABLE, TABLE)
    assert not json.loads(ask("diff", TABLE, old, "--json"))["breaking"]
    with pytest.raises(SlipwayError, match="There is no file"):
        ask("diff", tmp_path / "odl.json", TABLE)
    with pytest.raises(SlipwayError, match=r"No version 7\.0\.0 of the contract of"):
        ask("diff", f"{TABLE}@7.0.0", TABLE)


# The Open Data Contract Standard.


@pytest.mark.parametrize("contract", [transactions_contract, FULL], ids=lambda one: one.table)
def test_the_export_is_valid_by_the_standards_own_schema_and_model(contract, tmp_path):
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
    text = to_odcs(contract)
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(text))
    (tmp_path / "contract.yaml").write_text(text)
    read = OpenDataContractStandard.from_file(str(tmp_path / "contract.yaml"))
    assert [one.name for one in read.schema_[0].properties] == [column.name for column in contract.columns]


def test_export_and_import_on_the_command_line_come_to_the_same_contract(ask, tmp_path):
    file, python = tmp_path / "transactions.odcs.yaml", tmp_path / "contracts.py"
    ask("export", TABLE, "--file", file)
    assert ask("export", TABLE) == file.read_text()
    ask("import", file, "--file", python)
    assert declared_in(python.read_text()) == transactions_contract
    assert from_object(json.loads(ask("import", file, "--json"))["contract"]) == transactions_contract


def test_the_public_tooling_accepts_the_export(tmp_path):
    """datacontract-cli in a Python of its own: its dependencies are not ours."""
    python = TOOLING / "bin" / "python"
    if not (TOOLING / "complete").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, TOOLING], check=True)
        wanted = "datacontract-cli>=1.2,<1.3"
        installed = subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wanted], check=False)
        if installed.returncode:
            pytest.skip("no package registry can be reached, so datacontract-cli cannot be installed")
        (TOOLING / "complete").touch()
    for contract in (transactions_contract, FULL):
        file = tmp_path / f"{contract.table}.yaml"
        file.write_text(to_odcs(contract))
        done = subprocess.run(
            [TOOLING / "bin" / "datacontract", "lint", file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

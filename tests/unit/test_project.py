"""A project of one's own: how it is found, what `slipway init` writes, and that nothing is overwritten or left behind.

What belongs here: the folder and its files. Not: what runs in it (integration/test_wheel.py, test_new_domain.py).
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from lakehouse.errors import ProjectError
from lakehouse.project import find_project
from lakehouse.settings import Settings
from orchestration.cli import init

TOP = Path(__file__).resolve().parents[2]
MARK = "[tool.slipway]\n"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "my shop"
    init.write_all(folder, init.project_files(folder.name))
    return folder


def slipway(*words, cwd):
    command = [sys.executable, "-m", "orchestration.cli", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_project_is_the_nearest_folder_that_declares_itself_one(tmp_path):
    inner = tmp_path / "outer" / "inner"
    (inner / "assets" / "orders").mkdir(parents=True)
    assert find_project(inner) is None
    (tmp_path / "outer" / "pyproject.toml").write_text(MARK)
    (inner / "pyproject.toml").write_text('[project]\nname = "a library"\n')
    assert find_project(inner / "assets" / "orders") == tmp_path / "outer"
    (inner / "pyproject.toml").write_text(MARK + 'later = "content counts"\n')
    assert find_project(inner / "assets" / "orders") == inner


def test_this_repository_is_a_project():
    assert find_project(TOP / "tests" / "unit") == TOP


def test_a_project_file_that_is_not_toml_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.slipway\n")
    with pytest.raises(ProjectError, match="not valid TOML") as caught:
        find_project(tmp_path)
    assert caught.value.where == str(tmp_path / "pyproject.toml")


def test_the_home_and_the_project_are_the_same_from_every_folder_inside(project, monkeypatch):
    (project / "assets" / "orders").mkdir()
    for folder in (project, project / "assets" / "orders"):
        monkeypatch.chdir(folder)
        settings = Settings.from_environment({})
        assert (settings.project, settings.home) == (project, project / ".slipway")


def test_the_environment_names_a_project_from_outside(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"SLIPWAY_PROJECT": str(project)})
    assert (settings.project, settings.home) == (project, project / ".slipway")


def test_outside_of_a_project_a_command_that_needs_one_gets_a_clear_error(tmp_path, monkeypatch):
    code, output = slipway("features", "--home", tmp_path / "home", "--json", cwd=tmp_path)
    assert (code, output["error"], output["what"]) == (1, "ProjectError", "There is no Slipway project here.")
    assert "slipway init" in output["fix"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError, match="no Slipway project"):
        _ = Settings.from_environment({}).project


def test_init_writes_what_a_project_needs(project):
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert files >= {
        "pyproject.toml",
        "README.md",
        ".gitignore",
        "workspace.yaml",
        "assets/__init__.py",
        "dbt_project/dbt_project.yml",
        "dbt_project/profiles.yml",
        "tests/test_project.py",
        ".github/workflows/test.yml",
    }
    assert not [name for name in files if "fraud" in name or "credit" in name]
    declared = tomllib.loads((project / "pyproject.toml").read_text())
    assert declared["project"]["name"] == "my-shop"
    (requirement,) = declared["project"]["dependencies"]
    assert requirement.startswith("slipway==")
    assert yaml.safe_load((project / "dbt_project" / "dbt_project.yml").read_text())["name"] == "my_shop"
    steps = yaml.safe_load((project / ".github" / "workflows" / "test.yml").read_text())["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [
        "python -m pip install --editable '.[test]'",
        "python -m pytest",
    ]
    for path in project.rglob("*"):
        if path.is_file() and path.suffix != ".sql":
            assert not {"NAME", "REQUIREMENT", "INSTALL", "WHEELS"} & set(path.read_text().split()), path


def test_the_demo_project_has_this_repositorys_domains(tmp_path):
    init.write_all(tmp_path / "demo", init.project_files("demo", demo=True))
    for part in ("assets/__init__.py", "assets/fraud/model.py", "dbt_project/models/marts/fraud/fraud_reports.sql"):
        assert (tmp_path / "demo" / part).read_bytes() == (TOP / part).read_bytes()
    assert not list((tmp_path / "demo").rglob("__pycache__"))
    declared = tomllib.loads((tmp_path / "demo" / "pyproject.toml").read_text())
    assert declared["project"]["dependencies"][0].startswith("slipway[xgboost]==")  # a candidate of the fraud model


def test_init_lists_what_it_wrote_and_what_comes_next(tmp_path):
    code, output = slipway("init", "shop", "--json", cwd=tmp_path)
    assert (code, output["project"], output["next"]) == (0, str(tmp_path / "shop"), "slipway new-domain orders")
    assert all(Path(name).is_file() for name in output["files"])
    code, output = slipway("init", "shop", "--json", cwd=tmp_path)
    assert (code, output["nearest"]) == (1, "slipway init shop_2")


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "LICENSE").write_text("mine, too")
    with pytest.raises(ProjectError, match="already has a file of a project") as caught:
        init.write_all(tmp_path, init.project_files("shop"))
    assert caught.value.where == str(tmp_path / "README.md")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["LICENSE", "README.md"]
    (tmp_path / "README.md").unlink()
    init.write_all(tmp_path, init.project_files("shop"))
    assert (tmp_path / "LICENSE").read_text() == "mine, too"


def test_when_a_file_cannot_be_written_nothing_is_left(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tests").write_text("a file where a folder has to be")
    with pytest.raises(ProjectError, match="No files were left"):
        init.write_all(tmp_path / "shop", init.project_files("shop"))
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["tests"]


@pytest.mark.parametrize(
    ("title", "name"), [("shop", "shop"), ("My Shop!", "my-shop"), ("slipway", "slipway-project"), ("...", "project")]
)
def test_the_distributions_name_comes_from_the_folders(title, name):
    declared = tomllib.loads(init.project_files(title)["pyproject.toml"].decode())
    assert declared["project"]["name"] == name


@pytest.mark.parametrize(
    ("text", "what"), [(None, "no assets/__init__.py"), ("", "no tuple DOMAINS"), ("DOMAINS = 'orders'", "no tuple")]
)
def test_a_project_without_its_list_of_domains_is_named(project, text, what):
    module = project / "assets" / "__init__.py"
    module.unlink() if text is None else module.write_text(text)
    code, output = slipway("features", "--json", cwd=project)
    assert code == 1
    assert what in output["what"]
    assert str(project / "assets") in output["where"]


def test_a_process_loads_the_domains_of_one_project(project):
    program = (
        "import os, assets\nfrom lakehouse.loading import load_domains\nos.chdir(%r)\n"
        "try:\n    load_domains()\nexcept Exception as error:\n    print(error)"
    )
    words = [sys.executable, "-c", program % str(project)]
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=True)
    assert f"loaded the domains of {TOP}" in done.stdout

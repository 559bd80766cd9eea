"""The package as others get it: built as a wheel, installed into an empty environment, used without this checkout.

What belongs here: that a project of one's own works with the installed package, and what an installation weighs. Not:
what `slipway init` writes, file by file (unit/test_project.py).

The dependencies are linked or downloaded by uv at the versions of requirements.lock.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
UV = shutil.which("uv", path=Path(sys.executable).parent)
MOST_MEGABYTES = 1200


class Installed(NamedTuple):
    """An environment with the wheel in it, and a project that its `slipway init` wrote."""

    environment: Path
    project: Path

    def run(self, *words: object, cwd: Path | None = None, fails: bool = False) -> str:
        """Run a program of the environment in the project; what it printed."""
        own = {
            name: text for name, text in os.environ.items() if not name.startswith(("SLIPWAY_", "PYTHON", "DAGSTER"))
        }
        own |= {"PATH": f"{self.environment / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(self.environment)}
        program, *rest = map(str, words)
        done = subprocess.run(
            [self.environment / "bin" / program, *rest],
            cwd=cwd or self.project,
            env=own,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == int(fails), done.stdout + done.stderr
        assert str(TOP) not in done.stdout + done.stderr
        return done.stdout


def uv(*words: object) -> None:
    done = subprocess.run([str(UV), *map(str, words)], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def link_bytecode(environment: Path) -> None:
    """Give packages that this environment has, file for file, their bytecode: compiling takes longer than a test."""
    site = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    for folder, _, files in os.walk(environment / site):
        ours = Path(sys.prefix, Path(folder).relative_to(environment))
        if not (ours / "__pycache__").is_dir():
            continue
        bytecode = Path(folder, "__pycache__")
        bytecode.mkdir(exist_ok=True)
        for name in files:
            source, compiled = ours / name, Path(cache_from_source(name))
            # Bytecode is valid for a source of the same size and time, which hard links of uv's cache are.
            if name.endswith(".py") and source.exists() and (ours / compiled).exists():
                one, other = source.stat(), Path(folder, name).stat()
                if (one.st_size, int(one.st_mtime)) == (other.st_size, int(other.st_mtime)):
                    os.link(ours / compiled, folder / compiled)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    top = tmp_path_factory.mktemp("wheel")
    locked = re.sub(r" \\$|^\s+--hash=\S+", "", (TOP / "requirements.lock").read_text(), flags=re.MULTILINE)
    (top / "locked.txt").write_text(locked)
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", top / "dist", TOP)
    (wheel,) = (top / "dist").glob("*.whl")
    environment = top / "environment"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    uv("venv", "--python", base, environment)
    uv("pip", "install", "--python", environment, "--constraint", top / "locked.txt", "--link-mode", "hardlink", wheel)
    link_bytecode(environment)
    made = Installed(environment, top / "shop")
    made.run("slipway", "init", "shop", cwd=top)
    return made


def test_an_installation_without_extras_is_not_too_large(installed: Installed) -> None:
    files = [path for path in installed.environment.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) / 1e6 <= MOST_MEGABYTES


def test_a_domain_runs_in_a_project_of_its_own(installed: Installed) -> None:
    installed.run("slipway", "new-domain", "orders")
    inside = installed.project / "assets" / "orders"
    ran = json.loads(installed.run("slipway", "materialize", "+orders.training", "--json", cwd=inside))
    assert "orders.training" in ran["recomputed"]
    tables = json.loads(installed.run("slipway", "tables", "--json"))["tables"]
    assert {one["name"] for one in tables} >= {"orders.events", "orders.account_record", "orders.training"}
    assert (installed.project / ".slipway" / "catalog.db").exists()
    ask = "lakehouse.training_frame('from orders.events', ['orders.account_record'], time='happened_at').rows"
    program = f"import lakehouse; print({ask})"
    assert int(installed.run("python", "-c", program)) > 0


def test_the_projects_own_tests_pass_as_its_workflow_runs_them(installed: Installed) -> None:
    workflow = yaml.safe_load((installed.project / ".github" / "workflows" / "test.yml").read_text())
    install, test = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert install == "python -m pip install --find-links wheels --editable '.[test]'"
    declared = tomllib.loads((installed.project / "pyproject.toml").read_text())["project"]
    (wheel,) = (installed.project / "wheels").glob("*.whl")
    assert declared["dependencies"] == [f"slipway=={wheel.name.split('-')[1]}"]
    words = ["--find-links", installed.project / "wheels", "--no-build-isolation", "--editable"]
    pins = ["--constraint", installed.environment.parent / "locked.txt"]
    uv("pip", "install", "--python", installed.environment, *pins, "hatchling", "editables")
    uv("pip", "install", "--python", installed.environment, *pins, *words, f"{installed.project}[test]")
    assert " passed" in installed.run(*test.split())


def test_a_missing_extra_is_named(installed: Installed) -> None:
    for extra, words in {
        "spark": ["SLIPWAY_ENGINE", "spark", "materialize", "+orders.training", "--rebuild"],
        "postgres": ["SLIPWAY_CATALOG", "postgresql://nobody@127.0.0.1/nothing", "tables"],
    }.items():
        name, value, *command = words
        program = f"import os, sys; os.environ[{name!r}] = {value!r}; from orchestration.cli import main; main()"
        output = json.loads(installed.run("python", "-c", program, *command, "--json", fails=True))
        assert output["nearest"] == f"slipway[{extra}]"
        assert extra in output["what"]

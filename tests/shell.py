"""Command lines as a person types them, run in one folder: what test_docs.py holds the documentation's commands to.

What belongs here: reading a line, running `slipway`, and checking that other commands exist. Not: which lines to run.

`slipway` runs in this process, which spares it seconds; once a project or a domain was written, in one of its own. What
takes minutes, never returns or asks a person is only checked: that there is such a command with such options.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from click import Command, Context

from lakehouse.settings import Settings
from orchestration import cli
from orchestration.cli import init, lineage
from tests import generate_cli_docs
from tests.environment import environment

TOP = Path(__file__).resolve().parents[1]
COMMANDS: dict[str, Command] = generate_cli_docs.all_commands()
TARGETS = re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), flags=re.MULTILINE)


class Shell:
    """Runs command lines in a folder. What they export holds for those that follow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exported: dict[str, str] = {}
        self._project: Path | None = None
        self._new_domain = ""

    def run(self, line: str) -> None:
        """Run one line, which must succeed; one that ends on a comment `# fails` must fail with a clear error."""
        words = shlex.split(line, comments=True)
        given = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            given[name] = value
        program, *arguments = words
        if program == "slipway":
            with environment({**self.exported, **given}):
                self.slipway(arguments, fails=bool(re.search(r"#\s*fails", line)))
        elif program == "cd":
            self.folder /= arguments[0]
            assert self.folder.is_dir()
            self._project = self.folder
        elif program in {"cp", "mv", "rm"}:
            paths = [self.folder / word for word in arguments if not word.startswith("-")]
            assert all(path.resolve().is_relative_to(self.folder.resolve()) for path in paths)
            subprocess.run(words, cwd=self.folder, check=True)
        else:
            known = {"make": check_make, "mlflow": check_mlflow, "python": check_python, ".": check_activate}
            assert program in {*known, "export"}, f"{program!r} is a command that nobody here knows"
            (self._export if program == "export" else known[program])(arguments)

    def slipway(self, arguments: Sequence[str], *, fails: bool = False) -> None:
        """Run `slipway`, or check that it could be run; `> file` at the end takes its output."""
        output = None
        if arguments[-2:-1] == [">"]:
            arguments, output = arguments[:-2], self.folder / arguments[-1]
        name, *rest = arguments
        if name == "lineage":
            rest = lineage.spelled_out(rest)
        if name not in COMMANDS and rest:
            name, rest = f"{name} {rest[0]}", rest[1:]
        if not fails:
            check_slipway(name, rest)
        if self._only_checked(name, rest):
            return
        if name == "new-domain":
            self._project = self._project or self._write_project()
            self._new_domain = f"group:{rest[0]}"
        code, printed, errors = self._in_project(arguments) if self._project else _in_process(arguments)
        assert code == int(fails), f"`slipway {' '.join(arguments)}` ended with {code}\n{printed}{errors}"
        if output:
            output.write_text(printed)

    def _only_checked(self, name: str, rest: Sequence[str]) -> bool:
        if name in {"demo", "up", "simulate"} or name in {"lineage serve", "lineage diff"} or "--drop" in rest:
            return True
        if "--at" in rest and rest[rest.index("--at") + 1].isdigit():
            return True  # a snapshot of somebody else's home
        # A model learns nothing from a small world, and its gates say so; that of a new domain comes with its own.
        trains = name == "materialize" and re.search(r"scorer|predictions|group:|\+", rest[0])
        return bool(trains) and rest[0] != self._new_domain

    def _in_project(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        words = [sys.executable, "-m", "orchestration.cli", *arguments]
        own = {**os.environ, "SLIPWAY_PROJECT": str(self._project), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(words, cwd=self.folder, env=own, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def _write_project(self) -> Path:
        """The demo project, which a new domain may be written to."""
        folder = self.folder / "project"
        init.write_all(folder, init.project_files("project", demo=True))
        return folder

    def _export(self, arguments: Sequence[str]) -> None:
        given = dict(word.split("=", 1) for word in arguments)
        ours = {name: value for name, value in given.items() if name.startswith("SLIPWAY_")}
        Settings.from_environment(ours)
        if not ours.keys() - {"SLIPWAY_HOME"}:  # catalogs elsewhere are not there
            self.exported.update(given)


def check_slipway(name: str, rest: Sequence[str]) -> None:
    """That there is such a command, with these arguments and options."""
    assert name in COMMANDS, f"there is no `slipway {name}`"
    COMMANDS[name].make_context(name, list(rest)).close()


def check_make(arguments: Sequence[str]) -> None:
    """That the Makefile has the targets."""
    for word in arguments:
        assert word in TARGETS or "=" in word, f"the Makefile has no target {word}"


def check_mlflow(arguments: Sequence[str]) -> None:
    """That MLflow has the command and its options, and that its server is for this machine only."""
    from mlflow.cli import cli as mlflow

    command = mlflow.get_command(Context(mlflow), arguments[0])  # knows aliases, too
    assert command is not None, f"there is no `mlflow {arguments[0]}`"
    known = {name for one in command.params for name in one.opts}
    assert known.issuperset(word for word in arguments if word.startswith("--"))
    assert "127.0.0.1" in arguments


def check_python(arguments: Sequence[str]) -> None:
    """That the module is one of the project's."""
    assert arguments[0] == "-m"
    assert (TOP / arguments[1].replace(".", "/")).with_suffix(".py").exists(), f"there is no module {arguments[1]}"


def check_activate(arguments: Sequence[str]) -> None:
    """That it is the environment that the Makefile makes."""
    assert arguments == [".venv/bin/activate"]


def _in_process(arguments: Sequence[str]) -> tuple[int, str, str]:
    printed, errors = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["slipway", *arguments]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            cli.main()
    except SystemExit as end:
        return int(end.code or 0), printed.getvalue(), errors.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("the command line always exits")

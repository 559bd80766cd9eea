"""The current project: the folder that holds a team's assets/ and dbt_project/.

What belongs here: finding that folder, and the error where there is none. Not: loading its declarations (loading.py)
and its dbt models (transforms/project.py).

A project is a folder whose pyproject.toml has a table [tool.slipway]. It is found as Git, dbt and Dagster find theirs:
the current folder, or the nearest one above it.
"""

import tomllib
from functools import cache
from pathlib import Path

from lakehouse.errors import ProjectError

PROJECT_FILE = "pyproject.toml"


def find_project(start: Path) -> Path | None:
    """The nearest project folder at or above `start`; None where there is none.

    Raises ProjectError for a pyproject.toml on the way that is not TOML.
    """
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if _is_project(folder / PROJECT_FILE)), None)


def missing_project() -> ProjectError:
    """The error for a command that needs a project and was called outside of one."""
    return ProjectError(
        "There is no Slipway project here.",
        where=f"{_current()} and the folders above it",
        fix="Change into your project (the folder whose pyproject.toml has a table [tool.slipway]), name it with "
        "SLIPWAY_PROJECT, or write one: `slipway init my_project` (with --demo: the demo project).",
    )


def _is_project(file: Path) -> bool:
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        return False
    return _declares_project(file, changed)


@cache
def _declares_project(file: Path, changed: int) -> bool:  # noqa: ARG001  # another time, another content
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"The file is not valid TOML: {error}.", where=str(file), fix="Correct the file.") from error
    return "slipway" in content.get("tool", {})


def _current() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "a folder that was removed"

"""docs/cli.md, made from the commands themselves: `python -m tests.generate_cli_docs` writes it.

What belongs here: the page. Not: what commands say of themselves (orchestration/cli), and whether the page is stale
(test_cli.py asks).
"""

import re
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from orchestration.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
_HEAD = """\
# The command line

`slipway` does everything that the Dagster UI does, and queries tables, features, models and lineage. It works on the
project of the current folder: the nearest folder, at or above it, whose `pyproject.toml` has a table `[tool.slipway]`
(`SLIPWAY_PROJECT` names another one). `slipway init` creates a project. This repository is one, the demo project; in
it, `make demo` and `make up` are short for two of the commands.

Every command but `init` takes `--home DIR` (default: `SLIPWAY_HOME`, else `.slipway` in the project), `--json` (one
JSON value on standard output and nothing else) and `--help`. Progress and notes go to standard error. Only one command
at a time changes a home; a second one gets an error that names the first.

| exit code | means |
|---|---|
| 0 | done |
| 1 | an error, which states what is wrong, where, the nearest valid value and what to do; a JSON object with `--json` |
| 2 | wrong usage: an unknown command or option, or a missing argument |
| 130 | interrupted |

This page is generated from the CLI: `python -m tests.generate_cli_docs`.
"""


def all_commands() -> dict[str, Any]:
    """Every command by its name; those of a group by both words."""
    top: Any = typer.main.get_command(app)
    found = {}
    for name, one in top.commands.items():
        own = getattr(one, "commands", None)
        found |= {f"{name} {second}": each for second, each in own.items()} if own else {name: one}
    return found


def page() -> str:
    """The whole page."""
    commands = all_commands()
    anchors = {name: f"#slipway-{name.replace(' ', '-')}" for name in commands}
    index = [f"- [`slipway {name}`]({anchors[name]}): {_first_line(one)}" for name, one in commands.items()]
    return "\n".join([_HEAD, *index, *(_section(name, one) for name, one in commands.items())]) + "\n"


def examples(command: Any) -> list[str]:
    """The lines of a command's help that show how to call it, what they do as a comment."""
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    return [re.sub(r" {2,}", "  # ", line, count=1) for line in lines if line.startswith("slipway ")]


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if not one.opts[0].startswith("-")]
    options = [one for one in command.params if one.opts[0].startswith("-") and not one.hidden]
    words = " ".join(one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments)
    lines = [f"\n## slipway {name}\n", command.help.strip(), "\n```console"]
    lines += [f"slipway {name} {words} [OPTIONS]".replace("  ", " "), "```\n"]
    if arguments:
        lines += ["| argument | means |", "|---|---|"]
        lines += [f"| `{one.name.upper()}` | {_cell(one.help)} |" for one in arguments] + [""]
    lines += ["| option | default | means |", "|---|---|---|"]
    lines += [f"| {_spelling(one)} | {_default(one)} | {_cell(one.help)} |" for one in options]
    return "\n".join([*lines, "\nExamples:\n", "```console", *examples(command), "```"])


def _first_line(command: Any) -> str:
    return command.help.strip().splitlines()[0]


def _spelling(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    kind = option.type_descriptor.annotation
    if option.is_flag:
        return names
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"{names} {' or '.join(f'`{one.value}`' for one in kind)}"
    return f"{names} {option.name.upper()}"


def _default(option: Any) -> str:
    value = option.default
    if option.is_flag or value in {None, ""}:
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
